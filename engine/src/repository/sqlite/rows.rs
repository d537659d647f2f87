//! Statements over jobs, history and idempotency keys.
//!
//! Each function works in the transaction that it is given: an error undoes all of it.

use elb_core::{job::Job, phase::Phase, time::Timestamp, view::HistoryEntry};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, types::Type};

use crate::repository::{
    Changes, Created, IdempotencyKey, Lease, RepositoryError, ScanPage, Stored,
};

const SELECT: &str = "SELECT id, version, document, holder, epoch, created_at, change FROM jobs";

/// A row before its document is read.
struct Raw {
    id: String,
    version: u64,
    document: String,
    lease: Lease,
    created_at: Timestamp,
    change: u64,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get(0)?,
        version: row.get(1)?,
        document: row.get(2)?,
        lease: Lease {
            holder: row.get(3)?,
            epoch: row.get(4)?,
        },
        created_at: Timestamp(row.get(5)?),
        change: row.get(6)?,
    })
}

fn decode(raw: Raw) -> Result<Stored, RepositoryError> {
    match serde_json::from_str(&raw.document) {
        Ok(job) => Ok(Stored {
            job,
            version: raw.version,
            lease: raw.lease,
        }),
        Err(source) => Err(RepositoryError::Corrupt { id: raw.id, source }),
    }
}

fn encode(job: &Job) -> Result<String, RepositoryError> {
    serde_json::to_string(job).map_err(|source| RepositoryError::Corrupt {
        id: job.id.clone(),
        source,
    })
}

/// The number of the next write.
pub(super) fn next_change(transaction: &Transaction<'_>) -> Result<u64, RepositoryError> {
    Ok(transaction
        .prepare_cached(
            "UPDATE counters SET value = value + 1 WHERE name = 'change' RETURNING value",
        )?
        .query_row([], |row| row.get(0))?)
}

pub(super) fn find(connection: &Connection, id: &str) -> Result<Option<Stored>, RepositoryError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
    let row = statement.query_row([id], read).optional()?;
    row.map(decode).transpose()
}

/// Appends to the history; the epoch is that of the row.
pub(super) fn append(
    transaction: &Transaction<'_>,
    id: &str,
    version: u64,
    epoch: u64,
    entry: &HistoryEntry,
) -> Result<(), RepositoryError> {
    transaction
        .prepare_cached(
            "INSERT INTO history (job_id, version, at, attempt, phase, note, actor, epoch) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            id,
            version,
            entry.at.0,
            entry.attempt,
            entry.phase.as_str(),
            entry.note,
            entry.actor,
            epoch
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

pub(super) fn create(
    transaction: &Transaction<'_>,
    job: Job,
    key: Option<&IdempotencyKey>,
    entry: &HistoryEntry,
    lease: Lease,
) -> Result<Created, RepositoryError> {
    if let Some(key) = key
        && let Some(stored) = holder_of(transaction, key, job.created_at)?
    {
        return Ok(Created::Existing(stored));
    }
    if let Some(stored) = find(transaction, &job.id)? {
        return Ok(Created::Existing(stored));
    }
    let stored = Stored {
        job,
        version: 1,
        lease,
    };
    insert(transaction, &stored)?;
    let (job, lease) = (&stored.job, &stored.lease);
    append(transaction, &job.id, 1, lease.epoch, entry)?;
    if let Some(key) = key {
        transaction.execute(
            "INSERT INTO idempotency (owner, key, job_id, expires_at) VALUES (?1, ?2, ?3, ?4)",
            params![key.owner, key.key, job.id, key.expires_at.0],
        )?;
    }
    Ok(Created::New(stored))
}

/// A new row, as a write of its own in the change log.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    stored: &Stored,
) -> Result<(), RepositoryError> {
    let (job, lease) = (&stored.job, &stored.lease);
    transaction
        .prepare_cached(
            "INSERT INTO jobs (id, created_at, phase, version, document, active, holder, epoch, change) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            job.id,
            job.created_at.0,
            job.phase.as_str(),
            stored.version,
            encode(job)?,
            job.phase.is_active(),
            lease.holder,
            lease.epoch,
            next_change(transaction)?
        ])?;
    Ok(())
}

pub(super) fn update(
    transaction: &Transaction<'_>,
    job: Job,
    expected: u64,
    fence: Option<&Lease>,
    entry: Option<&HistoryEntry>,
) -> Result<Stored, RepositoryError> {
    let current: Option<(u64, Lease)> = transaction
        .prepare_cached("SELECT version, holder, epoch FROM jobs WHERE id = ?1")?
        .query_row([&job.id], |row| {
            let lease = Lease {
                holder: row.get(1)?,
                epoch: row.get(2)?,
            };
            Ok((row.get(0)?, lease))
        })
        .optional()?;
    let Some((version, mut lease)) = current else {
        return Err(RepositoryError::Missing(job.id));
    };
    if fence.is_some_and(|fence| *fence != lease) {
        return Err(RepositoryError::Fenced {
            id: job.id,
            epoch: lease.epoch,
        });
    }
    if version != expected {
        return Err(RepositoryError::Conflict {
            id: job.id,
            expected,
        });
    }
    let version = version + 1;
    if !job.phase.is_active() {
        lease.holder.clear();
    }
    transaction
        .prepare_cached(
            "UPDATE jobs SET phase = ?2, version = ?3, document = ?4, active = ?5, holder = ?6, \
             change = ?7 WHERE id = ?1",
        )?
        .execute(params![
            job.id,
            job.phase.as_str(),
            version,
            encode(&job)?,
            job.phase.is_active(),
            lease.holder,
            next_change(transaction)?
        ])?;
    if let Some(entry) = entry {
        append(transaction, &job.id, version, lease.epoch, entry)?;
    }
    Ok(Stored {
        job,
        version,
        lease,
    })
}

