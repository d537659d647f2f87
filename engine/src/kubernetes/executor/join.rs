//! One result of a batch from those of the shards of its database.
//!
//! Owns what becomes of each file: the tables are joined query by query, as one search of the whole database would
//! have it; the archives follow one another, for none of them tells of the others' sequences.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use elb_core::{error_code::ErrorCode, hits::TABULAR_FIELDS, search::SearchSpec};
use tokio_util::sync::CancellationToken;

use crate::{
    executor::{ExecutorError, local::LocalExecutor},
    results::others::{Asked, BatchFiles, OthersError, merge_batch},
};

/// The number of the format of the tables that pods write.
const TABLE: u8 = 6;

/// The files of one shard.
pub(super) struct Part {
    pub archive: PathBuf,
    pub table: PathBuf,
}

/// Makes one archive and one table of those of all shards, in their order, which are removed then.
pub(super) async fn join(
    spec: &SearchSpec,
    parts: Vec<Part>,
    queries: PathBuf,
    archive: PathBuf,
    table: PathBuf,
) -> Result<(), ExecutorError> {
    let asked = asked(spec);
    let joining = tokio::task::spawn_blocking(move || {
        tables(&asked, &parts, queries, &table)?;
        archives(&parts, &archive).map_err(|error| LocalExecutor::disk_error(&archive, &error))?;
        for file in parts.iter().flat_map(|part| [&part.archive, &part.table]) {
            fs::remove_file(file).map_err(|error| LocalExecutor::disk_error(file, &error))?;
        }
        Ok(())
    });
    joining
        .await
        .map_err(|error| ExecutorError::new(ErrorCode::Internal, error.to_string()))?
}

fn asked(spec: &SearchSpec) -> Asked {
    Asked {
        format: Some(TABLE),
        columns: TABULAR_FIELDS.split(' ').map(str::to_owned).collect(),
        max_targets: spec
            .options
            .max_target_seqs
            .and_then(|most| usize::try_from(most).ok()),
        ..Asked::default()
    }
}

fn tables(
    asked: &Asked,
    parts: &[Part],
    queries: PathBuf,
    table: &Path,
) -> Result<(), ExecutorError> {
    let disk = |error: io::Error| LocalExecutor::disk_error(table, &error);
    let batch = BatchFiles {
        parts: parts.iter().map(|part| part.table.clone()).collect(),
        queries: Some(queries),
        ends_told: true,
    };
    let mut out = BufWriter::new(File::create(table).map_err(disk)?);
    let merged = merge_batch(&batch, TABLE, asked, &CancellationToken::new(), |text| {
        out.write_all(text.as_bytes())
    });
    merged.map_err(|error| match error {
        OthersError::Index(error) => ExecutorError::new(ErrorCode::Internal, error.to_string()),
        told => {
            let message = format!("the results of the shards cannot be joined: {told}");
            ExecutorError::new(ErrorCode::ExportFailed, message)
        }
    })?;
    out.flush().map_err(disk)
}

fn archives(parts: &[Part], archive: &Path) -> io::Result<()> {
    let mut out = File::create(archive)?;
    for part in parts {
        io::copy(&mut File::open(&part.archive)?, &mut out)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests;
