//! What became of the last action, above the list: after a delete with the way back.
//!
//! What happened stands in the address or is kept under a key in it; whether it can still be undone is
//! looked up when the page is drawn.

use elb_core::{list::ListQuery, phase::Phase, text, view::DeletedRow};
use elb_engine::service::Action;
use leptos::prelude::*;
use std::sync::Arc;

use crate::{
    components::time::When,
    data::{PageContext, address_value, page_context},
    notices::Outcome,
    pages::parts::{BackToList, RestoreForm},
};

/// The most refusals that are listed one by one.
const MAX_LISTED: usize = 20;

/// The banner; nothing if the address tells of no action.
#[component]
pub fn Notice(
    /// The list below.
    query: ListQuery,
) -> impl IntoView {
    let context = page_context();
    let notice = if let Some(id) = address_value("deleted") {
        deleted(&context, &id, query)
    } else if let Some(id) = address_value("restored") {
        restored(&context, &id)
    } else {
        let key = address_value("notice")?;
        let outcome = context.notices.get(&context.caller, &key)?;
        Some(of_many(&context, &outcome, query))
    };
    Some(view! { <div class="notice" role="status">{notice?}</div> })
}

fn deleted(context: &PageContext, id: &str, query: ListQuery) -> Option<AnyView> {
    if let Some(row) = context.service.deleted_job(&context.caller, id) {
        let id = row.id.clone();
        return Some(
            view! {
                <div class="box good undo">
                    <p>
                        "Deleted " <strong>{row.title.clone()}</strong> ". Undo is possible until "
                        <When at=row.keep_until/> "."
                    </p>
                    <RestoreForm id=id label="Undo">
                        <BackToList query=query/>
                    </RestoreForm>
                </div>
            }
            .into_any(),
        );
    }
    if let Ok(detail) = context.service.detail(&context.caller, id) {
        // Of one that was restored since then there is nothing to tell.
        let stopping = detail.row.phase == Phase::Cancelling;
        return stopping.then(|| {
            view! {
                <p class="box warning">
                    <strong>{detail.row.title.clone()}</strong>
                    " is being stopped. It is deleted when nothing of it runs any more; see “Recently deleted” then."
                </p>
            }
            .into_any()
        });
    }
    let for_good = context.service.retention().deleted.is_zero();
    for_good.then(|| {
        view! { <p class="box good">"The search was deleted and cannot be restored."</p> }
            .into_any()
    })
}

fn restored(context: &PageContext, id: &str) -> Option<AnyView> {
    let detail = context.service.detail(&context.caller, id).ok()?;
    let href = format!("/jobs/{}", detail.row.id);
    Some(
        view! {
            <p class="box good">
                "Restored " <a href=href>{detail.row.title.clone()}</a> "."
            </p>
        }
        .into_any(),
    )
}

fn of_many(context: &PageContext, outcome: &Outcome, query: ListQuery) -> AnyView {
    if let Some(why) = &outcome.nothing {
        return view! { <p class="box warning">{why.clone()}</p> }.into_any();
    }
    let done = (!outcome.done.is_empty()).then(|| {
        let searches = text::counted(outcome.done.len() as u64, "search", "searches");
        let line = match outcome.action {
            Action::Cancel => format!("{searches} told to stop."),
            Action::Retry => format!("{searches} tried again."),
            Action::Delete => format!("{searches} deleted."),
            Action::Restore => format!("{searches} restored."),
        };
        let undo = (outcome.action == Action::Delete)
            .then(|| undo(context, &outcome.done, query))
            .flatten();
        view! { <div class="box good undo"><p>{line}</p> {undo}</div> }
    });
    let refused = (!outcome.refused.is_empty()).then(|| {
        let count = outcome.refused.len();
        let heading = match count {
            1 => "1 search was left as it was:".to_owned(),
            _ => format!("{count} searches were left as they were:"),
        };
        let lines = outcome.refused.iter().take(MAX_LISTED).map(|(title, why)| {
            view! {
                <li>
                    <strong>{title.clone()}</strong>
                    ": " {why.clone()}
                </li>
            }
        });
        let more = count
            .checked_sub(MAX_LISTED)
            .filter(|more| *more > 0)
            .map(|more| view! { <li>{format!("and {more} more")}</li> });
        view! {
            <div class="box warning">
                <p>{heading}</p>
                <ul>{lines.collect_view()} {more}</ul>
            </div>
        }
    });
    view! { {done} {refused} }.into_any()
}

/// The way back for those that have become tombstones; the others are still being stopped.
fn undo(context: &PageContext, ids: &[String], query: ListQuery) -> Option<impl IntoView + use<>> {
    let rows: Vec<Arc<DeletedRow>> = ids
        .iter()
        .filter_map(|id| context.service.deleted_job(&context.caller, id))
        .collect();
    let until = rows.iter().map(|row| row.keep_until).min()?;
    let stopping = ids.len() - rows.len();
    let stopping = (stopping > 0).then(|| {
        format!("{stopping} of them as soon as nothing of it runs any more; see “Recently deleted” then. ")
    });
    let fields = rows.iter().map(|row| {
        view! { <input type="hidden" name="id" value=row.id.clone()/> }
    });
    Some(view! {
        <p>{stopping} "Undo is possible until " <When at=until/> "."</p>
        <form method="post" action="/jobs/bulk">
            <BackToList query=query/>
            {fields.collect_view()}
            <button type="submit" name="action" value="restore">"Undo"</button>
        </form>
    })
}
