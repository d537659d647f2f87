//! Submitting a search as JSON.

use axum::{
    Json,
    body::{Bytes, HttpBody},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use elb_core::search::{OptionProblem, Program, SearchOptions, SearchSpec, Task};
use elb_engine::service::{ServiceError, Submission, Submitted};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    api::{
        jobs::one::shown,
        schema::{SubmitBody, SubmittedBody},
    },
    error::{ApiError, ErrorBody},
    problems::{self, Candidate},
    state::AppState,
};

/// Room in the body for what is not the query, in bytes.
const BESIDE_QUERY: u64 = 1_000_000;
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Submit a search
///
/// The search is stored before the answer is sent. With the same `Idempotency-Key` the same search is
/// answered again and nothing new is made; the same key with another body is refused.
#[utoipa::path(
    post, path = "/api/blast/jobs", tag = "searches", request_body = SubmitBody,
    params(("idempotency-key" = Option<String>, Header, description = "at most 200 visible ASCII characters; counts for 24 hours unless set otherwise")),
    responses(
        (status = 202, body = SubmittedBody, headers(
            ("location" = String, description = "address of the job"),
            ("idempotent-replayed" = String, description = "true if the key was known")
        )),
        (status = 400, body = ErrorBody),
        (status = 404, description = "The key is that of a search that was deleted meanwhile.", body = ErrorBody),
        (status = 413, body = ErrorBody),
        (status = 422, description = "Every problem is listed.", body = ErrorBody),
        (status = 503, description = "Not started: try again later.", body = ErrorBody)
    )
)]
pub async fn submit(
    State(state): State<AppState>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let (raw, reserved) = read(&state, request).await?;
    let body: SubmitBody = serde_json::from_slice(&raw).map_err(|error| {
        let message =
            format!("The body is not understood: {error}. /api/openapi.json describes it.");
        ApiError::invalid(vec![OptionProblem::new("body", message)])
    })?;
    drop(raw);
    let (spec, unread) = spec_of(&body);
    let title = body.title.unwrap_or_default();
    let runs_on = body.runs_on.unwrap_or_default();
    let key = headers
        .get(KEY)
        .map(|value| value.to_str().map(str::to_owned));
    let key = key.transpose().map_err(|_| {
        ApiError::bad_request("an Idempotency-Key is at most 200 visible ASCII characters")
    })?;
    let received = state
        .service
        .receive_query(body.query.as_bytes(), spec.program.query_molecule())
        .await;
    // The query is in a file now.
    drop((body.query, reserved));
    let query = match received {
        Ok(query) => query,
        Err(ServiceError::BadRequest(message)) => {
            let mut problems = problems::of(
                &state,
                Candidate {
                    spec: &spec,
                    title: &title,
                    runs_on: &runs_on,
                    unread,
                    query: None,
                },
            );
            problems.push(OptionProblem::new("query", message));
            return Err(ApiError::invalid(problems));
        }
        Err(error) => return Err(error.into()),
    };
    let problems = problems::of(
        &state,
        Candidate {
            spec: &spec,
            title: &title,
            runs_on: &runs_on,
            unread,
            query: Some(&query.report),
        },
    );
    if !problems.is_empty() {
        return Err(ApiError::invalid(problems));
    }
    let submission = Submission {
        spec,
        title,
        runs_on,
        query,
        key,
    };
    let submitted = state.service.submit(&state.caller(), submission).await?;
    accepted(&state, submitted)
}

/// The whole body, and the memory that is reserved for it.
async fn read(
    state: &AppState,
    request: Request,
) -> Result<(Bytes, OwnedSemaphorePermit), ApiError> {
    let limit = state
        .page_settings
        .max_query_bytes
        .saturating_mul(2)
        .saturating_add(BESIDE_QUERY);
    let announced = request.body().size_hint().upper();
    let reserved = state
        .limits
        .reserve(announced.unwrap_or(limit).min(limit))
        .await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let body = axum::body::to_bytes(request.into_body(), limit).await.map_err(|error| {
        let most = elb_core::text::bytes(state.page_settings.max_query_bytes);
        let message = format!("The body did not arrive whole or is too large (a query is at most {most}): {error}. Split the query into several searches.");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    })?;
    Ok((body, reserved))
}

/// Reads names and options; what cannot be read is a problem at its field, and the rest is read.
fn spec_of(body: &SubmitBody) -> (SearchSpec, Vec<OptionProblem>) {
    let mut problems = Vec::new();
    let program = Program::parse(&body.program);
    if program.is_none() {
        problems.push(OptionProblem::new(
            "program",
            "The program must be blastn, blastp, blastx, tblastn or tblastx.",
        ));
    }
    let given = body.task.as_deref().filter(|task| !task.is_empty());
    let task = given.and_then(Task::parse);
    if let (Some(given), None) = (given, task) {
        problems.push(OptionProblem::new(
            "task",
            format!("There is no task {given}."),
        ));
    }
    let mut options = SearchOptions::default();
    for (name, value) in body.options.iter().flatten() {
        let text = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(list) => {
                let words: Vec<String> = list
                    .iter()
                    .map(|each| each.to_string().trim_matches('"').to_owned())
                    .collect();
                words.join(",")
            }
            other => other.to_string(),
        };
        match options.set(name, &text) {
            Ok(true) => {}
            Ok(false) => problems.push(OptionProblem::new(
                name.clone(),
                format!("There is no option \"{name}\"."),
            )),
            Err(why) => {
                let label = elb_core::search::OptionDescriptor::find(name)
                    .map_or(name.as_str(), |option| option.label);
                problems.push(OptionProblem::new(name.clone(), format!("{label} {why}.")));
            }
        }
    }
    let spec = SearchSpec {
        program: program.unwrap_or(Program::Blastn),
        task,
        database: body.database.clone(),
        options,
    };
    (spec, problems)
}

/// The answer to an accepted search.
pub fn accepted(state: &AppState, submitted: Submitted) -> Result<Response, ApiError> {
    let id = submitted.stored.job.id;
    // A replay may be of a job that has been deleted meanwhile: then there is none to show.
    let job = shown(state, &id)?;
    let location = format!("/jobs/{id}");
    let body = SubmittedBody {
        job_id: id.clone(),
        location,
        replayed: submitted.replayed,
        job,
    };
    let mut answer = (StatusCode::ACCEPTED, Json(body)).into_response();
    let headers = answer.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&format!("/api/blast/jobs/{id}")) {
        headers.insert(header::LOCATION, value);
    }
    if submitted.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(answer)
}