/// Moves the lease; with an entry, as a transition of its own.
pub(super) fn set_lease(
    transaction: &Transaction<'_>,
    stored: Stored,
    lease: Lease,
    entry: Option<&HistoryEntry>,
) -> Result<Stored, RepositoryError> {
    let Stored {
        mut job, version, ..
    } = stored;
    let version = version + u64::from(entry.is_some());
    if let Some(entry) = entry {
        // As with every transition: what comes next is not told as earlier than this.
        job.updated_at = job.updated_at.max(entry.at);
    }
    transaction
        .prepare_cached(
            "UPDATE jobs SET version = ?2, holder = ?3, epoch = ?4, change = ?5, document = ?6 \
             WHERE id = ?1",
        )?
        .execute(params![
            job.id,
            version,
            lease.holder,
            lease.epoch,
            next_change(transaction)?,
            encode(&job)?
        ])?;
    if let Some(entry) = entry {
        append(transaction, &job.id, version, lease.epoch, entry)?;
    }
    Ok(Stored {
        job,
        version,
        lease,
    })
}

pub(super) fn scan(
    connection: &Connection,
    after: Option<String>,
    limit: usize,
) -> Result<ScanPage, RepositoryError> {
    // Time and id of the last row of the page before.
    let (at, id) = match &after {
        None => (i64::MAX, ""),
        Some(after) => after
            .split_once(' ')
            .and_then(|(at, id)| Some((at.parse().ok()?, id)))
            .ok_or_else(|| RepositoryError::Unavailable(format!("no such page: {after}")))?,
    };
    let mut statement = connection.prepare_cached(&format!(
        "{SELECT} WHERE (created_at, id) < (?1, ?2) ORDER BY created_at DESC, id DESC LIMIT ?3"
    ))?;
    let rows = statement.query_map(params![at, id, limit], read)?;
    let mut page = ScanPage::default();
    for (index, row) in rows.enumerate() {
        let row = row?;
        if index + 1 == limit {
            page.next = Some(format!("{} {}", row.created_at.0, row.id));
        }
        match decode(row) {
            Ok(stored) => page.jobs.push(stored),
            Err(error) => page.unreadable.push(error),
        }
    }
    Ok(page)
}

pub(super) fn last_change(connection: &Connection) -> Result<u64, RepositoryError> {
    Ok(connection
        .prepare_cached("SELECT value FROM counters WHERE name = 'change'")?
        .query_row([], |row| row.get(0))?)
}

pub(super) fn changes(
    connection: &Connection,
    after: u64,
    limit: usize,
) -> Result<Changes, RepositoryError> {
    let mut statement = connection.prepare_cached(&format!(
        "{SELECT} WHERE change > ?1 ORDER BY change LIMIT ?2"
    ))?;
    let mut changes = Changes::default();
    changes.position.advance(super::CHANGES, after);
    let mut found = 0;
    for row in statement.query_map(params![after, limit], read)? {
        let row = row?;
        found += 1;
        changes.position.advance(super::CHANGES, row.change);
        match decode(row) {
            Ok(stored) => changes.jobs.push(stored),
            Err(error) => changes.unreadable.push(error),
        }
    }
    changes.more = found == limit;
    Ok(changes)
}

pub(super) fn history(
    connection: &Connection,
    id: &str,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<HistoryEntry>, RepositoryError> {
    let before = before.map_or(i64::MAX, |version| {
        i64::try_from(version).unwrap_or(i64::MAX)
    });
    let mut statement = connection.prepare_cached(
        "SELECT version, at, attempt, phase, note, actor, epoch FROM history \
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
            epoch: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<Vec<_>, _>>()?)
}

pub(super) fn forget(
    transaction: &Transaction<'_>,
    id: &str,
    expected: u64,
) -> Result<(), RepositoryError> {
    let removed = transaction.execute(
        "DELETE FROM jobs WHERE id = ?1 AND version = ?2 AND phase = 'deleted'",
        params![id, expected],
    )?;
    if removed == 0 {
        return Err(match find(transaction, id)? {
            Some(_) => RepositoryError::Conflict {
                id: id.to_owned(),
                expected,
            },
            None => RepositoryError::Missing(id.to_owned()),
        });
    }
    transaction.execute("DELETE FROM history WHERE job_id = ?1", [id])?;
    transaction.execute("DELETE FROM idempotency WHERE job_id = ?1", [id])?;
    Ok(())
}

pub(super) fn trim_history(
    transaction: &Transaction<'_>,
    before: Timestamp,
    limit: usize,
) -> Result<usize, RepositoryError> {
    Ok(transaction.execute(
        "DELETE FROM history WHERE (job_id, version) IN ( \
             SELECT history.job_id, history.version FROM history \
             JOIN jobs ON jobs.id = history.job_id \
             WHERE history.at < ?1 AND jobs.active = 0 LIMIT ?2)",
        params![before.0, limit],
    )?)
}
