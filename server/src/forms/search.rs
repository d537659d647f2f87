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
use elb_engine::{
    intake::Intake,
    service::{ServiceError, Submission, Submitted},
};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio_util::io::InspectReader;

use super::{databases::json_error, multipart, wants_json};
use crate::{error::ApiError, pages, state::AppState};

const PAGE: &str = "/search";
/// The longest query that is sent back within the page, in bytes.
const ECHOED: usize = 1_000_000;
/// A query shorter than this and of blanks alone is none.
const BLANK: u64 = 16;
/// Fields that are no part of what makes two sendings the same search.
const NOT_COMPARED: [&str; 2] = ["key", "action"];

/// A form as it arrived.
#[derive(Default)]
struct Arrived {
    fields: Vec<(String, String)>,
    text: Option<Intake>,
    file: Option<Intake>,
    /// The query as it was sent, up to a limit: the checked copy has lost what was wrong with it.
    sent: Option<Vec<u8>>,
    /// What spoke against the query before it could be checked.
    refused: Vec<OptionProblem>,
}

impl Arrived {
    fn value(&self, name: &str) -> &str {
        let found = self.fields.iter().rev().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.trim())
    }
}

/// Takes the form.
pub async fn search(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: Multipart,
) -> Response {
    let json = wants_json(&headers);
    let mut arrived = Arrived::default();
    if let Err(error) = receive(&state, form, &mut arrived).await {
        return if json {
            json_error(error)
        } else {
            again(
                &state,
                arrived,
                error.status,
                vec![OptionProblem::new("query", error.message)],
                false,
            )
            .await
        };
    }
    match arrived.value("action") {
        "refresh" => again(&state, arrived, StatusCode::OK, Vec::new(), false).await,
        "check" => check(&state, arrived).await,
        _ => run(&state, arrived, json).await,
    }
}

async fn receive(
    state: &AppState,
    mut form: Multipart,
    arrived: &mut Arrived,
) -> Result<(), ApiError> {
    while let Some(field) = multipart::next(&mut form).await? {
        let name = field.name().unwrap_or_default().to_owned();
        if matches!(name.as_str(), "query" | "query_file") {
            if arrived.value("program").is_empty() {
                return Err(ApiError::bad_request(
                    "The field program must come before the query.",
                ));
            }
            take_query(state, &name, multipart::stream(field), arrived).await?;
            continue;
        }
        if arrived.fields.len() == multipart::MAX_FIELDS {
            return Err(ApiError::bad_request("The form has too many fields."));
        }
        let value = multipart::small(&name, field).await?;
        arrived.fields.push((name, value));
    }
    if let (None, None, of) = (
        &arrived.text,
        &arrived.file,
        arrived.value("query_of").to_owned(),
    ) {
        if !of.is_empty() {
            let older = state.service.query_file(&state.caller(), &of).await?;
            let source = tokio_util::io::StreamReader::new(older.pieces);
            take_query(state, "query_file", source, arrived).await?;
        }
    }
    Ok(())
}

async fn take_query(
    state: &AppState,
    name: &str,
    source: impl tokio::io::AsyncRead + Unpin + Send,
    arrived: &mut Arrived,
) -> Result<(), ApiError> {
    let mut source = source;
    // An empty field, or a file that was not chosen, is no query.
    let mut begin = Vec::new();
    (&mut source)
        .take(BLANK)
        .read_to_end(&mut begin)
        .await
        .map_err(|error| {
            ApiError::bad_request(format!(
                "The form did not arrive whole: {error}. Send it again."
            ))
        })?;
    if (begin.len() as u64) < BLANK && begin.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let mut sent = Vec::new();
    let joined = std::io::Cursor::new(begin).chain(source);
    let copied = InspectReader::new(joined, |bytes: &[u8]| {
        if sent.len() <= ECHOED {
            sent.extend_from_slice(bytes);
        }
    });
    keep(state, name, copied, arrived).await?;
    arrived.sent = Some(sent);
    Ok(())
}

async fn keep(
    state: &AppState,
    name: &str,
    source: impl tokio::io::AsyncRead + Unpin + Send,
    arrived: &mut Arrived,
) -> Result<(), ApiError> {
    let (spec, _) = from_form(&arrived.fields);
    let slot = match state
        .service
        .receive_query(source, spec.program.query_molecule())
        .await
    {
        Ok(intake) => Some(intake),
        Err(ServiceError::BadRequest(message)) => {
            arrived.refused.push(OptionProblem::new("query", message));
            None
        }
        Err(error) => return Err(error.into()),
    };
    if name == "query" {
        arrived.text = slot;
    } else {
        arrived.file = slot;
    }
    Ok(())
}

/// Everything that speaks against the form.
fn problems_of(state: &AppState, arrived: &Arrived) -> Vec<OptionProblem> {
    let (spec, mut problems) = from_form(&arrived.fields);
    match (&arrived.text, &arrived.file) {
        (Some(_), Some(_)) => {
            let message = "There is a query as text and one as a file. Empty one of the two.";
            problems.push(OptionProblem::new("query", message));
            problems.extend(state.service.check(&spec).0);
        }
        (Some(intake), None) | (None, Some(intake)) => {
            problems.extend(state.service.problems_of(&spec, &intake.report));
        }
        (None, None) => {
            problems.extend(state.service.check(&spec).0);
            if arrived.refused.is_empty() {
                problems.push(OptionProblem::new(
                    "query",
                    "Paste or choose at least one sequence.",
                ));
            }
        }
    }
    problems.extend(arrived.refused.iter().cloned());
    distinct(problems)
}

