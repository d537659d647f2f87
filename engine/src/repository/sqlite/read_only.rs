//! The store as an onlooker opens it: while a server writes to it, and without a write of its own.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Mutex;

use super::{BUSY_TIMEOUT, SqliteRepository, schema};
use crate::repository::RepositoryError;

impl SqliteRepository {
    /// Opens an existing file for reading. A file of another schema is refused: to bring it up to date
    /// would be a write. Every method that writes fails.
    ///
    /// # Errors
    /// [`RepositoryError::TooNew`], [`RepositoryError::TooOld`], or [`RepositoryError::Unavailable`] if
    /// it is not there or cannot be read.
    pub fn open_read_only(path: &Path) -> Result<Self, RepositoryError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        schema::require_newest(&connection)?;
        let connection = Arc::new(Mutex::new(connection));
        Ok(Self {
            writer: Arc::clone(&connection),
            reader: connection,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;
    use crate::repository::Repository;

    #[tokio::test]
    async fn an_onlooker_reads_what_a_writer_writes_and_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.sqlite");
        assert!(SqliteRepository::open_read_only(&path).is_err());
        assert!(!path.exists(), "nothing is made");
        let writer = SqliteRepository::open(&path).unwrap();
        let onlooker = SqliteRepository::open_read_only(&path).unwrap();
        writer.beat("process").await.unwrap();
        assert_eq!(
            onlooker.beats().await.unwrap(),
            writer.beats().await.unwrap()
        );
        let refused = onlooker.beat("process").await.unwrap_err();
        assert!(refused.to_string().contains("readonly"), "{refused}");
    }

    #[test]
    fn a_store_of_another_schema_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.sqlite");
        drop(SqliteRepository::open(&path).unwrap());
        for (version, newer) in [(1, false), (99, true)] {
            let connection = Connection::open(&path).unwrap();
            connection
                .pragma_update(None, "user_version", version)
                .unwrap();
            drop(connection);
            let refused = SqliteRepository::open_read_only(&path).unwrap_err();
            let told = match refused {
                RepositoryError::TooNew { found, .. } => (found, true),
                RepositoryError::TooOld { found, .. } => (found, false),
                other => panic!("{other}"),
            };
            assert_eq!(told, (version, newer));
        }
    }
}
