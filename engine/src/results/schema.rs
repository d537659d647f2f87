//! The layout of the index file.
//!
//! Owns the tables and the check that a file is one of ours. Subjects and HSPs are numbered through
//! the whole file in the order in which they come, so that a query's subjects and a subject's HSPs are
//! ranges of row numbers: no page needs an index, and none reads another query's rows.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::ResultsError;

/// The layout that this program writes and reads.
pub(super) const LAYOUT: i64 = 2;
/// Marks the file as an index of hits ("ELBH").
pub(super) const APPLICATION: i64 = 0x454c_4248;

/// Keys of what the pages must say of the hits begin with this.
pub(super) const NOTE: &str = "note-";

/// The tables. `letters` holds both aligned sequences, packed (see `letters`).
pub(super) const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE queries (
    ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT NOT NULL, letters INTEGER NOT NULL,
    first_subject INTEGER NOT NULL DEFAULT 0, hits INTEGER NOT NULL DEFAULT 0, hsps INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE subjects (
    number INTEGER PRIMARY KEY, first_hsp INTEGER NOT NULL, hsps INTEGER NOT NULL, length INTEGER NOT NULL,
    max_score REAL NOT NULL, total_score REAL NOT NULL, coverage INTEGER NOT NULL, evalue REAL NOT NULL,
    identity REAL NOT NULL, accession TEXT NOT NULL, id TEXT NOT NULL, taxids TEXT NOT NULL,
    names TEXT NOT NULL, title TEXT NOT NULL
) STRICT;
CREATE TABLE hsps (
    number INTEGER PRIMARY KEY, query_start INTEGER NOT NULL, query_end INTEGER NOT NULL,
    subject_start INTEGER NOT NULL, subject_end INTEGER NOT NULL, evalue REAL NOT NULL,
    bit_score REAL NOT NULL, score INTEGER NOT NULL, length INTEGER NOT NULL, identities INTEGER NOT NULL,
    positives INTEGER NOT NULL, mismatches INTEGER NOT NULL, gap_openings INTEGER NOT NULL,
    gaps INTEGER NOT NULL, query_frame INTEGER NOT NULL, subject_frame INTEGER NOT NULL,
    letters BLOB NOT NULL
) STRICT;
";

/// Made when all rows are there: queries with hits, without a walk over the others.
pub(super) const INDEXES: &str =
    "CREATE INDEX queries_with_hits ON queries (ordinal) WHERE hits > 0;";

/// Opens a finished index for reading.
pub(super) fn open(path: &Path) -> Result<Connection, ResultsError> {
    if !path.try_exists()? {
        return Err(ResultsError::Missing);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    if number("PRAGMA application_id")? != APPLICATION {
        return Err(ResultsError::Corrupt("it is no index of hits".to_owned()));
    }
    match number("PRAGMA user_version")? {
        LAYOUT => Ok(connection),
        newer if newer > LAYOUT => Err(ResultsError::Newer(newer)),
        older => Err(ResultsError::Older(older)),
    }
}
