//! The pages: rendered whole by the app, with what it needs in the context.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use elb_app::{
    data::{PageContext, Returned},
    shell,
};
use leptos::prelude::provide_context;

use crate::state::AppState;

/// Renders the page of an address.
pub async fn page(State(state): State<AppState>, request: Request) -> Response {
    render(&state, state.page_context(None), request).await
}

/// Renders the page of a form once more, with what came of it.
pub async fn page_again(
    state: &AppState,
    path: &str,
    status: StatusCode,
    returned: Returned,
) -> Response {
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .body(Body::empty());
    let Ok(request) = request else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut answer = render(state, state.page_context(Some(returned)), request).await;
    if answer.status() == StatusCode::OK {
        *answer.status_mut() = status;
    }
    answer
}

async fn render(state: &AppState, context: PageContext, request: Request) -> Response {
    let options = state.leptos.clone();
    let render = leptos_axum::render_app_async_with_context(
        move || provide_context(context.clone()),
        move || shell(options.clone()),
    );
    render(request).await
}

/// A server function of the pages.
pub async fn server_function(State(state): State<AppState>, request: Request) -> impl IntoResponse {
    let context = state.page_context(None);
    leptos_axum::handle_server_fns_with_context(move || provide_context(context.clone()), request)
        .await
}
