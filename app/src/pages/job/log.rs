//! The log of a job on its page: its last lines, and where the rest is.

use elb_engine::service::MAX_LOG;
use leptos::prelude::*;

use crate::{components::log::LogRow, data::page_context, islands::live::LogLive};

/// The log, open while the job runs.
#[component]
pub fn LogPart(id: String, active: bool, open: bool) -> impl IntoView {
    let context = page_context();
    let lines = async move {
        // Lines that come while the page is made are sent to its follower.
        let newest = *context.service.follow_log(&context.caller, &id)?.borrow();
        let first = newest.saturating_sub(MAX_LOG as u64);
        let lines = context
            .service
            .logs(&context.caller, &id, first, MAX_LOG)
            .await?;
        Ok::<_, elb_engine::service::ServiceError>((id, first, lines))
    };
    let part = Suspend::new(async move {
        let (id, first, lines) = match lines.await {
            Ok(found) => found,
            Err(error) => {
                return view! { <p class="box failure" role="alert">{error.to_string()}</p> }
                    .into_any();
            }
        };
        let all = format!("/api/blast/jobs/{id}/logs");
        let last = lines.last().map_or(first, |line| line.number);
        let earlier = (first > 0).then(|| view! { <p class="quiet">{format!("The first {first} lines are in the download.")}</p> });
        let rows = lines.into_iter().map(|line| view! { <LogRow line=line/> });
        view! {
            <div class="log-tools">
                <label class="needs-js">
                    "Search the log"
                    <input type="search" id="log-filter"/>
                </label>
                <span id="log-found" role="status"></span>
                <span class="quiet">"Times of day are UTC."</span>
                <button type="button" class="needs-js small" data-copy="log">"Copy"</button>
                <a href=all>"As JSON"</a>
            </div>
            {earlier}
            <ol
                id="log"
                class="log"
                tabindex="0"
                aria-label="Log lines"
                data-job=id
                data-last=last.to_string()
                data-active=active.then_some("")
            >
                {rows.collect_view()}
            </ol>
            <LogLive/>
        }
        .into_any()
    });
    view! {
        <details class="fold" open=open>
            <summary>
                <h2>"Log"</h2>
            </summary>
            <Suspense fallback=|| ()>{part}</Suspense>
        </details>
    }
}