/// Each problem once, in order: form and search may find the same.
#[must_use]
pub fn distinct(problems: Vec<OptionProblem>) -> Vec<OptionProblem> {
    let mut seen: Vec<OptionProblem> = Vec::with_capacity(problems.len());
    for problem in problems {
        if !seen.contains(&problem) {
            seen.push(problem);
        }
    }
    seen
}

async fn check(state: &AppState, arrived: Arrived) -> Response {
    let problems = problems_of(state, &arrived);
    let status = if problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    again(state, arrived, status, problems, true).await
}

async fn run(state: &AppState, mut arrived: Arrived, json: bool) -> Response {
    let problems = problems_of(state, &arrived);
    if !problems.is_empty() {
        if json {
            return json_error(ApiError {
                message: "The search cannot be started yet.".to_owned(),
                ..ApiError::invalid(problems)
            });
        }
        return again(
            state,
            arrived,
            StatusCode::UNPROCESSABLE_ENTITY,
            problems,
            false,
        )
        .await;
    }
    let echo = echo_of(&mut arrived);
    match submit(state, arrived).await {
        Ok(submitted) => {
            let id = submitted.stored.job.id;
            let location = format!("/jobs/{id}");
            if json {
                let body = serde_json::json!({ "job_id": id, "location": location });
                return (StatusCode::ACCEPTED, Json(body)).into_response();
            }
            Redirect::to(&location).into_response()
        }
        Err((fields, error)) => {
            let error = ApiError::from(error);
            if json {
                return json_error(error);
            }
            let mut problems = error.problems.clone();
            if problems.is_empty() {
                problems.push(OptionProblem::new("", error.message.clone()));
            }
            let returned = returned(fields, echo, problems, false);
            pages::page_again(state, PAGE, error.status, returned).await
        }
    }
}

type Fields = Vec<(String, String)>;

async fn submit(state: &AppState, arrived: Arrived) -> Result<Submitted, (Fields, ServiceError)> {
    let key = key_of(&arrived);
    let title = arrived.value("title").to_owned();
    let (spec, _) = from_form(&arrived.fields);
    let Some(query) = arrived.text.or(arrived.file) else {
        // Said among the problems before.
        let missing = OptionProblem::new("query", "Paste or choose at least one sequence.");
        return Err((arrived.fields, ServiceError::Invalid(vec![missing])));
    };
    let submission = Submission {
        spec,
        title,
        query,
        key,
    };
    let outcome = state.service.submit(&state.caller(), submission).await;
    outcome.map_err(|error| (arrived.fields, error))
}

/// The form's key with what was sent: a form that is sent twice makes one search, one that was edited
/// in between makes another.
fn key_of(arrived: &Arrived) -> Option<String> {
    let key = arrived.value("key");
    let plain =
        !key.is_empty() && key.len() <= 64 && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
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
    for query in arrived.text.iter().chain(&arrived.file) {
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

/// The query as it goes back into the page.
enum Echo {
    Nothing,
    Text(String),
    TooLong { file: bool },
}

fn echo_of(arrived: &mut Arrived) -> Echo {
    let file = arrived.text.is_none() && arrived.file.is_some();
    match arrived.sent.take() {
        None => Echo::Nothing,
        Some(sent) if sent.len() > ECHOED => Echo::TooLong { file },
        // A compressed file cannot be shown.
        Some(sent) => String::from_utf8(sent).map_or(Echo::TooLong { file: true }, Echo::Text),
    }
}

fn returned(fields: Fields, echo: Echo, problems: Vec<OptionProblem>, checked: bool) -> Returned {
    let mut fields = fields;
    let mut notes = Vec::new();
    match echo {
        Echo::Nothing => {}
        Echo::Text(text) => fields.push(("query".to_owned(), text)),
        Echo::TooLong { file: true } => notes.push("The file is too long to be kept in the page: choose it again. Everything else is here.".to_owned()),
        Echo::TooLong { file: false } => notes.push("The query is too long to be sent back: go back one page to find it, or give it as a file. Everything else is here.".to_owned()),
    }
    Returned {
        fields,
        problems,
        warnings: Vec::new(),
        notes,
        checked,
    }
}

async fn again(
    state: &AppState,
    mut arrived: Arrived,
    status: StatusCode,
    problems: Vec<OptionProblem>,
    checked: bool,
) -> Response {
    let echo = echo_of(&mut arrived);
    let warnings = arrived
        .text
        .iter()
        .chain(&arrived.file)
        .flat_map(|intake| &intake.report.warnings);
    let warnings = warnings
        .map(|warning| {
            format!(
                "Query line {}: {} {}",
                warning.line, warning.message, warning.fix
            )
        })
        .collect();
    let returned = Returned {
        warnings,
        ..returned(arrived.fields, echo, problems, checked)
    };
    pages::page_again(state, PAGE, status, returned).await
}
