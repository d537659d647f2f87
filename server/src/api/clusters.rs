//! What is seen of the clusters: from memory, so that it never waits for one.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use elb_core::{cluster::PlaceView, time::Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::{
    api::schema::PlaceBody,
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// The clusters that are watched.
#[derive(Debug, Serialize, ToSchema)]
pub struct Monitored {
    /// When the answer was made (RFC 3339, UTC); how old what it says of a cluster is, each says itself.
    #[schema(value_type = String)]
    pub as_of: Timestamp,
    /// Each namespace that is watched, in the order of the settings; empty if none is.
    #[schema(value_type = Vec<PlaceBody>)]
    pub clusters: Vec<PlaceView>,
}

/// Clusters, with the searches on them
///
/// Whoever submitted the searches. No cluster is asked for it: one that cannot be seen is answered with what
/// was seen of it last, its `as_of`, and the `reason`.
#[utoipa::path(
    get, path = "/api/monitor/clusters", tag = "server",
    responses(
        (status = 200, body = Monitored, headers(("etag" = String, description = "changes when what is seen does"))),
        (status = 304, description = "The answer is the one that the client has."),
        (status = 500, body = ErrorBody)
    )
)]
pub async fn clusters(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let answer = Monitored {
        as_of: state.service.now(),
        clusters: state.service.places(),
    };
    let etag = etag(&answer.clusters)?;
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let known = known.is_some_and(|known| known.split(',').any(|each| each.trim() == etag));
    let mut answer = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(answer).into_response()
    };
    let headers = answer.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, value);
    }
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    Ok(answer)
}

/// Made of what is seen and not of its revision, which begins anew with the server. The time of the answer
/// plays no part, nor does how often a cluster was asked, or when one last spoke whose changes arrive by
/// themselves.
fn etag(clusters: &[PlaceView]) -> Result<String, ApiError> {
    let mut seen = clusters.to_vec();
    for place in &mut seen {
        place.requests = 0;
        if place.health.is_current() {
            place.as_of = None;
        }
    }
    let json = serde_json::to_vec(&seen).map_err(|error| {
        tracing::error!(%error, "the clusters cannot be written");
        let message = "The clusters cannot be written; the server's log says why.";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    })?;
    let digest = Sha256::digest(&json);
    let short: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!("\"{short}\""))
}
