//! The jobs list, kept as it is on the server.
//!
//! A change of a listed row redraws that row and nothing else. A change that may move rows (a new job,
//! another state, one that is gone) asks for the page's rows and moves only what differs.

use elb_core::{
    list::{ListPage, Totals},
    phase::Status,
    poll, text,
    view::JobRow,
};
use leptos::prelude::*;
use web_sys::{Element, Event};

use super::{
    Kept, all, ask, by_id, chosen, document, draw, everywhere,
    follow::{Answer, Delta, Follower, Heard, follow},
    json, now, number, on, reload, say,
};
use crate::components::job_row::{DayRow, JobTableRow};

/// Follows the list that the page shows, from the revision that it shows.
pub fn start() {
    let Some(part) = by_id::<Element>("jobs-part") else {
        return;
    };
    let address = part.get_attribute("data-address").unwrap_or_default();
    follow(
        number(&part, "data-revision"),
        Follower {
            changed: Box::new(|heard| match heard {
                Heard::Change(delta) => {
                    let revision = delta.revision;
                    apply(*delta).then_some(revision)
                }
                Heard::Missed(revision) => Some(revision),
                Heard::Clusters(_) => None,
            }),
            question: Box::new(move || Box::pin(bring_up_to_date(address.clone()))),
            interval: Box::new(|context| poll::list_interval(any_active(), context)),
            apart: poll::QUESTIONS_APART,
        },
    );
    mark_loading();
    chosen::start();
}

/// While another page of the list is on its way, the table says so.
fn mark_loading() {
    let busy = |_: Event| {
        if let Some(table) = by_id::<Element>("jobs") {
            let _ = table.set_attribute("aria-busy", "true");
            say("live", "Loading the list…");
        }
    };
    for link in everywhere("a[data-list]") {
        on(&link, "click", busy);
    }
    for form in everywhere("form[data-list]") {
        on(&form, "submit", busy);
    }
    // On the way back the page is shown as it was left.
    on(&window(), "pageshow", |_: Event| {
        if let Some(table) = by_id::<Element>("jobs") {
            let _ = table.remove_attribute("aria-busy");
        }
    });
}

fn any_active() -> bool {
    !everywhere("#jobs tr[data-status=queued],#jobs tr[data-status=running]").is_empty()
}

fn row_of(id: &str) -> Option<Element> {
    let rows = everywhere("#jobs tr[data-key]");
    rows.into_iter()
        .find(|row| row.get_attribute("data-key").as_deref() == Some(id))
}

/// Redraws the row; whether others may have moved.
fn apply(delta: Delta) -> bool {
    let (Some(row), Some(element)) = (delta.row, row_of(&delta.id)) else {
        return true;
    };
    let moved = element.get_attribute("data-status").as_deref() != Some(row.status.as_str());
    redraw(&element, row);
    moved
}

/// Puts a newer row in the place of the one that is shown; whether it is newer.
fn redraw(element: &Element, row: JobRow) -> bool {
    let shown = element
        .get_attribute("data-version")
        .and_then(|text| text.parse::<u64>().ok());
    if shown.is_some_and(|shown| shown >= row.version) {
        return false;
    }
    if let Some(fresh) = drawn(row) {
        let kept = Kept::of(element);
        // The old row is in the page, since it was just found there.
        let _ = element.replace_with_with_node_1(&fresh);
        kept.restore(&fresh);
    }
    true
}

fn drawn(row: JobRow) -> Option<Element> {
    draw("tbody", view! { <JobTableRow row=row now=now()/> })
}

/// Asks for the rows of the page and shows them. A list that has not changed is not sent again: the
/// browser knows it by its tag.
async fn bring_up_to_date(address: String) -> Answer {
    let answer = ask::json(&address).await;
    let Some(page) = answer.as_ref().and_then(json::page) else {
        return Answer::Missing;
    };
    let revision = page.revision;
    if show_page(page) {
        Answer::Newer(revision)
    } else {
        Answer::Same(revision)
    }
}

/// Shows the rows; whether any of them is new or another one.
fn show_page(page: ListPage) -> bool {
    show_totals(&page.totals);
    let Some(body) = by_id::<Element>("jobs-body") else {
        // The page has no table, since there was nothing to show: now there may be.
        if !page.jobs.is_empty() {
            reload();
        }
        return !page.jobs.is_empty();
    };
    let mut newer = false;
    let by_day = body.has_attribute("data-days");
    let mut place: u32 = 0;
    let mut day = String::new();
    let count = page.jobs.len();
    for row in page.jobs {
        let its_day = row.created_at.day();
        if by_day && its_day != day {
            put(&body, place, &format!("day-{its_day}"), || {
                day_row(its_day.clone())
            });
            place += 1;
            day = its_day;
        }
        let id = row.id.clone();
        if let Some(element) = row_of(&id) {
            newer |= redraw(&element, row.clone());
        } else {
            newer = true;
        }
        put(&body, place, &id, || drawn(row));
        place += 1;
    }
    while let Some(surplus) = body.children().item(place) {
        surplus.remove();
        newer = true;
    }
    // Chosen rows may have left, and others come.
    chosen::count();
    if count == 0 {
        // The last row has left: the page has a sight of its own for that.
        reload();
    }
    newer
}

fn day_row(day: String) -> Option<Element> {
    draw("tbody", view! { <DayRow day=day/> })
}

/// Makes the element of that key the one at that place, drawing it if it is not there yet.
fn put(body: &Element, place: u32, key: &str, make: impl FnOnce() -> Option<Element>) {
    let there = body.children().item(place);
    if there
        .as_ref()
        .and_then(|there| there.get_attribute("data-key"))
        .as_deref()
        == Some(key)
    {
        return;
    }
    let known = all(body, "tr[data-key]")
        .into_iter()
        .find(|element| element.get_attribute("data-key").as_deref() == Some(key));
    if let Some(element) = known.or_else(make) {
        let kept = document()
            .active_element()
            .filter(|active| element.contains(Some(active)));
        let _ = body.insert_before(&element, there.as_deref());
        if kept.is_some() {
            Kept::of(&element).restore(&element);
        }
    }
}

fn show_totals(totals: &Totals) {
    say("total-all", &text::count(totals.all));
    for status in Status::LISTED {
        say(
            &format!("total-{}", status.as_str()),
            &text::count(totals.of(status)),
        );
    }
}
