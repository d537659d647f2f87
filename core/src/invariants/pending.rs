//! Pending work: nothing waits for ever and nothing is left half done (I10).

use super::{Circumstances, Invariant, JobEvidence, Leftover, Violation};
use crate::{job::Intent, phase::Phase};

/// I10: every wait has a deadline that is kept, every active job is driven, what a person asked for is
/// carried out, and what a crash left half done has been finished. When evidence is settled, nothing
/// may be active at all.
#[must_use]
pub fn nothing_is_stuck(job: &JobEvidence, circumstances: &Circumstances) -> Vec<Violation> {
    let mut found = intent_against_phase(job, circumstances);
    if job.job.phase.is_active() {
        found.extend(active(job, circumstances));
    } else {
        found.extend(unfinished_end(job, circumstances));
    }
    found
        .into_iter()
        .map(|what| Violation::of(Invariant::I10, &job.job.id, what))
        .collect()
}

fn intent_against_phase(job: &JobEvidence, circumstances: &Circumstances) -> Vec<String> {
    let (phase, intent) = (job.job.phase, job.job.intent);
    let mut found = Vec::new();
    if phase.is_active() && (phase == Phase::Cancelling) == (intent == Intent::Run) {
        let what = match intent {
            Intent::Run => "it is being cancelled and nobody asked".to_owned(),
            _ => format!("a cancel was asked for and it is {}", phase.as_str()),
        };
        found.push(what);
    }
    // A server of the first version wrote the end of the run and the tombstone one after the other.
    let undeleted = !phase.is_active() && phase != Phase::Deleted && intent == Intent::Delete;
    if undeleted && (circumstances.settled || circumstances.is_late(job.job.updated_at)) {
        found.push(format!(
            "it was to be deleted once stopped and is still {}",
            phase.as_str()
        ));
    }
    found
}

fn active(job: &JobEvidence, circumstances: &Circumstances) -> Vec<String> {
    let row = &job.job;
    let phase = row.phase.as_str();
    let mut found = Vec::new();
    if circumstances.settled {
        found.push(format!("it is still {phase}"));
    }
    match row.deadline() {
        None if row.phase.is_waiting() => found.push(format!("it is {phase} without a deadline")),
        Some(deadline) if row.phase.is_waiting() && circumstances.is_late(deadline) => {
            found.push(format!(
                "it is {phase} although its deadline was {deadline}"
            ));
        }
        _ => {}
    }
    let driven = job.lease.as_ref().is_some_and(|lease| lease.registered);
    if !driven && circumstances.is_late(row.updated_at) {
        found.push(match &job.lease {
            Some(lease) => format!(
                "it is {phase} and its lease is of process {}, which is gone",
                lease.holder
            ),
            None => format!("it is {phase} and nobody drives it"),
        });
    }
    let silent = row.phase == Phase::Cancelling && row.hindrance.is_none();
    if silent && circumstances.is_late(row.updated_at) {
        found.push(format!(
            "its cancel is not carried out since {} and nothing says why",
            row.updated_at
        ));
    }
    found
}

fn unfinished_end(job: &JobEvidence, circumstances: &Circumstances) -> Vec<String> {
    let Some(deletion) = job.job.deletion else {
        return Vec::new();
    };
    let Some(removed) = deletion.removed_at else {
        let until = deletion.keep_until;
        let overdue = circumstances.is_late_by(until, circumstances.janitor_ms);
        return overdue
            .then(|| format!("its time was over at {until} and its objects are not removed"))
            .into_iter()
            .collect();
    };
    // They are recorded as removed first and removed then: a restore never meets half of them.
    let overdue = circumstances.is_late(removed);
    let left = job.objects.iter().flatten().filter(|_| overdue);
    left.map(|object| {
        format!(
            "it was emptied at {removed} and its {} is still there",
            object.kind.label()
        )
    })
    .collect()
}

/// I10: objects without a row, which a crash left behind between the two, are removed.
#[must_use]
pub fn nothing_is_left_over(
    leftovers: &[Leftover],
    circumstances: &Circumstances,
) -> Vec<Violation> {
    let old = leftovers
        .iter()
        .filter(|left| circumstances.is_late_by(left.modified_at, circumstances.leftover_ms));
    old.map(|left| {
        let what = format!("it has objects of {} and no row", left.modified_at);
        Violation::of(Invariant::I10, &left.id, what)
    })
    .collect()
}
