//! Descriptions: one row a subject, sorted and filtered by the server.

use elb_core::{
    hits::{SubjectSummary, display, page::SubjectSort},
    text,
};
use elb_engine::service::ServiceError;
use leptos::prelude::*;

use super::{
    address::{Address, View},
    filters::{FilterForm, NothingPasses, Pages},
};
use crate::data::PageContext;

/// The view.
pub async fn view(
    context: &PageContext,
    id: &str,
    address: &Address,
    path: &str,
) -> Result<AnyView, ServiceError> {
    let (query, request) = (address.query.unwrap_or(0), address.request());
    let page = context
        .service
        .hits(&context.caller, id, move |index| {
            index.descriptions(query, &request)
        })
        .await?;
    let filter = view! { <FilterForm address=address.clone() path=path.to_owned()/> };
    if page.subjects.is_empty() && page.filtered == 0 {
        return Ok(
            view! { {filter} <NothingPasses address=address.clone() path=path.to_owned()/> }
                .into_any(),
        );
    }
    let rows = page.subjects.into_iter().map(
        |subject| view! { <Row subject=subject address=address.clone() path=path.to_owned()/> },
    );
    let head = |key: SubjectSort, label: &'static str, class: &'static str| {
        view! { <SortHead address=address.clone() path=path.to_owned() column=key label=label class=class/> }
    };
    let download = format!("/api/blast/jobs/{id}/results");
    Ok(view! {
        {filter}
        <Pages address=address.clone() path=path.to_owned() filtered=page.filtered of=Some(page.query.hits) words=("hit", "hits")/>
        <form method="get" action=download>
            <input type="hidden" name="format" value="fasta"/>
            <input type="hidden" name="query" value=query.to_string()/>
            <table class="hits cards">
                <thead>
                    <tr>
                        <th scope="col">
                            <span class="hidden-text">"Chosen"</span>
                        </th>
                        {head(SubjectSort::Title, "Description", "")}
                        {head(SubjectSort::MaxScore, "Max score", "number")}
                        {head(SubjectSort::TotalScore, "Total score", "number")}
                        {head(SubjectSort::Coverage, "Query cover", "number")}
                        {head(SubjectSort::Evalue, "E-value", "number")}
                        {head(SubjectSort::Identity, "Identity", "number")}
                        {head(SubjectSort::Length, "Length", "number")}
                        {head(SubjectSort::Accession, "Accession", "")}
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
            <p class="actions">
                <button type="submit">"FASTA of the chosen hits"</button>
                <span class="quiet">"The aligned parts; of all hits of this query if none is chosen."</span>
            </p>
        </form>
        <Pages address=address.clone() path=path.to_owned() filtered=page.filtered of=Some(page.query.hits) words=("hit", "hits")/>
    }
    .into_any())
}

#[component]
fn Row(subject: SubjectSummary, address: Address, path: String) -> impl IntoView {
    let link = Address {
        subject: Some(subject.ordinal),
        ..address.with_view(View::Alignments)
    }
    .href(&path);
    let label = format!("Choose {}", subject.accession);
    let several = (subject.hsps > 1).then(|| format!("{} HSPs", text::count(subject.hsps)));
    let names = Some(subject.names.clone()).filter(|names| !names.is_empty());
    let notes: Vec<String> = [names, several].into_iter().flatten().collect();
    let notes = (!notes.is_empty()).then(|| view! { <div class="sub">{notes.join(" · ")}</div> });
    view! {
        <tr>
            <td class="choose">
                <input type="checkbox" name="subject" value=subject.ordinal.to_string() aria-label=label/>
            </td>
            <td class="c-title">
                <a class="row-link" href=link title=subject.title.clone()>{subject.title.clone()}</a>
                {notes}
            </td>
            <td class="number" data-label="Max score">{display::bits(subject.max_score)}</td>
            <td class="number" data-label="Total score">{display::bits(subject.total_score)}</td>
            <td class="number" data-label="Query cover">{subject.coverage} "\u{a0}%"</td>
            <td class="number" data-label="E-value">{display::evalue(subject.evalue)}</td>
            <td class="number" data-label="Identity">{display::percent(subject.identity)}</td>
            <td class="number" data-label="Length">{text::count(subject.length)}</td>
            <td class="id" data-label="Accession">{subject.accession.clone()}</td>
        </tr>
    }
}

/// A column's heading as a link: sorts by it, turns the order round, then goes back to BLAST+'s own.
#[component]
fn SortHead(
    address: Address,
    path: String,
    column: SubjectSort,
    label: &'static str,
    class: &'static str,
) -> impl IntoView {
    let current = address.sort == column;
    let (sort, descending) = match (current, address.descending == column.descends_first()) {
        (false, _) => (column, column.descends_first()),
        (true, true) => (column, !address.descending),
        (true, false) => (SubjectSort::Best, false),
    };
    let link = Address {
        sort,
        descending,
        page: 0,
        ..address.clone()
    }
    .href(&path);
    let (order, mark) = match (current, address.descending) {
        (true, true) => (Some("descending"), " ↓"),
        (true, false) => (Some("ascending"), " ↑"),
        (false, _) => (None, ""),
    };
    view! {
        <th scope="col" class=class aria-sort=order>
            <a href=link>{label}<span aria-hidden="true">{mark}</span></a>
        </th>
    }
}
