//! The logs of a job on its page: its own, or that of a container of one of its pods; the last lines, and where
//! the rest is.
//!
//! Owns which one is shown: the address says so, as `log`. What is shown is followed in the same way.

use elb_core::{cluster::LogOf, text, view::LogLine};
use elb_engine::service::{MAX_LOG, ServiceError};
use leptos::prelude::*;

use crate::{
    components::log::LogRow,
    data::{PageContext, address_value, page_context},
    islands::live::LogLive,
};

mod pods;

use pods::PodChoice;

/// The most lines of a container's log that a page shows: about a megabyte.
const MOST_LINES: usize = 10_000;

/// The lines of a log, and what is around them.
struct Shown {
    lines: Vec<LogLine>,
    /// Where it is followed, ready for the place to follow after; none if it has ended.
    follow: Option<String>,
    /// After which place.
    place: String,
    /// What is said of lines before these, and where they are.
    earlier: Option<(String, Option<String>)>,
    /// Where all of it is, and as what.
    whole: (String, &'static str),
}

/// The log, open while the job runs or if one was chosen.
#[component]
pub fn LogPart(id: String, active: bool, open: bool) -> impl IntoView {
    let context = page_context();
    let chosen = address_value("log").filter(|chosen| !chosen.is_empty());
    let open = open || chosen.is_some();
    let part = Suspend::new(async move {
        let pods = match context.service.pod_logs(&context.caller, &id).await {
            Ok(pods) => pods,
            Err(error) => return failure(&error).into_any(),
        };
        let shown = match &chosen {
            Some(chosen) => of_pod(&context, &id, chosen).await,
            None => own(&context, &id, active).await,
        };
        let choice = (!pods.is_empty()).then(|| {
            let chosen = chosen.unwrap_or_default();
            view! { <PodChoice id=id pods=pods chosen=chosen/> }
        });
        let lines = match shown {
            Ok(shown) => view! { <Lines shown=shown/> }.into_any(),
            Err(error) => failure(&error).into_any(),
        };
        view! { {choice} {lines} }.into_any()
    });
    view! {
        <details class="fold" open=open id="logs">
            <summary>
                <h2>"Log"</h2>
            </summary>
            <Suspense fallback=|| ()>{part}</Suspense>
        </details>
    }
}

fn failure(error: &ServiceError) -> impl IntoView + use<> {
    view! { <p class="box failure" role="alert">{error.to_string()}</p> }
}

/// The search's own log.
async fn own(context: &PageContext, id: &str, active: bool) -> Result<Shown, ServiceError> {
    let (service, caller) = (&context.service, &context.caller);
    // Lines that come while the page is made are sent to its follower.
    let newest = *service.follow_log(caller, id)?.borrow();
    let first = newest.saturating_sub(MAX_LOG as u64);
    let lines = service.logs(caller, id, first, MAX_LOG).await?;
    let last = lines.last().map_or(first, |line| line.number);
    let address = format!("/api/blast/jobs/{id}/logs");
    let earlier = format!("The first {first} lines are in the download.");
    Ok(Shown {
        lines,
        follow: active.then(|| format!("{address}?after=")),
        place: last.to_string(),
        earlier: (first > 0).then_some((earlier, None)),
        whole: (address, "As JSON"),
    })
}

/// The log of a container.
async fn of_pod(context: &PageContext, id: &str, chosen: &str) -> Result<Shown, ServiceError> {
    let unknown = || ServiceError::BadRequest(format!("{chosen} is no name of a log"));
    let log = LogOf::parse(chosen).ok_or_else(unknown)?;
    let wanted = address_value("lines").and_then(|lines| lines.parse().ok());
    let wanted = wanted.unwrap_or(MAX_LOG).clamp(1, MOST_LINES);
    let (service, caller) = (&context.service, &context.caller);
    let page = service.pod_log(caller, id, &log, wanted).await?;
    let address = format!("/api/blast/jobs/{id}/pods/{log}/logs");
    let left_out = (page.left_out > 0).then(|| {
        let bytes = text::bytes(page.left_out);
        format!(" Its first {bytes} were not kept.")
    });
    let left_out = left_out.unwrap_or_default();
    let earlier = if page.earlier {
        let shown = match page.lines.len() {
            1 => "Only the last line is shown.".to_owned(),
            count => format!(
                "Only the last {} lines are shown.",
                text::count(count as u64)
            ),
        };
        let more = format!("/jobs/{id}?log={log}&lines={MOST_LINES}#logs");
        let more = (wanted < MOST_LINES).then_some(more);
        Some((format!("{shown}{left_out}"), more))
    } else {
        Some((left_out, None)).filter(|(left_out, _)| !left_out.is_empty())
    };
    Ok(Shown {
        lines: page.lines,
        follow: page.goes_on.then(|| format!("{address}?after=")),
        place: page.place.to_string(),
        earlier,
        whole: (address, "As text"),
    })
}

#[component]
fn Lines(shown: Shown) -> impl IntoView {
    let (address, form) = shown.whole;
    let earlier = shown.earlier.map(|(words, more)| {
        let more = more.map(|more| {
            let words = format!("Up to {} lines", text::count(MOST_LINES as u64));
            view! { " " <a href=more>{words}</a> }
        });
        view! { <p class="quiet">{words} {more}</p> }
    });
    let rows = shown
        .lines
        .into_iter()
        .map(|line| view! { <LogRow line=line/> });
    view! {
        <div class="log-tools">
            <label class="needs-js">
                "Search the log"
                <input type="search" id="log-filter"/>
            </label>
            <span id="log-found" role="status"></span>
            <span class="quiet">"Times of day are UTC."</span>
            <button type="button" class="needs-js small" data-copy="log">"Copy"</button>
            <a href=address>{form}</a>
        </div>
        {earlier}
        <p id="log-waits" class="quiet" role="status" hidden>
            "Three other tabs of this browser follow logs. This one goes on once one of them is closed or hidden."
        </p>
        <p id="log-lost" class="quiet" role="status" hidden>
            "The connection for this log is broken. It goes on by itself once the server answers."
        </p>
        <ol
            id="log"
            class="log"
            tabindex="0"
            aria-label="Log lines"
            data-follow=shown.follow
            data-last=shown.place
        >
            {rows.collect_view()}
        </ol>
        <LogLive/>
    }
}
