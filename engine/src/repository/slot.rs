//! Submit slots: what is asked and answered.
//!
//! One job at a time submits to each place, in the order of creation. A slot whose job has ended is
//! free at once; one whose holder shows no sign of life can be taken by whoever watched it that long.

use elb_core::time::Timestamp;

/// Who holds a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotHolder {
    /// The job.
    pub job_id: String,
    /// Grows with each job that takes the slot.
    pub epoch: u64,
    /// Since when.
    pub since: Timestamp,
    /// Grows with each sign of life.
    pub renewals: u64,
}

/// A job that wants a slot.
#[derive(Debug, Clone)]
pub struct SlotRequest {
    /// Which slot.
    pub slot: String,
    /// The job.
    pub job_id: String,
    /// When it was created: its place in the line.
    pub created_at: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// A holder that was watched for a slot's whole life without a sign of life.
    pub silent: Option<SlotHolder>,
}

/// What the request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotTurn {
    /// The job holds the slot.
    Yours {
        /// The holder that fell silent, if it was taken from one.
        taken_from: Option<SlotHolder>,
    },
    /// It waits.
    Waiting {
        /// Who holds it; `None` if it is free and an older waiter is to take it.
        holder: Option<SlotHolder>,
        /// Older waiters.
        ahead: usize,
    },
}
