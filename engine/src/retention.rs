//! How long what is kept: the settings, and when a job's time is over.
//!
//! Owns the arithmetic. Removes nothing itself: that is the janitor's.

use std::time::Duration;

use elb_core::{time::Timestamp, view::JobRow};

/// How long what is kept. `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Jobs after their end, with query, results and log; then they are deleted.
    pub jobs: Option<Duration>,
    /// Deleted jobs with query, results and log: as long they can be restored.
    pub deleted: Duration,
    /// Tombstones after that: as long no late writer can bring the id back.
    pub tombstones: Option<Duration>,
    /// History entries of jobs that have ended.
    pub history: Option<Duration>,
    /// Records of the audit log.
    pub audit: Option<Duration>,
}

impl Default for Retention {
    /// Everything for ever but what was deleted: seven days (issue), its tombstone for ninety; and the
    /// audit log: a year, so that a yearly review finds all of it (ours).
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        Self {
            jobs: None,
            deleted: DAY * 7,
            tombstones: Some(DAY * 90),
            history: None,
            audit: Some(DAY * 365),
        }
    }
}

fn after(then: Timestamp, span: Duration) -> Timestamp {
    then.plus_ms(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    now.plus_ms(ms.saturating_neg())
}

impl Retention {
    /// Until when a job that is deleted now can be restored.
    #[must_use]
    pub fn undo_until(&self, now: Timestamp) -> Timestamp {
        after(now, self.deleted)
    }

    /// When a job is deleted by itself; `None` if never, or not before it has ended.
    #[must_use]
    pub fn deleted_at(&self, row: &JobRow) -> Option<Timestamp> {
        Some(after(row.completed_at?, self.jobs?))
    }

    /// Jobs that ended before this are to be deleted.
    #[must_use]
    pub fn jobs_before(&self, now: Timestamp) -> Option<Timestamp> {
        self.jobs.map(|span| before(now, span))
    }

    /// Tombstones whose objects were removed before this are to be forgotten.
    #[must_use]
    pub fn tombstones_before(&self, now: Timestamp) -> Option<Timestamp> {
        self.tombstones.map(|span| before(now, span))
    }

    /// History entries older than this are to be removed.
    #[must_use]
    pub fn history_before(&self, now: Timestamp) -> Option<Timestamp> {
        self.history.map(|span| before(now, span))
    }

    /// Records of the audit log older than this are to be removed.
    #[must_use]
    pub fn audit_before(&self, now: Timestamp) -> Option<Timestamp> {
        self.audit.map(|span| before(now, span))
    }
}
