//! Ends: what may follow one, and what may not appear after it (I3, I6).

use super::{Circumstances, Invariant, JobEvidence, Violation, history::is_end};
use crate::{
    phase::{Phase, Status},
    view::HistoryEntry,
};

/// I3: after an end only a retry, a delete or a restore follows, a recorded cancel is not taken back,
/// attempts are counted one by one, and the row says what its history says.
#[must_use]
pub fn ends_are_final(job: &JobEvidence) -> Vec<Violation> {
    let id = &job.job.id;
    let mut found = Vec::new();
    let mut before_delete: Option<Phase> = None;
    // What another system did before the import kept its rules, not these.
    let imported = job.job.imported.is_some() && job.job.followed().is_none();
    for pair in job.history.windows(2).filter(|_| !imported) {
        let [earlier, later] = pair else { continue };
        if earlier.phase != Phase::Deleted && later.phase == Phase::Deleted {
            // One that was to be deleted once stopped is seen to be stopped in the same write.
            let stopped = earlier.phase == Phase::Cancelling;
            before_delete = Some(if stopped {
                Phase::Cancelled
            } else {
                earlier.phase
            });
        }
        if let Some(why) = forbidden(earlier, later, before_delete) {
            let what = format!(
                "{} follows {} in version {}: {why}",
                later.phase.as_str(),
                earlier.phase.as_str(),
                later.version
            );
            found.push(Violation::of(Invariant::I3, id, what));
        }
    }
    found.extend(
        row_against_history(job)
            .into_iter()
            .chain(row_against_itself(job))
            .map(|what| Violation::of(Invariant::I3, id, what)),
    );
    found
}

/// Why `later` may not follow `earlier`.
fn forbidden(
    earlier: &HistoryEntry,
    later: &HistoryEntry,
    before_delete: Option<Phase>,
) -> Option<&'static str> {
    let by_engine = later.actor.is_empty();
    if later.attempt < earlier.attempt {
        return Some("the attempt went back");
    }
    if later.attempt > earlier.attempt {
        let retryable = matches!(earlier.phase.status(), Status::Failed | Status::Cancelled);
        return match () {
            () if later.attempt != earlier.attempt + 1 => Some("an attempt was left out"),
            () if later.phase != Phase::Queued => Some("an attempt begins in the queue"),
            () if earlier.phase == Phase::Cancelling => Some("a cancel was asked for"),
            // An automatic retry ends one attempt and begins the next in one write.
            () if earlier.phase.is_active() => None,
            () if !retryable => Some("only a failed or cancelled job is tried again"),
            () if by_engine => Some("nobody asked for another attempt"),
            () => None,
        };
    }
    match earlier.phase {
        Phase::Deleted if later.phase == Phase::Deleted => None,
        Phase::Deleted if before_delete.is_some_and(|was| was != later.phase) => {
            Some("a restored job comes back as it was")
        }
        Phase::Deleted if !is_end(later.phase) => Some("a deleted job does not go on"),
        Phase::Deleted if by_engine => Some("nobody asked to have it back"),
        Phase::Deleted => None,
        Phase::Cancelling
            if matches!(
                later.phase,
                Phase::Cancelling | Phase::Cancelled | Phase::Deleted
            ) =>
        {
            None
        }
        Phase::Cancelling => Some("a cancel was asked for"),
        _ if earlier.phase.is_active() && later.phase == Phase::Deleted => {
            Some("a job is stopped before it is deleted")
        }
        _ if earlier.phase.is_active() || later.phase == Phase::Deleted => None,
        _ => Some("it had ended"),
    }
}

fn row_against_history(job: &JobEvidence) -> Vec<String> {
    let mut found = Vec::new();
    let row = &job.job;
    if let Some(last) = job.history.last()
        && (last.phase, last.attempt) != (row.phase, row.attempt)
    {
        found.push(format!(
            "the row is {} in attempt {}, its history ends {} in attempt {}",
            row.phase.as_str(),
            row.attempt,
            last.phase.as_str(),
            last.attempt
        ));
    }
    let end = job.end_of(row.attempt).filter(|_| {
        job.knows_begin_of(row.attempt) && (row.imported.is_none() || row.followed().is_some())
    });
    if let (Some(completed), Some(end)) = (row.completed_at, end)
        && completed != end.at
    {
        found.push(format!(
            "it ended at {}, the row says {completed}: the end was moved",
            end.at
        ));
    }
    found
}

fn row_against_itself(job: &JobEvidence) -> Vec<String> {
    let mut found = Vec::new();
    let row = &job.job;
    if row.imported.is_some() && row.followed().is_none() && row.phase.is_active() {
        found.push(format!(
            "another system ran it, and it is {} here",
            row.phase.as_str()
        ));
    }
    if row.completed_at.is_some() == row.phase.is_active() {
        let has = if row.phase.is_active() {
            "has"
        } else {
            "lacks"
        };
        found.push(format!(
            "it is {} and {has} a time of its end",
            row.phase.as_str()
        ));
    }
    if row.deletion.is_some() && row.phase != Phase::Deleted {
        found.push(format!(
            "it is {} and a tombstone at once",
            row.phase.as_str()
        ));
    }
    let failed = job.phase_kept().status() == Status::Failed;
    // Tombstones of the first schema do not know what they were; they were emptied at once.
    let emptied = row.deletion.is_some_and(|kept| kept.removed_at.is_some());
    let known = job.phase_kept() != Phase::Deleted && !emptied;
    if known && failed != row.error.is_some() {
        let has = if failed { "lacks" } else { "has" };
        found.push(format!(
            "it is {} and {has} an error",
            job.phase_kept().as_str()
        ));
    }
    // What another system found is counted there.
    let found_here = job.phase_kept() == Phase::Completed && row.imported.is_none();
    if row.outcome.is_some() != found_here && known {
        let has = if row.outcome.is_some() {
            "has"
        } else {
            "lacks"
        };
        found.push(format!(
            "it is {} and {has} an outcome",
            job.phase_kept().as_str()
        ));
    }
    found
}

/// I6: no result of a cancelled, failed or lost job was written after its end.
#[must_use]
pub fn no_results_after_the_end(
    job: &JobEvidence,
    circumstances: &Circumstances,
) -> Vec<Violation> {
    let phase = job.phase_kept();
    let stopped = is_end(phase) && phase != Phase::Completed;
    let (Some(ended), Some(objects)) = (job.job.completed_at.filter(|_| stopped), &job.objects)
    else {
        return Vec::new();
    };
    let limit = ended.plus_ms(circumstances.slack_ms);
    let late = objects
        .iter()
        .filter(|object| object.kind.is_result() && object.modified_at > limit);
    late.map(|object| {
        let what = format!(
            "its {} was written at {}, after it was {} at {ended}",
            object.kind.label(),
            object.modified_at,
            phase.as_str()
        );
        Violation::of(Invariant::I6, &job.job.id, what)
    })
    .collect()
}
