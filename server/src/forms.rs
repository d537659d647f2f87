//! Forms: what pages send, with or without scripts.
//!
//! A form that cannot be carried out goes back to its page with everything in it. With
//! `Accept: application/json`, as the islands send it, the answer is JSON instead of a page.

pub mod clusters;
pub mod databases;
pub mod jobs;
pub mod multipart;
pub mod search;

use axum::http::{HeaderMap, header};

/// Whether the sender wants JSON: an island, not a browser that shows the answer.
#[must_use]
pub fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.starts_with("application/json"))
}
