//! Whether the server is well: the process, and each thing it depends on.

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use elb_core::{search::Program, text::counted};
use elb_engine::{
    audit_log::Backlog,
    breaker::{BreakerReport, BreakerState},
    toolkit::{Tool, Toolkit},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::AppState;

/// Free space below which a search is likely to fail, in bytes.
const LITTLE_SPACE: u64 = 1_000_000_000;

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
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was seen.
    pub note: String,
}

/// Every dependency.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether all of them are as they should be.
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
    let store = match state.service.check_store().await {
        Ok(()) => Check {
            name: "store",
            ok: true,
            note: "answers".to_owned(),
        },
        Err(error) => Check {
            name: "store",
            ok: false,
            note: error.to_string(),
        },
    };
    let blast = blast(state.service.toolkit()).await;
    let databases = state.service.catalogue().list();
    let broken = databases
        .iter()
        .filter(|database| database.problem.is_some())
        .count();
    let databases = Check {
        name: "databases",
        ok: broken == 0,
        note: format!("{} found, {broken} of them cannot be read", databases.len()),
    };
    let unreadable = state.service.unreadable_jobs();
    let searches = Check {
        name: "searches",
        ok: unreadable == 0,
        note: format!(
            "{unreadable} of the stored ones cannot be read and are missing from the list"
        ),
    };
    let fresh = state.service.freshness();
    let list = Check {
        name: "list",
        ok: fresh.stale.is_none(),
        note: match fresh.stale {
            None => format!("as of {}", fresh.as_of.on_screen()),
            Some(reason) => format!("as of {}: {reason}", fresh.as_of.on_screen()),
        },
    };
    let audit = audit(&state.service.audit_backlog());
    let mut checks = vec![store, blast, disk(&state), databases, searches, list, audit];
    checks.extend(state.service.breakers().into_iter().map(breaker));
    // A database or an old search that cannot be read is worth a line, and so is an old list or a
    // record that waits for the store; the rest can be used.
    let ready = checks
        .iter()
        .all(|check| check.ok || matches!(check.name, "databases" | "searches" | "list" | "audit"));
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

/// A dependency that is left alone for a moment when it does not answer.
fn breaker(report: BreakerReport) -> Check {
    let mut note = format!(
        "breaker {}; {} calls answered, {} not, {} held back",
        report.state.as_str(),
        report.answered,
        report.failed,
        report.held_back
    );
    if let Some((at, reason)) = report.last_failure {
        note.push_str(&format!("; last failure {}: {reason}", at.on_screen()));
    }
    Check {
        name: report.name,
        ok: report.state == BreakerState::Closed,
        note,
    }
}

fn audit(backlog: &Backlog) -> Check {
    let mut notes = Vec::new();
    if let Some(trouble) = &backlog.trouble {
        let records = counted(backlog.waiting as u64, "record", "records");
        notes.push(format!(
            "{records} could not be stored yet; they are kept in memory and tried again ({trouble})"
        ));
    }
    if backlog.lost > 0 {
        let records = counted(backlog.lost, "record", "records");
        notes.push(format!(
            "{records} could not be kept since the start; the server's log names each"
        ));
    }
    Check {
        name: "audit",
        ok: notes.is_empty(),
        note: if notes.is_empty() {
            "every record is stored".to_owned()
        } else {
            notes.join("; ")
        },
    }
}

/// Marks an answer whose body stays as it is, whatever its status.
#[derive(Debug, Clone, Copy)]
pub struct OwnBody;

/// Asks BLAST+ anew: it may have been removed or replaced since the start.
async fn blast(toolkit: &Toolkit) -> Check {
    let tool = Tool::of_program(Program::Blastn);
    let mut command = toolkit.command(tool);
    command.arg("-version");
    let (ok, note) = match toolkit.ask(command, tool).await {
        Ok(_) => (
            true,
            format!("BLAST+ {} at the start, and it answers", toolkit.version()),
        ),
        Err(error) => (false, error.to_string()),
    };
    Check {
        name: "blast",
        ok,
        note,
    }
}

fn disk(state: &AppState) -> Check {
    match rustix::fs::statvfs(state.data_dir.as_path()) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            Check {
                name: "disk",
                ok: free >= LITTLE_SPACE,
                note: format!(
                    "{} free in {}",
                    elb_core::text::bytes(free),
                    state.data_dir.display()
                ),
            }
        }
        Err(error) => Check {
            name: "disk",
            ok: false,
            note: format!("{}: {error}", state.data_dir.display()),
        },
    }
}
