//! How the state of a job looks: a word with a sign, never colour alone.

use elb_core::phase::{Phase, Status};
use leptos::prelude::*;

/// The sign in front of a state: differs in shape, so that it does without colour.
#[must_use]
pub const fn sign(status: Status) -> &'static str {
    match status {
        Status::Queued => "◷",
        Status::Running => "▶",
        Status::Completed => "✓",
        Status::Failed => "✕",
        Status::Cancelled => "■",
        Status::Deleted => "–",
    }
}

/// The state of a job as a badge.
#[component]
pub fn StateBadge(
    /// Where the job is.
    phase: Phase,
) -> impl IntoView {
    let status = phase.status();
    view! {
        <span class=format!("badge {}", status.as_str()) title=phase.as_str()>
            <span aria-hidden="true">{sign(status)}</span>
            " "
            {phase.label()}
        </span>
    }
}
