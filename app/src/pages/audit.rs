//! The audit log as a table: who did what, newest first, a hundred a page.
//!
//! Read from the store a page at a time; filter and page stand in the address, so that it works and can
//! be handed on without scripts.

use elb_core::{
    audit_log::{AuditAction, AuditFilter, AuditOutcome, AuditQuery, AuditRecord, SERVER},
    text,
};
use elb_engine::audit_log::{AuditPage as Page, Backlog, MAX_LOOKED_AT};
use leptos::prelude::*;
use leptos_meta::Title;

use super::parts::{refusal, span_in_words};
use crate::{
    components::time::When,
    data::{address_query, form_pairs, page_context, status_of},
};

/// Address of the log.
const PATH: &str = "/audit";

/// The page.
#[component]
pub fn AuditLogPage() -> impl IntoView {
    let pairs = form_pairs(&address_query());
    let pairs = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let query = match AuditQuery::from_pairs(pairs) {
        Ok(query) => query,
        Err(error) => {
            let message =
                format!("The address asks for something that this log does not have: {error}.");
            return refusal(400, "This log cannot be shown", message);
        }
    };
    let context = page_context();
    let json = query.href("/api/audit/log");
    let kept = match context.service.retention().audit {
        Some(span) => format!("Records are kept for {}.", span_in_words(span)),
        None => "Records are kept for ever.".to_owned(),
    };
    let backlog = context.service.audit_backlog();
    let asked = query.clone();
    let body = Suspend::new(async move {
        let read = context.service.audit_log(&context.caller, &asked).await;
        match read {
            Ok(page) => view! { <Records caller=context.caller.id.clone() query=asked page=page/> }
                .into_any(),
            Err(error) => {
                crate::data::set_status(status_of(&error));
                view! { <p class="box failure" role="alert">{error.to_string()}</p> }.into_any()
            }
        }
    });
    view! {
        <Title text="Audit log"/>
        <div class="page-head">
            <h1>"Audit log"</h1>
            <p class="fresh">
                <a href=json>"As JSON"</a>
            </p>
        </div>
        <p class="quiet">
            "Who did what with searches, and with which settings the server was started, newest first. " {kept}
        </p>
        {behind(&backlog)}
        <Filters filter=query.filter/>
        <Suspense fallback=|| ()>{body}</Suspense>
    }
    .into_any()
}

/// Says that the log is not whole at the moment.
fn behind(backlog: &Backlog) -> Option<impl IntoView + use<>> {
    let waiting = backlog.trouble.as_ref().map(|trouble| {
        let records = text::counted(backlog.waiting as u64, "record", "records");
        format!("{records} could not be stored yet and are missing here; they are kept in memory and tried again ({trouble}). ")
    });
    let lost = (backlog.lost > 0).then(|| {
        let records = text::counted(backlog.lost, "record", "records");
        format!("{records} could not be kept since the start of the server; its log names each.")
    });
    let line: String = [waiting, lost].into_iter().flatten().collect();
    (!line.is_empty()).then(|| view! { <p class="box warning" role="note">{line}</p> })
}

/// Filters as a form of GET: the address is the state.
#[component]
fn Filters(filter: AuditFilter) -> impl IntoView {
    let actions = AuditAction::ALL.map(|action| {
        let chosen = filter.action == Some(action);
        view! { <option value=action.as_str() selected=chosen>{action.label()}</option> }
    });
    let clear = (!filter.is_empty()).then(|| view! { <a class="button" href=PATH>"Clear"</a> });
    view! {
        <form class="filters" method="get" action=PATH role="search">
            <label>
                "Who"
                <input type="text" name="actor" value=filter.actor autocomplete="off" maxlength="100"/>
            </label>
            <label>
                "Action"
                <select name="action">
                    <option value="">"any"</option>
                    {actions.collect_view()}
                </select>
            </label>
            <label>
                "Id of a search"
                <input type="text" name="job" value=filter.job_id autocomplete="off" maxlength="100"/>
            </label>
            <button type="submit">"Filter"</button>
            {clear}
        </form>
    }
}

