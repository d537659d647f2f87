//! State, failure, warnings and timeline of one job: the part of its page that changes.
//!
//! Drawn by the server, for the page and for a change of it.

use std::sync::Arc;

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
    let unseen = row.unseen.clone().map(|unseen| {
        view! {
            <div class="box warning" role="note" id="unseen">
                <p>
                    <strong>"Not seen since " <When at=unseen.since/> ". "</strong>
                    {unseen.reason}
                </p>
                <p>"What is shown here is what was seen last. The search itself goes on where it runs."</p>
            </div>
        }
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
        {unseen}
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
    row: Arc<JobRow>,
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
fn StatusNote(row: Arc<JobRow>, now: Timestamp) -> impl IntoView {
    let attempt = (row.attempt > 1).then(|| format!("attempt {} · ", row.attempt));
    let step = (row.phase.is_active()).then(|| {
        format!(
            "step {} of 8: {} · ",
            row.step.number(),
            row.step.label().to_ascii_lowercase()
        )
    });
    // Why a cancel is hindered, when the next attempt begins and since when nothing is seen of it stands in boxes
    // of their own.
    let own_box = row.begins_later(now) || row.phase == Phase::Cancelling || row.unseen.is_some();
    let note = row
        .state_note()
        .filter(|_| row.error.is_none() && !own_box)
        .map(|note| format!("{note} · "));
    let place = row.runs_on.clone().map(|place| format!("on {place} · "));
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
            {attempt} {step} {note} {place} "in the queue " <Lasting ms=queued since=queued_since/> {run} {ended}
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

#[cfg(test)]
mod tests {
    use elb_core::{
        error_code::{ErrorCode, JobError},
        job::{Attempt, Progress, Unseen},
        search::Program,
        step::{Step, fresh_timeline},
    };

    use super::{super::job_row::JobTableRow, *};

    const NOW: Timestamp = Timestamp(1_764_000_000_000);

    fn state(phase: Phase) -> JobState {
        let row = JobRow {
            id: "1".to_owned(),
            title: "a search".to_owned(),
            program: Program::Blastn,
            database: "genes".to_owned(),
            status: phase.status(),
            phase,
            step: Step::Preparing,
            reason: None,
            unseen: None,
            not_before: None,
            runs_on: None,
            progress: Progress::default(),
            query_records: 1,
            query_letters: 4,
            attempt: 1,
            created_at: NOW,
            started_at: None,
            completed_at: None,
            hits: None,
            error: None,
            version: 1,
        };
        JobState {
            row: Arc::new(row),
            steps: fresh_timeline(),
            past_attempts: Vec::new(),
            failure: None,
            warnings: Vec::new(),
            command: Vec::new(),
            can_cancel: false,
            can_retry: false,
        }
    }

    fn changed(state: &mut JobState) -> &mut JobRow {
        Arc::make_mut(&mut state.row)
    }

    fn drawn(state: JobState) -> String {
        let owner = Owner::new();
        owner.with(|| view! { <JobStatus state=state now=NOW/> }.to_html())
    }

    /// The text alone: tags and the marks between texts are taken out.
    fn text(html: &str) -> String {
        let pieces = html.split('<').map(|piece| piece.rsplit('>').next());
        pieces.flatten().collect()
    }

    #[test]
    fn a_cancel_that_is_hindered_says_why_and_that_it_goes_on() {
        let mut stopping = state(Phase::Cancelling);
        assert!(!drawn(stopping.clone()).contains("id=\"hindered\""));
        changed(&mut stopping).reason = Some("process 7 does not end".to_owned());
        let html = drawn(stopping);
        assert!(html.contains("id=\"hindered\""));
        let text = text(&html);
        assert!(
            text.contains("Not stopped yet: process 7 does not end"),
            "{text}"
        );
        assert!(text.contains("tried again by itself"), "{text}");
    }

    #[test]
    fn a_search_whose_cluster_is_away_says_so_apart_from_its_state() {
        let mut running = state(Phase::Running);
        assert!(!drawn(running.clone()).contains("id=\"unseen\""));
        changed(&mut running).unseen = Some(Unseen {
            since: NOW,
            reason: "cluster aks does not answer".to_owned(),
        });
        let html = drawn(running.clone());
        assert!(html.contains("id=\"unseen\""), "{html}");
        assert_eq!(html.matches("cluster aks does not answer").count(), 1);

        let owner = Owner::new();
        let row = owner.with(|| {
            view! { <JobTableRow row=Arc::unwrap_or_clone(running.row) now=NOW/> }.to_html()
        });
        let told = row.split_once("sub unseen").map(|(_, told)| told);
        let told = told.is_some_and(|told| told.contains("cluster aks does not answer"));
        assert!(told, "{row}");
        assert_eq!(row.matches("cluster aks does not answer").count(), 1);
    }

    #[test]
    fn an_attempt_that_begins_by_itself_counts_down_and_then_waits_for_its_turn() {
        let mut queued = state(Phase::Queued);
        changed(&mut queued).attempt = 2;
        changed(&mut queued).reason = Some("automatic retry 1 of 3".to_owned());
        changed(&mut queued).not_before = Some(NOW.plus_ms(4_000));
        let message = "the disk is busy";
        queued.past_attempts = vec![Attempt {
            number: 1,
            phase: Phase::Failed,
            steps: fresh_timeline(),
            error: Some(JobError::new(
                ErrorCode::TemporarilyUnavailable,
                message,
                Step::Running,
            )),
        }];
        let counted = text(&drawn(queued.clone()));
        assert!(
            counted.contains("Attempt 2 begins by itself in 4\u{a0}s"),
            "{counted}"
        );
        assert!(
            counted.contains("Attempt 1 failed in the step “Search”: the disk is busy"),
            "{counted}"
        );
        assert!(counted.contains("Not before"), "{counted}");
        changed(&mut queued).not_before = Some(NOW);
        changed(&mut queued).reason = Some("2nd in line; 1 search is running".to_owned());
        let waits = text(&drawn(queued));
        assert!(
            waits.contains("2nd in line; 1 search is running"),
            "{waits}"
        );
        assert!(!waits.contains("Not before"), "{waits}");
    }

    #[test]
    fn attempts_that_are_kept_no_more_are_named() {
        let mut often = state(Phase::Queued);
        changed(&mut often).attempt = 23;
        often.past_attempts = (3..23)
            .map(|number| Attempt {
                number,
                phase: Phase::Cancelled,
                steps: fresh_timeline(),
                error: None,
            })
            .collect();
        let text = text(&drawn(often));
        assert!(text.contains("Attempt 23"), "{text}");
        assert!(
            text.contains("Attempts before number 3 are told of in the history alone"),
            "{text}"
        );
    }
}
