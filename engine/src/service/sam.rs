//! SAM as readers of SAM expect it: one head, then the alignments.
//!
//! `blast_formatter` writes head lines once for each batch of a split search, in the middle of the
//! alignments. So its output is gathered in a file, its head lines are sent first, each once, and then
//! the rest in order. Holds the head lines' fingerprints, never the file.

use std::{
    collections::HashSet,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, BufRead, BufReader, Seek},
    path::Path,
};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use tempfile::NamedTempFile;
use tokio::{process::Command, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::ServiceError;
use crate::toolkit::{Tool, Toolkit};

/// How much is gathered before it is handed on, in bytes.
const PIECE: usize = 64 * 1_024;
/// Pieces that may wait for a slow reader.
const PIECES_UNDER_WAY: usize = 4;
/// How long the formatter may take.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Runs the formatter to its end and gives its output with one head.
pub(super) async fn with_one_head(
    toolkit: &Toolkit,
    mut formatter: Command,
    scratch: &Path,
) -> Result<BoxStream<'static, io::Result<Bytes>>, ServiceError> {
    let written = NamedTempFile::new_in(scratch).map_err(|error| {
        ServiceError::Internal(format!("the SAM file cannot be written: {error}"))
    })?;
    formatter.arg("-out").arg(written.path());
    let outcome = toolkit.run(formatter, Tool::BlastFormatter, LIMIT).await;
    outcome.map_err(|error| ServiceError::Internal(error.to_string()))?;
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(PIECES_UNDER_WAY);
    tokio::task::spawn_blocking(move || {
        let mut gathered = Vec::with_capacity(PIECE);
        let mut take = |line: &[u8]| {
            gathered.extend_from_slice(line);
            if gathered.len() < PIECE {
                return Ok(());
            }
            let piece = std::mem::replace(&mut gathered, Vec::with_capacity(PIECE));
            hand_on(&sender, piece)
        };
        let outcome = written
            .reopen()
            .and_then(|mut file| rearranged(&mut file, &mut take));
        match outcome {
            // Whoever has gone away needs no last piece.
            Ok(()) => drop(hand_on(&sender, gathered)),
            Err(error) => drop(sender.blocking_send(Err(error))),
        }
    });
    Ok(ReceiverStream::new(receiver).boxed())
}

fn hand_on(sender: &mpsc::Sender<io::Result<Bytes>>, piece: Vec<u8>) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    sender.blocking_send(Ok(Bytes::from(piece))).map_err(gone)
}

/// Head lines first, each once; then all others.
fn rearranged(file: &mut File, take: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut seen = HashSet::new();
    each_line(file, |line| {
        let mut hash = DefaultHasher::new();
        line.hash(&mut hash);
        if line.first() == Some(&b'@') && seen.insert(hash.finish()) {
            take(line)?;
        }
        Ok(())
    })?;
    file.rewind()?;
    each_line(file, |line| {
        if line.first() == Some(&b'@') {
            Ok(())
        } else {
            take(line)
        }
    })
}

fn each_line(file: &mut File, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(PIECE, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        take(&line)?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::Write;

    use super::*;

    #[test]
    fn head_lines_come_first_and_once_and_alignments_keep_their_order() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"@HD\tVN:1.2\n@SQ\tSN:a\nq1\n@HD\tVN:1.2\n@SQ\tSN:b\n@SQ\tSN:a\nq3\nq2")
            .unwrap();
        file.rewind().unwrap();
        let mut out = Vec::new();
        rearranged(&mut file, &mut |line| {
            out.extend_from_slice(line);
            Ok(())
        })
        .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "@HD\tVN:1.2\n@SQ\tSN:a\n@SQ\tSN:b\nq1\nq3\nq2"
        );
    }
}
