//! One action on many searches, with an outcome for each.

use axum::{
    Json,
    body::Bytes,
    extract::{Request, State},
    http::StatusCode,
};
use elb_core::{phase::Phase, search::OptionProblem};
use elb_engine::service::{Action, MAX_BULK};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::params,
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// The largest body, in bytes: the most ids, and room for spaces between them.
const MAX_BODY: usize = MAX_BULK * 256;

/// What is to be done, and with which searches.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkBody {
    /// cancel, retry, delete or restore.
    pub action: String,
    /// 1 to 200 identifiers; one that stands twice counts once.
    pub ids: Vec<String>,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkOutcome {
    /// The action, as it was asked for.
    pub action: String,
    /// One for each identifier, in their order.
    pub results: Vec<BulkResult>,
}

/// What became of one search.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkResult {
    /// Which search.
    pub id: String,
    /// Whether it took the action.
    pub ok: bool,
    /// The status that the same request for this search alone would have been answered with.
    pub status: u16,
    /// Where the search is now, if it took the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<BulkError>,
}

/// Why a search did not take an action.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkError {
    /// A word for programs.
    pub code: String,
    /// What happened and what to do, for people.
    pub message: String,
}

/// Cancel, retry, delete or restore many searches
///
/// The answer is 200 whatever became of them: each has its own outcome, and one that refuses stops none
/// of the others. Nothing is done if the request itself makes no sense.
#[utoipa::path(
    post, path = "/api/blast/jobs/bulk", tag = "searches", request_body = BulkBody,
    responses(
        (status = 200, body = BulkOutcome),
        (status = 400, description = "No identifier, or too many.", body = ErrorBody),
        (status = 413, body = ErrorBody),
        (status = 422, description = "Not understood, or no such action.", body = ErrorBody)
    )
)]
pub async fn bulk(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<BulkOutcome>, ApiError> {
    let body = read(request).await?;
    let body: BulkBody = params::body(&body)?;
    let action = Action::parse(&body.action).ok_or_else(|| {
        let message = "The action must be cancel, retry, delete or restore.";
        ApiError::invalid(vec![OptionProblem::new("action", message)])
    })?;
    let outcomes = state
        .service
        .bulk(&state.caller(), action, &body.ids)
        .await?;
    let results = outcomes.into_iter().map(|(id, outcome)| match outcome {
        Ok(stored) => BulkResult {
            id,
            ok: true,
            status: status_of(action, stored.job.phase).as_u16(),
            phase: Some(stored.job.phase.as_str().to_owned()),
            error: None,
        },
        Err(error) => {
            let error = ApiError::from(error);
            BulkResult {
                id,
                ok: false,
                status: error.status.as_u16(),
                phase: None,
                error: Some(BulkError {
                    code: error.code.to_owned(),
                    message: error.message,
                }),
            }
        }
    });
    Ok(Json(BulkOutcome {
        action: body.action,
        results: results.collect(),
    }))
}

/// What the request for one search alone is answered with.
fn status_of(action: Action, phase: Phase) -> StatusCode {
    match action {
        Action::Cancel | Action::Retry => StatusCode::ACCEPTED,
        Action::Delete if phase.is_active() => StatusCode::ACCEPTED,
        Action::Delete => StatusCode::NO_CONTENT,
        Action::Restore => StatusCode::OK,
    }
}

async fn read(request: Request) -> Result<Bytes, ApiError> {
    let read = axum::body::to_bytes(request.into_body(), MAX_BODY).await;
    read.map_err(|error| {
        let message = format!(
            "The body did not arrive whole or is larger than {MAX_BODY} bytes: {error}. Name at most {MAX_BULK} searches at once."
        );
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    })
}
