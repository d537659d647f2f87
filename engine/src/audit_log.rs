//! The audit log: append-only records of who did what, kept for a while.
//!
//! Owns the port to its store and, in [`AuditTrail`], the way there. A record is written once and never
//! changed: the port has no call for it. A store that is away loses none: the trail keeps them and
//! tries again. It is not the audit of the store's contents, which is [`crate::audit`].

use async_trait::async_trait;
use elb_core::{
    audit_log::{AuditFilter, AuditKey, AuditRecord},
    time::Timestamp,
};

use crate::repository::RepositoryError;

mod trail;

pub use trail::{AuditTrail, Backlog, Entry, MAX_WAITING};

/// The most records that one page looks at (ours). Under a filter that fits few of them a page is
/// shorter than asked for, and says where to go on; no question reads a year at once.
pub const MAX_LOOKED_AT: usize = 5_000;

/// A page of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditPage {
    /// The records that fit, newest first.
    pub records: Vec<AuditRecord>,
    /// How many records were passed that cannot be read, as those of a newer program.
    pub unreadable: usize,
    /// Where the next page begins; `None` at the end of the log. It may be there although the page is
    /// not full, see [`MAX_LOOKED_AT`].
    pub next: Option<AuditKey>,
}

/// The store of the audit log.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Stores records, all or a beginning of them. One whose key is there already is left as it is, so
    /// that a repeat after an answer that was lost is harmless.
    async fn append(&self, records: &[AuditRecord]) -> Result<(), RepositoryError>;

    /// Up to `limit` records that fit, newest first, older than `before`. One range of keys is read, or
    /// one of those of a job, and at most [`MAX_LOOKED_AT`] records of it.
    async fn page(
        &self,
        before: Option<&AuditKey>,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<AuditPage, RepositoryError>;

    /// Removes up to `limit` records that are older than `before`; how many.
    async fn trim(&self, before: Timestamp, limit: usize) -> Result<usize, RepositoryError>;
}
