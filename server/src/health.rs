//! Whether the server is well: the process, and each thing it depends on.

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::AppState;

/// The process is up.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    pub status: &'static str,
    /// Version of this program.
    pub version: &'static str,
}

/// One dependency.
#[derive(Debug, Serialize, ToSchema)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// Whether the server is of use without it.
    pub needed: bool,
    /// What was seen.
    pub note: String,
}

/// Every dependency.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether all that are needed are as they should be.
    pub ready: bool,
    /// One line each.
    pub checks: Vec<Check>,
}

/// The process is up
#[utoipa::path(get, path = "/api/health", tag = "server", responses((status = 200, body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// What the server depends on, a line each
#[utoipa::path(
    get, path = "/api/health/ready", tag = "server",
    responses((status = 200, body = Readiness), (status = 503, description = "Something is missing; the same body says what.", body = Readiness))
)]
pub async fn ready(State(state): State<AppState>) -> impl IntoResponse {
    let checks = state.service.checks(&state.data_dir).await;
    let ready = checks.iter().all(|check| check.ok || !check.needed);
    let checks = checks.into_iter().map(|check| Check {
        name: check.name,
        ok: check.ok,
        needed: check.needed,
        note: check.note,
    });
    let checks = checks.collect();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut answer = (status, Json(Readiness { ready, checks })).into_response();
    if !ready {
        // The body is this route's own also when something is missing.
        answer.extensions_mut().insert(OwnBody);
    }
    answer
}

/// Marks an answer whose body stays as it is, whatever its status.
#[derive(Debug, Clone, Copy)]
pub struct OwnBody;
