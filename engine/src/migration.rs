//! Everything of one store moved into another, and proof that it has arrived.
//!
//! Owns the order: each job is put and read back, and what both stores have is compared by count and
//! digest. Nothing of the source is changed, and nothing that is there already is overwritten, so that a run that
//! was broken off is completed by the next one.

use std::sync::Arc;

use elb_core::{audit_log::AuditFilter, view::HistoryEntry};
use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::repository::{Kept, Moved, Repository, RepositoryError};

/// Rows read at once from the source.
const PAGE: usize = 500;
/// Jobs under way at once: a store at a distance answers many in the time of one.
const AT_ONCE: usize = 16;

/// Why a move did not come to its end.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// The source cannot be read.
    #[error("the source cannot be read: {0}")]
    Source(RepositoryError),
    /// The destination cannot be written or read.
    #[error("the destination cannot be used: {0}; what has arrived stays, start it again to go on")]
    Destination(RepositoryError),
}

/// What a move came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Jobs that were put.
    pub new: u64,
    /// Jobs that were there.
    pub same: u64,
    /// Ids that stand for something else in the destination.
    pub different: Vec<String>,
    /// Rows of the source that cannot be read.
    pub unreadable: Vec<String>,
    /// Records of the audit log, all of which are in the destination.
    pub records: u64,
    /// What the source holds.
    pub source: Sum,
    /// What the destination holds of it.
    pub destination: Sum,
}

impl Migrated {
    /// Whether all of it is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.different.is_empty() && self.unreadable.is_empty() && self.source == self.destination
    }
}

/// Jobs as a count and a digest, in whatever order they are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many jobs.
    pub jobs: u64,
    /// How many entries of their histories.
    pub entries: u64,
    /// The digests of all of them, added byte by byte.
    digest: [u8; 32],
}

impl Sum {
    fn add(&mut self, kept: &Kept) -> Result<(), serde_json::Error> {
        self.jobs += 1;
        self.entries += kept.history.len() as u64;
        let mut digest = Sha256::new();
        let (stored, history): (_, &[HistoryEntry]) = (&kept.stored, &kept.history);
        // Not the driver: nobody drives a job that was moved.
        let whole = (&stored.job, stored.version, stored.lease.epoch, history);
        digest.update(serde_json::to_vec(&whole)?);
        for (sum, byte) in self.digest.iter_mut().zip(digest.finalize()) {
            *sum = sum.wrapping_add(byte);
        }
        Ok(())
    }

    /// The digest as text.
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Moves everything. `tell` is given the count of jobs so far, now and then.
///
/// # Errors
/// If a store cannot be used; start again to go on.
pub async fn migrate(
    from: &Arc<dyn Repository>,
    to: &Arc<dyn Repository>,
    tell: &(dyn Fn(&str, u64) + Sync),
) -> Result<Migrated, MigrationError> {
    let mut migrated = Migrated::default();
    let mut source = Sum::default();
    let mut destination = Sum::default();
    for part in 0..from.parts() {
        let mut after: Option<String> = None;
        loop {
            let page = from.scan(part, after.as_deref(), PAGE).await;
            let page = page.map_err(MigrationError::Source)?;
            migrated
                .unreadable
                .extend(page.unreadable.iter().map(ToString::to_string));
            let ids = page.jobs.into_iter().map(|stored| stored.job.id);
            let moves: Vec<_> = ids
                .map(|id| move_one(from.as_ref(), to.as_ref(), id))
                .collect();
            let moved: Vec<_> = stream::iter(moves).buffered(AT_ONCE).try_collect().await?;
            for one in moved.into_iter().flatten() {
                match one.moved {
                    Moved::New => migrated.new += 1,
                    Moved::Same => migrated.same += 1,
                    Moved::Differs => migrated.different.push(one.id),
                }
                let summed = source.add(&one.there).and_then(|()| match one.arrived {
                    Some(arrived) => destination.add(&arrived),
                    None => Ok(()),
                });
                summed.map_err(|error| {
                    MigrationError::Source(RepositoryError::Unavailable(error.to_string()))
                })?;
            }
            tell("jobs", source.jobs);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    migrated.records = move_audit_log(from, to, tell).await?;
    migrated.source = source;
    migrated.destination = destination;
    Ok(migrated)
}

/// Appends every record of the audit log to the other one, which leaves those that it has as they are; how
/// many there are.
async fn move_audit_log(
    from: &Arc<dyn Repository>,
    to: &Arc<dyn Repository>,
    tell: &(dyn Fn(&str, u64) + Sync),
) -> Result<u64, MigrationError> {
    let (from, to) = (Arc::clone(from).audit_log(), Arc::clone(to).audit_log());
    let mut before = None;
    let mut moved = 0;
    loop {
        let page = from
            .page(before.as_ref(), &AuditFilter::default(), PAGE)
            .await;
        let page = page.map_err(MigrationError::Source)?;
        to.append(&page.records)
            .await
            .map_err(MigrationError::Destination)?;
        moved += page.records.len() as u64;
        before = page.next;
        if before.is_none() {
            return Ok(moved);
        }
        tell("audit records", moved);
    }
}

/// A job that was moved.
struct One {
    id: String,
    moved: Moved,
    /// As the source has it.
    there: Kept,
    /// As the destination has it afterwards.
    arrived: Option<Kept>,
}

/// Puts a job and reads it back.
async fn move_one(
    from: &dyn Repository,
    to: &dyn Repository,
    id: String,
) -> Result<Option<One>, MigrationError> {
    let kept = from.kept(&id).await.map_err(MigrationError::Source)?;
    // Forgotten between the page and now.
    let Some(there) = kept else { return Ok(None) };
    let moved = to
        .move_in(&there)
        .await
        .map_err(MigrationError::Destination)?;
    let arrived = to.kept(&id).await.map_err(MigrationError::Destination)?;
    Ok(Some(One {
        id,
        moved,
        there,
        arrived,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::repository::SqliteRepository;

    #[tokio::test]
    async fn two_empty_stores_are_the_same() {
        let stores = [(); 2].map(|()| {
            let store: Arc<dyn Repository> = Arc::new(SqliteRepository::in_memory().unwrap());
            store
        });
        let migrated = migrate(&stores[0], &stores[1], &|_, _| {}).await.unwrap();
        assert!(migrated.is_complete());
        assert_eq!(migrated.source.digest(), "0".repeat(64));
    }
}
