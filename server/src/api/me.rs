//! Who asks.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::AppState;

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// Stable identifier; owner of what is submitted.
    pub id: String,
    /// Name for people.
    pub name: String,
}

/// Who asks
#[utoipa::path(get, path = "/api/me", tag = "server", responses((status = 200, body = Me)))]
pub async fn me(State(state): State<AppState>) -> Json<Me> {
    let caller = state.caller();
    Json(Me {
        id: caller.id,
        name: caller.name,
    })
}
