//! The query of a job cut into batches of whole records.
//!
//! Owns the way from the stored query to one file a batch, in one pass with bounded memory. Cuts only
//! at BLAST+'s own internal units (see `elb_core::batch`), so that a split search gives what one
//! direct run gives.

use elb_core::{
    batch::{self, Batch, BatchSplitter},
    error_code::ErrorCode,
    fasta::{self, Checker, Expect},
    job::Job,
};
use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use super::workdir::{WorkDir, disk_error};
use crate::{
    crash::{self, Point},
    executor::ExecutorError,
    objects::{Kind, ObjectError, Objects},
};

fn object_error(error: ObjectError) -> ExecutorError {
    let code = match error {
        ObjectError::Missing { .. } => ErrorCode::QueryInvalid,
        ObjectError::BadId(_) | ObjectError::SetUp(_) => ErrorCode::Internal,
        ObjectError::Store(_)
        | ObjectError::Away(_)
        | ObjectError::Denied(_)
        | ObjectError::Io(_) => ErrorCode::TemporarilyUnavailable,
    };
    ExecutorError::new(code, format!("the stored query cannot be read: {error}"))
}

/// Writes one query file a batch and then the list of batches; does nothing if that list is there.
pub(super) async fn split(
    work: &WorkDir,
    objects: &Objects,
    job: &Job,
    processes: usize,
) -> Result<(), ExecutorError> {
    if work.has_batches() {
        return Ok(());
    }
    let batches = plan(objects, job, processes).await?;
    cut(work, objects, job, &batches).await
}

/// Where the query is cut for so many processes.
pub(super) async fn plan(
    objects: &Objects,
    job: &Job,
    processes: usize,
) -> Result<Vec<Batch>, ExecutorError> {
    let lengths = record_lengths(objects, job).await?;
    let unit = batch::unit_letters(job.spec.program.as_str()).unwrap_or(1);
    let processes = u32::try_from(processes).unwrap_or(u32::MAX);
    Ok(batch::plan(unit, lengths, processes))
}

/// Writes one query file a batch and then this list of batches; does nothing if a list is there.
pub(super) async fn cut(
    work: &WorkDir,
    objects: &Objects,
    job: &Job,
    batches: &[Batch],
) -> Result<(), ExecutorError> {
    if work.has_batches() {
        return Ok(());
    }
    work.make()?;
    let (_, mut pieces) = objects
        .get(&job.id, Kind::Query, job.attempt)
        .await
        .map_err(object_error)?;
    let mut splitter = BatchSplitter::new(batches);
    let mut open: Option<(usize, tokio::fs::File)> = None;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| disk_error("the stored query cannot be read", &error))?;
        let mut cuts: Vec<(usize, Vec<u8>)> = Vec::new();
        splitter.push(&piece, |index, bytes| {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            match cuts.last_mut() {
                Some((last, buffer)) if *last == index => buffer.extend_from_slice(bytes),
                _ => cuts.push((index, bytes.to_vec())),
            }
        });
        for (index, bytes) in cuts {
            if open.as_ref().is_none_or(|(current, _)| *current != index) {
                close(open.take()).await?;
                let Some(batch) = batches.get(index) else {
                    let message = "the stored query has more records than its plan";
                    return Err(ExecutorError::new(ErrorCode::QueryInvalid, message));
                };
                let file = tokio::fs::File::create(work.query(batch)).await;
                let file = file.map_err(|error| disk_error("a batch cannot be written", &error))?;
                open = Some((index, file));
            }
            if let Some((_, file)) = &mut open {
                let written = file.write_all(&bytes).await;
                written.map_err(|error| disk_error("a batch cannot be written", &error))?;
            }
        }
    }
    close(open).await?;
    crash::point(Point::BeforeBatchList);
    work.write_batches(batches)
}

async fn close(open: Option<(usize, tokio::fs::File)>) -> Result<(), ExecutorError> {
    if let Some((_, mut file)) = open {
        let flushed = file.flush().await;
        flushed.map_err(|error| disk_error("a batch cannot be written", &error))?;
    }
    Ok(())
}

/// Reads the stored query once and checks again what BLAST+ would let pass.
async fn record_lengths(objects: &Objects, job: &Job) -> Result<Vec<u64>, ExecutorError> {
    let (_, mut pieces) = objects
        .get(&job.id, Kind::Query, job.attempt)
        .await
        .map_err(object_error)?;
    let expect = Expect::Query(job.spec.program.query_molecule());
    // The limits were kept when it was accepted; a lower setting now must not fail a job.
    let mut checker = Checker::new(expect, fasta::Limits::unlimited());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| disk_error("the stored query cannot be read", &error))?;
        checker.push(&piece, &mut |_: &[u8]| {});
    }
    let report = checker.finish(&mut |_: &[u8]| {});
    if let Some(problem) = report.problems.first() {
        let message = format!(
            "the stored query is damaged, line {}: {}",
            problem.line, problem.message
        );
        return Err(ExecutorError::new(ErrorCode::QueryInvalid, message));
    }
    Ok(report.records.iter().map(|record| record.letters).collect())
}
