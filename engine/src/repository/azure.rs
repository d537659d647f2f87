//! The store in Azure Table Storage, shared by several servers.
//!
//! Owns the layout (`docs/AZURE.md`): every read is by key or key range, every write is a conditional
//! batch in one partition. A job's row, its pointer, its history, its mark as active and the entry of
//! the change log are in one partition, so that they change together or not at all. Never holds a lock of
//! the service: who was quicker is decided by tags.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use elb_core::{job::Job, time::Timestamp, view::HistoryEntry};

use super::{
    Beat, Changes, Created, IdempotencyKey, Kept, Lease, Moved, Position, Repository,
    RepositoryError, ScanPage, SlotRequest, SlotTurn, Stored,
};
use crate::{
    audit_log::AuditLog,
    azure::tables::{Entity, TableError, Tables, TablesConfig, Write},
    breaker::Breaker,
    clock::Clock,
};

mod audit_log;
mod create;
mod document;
mod follow;
mod keys;
mod leases;
mod moving;
mod removal;
mod rows;
mod slots;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
mod writer;

use document::Row;
use writer::Writer;

/// The newest layout that this program knows.
const LAYOUT: i64 = 1;
/// How often the change log is worth asking for: one small request each time (ours).
const FOLLOW: Duration = Duration::from_secs(1);
/// How often a write is decided anew after others were quicker (ours; more would hide a loop).
const MAX_RACES: u32 = 16;

/// The store in Azure Table Storage.
pub struct AzureRepository {
    tables: Tables,
    writer: Arc<Writer>,
    /// When each known job was created: the part of its row's key that its id does not tell. Keys never
    /// change, so that this is never wrong, only incomplete.
    created: Mutex<HashMap<String, Timestamp>>,
    /// The rows of active jobs as this process saw them last: the conditions of its next writes.
    last_seen: Mutex<HashMap<String, Row>>,
    followed: follow::Followed,
    /// Partitions of the audit log that are known to be listed.
    audits: Mutex<HashSet<String>>,
}

