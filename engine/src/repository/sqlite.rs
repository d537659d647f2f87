//! The embedded store: one SQLite file in WAL mode.
//!
//! Owns the schema, its migrations and the statements. One connection, used by one blocking task at a
//! time: SQLite has one writer anyway, and reads are served from the read model. A commit is durable
//! (`synchronous = FULL`) before it is acknowledged.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use elb_core::{job::Job, list::Cursor, phase::Phase, time::Timestamp, view::HistoryEntry};
use rusqlite::{
    Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params, types::Type,
};

use super::{Created, IdempotencyKey, Repository, RepositoryError, ScanPage, Stored};

/// One script a schema version, in order; a released one never changes.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/001_jobs.sql")];

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The embedded store.
#[derive(Debug, Clone)]
pub struct SqliteRepository {
    connection: Arc<Mutex<Connection>>,
}

impl SqliteRepository {
    /// Opens the file, making or migrating it as needed.
    ///
    /// # Errors
    /// [`RepositoryError::TooNew`] if a newer program wrote it, [`RepositoryError::Unavailable`] if
    /// it cannot be opened or written.
    pub fn open(path: &Path) -> Result<Self, RepositoryError> {
        Self::prepare(Connection::open(path)?)
    }

    /// A store in memory that ends with the value, for tests.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn in_memory() -> Result<Self, RepositoryError> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(mut connection: Connection) -> Result<Self, RepositoryError> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        migrate(&mut connection)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
        })
    }

    /// Runs `work` on the connection, away from the async threads.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, RepositoryError> + Send + 'static,
    ) -> Result<T, RepositoryError> {
        let connection = Arc::clone(&self.connection);
        let task = tokio::task::spawn_blocking(move || {
            let mut guard: MutexGuard<'_, Connection> =
                connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut guard)
        });
        task.await
            .map_err(|error| RepositoryError::Unavailable(error.to_string()))?
    }
}

impl From<rusqlite::Error> for RepositoryError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

fn migrate(connection: &mut Connection) -> Result<(), RepositoryError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(RepositoryError::TooNew { found, known });
    }
    for script in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(script)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

const SELECT: &str = "SELECT id, version, document FROM jobs";

fn read(row: &Row<'_>) -> rusqlite::Result<(String, u64, String)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn decode((id, version, document): (String, u64, String)) -> Result<Stored, RepositoryError> {
    match serde_json::from_str(&document) {
        Ok(job) => Ok(Stored { job, version }),
        Err(source) => Err(RepositoryError::Corrupt { id, source }),
    }
}

fn encode(job: &Job) -> Result<String, RepositoryError> {
    serde_json::to_string(job).map_err(|source| RepositoryError::Corrupt {
        id: job.id.clone(),
        source,
    })
}

fn find(connection: &Connection, id: &str) -> Result<Option<Stored>, RepositoryError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
    let row = statement.query_row([id], read).optional()?;
    row.map(decode).transpose()
}

fn append(
    transaction: &Transaction<'_>,
    id: &str,
    version: u64,
    entry: &HistoryEntry,
) -> Result<(), RepositoryError> {
    transaction
        .prepare_cached(
            "INSERT INTO history (job_id, version, at, attempt, phase, note, actor) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            id,
            version,
            entry.at.0,
            entry.attempt,
            entry.phase.as_str(),
            entry.note,
            entry.actor
        ])?;
    Ok(())
}

/// The job that a key belongs to, if the key still counts. Expired keys are removed on the way.
fn holder_of(
    transaction: &Transaction<'_>,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<Stored>, RepositoryError> {
    transaction
        .prepare_cached("DELETE FROM idempotency WHERE expires_at <= ?1")?
        .execute([now.0])?;
    let holder: Option<String> = transaction
        .prepare_cached("SELECT job_id FROM idempotency WHERE owner = ?1 AND key = ?2")?
        .query_row([&key.owner, &key.key], |row| row.get(0))
        .optional()?;
    match holder {
        Some(id) => find(transaction, &id),
        None => Ok(None),
    }
}

