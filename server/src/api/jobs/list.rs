//! The jobs list: served from memory, with a strong ETag.

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use elb_core::list::ListQuery;

use crate::{
    api::schema::ListBody,
    error::{ApiError, ErrorBody},
    lists::Encoding,
    state::AppState,
};

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
pub async fn list(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let text = query.unwrap_or_default();
    let question = state
        .lists
        .question(&state.caller(), &text, || read(&text))?;
    let encoding = Encoding::accepted(&headers);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    if let Some(known) = known {
        let etag = question.etag(&state.service, encoding);
        if known.split(',').any(|each| each.trim() == etag) {
            let answer = StatusCode::NOT_MODIFIED.into_response();
            return Ok(with_headers(answer, &etag));
        }
    }
    let answer = question.answer(&state.service)?;
    let mut response = Response::new(Body::from(answer.bytes(encoding)?));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    if let Some(encoding) = encoding.as_str() {
        let encoding = HeaderValue::from_static(encoding);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_ENCODING, encoding);
    }
    Ok(with_headers(response, &answer.etag(encoding)))
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

fn with_headers(mut answer: Response, etag: &str) -> Response {
    let headers = answer.headers_mut();
    if let Ok(value) = HeaderValue::from_str(etag) {
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
