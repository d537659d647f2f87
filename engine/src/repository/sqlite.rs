//! The embedded store: one SQLite file in WAL mode.
//!
//! Owns the file, its schema and the statements. One connection writes and one reads, each used by one
//! blocking task at a time, so that readers never wait for a commit. A commit is durable
//! (`synchronous = FULL`) before it is acknowledged.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use elb_core::{job::Job, time::Timestamp, view::HistoryEntry};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::Mutex;

use crate::{
    audit_log::AuditLog,
    crash::{self, Point},
};

use super::{
    Beat, Changes, Created, IdempotencyKey, Kept, Lease, Moved, Position, Repository,
    RepositoryError, ScanPage, SlotRequest, SlotTurn, Stored,
};

mod audit_log;
mod leases;
mod moving;
mod read_only;
mod rows;
mod schema;
mod slots;

/// How long a statement waits for another process that holds the file: far longer than any write of
/// ours takes, and short enough for a person who waits for an answer (ours).
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a call waits for its turn at the connection: a burst of a thousand writes is through by
/// then, and behind a store that is held by another process nobody waits for long (ours).
const TURN: Duration = Duration::from_secs(10);

/// The one stream of the change log.
const CHANGES: &str = "";

/// The embedded store.
#[derive(Debug, Clone)]
pub struct SqliteRepository {
    writer: Arc<Mutex<Connection>>,
    /// The same connection in a store in memory, which has no second one.
    reader: Arc<Mutex<Connection>>,
}

impl SqliteRepository {
    /// Opens the file, making or migrating it as needed.
    ///
    /// # Errors
    /// [`RepositoryError::TooNew`] if a newer program wrote it, [`RepositoryError::Unavailable`] if
    /// it cannot be opened or written.
    pub fn open(path: &Path) -> Result<Self, RepositoryError> {
        let writer = Self::prepare(Connection::open(path)?)?;
        let reader = Connection::open(path)?;
        reader.busy_timeout(BUSY_TIMEOUT)?;
        reader.pragma_update(None, "query_only", true)?;
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            reader: Arc::new(Mutex::new(reader)),
        })
    }

    /// A store in memory that ends with the value, for tests.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn in_memory() -> Result<Self, RepositoryError> {
        let writer = Self::prepare(Connection::open_in_memory()?)?;
        let writer = Arc::new(Mutex::new(writer));
        Ok(Self {
            reader: Arc::clone(&writer),
            writer,
        })
    }

    fn prepare(mut connection: Connection) -> Result<Connection, RepositoryError> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::migrate(&mut connection)?;
        Ok(connection)
    }

    /// Runs `work` in one transaction of the writing connection, away from the async threads. An error
    /// leaves everything as it was.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, RepositoryError> + Send + 'static,
    ) -> Result<T, RepositoryError> {
        run(&self.writer, move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let outcome = work(&transaction)?;
            crash::point(Point::BeforeCommit);
            transaction.commit()?;
            crash::point(Point::AfterCommit);
            Ok(outcome)
        })
        .await
    }

    /// Runs `work` on the reading connection, away from the async threads.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, RepositoryError> + Send + 'static,
    ) -> Result<T, RepositoryError> {
        run(&self.reader, move |connection| work(connection)).await
    }
}

/// Waits for the connection before a thread is taken: many writers then wait as tasks, not as threads.
async fn run<T: Send + 'static>(
    connection: &Arc<Mutex<Connection>>,
    work: impl FnOnce(&mut Connection) -> Result<T, RepositoryError> + Send + 'static,
) -> Result<T, RepositoryError> {
    let turn = tokio::time::timeout(TURN, Arc::clone(connection).lock_owned()).await;
    let mut connection = turn.map_err(|_| {
        let message = format!("it is busy, no turn came within {} s", TURN.as_secs());
        RepositoryError::Unavailable(message)
    })?;
    let task = tokio::task::spawn_blocking(move || work(&mut connection));
    task.await
        .map_err(|error| RepositoryError::Unavailable(error.to_string()))?
}

impl From<rusqlite::Error> for RepositoryError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[async_trait]
impl Repository for SqliteRepository {
    async fn create(
        &self,
        job: &Job,
        key: Option<&IdempotencyKey>,
        entry: &HistoryEntry,
        holder: &str,
    ) -> Result<Created, RepositoryError> {
        let (job, key, entry) = (job.clone(), key.cloned(), entry.clone());
        let lease = Lease {
            holder: holder.to_owned(),
            epoch: 1,
        };
        self.write(move |transaction| rows::create(transaction, job, key.as_ref(), &entry, lease))
            .await
    }

