//! Which answers are compressed on their way out.
//!
//! An answer that could be is handed to the compressor only then. Any other keeps its own body: that of a
//! compressor takes some kilobytes for its state even where it compresses nothing, for as long as an event
//! stream is open. Streams are sent as they come, for a compressor would hold their events back.

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::compression::{
    CompressionLayer,
    predicate::{DefaultPredicate, NotForContentType, Predicate},
};

/// The layer.
pub async fn compress(request: Request, next: Next) -> Response {
    let accepted = request.headers().get(header::ACCEPT_ENCODING).cloned();
    let mut answer = next.run(request).await;
    let pays = DefaultPredicate::new()
        .and(NotForContentType::SSE)
        .and(NotForContentType::const_new("application/gzip"));
    let encoded = answer.headers().contains_key(header::CONTENT_ENCODING);
    if encoded || !pays.should_compress(&answer) {
        return answer;
    }
    if let Some(accepted) = accepted {
        return compressed(answer, accepted).await;
    }
    // Whoever keeps it must not give it to those who would have it compressed.
    let headers = answer.headers_mut();
    if !headers.contains_key(header::VARY) {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    answer
}

async fn compressed(answer: Response, accepted: HeaderValue) -> Response {
    let mut asked = Request::new(Body::empty());
    asked
        .headers_mut()
        .insert(header::ACCEPT_ENCODING, accepted);
    let mut answer = Some(answer);
    // It is asked once.
    let given = service_fn(move |_| {
        let answer = answer.take().unwrap_or_default();
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    match CompressionLayer::new().layer(given).oneshot(asked).await {
        Ok(answer) => answer.map(Body::new).into_response(),
        Err(never) => match never {},
    }
}
