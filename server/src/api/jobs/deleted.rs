//! Deleted searches: listed for as long as they can be restored, and restored.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use elb_core::view::{DeletedRow, JobDetail};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::one::shown;
use crate::{
    api::{
        params::{Params, limit},
        schema::{DeletedBody, JobBody},
    },
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// Rows of an answer that names no number.
const USUAL: usize = 100;
/// The most rows of one answer.
const MOST: usize = 500;

/// How many.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    limit: Option<usize>,
}

/// Deleted searches.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// The last deleted first.
    #[schema(value_type = Vec<DeletedBody>)]
    pub jobs: Vec<Arc<DeletedRow>>,
    /// How many there are in all.
    pub total: usize,
}

/// Deleted searches that can still be restored
#[utoipa::path(
    get, path = "/api/blast/jobs/deleted", tag = "searches",
    params(("limit" = Option<u32>, Query, description = "rows, 1 to 500 (default 100)")),
    responses((status = 200, body = Deleted), (status = 400, body = ErrorBody))
)]
pub async fn deleted(
    State(state): State<AppState>,
    Params(page): Params<Page>,
) -> Result<Json<Deleted>, ApiError> {
    let limit = limit(page.limit, USUAL, MOST)?;
    let mut jobs = state.service.deleted(&state.caller());
    let total = jobs.len();
    jobs.truncate(limit);
    Ok(Json(Deleted { jobs, total }))
}

/// Bring a deleted search back
///
/// It is as it was, with query, results, log and history, until the time in `keep_until` is over.
#[utoipa::path(
    post, path = "/api/blast/jobs/{id}/restore", tag = "searches", params(("id" = String, Path)),
    responses(
        (status = 200, body = JobBody),
        (status = 404, body = ErrorBody),
        (status = 409, description = "It is not deleted, or its time is over.", body = ErrorBody)
    )
)]
pub async fn restore(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<JobDetail>, ApiError> {
    state.service.restore(&state.caller(), &id).await?;
    Ok(Json(shown(&state, &id)?))
}