    async fn get(&self, id: &str) -> Result<Option<Stored>, RepositoryError> {
        let id = id.to_owned();
        self.read(move |connection| rows::find(connection, &id))
            .await
    }

    async fn update(
        &self,
        job: &Job,
        expected: u64,
        fence: Option<&Lease>,
        entry: Option<&HistoryEntry>,
    ) -> Result<Stored, RepositoryError> {
        let (job, fence, entry) = (job.clone(), fence.cloned(), entry.cloned());
        self.write(move |transaction| {
            rows::update(transaction, job, expected, fence.as_ref(), entry.as_ref())
        })
        .await
    }

    async fn scan(
        &self,
        _part: usize,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ScanPage, RepositoryError> {
        let after = after.map(str::to_owned);
        self.read(move |connection| rows::scan(connection, after, limit))
            .await
    }

    async fn last_change(&self) -> Result<Position, RepositoryError> {
        let last = self.read(rows::last_change).await?;
        let mut position = Position::default();
        position.advance(CHANGES, last);
        Ok(position)
    }

    async fn changes(&self, after: &Position, limit: usize) -> Result<Changes, RepositoryError> {
        let after = after.of(CHANGES);
        self.read(move |connection| rows::changes(connection, after, limit))
            .await
    }

    async fn history(
        &self,
        id: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, RepositoryError> {
        let id = id.to_owned();
        self.read(move |connection| rows::history(connection, &id, before, limit))
            .await
    }

    async fn claim(
        &self,
        id: &str,
        seen: &Lease,
        silent: Option<&Beat>,
        holder: &str,
        entry: Option<&HistoryEntry>,
    ) -> Result<Stored, RepositoryError> {
        let claim = leases::Claim {
            id: id.to_owned(),
            seen: seen.clone(),
            silent: silent.cloned(),
            holder: holder.to_owned(),
            entry: entry.cloned(),
        };
        self.write(move |transaction| leases::claim(transaction, &claim))
            .await
    }

    async fn beat(&self, holder: &str) -> Result<(), RepositoryError> {
        let holder = holder.to_owned();
        self.write(move |transaction| leases::beat(transaction, &holder))
            .await
    }

    async fn beats(&self) -> Result<Vec<Beat>, RepositoryError> {
        self.read(leases::beats).await
    }

    async fn leave(&self, holder: &str) -> Result<(), RepositoryError> {
        let holder = holder.to_owned();
        self.write(move |transaction| leases::leave(transaction, &holder))
            .await
    }

    async fn forget_others(&self, holder: &str) -> Result<(), RepositoryError> {
        let holder = holder.to_owned();
        self.write(move |transaction| leases::forget_others(transaction, &holder))
            .await
    }

    async fn take_slot(&self, request: &SlotRequest) -> Result<SlotTurn, RepositoryError> {
        let request = request.clone();
        self.write(move |transaction| slots::take(transaction, &request))
            .await
    }

    async fn renew_slot(&self, slot: &str, job_id: &str) -> Result<bool, RepositoryError> {
        let (slot, job_id) = (slot.to_owned(), job_id.to_owned());
        self.write(move |transaction| slots::renew(transaction, &slot, &job_id))
            .await
    }

    async fn leave_slot(&self, slot: &str, job_id: &str) -> Result<(), RepositoryError> {
        let (slot, job_id) = (slot.to_owned(), job_id.to_owned());
        self.write(move |transaction| slots::leave(transaction, &slot, &job_id))
            .await
    }

    async fn forget(&self, id: &str, expected: u64) -> Result<(), RepositoryError> {
        let id = id.to_owned();
        self.write(move |transaction| rows::forget(transaction, &id, expected))
            .await
    }

    async fn trim_history(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize, RepositoryError> {
        self.write(move |transaction| rows::trim_history(transaction, before, limit))
            .await
    }

    async fn kept(&self, id: &str) -> Result<Option<Kept>, RepositoryError> {
        let id = id.to_owned();
        self.read(move |connection| moving::kept(connection, &id))
            .await
    }

    async fn move_in(&self, kept: &Kept) -> Result<Moved, RepositoryError> {
        let kept = kept.clone();
        self.write(move |transaction| moving::move_in(transaction, &kept))
            .await
    }

    fn audit_log(self: Arc<Self>) -> Arc<dyn AuditLog> {
        self
    }

    async fn check(&self) -> Result<(), RepositoryError> {
        self.read(|connection| {
            connection.query_row("SELECT count(*) FROM holders", [], |_| Ok(()))?;
            Ok(())
        })
        .await
    }
}
