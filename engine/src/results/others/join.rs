//! All batches as one file, in the format that they are in.
//!
//! Owns which formats can be joined: tables, whose rows follow each other, and archives, whose queries get
//! their numbers in the whole. The others are documents, of which two are not one.

use std::{io, path::Path};

use tokio_util::sync::CancellationToken;

use super::{
    Asked, BatchFiles, MAX_UNPACKED, OthersError, format_name, lines::Bounds, shards::Parts,
};
use crate::executor::local::Renumber;

/// The beginning of the line that ends a table with comments.
const END: &[u8] = b"# BLAST processed ";

/// Joins unpacked files while they come.
#[derive(Debug)]
pub enum Join {
    /// One after the other.
    Plain,
    /// The same, with one line at the end for all.
    Comments {
        /// A line whose end has not come yet.
        rest: Vec<u8>,
        /// Queries so far.
        queries: u64,
    },
    /// With queries renumbered.
    Archive {
        /// Of this batch.
        renumber: Renumber,
    },
}

impl Join {
    /// How files of that format are joined.
    ///
    /// # Errors
    /// Why they cannot be.
    pub fn of(format: u8) -> Result<Self, String> {
        match format {
            6 | 10 => Ok(Self::Plain),
            7 => Ok(Self::Comments {
                rest: Vec::new(),
                queries: 0,
            }),
            11 => Ok(Self::Archive {
                renumber: Renumber::counting(0),
            }),
            other => Err(format!(
                "files of this format ({}) cannot be joined into one",
                format_name(other)
            )),
        }
    }

    /// The next piece of a file, as far as it can be handed on.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => piece.to_vec(),
            Self::Archive { renumber } => renumber.push(piece),
            Self::Comments { rest, queries } => {
                let mut out = Vec::with_capacity(piece.len());
                for line in piece.split_inclusive(|byte| *byte == b'\n') {
                    rest.extend_from_slice(line);
                    if line.last() == Some(&b'\n') {
                        hand_on(rest, queries, &mut out);
                    }
                }
                out
            }
        }
    }

    /// A file has ended.
    pub fn end_of_file(&mut self) -> Vec<u8> {
        match self {
            Self::Plain => Vec::new(),
            Self::Archive { renumber } => {
                let last = renumber.finish();
                *renumber = Renumber::counting(renumber.highest());
                last
            }
            Self::Comments { rest, queries } => {
                let mut out = Vec::new();
                hand_on(rest, queries, &mut out);
                out
            }
        }
    }

    /// All files have ended.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        match self {
            Self::Comments { queries, .. } => end_line(*queries).into_bytes(),
            Self::Plain | Self::Archive { .. } => Vec::new(),
        }
    }
}

fn hand_on(rest: &mut Vec<u8>, queries: &mut u64, out: &mut Vec<u8>) {
    let line = std::mem::take(rest);
    let number = line.strip_prefix(END).and_then(|end| {
        let digits = end.split(|byte| *byte == b' ').next()?;
        std::str::from_utf8(digits).ok()?.parse::<u64>().ok()
    });
    match number {
        Some(number) => *queries += number,
        None => out.extend_from_slice(&line),
    }
}

/// The line that ends a table with comments.
#[must_use]
pub fn end_line(queries: u64) -> String {
    format!("# BLAST processed {queries} queries\n")
}

/// Writes the table of one batch, its parts joined; how many queries it is of.
///
/// # Errors
/// If the files are not whole or do not tell enough, or what `write` says.
pub fn merge_batch<P: AsRef<Path>>(
    batch: &BatchFiles<P>,
    format: u8,
    asked: &Asked,
    stop: &CancellationToken,
    mut write: impl FnMut(&str) -> io::Result<()>,
) -> Result<u64, OthersError> {
    let bounds = Bounds::new(MAX_UNPACKED, stop.clone());
    let queries = batch.queries.as_ref();
    let mut parts = Parts::open(&batch.parts, queries, format, asked, &bounds)?;
    while let Some(section) = parts.next()? {
        for comment in &section.comments {
            write(comment)?;
            write("\n")?;
        }
        if format == 7 {
            write(&format!("# {} hits found\n", section.rows.len()))?;
        }
        for row in &section.rows {
            write(row)?;
            write("\n")?;
        }
    }
    Ok(parts.processed())
}
