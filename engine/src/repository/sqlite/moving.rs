//! Statements that move jobs from one store to another.

use elb_core::time::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::rows;
use crate::repository::{IdempotencyKey, Kept, Moved, RepositoryError};

pub(super) fn kept(connection: &Connection, id: &str) -> Result<Option<Kept>, RepositoryError> {
    let Some(stored) = rows::find(connection, id)? else {
        return Ok(None);
    };
    let mut statement = connection.prepare_cached(
        "SELECT owner, key, expires_at FROM idempotency WHERE job_id = ?1 ORDER BY owner, key",
    )?;
    let keys = statement.query_map([id], |row| {
        Ok(IdempotencyKey {
            owner: row.get(0)?,
            key: row.get(1)?,
            expires_at: Timestamp(row.get(2)?),
        })
    })?;
    Ok(Some(Kept {
        stored,
        history: rows::history(connection, id, None, usize::MAX >> 1)?,
        keys: keys.collect::<Result<_, _>>()?,
    }))
}

pub(super) fn move_in(
    transaction: &Transaction<'_>,
    kept: &Kept,
) -> Result<Moved, RepositoryError> {
    let mut wanted = kept.clone();
    // Whoever drove it is not here.
    wanted.stored.lease.holder.clear();
    if let Some(mut there) = self::kept(transaction, &wanted.stored.job.id)? {
        there.stored.lease.holder.clear();
        let same = there.stored == wanted.stored && there.history == wanted.history;
        return Ok(if same { Moved::Same } else { Moved::Differs });
    }
    let stored = wanted.stored;
    let id = stored.job.id.clone();
    rows::insert(transaction, &stored)?;
    for entry in &wanted.history {
        rows::append(transaction, &id, entry.version, entry.epoch, entry)?;
    }
    for key in &wanted.keys {
        transaction.execute(
            "INSERT OR IGNORE INTO idempotency (owner, key, job_id, expires_at) VALUES (?1, ?2, ?3, ?4)",
            params![key.owner, key.key, id, key.expires_at.0],
        )?;
    }
    Ok(Moved::New)
}
