//! Statements over submit slots and their lines.

use elb_core::time::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::repository::{RepositoryError, SlotHolder, SlotRequest, SlotTurn};

pub(super) fn take(
    transaction: &Transaction<'_>,
    request: &SlotRequest,
) -> Result<SlotTurn, RepositoryError> {
    let holder: Option<SlotHolder> = transaction
        .prepare_cached(
            "SELECT job_id, epoch, since, renewals FROM slots WHERE name = ?1 AND job_id <> ''",
        )?
        .query_row([&request.slot], |row| {
            Ok(SlotHolder {
                job_id: row.get(0)?,
                epoch: row.get(1)?,
                since: Timestamp(row.get(2)?),
                renewals: row.get(3)?,
            })
        })
        .optional()?;
    if holder
        .as_ref()
        .is_some_and(|holder| holder.job_id == request.job_id)
    {
        return Ok(SlotTurn::Yours { taken_from: None });
    }
    let silent = holder.is_some() && holder == request.silent;
    let held = match &holder {
        Some(holder) => !silent && at_work(transaction, &holder.job_id)?,
        None => false,
    };
    // Whoever has ended, or is to end, waits no more.
    transaction.execute(
        "DELETE FROM slot_lines WHERE name = ?1 AND job_id NOT IN \
         (SELECT id FROM jobs WHERE active = 1 AND phase <> 'cancelling')",
        [&request.slot],
    )?;
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO slot_lines (name, created_at, job_id) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![request.slot, request.created_at.0, request.job_id])?;
    let ahead: usize = transaction
        .prepare_cached(
            "SELECT count(*) FROM slot_lines WHERE name = ?1 AND (created_at, job_id) < (?2, ?3)",
        )?
        .query_row(
            params![request.slot, request.created_at.0, request.job_id],
            |row| row.get(0),
        )?;
    if held || ahead > 0 {
        return Ok(SlotTurn::Waiting {
            holder: holder.filter(|_| held),
            ahead,
        });
    }
    transaction.execute(
        "INSERT INTO slots (name, job_id, epoch, since, renewals) VALUES (?1, ?2, 1, ?3, 0) \
         ON CONFLICT (name) DO UPDATE SET job_id = ?2, epoch = epoch + 1, since = ?3, renewals = 0",
        params![request.slot, request.job_id, request.now.0],
    )?;
    transaction.execute(
        "DELETE FROM slot_lines WHERE name = ?1 AND job_id = ?2",
        [&request.slot, &request.job_id],
    )?;
    Ok(SlotTurn::Yours {
        taken_from: holder.filter(|_| silent),
    })
}

fn at_work(transaction: &Transaction<'_>, job_id: &str) -> Result<bool, RepositoryError> {
    let active: Option<bool> = transaction
        .prepare_cached("SELECT active FROM jobs WHERE id = ?1")?
        .query_row([job_id], |row| row.get(0))
        .optional()?;
    Ok(active.unwrap_or(false))
}

pub(super) fn renew(
    transaction: &Transaction<'_>,
    slot: &str,
    job_id: &str,
) -> Result<bool, RepositoryError> {
    let renewed = transaction.execute(
        "UPDATE slots SET renewals = renewals + 1 WHERE name = ?1 AND job_id = ?2",
        [slot, job_id],
    )?;
    Ok(renewed > 0)
}

pub(super) fn leave(
    transaction: &Transaction<'_>,
    slot: &str,
    job_id: &str,
) -> Result<(), RepositoryError> {
    // A free slot keeps its epoch: it grows with each job that takes the slot, whatever was in between.
    transaction.execute(
        "UPDATE slots SET job_id = '' WHERE name = ?1 AND job_id = ?2",
        [slot, job_id],
    )?;
    transaction.execute(
        "DELETE FROM slot_lines WHERE name = ?1 AND job_id = ?2",
        [slot, job_id],
    )?;
    Ok(())
}
