//! The history of a search.

use axum::{
    Json,
    extract::{Path, State},
};
use elb_core::view::HistoryEntry;
use elb_engine::service::MAX_HISTORY;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        params::{Params, limit},
        schema::HistoryBody,
    },
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// Entries of a page that names no number.
const USUAL: usize = 100;

/// Which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    before: Option<u64>,
    limit: Option<usize>,
}

/// A page of the history.
#[derive(Debug, Serialize, ToSchema)]
pub struct History {
    /// Newest first.
    #[schema(value_type = Vec<HistoryBody>)]
    pub entries: Vec<HistoryEntry>,
    /// Where the next page begins: its `before`.
    pub next_before: Option<u64>,
}

/// Every transition, newest first
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}/history", tag = "searches",
    params(
        ("id" = String, Path),
        ("before" = Option<u64>, Query, description = "only versions before this one"),
        ("limit" = Option<u32>, Query, description = "entries, 1 to 500 (default 100)")
    ),
    responses((status = 200, body = History), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub async fn history(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Params(page): Params<Page>,
) -> Result<Json<History>, ApiError> {
    let limit = limit(page.limit, USUAL, MAX_HISTORY)?;
    let entries = state
        .service
        .history(&state.caller(), &id, page.before, limit)
        .await?;
    let last = entries
        .last()
        .map(|entry| entry.version)
        .filter(|version| *version > 1);
    Ok(Json(History {
        next_before: last,
        entries,
    }))
}
