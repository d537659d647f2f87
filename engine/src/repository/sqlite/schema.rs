//! The schema of the embedded store and how an older one becomes the newest.

use std::cmp::Ordering;

use rusqlite::{Connection, TransactionBehavior};

use crate::repository::RepositoryError;

/// One script a schema version, in order; a released one never changes.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../../migrations/001_jobs.sql"),
    include_str!("../../../migrations/002_leases.sql"),
    include_str!("../../../migrations/003_audit_log.sql"),
];

fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Refuses a file whose schema is not the newest.
pub(super) fn require_newest(connection: &Connection) -> Result<(), RepositoryError> {
    let (found, known) = (version(connection)?, newest());
    match found.cmp(&known) {
        Ordering::Less => Err(RepositoryError::TooOld { found, known }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(RepositoryError::TooNew { found, known }),
    }
}

/// Runs the scripts that the file has not seen, all or none.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), RepositoryError> {
    let known = newest();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
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
