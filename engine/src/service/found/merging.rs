//! All results of a search of others as one file, made while it is read.
//!
//! Owns how batches follow each other. Those of one database go through this server as they come; the parts
//! of a split one are copied here, a batch at a time, to be joined query by query.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Caller, Download, JobService, ServiceError,
    indexing::{Source, in_batches, too_large},
    join_of,
};
use crate::{
    clusters::{Arrangement, ResultFile, unpacked},
    results::others::{Asked, Join, kind_of, merge_batch},
    service::Format,
};

/// How much is gathered before it is handed on, in bytes.
const PIECE: usize = 64 << 10;
/// Pieces that may wait for a slow reader.
const PIECES_UNDER_WAY: usize = 4;

type Pieces = BoxStream<'static, io::Result<Bytes>>;
type Sender = mpsc::Sender<io::Result<Bytes>>;

/// Why files cannot be had as one, if so.
pub(super) fn refused(arrangement: &Arrangement<'_>, format: u8) -> Option<String> {
    if let Err(why) = join_of(arrangement, format) {
        return Some(why);
    }
    let Arrangement::Parts(batches) = arrangement else {
        return None;
    };
    let bytes = batches.iter().flatten().map(|file| file.bytes).sum();
    too_large(bytes).err()
}

impl JobService {
    /// All its results as one file, unpacked.
    ///
    /// # Errors
    /// As [`Self::found_results`]; [`ServiceError::NoResults`] also if one is missing, or they cannot be
    /// joined.
    pub async fn found_joined(&self, caller: &Caller, id: &str) -> Result<Download, ServiceError> {
        let (detail, place, listing) = self.found_listing(caller, id).await?;
        let asked = Asked::of(&detail.command);
        let no = ServiceError::NoResults;
        let untold = || no("nothing tells which format its files are in".to_owned());
        let format = kind_of(&listing.head, &asked).ok_or_else(untold)?;
        let arranged = listing.arrangement(detail.row.progress.batches_total);
        let arranged = arranged.map_err(no)?;
        if let Some(why) = refused(&arranged, format) {
            return Err(no(why));
        }
        let join = join_of(&arranged, format).map_err(no)?;
        let split = matches!(arranged, Arrangement::Parts(_));
        let batches: Vec<Vec<ResultFile>> = in_batches(arranged)
            .into_iter()
            .map(|files| files.into_iter().cloned().collect())
            .collect();
        let source = Source {
            service: self.clone(),
            place,
            listing: Arc::clone(&listing),
        };
        let pieces = if split {
            let permit = Arc::clone(&self.inner.found.joining).try_acquire_owned();
            let permit = permit.map_err(|_| {
                no(
                    "results of other split databases are being joined; try again in a while"
                        .to_owned(),
                )
            })?;
            source.joined(batches, format, asked, permit)
        } else {
            let files = batches.into_iter().flatten().collect();
            source.one_after_the_other(files, join).await.map_err(no)?
        };
        let known = Format::parse(&format.to_string());
        Ok(Download {
            file_name: format!("{id}.{}", known.map_or("txt", Format::extension)),
            media_type: known.map_or("text/plain; charset=utf-8", Format::media_type),
            size: None,
            pieces,
        })
    }
}

impl Source {
    async fn open(&self, file: &ResultFile) -> Result<Pieces, String> {
        let places = self.service.results_places()?;
        let (_, pieces) = places.open_file(&self.place.address, file).await?;
        Ok(unpacked(pieces))
    }

    /// The first is opened before anything is sent, so that a place that is away is told as such.
    async fn one_after_the_other(
        self,
        files: Vec<ResultFile>,
        mut join: Join,
    ) -> Result<Pieces, String> {
        let mut first = match files.first() {
            Some(file) => Some(self.open(file).await?),
            None => None,
        };
        let (sender, receiver) = mpsc::channel(PIECES_UNDER_WAY);
        let sending = async move {
            for file in &files {
                let mut pieces = match first.take() {
                    Some(pieces) => pieces,
                    None => self.open(file).await.map_err(io::Error::other)?,
                };
                while let Some(piece) = pieces.next().await {
                    hand_on(&sender, join.push(&piece?)).await?;
                }
                hand_on(&sender, join.end_of_file()).await?;
            }
            hand_on(&sender, join.finish()).await
        };
        Ok(streamed(receiver, sending))
    }

    /// Batch by batch, the parts of each joined.
    fn joined(
        self,
        batches: Vec<Vec<ResultFile>>,
        format: u8,
        asked: Asked,
        permit: OwnedSemaphorePermit,
    ) -> Pieces {
        let (sender, receiver) = mpsc::channel(PIECES_UNDER_WAY);
        let sending = async move {
            let found = &self.service.inner.found;
            let _permit = permit;
            let folder = tempfile::tempdir_in(&self.service.inner.scratch)?;
            let stop = found.stop.child_token();
            // Whoever goes away ends it.
            let _guard = stop.clone().drop_guard();
            let mut queries = 0;
            for (number, files) in (0_u32..).zip(&batches) {
                let files: Vec<&ResultFile> = files.iter().collect();
                let copies = self.copies(&files, number, format != 7, folder.path());
                let batch = copies.await.map_err(io::Error::other)?;
                let (to, asked, stop) = (sender.clone(), asked.clone(), stop.clone());
                let joining = tokio::task::spawn_blocking(move || {
                    let mut gathered = Vec::with_capacity(PIECE);
                    let done = merge_batch(&batch, format, &asked, &stop, |text| {
                        gathered.extend_from_slice(text.as_bytes());
                        if gathered.len() < PIECE {
                            return Ok(());
                        }
                        let piece = std::mem::replace(&mut gathered, Vec::with_capacity(PIECE));
                        to.blocking_send(Ok(piece.into())).map_err(gone)
                    })?;
                    to.blocking_send(Ok(gathered.into())).map_err(gone)?;
                    Ok::<u64, crate::results::others::OthersError>(done)
                });
                let done = joining.await.map_err(io::Error::other)?;
                queries += done.map_err(io::Error::other)?;
            }
            if format == 7 {
                hand_on(
                    &sender,
                    crate::results::others::end_line(queries).into_bytes(),
                )
                .await?;
            }
            Ok(())
        };
        streamed(receiver, sending)
    }
}

fn gone<T>(_: T) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// An empty piece would read as nothing at all.
async fn hand_on(sender: &Sender, piece: Vec<u8>) -> io::Result<()> {
    if piece.is_empty() {
        return Ok(());
    }
    sender.send(Ok(piece.into())).await.map_err(gone)
}

/// What is sent, and in the end why no more was: a part is never taken for the whole.
fn streamed(
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    sending: impl Future<Output = io::Result<()>> + Send + 'static,
) -> Pieces {
    let sending = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(sending));
    let last = futures::stream::once(async move {
        match sending.await {
            Ok(Ok(())) => Ok(Bytes::new()),
            Ok(Err(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    });
    ReceiverStream::new(receiver).chain(last).boxed()
}
