//! A table's file, line by line.
//!
//! Owns what the comment lines of `-outfmt 7` mean, and the limits of what is unpacked.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;
use tokio_util::sync::CancellationToken;

use super::OthersError;

/// The longest line, in bytes (ours): an alignment of a chromosome.
const MAX_LINE: u64 = 1 << 30;

/// How a compressed file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What bounds the reading of the files of one search.
#[derive(Debug, Clone)]
pub struct Bounds {
    left: Arc<AtomicU64>,
    limit: u64,
    stop: CancellationToken,
}

impl Bounds {
    pub(super) fn new(limit: u64, stop: CancellationToken) -> Self {
        Self {
            left: Arc::new(AtomicU64::new(limit)),
            limit,
            stop,
        }
    }
}

/// What a compressed file holds, within the bounds.
pub(super) struct Unpacked {
    inner: Inner,
    bounds: Bounds,
}

enum Inner {
    Packed(MultiGzDecoder<BufReader<File>>),
    /// What was made here.
    Plain(BufReader<File>),
}

impl Read for Inner {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Packed(packed) => packed.read(buffer),
            Self::Plain(plain) => plain.read(buffer),
        }
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.bounds.stop.is_cancelled() {
            return Err(std::io::Error::other(OthersError::Stopped));
        }
        let read = self.inner.read(buffer)?;
        let left = &self.bounds.left;
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(read as u64)
        });
        if taken.is_err() {
            let limit = elb_core::text::bytes(self.bounds.limit);
            return Err(std::io::Error::other(format!(
                "the results unpack to more than {limit}, which is the most that is read here"
            )));
        }
        Ok(read)
    }
}

pub(super) fn open(path: &Path, bounds: &Bounds) -> std::io::Result<BufReader<Unpacked>> {
    let mut file = BufReader::new(File::open(path)?);
    let packed = file.fill_buf()?.starts_with(&GZIP);
    let unpacked = Unpacked {
        inner: if packed {
            Inner::Packed(MultiGzDecoder::new(file))
        } else {
            Inner::Plain(file)
        },
        bounds: bounds.clone(),
    };
    Ok(BufReader::with_capacity(1 << 17, unpacked))
}

/// Writes what a compressed file holds into another one.
///
/// # Errors
/// If the file is damaged or cut off, holds more than [`super::MAX_UNPACKED`], or cannot be written.
pub fn unpacked(from: &Path, to: &Path, stop: &CancellationToken) -> Result<(), OthersError> {
    let bounds = Bounds::new(super::MAX_UNPACKED, stop.clone());
    let mut reader = open(from, &bounds)?;
    let mut out = File::create(to)?;
    std::io::copy(&mut reader, &mut out)?;
    Ok(())
}

/// One line of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// The name and title of the query whose rows follow.
    Query(String),
    /// Names of the columns.
    Fields(String),
    /// The end of what stands before the rows of a query.
    Found,
    /// The end of the table: how many queries were searched.
    End(u64),
    /// Another comment, whole.
    Comment(String),
    /// A row.
    Row(String),
}

/// A table.
pub(super) struct Lines<R> {
    reader: R,
    comments: bool,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// With `comments` a line that begins with `#` is none of the rows.
    pub(super) const fn new(reader: R, comments: bool) -> Self {
        Self {
            reader,
            comments,
            buffer: Vec::new(),
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Line>, OthersError> {
        loop {
            self.buffer.clear();
            let mut limited = (&mut self.reader).take(MAX_LINE);
            if limited.read_until(b'\n', &mut self.buffer)? == 0 {
                return Ok(None);
            }
            let Some(line) = self.buffer.strip_suffix(b"\n") else {
                return Err(OthersError::Broken(
                    "the table is cut off in its last line".to_owned(),
                ));
            };
            let line = String::from_utf8_lossy(line);
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                continue;
            }
            let comment = line.strip_prefix("# ").filter(|_| self.comments);
            return Ok(Some(comment.map_or_else(
                || Line::Row(line.to_owned()),
                |comment| meaning(comment, line),
            )));
        }
    }
}

fn meaning(comment: &str, line: &str) -> Line {
    if let Some(query) = comment.strip_prefix("Query: ") {
        return Line::Query(query.to_owned());
    }
    if comment == "Query:" {
        return Line::Query(String::new());
    }
    if let Some(fields) = comment.strip_prefix("Fields: ") {
        return Line::Fields(fields.to_owned());
    }
    if comment.ends_with(" hits found") {
        return Line::Found;
    }
    let ended = comment.strip_prefix("BLAST processed ");
    let ended = ended.and_then(|rest| rest.split(' ').next()?.parse().ok());
    ended.map_or_else(|| Line::Comment(line.to_owned()), Line::End)
}
