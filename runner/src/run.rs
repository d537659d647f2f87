//! One batch searched: its query from the store, BLAST+, its results into the store.
//!
//! Owns the order, and that a batch which is done is not searched again. Each attempt has a folder and names of
//! its own, so that what an interrupted one left can never be taken for a result; what counts is named by one
//! object that is created last ([`elb_core::cluster::BatchDone`]). BLAST+'s exit codes pass unchanged, but for
//! a copy of the database that turns out to be damaged.
//!
//! The archive is stored as BLAST+ wrote it, not compressed: joining the batches' archives
//! (`engine/src/executor/local/merge.rs`) reads them as text, line by line.

use std::{os::unix::process::ExitStatusExt, path::Path, process::ExitStatus};

use elb_core::{
    cluster::{BatchDone, BatchFile},
    exit::{self, SIGNALLED},
    search::place,
    text,
};
use elb_process::Started;
use tokio::process::Command;

use crate::{
    copy::Copy,
    end::{Done, Failure},
    halt::Halt,
    in_use, say,
    settings::{Database, RunSettings},
    store::Place,
};

mod attempt;
mod results;

use attempt::Attempt;

/// How much of a process's error output is kept, in bytes: both ends of it.
const STDERR_CAP: usize = 64 * 1_024;

/// Searches it.
///
/// # Errors
/// Why it is not done.
pub async fn run(settings: &RunSettings, halt: &Halt) -> Result<Done, Failure> {
    let query = settings.access.open(&settings.query)?;
    let results = settings.access.open(&settings.results)?;
    let name = format!("batch {}", settings.batch);
    if let Some(done) = halt.or(results::find(&results)).await?? {
        say::line(&format!("{name} is already done: {}", results.url));
        return Ok(of_batch(done, true));
    }
    // Until the end of the attempt nobody removes what is searched.
    let _used = match &settings.database {
        Some(database) => {
            let used = halt.or(in_use::shared(database)).await??;
            whole(database)?;
            used
        }
        None => None,
    };
    let attempt = Attempt::begin(&settings.work_dir, settings.batch)?;
    let bytes = halt.or(fetch(&query, &attempt)).await??;
    say::line(&format!("{name}: query of {}", text::bytes(bytes)));
    let mut warnings = Vec::new();
    for words in &settings.commands {
        search(settings, &attempt, words, halt, &mut warnings).await?;
    }
    let mut all_words = settings.commands.iter().flatten();
    let wants_table = all_words.any(|word| word == place::TABLE);
    let stored = async {
        let archive = results::put(&results, &attempt.archive(), "archive", "asn").await?;
        let table = match wants_table {
            true => Some(results::put(&results, &attempt.table(), "hits", "tsv").await?),
            false => None,
        };
        let done = BatchDone {
            batch: settings.batch,
            archive,
            table,
            warnings,
        };
        results::settle(&results, done).await
    };
    let (done, ours) = halt.or(stored).await??;
    if !ours {
        say::line(&format!(
            "{name} is already done: another attempt was quicker"
        ));
        return Ok(of_batch(done, true));
    }
    say::line(&format!("{name} is done: {}", results.url));
    Ok(of_batch(done, false))
}

fn of_batch(done: BatchDone, already: bool) -> Done {
    let BatchFile { bytes, sha256, .. } = done.archive;
    Done {
        bytes,
        sha256: Some(sha256),
        already,
        warnings: done.warnings,
    }
}

/// Whether the node's copy of the database is there as its marker says.
fn whole(database: &Database) -> Result<(), Failure> {
    let copy = Copy::of(database);
    let place = copy.folder().display();
    let marker = copy
        .marker()
        .map_err(|error| Failure::disk(&format!("{place} cannot be read"), &error))?;
    let Some(marker) = marker else {
        return Err(Failure::BadCopy(format!(
            "there is no complete copy of {database} in {place}"
        )));
    };
    copy.check(&marker).map_err(|wrong| {
        // The container of BLAST+ may have no right to write there; staging compares again.
        let _ = copy.unmark();
        Failure::BadCopy(format!(
            "the copy of {database} on this node is damaged: {wrong}"
        ))
    })
}

