//! State, failure, warnings and timeline of one job: the part of its page that changes.
//!
//! Drawn by the server for the page and by the browser for a change, from the same projection.

use elb_core::{
    error_code::{ErrorClass, JobError},
    phase::{Phase, Status},
    text,
    time::Timestamp,
    view::{Failure, JobRow, JobState},
};
use leptos::prelude::*;

use super::{
    state::StateBadge,
    time::{Lasting, Left, When},
    timeline::{TimeChart, Timeline},
};

/// The changing part of the job page.
#[component]
pub fn JobStatus(
    /// The job as it is now.
    state: JobState,
    /// The time of drawing.
    now: Timestamp,
) -> impl IntoView {
    let row = state.row.clone();
    let done = row.phase == Phase::Completed;
    let failure = state
        .failure
        .clone()
        .map(|failure| view! { <FailureBox failure=failure/> });
    let warnings = state.warnings.clone();
    let warnings = (!warnings.is_empty()).then(|| {
        let lines = warnings
            .into_iter()
            .map(|warning| view! { <li>{warning}</li> });
        view! {
            <div class="box warning" role="note">
                <h2>"Warnings"</h2>
                <ul>{lines.collect_view()}</ul>
            </div>
        }
    });
    let steps = state.steps.clone();
    let numbered = row.attempt > 1;
    let heading = if numbered {
        format!("Attempt {}", row.attempt)
    } else {
        "Steps".to_owned()
    };
    let oldest = state.past_attempts.first().map_or(1, |first| first.number);
    let lost = (oldest > 1).then(|| {
        let line = format!("Attempts before number {oldest} are told of in the history alone.");
        view! { <p class="quiet">{line}</p> }
    });
    let again = row.not_before.map(|at| {
        let last = state.past_attempts.last();
        let error = last.and_then(|attempt| attempt.error.clone());
        view! { <NextAttempt row=row.clone() at=at error=error now=now/> }
    });
    let past = state.past_attempts.iter().rev().map(|attempt| {
        let why = attempt.error.as_ref().map(|error| error.message.clone());
        view! {
            <details data-keep=format!("attempt-{}", attempt.number)>
                <summary>
                    "Attempt " {attempt.number} ": " {attempt.phase.label()}
                    {why.map(|why| format!(" – {}", text::cap(&why, 120)))}
                </summary>
                <Timeline steps=attempt.steps.clone() progress=elb_core::job::Progress::default() now=now/>
            </details>
        }
    });
    let (chart, progress) = (steps.clone(), row.progress);
    view! {
        <div class="status-line">
            <StateBadge phase=row.phase/>
            <StatusNote row=row.clone() now=now/>
        </div>
        <StatusActions state=state.clone()/>
        {again}
        {failure}
        {warnings}
        <details class="fold" data-keep="steps" open=!done>
            <summary>
                <h2>{heading}</h2>
            </summary>
            <Timeline steps=steps progress=progress now=now/>
            <TimeChart steps=chart now=now/>
            {numbered.then(|| view! { <h3>"Earlier attempts"</h3> })}
            {past.collect_view()}
            {lost}
        </details>
    }
}

/// An attempt that begins by itself: which, when, and what ended the one before.
#[component]
fn NextAttempt(
    row: JobRow,
    at: Timestamp,
    #[prop(optional_no_strip)] error: Option<JobError>,
    now: Timestamp,
) -> impl IntoView {
    let error = error.map(|error| {
        view! {
            <p class="message">
                "Attempt " {row.attempt - 1} " failed in the step “" {error.step.label()} "”: "
                {error.message} " (" <code>{error.code.as_str()}</code> ")"
            </p>
        }
    });
    let later = row.begins_later(now);
    let left = later.then(|| view! { " " <Left until=at now=now/> });
    let not_before = later.then(|| view! { "Not before " <When at=at/> ". " });
    view! {
        <div class="box warning" role="note" id="next-attempt">
            <h2>"Attempt " {row.attempt} " begins by itself" {left}</h2>
            {error}
            <p>{not_before} "Nothing needs to be done."</p>
        </div>
    }
}

/// One sentence beside the badge: since when, how long, how far.
#[component]
fn StatusNote(row: JobRow, now: Timestamp) -> impl IntoView {
    let attempt = (row.attempt > 1).then(|| format!("attempt {} · ", row.attempt));
    let step = (row.phase.is_active()).then(|| {
        format!(
            "step {} of 8: {} · ",
            row.step.number(),
            row.step.label().to_ascii_lowercase()
        )
    });
    // Why a cancel is hindered, and when the next attempt begins, stands in boxes of their own.
    let own_box = row.begins_later(now) || row.phase == Phase::Cancelling;
    let note = row
        .state_note()
        .filter(|_| row.error.is_none() && !own_box)
        .map(|note| format!("{note} · "));
    let queued = row.queued_ms(now);
    let queued_since =
        (row.started_at.is_none() && row.completed_at.is_none()).then_some(row.created_at);
    let running_since = row.started_at.filter(|_| row.completed_at.is_none());
    let run = row
        .run_ms(now)
        .map(|ms| view! { " · run time " <Lasting ms=ms since=running_since/> });
    let ended = row
        .completed_at
        .map(|at| view! { " · ended " <When at=at/> });
    view! {
        <p class="status-note">
            {attempt} {step} {note} "in the queue " <Lasting ms=queued since=queued_since/> {run} {ended}
        </p>
    }
}

/// Cancel and retry, as forms that work without scripts.
#[component]
fn StatusActions(state: JobState) -> impl IntoView {
    let id = state.row.id.clone();
    let cancel = state.can_cancel.then(|| {
        view! {
            <form method="post" action=format!("/jobs/{id}/cancel")>
                <button type="submit">"Cancel the search"</button>
            </form>
        }
    });
    let stopping = (state.row.phase == Phase::Cancelling).then(|| {
        let hindered = state.row.reason.clone().map(|why| {
            view! {
                <div class="box warning" role="note" id="hindered">
                    <p>
                        <strong>"Not stopped yet: "</strong>
                        {why}
                    </p>
                    <p>"It is tried again by itself."</p>
                </div>
            }
        });
        view! {
            <p class="quiet">"Being stopped: it counts as cancelled once nothing of it runs any more."</p>
            {hindered}
        }
    });
    let helps = state
        .failure
        .as_ref()
        .is_none_or(|failure| failure.class != ErrorClass::Input);
    let retry = (state.can_retry && helps).then(|| {
        view! {
            <form method="post" action=format!("/jobs/{id}/retry")>
                <button type="submit" class="primary">"Retry"</button>
            </form>
        }
    });
    let mend = (state.row.status == Status::Failed).then(|| {
        view! { <a class="button" href=format!("/search?from={id}")>"Edit and search again"</a> }
    });
    view! { <div class="actions">{cancel} {stopping} {retry} {mend}</div> }
}

#[component]
fn FailureBox(failure: Failure) -> impl IntoView {
    let step = failure.error.step.label();
    view! {
        <div class="box failure" role="alert">
            <h2>"Failed in the step “" {step} "”"</h2>
            <p class="message">{failure.error.message}</p>
            <p>
                <strong>"What to do: "</strong>
                {failure.remedy}
            </p>
            <p class="quiet">"Code " <code>{failure.error.code.as_str()}</code></p>
        </div>
    }
}
