//! Times and durations on a page: one formatter for all.
//!
//! The server writes UTC; where JavaScript runs, the clock island rewrites `time[data-local]` in the
//! reader's zone and ticks `[data-since]` once a second.

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
