//! The port to the store of jobs and their history.
//!
//! Owns the contract that every store keeps: each write is conditional on the version that was read
//! (an unconditional one cannot be expressed), a write of the engine also on its lease, creation is
//! idempotent and says whether it created, and a row and its history entry change together or not at
//! all.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use elb_core::{job::Job, time::Timestamp, view::HistoryEntry};
use thiserror::Error;

use crate::{audit_log::AuditLog, breaker::Breaker};

#[cfg(feature = "azure")]
mod azure;
mod position;
mod slot;
mod sqlite;

#[cfg(feature = "azure")]
pub use azure::AzureRepository;
pub use position::Position;
pub use slot::{SlotHolder, SlotRequest, SlotTurn};
pub use sqlite::SqliteRepository;

/// Who drives a job. The epoch grows with each process that takes it, so that an older one is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lease {
    /// Random id of the process; empty when nobody drives the job.
    pub holder: String,
    /// How often the lease has been taken.
    pub epoch: u64,
}

/// How often a process has shown that it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Random id of the process.
    pub holder: String,
    /// Grows with each sign of life.
    pub beats: u64,
}

/// A job as it stands in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The row.
    pub job: Job,
    /// Grows by one with each write; the condition of the next one.
    pub version: u64,
    /// Who drives it.
    pub lease: Lease,
}

/// What a creation came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// The row is new.
    New(Stored),
    /// A row with this id or idempotency key exists; nothing was written.
    Existing(Stored),
}

/// The client's key for one submission; the same key gives the same job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Whose key it is: the keys of two callers never meet.
    pub owner: String,
    /// The key.
    pub key: String,
    /// Until when it counts.
    pub expires_at: Timestamp,
}

/// A job with everything that a store keeps of it, to be moved to another store.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The row.
    pub stored: Stored,
    /// Its history, newest first.
    pub history: Vec<HistoryEntry>,
    /// The idempotency keys that lead to it.
    pub keys: Vec<IdempotencyKey>,
}

/// What became of a job that was moved into a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It was not there and is now.
    New,
    /// It was there already, with the same history.
    Same,
    /// Another job, or another state of it, has this id; nothing was written.
    Differs,
}

/// What went wrong in the store.
#[derive(Debug, Error)]
pub enum RepositoryError {
    /// Somebody else wrote first: read again and decide again.
    #[error("job {id} was changed by another writer (expected version {expected})")]
    Conflict {
        /// Which job.
        id: String,
        /// The version that was expected.
        expected: u64,
    },
    /// Another process drives the job now: stop everything that is done for it.
    #[error("job {id} is driven by another process (epoch {epoch})")]
    Fenced {
        /// Which job.
        id: String,
        /// The epoch of its lease.
        epoch: u64,
    },
    /// There is no such row.
    #[error("job {0} is not in the store")]
    Missing(String),
    /// The store was written by a newer program.
    #[error(
        "the store has schema version {found}, this program knows up to {known}: start the newer program again, or point ELB_DATA_DIR elsewhere"
    )]
    TooNew {
        /// Version found.
        found: i64,
        /// Newest version known.
        known: i64,
    },
    /// The store was written by an older program, and only a server brings it up to date.
    #[error(
        "the store has schema version {found}, this program reads version {known}: start the server on it once"
    )]
    TooOld {
        /// Version found.
        found: i64,
        /// Version needed.
        known: i64,
    },
    /// A row cannot be read.
    #[error("job {id} cannot be read from the store: {source}")]
    Corrupt {
        /// Which job.
        id: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The store cannot be reached, or refuses.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// This process may not read or write the store; the text names the right that it lacks.
    #[error("{0}")]
    Denied(String),
    /// The row is larger than the store takes.
    #[error("job {id} is too large for the store ({bytes} bytes, at most {limit})")]
    TooLarge {
        /// Which job.
        id: String,
        /// Its size.
        bytes: usize,
        /// The most that fits.
        limit: usize,
    },
}

/// A page of a scan.
#[derive(Debug, Default)]
pub struct ScanPage {
    /// The rows that can be read.
    pub jobs: Vec<Stored>,
    /// One error for each row that cannot.
    pub unreadable: Vec<RepositoryError>,
    /// Where the next page continues, in the store's own words; `None` after the last one.
    pub next: Option<String>,
}

/// What has been written.
#[derive(Debug, Default)]
pub struct Changes {
    /// The rows that can be read, in the order of their newest write.
    pub jobs: Vec<Stored>,
    /// One error for each row that cannot.
    pub unreadable: Vec<RepositoryError>,
    /// Rows that are there no more, as far as the store tells it.
    pub gone: Vec<String>,
    /// Where the next call continues.
    pub position: Position,
    /// Whether there is more to be had at once.
    pub more: bool,
}

