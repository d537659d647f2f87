//! The schema of the embedded store and how an older one becomes the newest.

use rusqlite::{Connection, TransactionBehavior};

use crate::repository::RepositoryError;

/// One script a schema version, in order; a released one never changes.
const MIGRATIONS: [&str; 2] = [
    include_str!("../../../migrations/001_jobs.sql"),
    include_str!("../../../migrations/002_leases.sql"),
];

/// Runs the scripts that the file has not seen, all or none.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), RepositoryError> {
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
