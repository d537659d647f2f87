//! The index of the hits of a search that others ran, made once in the background.
//!
//! Owns the way of the files through this machine: one batch is read while the next one comes, and each is
//! removed when it was read. Nothing of it is kept unless all of it was read.

use std::{path::Path, process::Stdio, sync::Arc, time::Duration};

use elb_core::{
    hits::{TABULAR_FIELDS, page::IndexMeta},
    text,
    view::JobDetail,
};
use futures::{StreamExt, stream::BoxStream};
use tempfile::TempPath;
use tokio::{io::AsyncWriteExt, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{InPlace, Known, MAX_COPIED, approximate};
use crate::{
    clusters::{Arrangement, Listing, ResultFile},
    objects::Kind,
    results::{
        ResultsError,
        others::{Asked, BatchFiles, OthersError, OthersIndex, format_name, kind_of, unpacked},
    },
    service::JobService,
    toolkit::{self, Tool, exit},
};

/// How much of the formatter's error output is kept, in bytes.
const STDERR_CAP: u64 = 64 << 10;
/// How long the hits of one archive may take to be written out (ours).
const FORMATTING: Duration = Duration::from_secs(3_600);

/// Why there is no index.
enum NoIndex {
    /// These files cannot give one.
    Not(String),
    /// It may be another time.
    Failed(String),
}

impl From<OthersError> for NoIndex {
    fn from(error: OthersError) -> Self {
        match error {
            OthersError::NotTold(why) => Self::Not(why),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// What comes to who writes the index.
enum Item {
    Batch(BatchFiles<TempPath>),
    End,
}

/// What is needed to read the files of one search.
pub(super) struct Source {
    pub service: JobService,
    pub place: InPlace,
    pub listing: Arc<Listing>,
}

impl JobService {
    /// Begins to make the index; how it went is noted.
    pub(super) fn begin_index(&self, detail: &JobDetail, place: &InPlace) {
        let (service, detail, place) = (self.clone(), detail.clone(), place.clone());
        tokio::spawn(async move {
            let id = detail.row.id.clone();
            let reading = &service.inner.found;
            // A task of its own: a fault in it must not leave the index as one that is being made.
            let worker = service.clone();
            let index = tokio::spawn(async move { worker.index(&detail, place).await });
            let mut index = AbortOnDropHandle::new(index);
            let outcome = tokio::select! {
                outcome = &mut index => outcome.unwrap_or_else(|error| {
                    Err(NoIndex::Failed(format!("a fault of this program ended it: {error}")))
                }),
                () = reading.stop.cancelled() => Err(NoIndex::Failed(OthersError::Stopped.to_string())),
            };
            let known = match outcome {
                Ok(()) => None,
                Err(NoIndex::Not(why)) => Some(Known::Not(why)),
                Err(NoIndex::Failed(why)) => {
                    tracing::warn!(
                        job = id,
                        why,
                        "the hits of a search of others cannot be read"
                    );
                    Some(Known::Failed(why, reading.clock.elapsed()))
                }
            };
            reading.note(&id, known);
        });
    }

    async fn index(&self, detail: &JobDetail, place: InPlace) -> Result<(), NoIndex> {
        let found = &self.inner.found;
        let permit = found.permits.acquire().await;
        let _permit = permit.map_err(|error| NoIndex::Failed(error.to_string()))?;
        let id = &detail.row.id;
        let listing = self.listed(id, &place).await.map_err(NoIndex::Failed)?;
        let source = Source {
            service: self.clone(),
            place,
            listing,
        };
        let asked = Asked::of(&detail.command);
        let arranged = source
            .listing
            .arrangement(detail.row.progress.batches_total);
        let batches = in_batches(arranged.map_err(NoIndex::Failed)?);
        let format = kind_of(&source.listing.head, &asked);
        let archive = format == Some(11);
        let (format, asked) = match format {
            Some(11) if !source.listing.parts.is_empty() => {
                let why = "archives of the parts of a split database cannot be joined";
                return Err(NoIndex::Not(why.to_owned()));
            }
            // Written from the archive with every column that is needed.
            Some(11) => (7, Asked::default_of(&asked)),
            Some(format) => (format, asked),
            None => {
                let why = "nothing tells which format its files are in: they have no hits, or nothing that BLAST+ writes";
                return Err(NoIndex::Not(why.to_owned()));
            }
        };
        if !matches!(format, 6 | 7 | 10) {
            return Err(NoIndex::Not(format!(
                "the pages are made from tables and archives of BLAST+, and its files are in another format ({})",
                format_name(format)
            )));
        }
        let bytes: u64 = batches.iter().flatten().map(|file| file.bytes).sum();
        too_large(bytes).map_err(NoIndex::Not)?;
        let database = match archive {
            true => Some(self.database_of(detail, &source).await?),
            false => None,
        };
        let folder = tempfile::tempdir_in(&self.inner.scratch);
        let folder = folder.map_err(|error| NoIndex::Failed(error.to_string()))?;
        let target = folder.path().join("hits.sqlite");
        let mut with_queries = format != 7;
        loop {
            let work = Work {
                folder: folder.path(),
                target: &target,
                database: database.as_deref(),
                format,
                asked: &asked,
                with_queries,
            };
            match self.write_index(detail, &source, &batches, &work).await {
                // Names in a table may be cut or changed by BLAST+; then the rows alone tell them.
                Err(OthersError::Index(ResultsError::Row { .. }))
                    if with_queries && source.listing.parts.is_empty() =>
                {
                    with_queries = false;
                }
                outcome => break outcome?,
            }
        }
        // Deleted meanwhile: nobody would remove it any more.
        if self.inner.jobs.model().phase(id).is_none() {
            return Ok(());
        }
        let failed = |error: &dyn std::fmt::Display| {
            NoIndex::Failed(format!("the index of the hits cannot be stored: {error}"))
        };
        let file = tokio::fs::File::open(&target).await;
        let file = file.map_err(|error| failed(&error))?;
        let put = self
            .inner
            .objects
            .put(id, Kind::Hits, detail.row.attempt, file);
        put.await.map_err(|error| failed(&error))?;
        tracing::info!(job = %id, bytes, "the hits of a search of others were indexed");
        Ok(())
    }

    async fn write_index(
        &self,
        detail: &JobDetail,
        source: &Source,
        batches: &[Vec<&ResultFile>],
        work: &Work<'_>,
    ) -> Result<(), OthersError> {
        let (sender, mut receiver) = mpsc::channel::<Item>(1);
        let program = detail.row.program;
        let matrix = detail.spec.matrix();
        let meta = IndexMeta {
            program: program.as_str().to_owned(),
            matrix: matrix.map(|usual| work.asked.matrix.unwrap_or(usual).as_str().to_owned()),
        };
        let (target, asked, format) = (work.target.to_owned(), work.asked.clone(), work.format);
        let note = approximate(&source.listing, &asked);
        let stop = self.inner.found.stop.child_token();
        // Ends with this call, however that ends.
        let _guard = stop.clone().drop_guard();
        let stopped = stop.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let mut index = OthersIndex::create(&target, &meta, program, format, asked, stopped)?;
            while let Some(item) = receiver.blocking_recv() {
                match item {
                    Item::Batch(batch) => index.add(&batch)?,
                    Item::End => return index.finish(note.as_deref()).map(|_| ()),
                }
            }
            Err(OthersError::Stopped)
        });
        let bringing = async {
            for (number, files) in (0_u32..).zip(batches) {
                let batch = source.bring(files, number, work).await?;
                if sender.send(Item::Batch(batch)).await.is_err() {
                    return Ok(());
                }
            }
            // Who has gone tells why.
            let _ = sender.send(Item::End).await;
            Ok::<(), OthersError>(())
        };
        let brought = bringing.await;
        drop(sender);
        let written = writing.await;
        let written = written.map_err(|error| OthersError::Broken(error.to_string()))?;
        brought.and(written)
    }

    /// The folder and name of the database that an archive is of: hits are written from its sequences, so it
    /// must be the one that was searched.
    async fn database_of(
        &self,
        detail: &JobDetail,
        source: &Source,
    ) -> Result<std::path::PathBuf, NoIndex> {
        let name = &detail.row.database;
        let catalogue = self.catalogue();
        let path = catalogue.path_of(name).filter(|path| path.is_absolute());
        let (Some(database), Some(path)) = (catalogue.get(name), path) else {
            return Err(NoIndex::Not(format!(
                "its files are archives, whose hits BLAST+ writes from the database {name}, and that is not on this server"
            )));
        };
        let places = self.results_places().map_err(NoIndex::Failed)?;
        let letters = places.database_letters(&source.place.address, &source.listing);
        match letters.await.map_err(NoIndex::Failed)? {
            Some(letters) if letters == database.letters => Ok(path),
            Some(letters) => Err(NoIndex::Not(format!(
                "its files are archives, whose hits BLAST+ writes from the database {name}; the one on this server has {} letters, and the one that was searched {}",
                text::count(database.letters),
                text::count(letters)
            ))),
            None => Err(NoIndex::Not(format!(
                "its files are archives, whose hits BLAST+ writes from the database {name}, and nothing tells whether the one on this server is the one that was searched (metadata/BLASTDB_LENGTH.out)"
            ))),
        }
    }
}

/// What one try works with.
struct Work<'a> {
    folder: &'a Path,
    target: &'a Path,
    database: Option<&'a Path>,
    format: u8,
    asked: &'a Asked,
    with_queries: bool,
}

/// Refuses to copy more than is allowed.
pub(super) fn too_large(bytes: u64) -> Result<(), String> {
    if bytes <= MAX_COPIED {
        return Ok(());
    }
    Err(format!(
        "its files have {}, and at most {} of one search are read here",
        text::bytes(bytes),
        text::bytes(MAX_COPIED)
    ))
}

/// The files of each batch.
pub(super) fn in_batches(arranged: Arrangement<'_>) -> Vec<Vec<&ResultFile>> {
    match arranged {
        Arrangement::Batches(files) => files.into_iter().map(|file| vec![file]).collect(),
        Arrangement::Parts(batches) => batches,
        Arrangement::Whole(file) => vec![vec![file]],
    }
}

impl Source {
    async fn bring(
        &self,
        files: &[&ResultFile],
        batch: u32,
        work: &Work<'_>,
    ) -> Result<BatchFiles<TempPath>, OthersError> {
        let mut brought = self
            .copies(files, batch, work.with_queries, work.folder)
            .await?;
        if let Some(database) = work.database {
            let mut tables = Vec::new();
            for packed in brought.parts {
                tables.push(self.table_of(packed, database, work).await?);
            }
            brought.parts = tables;
        }
        Ok(brought)
    }

    /// The files of a batch in a folder.
    pub(super) async fn copies(
        &self,
        files: &[&ResultFile],
        batch: u32,
        with_queries: bool,
        folder: &Path,
    ) -> Result<BatchFiles<TempPath>, OthersError> {
        let places = self.service.results_places().map_err(OthersError::Broken)?;
        let address = &self.place.address;
        let mut parts = Vec::new();
        for file in files {
            let opened = places.open_file(address, file).await;
            let (_, pieces) = opened.map_err(OthersError::Broken)?;
            parts.push(copy(pieces, folder).await?);
        }
        // One file of all has no batch whose queries were its own, and was not written by BLAST+.
        let numbered = files.first().is_some_and(|file| file.batch.is_some());
        let mut queries = None;
        if with_queries && numbered {
            let opened = places.open_queries(address, &self.listing, batch).await;
            if let Some((_, pieces)) = opened.map_err(OthersError::Broken)? {
                queries = Some(copy(pieces, folder).await?);
            }
        }
        Ok(BatchFiles {
            parts,
            queries,
            ends_told: numbered,
        })
    }

    /// The table that `blast_formatter` writes of an archive.
    async fn table_of(
        &self,
        packed: TempPath,
        database: &Path,
        work: &Work<'_>,
    ) -> Result<TempPath, OthersError> {
        let archive = tempfile::NamedTempFile::new_in(work.folder)?.into_temp_path();
        let table = tempfile::NamedTempFile::new_in(work.folder)?.into_temp_path();
        let stop: CancellationToken = self.service.inner.found.stop.child_token();
        let (from, to, halt) = (packed.to_path_buf(), archive.to_path_buf(), stop.clone());
        let unpacking = tokio::task::spawn_blocking(move || unpacked(&from, &to, &halt));
        let done = unpacking.await;
        done.map_err(|error| OthersError::Broken(error.to_string()))??;
        let mut command = self.service.inner.toolkit.command(Tool::BlastFormatter);
        command
            .arg("-archive")
            .arg(&*archive)
            .arg("-out")
            .arg(&*table);
        command.args(["-outfmt", &format!("7 {TABULAR_FIELDS}")]);
        command.args(["-max_target_seqs", &work.asked.most().to_string()]);
        // The archive names the database without its folder.
        if let Some(folder) = database.parent() {
            command.env("BLASTDB", folder).current_dir(folder);
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stderr = child.stderr.take();
        let ending = async {
            let told = match stderr {
                Some(stderr) => toolkit::read_capped(stderr, STDERR_CAP).await,
                None => String::new(),
            };
            (child.wait().await, told)
        };
        // The process ends with its handle.
        let ended = tokio::time::timeout(FORMATTING, ending).await;
        let (status, told) = ended.map_err(|_| {
            let limit = text::duration(u64::try_from(FORMATTING.as_millis()).unwrap_or(u64::MAX));
            OthersError::NotTold(format!(
                "BLAST+ has not written its hits from the archive within {limit}"
            ))
        })?;
        let status = status?;
        if status.success() {
            return Ok(table);
        }
        let why = exit::explain(status, &told);
        Err(OthersError::NotTold(format!(
            "BLAST+ cannot write its hits from the archive: {why}"
        )))
    }
}

/// A copy of a file that is removed with what is returned.
async fn copy(
    mut pieces: BoxStream<'static, std::io::Result<bytes::Bytes>>,
    folder: &Path,
) -> Result<TempPath, OthersError> {
    let path = tempfile::NamedTempFile::new_in(folder)?.into_temp_path();
    let mut out = tokio::fs::File::create(&path).await?;
    while let Some(piece) = pieces.next().await {
        out.write_all(&piece?).await?;
    }
    out.flush().await?;
    Ok(path)
}
