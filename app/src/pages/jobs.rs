//! The jobs list: one table, its filters, order and page in the address.
//!
//! Owns its four sights: rows, nothing yet, nothing that fits the filter, and a question that makes no
//! sense. The fifth, loading, is the table's while the next page is on its way.

use elb_core::{external::PlaneHealth, list::ListQuery, text};
use leptos::prelude::*;
use leptos_meta::Title;

use super::parts::{Age, DeleteDialog, refusal};
use crate::{
    components::time::When,
    data::{PageContext, address_query, list_query, page_context},
    islands::{forms::PageTools, live::JobsLive},
};

mod filters;
mod notice;
mod table;

use filters::{Chips, FilterForm};
use notice::Notice;
use table::Table;

/// Address of the list.
const PATH: &str = "/jobs";
/// The same as JSON, which knows the same parameters.
const API: &str = "/api/blast/jobs";

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
                <Age/>
            </p>
        </div>
        <Notice query=query.clone()/>
        {plane_away(&context)} {unreadable}
        <div id="jobs-part" data-address=query.href(API) data-revision=page.revision.to_string()>
            {filters} {body}
        </div>
        <p class="quiet">
            <a href="/jobs/deleted">"Recently deleted"</a>
        </p>
        <DeleteDialog list=query/>
        <PageTools/>
        <JobsLive/>
    }
    .into_any()
}

/// That searches of the external plane are shown as they were told last, while it cannot be asked.
fn plane_away(context: &PageContext) -> Option<impl IntoView + use<>> {
    let plane = context.service.external()?;
    let away = matches!(
        plane.health,
        PlaneHealth::Degraded | PlaneHealth::Unauthorised
    );
    away.then(|| {
        let line = format!(
            "Searches of the external plane {} are shown as they were told last: ",
            plane.name
        );
        let reason = plane.reason.unwrap_or_default();
        view! {
            <p class="box warning" id="plane-away" role="note">
                {line} {reason} ". Since " <When at=plane.since/> "; see " <a href="/clusters">"Clusters"</a> "."
            </p>
        }
    })
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
