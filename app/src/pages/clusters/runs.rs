//! The searches on a cluster as a table; each opens to its pods.
//!
//! Owns how many are drawn: a cluster may hold thousands of searches and pods, a page may not.

use elb_core::{
    cluster::{RunView, job_of},
    search::Program,
    text,
    time::Timestamp,
};
use leptos::prelude::*;

use super::lanes::Lanes;
use crate::components::{state::StateBadge, time::When};

/// The most searches that are drawn of a namespace, the newest.
pub(super) const MOST_RUNS: usize = 200;
/// The most pods that are drawn of one search.
pub(super) const MOST_PODS: usize = 50;
/// The most pods that are drawn of a namespace; the newest searches have theirs first.
pub(super) const MOST_PODS_OF_ALL: usize = 1_000;
/// The most characters of a reason in the table; the whole one is in what opens.
const MOST_REASON: usize = 240;
/// Ids up to this length are shown whole, longer ones by their first eight and last four characters.
const WHOLE_ID: usize = 14;

/// The id of a search's part of the table.
pub(super) fn anchor(number: usize, id: &str) -> String {
    format!("run-{number}-{id}")
}

/// An id that fits a column and can still be told from others.
fn short(id: &str) -> String {
    let letters: Vec<char> = id.chars().collect();
    if letters.len() <= WHOLE_ID {
        return id.to_owned();
    }
    let first: String = letters.iter().take(8).collect();
    let last: String = letters.iter().skip(letters.len() - 4).collect();
    format!("{first}…{last}")
}

/// The table.
#[component]
pub(super) fn Runs(
    /// The cluster's place in the settings, from 0.
    number: usize,
    /// The searches, newest first.
    runs: Vec<RunView>,
    /// Whether they are as shown.
    current: bool,
    /// When they were.
    seen_at: Option<Timestamp>,
) -> impl IntoView {
    let mut left = MOST_PODS_OF_ALL;
    let rows: Vec<_> = runs
        .into_iter()
        .take(MOST_RUNS)
        .map(|run| {
            let most = run.pods.len().min(MOST_PODS).min(left);
            left -= most;
            view! { <Run number=number run=run most=most current=current seen_at=seen_at/> }
        })
        .collect();
    view! {
        <table class="runs cards">
            <thead>
                <tr>
                    <th scope="col" class="c-run-id">"Search"</th>
                    <th scope="col" class="c-program">"Program"</th>
                    <th scope="col" class="c-database">"Database"</th>
                    <th scope="col" class="c-phase">"State"</th>
                    <th scope="col" class="c-batches">"Batches"</th>
                    <th scope="col" class="c-begun">"Created"</th>
                    <th scope="col">"Why"</th>
                </tr>
            </thead>
            {rows}
        </table>
    }
}

fn or_unknown(text: Option<String>) -> impl IntoView {
    match text {
        Some(text) => view! { <span>{text}</span> }.into_any(),
        None => view! { <span class="quiet">"not told"</span> }.into_any(),
    }
}

#[component]
fn Run(
    number: usize,
    run: RunView,
    most: usize,
    current: bool,
    seen_at: Option<Timestamp>,
) -> impl IntoView {
    let anchor = anchor(number, &run.id);
    let failed = (run.batches.failed > 0).then(|| {
        let line = format!("{} failed", text::count(run.batches.failed.into()));
        view! { <div class="problem">{line}</div> }
    });
    let batches = match run.batches.total {
        0 => "not known yet".to_owned(),
        total => format!(
            "{} of {}",
            text::count(run.batches.done.into()),
            text::count(total.into())
        ),
    };
    let old = (!current).then(|| view! { <div class="sub">"as last seen"</div> });
    let reason = run.reason.unwrap_or_default();
    let cut = text::cap(&reason, MOST_REASON);
    let why = (!cut.is_empty()).then_some("Why");
    let whole = (cut != reason).then(|| {
        view! { <dt>"Why"</dt><dd class="long">{reason}</dd> }
    });
    let results = run
        .results
        .map(|results| view! { <dt>"Results"</dt><dd class="id">{results}</dd> });
    let pods = text::counted(run.pods.len() as u64, "pod", "pods");
    // Programs that there is no form for have no row either.
    let known = run.program.as_deref().and_then(Program::parse).is_some();
    let job = job_of(&run.id).map_or(run.id.as_str(), |(job, _)| job);
    let mut link = "/jobs/".to_owned();
    elb_core::list::percent_encode(job, &mut link);
    let page = known.then(|| view! { " " <a href=link>"its page"</a> });
    let about = format!("{pods} of {}", run.id);
    view! {
        <tbody class=format!("run {}", run.phase.status().as_str()) id=anchor.clone()>
            <tr>
                <td class="c-run-id" data-label="Search">
                    <span class="id" title=run.id.clone()>{short(&run.id)}</span>
                </td>
                <td data-label="Program">{or_unknown(run.program)}</td>
                <td data-label="Database">{or_unknown(run.database)}</td>
                <td data-label="State"><div><StateBadge phase=run.phase/> {old}</div></td>
                <td data-label="Batches"><div>{batches} {failed}</div></td>
                <td data-label="Created"><When at=run.created_at/></td>
                <td data-label=why><span class="why">{cut}</span></td>
            </tr>
            <tr class="pods">
                <td colspan="7">
                    <details data-keep=anchor.clone()>
                        <summary id=format!("{anchor}-pods") aria-label=about>{pods}</summary>
                        <dl class="facts">
                            <dt>"Search"</dt>
                            <dd><span class="id">{run.id}</span> {page}</dd>
                            {results}
                            {whole}
                        </dl>
                        <Lanes pods=run.pods most=most seen_at=seen_at/>
                    </details>
                </td>
            </tr>
        </tbody>
    }
}
