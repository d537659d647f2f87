//! The external plane: whether it can be asked, and the files of its searches. No token leaves this server.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use elb_core::{
    external::{ExternalFile, PlaneView},
    time::Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        schema::{FileBody, PlaneStateBody},
        stream::attachment,
    },
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// The external plane.
#[derive(Debug, Serialize, ToSchema)]
pub struct MonitoredPlane {
    /// When the answer was made (RFC 3339, UTC); how old what it says is, it says itself.
    #[schema(value_type = String)]
    pub as_of: Timestamp,
    /// The plane; null if the settings name none.
    #[schema(value_type = Option<PlaneStateBody>)]
    pub plane: Option<PlaneView>,
}

/// Files of a search.
#[derive(Debug, Serialize, ToSchema)]
pub struct Files {
    /// Each file, in the order of the plane.
    #[schema(value_type = Vec<FileBody>)]
    pub files: Vec<ExternalFile>,
}

/// The external plane, and whether it answers
///
/// From memory: it is not asked for this. While it cannot be asked its searches stay in the list as they were.
#[utoipa::path(
    get, path = "/api/monitor/external", tag = "server",
    responses((status = 200, body = MonitoredPlane))
)]
pub async fn plane(State(state): State<AppState>) -> Json<MonitoredPlane> {
    Json(MonitoredPlane {
        as_of: state.service.now(),
        plane: state.service.external(),
    })
}

/// Files with the results of a search that the external plane ran
///
/// 409 as long as there are none, and while the plane cannot be asked; the message says which.
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}/files", tag = "searches", params(("id" = String, Path)),
    responses((status = 200, body = Files), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody))
)]
pub async fn files(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Files>, ApiError> {
    let files = state.service.external_files(&state.caller(), &id).await?;
    Ok(Json(Files {
        files: files.to_vec(),
    }))
}

/// One of these files, as the external plane sends it
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}/files/{file}", tag = "searches",
    params(("id" = String, Path), ("file" = String, Path)),
    responses(
        (status = 200, body = String, content_type = "application/octet-stream"),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    )
)]
pub async fn file(
    State(state): State<AppState>,
    Path((id, file)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let service = &state.service;
    Ok(attachment(
        service.external_file(&state.caller(), &id, &file).await?,
    ))
}
