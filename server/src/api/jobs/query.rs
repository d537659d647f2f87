//! The query of a search as it was stored.

use axum::{
    extract::{Path, State},
    response::Response,
};

use crate::{
    api::stream::attachment,
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// The query as FASTA
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}/query", tag = "searches", params(("id" = String, Path)),
    responses((status = 200, body = String, content_type = "text/plain"), (status = 404, body = ErrorBody))
)]
pub async fn query(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    Ok(attachment(
        state.service.query_file(&state.caller(), &id).await?,
    ))
}
