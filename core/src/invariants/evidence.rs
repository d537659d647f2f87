//! What is known when invariants are checked: rows, histories, objects, and what observers saw.
//!
//! Owns the shapes only. Whoever gathers them must take a job's row, history and objects from one
//! state of the store: entries written after the row was read do not belong to it.

use crate::{job::Job, time::Timestamp, view::HistoryEntry};

/// Everything that is known.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Every row of the store, tombstones included.
    pub jobs: Vec<JobEvidence>,
    /// Submissions that were acknowledged.
    pub acknowledged: Vec<Acknowledged>,
    /// Searches that were seen to run.
    pub executions: Vec<Execution>,
    /// Ids of the whole list as it was shown, if it was looked at.
    pub listed: Option<Vec<String>>,
    /// What readers of the event stream saw.
    pub streams: Vec<StreamSeen>,
    /// Objects that belong to no job.
    pub leftovers: Vec<Leftover>,
    /// When and under which rules all of it was gathered.
    pub circumstances: Circumstances,
}

/// What is known of one job.
#[derive(Debug, Clone)]
pub struct JobEvidence {
    /// The row.
    pub job: Job,
    /// Its version.
    pub version: u64,
    /// Epoch of its lease; 0 before anybody took it.
    pub epoch: u64,
    /// Who drives it, if anybody does.
    pub lease: Option<LeaseSeen>,
    /// Its history, oldest first.
    pub history: Vec<HistoryEntry>,
    /// Its objects; `None` if nobody looked.
    pub objects: Option<Vec<ObjectSeen>>,
}

/// The lease of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSeen {
    /// Id of the process that holds it.
    pub holder: String,
    /// Whether the store knows that process as one that lives.
    pub registered: bool,
}

/// What a job keeps beside its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// The query.
    Query,
    /// The merged archive.
    Archive,
    /// The index of the hits.
    Hits,
    /// The log.
    Log,
}

impl ObjectKind {
    /// What it is called in a message.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Archive => "archive",
            Self::Hits => "index of hits",
            Self::Log => "log",
        }
    }

    /// Whether it is a result.
    #[must_use]
    pub const fn is_result(self) -> bool {
        matches!(self, Self::Archive | Self::Hits)
    }
}

/// An object that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectSeen {
    /// Which.
    pub kind: ObjectKind,
    /// When it was last written.
    pub modified_at: Timestamp,
}

/// Objects under an id that has no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The id.
    pub id: String,
    /// When the newest of them was written.
    pub modified_at: Timestamp,
}

/// A submission that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The job's id, as the answer gave it.
    pub id: String,
    /// The idempotency key that was sent.
    pub key: Option<String>,
}

/// A batch that was seen to be searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// The job.
    pub job: String,
    /// Epoch or attempt in which it was started: whatever tells one run of the job from the next.
    pub run: u64,
    /// The batch.
    pub batch: String,
    /// When it was first seen.
    pub started_at: Timestamp,
    /// When it was seen to be gone; `None` if it still runs.
    pub ended_at: Option<Timestamp>,
}

/// What one reader of the event stream saw, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamSeen {
    /// The changes.
    pub changes: Vec<ChangeSeen>,
    /// Whether the reader read on until nothing changed any more, so that it must know the present.
    pub up_to_date: bool,
}

/// A change on the event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSeen {
    /// Revision of the list.
    pub revision: u64,
    /// The job.
    pub job: String,
    /// Version of its row; `None` if it left the list.
    pub version: Option<u64>,
}

/// When and under which rules the evidence was gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// The time of the store's clock.
    pub now: Timestamp,
    /// Since when a server drives the jobs; `None` if none does: then nothing can be overdue.
    pub driven_since: Option<Timestamp>,
    /// Whether all work should have come to its end.
    pub settled: bool,
    /// How long after it was due the engine may take to do something, in milliseconds.
    pub patience_ms: i64,
    /// How long objects may stay that nothing needs any more, in milliseconds.
    pub janitor_ms: i64,
    /// How long objects may stay that never had a row, in milliseconds.
    pub leftover_ms: i64,
    /// How far two clocks, or an act and its record, may lie apart, in milliseconds.
    pub slack_ms: i64,
    /// How long an ended job is kept before the engine deletes it by itself; `None` for ever.
    pub keep_jobs_ms: Option<i64>,
    /// How long history is kept; `None` for ever.
    pub keep_history_ms: Option<i64>,
}

const HOUR_MS: i64 = 3_600_000;

impl Default for Circumstances {
    /// Nobody drives the store, nothing is ever removed by itself. Two sweeps of patience; an hour for
    /// the janitor, and a day more where a submission might be under way; two seconds between an act and
    /// its record.
    fn default() -> Self {
        let sweep = crate::poll::RECONCILE_SWEEP.as_millis();
        Self {
            now: Timestamp(0),
            driven_since: None,
            settled: false,
            patience_ms: i64::try_from(sweep * 2).unwrap_or(i64::MAX),
            janitor_ms: HOUR_MS,
            leftover_ms: 25 * HOUR_MS,
            slack_ms: 2_000,
            keep_jobs_ms: None,
            keep_history_ms: None,
        }
    }
}

impl Circumstances {
    /// Whether what was due then should have been done by now: a server has had the time for it.
    #[must_use]
    pub fn is_late(&self, due: Timestamp) -> bool {
        self.is_late_by(due, self.patience_ms)
    }

    /// As [`Self::is_late`], with another patience.
    #[must_use]
    pub fn is_late_by(&self, due: Timestamp, patience_ms: i64) -> bool {
        self.driven_since
            .is_some_and(|since| self.now > due.max(since).plus_ms(patience_ms))
    }
}
