//! From what is seen of a search that others have started to what its row is told.
//!
//! Owns the way through the phases, which goes forward only: what was reached stays reached, though a
//! cluster shows pods of an earlier step again when it replaces some. Nothing new is no event.

use super::{Batches, Verdict};
use crate::{
    error_code::ErrorCode,
    job::{Job, Progress},
    phase::Phase,
    step::Step,
    transition::Event,
};

/// The phases of a search that is followed, in order. Those that are left out in between are entered too.
const WAY: [Phase; 6] = [
    Phase::StagingDb,
    Phase::Submitting,
    Phase::Submitted,
    Phase::Running,
    Phase::ResultsPending,
    Phase::ExportingResults,
];
/// Those that no later one is entered without, so that each step has its time.
const NEEDED: [Phase; 3] = [Phase::Submitting, Phase::Running, Phase::ExportingResults];

/// The events that bring the row to what was seen, in order; none if it tells it already, has ended or is
/// being cancelled.
#[must_use]
pub fn follow(job: &Job, verdict: &Verdict) -> Vec<Event> {
    if !job.phase.is_active() || job.phase == Phase::Cancelling {
        return Vec::new();
    }
    match verdict {
        Verdict::Unseen => Vec::new(),
        Verdict::Suspended => wait(job, "held back on the cluster until it may begin"),
        Verdict::HeldUp { reason, .. } => wait(job, reason),
        Verdict::Staging => reach(job, Phase::StagingDb),
        Verdict::Accepted => reach(job, Phase::Submitted),
        Verdict::Searching(batches) => with_progress(job, Phase::Running, *batches),
        Verdict::ResultsPending(batches) => with_progress(job, Phase::ResultsPending, *batches),
        Verdict::Completed(batches) => {
            let mut events = with_progress(job, Phase::ExportingResults, *batches);
            events.push(Event::CompletedElsewhere);
            events
        }
        Verdict::Failed(failure) => vec![Event::Failed {
            code: failure.code,
            message: failure.message.clone(),
        }],
        Verdict::Lost => vec![Event::Failed {
            code: ErrorCode::WorkerLost,
            message: lost(job),
        }],
    }
}

fn wait(job: &Job, reason: &str) -> Vec<Event> {
    if job.phase == Phase::WaitingForCapacity && job.waiting_reason() == Some(reason) {
        return Vec::new();
    }
    vec![Event::Wait {
        phase: Phase::WaitingForCapacity,
        reason: reason.to_owned(),
    }]
}

/// How far the way was gone; a job that waits has gone as far as the step that it waits in.
fn reached(job: &Job) -> usize {
    let place = |phase: Phase| WAY.iter().position(|known| *known == phase);
    place(job.phase).unwrap_or_else(|| {
        place(match job.current_step() {
            Step::Submitting => Phase::Submitting,
            Step::Running => Phase::Submitted,
            Step::ExportingResults | Step::Completed => Phase::ResultsPending,
            _ => Phase::StagingDb,
        })
        .unwrap_or(0)
    })
}

fn reach(job: &Job, phase: Phase) -> Vec<Event> {
    let now = reached(job);
    let target = WAY.iter().position(|known| *known == phase).unwrap_or(0);
    let waits = job.phase.is_waiting();
    if target < now {
        // Behind it; but nothing stands against it any more.
        return if waits {
            vec![enter(WAY.get(now).copied().unwrap_or(phase))]
        } else {
            Vec::new()
        };
    }
    let between = WAY.iter().take(target).skip(now + 1);
    let needed = between.filter(|phase| NEEDED.contains(phase));
    let mut events: Vec<Event> = needed.map(|phase| enter(*phase)).collect();
    if target > now || waits {
        events.push(enter(phase));
    }
    events
}

const fn enter(phase: Phase) -> Event {
    Event::Enter { phase }
}

fn with_progress(job: &Job, phase: Phase, batches: Batches) -> Vec<Event> {
    let mut events = reach(job, phase);
    let progress = progress(job, batches);
    if progress != job.progress {
        events.push(Event::Progressed { progress });
    }
    events
}

/// Batches weigh alike: how long each is is not known here. Objects that were removed take nothing back.
fn progress(job: &Job, batches: Batches) -> Progress {
    let done = batches.done.max(job.progress.batches_done);
    let total = batches.total.max(job.progress.batches_total).max(done);
    Progress {
        batches_done: done,
        batches_total: total,
        letters_done: done.into(),
        letters_total: total.into(),
    }
}

fn lost(job: &Job) -> String {
    let results = job
        .imported
        .as_ref()
        .map_or("", |imported| imported.results.as_str());
    let place = if results.is_empty() {
        String::new()
    } else {
        format!("; if it came to its end, its results are in {results}")
    };
    format!(
        "nothing of it is on the cluster any more, and nothing says how it ended; {} of {} batches were \
         done when it was last seen{place}",
        job.progress.batches_done, job.progress.batches_total
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
