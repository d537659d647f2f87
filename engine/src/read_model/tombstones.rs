//! Deleted jobs: what can still be restored, and what must never come back by itself.

use std::sync::Arc;

use elb_core::{job::Deletion, time::Timestamp, view::DeletedRow};

use super::{ReadModel, visible};
use crate::repository::Stored;

/// A deleted job.
#[derive(Debug, Clone)]
pub struct Tombstone {
    /// Version of its row.
    pub version: u64,
    /// Whose it was.
    pub owner: String,
    /// Until when it is kept, and whether it still is.
    pub deletion: Deletion,
    /// Whether another system ran it: an import must find the tombstone however late it comes.
    pub imported: bool,
    /// What can be restored; `None` once nothing is left.
    pub row: Option<Arc<DeletedRow>>,
}

impl Tombstone {
    /// That of a stored job; `None` if it is not deleted.
    pub(super) fn of(stored: &Stored) -> Option<Self> {
        Some(Self {
            version: stored.version,
            owner: stored.job.owner.clone(),
            deletion: stored.job.deletion?,
            imported: stored.job.imported.is_some(),
            row: DeletedRow::of(&stored.job).map(Arc::new),
        })
    }
}

impl ReadModel {
    /// Whether the job is a tombstone.
    #[must_use]
    pub fn is_deleted(&self, id: &str) -> bool {
        self.read().deleted.contains_key(id)
    }

    /// Whether the job is a tombstone of which nothing is kept any more.
    #[must_use]
    pub fn is_emptied(&self, id: &str) -> bool {
        let state = self.read();
        let found = state.deleted.get(id);
        found.is_some_and(|tombstone| tombstone.deletion.removed_at.is_some())
    }

    /// One deleted job, if it was the caller's.
    #[must_use]
    pub fn tombstone(&self, caller: &str, id: &str) -> Option<Tombstone> {
        let state = self.read();
        let found = state.deleted.get(id)?;
        visible(&found.owner, caller).then(|| found.clone())
    }

    /// Every deleted job of the caller that can still be restored, the last deleted first.
    #[must_use]
    pub fn restorable(&self, caller: &str, now: Timestamp) -> Vec<Arc<DeletedRow>> {
        let state = self.read();
        let mut rows: Vec<Arc<DeletedRow>> = state
            .deleted
            .values()
            .filter(|tombstone| visible(&tombstone.owner, caller))
            .filter_map(|tombstone| tombstone.row.clone())
            .filter(|row| now < row.keep_until)
            .collect();
        rows.sort_by(|left, right| (right.deleted_at, &right.id).cmp(&(left.deleted_at, &left.id)));
        rows
    }

    /// Ids and tombstones of all deleted jobs.
    #[must_use]
    pub fn tombstones(&self) -> Vec<(String, Tombstone)> {
        let state = self.read();
        let all = state.deleted.iter();
        all.map(|(id, tombstone)| (id.clone(), tombstone.clone()))
            .collect()
    }

    /// Drops a tombstone whose row is gone from the store.
    pub fn forget(&self, id: &str) {
        self.write().deleted.remove(id);
    }
}
