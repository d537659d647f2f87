//! The audit log: who did what.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use elb_app::data::form_pairs;
use elb_core::audit_log::{AuditKey, AuditQuery, AuditRecord};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::schema::AuditBody,
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Audit {
    /// Newest first.
    #[schema(value_type = Vec<AuditBody>)]
    pub records: Vec<AuditRecord>,
    /// How many records of the page cannot be read, as those of a newer program.
    pub unreadable: usize,
    /// Where the next page begins: its `cursor`. A page may have one although it is not full.
    #[schema(value_type = Option<String>)]
    pub next_cursor: Option<AuditKey>,
}

/// Who did what, newest first
///
/// What was accepted is a record, and so is what was refused; input that could not be accepted is none.
/// A page looks at 5,000 records at most: under `actor` or `action` it may be shorter than asked for, or
/// empty, and still have a `next_cursor`. Under `job` all records of that search are looked at first.
/// Records are kept for as long as the setting `keep_audit` says.
#[utoipa::path(
    get, path = "/api/audit/log", tag = "server",
    params(
        ("limit" = Option<u32>, Query, description = "records, 1 to 500 (default 100)"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
        ("actor" = Option<String>, Query, description = "only of this person; server for what the server did by itself"),
        ("action" = Option<String>, Query, description = "only this: submit, cancel, delete, restore, retry or settings"),
        ("job" = Option<String>, Query, description = "only about the search with this id")
    ),
    responses(
        (status = 200, body = Audit),
        (status = 400, body = ErrorBody),
        (status = 403, description = "Only operators may read it.", body = ErrorBody)
    )
)]
pub async fn log(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Json<Audit>, ApiError> {
    let pairs = form_pairs(query.as_deref().unwrap_or_default());
    let known = AuditQuery::PARAMETERS;
    if let Some((unknown, _)) = pairs
        .iter()
        .find(|(name, _)| !known.contains(&name.as_str()))
    {
        return Err(ApiError::bad_request(format!(
            "there is no parameter \"{unknown}\"; there are {}",
            known.join(", ")
        )));
    }
    let pairs = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let query =
        AuditQuery::from_pairs(pairs).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let page = state.service.audit_log(&state.caller(), &query).await?;
    Ok(Json(Audit {
        records: page.records,
        unreadable: page.unreadable,
        next_cursor: page.next,
    }))
}
