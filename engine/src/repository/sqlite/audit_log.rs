//! Statements over the audit log, in the same file as the jobs.

use async_trait::async_trait;
use elb_core::{
    audit_log::{AuditAction, AuditFilter, AuditKey, AuditOutcome, AuditRecord},
    time::Timestamp,
};
use rusqlite::{Connection, Row, Transaction, params};

use super::SqliteRepository;
use crate::{
    audit_log::{AuditLog, AuditPage, MAX_LOOKED_AT},
    repository::RepositoryError,
};

#[async_trait]
impl AuditLog for SqliteRepository {
    async fn append(&self, records: &[AuditRecord]) -> Result<(), RepositoryError> {
        let records = records.to_vec();
        self.write(move |transaction| append(transaction, &records))
            .await
    }

    async fn page(
        &self,
        before: Option<&AuditKey>,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<AuditPage, RepositoryError> {
        let (before, filter) = (before.cloned(), filter.clone());
        self.read(move |connection| page(connection, before.as_ref(), &filter, limit))
            .await
    }

    async fn trim(&self, before: Timestamp, limit: usize) -> Result<usize, RepositoryError> {
        self.write(move |transaction| trim(transaction, before, limit))
            .await
    }
}

fn append(transaction: &Transaction<'_>, records: &[AuditRecord]) -> Result<(), RepositoryError> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO audit_log (id, actor, action, job_id, detail, outcome, code, request_id) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING",
    )?;
    for record in records {
        insert.execute(params![
            record.id.as_str(),
            record.actor,
            record.action.as_str(),
            record.job_id,
            record.detail,
            record.outcome.as_str(),
            record.outcome.code(),
            record.request_id,
        ])?;
    }
    Ok(())
}

/// After every key.
const END: &str = "g";

fn page(
    connection: &Connection,
    before: Option<&AuditKey>,
    filter: &AuditFilter,
    limit: usize,
) -> Result<AuditPage, RepositoryError> {
    const COLUMNS: &str = "SELECT id, actor, action, job_id, detail, outcome, code, request_id";
    let before = before.map_or(END, AuditKey::as_str);
    let all = format!("{COLUMNS} FROM audit_log WHERE id < ?1 ORDER BY id DESC");
    let of_job = format!("{COLUMNS} FROM audit_log WHERE job_id = ?2 AND id < ?1 ORDER BY id DESC");
    let mut statement;
    // Rows are read as they are asked for: what is not looked at costs nothing.
    let mut rows = match &filter.job_id {
        None => {
            statement = connection.prepare_cached(&all)?;
            statement.query([before])?
        }
        Some(job) => {
            statement = connection.prepare_cached(&of_job)?;
            statement.query([before, job])?
        }
    };
    let mut page = AuditPage::default();
    let mut last = None;
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        if looked_at == MAX_LOOKED_AT {
            page.next = last;
            break;
        }
        looked_at += 1;
        let id: String = row.get("id")?;
        // A key that is none would hold up every page behind it.
        let Some(id) = AuditKey::parse(&id) else {
            page.unreadable += 1;
            continue;
        };
        last = Some(id.clone());
        match record(id, row)? {
            // One more that fits: only then there is another page.
            Some(record) if filter.admits(&record) && page.records.len() == limit => {
                page.next = page.records.last().map(|record| record.id.clone());
                break;
            }
            Some(record) if filter.admits(&record) => page.records.push(record),
            Some(_) => {}
            None => page.unreadable += 1,
        }
    }
    Ok(page)
}

/// A row as a record; `None` if its words are none of this program's.
fn record(id: AuditKey, row: &Row<'_>) -> Result<Option<AuditRecord>, RepositoryError> {
    let action: String = row.get("action")?;
    let outcome: String = row.get("outcome")?;
    let outcome = AuditOutcome::of(&outcome, row.get("code")?);
    let (Some(action), Some(outcome)) = (AuditAction::parse(&action), outcome) else {
        return Ok(None);
    };
    Ok(Some(AuditRecord {
        at: id.at(),
        id,
        actor: row.get("actor")?,
        action,
        job_id: row.get("job_id")?,
        detail: row.get("detail")?,
        outcome,
        request_id: row.get("request_id")?,
    }))
}

fn trim(
    transaction: &Transaction<'_>,
    before: Timestamp,
    limit: usize,
) -> Result<usize, RepositoryError> {
    let first_kept = AuditKey::first_of(before);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(transaction.execute(
        "DELETE FROM audit_log WHERE id IN \
         (SELECT id FROM audit_log WHERE id < ?1 ORDER BY id LIMIT ?2)",
        params![first_kept.as_str(), limit],
    )?)
}
