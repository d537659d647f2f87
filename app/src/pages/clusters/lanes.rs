//! The pods of a search, a lane each, on one scale of time.

use elb_core::{cluster::PodView, text, time::Timestamp};
use leptos::prelude::*;

use crate::components::time::When;

/// Units of a lane's width.
const WIDTH: u64 = 1_000;
/// The narrowest bar in these units, so that the shortest can be seen.
const NARROWEST: u64 = 4;

/// Class and sign of a pod's state.
fn looks(state: &str) -> (&'static str, &'static str) {
    match state {
        "done" => ("done", "✓"),
        "failed" => ("failed", "✕"),
        "lost" => ("failed", "?"),
        "searching" => ("busy", "▶"),
        "staging" => ("busy", "⇣"),
        _ => ("waiting", "◷"),
    }
}

/// The lanes. Where there are too many, those that have not ended well are drawn first.
#[component]
pub(super) fn Lanes(
    /// The pods, oldest first.
    pods: Vec<PodView>,
    /// How many of them are drawn at most.
    most: usize,
    /// When they were as they are told; bars of what runs end there.
    seen_at: Option<Timestamp>,
) -> impl IntoView {
    let all = pods.len();
    let mut shown = pods;
    if all > most {
        // The sort is stable: within each kind they stay as they were.
        shown.sort_by_key(|pod| match looks(&pod.state).0 {
            "failed" => 0,
            "done" => 2,
            _ => 1,
        });
        shown.truncate(most);
    }
    let more = all - shown.len();
    let more = (more > 0).then(|| {
        let line = format!(
            "{} not shown here. ",
            text::counted(more as u64, "more pod is", "more pods are")
        );
        view! { <p class="quiet">{line} <a href="/api/monitor/clusters">"All of them as JSON"</a></p> }
    });
    let none = (all == 0).then(|| {
        view! { <p class="quiet">"It has no pods: none was made yet, or they are gone."</p> }
    });
    let first = shown.iter().filter_map(|pod| pod.started_at).min();
    let last = shown
        .iter()
        .filter_map(|pod| pod.finished_at.or(pod.started_at.and(seen_at)))
        .max();
    let scale = first.zip(last);
    let lanes: Vec<_> = shown
        .into_iter()
        .map(|pod| {
            let bar = scale.and_then(|scale| bar(&pod, scale, seen_at));
            view! { <Lane pod=pod bar=bar/> }
        })
        .collect();
    view! {
        {none}
        {(!lanes.is_empty()).then(|| view! { <ol class="lanes-of-pods">{lanes}</ol> })}
        {more}
    }
}

/// Left edge and width of a pod's bar.
fn bar(
    pod: &PodView,
    (first, last): (Timestamp, Timestamp),
    seen_at: Option<Timestamp>,
) -> Option<(u64, u64)> {
    let started = pod.started_at?;
    let ended = pod.finished_at.or(seen_at)?;
    let total = last.since(first).max(1);
    let at = |ms: u64| ms.saturating_mul(WIDTH) / total;
    let x = at(started.since(first)).min(WIDTH - NARROWEST);
    let width = at(ended.since(started)).clamp(NARROWEST, WIDTH - x);
    Some((x, width))
}

#[component]
fn Lane(pod: PodView, bar: Option<(u64, u64)>) -> impl IntoView {
    let (class, sign) = looks(&pod.state);
    let bar = bar.map(|(x, width)| {
        view! {
            <svg class="bar" viewBox=format!("0 0 {WIDTH} 8") preserveAspectRatio="none" aria-hidden="true">
                <rect x=x.to_string() y="0" width=width.to_string() height="8"></rect>
            </svg>
        }
    });
    // From 0, as in the names of pods.
    let batch = pod.batch.map(|batch| format!("batch {batch}"));
    let node = match pod.node {
        Some(node) => format!("on {node}"),
        None => "on no node".to_owned(),
    };
    let restarts = (pod.restarts > 0).then(|| {
        let times = text::counted(pod.restarts.into(), "time", "times");
        format!("started again {times}")
    });
    let parts: Vec<String> = [batch, Some(node), restarts]
        .into_iter()
        .flatten()
        .collect();
    let started = pod
        .started_at
        .map(|at| view! { " · started " <When at=at/> });
    let finished = pod
        .finished_at
        .map(|at| view! { " · finished " <When at=at/> });
    let took = pod.started_at.zip(pod.finished_at).map(|(from, to)| {
        let took = text::duration(to.since(from));
        format!(" · took {took}")
    });
    let note = pod.note.map(|note| view! { <p class="note">{note}</p> });
    view! {
        <li class=format!("lane {class}")>
            <span class="state"><span aria-hidden="true">{sign}</span> " " {pod.state}</span>
            <div class="pod">
                <span class="id">{pod.name}</span>
                <div class="sub">{parts.join(" · ")} {started} {finished} {took}</div>
                {note}
            </div>
            {bar}
        </li>
    }
}
