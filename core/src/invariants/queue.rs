//! The queue: first come, first served (I11).
//!
//! Judges first attempts only: a later one joins the line anew with its old time of creation, and an
//! automatic one has to rest first. A job that never started, because it was cancelled or failed while
//! it waited, was overtaken by nobody.

use std::collections::BTreeSet;

use super::{Invariant, JobEvidence, Violation};
use crate::{phase::Phase, time::Timestamp};

/// A job's time in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpan {
    /// The job.
    pub job: String,
    /// Since when it waited.
    pub from: Timestamp,
    /// When its first attempt started; `None` if it still waits.
    pub left: Option<Timestamp>,
}

impl QueueSpan {
    /// The span of the first attempt, unless it does not count or is not known.
    #[must_use]
    pub fn of(job: &JobEvidence) -> Option<Self> {
        if !job.knows_begin_of(1) {
            return None;
        }
        let next = job.entries_of(1).find(|entry| entry.phase != Phase::Queued);
        let left = match next {
            Some(entry) if entry.phase.is_active() && entry.phase != Phase::Cancelling => {
                Some(entry.at)
            }
            None if job.job.attempt == 1 && job.job.phase == Phase::Queued => None,
            _ => return None,
        };
        Some(Self {
            job: job.job.id.clone(),
            from: job.job.created_at,
            left,
        })
    }
}

/// What happens in the line, in the order in which it counts when two things happen at once: who may
/// have left has left, and who may have come has not come yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Move {
    Leaves,
    Starts,
    Joins,
}

/// I11: no job left the queue while one that was submitted earlier had been waiting. What lies less
/// than `slack_ms` apart happened at once.
#[must_use]
pub fn queue_is_first_come_first_served(spans: &[QueueSpan], slack_ms: i64) -> Vec<Violation> {
    let mut moves: Vec<(Timestamp, Move, &QueueSpan)> = Vec::new();
    for span in spans {
        // With some slack at both ends, it may not have been waiting at all.
        let surely_from = span.from.plus_ms(slack_ms);
        let surely_until = span
            .left
            .map_or(Timestamp(i64::MAX), |left| left.plus_ms(-slack_ms));
        if surely_from < surely_until {
            moves.push((surely_from, Move::Joins, span));
            moves.push((surely_until, Move::Leaves, span));
        }
        moves.extend(span.left.map(|left| (left, Move::Starts, span)));
    }
    moves.sort_by_key(|(at, what, _)| (*at, *what));
    let mut waiting: BTreeSet<(Timestamp, &str)> = BTreeSet::new();
    let mut found = Vec::new();
    for (at, what, span) in moves {
        let place = (span.from, span.job.as_str());
        match what {
            Move::Joins => {
                waiting.insert(place);
            }
            Move::Leaves => {
                waiting.remove(&place);
            }
            Move::Starts => {
                let passed = waiting.first().filter(|first| first.0 < span.from);
                if let Some((since, other)) = passed {
                    let what = format!(
                        "it left the queue at {at}, before {other}, which waited since {since}"
                    );
                    found.push(Violation::of(Invariant::I11, &span.job, what));
                }
            }
        }
    }
    found
}