#[async_trait]
impl Repository for SqliteRepository {
    async fn create(
        &self,
        job: &Job,
        key: Option<&IdempotencyKey>,
        entry: &HistoryEntry,
    ) -> Result<Created, RepositoryError> {
        let (job, key, entry) = (job.clone(), key.cloned(), entry.clone());
        self.with(move |connection| {
            let document = encode(&job)?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if let Some(key) = &key
                && let Some(stored) = holder_of(&transaction, key, job.created_at)? {
                    return Ok(Created::Existing(stored));
                }
            if let Some(stored) = find(&transaction, &job.id)? {
                return Ok(Created::Existing(stored));
            }
            transaction
                .prepare_cached(
                    "INSERT INTO jobs (id, created_at, phase, version, document) \
                     VALUES (?1, ?2, ?3, 1, ?4)",
                )?
                .execute(params![job.id, job.created_at.0, job.phase.as_str(), document])?;
            append(&transaction, &job.id, 1, &entry)?;
            if let Some(key) = &key {
                transaction.execute(
                    "INSERT INTO idempotency (owner, key, job_id, expires_at) VALUES (?1, ?2, ?3, ?4)",
                    params![key.owner, key.key, job.id, key.expires_at.0],
                )?;
            }
            transaction.commit()?;
            Ok(Created::New(Stored { job, version: 1 }))
        })
        .await
    }

    async fn get(&self, id: &str) -> Result<Option<Stored>, RepositoryError> {
        let id = id.to_owned();
        self.with(move |connection| find(connection, &id)).await
    }

    async fn update(
        &self,
        job: &Job,
        expected: u64,
        entry: Option<&HistoryEntry>,
    ) -> Result<Stored, RepositoryError> {
        let (job, entry) = (job.clone(), entry.cloned());
        self.with(move |connection| {
            let document = encode(&job)?;
            let version = expected.saturating_add(1);
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let changed = transaction
                .prepare_cached(
                    "UPDATE jobs SET phase = ?3, version = ?4, document = ?5 \
                     WHERE id = ?1 AND version = ?2",
                )?
                .execute(params![
                    job.id,
                    expected,
                    job.phase.as_str(),
                    version,
                    document
                ])?;
            if changed == 0 {
                return Err(match find(&transaction, &job.id)? {
                    Some(_) => RepositoryError::Conflict {
                        id: job.id,
                        expected,
                    },
                    None => RepositoryError::Missing(job.id),
                });
            }
            if let Some(entry) = &entry {
                append(&transaction, &job.id, version, entry)?;
            }
            transaction.commit()?;
            Ok(Stored { job, version })
        })
        .await
    }

    async fn scan(
        &self,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ScanPage, RepositoryError> {
        let after = after.cloned();
        self.with(move |connection| {
            let (at, id) = after.map_or((i64::MAX, String::new()), |cursor| {
                (cursor.created_at.0, cursor.id)
            });
            let mut statement = connection.prepare_cached(
                "SELECT id, version, document, created_at FROM jobs \
                 WHERE (created_at, id) < (?1, ?2) ORDER BY created_at DESC, id DESC LIMIT ?3",
            )?;
            let rows = statement.query_map(params![at, id, limit], |row| {
                Ok((read(row)?, Timestamp(row.get(3)?)))
            })?;
            let mut page = ScanPage::default();
            let mut last = None;
            for (index, row) in rows.enumerate() {
                let (row, created_at) = row?;
                if index + 1 == limit {
                    last = Some(Cursor {
                        created_at,
                        id: row.0.clone(),
                    });
                }
                match decode(row) {
                    Ok(stored) => page.jobs.push(stored),
                    Err(error) => page.unreadable.push(error),
                }
            }
            page.next = last;
            Ok(page)
        })
        .await
    }

    async fn history(
        &self,
        id: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, RepositoryError> {
        let id = id.to_owned();
        self.with(move |connection| {
            let before = before.map_or(i64::MAX, |version| {
                i64::try_from(version).unwrap_or(i64::MAX)
            });
            let mut statement = connection.prepare_cached(
                "SELECT version, at, attempt, phase, note, actor FROM history \
                 WHERE job_id = ?1 AND version < ?2 ORDER BY version DESC LIMIT ?3",
            )?;
            let rows = statement.query_map(params![id, before, limit], |row| {
                let phase: String = row.get(3)?;
                let phase = Phase::ALL
                    .into_iter()
                    .find(|known| known.as_str() == phase)
                    .ok_or_else(|| {
                        let message = format!("unknown phase {phase}");
                        rusqlite::Error::FromSqlConversionFailure(3, Type::Text, message.into())
                    })?;
                Ok(HistoryEntry {
                    version: row.get(0)?,
                    at: Timestamp(row.get(1)?),
                    attempt: row.get(2)?,
                    phase,
                    note: row.get(4)?,
                    actor: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })
        .await
    }

    async fn check(&self) -> Result<(), RepositoryError> {
        self.with(|connection| {
            connection.query_row("SELECT count(*) FROM jobs LIMIT 1", [], |_| Ok(()))?;
            Ok(())
        })
        .await
    }
}
