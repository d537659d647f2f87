//! Files that are sent while they are made.
//!
//! Owns their headers. A stream that fails in the middle breaks the transfer off, so that nobody takes
//! a part for the whole.

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use elb_engine::service::Download;

/// An answer that a browser saves under its name.
pub fn attachment(download: Download) -> Response {
    let mut answer = Response::new(Body::from_stream(download.pieces));
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(download.media_type),
    );
    // The name is made from the job's id and an ending, so that it needs no escaping.
    let disposition = format!("attachment; filename=\"{}\"", download.file_name);
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    if let Some(size) = download.size {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    let sandbox = HeaderValue::from_static("default-src 'none'; sandbox");
    headers.insert(header::CONTENT_SECURITY_POLICY, sandbox);
    answer
}