/// Brings the query; its size in bytes.
async fn fetch(query: &Place, attempt: &Attempt) -> Result<u64, Failure> {
    let got = query.patiently(|| async {
        let answer = query.store.get_opts(&query.key, Default::default()).await?;
        answer.bytes().await
    });
    let bytes = got
        .await
        .map_err(|error| query.failed("the query cannot be read", &error))?;
    // BLAST+ would end well and have searched nothing.
    if bytes.is_empty() {
        return Err(Failure::Configuration(format!("{} is empty", query.url)));
    }
    attempt.write_query(&bytes)?;
    Ok(bytes.len() as u64)
}

/// Runs one program to its end.
async fn search(
    settings: &RunSettings,
    attempt: &Attempt,
    words: &[String],
    halt: &Halt,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    let (program, arguments) = words
        .split_first()
        .map_or(("", words), |(first, rest)| (first, rest));
    let begun = tokio::time::Instant::now();
    say::line(&format!("{program} begins"));
    let command = command(settings, attempt, program, arguments);
    let started = Started::start(command, STDERR_CAP).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
            Failure::Configuration(format!("{program} cannot be started: {error}"))
        }
        _ => Failure::disk(&format!("{program} cannot be started"), &error),
    })?;
    let asked = async {
        halt.asked().await;
    };
    let ended = started.end(asked).await;
    let ended = ended.map_err(|error| Failure::disk("BLAST+ cannot be waited for", &error))?;
    let Some(ended) = ended else {
        return Err(Failure::Stopped(halt.asked().await));
    };
    if !ended.stderr.is_empty() {
        say::problem(&ended.stderr);
    }
    for warning in exit::warnings(&ended.stderr) {
        if !warnings.contains(&warning) && warnings.len() < elb_core::job::MAX_WARNINGS {
            warnings.push(warning);
        }
    }
    if !ended.status.success() {
        if let Some(database) = &settings.database {
            whole(database)?;
        }
        return Err(explained(
            ended.status,
            &ended.stderr,
            std::mem::take(warnings),
        ));
    }
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    say::line(&format!(
        "{program} ended well after {}",
        text::duration_fine(took)
    ));
    Ok(())
}

fn command(
    settings: &RunSettings,
    attempt: &Attempt,
    program: &str,
    arguments: &[String],
) -> Command {
    let mut command = elb_process::command(Path::new(program));
    command.current_dir(attempt.folder());
    if let Some(database) = &settings.database {
        // Where the taxonomy files are, unless the pod says another place.
        if std::env::var_os("BLASTDB").is_none() {
            command.env("BLASTDB", database.folder());
        }
    }
    for argument in arguments {
        match (argument.as_str(), &settings.database) {
            (place::QUERY, _) => command.arg(attempt.query()),
            (place::OUT, _) => command.arg(attempt.archive()),
            (place::TABLE, _) => command.arg(attempt.table()),
            (place::DATABASE, Some(database)) => {
                command.arg(database.folder().join(&database.name))
            }
            (plain, _) => command.arg(plain),
        };
    }
    command
}

/// What it means that BLAST+ ended so, and what it says itself.
fn explained(status: ExitStatus, stderr: &str, warnings: Vec<String>) -> Failure {
    let signalled = status.signal().map(|signal| SIGNALLED + signal);
    let code = status.code().or(signalled).unwrap_or(1);
    let (_, what) = exit::of_code(code);
    let words = exit::own_words(stderr);
    let message = if words.is_empty() {
        what
    } else {
        format!("{what}: {words}")
    };
    Failure::Blast {
        code,
        message,
        warnings,
    }
}
