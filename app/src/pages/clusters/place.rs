//! The card of one namespace of a cluster: whether it can be seen, how old that is, what is on it.

use elb_core::{
    cluster::{Health, PlaceView, RunView},
    phase::Status,
    text,
    time::Timestamp,
};
use leptos::prelude::*;

use super::{
    copies::{Copies, Warmup},
    runs::{MOST_RUNS, Runs, anchor},
};
use crate::components::time::{Lasting, When};

/// Class, sign and word of the badge, and what it means.
const fn in_words(health: Health) -> (&'static str, &'static str, &'static str, &'static str) {
    match health {
        Health::Connecting => (
            "badge queued",
            "◷",
            "Connecting",
            "Nothing was heard of it yet since this server was started.",
        ),
        Health::Live => (
            "badge completed",
            "✓",
            "Live",
            "Each change arrives by itself.",
        ),
        Health::Listed => (
            "badge running",
            "↻",
            "Asked again and again",
            "Changes do not arrive by themselves; everything is asked for every few seconds.",
        ),
        Health::Unreachable => (
            "badge failed",
            "✕",
            "Does not answer",
            "It is tried again by itself until it answers.",
        ),
        Health::Unauthorised => (
            "badge failed",
            "⊘",
            "Access denied",
            "It does not let this server look: the account of its kubeconfig must be valid and may get, list and watch jobs and pods and list events in this namespace.",
        ),
        Health::Stopped => (
            "badge cancelled",
            "■",
            "Stopped",
            "Its address leads nowhere, which is how a stopped cluster looks. Nothing runs on it until it is started; then it shows here by itself.",
        ),
        Health::Missing => (
            "badge failed",
            "?",
            "Not found",
            "There is no such cluster or namespace: compare ELB_CLUSTERS with the kubeconfig.",
        ),
    }
}

/// The card.
#[component]
pub(super) fn Place(
    /// Its place in the settings, from 0.
    number: usize,
    /// What is seen of it.
    place: PlaceView,
    /// Databases that can be brought to its nodes.
    warmup: Warmup,
    /// The time of drawing.
    now: Timestamp,
) -> impl IntoView {
    let (class, sign, word, meaning) = in_words(place.health);
    let current = place.health.is_current();
    // Of one whose changes arrive by themselves there is no older or newer.
    let live = place.health == Health::Live;
    let heading = format!("place-{number}");
    let reason = place.reason.map(|reason| {
        let class = if current || place.health == Health::Connecting {
            "box warning"
        } else {
            "box failure"
        };
        view! { <p class=class role="note">{reason}</p> }
    });
    let version = place
        .version
        .map(|version| view! { " · Kubernetes " <span class="id">{version}</span> });
    let none = place.runs.is_empty();
    let seen = (!none || (place.as_of.is_some() && current)).then(|| {
        let counts = Counts::of(&place.runs);
        view! { <Summary number=number counts=counts/> }
    });
    let sight = none.then_some(match (current, place.as_of) {
        (true, _) => "No searches on this cluster.",
        (false, Some(_)) => "When it was last seen, there were no searches on it.",
        (false, None) => "It was not seen yet: whether there are searches on it is not known.",
    });
    let sight = sight.map(|line| view! { <p class="quiet nothing">{line}</p> });
    let (cluster, namespace, copies) =
        (place.cluster.clone(), place.namespace.clone(), place.copies);
    let more = place.runs.len().saturating_sub(MOST_RUNS);
    let more = (more > 0).then(|| {
        let line = format!(
            "These are the newest {}; {} more are there and not shown. ",
            text::count(MOST_RUNS as u64),
            text::count(more as u64)
        );
        view! {
            <p class="quiet more">{line} <a href="/api/monitor/clusters">"All of them as JSON"</a></p>
        }
    });
    let seen_at = if current { Some(now) } else { place.as_of };
    let class_of_card = if current { "place" } else { "place frozen" };
    view! {
        <section class=class_of_card aria-labelledby=heading>
            <div class="place-head">
                <h2 id=heading.clone()>
                    {place.cluster} <span class="quiet">" namespace "</span> {place.namespace}
                </h2>
                <span class=class title=place.health.as_str()>
                    <span aria-hidden="true">{sign}</span> " " {word}
                </span>
            </div>
            <p class="quiet">{meaning} " Since " <When at=place.since/> {version}</p>
            {reason}
            {(!live).then(|| view! { <Age current=current as_of=place.as_of now=now/> })}
            {seen}
            {sight}
            {(!none).then(|| view! { <Runs number=number runs=place.runs current=current seen_at=seen_at/> })}
            {more}
            <Copies
                number=number
                cluster=cluster
                namespace=namespace
                copies=copies
                warmup=warmup
                current=current
            />
        </section>
    }
}

