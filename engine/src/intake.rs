//! Taking in a FASTA file: streamed, decompressed, checked and normalised on its way to a file.
//!
//! Owns the byte limit on both sides of the decompression. Never holds the sequences in memory; the
//! file vanishes with the value unless it is kept. Queries and databases come in through here alike.

use std::{
    io::{self, Write},
    path::Path,
};

use elb_core::{
    fasta::{Checker, Report},
    text,
};
use flate2::write::MultiGzDecoder;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use thiserror::Error;
use tokio::{io::AsyncReadExt, sync::mpsc};

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1_024;
/// Chunks that may wait between the network and the checker: bounds the memory of one upload.
const CHUNKS_UNDER_WAY: usize = 8;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A FASTA file that has arrived.
#[derive(Debug)]
pub struct Intake {
    /// The normalised FASTA.
    pub file: NamedTempFile,
    /// What the checker found.
    pub report: Report,
    /// Size of the normalised FASTA in bytes.
    pub bytes: u64,
    /// SHA-256 of the normalised FASTA, in hexadecimal.
    pub digest: String,
}

/// Why it did not arrive.
#[derive(Debug, Error)]
pub enum IntakeError {
    /// Too large, damaged, or broken off.
    #[error("{0}")]
    Unacceptable(String),
    /// It cannot be written down.
    #[error("the upload cannot be written down: {0}")]
    Io(#[from] io::Error),
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

/// Writes a normalised piece down, until the first error.
fn keep(
    file: &mut impl Write,
    hash: &mut Sha256,
    written: &mut u64,
    failed: &mut Option<io::Error>,
    bytes: &[u8],
) {
    if failed.is_none() {
        hash.update(bytes);
        *written += bytes.len() as u64;
        *failed = file.write_all(bytes).err();
    }
}

impl Write for Sink {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        self.accepted += chunk.len() as u64;
        if self.accepted > self.limit {
            let limit = text::bytes(self.limit);
            let message = format!("The file is larger than {limit}. Split it into several parts.");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        let Self {
            checker,
            file,
            hash,
            written,
            failed,
            ..
        } = self;
        checker.push(chunk, &mut |bytes: &[u8]| {
            keep(file, hash, written, failed, bytes)
        });
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
enum Reader {
    Undecided(Sink, Vec<u8>),
    Plain(Sink),
    Gzip(Box<MultiGzDecoder<Sink>>),
}

impl Reader {
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

/// Reads `source` to its end; `progress` hears of the bytes that have arrived. Problems of the FASTA
/// are in the report and no error here.
///
/// # Errors
/// [`IntakeError::Unacceptable`] if it is too large, damaged or broken off, else what writing said.
pub async fn receive(
    mut source: impl tokio::io::AsyncRead + Unpin + Send,
    checker: Checker,
    limit: u64,
    folder: &Path,
    mut progress: impl FnMut(u64),
) -> Result<Intake, IntakeError> {
    let (chunks, mut arriving) = mpsc::channel::<Vec<u8>>(CHUNKS_UNDER_WAY);
    let file = NamedTempFile::new_in(folder)?;
    let checking = tokio::task::spawn_blocking(move || -> io::Result<Sink> {
        let sink = Sink {
            checker,
            file: io::BufWriter::new(file),
            hash: Sha256::new(),
            written: 0,
            accepted: 0,
            limit,
            failed: None,
        };
        let mut reader = Reader::Undecided(sink, Vec::new());
        while let Some(chunk) = arriving.blocking_recv() {
            reader = reader.push(&chunk)?;
        }
        reader.finish()
    });
    let mut broken = None;
    let mut arrived = 0_u64;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        match source.read_buf(&mut chunk).await {
            Ok(0) => break,
            Ok(read) => {
                arrived += read as u64;
                progress(arrived);
                // The other end is gone only when it has met an error, which it returns below.
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
    let checked = checking.await.map_err(io::Error::other)?;
    let sink = checked.map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => IntakeError::Unacceptable(error.to_string()),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            IntakeError::Unacceptable(format!(
                "The gzip file is damaged: {error}. Compress it again."
            ))
        }
        _ => IntakeError::Io(error),
    });
    if let Some(error) = broken {
        return Err(IntakeError::Unacceptable(format!(
            "The file did not arrive whole: {error}. Send it again."
        )));
    }
    finish(sink?)
}

fn finish(sink: Sink) -> Result<Intake, IntakeError> {
    let Sink {
        checker,
        mut file,
        mut hash,
        mut written,
        mut failed,
        ..
    } = sink;
    let report = checker.finish(&mut |bytes: &[u8]| {
        keep(&mut file, &mut hash, &mut written, &mut failed, bytes);
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(Intake {
        file,
        report,
        bytes: written,
        digest: hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    })
}
