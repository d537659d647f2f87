//! Results of batches, brought from the store to where they are merged.
//!
//! Owns that only what counts is taken (each batch's `done.json` names it) and only whole: size and SHA-256 of
//! every file are compared.

use std::path::Path;

use elb_core::{
    batch::Batch,
    cluster::{BatchDone, BatchFile},
    error_code::ErrorCode,
    job::Job,
};
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::{
    join::{Part, join},
    spread::Spread,
};
use crate::{
    executor::{ExecutorError, local::LocalExecutor},
    objects::{ObjectError, RunObjects},
};

/// Batches that are brought at once (BEHAVIOUR.md: four readers).
const AT_ONCE: usize = 4;
/// Notes of batches that are read at once: they are small.
const NOTES_AT_ONCE: usize = 16;

/// An error of the store, as one of the job.
pub(super) fn store_error(what: &str, error: ObjectError) -> ExecutorError {
    let code = match &error {
        ObjectError::Away(_) | ObjectError::Store(_) | ObjectError::Denied(_) => {
            ErrorCode::TemporarilyUnavailable
        }
        ObjectError::Missing { .. } => ErrorCode::QueryInvalid,
        _ => ErrorCode::Internal,
    };
    ExecutorError::new(code, format!("{what}: {error}"))
}

/// What counts of each search of a batch, in their order; `None` of one that is not done.
pub(super) async fn notes(
    run: &RunObjects,
    spread: Spread<'_>,
) -> Result<Vec<Option<BatchDone>>, ExecutorError> {
    let each: Vec<(RunObjects, u32)> = spread
        .each()
        .map(|(_, batch, shard)| (run.of_shard(shard), batch.index))
        .collect();
    futures::stream::iter(each)
        .map(|(run, index)| async move { run.done(index).await })
        .buffered(NOTES_AT_ONCE)
        .try_collect()
        .await
        .map_err(|error| store_error("it cannot be seen which batches are done", error))
}

/// Brings the results of all batches that are not here yet; those of the shards of a database become one.
pub(super) async fn collect(
    local: &LocalExecutor,
    job: &Job,
    run: &RunObjects,
    batches: &[Batch],
) -> Result<(), ExecutorError> {
    futures::stream::iter(batches.iter().copied().map(Ok))
        .try_for_each_concurrent(AT_ONCE, |batch| async move {
            let Some(arriving) = local.awaits(&job.id, &batch)? else {
                return Ok(());
            };
            let (archive, table) = (arriving.archive(), arriving.table());
            if job.shards.is_empty() {
                bring_both(run, &batch, &archive, &table).await?;
            } else {
                let mut parts = Vec::new();
                for (number, shard) in job.shards.iter().enumerate() {
                    let part = Part {
                        archive: archive.with_extension(format!("{number}.asn")),
                        table: table.with_extension(format!("{number}.tsv")),
                    };
                    let run = run.of_shard(Some(*shard));
                    bring_both(&run, &batch, &part.archive, &part.table).await?;
                    parts.push(part);
                }
                let queries = local.query_of(&job.id, &batch);
                join(&job.spec, parts, queries, archive, table).await?;
            }
            local.has_arrived(&job.id, &batch, &arriving)
        })
        .await
}

/// Brings archive and table of one search of a batch.
async fn bring_both(
    run: &RunObjects,
    batch: &Batch,
    archive: &Path,
    table: &Path,
) -> Result<(), ExecutorError> {
    let lacks = |what: &str| {
        let message = format!("{} {what}", batch.label());
        ExecutorError::new(ErrorCode::ExportFailed, message)
    };
    let note = run.done(batch.index).await;
    let note =
        note.map_err(|error| store_error("it cannot be seen which batches are done", error))?;
    let note = note.ok_or_else(|| lacks("has no results in the store"))?;
    let file = note
        .table
        .as_ref()
        .ok_or_else(|| lacks("has no table of hits"))?;
    bring(run, batch, &note.archive, archive).await?;
    bring(run, batch, file, table).await
}

async fn bring(
    run: &RunObjects,
    batch: &Batch,
    file: &BatchFile,
    to: &Path,
) -> Result<(), ExecutorError> {
    let what = format!("{} of {} cannot be read", file.name, batch.label());
    let found = run.result(batch.index, &file.name).await;
    let found = found.map_err(|error| store_error(&what, error))?;
    let wrong = |why: &str| ExecutorError::new(ErrorCode::ExportFailed, format!("{what}: {why}"));
    let (_, mut pieces) = found.ok_or_else(|| wrong("it is not there"))?;
    let disk = |error: std::io::Error| LocalExecutor::disk_error(to, &error);
    let mut out = tokio::fs::File::create(to).await.map_err(disk)?;
    let (mut bytes, mut sha256) = (0_u64, Sha256::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| {
            ExecutorError::new(
                ErrorCode::TemporarilyUnavailable,
                format!("{what}: {error}"),
            )
        })?;
        bytes += piece.len() as u64;
        sha256.update(&piece);
        out.write_all(&piece).await.map_err(disk)?;
    }
    out.flush().await.map_err(disk)?;
    let digest: String = sha256
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if bytes != file.bytes || digest != file.sha256 {
        return Err(wrong(
            "it is not what the pod has written; try the search again",
        ));
    }
    Ok(())
}
