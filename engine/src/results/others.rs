//! Results of searches that others ran: BLAST+'s own output files, whatever format was asked for.
//!
//! Owns what can be made of them: the index of the hits, where the format tells enough, and one file of
//! all parts, where parts can be joined. Never guesses: what a file does not tell is said, and a file that
//! is cut off is an error. Memory is bounded by one line, and for a split database by one query's rows.

use thiserror::Error;

use super::ResultsError;

mod asked;
mod columns;
mod index;
mod join;
mod lines;
mod shards;
#[cfg(test)]
mod tests;

pub use asked::{Asked, kind_of};
pub use index::{BatchFiles, OthersIndex};
pub use join::{Join, end_line, merge_batch};
pub use lines::unpacked;

/// The most bytes that the files of one search may unpack to (ours): an index of them is as large.
pub const MAX_UNPACKED: u64 = 16 << 30;

/// Why something cannot be made of the files.
#[derive(Debug, Error)]
pub enum OthersError {
    /// The files are whole and do not tell what is needed.
    #[error("{0}")]
    NotTold(String),
    /// A file is not what it should be.
    #[error("{0}")]
    Broken(String),
    /// The index cannot be written.
    #[error(transparent)]
    Index(#[from] ResultsError),
    /// It was told to stop.
    #[error("this server was being stopped")]
    Stopped,
}

impl From<std::io::Error> for OthersError {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Name of a format in words, for its number.
#[must_use]
pub fn format_name(number: u8) -> String {
    let name = match number {
        0..=4 => "pairwise text",
        5 => "XML",
        6 => "table (tab-separated)",
        7 => "table with comment lines",
        10 => "CSV",
        11 => "BLAST archive (ASN.1)",
        14 | 16 => "XML2",
        13 | 15 => "JSON",
        17 => "SAM",
        _ => return format!("-outfmt {number}"),
    };
    format!("{name}, -outfmt {number}")
}
