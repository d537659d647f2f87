//! The jobs list: served from memory, with a strong ETag.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use elb_core::list::{ListPage, ListQuery};
use sha2::{Digest, Sha256};

use crate::{
    api::schema::ListBody,
    error::{ApiError, ErrorBody},
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
    let pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect();
    if let Some((unknown, _)) = pairs
        .iter()
        .find(|(name, _)| !PARAMETERS.contains(&name.as_str()))
    {
        let known = PARAMETERS.join(", ");
        return Err(ApiError::bad_request(format!(
            "there is no parameter \"{unknown}\"; there are {known}"
        )));
    }
    let wanted = ListQuery::from_pairs(
        pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
    .map_err(|error| ApiError::bad_request(error.to_string()))?;
    let page = state.service.list(&state.caller(), &wanted);
    let etag = etag(&page, &wanted);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let mut answer = if known.is_some_and(|known| known.split(',').any(|each| each.trim() == etag))
    {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(page).into_response()
    };
    let headers = answer.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, value);
    }
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    Ok(answer)
}

/// Made of the revision and the question, so that the time of the answer plays no part.
fn etag(page: &ListPage, query: &ListQuery) -> String {
    let digest = Sha256::digest(query.href("").as_bytes());
    let short: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let stale = if page.stale.is_some() { "-stale" } else { "" };
    format!("\"{}-{short}{stale}\"", page.revision)
}
