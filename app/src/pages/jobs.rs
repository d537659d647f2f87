//! The jobs list: one table, its filters, order and page in the address.
//!
//! Owns its four sights: rows, nothing yet, nothing that fits the filter, and a question that makes no
//! sense. The fifth, loading, is the table's while the next page is on its way.

use elb_core::{
    list::{ListPage, ListQuery, SortKey},
    phase::Status,
    search::Program,
    text,
    view::JobRow,
};
use leptos::prelude::*;
use leptos_meta::Title;

use super::parts::{DeleteDialog, refusal};
use crate::{
    components::{
        job_row::{DayRow, JobTableRow},
        state::sign,
        time::When,
    },
    data::{address_query, list_query, page_context},
    islands::{forms::PageTools, live::JobsLive},
};

const PATH: &str = "/jobs";

/// The page.
#[component]
pub fn JobsPage() -> impl IntoView {
    let address = address_query();
    let query = match list_query(&address) {
        Ok(query) => query,
        Err(error) => {
            let message =
                format!("The address asks for something that this list does not have: {error}.");
            return refusal(400, "This list cannot be shown", message);
        }
    };
    let context = page_context();
    let page = context.service.list(&context.caller, &query);
    let databases = context.service.searched_databases(&context.caller);
    let none_at_all = page.totals.all == 0 && !query.is_filtered();
    let body = if none_at_all {
        view! { <NothingYet/> }.into_any()
    } else if page.jobs.is_empty() {
        view! { <NothingFits query=query.clone()/> }.into_any()
    } else {
        view! { <Table query=query.clone() page=page.clone()/> }.into_any()
    };
    let filters = (!none_at_all).then(|| {
        view! {
            <Chips query=query.clone() page=page.clone()/>
            <FilterForm query=query.clone() databases=databases/>
        }
    });
    let unreadable = context.service.unreadable_jobs();
    let unreadable = (unreadable > 0).then(|| {
        let searches = text::counted(unreadable as u64, "search", "searches");
        let line = format!("{searches} in the store cannot be read and are not listed; the server's log names each. Nothing of them was changed.");
        view! { <p class="box warning" role="note">{line}</p> }
    });
    view! {
        <Title text="Searches"/>
        <div class="page-head">
            <h1>"Searches"</h1>
            <p class="fresh">
                <span id="live" role="status">"As of " <When at=page.as_of/></span>
            </p>
        </div>
        {unreadable}
        <div id="jobs-part" data-query=address data-revision=page.revision.to_string()>
            {filters} {body}
        </div>
        <DeleteDialog/>
        <PageTools/>
        <JobsLive/>
    }
    .into_any()
}

/// One link a status, with its true total.
#[component]
fn Chips(query: ListQuery, page: ListPage) -> impl IntoView {
    let chip = |status: Option<Status>| {
        let link = ListQuery {
            status,
            cursor: None,
            ..query.clone()
        }
        .href(PATH);
        let current = query.status == status;
        let (id, label, total) = match status {
            None => ("total-all".to_owned(), "All", page.totals.all),
            Some(status) => (
                format!("total-{}", status.as_str()),
                status.label(),
                page.totals.of(status),
            ),
        };
        let mark =
            status.map(|status| view! { <span aria-hidden="true">{sign(status)} " "</span> });
        let class = status.map_or("chip", |status| match status {
            Status::Queued => "chip queued",
            Status::Running => "chip running",
            Status::Completed => "chip completed",
            Status::Failed => "chip failed",
            Status::Cancelled | Status::Deleted => "chip cancelled",
        });
        view! {
            <li>
                <a class=class href=link data-list="" aria-current=current.then_some("true")>
                    {mark} {label} " "
                    <span class="total" id=id>{text::count(total)}</span>
                </a>
            </li>
        }
    };
    let chips: Vec<_> = std::iter::once(None)
        .chain(Status::LISTED.map(Some))
        .map(chip)
        .collect();
    view! {
        <nav aria-label="States">
            <ul class="chips">{chips}</ul>
        </nav>
    }
}

/// Filters as a form of GET: the address is the state.
#[component]
fn FilterForm(query: ListQuery, databases: Vec<String>) -> impl IntoView {
    let status = query
        .status
        .map(|status| view! { <input type="hidden" name="status" value=status.as_str()/> });
    let sort = (query.sort != SortKey::Created || !query.descending).then(|| {
        view! {
            <input type="hidden" name="sort" value=query.sort.as_str()/>
            <input type="hidden" name="dir" value=if query.descending { "desc" } else { "asc" }/>
        }
    });
    let programs = Program::ALL.map(|program| {
        let chosen = query.program == Some(program);
        view! { <option value=program.as_str() selected=chosen>{program.as_str()}</option> }
    });
    let databases = databases.into_iter().map(|name| {
        let chosen = query.database.as_ref() == Some(&name);
        view! { <option value=name.clone() selected=chosen>{name.clone()}</option> }
    });
    let clear = query
        .is_filtered()
        .then(|| view! { <a class="button" href=PATH data-list="">"Clear"</a> });
    view! {
        <form class="filters" method="get" action=PATH role="search" data-list="">
            {status} {sort}
            <label>
                "Contains"
                <input type="search" name="q" value=query.search.clone() maxlength="200" data-filter=""/>
            </label>
            <label>
                "Program"
                <select name="program">
                    <option value="">"any"</option>
                    {programs.collect_view()}
                </select>
            </label>
            <label>
                "Database"
                <select name="database">
                    <option value="">"any"</option>
                    {databases.collect_view()}
                </select>
            </label>
            <button type="submit">"Filter"</button>
            {clear}
        </form>
    }
}

#[component]
fn Table(query: ListQuery, page: ListPage) -> impl IntoView {
    let now = page.as_of;
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
        <nav class="pages" aria-label="Pages of the list">{first} {more}</nav>
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

/// Nobody has searched yet: how to begin.
#[component]
fn NothingYet() -> impl IntoView {
    view! {
        <div class="sight" id="nothing-yet">
            <h2>"No searches yet"</h2>
            <p>"Paste a sequence, choose a database, and see what is like it."</p>
            <p>
                <a class="button primary" href="/search">"Start the first search"</a>
            </p>
        </div>
    }
}

/// There are searches, but none that fits.
#[component]
fn NothingFits(query: ListQuery) -> impl IntoView {
    let all = ListQuery {
        limit: query.limit,
        ..ListQuery::default()
    }
    .href(PATH);
    view! {
        <div class="sight" id="nothing-fits">
            <h2>"No search fits this filter"</h2>
            <p>
                <a class="button" href=all data-list="">"Show all searches"</a>
            </p>
        </div>
    }
}
