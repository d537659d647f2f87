//! How much of a search is not BLAST+: the whole way through `JobService` against the same argument
//! vector run directly, and a split search against one process with two threads. Rounds are
//! interleaved, so that a busy machine slows both sides alike.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    dead_code,
    unused_imports,
    reason = "a benchmark"
)]

#[path = "../tests/it/support.rs"]
mod support;
#[path = "table.rs"]
mod table;

use std::{path::Path, process::Command, time::Duration};

use elb_core::search::{Program, SearchSpec};
use support::{Engine, Settings, databases, genes, make_database, search};
use table::{line, median, ms, timed};

const SMALL_ROUNDS: usize = 15;
const LARGE_ROUNDS: usize = 1;

/// One direct run that writes an archive, as every batch does.
fn direct(spec: &SearchSpec, database: &Path, query: &Path, threads: &str) -> Duration {
    let mut command = Command::new(spec.program.as_str());
    if let Some(task) = spec.task() {
        command.args(["-task", task.as_str()]);
    }
    if let Some(most) = spec.options.get("max_target_seqs") {
        command.args(["-max_target_seqs", &most]);
    }
    command.arg("-db").arg(database).arg("-query").arg(query);
    command.args(["-outfmt", "11", "-num_threads", threads, "-out"]);
    command.arg(query.with_extension("asn"));
    let (time, status) = timed(|| command.status().unwrap());
    assert!(status.success());
    time
}

async fn ours(engine: &Engine, spec: &SearchSpec, query: &str) -> (Duration, String) {
    let begin = std::time::Instant::now();
    let submitted = engine.submit(spec.clone(), query).await.unwrap();
    let id = submitted.stored.job.id;
    engine.complete(&id).await;
    (begin.elapsed(), id)
}

/// Medians of both sides, interleaved.
async fn compare(
    engine: &Engine,
    spec: &SearchSpec,
    database: &Path,
    query: &str,
    threads: &str,
    rounds: usize,
) -> (Duration, Duration, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("query.fa");
    std::fs::write(&file, query).unwrap();
    let (mut left, mut right, mut last) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..rounds {
        let (time, id) = ours(engine, spec, query).await;
        left.push(time);
        right.push(direct(spec, database, &file, threads));
        last = id;
    }
    (median(&mut left), median(&mut right), last)
}

/// Where the time of one job went, step by step.
fn steps(engine: &Engine, id: &str) {
    for record in &engine.job(id).steps {
        let (Some(start), Some(end)) = (record.started_at, record.finished_at) else {
            continue;
        };
        line(
            &format!("    {}", record.key.label()),
            &format!("{} ms", end.since(start)),
        );
    }
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("theirs");
    std::fs::create_dir_all(&theirs).unwrap();
    make_database(&theirs, "rrna", "nucl", &genes(0, 10_000), &[]);
    let settings = Settings {
        folders: vec![theirs.clone()],
        ..Settings::default()
    };
    let engine = Engine::start_with(folder.path(), settings).await;

    for (what, program, query) in [
        ("blastn, 1 gene", Program::Blastn, genes(100, 1)),
        ("blastn, 8 genes", Program::Blastn, genes(100, 8)),
        (
            "blastp, 2 proteins",
            Program::Blastp,
            support::records(support::PROTEINS, 40, 2),
        ),
    ] {
        let spec = search(program);
        let database = databases().join(&spec.database);
        let (ours, blast, id) = compare(&engine, &spec, &database, &query, "1", SMALL_ROUNDS).await;
        line(&format!("{what}: end to end"), &ms(ours));
        line(&format!("{what}: BLAST+ alone"), &ms(blast));
        line(
            &format!("{what}: own overhead"),
            &format!(
                "{} ({:.2}x)",
                ms(ours.saturating_sub(blast)),
                ours.as_secs_f64() / blast.as_secs_f64()
            ),
        );
        steps(&engine, &id);
    }

    let mut spec = SearchSpec {
        database: "rrna".to_owned(),
        ..search(Program::Blastn)
    };
    // Every gene finds every other: with the usual 500 targets the figure would be one of formatting.
    spec.options.set("max_target_seqs", "50").unwrap();
    let query = genes(0, 200);
    let (ours, blast, id) = compare(
        &engine,
        &spec,
        &theirs.join("rrna"),
        &query,
        "2",
        LARGE_ROUNDS,
    )
    .await;
    line("blastn, 200 of 5,181 genes: end to end, split", &ms(ours));
    line(
        "blastn, 200 of 5,181 genes: one blastn -num_threads 2",
        &ms(blast),
    );
    line(
        "blastn, 200 of 5,181 genes: ours / theirs",
        &format!("{:.2}x", ours.as_secs_f64() / blast.as_secs_f64()),
    );
    steps(&engine, &id);
}
