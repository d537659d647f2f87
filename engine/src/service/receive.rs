//! Receiving a query: streamed, decompressed, checked and normalised on its way to a scratch file.
//!
//! Owns the byte limit on both sides of the decompression. Never holds the query in memory; the
//! scratch file vanishes with the value unless the query is submitted.

use std::{
    io::{self, Write},
    path::Path,
};

use elb_core::{
    fasta::{Checker, Expect, Limits, Report},
    molecule::Molecule,
    text,
};
use flate2::write::MultiGzDecoder;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::{io::AsyncReadExt, sync::mpsc};

use super::ServiceError;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1_024;
/// Chunks that may wait between the network and the checker: bounds the memory of one upload.
const CHUNKS_UNDER_WAY: usize = 8;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A query that has arrived.
#[derive(Debug)]
pub struct ReceivedQuery {
    /// The normalised FASTA.
    pub file: NamedTempFile,
    /// What the checker found.
    pub report: Report,
    /// Size of the normalised FASTA in bytes.
    pub bytes: u64,
    /// SHA-256 of the normalised FASTA, in hexadecimal.
    pub digest: String,
}

/// The checker with the file that it writes to.
struct Sink {
    checker: Checker,
    file: io::BufWriter<NamedTempFile>,
    hash: Sha256,
    written: u64,
    accepted: u64,
    limit: u64,
    failed: Option<io::Error>,
}

impl Sink {
    fn keep(file: &mut impl Write, hash: &mut Sha256, written: &mut u64, failed: &mut Option<io::Error>, bytes: &[u8]) {
        if failed.is_none() {
            hash.update(bytes);
            *written += bytes.len() as u64;
            *failed = file.write_all(bytes).err();
        }
    }
}

impl Write for Sink {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        self.accepted += chunk.len() as u64;
        if self.accepted > self.limit {
            let limit = text::bytes(self.limit);
            let message = format!("the query is larger than {limit}; split it into several searches");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        let Self { checker, file, hash, written, failed, .. } = self;
        checker.push(chunk, &mut |bytes: &[u8]| Self::keep(file, hash, written, failed, bytes));
        match self.failed.take() {
            Some(error) => Err(error),
            None => Ok(chunk.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Plain or gzip, decided by the first two bytes and not by a name.
enum Intake {
    Undecided(Sink, Vec<u8>),
    Plain(Sink),
    Gzip(Box<MultiGzDecoder<Sink>>),
}

impl Intake {
    fn push(self, chunk: &[u8]) -> io::Result<Self> {
        match self {
            Self::Undecided(sink, mut first) => {
                first.extend_from_slice(chunk);
                if first.len() < GZIP_MAGIC.len() {
                    return Ok(Self::Undecided(sink, first));
                }
                let decided = if first.starts_with(&GZIP_MAGIC) {
                    Self::Gzip(Box::new(MultiGzDecoder::new(sink)))
                } else {
                    Self::Plain(sink)
                };
                decided.push(&first)
            }
            Self::Plain(mut sink) => {
                sink.write_all(chunk)?;
                Ok(Self::Plain(sink))
            }
            Self::Gzip(mut decoder) => {
                decoder.write_all(chunk)?;
                Ok(Self::Gzip(decoder))
            }
        }
    }

    fn finish(self) -> io::Result<Sink> {
        match self {
            Self::Undecided(mut sink, first) => {
                sink.write_all(&first)?;
                Ok(sink)
            }
            Self::Plain(sink) => Ok(sink),
            Self::Gzip(decoder) => decoder.finish(),
        }
    }
}

/// Reads `source` to its end. Problems of the FASTA are in the report and no error here.
///
/// # Errors
/// [`ServiceError::BadRequest`] if it is too large or its compression is damaged, and
/// [`ServiceError::Internal`] if it cannot be written down.
pub async fn receive_query(
    mut source: impl tokio::io::AsyncRead + Unpin + Send,
    molecule: Molecule,
    limit: u64,
    scratch: &Path,
) -> Result<ReceivedQuery, ServiceError> {
    let limits = Limits {
        bytes: limit,
        ..Limits::default()
    };
    let (chunks, mut arriving) = mpsc::channel::<Vec<u8>>(CHUNKS_UNDER_WAY);
    let folder = scratch.to_owned();
    let checking = tokio::task::spawn_blocking(move || -> io::Result<Sink> {
        let sink = Sink {
            checker: Checker::new(Expect::Query(molecule), limits),
            file: io::BufWriter::new(NamedTempFile::new_in(folder)?),
            hash: Sha256::new(),
            written: 0,
            accepted: 0,
            limit,
            failed: None,
        };
        let mut intake = Intake::Undecided(sink, Vec::new());
        while let Some(chunk) = arriving.blocking_recv() {
            intake = intake.push(&chunk)?;
        }
        intake.finish()
    });
    let mut broken = None;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        match source.read_buf(&mut chunk).await {
            Ok(0) => break,
            // The other end is gone only when it has met an error, which it returns below.
            Ok(_) => {
                if chunks.send(chunk).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    drop(chunks);
    let checked = checking.await.map_err(|error| ServiceError::Internal(error.to_string()))?;
    if let Some(error) = broken {
        return Err(ServiceError::BadRequest(format!("the query did not arrive whole: {error}")));
    }
    let sink = checked.map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => ServiceError::BadRequest(error.to_string()),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            ServiceError::BadRequest(format!("the gzip file is damaged: {error}"))
        }
        _ => ServiceError::Internal(format!("the query cannot be written down: {error}")),
    })?;
    finish(sink)
}

fn finish(sink: Sink) -> Result<ReceivedQuery, ServiceError> {
    let Sink { checker, mut file, mut hash, mut written, mut failed, .. } = sink;
    let report = checker.finish(&mut |bytes: &[u8]| {
        Sink::keep(&mut file, &mut hash, &mut written, &mut failed, bytes);
    });
    let unwritten = |error: &io::Error| {
        ServiceError::Internal(format!("the query cannot be written down: {error}"))
    };
    if let Some(error) = failed {
        return Err(unwritten(&error));
    }
    let file = file.into_inner().map_err(|error| unwritten(error.error()))?;
    let digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(ReceivedQuery {
        file,
        report,
        bytes: written,
        digest,
    })
}
