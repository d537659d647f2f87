//! Cancel, retry, delete and restore, as buttons send them: for one search or for many.
//!
//! Each leads back to where its button stood. What became of it stands in the address, or is kept for
//! the page under a key in it.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{Path, State},
    response::Redirect,
};
use elb_app::{data::list_query, notices::Outcome};
use elb_core::list::ListQuery;
use elb_engine::service::{Action, ServiceError};

use crate::{error::ApiError, state::AppState};

/// How long a delete of an active search waits for its end, so that the page can offer to undo it. Ours:
/// as long as nobody minds.
const STOPPING: Duration = Duration::from_secs(3);

/// Fields of a form, in order; some come several times.
type Fields = Vec<(String, String)>;

/// The fields of a form; none if it has no body.
fn read(body: &Bytes) -> Fields {
    form_urlencoded::parse(body).into_owned().collect()
}

fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// The list as the form's page showed it; a list that makes no sense is the usual one.
fn list(fields: &Fields) -> String {
    let query = list_query(value(fields, "list").unwrap_or_default());
    query.unwrap_or_else(|_| ListQuery::default()).href("/jobs")
}

/// The address with one more parameter, whose value needs no escaping.
fn with(address: &str, name: &str, value: &str) -> String {
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}{name}={value}")
}

/// Asks for the end of a search and goes back to its page.
pub async fn cancel(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Redirect, ApiError> {
    state.service.cancel(&state.caller(), &id).await?;
    Ok(Redirect::to(&format!("/jobs/{id}")))
}

/// Asks for another attempt and goes back to the page of the search.
pub async fn retry(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Redirect, ApiError> {
    state.service.retry(&state.caller(), &id).await?;
    Ok(Redirect::to(&format!("/jobs/{id}")))
}

/// Deletes a search and goes to the list, which offers to undo it.
pub async fn delete(
    State(state): State<AppState>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Redirect, ApiError> {
    let fields = read(&body);
    let stored = state.service.delete(&state.caller(), &id).await?;
    let id = stored.job.id;
    wait_until_gone(&state, &[&id]).await;
    Ok(Redirect::to(&with(&list(&fields), "deleted", &id)))
}

/// Brings a deleted search back, and goes to where the button stood, or to the search.
pub async fn restore(
    State(state): State<AppState>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Redirect, ApiError> {
    let fields = read(&body);
    let restored = state.service.restore(&state.caller(), &id).await?;
    let id = restored.job.id;
    let to = match value(&fields, "back") {
        Some("list") => with(&list(&fields), "restored", &id),
        Some("deleted") => with("/jobs/deleted", "restored", &id),
        _ => format!("/jobs/{id}"),
    };
    Ok(Redirect::to(&to))
}

/// Carries out one action on every chosen search and goes back to the list, which tells what became of
/// each.
pub async fn bulk(State(state): State<AppState>, body: Bytes) -> Result<Redirect, ApiError> {
    let fields = read(&body);
    let action = value(&fields, "action").and_then(Action::parse);
    let Some(action) = action else {
        return Err(ApiError::bad_request(
            "The form names none of cancel, retry, delete, restore. Go back and choose one.",
        ));
    };
    let ids: Vec<String> = fields
        .iter()
        .filter(|(name, _)| name == "id")
        .map(|(_, id)| id.clone())
        .collect();
    let outcome = carry_out(&state, action, &ids, &fields).await?;
    let key = state.notices.keep(&state.caller(), outcome);
    Ok(Redirect::to(&with(&list(&fields), "notice", &key)))
}

async fn carry_out(
    state: &AppState,
    action: Action,
    ids: &[String],
    fields: &Fields,
) -> Result<Outcome, ApiError> {
    let mut outcome = Outcome {
        action,
        done: Vec::new(),
        refused: Vec::new(),
        nothing: None,
    };
    let for_good = action == Action::Delete && state.service.retention().deleted.is_zero();
    if ids.is_empty() {
        let why = "No search was chosen: tick the boxes of those that are meant.";
        outcome.nothing = Some(why.to_owned());
        return Ok(outcome);
    }
    if for_good && value(fields, "sure") != Some("yes") {
        let why = "Nothing was deleted: deleted searches cannot be restored on this server. Tick “Delete for good” to delete them all the same.";
        outcome.nothing = Some(why.to_owned());
        return Ok(outcome);
    }
    let caller = state.caller();
    // Before they are gone.
    let title = |id: &String| {
        let detail = state.service.detail(&caller, id);
        detail.map_or_else(|_| id.clone(), |detail| detail.row.title.clone())
    };
    let titles: Vec<(String, String)> = ids.iter().map(|id| (id.clone(), title(id))).collect();
    for (id, result) in state.service.bulk(&caller, action, ids).await? {
        match result {
            Ok(_) => outcome.done.push(id),
            Err(error) => {
                let title = titles.iter().find(|(known, _)| *known == id);
                let title = title.map_or(id.clone(), |(_, title)| title.clone());
                outcome.refused.push((title, reason(error)));
            }
        }
    }
    if action == Action::Delete {
        let done: Vec<&String> = outcome.done.iter().collect();
        wait_until_gone(state, &done).await;
    }
    Ok(outcome)
}

/// Why a search did not take an action, as a person says it.
fn reason(error: ServiceError) -> String {
    match error {
        ServiceError::NotNow(error) => error.why,
        other => ApiError::from(other).message,
    }
}

/// Waits a moment for searches to become tombstones.
async fn wait_until_gone(state: &AppState, ids: &[&String]) {
    let caller = state.caller();
    let mut changes = state.service.subscribe();
    let gone = async {
        while ids
            .iter()
            .any(|id| state.service.detail(&caller, id).is_ok())
        {
            // Whoever lags looks again; a stream that is closed belongs to an engine that has ended.
            if let Err(tokio::sync::broadcast::error::RecvError::Closed) = changes.recv().await {
                return;
            }
        }
    };
    // One that takes longer is deleted all the same, and the list tells that it is not yet.
    let _ = tokio::time::timeout(STOPPING, gone).await;
}
