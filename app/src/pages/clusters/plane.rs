//! The card of the external plane: whether it can be asked, how old its list is, and what to do.

use elb_core::{
    external::{PlaneHealth, PlaneView},
    text,
    time::Timestamp,
};
use leptos::prelude::*;

use crate::components::time::{Lasting, When};

/// Class, sign and word of the badge, and what it means.
const fn in_words(health: PlaneHealth) -> (&'static str, &'static str, &'static str, &'static str) {
    match health {
        PlaneHealth::Connecting => (
            "badge queued",
            "◷",
            "Connecting",
            "Nothing was heard of it yet since this server was started.",
        ),
        PlaneHealth::Connected => (
            "badge completed",
            "✓",
            "Connected",
            "Its list is asked for every 15 seconds.",
        ),
        PlaneHealth::Degraded => (
            "badge failed",
            "✕",
            "Degraded",
            "It cannot be asked at the moment. It is tried again by itself; its searches are shown as they were told last.",
        ),
        PlaneHealth::Unauthorised => (
            "badge failed",
            "⊘",
            "Access denied",
            "It does not let this server ask. Its searches are shown as they were told last.",
        ),
    }
}

/// The card.
#[component]
pub(super) fn Plane(
    /// What is known of it.
    plane: PlaneView,
    /// The time of drawing.
    now: Timestamp,
) -> impl IntoView {
    let (class, sign, word, meaning) = in_words(plane.health);
    let current = plane.health == PlaneHealth::Connected;
    let reason = plane
        .reason
        .map(|reason| view! { <p class="box failure" role="note">{reason}</p> });
    let age = plane.as_of.map(|at| {
        let searches = text::counted(plane.jobs, "search", "searches");
        let more = if plane.more {
            " (the newest; it has more)"
        } else {
            ""
        };
        view! {
            <p class="fresh">
                {searches} {more} " as of " <When at=at/> " (" <Lasting ms=now.since(at) since=Some(at)/>
                " ago). " <a href="/jobs">"They are in the list"</a> "."
            </p>
        }
    });
    let unreadable = (plane.unreadable > 0).then(|| {
        let rows = text::counted(plane.unreadable, "row", "rows");
        let line = format!("{rows} of its list cannot be read and are left out.");
        view! { <p class="box warning" role="note">{line}</p> }
    });
    view! {
        <section class=if current { "place" } else { "place frozen" } aria-labelledby="external-plane">
            <div class="place-head">
                <h2 id="external-plane">
                    <span class="quiet">"External plane "</span> {plane.name}
                </h2>
                <span class=class title=plane.health.as_str()>
                    <span aria-hidden="true">{sign}</span> " " {word}
                </span>
            </div>
            <p class="quiet">
                {meaning} " Since " <When at=plane.since/> " · " <a href="/api/monitor/external">"As JSON"</a>
            </p>
            {reason} {age} {unreadable}
        </section>
    }
}
