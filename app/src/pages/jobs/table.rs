//! The table of the jobs list, its pages, and the bar that acts on chosen rows.
//!
//! The boxes of the rows belong to the bar's form by its id: a form around the table could hold none of
//! the forms in the rows' menus.

use std::time::Duration;

use elb_core::{
    list::{ListPage, ListQuery, SortKey},
    view::JobRow,
};
use leptos::prelude::*;

use super::PATH;
use crate::{
    components::job_row::{DayRow, JobTableRow},
    data::page_context,
    pages::parts::BackToList,
};

#[component]
pub fn Table(query: ListQuery, page: ListPage) -> impl IntoView {
    let now = page.as_of;
    let list = query.clone();
    let by_day = query.sort == SortKey::Created;
    let more = page
        .next_cursor
        .as_ref()
        .and_then(|cursor| cursor.parse().ok())
        .map(|cursor| {
            let link = ListQuery {
                cursor: Some(cursor),
                ..query.clone()
            }
            .href(PATH);
            view! { <a class="button" href=link data-list="" rel="next">"Next page"</a> }
        });
    let first = page.continued.then(|| {
        let link = ListQuery {
            cursor: None,
            ..query.clone()
        }
        .href(PATH);
        view! { <a class="button" href=link data-list="" rel="first">"First page"</a> }
    });
    let mut day = String::new();
    let rows: Vec<AnyView> = page
        .jobs
        .into_iter()
        .flat_map(|row: JobRow| {
            let its_day = row.created_at.day();
            let heading = (by_day && its_day != day).then(|| {
                day.clone_from(&its_day);
                view! { <DayRow day=its_day/> }.into_any()
            });
            heading
                .into_iter()
                .chain([view! { <JobTableRow row=row now=now/> }.into_any()])
        })
        .collect();
    let head = move |key: SortKey, label: &'static str, class: &'static str| {
        view! { <SortHead query=query.clone() column=key label=label class=class/> }
    };
    view! {
        <table id="jobs" class="jobs cards">
            <thead>
                <tr>
                    <th scope="col" class="c-choose">
                        <span class="hidden-text">"Chosen"</span>
                        <input type="checkbox" class="needs-js" data-choose-all="" aria-label="Choose every search on this page"/>
                    </th>
                    {head(SortKey::Title, "Search", "")}
                    {head(SortKey::Program, "Program", "")}
                    {head(SortKey::Database, "Database", "")}
                    {head(SortKey::Status, "State", "")}
                    {head(SortKey::Created, "Submitted", "")}
                    <th scope="col" class="number">"Queued"</th>
                    {head(SortKey::Runtime, "Run time", "number")}
                    {head(SortKey::Hits, "Hits", "number")}
                    <th scope="col"><span class="hidden-text">"Actions"</span></th>
                </tr>
            </thead>
            <tbody id="jobs-body" data-days=by_day.then_some("")>{rows}</tbody>
        </table>
        <ChosenBar query=list/>
        <nav class="pages" aria-label="Pages of the list">{first} {more}</nav>
    }
}

/// What can be done with the rows that were chosen.
#[component]
fn ChosenBar(query: ListQuery) -> impl IntoView {
    let for_good = page_context().service.retention().deleted == Duration::ZERO;
    let sure = for_good.then(|| {
        view! {
            <label class="choice">
                <input type="checkbox" name="sure" value="yes"/>
                "Delete for good: nothing can be restored"
            </label>
        }
    });
    view! {
        <form id="chosen" class="chosen-bar" method="post" action="/jobs/bulk">
            <BackToList query=query/>
            <label class="choice needs-js">
                <input type="checkbox" data-choose-all=""/>
                "All on this page"
            </label>
            <span id="chosen-count" role="status">"With the chosen searches:"</span>
            <button type="submit" name="action" value="cancel">"Cancel"</button>
            <button type="submit" name="action" value="retry">"Retry"</button>
            <button type="submit" name="action" value="delete" class="danger">"Delete"</button>
            {sure}
        </form>
    }
}

/// A column's heading as a link that sorts by it, or turns the order round.
#[component]
fn SortHead(
    query: ListQuery,
    column: SortKey,
    label: &'static str,
    class: &'static str,
) -> impl IntoView {
    let current = query.sort == column;
    let descending = if current {
        !query.descending
    } else {
        column.descends_first()
    };
    let link = ListQuery {
        sort: column,
        descending,
        cursor: None,
        ..query.clone()
    }
    .href(PATH);
    let (order, mark) = match (current, query.descending) {
        (true, true) => (Some("descending"), " ↓"),
        (true, false) => (Some("ascending"), " ↑"),
        (false, _) => (None, ""),
    };
    view! {
        <th scope="col" class=class aria-sort=order>
            <a href=link data-list="">{label}<span aria-hidden="true">{mark}</span></a>
        </th>
    }
}
