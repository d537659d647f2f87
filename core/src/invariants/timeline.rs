//! The timeline: order, completeness and sums of its steps (I5, I8, I9).
//!
//! In our timeline steps follow one another without a gap, so that "the times add up" is exact: each
//! step begins when the one before ended, the first when the attempt was asked for, and the last ends
//! when the attempt does.

use super::{Invariant, JobEvidence, Violation};
use crate::{
    step::{Step, StepRecord, StepState},
    time::Timestamp,
};

/// The timelines of a job: its number, its steps, and whether it is the attempt under way.
fn timelines(job: &JobEvidence) -> impl Iterator<Item = (u32, &[StepRecord])> {
    let past = job.job.past_attempts.iter();
    past.map(|attempt| (attempt.number, attempt.steps.as_slice()))
        .chain(std::iter::once((job.job.attempt, job.job.steps.as_slice())))
}

/// I5: eight steps in order, reached one after the other; at most one is open, and none behind an end;
/// every time is there that the state calls for, no step ends before it starts, and none overlaps.
#[must_use]
pub fn steps_are_in_order(job: &JobEvidence) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut last_end: Option<Timestamp> = None;
    for (attempt, steps) in timelines(job) {
        let over = attempt != job.job.attempt || !job.job.phase.is_active();
        let wrong = order_of(steps, over, &mut last_end);
        found.extend(wrong.map(|what| format!("attempt {attempt}: {what}")));
    }
    found
        .into_iter()
        .map(|what| Violation::of(Invariant::I5, &job.job.id, what))
        .collect()
}

/// What is wrong with one timeline; moves `last_end` on.
fn order_of(
    steps: &[StepRecord],
    over: bool,
    last_end: &mut Option<Timestamp>,
) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    if !steps.iter().map(|record| record.key).eq(Step::ALL) {
        found.push("its steps are not the eight steps in order".to_owned());
        return found.into_iter();
    }
    let mut stopped_at: Option<Step> = None;
    for record in steps {
        let key = record.key.as_str();
        let (start, end, state) = (record.started_at, record.finished_at, record.state);
        let reached = state != StepState::NotReached;
        if reached && let Some(stop) = stopped_at {
            found.push(format!(
                "{key} was reached and {} never passed",
                stop.as_str()
            ));
        }
        if !state.is_passed() {
            stopped_at = stopped_at.or(Some(record.key));
        }
        if state.is_open() && over {
            found.push(format!("{key} is open and the attempt is over"));
        }
        // Of a step that is passed, I8 speaks.
        let timed = start.is_some() == reached && end.is_some() == (reached && !state.is_open());
        if !timed && !state.is_passed() {
            found.push(format!(
                "{key} is {} and its times say otherwise",
                state.as_str()
            ));
        }
        if let (Some(start), Some(before)) = (start, *last_end)
            && start < before
        {
            found.push(format!(
                "{key} began at {start}, before {before}, when the step before it ended"
            ));
        }
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            found.push(format!("{key} ended at {end}, before it began at {start}"));
        }
        if record.waiting_since.is_some() != (state == StepState::Waiting) {
            found.push(format!(
                "{key} is {} and its wait says otherwise",
                state.as_str()
            ));
        }
        *last_end = end.or(start).or(*last_end);
    }
    found.into_iter()
}

/// I8: a step that is passed has both times however short it was, and the history knows it.
#[must_use]
pub fn instant_steps_are_recorded(job: &JobEvidence) -> Vec<Violation> {
    let mut found = Vec::new();
    for (attempt, steps) in timelines(job) {
        for record in steps.iter().filter(|record| record.state.is_passed()) {
            let key = record.key.as_str();
            if record.started_at.is_none() || record.finished_at.is_none() {
                found.push(format!("attempt {attempt}: {key} lacks one of its times"));
            }
            let told = job.entries_of(attempt).any(|entry| match record.state {
                StepState::Skipped => Some(entry.at) == record.finished_at,
                _ => entry.phase.step() == Some(record.key),
            });
            let ours = job.job.imported.is_none() || job.job.followed().is_some();
            if ours && job.knows_begin_of(attempt) && !told {
                found.push(format!("attempt {attempt}: {key} is not in the history"));
            }
        }
    }
    found
        .into_iter()
        .map(|what| Violation::of(Invariant::I8, &job.job.id, what))
        .collect()
}

/// I9: no time of an attempt is nobody's. Each step begins when the one before ended, the first when
/// the attempt was asked for, the last ends with the attempt; waits fit into their steps.
#[must_use]
pub fn times_add_up(job: &JobEvidence) -> Vec<Violation> {
    let mut found = Vec::new();
    for (attempt, steps) in timelines(job) {
        let mut expected = begin_of(job, attempt);
        for record in steps {
            let key = record.key.as_str();
            let Some(start) = record.started_at else {
                continue;
            };
            if let Some(expected) = expected.filter(|expected| *expected < start) {
                found.push(format!(
                    "attempt {attempt}: {} ms before {key} belong to no step",
                    start.since(expected)
                ));
            }
            if let Some(end) = record.finished_at
                && record.waited_ms > end.since(start)
            {
                found.push(format!(
                    "attempt {attempt}: {key} waited {} ms of {} ms",
                    record.waited_ms,
                    end.since(start)
                ));
            }
            expected = record.finished_at;
        }
        let end = end_of(job, attempt);
        if let (Some(last), Some(end)) = (expected, end)
            && last != end
        {
            found.push(format!(
                "attempt {attempt}: its last step ended at {last}, the attempt at {end}"
            ));
        }
    }
    found
        .into_iter()
        .map(|what| Violation::of(Invariant::I9, &job.job.id, what))
        .collect()
}

/// When an attempt was asked for, if it is known.
fn begin_of(job: &JobEvidence, attempt: u32) -> Option<Timestamp> {
    if attempt == 1 {
        return Some(job.job.created_at);
    }
    let first = job.entries_of(attempt).next();
    first
        .filter(|_| job.knows_begin_of(attempt))
        .map(|entry| entry.at)
}

/// When an attempt came to its end, if it is known.
fn end_of(job: &JobEvidence, attempt: u32) -> Option<Timestamp> {
    if attempt == job.job.attempt {
        return job.job.completed_at;
    }
    let past = job.end_of(attempt);
    // An automatic retry ends the attempt with the entry that begins the next one.
    past.or_else(|| job.entries_of(attempt + 1).next())
        .filter(|_| job.knows_begin_of(attempt))
        .map(|entry| entry.at)
}
