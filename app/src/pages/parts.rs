//! Parts that several pages share on the server.

use elb_core::search::OptionProblem;
use elb_engine::service::ServiceError;
use leptos::prelude::*;
use leptos_meta::Title;

use crate::data::{set_status, status_of};

/// A page that cannot be shown, with the reason and a way on.
pub fn refusal(status: u16, heading: &'static str, message: String) -> AnyView {
    set_status(status);
    view! {
        <Title text=heading/>
        <h1>{heading}</h1>
        <div class="box failure" role="alert">
            <p>{message}</p>
        </div>
        <p>
            <a class="button" href="/jobs">"To the searches"</a>
        </p>
    }
    .into_any()
}

/// The page for an error of the engine.
pub fn engine_refusal(error: &ServiceError) -> AnyView {
    let status = status_of(error);
    let heading = match status {
        404 => "There is no such search",
        503 => "The server cannot answer at the moment",
        _ => "This cannot be shown",
    };
    refusal(status, heading, error.to_string())
}

/// The box above a form with everything that speaks against it. Empty, it waits for the browser.
#[component]
pub fn Problems(
    /// One sentence.
    summary: String,
    /// The problems.
    problems: Vec<OptionProblem>,
) -> impl IntoView {
    let empty = summary.is_empty();
    let lines = problems
        .into_iter()
        .map(|problem| view! { <li>{problem.message}</li> });
    view! {
        <div id="problems" class="box failure" role="alert" tabindex="-1" hidden=empty>
            <h2 id="problems-summary">{summary}</h2>
            <ul id="problems-list">{lines.collect_view()}</ul>
        </div>
    }
}

/// The question before a search is deleted; scripts fill it in and open it.
#[component]
pub fn DeleteDialog() -> impl IntoView {
    view! {
        <dialog id="delete-dialog" aria-labelledby="delete-heading">
            <h2 id="delete-heading">"Delete this search?"</h2>
            <p>
                <strong id="delete-title"></strong>
            </p>
            <p id="delete-active" hidden>
                "It has not ended: it is cancelled first, and deleted when nothing of it runs any more."
            </p>
            <p>{WHAT_GOES}</p>
            <div class="actions">
                <form id="delete-form" method="post">
                    <button type="submit" class="danger" id="delete-button">
                        "Delete"
                    </button>
                </form>
                <form method="dialog">
                    <button type="submit" autofocus>"Keep it"</button>
                </form>
            </div>
        </dialog>
    }
}

/// What a deletion removes.
pub const WHAT_GOES: &str =
    "Its query, its results and its log are removed from this server for good. Databases stay.";
