//! Deleted searches that can still be had back, and until when.

use std::sync::Arc;

use elb_core::{text, view::DeletedRow};
use leptos::prelude::*;
use leptos_meta::Title;

use super::parts::{RestoreForm, span_in_words};
use crate::{
    components::{
        state::sign,
        time::{Left, When},
    },
    data::{address_value, page_context},
};

/// The most rows of the page (ours: as the longest list). Older ones follow as newer ones go.
const MAX_ROWS: usize = 200;

/// The page.
#[component]
pub fn DeletedPage() -> impl IntoView {
    let context = page_context();
    let rows = context.service.deleted(&context.caller);
    let kept = context.service.retention().deleted;
    let rule = if kept.is_zero() {
        "Deleted searches are removed at once and for good: the setting keep_deleted is 0."
            .to_owned()
    } else {
        format!(
            "A deleted search can be restored for {}. Then its query, its results and its log are removed for good.",
            span_in_words(kept)
        )
    };
    let restored = address_value("restored")
        .and_then(|id| context.service.detail(&context.caller, &id).ok())
        .map(|detail| {
            let href = format!("/jobs/{}", detail.row.id);
            view! {
                <p class="box good" role="status">
                    "Restored " <a href=href>{detail.row.title.clone()}</a> "."
                </p>
            }
        });
    let body = if rows.is_empty() {
        view! {
            <div class="sight" id="nothing-deleted">
                <h2>"Nothing to restore"</h2>
                <p>"No search was deleted that could still be restored."</p>
            </div>
        }
        .into_any()
    } else {
        view! { <Rows rows=rows/> }.into_any()
    };
    view! {
        <Title text="Recently deleted"/>
        <div class="page-head">
            <h1>"Recently deleted"</h1>
        </div>
        {restored}
        <p>{rule}</p>
        {body}
        <p>
            <a class="button" href="/jobs">"To the searches"</a>
        </p>
    }
}

#[component]
fn Rows(rows: Vec<Arc<DeletedRow>>) -> impl IntoView {
    let now = page_context().service.now();
    let more = rows.len().checked_sub(MAX_ROWS).filter(|more| *more > 0);
    let more = more.map(|more| {
        let line = format!(
            "{} more were deleted earlier and show as these go.",
            text::count(more as u64)
        );
        view! { <p class="quiet">{line}</p> }
    });
    let rows = rows.into_iter().take(MAX_ROWS).map(|row| {
        let spoken = format!("Restore {}", row.title);
        view! {
            <tr>
                <td class="c-title">
                    <strong>{row.title.clone()}</strong>
                    <div class="sub">
                        <span aria-hidden="true">{sign(row.was)}</span>
                        " " {row.was.label()}
                    </div>
                </td>
                <td class="c-program" data-label="Program">{row.program.as_str()}</td>
                <td class="c-database" data-label="Database">{row.database.clone()}</td>
                <td class="c-created" data-label="Submitted"><When at=row.created_at/></td>
                <td class="c-created" data-label="Deleted"><When at=row.deleted_at/></td>
                <td class="c-created" data-label="Gone for good">
                    <div>
                        <When at=row.keep_until/>
                        <div class="sub"><Left until=row.keep_until now=now/></div>
                    </div>
                </td>
                <td>
                    <RestoreForm id=row.id.clone() label="Restore" spoken=spoken>
                        <input type="hidden" name="back" value="deleted"/>
                    </RestoreForm>
                </td>
            </tr>
        }
    });
    view! {
        <table id="deleted" class="cards">
            <thead>
                <tr>
                    <th scope="col">"Search"</th>
                    <th scope="col">"Program"</th>
                    <th scope="col">"Database"</th>
                    <th scope="col">"Submitted"</th>
                    <th scope="col">"Deleted"</th>
                    <th scope="col">"Gone for good"</th>
                    <th scope="col"><span class="hidden-text">"Actions"</span></th>
                </tr>
            </thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
        {more}
    }
}