/// The store of jobs and history.
#[async_trait]
pub trait Repository: Send + Sync {
    /// Stores a new job together with its first history entry, unless its id or key is taken. `holder`
    /// drives it.
    async fn create(
        &self,
        job: &Job,
        key: Option<&IdempotencyKey>,
        entry: &HistoryEntry,
        holder: &str,
    ) -> Result<Created, RepositoryError>;

    /// The row of a job, tombstones included.
    async fn get(&self, id: &str) -> Result<Option<Stored>, RepositoryError>;

    /// The row of a job as this process knows it, which may be an older one: good enough to begin a write
    /// from, because the write's condition finds out.
    async fn recent(&self, id: &str) -> Result<Option<Stored>, RepositoryError> {
        self.get(id).await
    }

    /// Writes the row if its version is still `expected` and, with a fence, if its lease is still that
    /// one; with its history entry if there is one (whose epoch is the lease's, whatever it says). The
    /// lease of a job that has ended is given back by the same write.
    async fn update(
        &self,
        job: &Job,
        expected: u64,
        fence: Option<&Lease>,
        entry: Option<&HistoryEntry>,
    ) -> Result<Stored, RepositoryError>;

    /// In how many parts the rows are stored. Parts can be scanned at the same time.
    fn parts(&self) -> usize {
        1
    }

    /// A page of the rows of a part, newest first, tombstones included; continues where the last page
    /// said. A row that cannot be read is told beside the others and never hides them.
    async fn scan(
        &self,
        part: usize,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ScanPage, RepositoryError>;

    /// Where the change log ends now.
    async fn last_change(&self) -> Result<Position, RepositoryError>;

    /// Up to `limit` rows that were written after a position of the change log, by whomever; each row
    /// once, as it is now. What another process writes shows within seconds.
    async fn changes(&self, after: &Position, limit: usize) -> Result<Changes, RepositoryError>;

    /// How often the change log is worth asking for. What others write shows that much later at most.
    fn follow_interval(&self) -> Duration {
        Duration::from_millis(500)
    }

    /// What is known of the dependency behind the store, if there is one.
    fn breaker(&self) -> Option<Breaker> {
        None
    }

    /// A page of a job's history, newest first; continues before version `before`.
    async fn history(
        &self,
        id: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, RepositoryError>;

    /// Takes the lease of an active job from `seen`: free, or of a process that is gone or that has
    /// shown no sign of life since `silent`, which is forgotten then. Taking it from another is a
    /// transition of its own, with `entry`.
    ///
    /// [`RepositoryError::Fenced`] if somebody else was quicker, or if that process lives after all.
    async fn claim(
        &self,
        id: &str,
        seen: &Lease,
        silent: Option<&Beat>,
        holder: &str,
        entry: Option<&HistoryEntry>,
    ) -> Result<Stored, RepositoryError>;

    /// A sign of life of a process.
    async fn beat(&self, holder: &str) -> Result<(), RepositoryError>;

    /// Every process and its signs of life.
    async fn beats(&self) -> Result<Vec<Beat>, RepositoryError>;

    /// Gives back every lease of a process, and forgets it.
    async fn leave(&self, holder: &str) -> Result<(), RepositoryError>;

    /// Forgets every process but `holder`, which knows that it is alone: leases of others can be taken.
    async fn forget_others(&self, holder: &str) -> Result<(), RepositoryError>;

    /// Takes a submit slot, or joins its line: first created, first served.
    async fn take_slot(&self, request: &SlotRequest) -> Result<SlotTurn, RepositoryError>;

    /// Shows that the holder of a slot is at work; false if it holds it no more.
    async fn renew_slot(&self, slot: &str, job_id: &str) -> Result<bool, RepositoryError>;

    /// Gives the slot back, or leaves its line.
    async fn leave_slot(&self, slot: &str, job_id: &str) -> Result<(), RepositoryError>;

    /// Removes a tombstone and its history for good, if its version is still `expected`.
    async fn forget(&self, id: &str, expected: u64) -> Result<(), RepositoryError>;

    /// Removes up to `limit` history entries of ended jobs that are older than `before`; how many.
    async fn trim_history(&self, before: Timestamp, limit: usize)
    -> Result<usize, RepositoryError>;

    /// A job with everything that the store keeps of it.
    async fn kept(&self, id: &str) -> Result<Option<Kept>, RepositoryError>;

    /// Puts a job from another store into this one, as it is but for its driver, unless its id is taken. A
    /// call that was broken off is completed by the next one.
    async fn move_in(&self, kept: &Kept) -> Result<Moved, RepositoryError>;

    /// Takes up what removals that were broken off have left.
    async fn tidy(&self, now: Timestamp) -> Result<(), RepositoryError> {
        let _ = now;
        Ok(())
    }

    /// The audit log that the store keeps beside the jobs.
    fn audit_log(self: Arc<Self>) -> Arc<dyn AuditLog>;

    /// Whether the store answers.
    async fn check(&self) -> Result<(), RepositoryError>;
}
