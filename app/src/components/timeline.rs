//! The eight steps of a job, and where the time went.
//!
//! Owns how each state of a step looks: seven states, seven signs and words, so that skipped, not
//! reached and failed are never alike. Durations come from the server's records alone.

use elb_core::{
    job::Progress,
    step::{Step, StepPart, StepRecord, StepState},
    text,
    time::Timestamp,
};
use leptos::{either::Either, prelude::*};

use super::time::{Lasting, When};

/// The sign in front of a step.
const fn sign(state: StepState) -> &'static str {
    match state {
        StepState::NotReached => "·",
        StepState::Active => "▶",
        StepState::Waiting => "◷",
        StepState::Done => "✓",
        StepState::Skipped => "↷",
        StepState::Failed => "✕",
        StepState::Cancelled => "■",
    }
}

/// The steps of one attempt, in order.
#[component]
pub fn Timeline(
    /// The eight records.
    steps: Vec<StepRecord>,
    /// How far the search itself is.
    progress: Progress,
    /// The time of drawing.
    now: Timestamp,
) -> impl IntoView {
    let rows = steps.into_iter().map(|record| {
        let progress = Some(progress).filter(|_| record.key == Step::Running);
        view! { <StepRow record=record progress=progress now=now/> }
    });
    view! { <ol class="timeline">{rows.collect_view()}</ol> }
}

#[component]
fn StepRow(
    record: StepRecord,
    #[prop(optional_no_strip)] progress: Option<Progress>,
    now: Timestamp,
) -> impl IntoView {
    let state = record.state;
    let open = state.is_open();
    let started = record.started_at;
    let duration = record.duration_ms(now).map(|ms| {
        if open {
            Either::Left(view! { <Lasting ms=ms since=started/> })
        } else {
            Either::Right(view! { <span class="lasting">{text::duration_fine(ms)}</span> })
        }
    });
    let waited = Some(record.waited_ms)
        .filter(|ms| *ms > 0)
        .map(|ms| format!("of which {} waiting", text::duration_fine(ms)));
    let batches = progress
        .filter(|progress| progress.batches_total > 0 && state != StepState::NotReached)
        .map(|progress| {
            format!(
                "{} of {} done, {}\u{a0}% of the query",
                progress.batches_done,
                text::counted(progress.batches_total.into(), "batch", "batches"),
                progress.percent()
            )
        });
    let bar = progress.filter(|progress| open && progress.batches_total > 0).map(|progress| {
        view! {
            <progress max="100" value=progress.percent().to_string() aria-label="Searched so far"></progress>
        }
    });
    let notes: Vec<String> = [record.reason, batches, waited]
        .into_iter()
        .flatten()
        .collect();
    let notes = (!notes.is_empty()).then(|| view! { <p class="note">{notes.join(" · ")}</p> });
    let parts = (!record.parts.is_empty()).then(|| view! { <Parts parts=record.parts/> });
    let began = started.map(|at| view! { <p class="began">"began " <When at=at/></p> });
    view! {
        <li class=format!("step {}", state.as_str()) data-step=record.key.as_str()>
            <span class="sign" aria-hidden="true">{sign(state)}</span>
            <div class="what">
                <span class="label">{record.key.label()}</span>
                " "
                <span class="state">{state.label()}</span>
                <p class="hint">{record.key.hint()} " (" <code>{record.key.as_str()}</code> ")"</p>
                {notes}
                {parts}
                {bar}
                {began}
            </div>
            <div class="took">{duration}</div>
        </li>
    }
}

/// What was done side by side in a step.
#[component]
fn Parts(parts: Vec<StepPart>) -> impl IntoView {
    let rows = parts.into_iter().map(|part| {
        let took = text::duration_fine(part.finished_at.since(part.started_at));
        let took = part.skipped.map_or(took, |why| format!("skipped: {why}"));
        view! {
            <li data-part=part.key.as_str()>
                {part.key.label()} " · " {took}
            </li>
        }
    });
    view! { <ul class="parts">{rows.collect_view()}</ul> }
}

/// Units of the chart's width.
const WIDTH: u64 = 1_000;
/// Height of one lane of the chart.
const LANE: u64 = 22;

/// A bar for each step that has begun, on one scale of time: waiting and working told apart.
#[component]
pub fn TimeChart(
    /// The eight records.
    steps: Vec<StepRecord>,
    /// The time of drawing.
    now: Timestamp,
) -> impl IntoView {
    let began: Vec<StepRecord> = steps
        .into_iter()
        .filter(|step| step.started_at.is_some())
        .collect();
    let first = began.iter().filter_map(|step| step.started_at).min();
    let last = began
        .iter()
        .map(|step| step.finished_at.unwrap_or(now))
        .max();
    let (first, last) = first.zip(last)?;
    let total = last.since(first).max(1);
    let at = |ms: u64| ms * WIDTH / total;
    let lanes = began.iter().enumerate().filter_map(|(lane, step)| {
        let started = step.started_at?;
        let took = step.duration_ms(now)?;
        let open_wait = step.waiting_since.map_or(0, |since| now.since(since));
        let waited = step.waited_ms.saturating_add(open_wait).min(took);
        let (x, y) = (at(started.since(first)), lane as u64 * LANE);
        // A step of no time is still drawn: a line of two units.
        let (wait, work) = (at(waited), at(took - waited).max(2));
        let wait = (wait > 0).then(|| {
            view! { <rect class="wait" x=x.to_string() y=(y + 3).to_string() width=wait.to_string() height="14"></rect> }
        });
        let share = took.saturating_mul(100) / total;
        let title = format!("{}: {} ({share} %)", step.key.label(), text::duration_fine(took));
        Some(view! {
            <g>
                <title>{title}</title>
                {wait}
                <rect
                    class=format!("work {}", step.state.as_str())
                    x=(x + at(waited)).min(WIDTH - 2).to_string()
                    y=(y + 3).to_string()
                    width=work.to_string()
                    height="14"
                ></rect>
            </g>
        })
    });
    let labels = began.iter().map(|step| {
        let took = step.duration_ms(now).unwrap_or(0);
        view! {
            <li>
                <span>{step.key.label()}</span>
                <span class="number">{text::duration_fine(took)}</span>
            </li>
        }
    });
    let height = began.len() as u64 * LANE;
    let summary = format!("Time of each step, {} in all", text::duration_fine(total));
    Some(view! {
        <figure class="time-chart">
            <figcaption>
                {summary} " · " <span class="key wait">"waiting"</span> " "
                <span class="key work">"working"</span>
            </figcaption>
            <div class="lanes">
                <ol>{labels.collect_view()}</ol>
                <svg
                    role="img"
                    aria-label="Bars of the times listed beside"
                    viewBox=format!("0 0 {WIDTH} {height}")
                    preserveAspectRatio="none"
                >
                    {lanes.collect_view()}
                </svg>
            </div>
        </figure>
    })
}
