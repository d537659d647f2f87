//! From finished batches to readable results.
//!
//! Owns the merge: archives are concatenated in query order into one object, and the tables of hits
//! are read once into the index that the pages read. Both are stored whole or not at all, so that a
//! job is completed only when its results can be read.

use std::{fs, io::BufReader, path::PathBuf};

use elb_core::{
    error_code::ErrorCode,
    job::{Job, Outcome},
    step::Step,
    text,
    view::LogLevel,
};
use futures::StreamExt;

use super::{
    LocalExecutor,
    merge::Renumber,
    pulse::{Beating, Pulse},
    run::{ARCHIVE, TABLE},
    workdir::disk_error,
};
use crate::{
    crash::{self, Point},
    executor::ExecutorError,
    objects::{Kind, ObjectError},
    results::{IndexBuilder, IndexMeta, ResultsError, Totals},
};

/// How much of an archive is read at once, in bytes.
const PIECE: usize = 1 << 20;

fn stored(error: ObjectError) -> ExecutorError {
    match error {
        ObjectError::Io(error) => disk_error("the results cannot be stored", &error),
        ObjectError::Away(_) => ExecutorError::new(
            ErrorCode::TemporarilyUnavailable,
            format!("the results cannot be stored: {error}"),
        ),
        other => {
            let message = other.to_string();
            let full = message.contains("No space left") || message.contains("StorageFull");
            let code = if full {
                ErrorCode::DiskFull
            } else {
                ErrorCode::ExportFailed
            };
            ExecutorError::new(code, format!("the results cannot be stored: {message}"))
        }
    }
}

/// Merges, indexes and stores the results of a run whose batches are all done.
pub(super) async fn export(
    executor: &LocalExecutor,
    job: &Job,
    pulse: &Pulse,
) -> Result<Outcome, ExecutorError> {
    let work = executor.work_dir(&job.id);
    let batches = work.read_batches()?;
    if let Some(missing) = batches.iter().find(|batch| !work.is_done(batch)) {
        let message = format!(
            "{} is not done, so there is nothing to collect yet",
            missing.name()
        );
        return Err(ExecutorError::new(ErrorCode::Internal, message));
    }
    let folders: Vec<PathBuf> = batches.iter().map(|batch| work.done_batch(batch)).collect();
    let archives: Vec<(PathBuf, u64)> = batches
        .iter()
        .map(|batch| (work.done_batch(batch).join(ARCHIVE), batch.first_record))
        .collect();
    let tables: Vec<PathBuf> = folders.iter().map(|folder| folder.join(TABLE)).collect();
    let queries = batches.iter().map(|batch| work.query(batch)).collect();

    // A name of its own for each try: one that was given up may still be writing.
    let name = format!("hits-{}.sqlite", uuid::Uuid::new_v4().simple());
    let index = work.root().join(name);
    let meta = index_meta(job);
    let target = index.clone();
    let beats = pulse.clone();
    let indexing = tokio::task::spawn_blocking(move || {
        let totals = build_index(&target, meta, queries, tables, &beats);
        crash::point(Point::AfterIndex);
        totals
    });
    let joined = async {
        let source = Concatenated::open(archives, pulse.clone()).await?;
        let put = executor
            .objects
            .put(&job.id, Kind::Archive, job.attempt, source)
            .await;
        crash::point(Point::AfterArchive);
        put.map_err(stored)
    };
    let (totals, archive_bytes) = tokio::join!(indexing, joined);
    let totals = totals
        .map_err(|error| ExecutorError::new(ErrorCode::Internal, error.to_string()))?
        .map_err(|error| index_error(&error))?;
    let archive_bytes = archive_bytes?;

    let file = tokio::fs::File::open(&index).await;
    let file = file.map_err(|error| disk_error("the index of the hits cannot be read", &error))?;
    let file = tokio_util::io::InspectReader::new(file, |_| pulse.beat());
    executor
        .objects
        .put(&job.id, Kind::Hits, job.attempt, file)
        .await
        .map_err(stored)?;
    crash::point(Point::AfterHits);
    if let Err(error) = executor.objects.remove_before(&job.id, job.attempt).await {
        tracing::warn!(job = %job.id, %error, "results of an earlier attempt stay until the search is deleted");
    }
    if let Err(error) = fs::remove_file(&index) {
        tracing::warn!(job = %job.id, %error, "the draft of the index stays until the work folder goes");
    }
    executor.logs.append(
        &job.id,
        Step::ExportingResults,
        LogLevel::Info,
        &[format!(
            "{} in {}, archive of {}",
            text::counted(totals.hits, "hit", "hits"),
            text::counted(totals.hsps, "HSP", "HSPs"),
            text::bytes(archive_bytes)
        )],
    );
    Ok(Outcome {
        queries_with_hits: totals.queries_with_hits,
        hits: totals.hits,
        hsps: totals.hsps,
        archive_bytes,
    })
}