#[component]
fn Records(caller: String, query: AuditQuery, page: Page) -> impl IntoView {
    let newest = AuditQuery {
        before: None,
        ..query.clone()
    };
    let newest = query.before.is_some().then(|| {
        let link = newest.href(PATH);
        view! { <a class="button" href=link rel="first">"Newest"</a> }
    });
    // A page that found nothing yet leads on all the same.
    let partial = page.next.is_some() && page.records.len() < query.limit;
    let older = page.next.map(|next| {
        let older = AuditQuery {
            before: Some(next),
            ..query.clone()
        };
        let label = if partial {
            "Look further back"
        } else {
            "Older"
        };
        view! { <a class="button" href=older.href(PATH) rel="next">{label}</a> }
    });
    let looked = partial.then(|| {
        let line = format!(
            "These are what fits among {} records; older ones were not looked at yet.",
            text::count(MAX_LOOKED_AT as u64)
        );
        view! { <p class="quiet" id="partial">{line}</p> }
    });
    let unreadable = (page.unreadable > 0).then(|| {
        let records = text::counted(page.unreadable as u64, "record", "records");
        let line = format!("{records} of this page cannot be read by this version of the program.");
        view! { <p class="box warning" role="note">{line}</p> }
    });
    let none = page.records.is_empty().then(|| {
        let (heading, line) = match (query.filter.is_empty(), query.before.is_some() || partial) {
            (true, false) => (
                "Nothing recorded yet",
                "The first search that is submitted will be the first record.",
            ),
            (_, true) => (
                "No record here",
                "None of the records that were looked at fits.",
            ),
            (false, false) => (
                "No record fits",
                "Nobody has done such a thing as far back as records are kept.",
            ),
        };
        view! {
            <div class="sight" id="no-records">
                <h2>{heading}</h2>
                <p>{line}</p>
            </div>
        }
    });
    let rows: Vec<_> = page
        .records
        .into_iter()
        .map(|record| view! { <Row caller=caller.clone() record=record/> })
        .collect();
    let table = (!rows.is_empty()).then(|| {
        view! {
            <table id="audit" class="audit cards">
                <thead>
                    <tr>
                        <th scope="col">"Time"</th>
                        <th scope="col">"Who"</th>
                        <th scope="col">"Action"</th>
                        <th scope="col">"Outcome"</th>
                        <th scope="col">"What"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        }
    });
    view! {
        {unreadable} {none} {table} {looked}
        <nav class="pages" aria-label="Pages of the audit log">
            {newest} {older}
        </nav>
    }
}

#[component]
fn Row(caller: String, record: AuditRecord) -> impl IntoView {
    let who = if record.actor == SERVER {
        "the server".to_owned()
    } else if record.actor == caller {
        format!("{} (you)", record.actor)
    } else {
        record.actor
    };
    let (sign, class, word) = match record.outcome {
        AuditOutcome::Done => ("✓", "badge completed", "done"),
        AuditOutcome::Refused { .. } => ("■", "badge cancelled", "refused"),
        AuditOutcome::Failed { .. } => ("✕", "badge failed", "failed"),
    };
    let code = record.outcome.code().map(|code| {
        view! { <div class="sub">{code.to_owned()}</div> }
    });
    let what = match &record.job_id {
        None => view! { <span>{record.detail}</span> }.into_any(),
        // Of a search that the actor cannot see nothing is known but the id that was sent.
        Some(_) if record.detail.is_empty() => {
            view! { <span>"an id that is none of their searches"</span> }.into_any()
        }
        Some(id) => {
            let page = format!("/jobs/{id}");
            view! { <a class="row-link" href=page>{record.detail.clone()}</a> }.into_any()
        }
    };
    let about = record.job_id.map(|id| {
        let only = format!("{PATH}?job={id}");
        let spoken = format!("Records about {id}");
        view! { "search " <a class="id" href=only aria-label=spoken>{id.clone()}</a> " " }
    });
    let request = record
        .request_id
        .map(|id| view! { "request " <span class="id">{id}</span> });
    view! {
        <tr>
            <td class="c-created" data-label="Time"><When at=record.at/></td>
            <td class="c-who" data-label="Who"><span>{who}</span></td>
            <td class="c-action" data-label="Action"><span>{record.action.label()}</span></td>
            <td class="c-outcome" data-label="Outcome">
                <div>
                    <span class=class><span aria-hidden="true">{sign}</span> " " {word}</span>
                    {code}
                </div>
            </td>
            <td class="c-what" data-label="What">
                <div>
                    {what}
                    <div class="sub">{about} {request}</div>
                </div>
            </td>
        </tr>
    }
}
