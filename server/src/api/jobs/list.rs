//! The jobs list: served from memory, with a strong ETag.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use elb_core::list::ListQuery;

use crate::{
    api::schema::ListBody,
    error::{ApiError, ErrorBody},
    guard,
    lists::{Encoding, Question},
    state::AppState,
};

/// Headers of an answer that are not added later.
const OWN_HEADERS: usize = 5;
/// Where the list is.
pub const PATH: &str = "/api/blast/jobs";

const PARAMETERS: [&str; 8] = [
    "status", "program", "database", "q", "sort", "dir", "cursor", "limit",
];

/// Searches, newest first
///
/// Filters narrow the rows; `totals` counts every status under the other filters. `next_cursor` leads
/// to the next page whatever was added meanwhile.
#[utoipa::path(
    get, path = "/api/blast/jobs", tag = "searches",
    params(
        ("status" = Option<String>, Query, description = "queued, running, completed, failed or cancelled"),
        ("program" = Option<String>, Query, description = "blastn, blastp, blastx, tblastn or tblastx"),
        ("database" = Option<String>, Query, description = "name of a database"),
        ("q" = Option<String>, Query, description = "words that title, id, program or database contain"),
        ("sort" = Option<String>, Query, description = "created (default), title, program, database, status, runtime or hits"),
        ("dir" = Option<String>, Query, description = "asc or desc"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
        ("limit" = Option<u32>, Query, description = "rows, 1 to 200 (default 50)")
    ),
    responses(
        (status = 200, body = ListBody, headers(("etag" = String, description = "changes when the answer does"))),
        (status = 304, description = "The answer is the one that the client has."),
        (status = 400, body = ErrorBody)
    )
)]
pub async fn list(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let text = request.uri().query().unwrap_or_default();
    let question = state.lists.question(&state.caller(), text, || read(text))?;
    if let Some(answer) = known(&question, &state, request.headers()) {
        return Ok(answer);
    }
    let encoding = Encoding::accepted(request.headers());
    let answer = question.answer(&state.service)?;
    let mut response = Response::new(Body::from(answer.bytes(encoding)?));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    if let Some(encoding) = encoding.as_str() {
        let encoding = HeaderValue::from_static(encoding);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_ENCODING, encoding);
    }
    Ok(with_headers(response, answer.etag(encoding)))
}

/// That the answer to a question is the one that the client has; `None` where the whole answer is to be given, and
/// for a question that is not at hand.
pub(crate) fn unchanged(state: &AppState, text: &str, headers: &HeaderMap) -> Option<Response> {
    let question = state.lists.known(&state.caller(), text)?;
    known(&question, state, headers)
}

fn known(question: &Question, state: &AppState, headers: &HeaderMap) -> Option<Response> {
    let known = headers.get(header::IF_NONE_MATCH)?.to_str().ok()?;
    let etag = question.etag(&state.service, Encoding::accepted(headers));
    let has = known.split(',').any(|each| each.trim() == etag);
    has.then(|| {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        with_headers(answer, etag)
    })
}

fn read(text: &str) -> Result<ListQuery, ApiError> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect();
    let unknown = pairs
        .iter()
        .find(|(name, _)| !PARAMETERS.contains(&name.as_str()));
    if let Some((unknown, _)) = unknown {
        let known = PARAMETERS.join(", ");
        return Err(ApiError::bad_request(format!(
            "there is no parameter \"{unknown}\"; there are {known}"
        )));
    }
    let pairs = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    ListQuery::from_pairs(pairs).map_err(|error| ApiError::bad_request(error.to_string()))
}

fn with_headers(mut answer: Response, etag: String) -> Response {
    let headers = answer.headers_mut();
    // Room for those that every answer has as well.
    headers.reserve(OWN_HEADERS + guard::ADDED);
    if let Ok(value) = HeaderValue::try_from(etag) {
        headers.insert(header::ETAG, value);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "accept-encoding"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