impl AzureRepository {
    /// Connects; makes the table if it is not there.
    ///
    /// # Errors
    /// [`RepositoryError::Denied`] if the identity may not, [`RepositoryError::TooNew`] if a newer
    /// program has laid out the table, [`RepositoryError::Unavailable`] if there is no answer.
    pub async fn connect(
        config: &TablesConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RepositoryError> {
        let (tables, described) = Self::described(config, &clock).await?;
        let described = match described {
            Some(described) => described,
            None => Self::describe(&tables).await?,
        };
        let writer = Writer::new(tables.clone(), Arc::clone(&clock));
        let repository = Self::of(tables, described, writer, clock)?;
        // Before anything is written: others look for the log of each process that they know of, also if
        // it dies before it has told them of its first entry.
        let rung = repository.writer.ring().await;
        rung.map_err(|error| failed("", error))?;
        Ok(repository)
    }

    /// Connects to a table that must be there, and writes nothing, as long as no method that writes is
    /// called.
    ///
    /// # Errors
    /// As [`Self::connect`], and [`RepositoryError::Unavailable`] if there is no such table.
    pub async fn connect_to_read(
        config: &TablesConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RepositoryError> {
        let (tables, described) = Self::described(config, &clock).await?;
        let described = described.ok_or_else(|| {
            let (table, endpoint) = (&config.table, &config.endpoint);
            RepositoryError::Unavailable(format!("{endpoint} has no state in a table {table}"))
        })?;
        let writer = Writer::idle(tables.clone(), Arc::clone(&clock));
        Self::of(tables, described, writer, clock)
    }

    /// The table and what it says of itself; nothing if it is not there, which answers as no entity does.
    async fn described(
        config: &TablesConfig,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Tables, Option<Entity>), RepositoryError> {
        let tables = Tables::new(config, Arc::clone(clock)).map_err(|error| failed("", error))?;
        let described = tables.get(keys::META, keys::META).await;
        Ok((tables, described.map_err(|error| failed("", error))?))
    }

    fn of(
        tables: Tables,
        described: Entity,
        writer: Arc<Writer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RepositoryError> {
        let found: i64 = described.number("Layout").unwrap_or(i64::MAX);
        if found > LAYOUT {
            return Err(RepositoryError::TooNew {
                found,
                known: LAYOUT,
            });
        }
        Ok(Self {
            writer,
            tables,
            created: Mutex::default(),
            last_seen: Mutex::default(),
            followed: follow::Followed::new(clock),
            audits: Mutex::default(),
        })
    }

    /// Ids of all active jobs, by their marks: one range read for each partition and nothing else.
    ///
    /// # Errors
    /// The store's.
    pub async fn active(&self) -> Result<Vec<String>, RepositoryError> {
        let mut ids = Vec::new();
        for shard in 0..keys::SHARDS {
            ids.extend(self.active_of(shard).await?);
        }
        Ok(ids)
    }

    async fn describe(tables: &Tables) -> Result<Entity, RepositoryError> {
        tables.make().await.map_err(|error| failed("", error))?;
        let new = Entity::new(keys::META, keys::META).with("Layout", LAYOUT.to_string());
        let made = tables.batch(keys::META, &[Write::Insert(new)]).await;
        match made.map_err(|failed| failed.error) {
            Ok(_) | Err(TableError::Exists { .. }) => {}
            Err(error) => return Err(failed("", error)),
        }
        let described = tables.get(keys::META, keys::META).await;
        let described = described.map_err(|error| failed("", error))?;
        described.ok_or_else(|| {
            RepositoryError::Unavailable(
                "the table is there, but what was written is not".to_owned(),
            )
        })
    }

    fn created_at(&self, id: &str) -> Option<Timestamp> {
        let created = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        created.get(id).copied()
    }

    /// Keeps what a row was like.
    fn note(&self, row: &Row) {
        let job = &row.stored.job;
        let mut created = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        created.insert(job.id.clone(), job.created_at);
        drop(created);
        let mut last_seen = self
            .last_seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if job.phase.is_active() && !row.etag.is_empty() {
            last_seen.insert(job.id.clone(), row.clone());
        } else {
            last_seen.remove(&job.id);
        }
    }

    fn last_seen(&self, id: &str) -> Option<Row> {
        let last_seen = self
            .last_seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last_seen.get(id).cloned()
    }

    fn forget_key(&self, id: &str) {
        let mut created = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        created.remove(id);
        drop(created);
        self.unnote(id);
    }

    fn known_active(&self) -> Vec<String> {
        let last_seen = self
            .last_seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last_seen.keys().cloned().collect()
    }

    fn unnote(&self, id: &str) {
        let mut last_seen = self
            .last_seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last_seen.remove(id);
    }
}

/// A failure that no race explains.
fn failed(id: &str, error: TableError) -> RepositoryError {
    match error {
        TableError::Denied { .. } | TableError::Unaccepted { .. } => {
            RepositoryError::Denied(error.to_string())
        }
        TableError::Missing { .. } if id.is_empty() => {
            RepositoryError::Unavailable("its table is not there".to_owned())
        }
        TableError::Missing { .. } => RepositoryError::Missing(id.to_owned()),
        other => RepositoryError::Unavailable(other.to_string()),
    }
}

#[async_trait]
impl Repository for AzureRepository {
    async fn create(
        &self,
        job: &Job,
        key: Option<&IdempotencyKey>,
        entry: &HistoryEntry,
        holder: &str,
    ) -> Result<Created, RepositoryError> {
        self.create_row(job, key, entry, holder).await
    }

    async fn get(&self, id: &str) -> Result<Option<Stored>, RepositoryError> {
        Ok(self.read(id).await?.map(|row| row.stored))
    }

    async fn update(
        &self,
        job: &Job,
        expected: u64,
        fence: Option<&Lease>,
        entry: Option<&HistoryEntry>,
    ) -> Result<Stored, RepositoryError> {
        self.update_row(job, expected, fence, entry).await
    }

    async fn recent(&self, id: &str) -> Result<Option<Stored>, RepositoryError> {
        match self.last_seen(id) {
            Some(row) => Ok(Some(row.stored)),
            None => self.get(id).await,
        }
    }

    fn parts(&self) -> usize {
        keys::SHARDS
    }

    async fn scan(
        &self,
        part: usize,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ScanPage, RepositoryError> {
        self.scan_shard(part, after, limit).await
    }

    async fn last_change(&self) -> Result<Position, RepositoryError> {
        self.end_of_log().await
    }

    async fn changes(&self, after: &Position, limit: usize) -> Result<Changes, RepositoryError> {
        self.changes_after(after, limit).await
    }

    fn follow_interval(&self) -> Duration {
        FOLLOW
    }

    fn breaker(&self) -> Option<Breaker> {
        Some(self.tables.breaker().clone())
    }

    async fn history(
        &self,
        id: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, RepositoryError> {
        self.history_of(id, before, limit).await
    }

    async fn claim(
        &self,
        id: &str,
        seen: &Lease,
        silent: Option<&Beat>,
        holder: &str,
        entry: Option<&HistoryEntry>,
    ) -> Result<Stored, RepositoryError> {
        self.claim_row(id, seen, silent, holder, entry).await
    }

    async fn beat(&self, holder: &str) -> Result<(), RepositoryError> {
        self.beat_once(holder).await
    }

    async fn beats(&self) -> Result<Vec<Beat>, RepositoryError> {
        self.all_beats().await
    }

    async fn leave(&self, holder: &str) -> Result<(), RepositoryError> {
        self.give_back(holder).await
    }

    async fn forget_others(&self, holder: &str) -> Result<(), RepositoryError> {
        self.forget_holders_but(holder).await
    }

    async fn take_slot(&self, request: &SlotRequest) -> Result<SlotTurn, RepositoryError> {
        self.slot_turn(request).await
    }

    async fn renew_slot(&self, slot: &str, job_id: &str) -> Result<bool, RepositoryError> {
        self.slot_renewed(slot, job_id).await
    }

    async fn leave_slot(&self, slot: &str, job_id: &str) -> Result<(), RepositoryError> {
        self.slot_left(slot, job_id).await
    }

    async fn forget(&self, id: &str, expected: u64) -> Result<(), RepositoryError> {
        self.forget_row(id, expected).await
    }

    async fn trim_history(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize, RepositoryError> {
        self.trim_histories(before, limit).await
    }

    async fn kept(&self, id: &str) -> Result<Option<Kept>, RepositoryError> {
        self.all_of(id).await
    }

    async fn move_in(&self, kept: &Kept) -> Result<Moved, RepositoryError> {
        self.put_all_of(kept).await
    }

    async fn tidy(&self, now: Timestamp) -> Result<(), RepositoryError> {
        self.take_up_removals(now).await?;
        self.mark_what_is_active().await
    }

    fn audit_log(self: Arc<Self>) -> Arc<dyn AuditLog> {
        self
    }

    async fn check(&self) -> Result<(), RepositoryError> {
        let described = self.tables.get(keys::META, keys::META).await;
        match described.map_err(|error| failed("", error))? {
            Some(_) => Ok(()),
            None => Err(failed("", TableError::Missing { operation: None })),
        }
    }
}
