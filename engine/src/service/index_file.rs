//! Files written from the index of hits: tables and FASTA, streamed and never held whole.
//!
//! Needs no database and no BLAST+: these remain when the database has gone.

use std::io;

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Caller, Download, JobService, ServiceError};
use crate::results::{ResultsError, ResultsIndex};

/// How much is gathered before it is handed on, in bytes.
const PIECE: usize = 64 * 1_024;
/// Pieces that may wait for a slow reader: bounds the memory of one download.
const PIECES_UNDER_WAY: usize = 4;

/// A file of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexFile {
    /// One row a subject, of one query or of all.
    Descriptions {
        /// Position of the query.
        query: Option<u64>,
    },
    /// One row an HSP, of one query or of all.
    Hsps {
        /// Position of the query.
        query: Option<u64>,
    },
    /// Aligned parts of subjects of one query.
    Fasta {
        /// Position of the query.
        query: u64,
        /// Positions of the subjects; all if none is named.
        subjects: Vec<u64>,
    },
}

impl IndexFile {
    const fn ending(&self) -> &'static str {
        match self {
            Self::Descriptions { .. } => "-hits.csv",
            Self::Hsps { .. } => "-hsps.csv",
            Self::Fasta { .. } => "-hits.fasta",
        }
    }

    const fn media_type(&self) -> &'static str {
        match self {
            Self::Descriptions { .. } | Self::Hsps { .. } => "text/csv; charset=utf-8",
            Self::Fasta { .. } => "text/plain; charset=utf-8",
        }
    }

    fn write(
        &self,
        index: &ResultsIndex,
        write: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<(), ResultsError> {
        match self {
            Self::Descriptions { query } => index.descriptions_csv(*query, write),
            Self::Hsps { query } => index.hsps_csv(*query, write),
            Self::Fasta { query, subjects } => index.aligned_fasta(*query, subjects, write),
        }
    }

    /// Whether what is asked for is there; known before the first byte is sent.
    fn check(&self, index: &ResultsIndex) -> Result<(), ResultsError> {
        match self {
            Self::Descriptions { query: Some(query) } | Self::Hsps { query: Some(query) } => {
                index.query(*query).map(|_| ())
            }
            Self::Descriptions { query: None } | Self::Hsps { query: None } => Ok(()),
            Self::Fasta { query, subjects } => {
                let hits = index.query(*query)?.hits;
                let missing = subjects.iter().copied().find(|subject| *subject >= hits);
                missing.map_or(Ok(()), |subject| {
                    Err(ResultsError::NoSubject {
                        query: *query,
                        subject,
                    })
                })
            }
        }
    }
}

impl JobService {
    /// A file of the job's index of hits.
    ///
    /// # Errors
    /// [`ServiceError::NoResults`] while there are none, [`ServiceError::BadRequest`] if there is no such
    /// query or subject, else the index's.
    pub async fn index_file(
        &self,
        caller: &Caller,
        id: &str,
        file: IndexFile,
    ) -> Result<Download, ServiceError> {
        let detail = self.detail(caller, id)?;
        let asked = file.clone();
        let checked = self.hits(caller, id, move |index| asked.check(index)).await;
        checked.map_err(|error| match error {
            ServiceError::Results(
                missing @ (ResultsError::NoQuery(_) | ResultsError::NoSubject { .. }),
            ) => ServiceError::BadRequest(missing.to_string()),
            other => other,
        })?;
        let index_file = self.hits_file(&detail).await?;
        let (file_name, media_type) = (format!("{id}{}", file.ending()), file.media_type());
        let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(PIECES_UNDER_WAY);
        tokio::task::spawn_blocking(move || {
            let mut gathered = Vec::with_capacity(PIECE);
            let hand_on = |piece: Vec<u8>| {
                let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
                sender.blocking_send(Ok(Bytes::from(piece))).map_err(gone)
            };
            let outcome = ResultsIndex::open(index_file.path()).and_then(|index| {
                file.write(&index, |text| {
                    gathered.extend_from_slice(text.as_bytes());
                    if gathered.len() < PIECE {
                        return Ok(());
                    }
                    hand_on(std::mem::replace(&mut gathered, Vec::with_capacity(PIECE)))
                })
            });
            match outcome {
                // Whoever has gone away needs no last piece.
                Ok(()) => drop(hand_on(gathered)),
                Err(error) => drop(sender.blocking_send(Err(io::Error::other(error)))),
            }
        });
        let pieces = ReceiverStream::new(receiver).boxed();
        Ok(Download {
            file_name,
            media_type,
            size: None,
            pieces,
        })
    }
}
