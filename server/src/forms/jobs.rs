//! Cancel, retry and delete, as buttons send them.

use axum::{
    extract::{Path, State},
    response::Redirect,
};

use crate::{error::ApiError, state::AppState};

/// Asks for the end of a search and goes back to its page.
pub async fn cancel(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Redirect, ApiError> {
    state.service.cancel(&state.caller(), &id).await?;
    Ok(Redirect::to(&format!("/jobs/{id}")))
}

/// Asks for another attempt and goes back to the page of the search.
pub async fn retry(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Redirect, ApiError> {
    state.service.retry(&state.caller(), &id).await?;
    Ok(Redirect::to(&format!("/jobs/{id}")))
}

/// Deletes a search and goes to the list.
pub async fn delete(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Redirect, ApiError> {
    state.service.delete(&state.caller(), &id).await?;
    Ok(Redirect::to("/jobs"))
}
