//! The question before a search is deleted, as a page of its own: it needs no scripts.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use super::parts::{missing_job, what_goes};
use crate::data::page_context;

/// Asks, and names what is to be deleted.
#[component]
pub fn DeleteJobPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get("id").unwrap_or_default());
    let context = page_context();
    let detail = match context.service.detail(&context.caller, &id) {
        Ok(detail) => detail,
        Err(error) => return missing_job(&context, &id, &error),
    };
    let what_goes = what_goes(&context.service.retention());
    let active = detail.row.phase.is_active();
    let title = detail.row.title.clone();
    let (word, note) = if active {
        (
            "Cancel and delete",
            Some(
                "It has not ended: it is cancelled first, and deleted when nothing of it runs any more.",
            ),
        )
    } else {
        ("Delete", None)
    };
    view! {
        <Title text="Delete a search"/>
        <h1>"Delete this search?"</h1>
        <p>
            <strong>{title}</strong>
            ", " {detail.row.program.as_str()} " against " {detail.row.database.clone()}
        </p>
        {note.map(|note| view! { <p>{note}</p> })}
        <p>{what_goes}</p>
        <div class="actions">
            <form method="post" action=format!("/jobs/{id}/delete")>
                <button type="submit" class="danger">{word}</button>
            </form>
            <a class="button" href=format!("/jobs/{id}")>"Keep it"</a>
        </div>
    }
    .into_any()
}
