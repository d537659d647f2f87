//! The results of a search, one query at a time, read page by page.
//!
//! Owns the frame: totals, the choice of the query, the views. What a view shows is in its own module;
//! what is asked for is in the address alone.

use elb_core::{
    hits::{QuerySummary, page::Totals},
    text,
    view::JobDetail,
};
use elb_engine::service::ServiceError;
use leptos::{either::EitherOf3, prelude::*};

use crate::data::{address_query, page_context, set_status, status_of};

mod address;
mod alignments;
mod descriptions;
mod downloads;
mod external;
mod filters;
mod found;
mod graphic;
mod queries;

use address::{Address, View};
use downloads::Downloads;

/// Everything that was found.
#[component]
pub fn ResultsPart(detail: JobDetail) -> impl IntoView {
    let files = external::files(&detail);
    if page_context().service.reads_in_place(&detail) {
        return EitherOf3::C(found::view(detail, files));
    }
    if let Some(imported) = detail.imported {
        let place = imported.results;
        let where_to = match imported.found {
            Some(found) if found.is_external() => format!(
                "This search was run by the external plane {}, which has its results.",
                found.cluster
            ),
            Some(found) => format!(
                "This search was found on cluster {}. Its results are where it was run: ",
                found.cluster
            ),
            None => "This search was imported. Its results are where it was run, in the storage of the original dashboard: ".to_owned(),
        };
        return EitherOf3::A(view! {
            <section id="results" aria-labelledby="results-title">
                <h2 id="results-title">"Results"</h2>
                <p class="box" role="note">
                    {where_to}
                    <span class="id">{place}</span>
                </p>
                {files}
            </section>
        });
    }
    let id = detail.row.id.clone();
    let note = page_context().service.database_note(&detail);
    let note = note.map(|note| view! { <p class="box warning" role="note">{note}</p> });
    let shards = detail.shards_note();
    let shards = shards.map(|note| view! { <p class="box" role="note" id="shards">{note}</p> });
    let program = detail.row.program;
    let here = detail.place.is_none();
    let path = format!("/jobs/{id}");
    let body = match Address::parse(&address_query()) {
        Ok(address) => {
            let context = page_context();
            let shown = async move { show(context, detail, address, path).await };
            let body = Suspend::new(async move {
                shown.await.unwrap_or_else(|error| {
                    set_status(status_of(&error));
                    view! { <p class="box failure" role="alert">{error.to_string()}</p> }.into_any()
                })
            });
            view! { <Suspense fallback=|| ()>{body}</Suspense> }.into_any()
        }
        Err(why) => {
            set_status(400);
            view! {
                <p class="box failure" role="alert">
                    {why} " " <a href=path>"Show the results as they are"</a>
                </p>
            }
            .into_any()
        }
    };
    EitherOf3::B(view! {
        <section id="results" aria-labelledby="results-title">
            <h2 id="results-title">"Results"</h2>
            {note}
            {shards}
            {body}
            <Downloads id=id program=program has_database=here has_archive=true/>
        </section>
    })
}

async fn show(
    context: crate::data::PageContext,
    detail: JobDetail,
    address: Address,
    path: String,
) -> Result<AnyView, ServiceError> {
    let (caller, service) = (&context.caller, &context.service);
    let id = detail.row.id.as_str();
    let wanted = address.query;
    let (totals, query) = service
        .hits(caller, id, move |index| {
            let ordinal = match wanted {
                Some(ordinal) => ordinal,
                None => index.first_with_hits()?,
            };
            Ok((index.totals()?, index.query(ordinal)?))
        })
        .await?;
    if totals.hits == 0 {
        return Ok(view! { <NoHits totals=totals/> }.into_any());
    }
    let address = Address {
        query: Some(query.ordinal),
        ..address
    };
    let frame = view! { <Frame totals=totals query=query.clone() address=address.clone() path=path.clone()/> };
    let body = match address.view {
        View::Queries => queries::view(&context, id, &address, &path).await?,
        _ if query.hits == 0 => no_hits_of_query(&query),
        View::Hits => descriptions::view(&context, id, &address, &path).await?,
        View::Graphic => graphic::view(&context, id, &address, &path).await?,
        View::Alignments => alignments::view(&context, id, &address, &path).await?,
    };
    Ok(view! { {frame} {body} }.into_any())
}

/// A search that found nothing is a success that says so.
#[component]
fn NoHits(totals: Totals) -> impl IntoView {
    let queries = text::counted(totals.queries, "query sequence", "query sequences");
    view! {
        <div class="sight" id="no-hits">
            <h3>"No hits"</h3>
            <p>
                "The search has completed, and no sequence of the database is significantly similar to "
                {if totals.queries == 1 { "the query sequence".to_owned() } else { format!("any of the {queries}") }}
                "."
            </p>
            <p class="quiet">
                "A larger E-value, a more sensitive task, a smaller word size or no low-complexity filter finds more distant similarities."
            </p>
        </div>
    }
}

fn no_hits_of_query(query: &QuerySummary) -> AnyView {
    view! { <p class="sight">{format!("No hits for {}.", query.id)}</p> }.into_any()
}

/// Totals, the query that is shown, and the ways to look at it.
#[component]
fn Frame(totals: Totals, query: QuerySummary, address: Address, path: String) -> impl IntoView {
    let found = format!(
        "{} ({}) for {} of {}",
        text::counted(totals.hits, "hit", "hits"),
        text::counted(totals.hsps, "HSP", "HSPs"),
        text::count(totals.queries_with_hits),
        text::counted(totals.queries, "query", "queries"),
    );
    let many = totals.queries > 1;
    let step = |ordinal: Option<u64>, word: &'static str, rel: &'static str| {
        let ordinal = ordinal.filter(|ordinal| *ordinal < totals.queries)?;
        let link = address.of_query(ordinal).href(&path);
        Some(view! { <a class="button small" rel=rel href=link>{word}</a> })
    };
    let choice = many.then(|| {
        view! {
            <div class="query-choice">
                {step(query.ordinal.checked_sub(1), "Previous query", "prev")}
                <span>
                    "Query " {text::count(query.ordinal + 1)} " of " {text::count(totals.queries)}
                </span>
                {step(query.ordinal.checked_add(1), "Next query", "next")}
            </div>
        }
    });
    // Tables of others do not tell those of a query without hits.
    let letters = match query.letters {
        0 => String::new(),
        letters => format!("{} letters, ", text::count(letters)),
    };
    let hits = text::counted(query.hits, "hit", "hits");
    let title = (!query.title.is_empty()).then(|| format!(" {}", query.title));
    let tabs = View::ALL
        .into_iter()
        .filter(|view| many || *view != View::Queries)
        .map(|tab| {
            let link = address.with_view(tab).href(&path);
            let current = (tab == address.view).then_some("page");
            view! {
                <li>
                    <a href=link aria-current=current>{tab.label()}</a>
                </li>
            }
        });
    view! {
        <p class="found">{found}</p>
        {choice}
        <p class="query-name">
            <strong class="id">{query.id.clone()}</strong>
            {title}
            <span class="quiet">
                {format!(" · {letters}{hits}")}
            </span>
        </p>
        <nav aria-label="Views of the results">
            <ul class="tabs">{tabs.collect_view()}</ul>
        </nav>
    }
}
