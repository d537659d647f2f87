//! One search: read, cancelled, tried again, deleted.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use elb_core::view::JobDetail;

use crate::{
    api::schema::JobBody,
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// The search as it is now; of a deleted one the error tells until when it can be restored, and how.
///
/// # Errors
/// 404 if there is none.
pub fn shown(state: &AppState, id: &str) -> Result<JobDetail, ApiError> {
    let caller = state.caller();
    state
        .service
        .detail(&caller, id)
        .map(|detail| JobDetail::clone(&detail))
        .map_err(|error| match state.service.deleted_job(&caller, id) {
            Some(row) => ApiError {
                message: format!(
                    "the job {id} was deleted at {}; until {} it can be restored with POST /api/blast/jobs/{id}/restore",
                    row.deleted_at.rfc3339(),
                    row.keep_until.rfc3339()
                ),
                ..error.into()
            },
            None => error.into(),
        })
}

/// One search with its timeline and exact command
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}", tag = "searches", params(("id" = String, Path)),
    responses((status = 200, body = JobBody), (status = 404, body = ErrorBody))
)]
pub async fn detail(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<JobDetail>, ApiError> {
    Ok(Json(shown(&state, &id)?))
}

/// Ask for the end of a search
///
/// It counts as cancelled once nothing of it is seen to run any more.
#[utoipa::path(
    post, path = "/api/blast/jobs/{id}/cancel", tag = "searches", params(("id" = String, Path)),
    responses((status = 202, body = JobBody), (status = 404, body = ErrorBody), (status = 409, description = "It has ended already.", body = ErrorBody))
)]
pub async fn cancel(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    state.service.cancel(&state.caller(), &id).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(&state, &id)?)).into_response())
}

/// Try a failed or cancelled search again
#[utoipa::path(
    post, path = "/api/blast/jobs/{id}/retry", tag = "searches", params(("id" = String, Path)),
    responses((status = 202, body = JobBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 503, body = ErrorBody))
)]
pub async fn retry(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    state.service.retry(&state.caller(), &id).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(&state, &id)?)).into_response())
}

/// Delete a search
///
/// One that has not ended is cancelled first and deleted when nothing of it runs any more (202).
#[utoipa::path(
    delete, path = "/api/blast/jobs/{id}", tag = "searches", params(("id" = String, Path)),
    responses((status = 204, description = "Deleted."), (status = 202, description = "Will be deleted once it has stopped.", body = JobBody), (status = 404, body = ErrorBody))
)]
pub async fn delete(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let stored = state.service.delete(&state.caller(), &id).await?;
    if stored.job.phase.is_active() {
        // It may be gone between the two; then there is nothing to show.
        if let Ok(job) = shown(&state, &id) {
            return Ok((StatusCode::ACCEPTED, Json(job)).into_response());
        }
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
