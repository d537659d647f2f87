//! The index of a job's hits: one SQLite file, written once, read page by page.
//!
//! Owns its layout. The table that `blast_formatter` writes is read once, row by row; every page is
//! then a key range of one query, so that a result of 500,000 HSPs opens like one of 50. All calls
//! block: callers run them away from the async threads.

use rusqlite::Connection;
use thiserror::Error;

mod build;
mod read;

pub use build::{IndexBuilder, IndexMeta, QueryInput, Totals};
pub use read::{
    AlignmentPage, DescriptionsPage, DescriptionsRequest, HspPage, QueryPage, ResultsIndex, SubjectSort,
};

/// The layout that this program writes and reads.
const LAYOUT: i64 = 1;

/// What went wrong with an index.
#[derive(Debug, Error)]
pub enum ResultsError {
    /// It is not there or is no index.
    #[error("the index of the hits cannot be read: {0}")]
    Unreadable(#[from] rusqlite::Error),
    /// It was written by a newer program.
    #[error("the index of the hits has layout {0}, which this program does not know; start the newer program")]
    Layout(i64),
    /// A row of the table does not have the columns that were asked for.
    #[error("row {row} of BLAST+'s table is not understood: {why}")]
    Row {
        /// Number of the row, from 1.
        row: u64,
        /// What is wrong.
        why: String,
    },
    /// There is no such query.
    #[error("there is no query number {0} in these results")]
    NoQuery(u64),
    /// Reading or writing a file failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

fn layout_of(connection: &Connection) -> Result<i64, ResultsError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}
