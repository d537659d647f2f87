//! The search form: run, checked, or drawn anew for another program.
//!
//! Owns the way from fields to a submission. The query is streamed to a file while it arrives; every
//! problem of options and query is shown at once, and nothing that was typed is lost.

use axum::{
    Json,
    extract::{Multipart, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use elb_app::data::Returned;
use elb_core::search::{OptionProblem, from_form};
use elb_engine::service::{ServiceError, Submission};
use sha2::{Digest, Sha256};

mod arrived;

use super::{multipart, wants_json};
use crate::{
    error::ApiError,
    pages,
    problems::{self, Candidate},
    state::AppState,
};
use arrived::Arrived;

const PAGE: &str = "/search";
/// Fields that are no part of what makes two sendings the same search.
const NOT_COMPARED: [&str; 2] = ["key", "action"];
/// The longest key of a form, in characters.
const MAX_KEY: usize = 64;

/// Takes the form.
pub async fn search(
    State(state): State<AppState>,
    headers: HeaderMap,
    mut form: Multipart,
) -> Response {
    let json = wants_json(&headers);
    let mut arrived = Arrived::default();
    if let Err(error) = arrived.receive(&state, &mut form).await {
        multipart::drain(&mut form, state.page_settings.max_query_bytes).await;
        return refused(&state, arrived.returned(), error, json).await;
    }
    match arrived.value("action") {
        "refresh" => pages::page_again(&state, PAGE, StatusCode::OK, arrived.returned()).await,
        "check" => check(&state, &arrived, json).await,
        _ => run(&state, arrived, json).await,
    }
}

/// The form goes back with what speaks against it.
async fn refused(state: &AppState, returned: Returned, error: ApiError, json: bool) -> Response {
    if json {
        return error.into_response();
    }
    let status = error.status;
    let mut problems = error.problems;
    if problems.is_empty() {
        problems.push(OptionProblem::new("", error.message));
    }
    pages::page_again(
        state,
        PAGE,
        status,
        Returned {
            problems,
            ..returned
        },
    )
    .await
}

/// Everything that speaks against the form.
fn problems_of(state: &AppState, arrived: &Arrived) -> Vec<OptionProblem> {
    let (spec, unread) = from_form(&arrived.fields);
    let mut queries = arrived.queries();
    // Of two queries none is meant more than the other.
    let query = queries.next().filter(|_| queries.next().is_none());
    let candidate = Candidate {
        spec: &spec,
        title: arrived.value("title"),
        runs_on: arrived.value("runs_on"),
        unread,
        query: query.map(|query| &query.report),
    };
    let mut problems = problems::of(state, candidate);
    problems.extend(arrived.query_problems());
    problems
}

fn invalid(problems: Vec<OptionProblem>) -> ApiError {
    ApiError {
        message: "The search cannot be started yet.".to_owned(),
        ..ApiError::invalid(problems)
    }
}

async fn check(state: &AppState, arrived: &Arrived, json: bool) -> Response {
    let returned = arrived.returned();
    let problems = problems_of(state, arrived);
    if !problems.is_empty() {
        return refused(state, returned, invalid(problems), json).await;
    }
    if json {
        return Json(serde_json::json!({ "problems": [], "warnings": returned.warnings }))
            .into_response();
    }
    pages::page_again(
        state,
        PAGE,
        StatusCode::OK,
        Returned {
            checked: true,
            ..returned
        },
    )
    .await
}

async fn run(state: &AppState, arrived: Arrived, json: bool) -> Response {
    // Kept for the page: what could not be carried out goes back with everything in it.
    let returned = arrived.returned();
    let problems = problems_of(state, &arrived);
    if !problems.is_empty() {
        return refused(state, returned, invalid(problems), json).await;
    }
    match submit(state, arrived).await {
        Ok(id) => {
            let location = format!("/jobs/{id}");
            if json {
                let body = serde_json::json!({ "job_id": id, "location": location });
                return (StatusCode::ACCEPTED, Json(body)).into_response();
            }
            Redirect::to(&location).into_response()
        }
        Err(error) => refused(state, returned, error.into(), json).await,
    }
}

async fn submit(state: &AppState, arrived: Arrived) -> Result<String, ServiceError> {
    let key = key_of(&arrived);
    let title = arrived.value("title").to_owned();
    let runs_on = arrived.value("runs_on").to_owned();
    let (fields, query) = arrived.into_parts();
    let (spec, _) = from_form(&fields);
    let Some(query) = query else {
        // Said among the problems before.
        let missing = OptionProblem::new("query", "Paste or choose at least one sequence.");
        return Err(ServiceError::Invalid(vec![missing]));
    };
    let submission = Submission {
        spec,
        title,
        runs_on,
        query,
        key,
    };
    let submitted = state.service.submit(&state.caller(), submission).await?;
    Ok(submitted.stored.job.id)
}

/// The form's key with what was sent: a form that is sent twice makes one search, one that was edited
/// in between makes another.
fn key_of(arrived: &Arrived) -> Option<String> {
    let key = arrived.value("key");
    let plain = !key.is_empty()
        && key.len() <= MAX_KEY
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain {
        return None;
    }
    let mut hash = Sha256::new();
    for (name, value) in arrived
        .fields
        .iter()
        .filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str()))
    {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(value.as_bytes());
        hash.update([0]);
    }
    for query in arrived.queries() {
        hash.update(query.digest.as_bytes());
    }
    let digest: String = hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(format!("form:{key}:{digest}"))
}