/// How old what is shown is; in a box of its own if it grows older.
#[component]
fn Age(current: bool, as_of: Option<Timestamp>, now: Timestamp) -> impl IntoView {
    as_of.map(|at| {
        let age = view! { <When at=at/> " (" <Lasting ms=now.since(at) since=Some(at)/> " ago)" };
        if current {
            view! { <p class="fresh">"As of " {age}</p> }.into_any()
        } else {
            view! {
                <p class="box warning frozen-since" role="note">
                    <strong>"Frozen. "</strong>
                    "It cannot be seen at the moment: what is shown here is what was seen last, as of "
                    {age} ", and may have changed since."
                </p>
            }
            .into_any()
        }
    })
}

/// How many searches are where, and the first of each kind that needs a look.
struct Counts {
    of: [(Status, u64); 5],
    /// The number that waits for a reason, and the first of them that is shown.
    held_up: (u64, Option<String>),
    failed: Option<String>,
}

impl Counts {
    fn of(runs: &[RunView]) -> Self {
        let first = |wanted: &dyn Fn(&RunView) -> bool| {
            let shown = runs.iter().take(MOST_RUNS);
            shown
                .filter(|run| wanted(run))
                .map(|run| run.id.clone())
                .next()
        };
        let number = |wanted: &dyn Fn(&RunView) -> bool| {
            runs.iter().filter(|run| wanted(run)).count() as u64
        };
        let held_up = |run: &RunView| run.phase.is_waiting() && run.reason.is_some();
        Self {
            of: Status::LISTED.map(|status| (status, number(&|run| run.phase.status() == status))),
            held_up: (number(&held_up), first(&held_up)),
            failed: first(&|run| run.phase.status() == Status::Failed),
        }
    }
}

/// One line that counts, and one that counts what needs attention.
#[component]
fn Summary(number: usize, counts: Counts) -> impl IntoView {
    let mut failed = 0;
    let mut parts = Vec::new();
    for (status, count) in counts.of {
        let word = match status {
            Status::Queued => "waiting",
            Status::Failed => {
                failed = count;
                "failed"
            }
            other => other.as_str(),
        };
        // Three are told even if there are none; the others are if there are any.
        let always = matches!(status, Status::Queued | Status::Running | Status::Failed);
        if always || count > 0 {
            parts.push(format!("{} {word}", text::count(count)));
        }
    }
    let (waiting, waits) = counts.held_up;
    let kinds = [
        (failed, counts.failed, "failed"),
        (waiting, waits, "waiting with a reason"),
    ];
    let attention: Vec<_> = kinds
        .into_iter()
        .filter(|(count, _, _)| *count > 0)
        .enumerate()
        .map(|(place, (count, first, word))| {
            let joint = (place > 0).then_some(", ");
            let line = format!("{} {word}", text::count(count));
            let line = match first {
                Some(id) => {
                    let mut link = "#".to_owned();
                    elb_core::list::percent_encode(&anchor(number, &id), &mut link);
                    view! { <a href=link>{line}</a> }.into_any()
                }
                None => line.into_any(),
            };
            view! { {joint} {line} }
        })
        .collect();
    let attention = (!attention.is_empty())
        .then(|| view! { <p class="attention"><strong>"Look at: "</strong> {attention}</p> });
    view! {
        <p class="counts">{parts.join(", ")}</p>
        {attention}
    }
}
