//! One row of the jobs list, drawn by the server for the page and by the browser for a change.

use elb_core::{phase::Phase, text, time::Timestamp, view::JobRow};
use leptos::{either::Either, prelude::*};

use super::{
    state::StateBadge,
    time::{Lasting, Left, When},
};

/// The heading of a day's jobs. Days are UTC's, as the server counts them.
#[component]
pub fn DayRow(
    /// The day, as `2026-11-25`.
    day: String,
) -> impl IntoView {
    let key = format!("day-{day}");
    view! {
        <tr class="day" data-key=key>
            <th colspan="10" scope="rowgroup">
                {day}
                <span class="quiet">" UTC"</span>
            </th>
        </tr>
    }
}

/// The row of one job.
#[component]
pub fn JobTableRow(
    /// The job.
    row: JobRow,
    /// The time of drawing.
    now: Timestamp,
) -> impl IntoView {
    let href = format!("/jobs/{}", row.id);
    let choose = format!("Choose {}", row.title);
    let active = row.phase.is_active();
    let query = if row.query_records == 0 {
        // Only of an imported search.
        "query not kept here".to_owned()
    } else {
        format!(
            "{}, {} {}",
            text::counted(row.query_records, "sequence", "sequences"),
            text::count(row.query_letters),
            row.program.query_molecule().unit()
        )
    };
    let queued_since =
        (row.started_at.is_none() && row.completed_at.is_none()).then_some(row.created_at);
    let running_since = row.started_at.filter(|_| row.completed_at.is_none());
    let run = match row.run_ms(now) {
        Some(ms) => Either::Left(view! { <Lasting ms=ms since=running_since/> }),
        None => Either::Right(view! { <span class="quiet">"–"</span> }),
    };
    let (hits, found) = match row.hits {
        Some(0) => ("no hits".to_owned(), false),
        Some(hits) => (text::count(hits), true),
        None => ("–".to_owned(), false),
    };
    let hits = view! { <span class=if found { "" } else { "quiet" }>{hits}</span> };
    view! {
        <tr
            data-key=row.id.clone()
            data-version=row.version.to_string()
            data-status=row.status.as_str()
            class=row.status.as_str()
        >
            <td class="c-choose">
                <input type="checkbox" name="id" form="chosen" value=row.id.clone() aria-label=choose/>
            </td>
            <td class="c-title">
                <a class="row-link" href=href.clone()>{row.title.clone()}</a>
                <div class="sub">{query}</div>
            </td>
            <td class="c-program" data-label="Program">{row.program.as_str()}</td>
            <td class="c-database" data-label="Database">
                {row.database.clone()} {row.runs_on.clone().map(|place| view! { <div class="sub">"on " {place}</div> })}
            </td>
            <td class="c-state" data-label="State"><StateCell row=row.clone() now=now/></td>
            <td class="c-created" data-label="Submitted"><When at=row.created_at/></td>
            <td class="c-queued number" data-label="Queued"><Lasting ms=row.queued_ms(now) since=queued_since/></td>
            <td class="c-run number" data-label="Run time">{run}</td>
            <td class="c-hits number" data-label="Hits">{hits}</td>
            <td class="c-menu"><RowMenu id=row.id.clone() title=row.title.clone() active=active/></td>
        </tr>
    }
}

#[component]
fn StateCell(row: JobRow, now: Timestamp) -> impl IntoView {
    let step = row
        .phase
        .is_active()
        .then(|| format!("step {} of 8", row.step.number()));
    let attempt = (row.attempt > 1).then(|| format!("attempt {}", row.attempt));
    // What the next attempt waits for is told by a clock that ticks.
    let begins = row
        .not_before
        .filter(|_| row.begins_later(now))
        .map(|at| view! { " · begins by itself " <Left until=at now=now/> });
    let note = row.state_note().filter(|_| begins.is_none());
    // What is shown of a search whose cluster is away may be old: that is not said in passing.
    let (unseen, note) = match row.unseen {
        Some(_) if row.error.is_none() => (note, None),
        _ => (None, note),
    };
    let unseen = unseen.map(|note| view! { <div class="sub unseen">{note}</div> });
    let parts: Vec<String> = [step, attempt, note].into_iter().flatten().collect();
    let bar = (row.phase == Phase::Running && row.progress.batches_total > 0).then(|| {
        view! {
            <progress max="100" value=row.progress.percent().to_string() aria-label="Searched so far"></progress>
        }
    });
    view! {
        <StateBadge phase=row.phase/>
        <div class="sub">{parts.join(" · ")} {begins}</div>
        {unseen}
        {bar}
    }
}

#[component]
fn RowMenu(id: String, title: String, active: bool) -> impl IntoView {
    let label = format!("Actions for {title}");
    view! {
        <details class="menu" data-keep="menu">
            <summary aria-label=label>"⋯"</summary>
            <div class="menu-items">
                <a href=format!("/jobs/{id}")>"Open"</a>
                <a href=format!("/search?from={id}")>"Duplicate"</a>
                {active
                    .then(|| {
                        view! {
                            <form method="post" action=format!("/jobs/{id}/cancel")>
                                <button type="submit">"Cancel"</button>
                            </form>
                        }
                    })}
                <a
                    class="danger"
                    href=format!("/jobs/{id}/delete")
                    data-delete=id
                    data-title=title
                    data-active=active.then_some("")
                >
                    "Delete…"
                </a>
            </div>
        </details>
    }
}
