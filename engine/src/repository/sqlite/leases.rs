//! Statements over leases and the processes that hold them.

use elb_core::view::HistoryEntry;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::rows;
use crate::repository::{Beat, Lease, RepositoryError, Stored};

/// Who wants which lease, and why it may be taken.
pub(super) struct Claim {
    pub id: String,
    pub seen: Lease,
    pub silent: Option<Beat>,
    pub holder: String,
    pub entry: Option<HistoryEntry>,
}

pub(super) fn claim(
    transaction: &Transaction<'_>,
    claim: &Claim,
) -> Result<Stored, RepositoryError> {
    let stored = rows::find(transaction, &claim.id)?
        .ok_or_else(|| RepositoryError::Missing(claim.id.clone()))?;
    let known: Option<u64> = transaction
        .prepare_cached("SELECT beats FROM holders WHERE id = ?1")?
        .query_row([&claim.seen.holder], |row| row.get(0))
        .optional()?;
    let free = match known {
        _ if claim.seen.holder.is_empty() => true,
        None => true,
        Some(beats) => claim
            .silent
            .as_ref()
            .is_some_and(|silent| silent.holder == claim.seen.holder && silent.beats == beats),
    };
    if !free || stored.lease != claim.seen || !stored.job.phase.is_active() {
        return Err(RepositoryError::Fenced {
            id: claim.id.clone(),
            epoch: stored.lease.epoch,
        });
    }
    if known.is_some() && !claim.seen.holder.is_empty() {
        // It is as good as gone; should it live after all, it begins anew under another id.
        transaction.execute("DELETE FROM holders WHERE id = ?1", [&claim.seen.holder])?;
    }
    let lease = Lease {
        holder: claim.holder.clone(),
        epoch: stored.lease.epoch + 1,
    };
    rows::set_lease(transaction, stored, lease, claim.entry.as_ref())
}

pub(super) fn beat(transaction: &Transaction<'_>, holder: &str) -> Result<(), RepositoryError> {
    transaction
        .prepare_cached(
            "INSERT INTO holders (id, beats) VALUES (?1, 1) \
             ON CONFLICT (id) DO UPDATE SET beats = beats + 1",
        )?
        .execute([holder])?;
    Ok(())
}

pub(super) fn beats(connection: &Connection) -> Result<Vec<Beat>, RepositoryError> {
    let mut statement = connection.prepare_cached("SELECT id, beats FROM holders")?;
    let rows = statement.query_map([], |row| {
        Ok(Beat {
            holder: row.get(0)?,
            beats: row.get(1)?,
        })
    })?;
    Ok(rows.collect::<Result<Vec<_>, _>>()?)
}

pub(super) fn leave(transaction: &Transaction<'_>, holder: &str) -> Result<(), RepositoryError> {
    let held: Vec<String> = transaction
        .prepare_cached("SELECT id FROM jobs WHERE active = 1 AND holder = ?1")?
        .query_map([holder], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in held {
        // Numbered as writes, so that other processes see at once that these jobs are free.
        let change = rows::next_change(transaction)?;
        transaction
            .prepare_cached("UPDATE jobs SET holder = '', change = ?2 WHERE id = ?1")?
            .execute(params![id, change])?;
    }
    transaction.execute("DELETE FROM holders WHERE id = ?1", [holder])?;
    Ok(())
}

pub(super) fn forget_others(
    transaction: &Transaction<'_>,
    holder: &str,
) -> Result<(), RepositoryError> {
    transaction.execute("DELETE FROM holders WHERE id <> ?1", [holder])?;
    Ok(())
}
