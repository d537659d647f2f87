//! The port to the store of jobs and their history.
//!
//! Owns the contract that every store keeps: each write is conditional on the version that was read
//! (an unconditional one cannot be expressed), creation is idempotent and says whether it created,
//! and a row and its history entry change together or not at all.

use async_trait::async_trait;
use elb_core::{job::Job, list::Cursor, time::Timestamp, view::HistoryEntry};
use thiserror::Error;

mod sqlite;

pub use sqlite::SqliteRepository;

/// A job as it stands in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The row.
    pub job: Job,
    /// Grows by one with each write; the condition of the next one.
    pub version: u64,
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
}

/// A page of a scan.
#[derive(Debug, Default)]
pub struct ScanPage {
    /// The rows that can be read.
    pub jobs: Vec<Stored>,
    /// One error for each row that cannot.
    pub unreadable: Vec<RepositoryError>,
    /// Where the next page continues; `None` after the last one.
    pub next: Option<Cursor>,
}

/// The store of jobs and history.
#[async_trait]
pub trait Repository: Send + Sync {
    /// Stores a new job together with its first history entry, unless its id or key is taken.
    async fn create(
        &self,
        job: &Job,
        key: Option<&IdempotencyKey>,
        entry: &HistoryEntry,
    ) -> Result<Created, RepositoryError>;

    /// The row of a job, tombstones included.
    async fn get(&self, id: &str) -> Result<Option<Stored>, RepositoryError>;

    /// Writes the row if its version is still `expected`, with its history entry if there is one.
    async fn update(
        &self,
        job: &Job,
        expected: u64,
        entry: Option<&HistoryEntry>,
    ) -> Result<Stored, RepositoryError>;

    /// A page of all rows, newest first, tombstones included; continues after `after`. A row that
    /// cannot be read is told beside the others and never hides them.
    async fn scan(&self, after: Option<&Cursor>, limit: usize)
    -> Result<ScanPage, RepositoryError>;

    /// A page of a job's history, newest first; continues before version `before`.
    async fn history(
        &self,
        id: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, RepositoryError>;

    /// Whether the store answers.
    async fn check(&self) -> Result<(), RepositoryError>;
}
