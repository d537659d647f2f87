//! The history of a search as a table: every change, newest first, a hundred a page.
//!
//! Read from the store a page at a time, so that ten thousand changes read as fast as ten.

use elb_core::{text, view::HistoryEntry};
use elb_engine::{JobService, service::ServiceError};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use super::parts::{missing_job, refusal, span_in_words};
use crate::{
    components::{state::StateBadge, time::When},
    data::{address_value, page_context},
};

/// Entries of a page.
const ROWS: usize = 100;

/// The page.
#[component]
pub fn HistoryPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get("id").unwrap_or_default());
    let context = page_context();
    let detail = match context.service.detail(&context.caller, &id) {
        Ok(detail) => detail,
        Err(error) => return missing_job(&context, &id, &error),
    };
    let before = match address_value("before").map(|text| text.parse::<u64>()) {
        None => None,
        Some(Ok(before)) => Some(before),
        Some(Err(_)) => {
            let message = "The address names a place in the history that is no number.".to_owned();
            return refusal(400, "This history cannot be shown", message);
        }
    };
    let (title, page) = (detail.row.title.clone(), format!("/jobs/{id}/history"));
    let kept = context.service.retention().history.map(|span| {
        let line = format!(
            "Changes of searches that have ended are kept for {}.",
            span_in_words(span)
        );
        view! { <p class="quiet">{line}</p> }
    });
    let json = format!("/api/blast/jobs/{id}/history");
    let job = format!("/jobs/{id}");
    let audit = JobService::may_read_audit(&context.caller).then(|| {
        let link = format!("/audit?job={id}");
        view! { <a href=link>"Audit log"</a> " · " }
    });
    let entries = async move {
        // One more than is shown tells whether there is another page.
        let read = context
            .service
            .history(&context.caller, &id, before, ROWS + 1);
        Ok::<_, ServiceError>((context.caller.id.clone(), read.await?))
    };
    let table = Suspend::new(async move {
        match entries.await {
            Ok((caller, entries)) => {
                view! { <Table caller=caller entries=entries page=page continued=before.is_some()/> }.into_any()
            }
            Err(error) => {
                view! { <p class="box failure" role="alert">{error.to_string()}</p> }.into_any()
            }
        }
    });
    view! {
        <Title text=format!("History of {title}")/>
        <div class="page-head">
            <h1>"History of " <a href=job>{title}</a></h1>
            <p class="fresh">
                {audit} <a href=json>"As JSON"</a>
            </p>
        </div>
        <p class="quiet">"Every change of this search, newest first."</p>
        {kept}
        <Suspense fallback=|| ()>{table}</Suspense>
    }
    .into_any()
}

#[component]
fn Table(
    caller: String,
    mut entries: Vec<HistoryEntry>,
    page: String,
    continued: bool,
) -> impl IntoView {
    let more = entries.len() > ROWS;
    entries.truncate(ROWS);
    let older = entries.last().filter(|_| more).map(|last| {
        let link = format!("{page}?before={}", last.version);
        view! { <a class="button" href=link rel="next">"Older"</a> }
    });
    let newest = continued.then(|| {
        view! { <a class="button" href=page rel="first">"Newest"</a> }
    });
    // By their number: versions of the row have gaps, since a write that tells nothing new has no entry.
    let number = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    let shown = if entries.is_empty() {
        "No changes".to_owned()
    } else {
        let end = if more { ", older ones follow" } else { "" };
        format!("{}{end}", text::counted(number, "change", "changes"))
    };
    let rows = entries.into_iter().map(|entry| {
        let who = if entry.actor.is_empty() {
            "the server".to_owned()
        } else if entry.actor == caller {
            "you".to_owned()
        } else {
            entry.actor
        };
        view! {
            <tr>
                <td class="c-created" data-label="Time"><When at=entry.at/></td>
                <td class="number c-attempt" data-label="Attempt">{entry.attempt}</td>
                <td class="c-phase" data-label="Phase"><StateBadge phase=entry.phase/></td>
                <td class="c-note" data-label="What happened"><span>{entry.note}</span></td>
                <td class="c-who" data-label="Who">{who}</td>
            </tr>
        }
    });
    view! {
        <table id="history" class="history cards">
            <thead>
                <tr>
                    <th scope="col">"Time"</th>
                    <th scope="col" class="number">"Attempt"</th>
                    <th scope="col">"Phase"</th>
                    <th scope="col">"What happened"</th>
                    <th scope="col">"Who"</th>
                </tr>
            </thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
        <nav class="pages" aria-label="Pages of the history">
            {newest} {older} <span class="quiet">{shown}</span>
        </nav>
    }
}
