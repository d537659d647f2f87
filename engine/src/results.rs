//! The index of a job's hits: one SQLite file, written once, read page by page.
//!
//! Owns its layout. The table that `blast_formatter` writes is read once, row by row; every page is
//! then a range of row numbers of one query, so that a result of 500,000 HSPs opens like one of 50.
//! Every call here blocks on the disk: callers run them on `spawn_blocking`.

use thiserror::Error;

mod build;
mod cursor;
mod export;
mod letters;
pub mod others;
mod read;
mod schema;
mod subjects;
mod table;

pub use build::{IndexBuilder, QueryInput};
pub use elb_core::hits::page::{
    AlignmentPage, DescriptionsPage, DescriptionsRequest, HspPage, IndexMeta, MAX_ROWS, QueryPage,
    SubjectSort, Totals,
};
pub use read::ResultsIndex;

/// What went wrong with an index.
#[derive(Debug, Error)]
pub enum ResultsError {
    /// There is no such file.
    #[error("the index of the hits is not there; collect the results of this job again")]
    Missing,
    /// It is damaged, or no index at all.
    #[error("the index of the hits is damaged ({0}); collect the results of this job again")]
    Corrupt(String),
    /// It was written by a newer program.
    #[error(
        "the index of the hits has layout {0}, which this program does not know yet; start the newer program"
    )]
    Newer(i64),
    /// It was written by an older program.
    #[error(
        "the index of the hits has layout {0}, which this program no longer reads; collect the results of this job again"
    )]
    Older(i64),
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
    /// The query has no such subject.
    #[error("query number {query} has no hit number {subject} in these results")]
    NoSubject {
        /// Position of the query.
        query: u64,
        /// Position of the subject that was asked for.
        subject: u64,
    },
    /// SQLite could not do its work.
    #[error("the index of the hits cannot be used: {0}")]
    Database(#[source] rusqlite::Error),
    /// Reading or writing a file failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl From<rusqlite::Error> for ResultsError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Self::Corrupt(error.to_string()),
            _ => Self::Database(error),
        }
    }
}

#[cfg(test)]
mod tests;
