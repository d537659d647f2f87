//! The audit log: who did what.

use axum::{Json, extract::State};
use elb_core::audit_log::{AuditAction, AuditFilter, AuditKey, AuditRecord};
use elb_engine::service::MAX_AUDIT;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        params::{Params, limit},
        schema::AuditBody,
    },
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// Records of a page that names no number.
const USUAL: usize = 100;

/// Which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    cursor: Option<String>,
    limit: Option<usize>,
    actor: Option<String>,
    action: Option<String>,
    job: Option<String>,
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Audit {
    /// Newest first.
    #[schema(value_type = Vec<AuditBody>)]
    pub records: Vec<AuditRecord>,
    /// How many records of the page cannot be read, as those of a newer program.
    pub unreadable: usize,
    /// Where the next page begins: its `cursor`. A page may have one although it is not full.
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
    Params(page): Params<Page>,
) -> Result<Json<Audit>, ApiError> {
    let limit = limit(page.limit, USUAL, MAX_AUDIT)?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let before = given(page.cursor).map(|text| {
        let why = "cursor is none that this log has given: take next_cursor of the page before";
        AuditKey::parse(&text).ok_or_else(|| ApiError::bad_request(why))
    });
    let action = given(page.action).map(|text| {
        let all = AuditAction::ALL.map(AuditAction::as_str).join(", ");
        let why = format!("there is no action \"{text}\"; there are {all}");
        AuditAction::parse(&text).ok_or_else(|| ApiError::bad_request(why))
    });
    let (before, action) = (before.transpose()?, action.transpose()?);
    let filter = AuditFilter {
        actor: given(page.actor),
        action,
        job_id: given(page.job),
    };
    let page = state
        .service
        .audit_log(&state.caller(), before.as_ref(), &filter, limit)
        .await?;
    Ok(Json(Audit {
        records: page.records,
        unreadable: page.unreadable,
        next_cursor: page.next,
    }))
}
