//! Cancel, retry and delete, as buttons send them.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use elb_engine::service::ServiceError;

use crate::{error::ApiError, guard::RequestId, pages, state::AppState};

fn answer<T>(
    outcome: Result<T, ServiceError>,
    location: &str,
    request: Option<&RequestId>,
) -> Response {
    match outcome {
        Ok(_) => Redirect::to(location).into_response(),
        Err(error) => pages::error_answer(&ApiError::from(error), request),
    }
}

/// Asks for the end of a search and goes back to its page.
pub async fn cancel(
    State(state): State<AppState>,
    Path(id): Path<String>,
    request: Option<Extension<RequestId>>,
) -> Response {
    let outcome = state.service.cancel(&state.caller(), &id).await;
    answer(outcome, &format!("/jobs/{id}"), request.as_deref())
}

/// Asks for another attempt and goes back to the page of the search.
pub async fn retry(
    State(state): State<AppState>,
    Path(id): Path<String>,
    request: Option<Extension<RequestId>>,
) -> Response {
    let outcome = state.service.retry(&state.caller(), &id).await;
    answer(outcome, &format!("/jobs/{id}"), request.as_deref())
}

/// Deletes a search and goes to the list.
pub async fn delete(
    State(state): State<AppState>,
    Path(id): Path<String>,
    request: Option<Extension<RequestId>>,
) -> Response {
    let outcome = state.service.delete(&state.caller(), &id).await;
    answer(outcome, "/jobs", request.as_deref())
}
