//! What narrows the jobs list: a chip for each state, and a form for the rest.
//!
//! Both lead to addresses, so that the address is the whole state of the list.

use elb_core::{
    list::{ListPage, ListQuery, SortKey},
    phase::Status,
    search::Program,
    text,
};
use leptos::prelude::*;

use super::PATH;
use crate::components::state::sign;

/// One link a status, with its true total.
#[component]
pub fn Chips(query: ListQuery, page: ListPage) -> impl IntoView {
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
pub fn FilterForm(query: ListQuery, databases: Vec<String>) -> impl IntoView {
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
