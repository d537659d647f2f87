//! What must hold of every store and every observer, whatever crashed, raced or was repeated.
//!
//! Owns the invariants I1 to I12 as pure functions over evidence: rows, histories, and what was seen
//! from outside. Never reads a clock or a store. A broken invariant is told with its job and in words;
//! [`check`] tells them all, [`check_job`] those that one job can break by itself.

use std::fmt;

mod ending;
mod evidence;
mod execution;
mod history;
mod keeping;
mod pending;
mod queue;
mod seen;
mod timeline;

pub use ending::{ends_are_final, no_results_after_the_end};
pub use evidence::{
    Acknowledged, ChangeSeen, Circumstances, Evidence, Execution, JobEvidence, LeaseSeen, Leftover,
    ObjectKind, ObjectSeen, StreamSeen,
};
pub use execution::{epochs_never_decrease, one_execution_at_a_time};
pub use keeping::{acknowledged_is_kept, begins_are_recorded, nothing_is_removed_early};
pub use pending::{nothing_is_left_over, nothing_is_stuck};
pub use queue::{QueueSpan, queue_is_first_come_first_served};
pub use seen::{streams_end_in_the_present, tombstones_stay_hidden, versions_increase};
pub use timeline::{instant_steps_are_recorded, steps_are_in_order, times_add_up};

/// Which invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Invariant {
    /// An acknowledged submission is never lost, and one key makes one job.
    I1,
    /// At most one live execution of a job; its epochs never decrease.
    I2,
    /// An end is final, but for what a person asks for.
    I3,
    /// Versions and revisions strictly increase, and whoever follows them arrives at the present.
    I4,
    /// Steps come in order, each with a start not after its end, and never overlap.
    I5,
    /// A job that was stopped or failed brings forth no results afterwards.
    I6,
    /// A deleted job is in no list.
    I7,
    /// A step that took no time is recorded all the same.
    I8,
    /// The times of the steps add up to the time of the attempt.
    I9,
    /// Whatever a crash left half done is finished by the next pass: nothing is stuck.
    I10,
    /// The queue is first come, first served.
    I11,
    /// Nothing is removed before its time unless its owner asked.
    I12,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I6,
        Self::I7,
        Self::I8,
        Self::I9,
        Self::I10,
        Self::I11,
        Self::I12,
    ];

    /// The short name: `I1` to `I12`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::I1 => "I1",
            Self::I2 => "I2",
            Self::I3 => "I3",
            Self::I4 => "I4",
            Self::I5 => "I5",
            Self::I6 => "I6",
            Self::I7 => "I7",
            Self::I8 => "I8",
            Self::I9 => "I9",
            Self::I10 => "I10",
            Self::I11 => "I11",
            Self::I12 => "I12",
        }
    }
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: Invariant,
    /// Which job, if it is one job's.
    pub job: Option<String>,
    /// What is wrong, in one line.
    pub what: String,
}

impl Violation {
    /// A violation of one job's.
    #[must_use]
    pub fn of(invariant: Invariant, job: &str, what: impl Into<String>) -> Self {
        Self {
            invariant,
            job: Some(job.to_owned()),
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.invariant.as_str();
        match &self.job {
            Some(job) => write!(formatter, "{name} job {job}: {}", self.what),
            None => write!(formatter, "{name}: {}", self.what),
        }
    }
}

/// What one job can break by itself: everything that its row, its history and its objects tell.
#[must_use]
pub fn check_job(job: &JobEvidence, circumstances: &Circumstances) -> Vec<Violation> {
    let mut found = begins_are_recorded(job, circumstances);
    found.extend(epochs_never_decrease(job));
    found.extend(ends_are_final(job));
    found.extend(versions_increase(job));
    found.extend(steps_are_in_order(job));
    found.extend(no_results_after_the_end(job, circumstances));
    found.extend(instant_steps_are_recorded(job));
    found.extend(times_add_up(job));
    found.extend(nothing_is_stuck(job, circumstances));
    found.extend(nothing_is_removed_early(job, circumstances));
    found
}

/// Every violation that the evidence shows, job by job, then those between jobs.
#[must_use]
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let circumstances = &evidence.circumstances;
    let mut found: Vec<Violation> = evidence
        .jobs
        .iter()
        .flat_map(|job| check_job(job, circumstances))
        .collect();
    found.extend(acknowledged_is_kept(evidence));
    found.extend(one_execution_at_a_time(&evidence.executions));
    found.extend(streams_end_in_the_present(evidence));
    found.extend(tombstones_stay_hidden(evidence));
    found.extend(nothing_is_left_over(&evidence.leftovers, circumstances));
    let spans: Vec<QueueSpan> = evidence.jobs.iter().filter_map(QueueSpan::of).collect();
    found.extend(queue_is_first_come_first_served(
        &spans,
        circumstances.slack_ms,
    ));
    found
}

#[cfg(test)]
mod tests;
