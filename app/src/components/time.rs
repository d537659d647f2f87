//! Times and durations on a page: one formatter for all.
//!
//! The server writes UTC; where JavaScript runs, the clock island rewrites `time[data-local]` in the
//! reader's zone and ticks `[data-since]` and `[data-until]` once a second.

use elb_core::{text, time::Timestamp};
use leptos::prelude::*;

/// A point in time with its zone.
#[component]
pub fn When(
    /// The time.
    at: Timestamp,
) -> impl IntoView {
    view! { <time datetime=at.rfc3339() data-local="">{at.on_screen()}</time> }
}

/// A duration that has ended, or one that ticks from `since`.
#[component]
pub fn Lasting(
    /// Milliseconds so far.
    ms: u64,
    /// Ticks on from here while it lasts.
    #[prop(optional_no_strip)]
    since: Option<Timestamp>,
) -> impl IntoView {
    view! {
        <span class="lasting" data-since=since.map(|at| at.0.to_string())>
            {text::duration(ms)}
        </span>
    }
}

/// What is left of the time until a point, ticking down to nothing.
#[component]
pub fn Left(
    /// The point.
    until: Timestamp,
    /// The time of drawing.
    now: Timestamp,
) -> impl IntoView {
    view! {
        <span class="lasting" data-until=until.0.to_string()>
            {left(until, now)}
        </span>
    }
}

/// `in 42 s`, or that it may be at any moment.
#[must_use]
pub fn left(until: Timestamp, now: Timestamp) -> String {
    match until.since(now) {
        0 => "at any moment".to_owned(),
        // A second that has begun still counts, so that the last one is not nought.
        ms => format!("in {}", text::duration(ms.saturating_add(999))),
    }
}
