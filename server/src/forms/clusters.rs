//! The buttons of the page of clusters.

use axum::{
    Form,
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use elb_app::data::Returned;
use elb_core::search::OptionProblem;
use elb_engine::service::WarmupAction;

use crate::{api::warmup::Which, error::ApiError, pages, state::AppState};

const PAGE: &str = "/clusters";

/// Has a database brought to the nodes.
pub async fn warm_up(State(state): State<AppState>, Form(which): Form<Which>) -> Response {
    carry_out(&state, WarmupAction::Warm, which).await
}

/// Has it removed from them.
pub async fn release(State(state): State<AppState>, Form(which): Form<Which>) -> Response {
    carry_out(&state, WarmupAction::Release, which).await
}

/// Goes back to the page, which shows what becomes of it, or why nothing does.
async fn carry_out(state: &AppState, action: WarmupAction, which: Which) -> Response {
    let (place, database) = which.split();
    let caller = state.caller();
    let asked = state.service.ask_warmup(&caller, action, place, database);
    match asked.await {
        Ok(_) => Redirect::to(PAGE).into_response(),
        Err(error) => {
            let error = ApiError::from(error);
            let returned = Returned {
                problems: vec![OptionProblem::new("database", error.message)],
                ..Returned::default()
            };
            pages::page_again(state, PAGE, error.status, returned).await
        }
    }
}
