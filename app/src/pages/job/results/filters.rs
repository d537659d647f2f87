//! Filters and pages that the views of the results share.

use elb_core::{hits::page::SubjectSort, search::real::number, text};
use leptos::prelude::*;

use super::address::{Address, View};

/// The filter of the subjects, as a form of GET.
#[component]
pub fn FilterForm(
    /// What is shown.
    address: Address,
    /// The page of the job.
    path: String,
) -> impl IntoView {
    let hidden =
        |name: &'static str, value: String| view! { <input type="hidden" name=name value=value/> };
    let query = address
        .query
        .map(|query| hidden("query", query.to_string()));
    let shown =
        (address.view != View::Hits).then(|| hidden("view", address.view.as_str().to_owned()));
    let sort = (address.sort != SubjectSort::Best).then(|| {
        let direction = if address.descending { "desc" } else { "asc" };
        view! { {hidden("sort", address.sort.as_str().to_owned())} {hidden("dir", direction.to_owned())} }
    });
    let filtered = address.request().is_filtered();
    let clear = filtered
        .then(|| view! { <a class="button" href=address.unfiltered().href(&path)>"Clear"</a> });
    let value = |value: Option<f64>| value.map(number);
    view! {
        <form class="filters" method="get" action=format!("{path}#results")>
            {query} {shown} {sort}
            <label>
                "Contains"
                <input type="search" name="q" value=address.text.clone() maxlength="200" data-filter=""/>
            </label>
            <label>
                "Identity at least, %"
                <input name="min_identity" inputmode="decimal" value=value(address.min_identity) size="6"/>
            </label>
            <label>
                "Coverage at least, %"
                <input name="min_coverage" inputmode="decimal" value=value(address.min_coverage) size="6"/>
            </label>
            <label>
                "E-value at most"
                <input name="max_evalue" value=value(address.max_evalue) size="8"/>
            </label>
            <button type="submit">"Filter"</button>
            {clear}
        </form>
    }
}

/// Where in the list the page is, and the ways to its neighbours.
#[component]
pub fn Pages(
    /// What is shown.
    address: Address,
    /// The page of the job.
    path: String,
    /// Rows that pass the filter.
    filtered: u64,
    /// All rows, if a filter leaves some out.
    #[prop(optional_no_strip)]
    of: Option<u64>,
    /// What the rows are: one, several.
    words: (&'static str, &'static str),
) -> impl IntoView {
    let limit = address.limit().max(1);
    let last = filtered.div_ceil(limit).max(1);
    let page = address.page.max(1);
    let first_row = address.offset().saturating_add(1).min(filtered);
    let last_row = address.offset().saturating_add(limit).min(filtered);
    let total = text::counted(filtered, words.0, words.1);
    let of = of
        .filter(|of| *of != filtered)
        .map(|of| format!(" (of {} in all)", text::count(of)));
    let span = format!(
        "{} to {} of {total}",
        text::count(first_row),
        text::count(last_row)
    );
    let link = |to: u64, word: &'static str, rel: &'static str| {
        let there = to >= 1 && to <= last && to != page;
        there.then(|| view! { <a class="button small" rel=rel href=address.on_page(to).href(&path)>{word}</a> })
    };
    view! {
        <nav class="pages" aria-label="Pages of the results">
            {link(1, "First", "first").filter(|_| page > 2)}
            {link(page.saturating_sub(1), "Previous", "prev")}
            <span>{span} {of}</span>
            {link(page + 1, "Next", "next")}
            {link(last, "Last", "last").filter(|_| page + 1 < last)}
        </nav>
    }
}

/// What is shown when the filter leaves nothing.
#[component]
pub fn NothingPasses(
    /// What was asked for.
    address: Address,
    /// The page of the job.
    path: String,
) -> impl IntoView {
    view! {
        <div class="sight" id="nothing-passes">
            <h3>"No hit passes this filter"</h3>
            <p>
                <a class="button" href=address.unfiltered().href(&path)>"Show all hits of this query"</a>
            </p>
        </div>
    }
}