fn index_error(error: &ResultsError) -> ExecutorError {
    let message = error.to_string();
    let full = message.contains("disk is full") || message.contains("No space left");
    let code = if full {
        ErrorCode::DiskFull
    } else {
        ErrorCode::ExportFailed
    };
    ExecutorError::new(code, format!("the hits cannot be indexed: {message}"))
}

fn index_meta(job: &Job) -> IndexMeta {
    IndexMeta {
        program: job.spec.program.as_str().to_owned(),
        matrix: job.spec.matrix().map(|matrix| matrix.as_str().to_owned()),
    }
}

/// Reads the batches' query files for the list of queries and their tables for the hits, in order.
fn build_index(
    target: &std::path::Path,
    meta: IndexMeta,
    queries: Vec<PathBuf>,
    tables: Vec<PathBuf>,
    pulse: &Pulse,
) -> Result<Totals, ResultsError> {
    let mut builder = IndexBuilder::create(target, &meta)?;
    for path in queries {
        builder.add_query_file(fs::File::open(path)?, || pulse.beat())?;
    }
    for path in tables {
        let table = Beating {
            inner: fs::File::open(path)?,
            pulse: pulse.clone(),
        };
        builder.read_tabular(BufReader::new(table))?;
    }
    builder.finish()
}

/// The archives of all batches read as the one of a whole run.
struct Concatenated {
    /// Each with the number of queries before it.
    rest: std::vec::IntoIter<(PathBuf, u64)>,
    current: Option<(tokio::fs::File, Renumber)>,
    pulse: Pulse,
}

impl Concatenated {
    async fn open(
        archives: Vec<(PathBuf, u64)>,
        pulse: Pulse,
    ) -> Result<impl tokio::io::AsyncRead + Unpin + Send, ExecutorError> {
        let mut this = Self {
            rest: archives.into_iter(),
            current: None,
            pulse,
        };
        this.advance()
            .await
            .map_err(|error| disk_error("an archive cannot be read", &error))?;
        let pieces = futures::stream::unfold(Some(this), |state| async move {
            let mut this = state?;
            match this.next_piece().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(this))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(tokio_util::io::StreamReader::new(pieces.boxed()))
    }

    async fn advance(&mut self) -> std::io::Result<()> {
        self.current = match self.rest.next() {
            Some((path, before)) => {
                let file = tokio::fs::File::open(path).await?;
                Some((file, Renumber::after(before)))
            }
            None => None,
        };
        Ok(())
    }

    async fn next_piece(&mut self) -> std::io::Result<Option<bytes::Bytes>> {
        use tokio::io::AsyncReadExt;
        while let Some((file, renumber)) = &mut self.current {
            self.pulse.beat();
            let mut buffer = Vec::with_capacity(PIECE);
            let piece = if file.read_buf(&mut buffer).await? > 0 {
                renumber.push(&buffer)
            } else {
                let last = renumber.finish();
                self.advance().await?;
                last
            };
            // An empty piece would read as the end.
            if !piece.is_empty() {
                return Ok(Some(piece.into()));
            }
        }
        Ok(None)
    }
}
