//! What goes wrong while a search runs: BLAST+, its database, its sender, the server itself.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use elb_core::{
    molecule::Molecule,
    phase::Phase,
    search::{Program, SearchSpec},
    step::{Step, StepState},
};
use elb_engine::{
    executor::RunLimits,
    service::{Caller, Format, ServiceError},
};
use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use super::support::{
    self, DATABASES, Engine, Settings, databases, eventually, genes, long_search, make_database,
    processes_of, search,
};

/// BLAST+ whose `blastn` does what the file `fault` says, if there is one.
fn faulty_toolkit(folder: &Path) -> PathBuf {
    let tools = folder.join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path)
        .find(|folder| folder.join("blastn").is_file())
        .unwrap();
    for name in [
        "blastp",
        "blastx",
        "tblastn",
        "tblastx",
        "blast_formatter",
        "blastdbcmd",
        "makeblastdb",
    ] {
        symlink(real.join(name), tools.join(name)).unwrap();
    }
    let script = format!(
        "#!/bin/sh\nif [ $# -gt 1 ] && [ -e '{fault}' ]; then . '{fault}'; fi\nexec '{real}' \"$@\"\n",
        fault = folder.join("fault").display(),
        real = real.join("blastn").display(),
    );
    let blastn = tools.join("blastn");
    std::fs::write(&blastn, script).unwrap();
    std::fs::set_permissions(&blastn, std::fs::Permissions::from_mode(0o755)).unwrap();
    tools
}

async fn failure(engine: &Engine, id: &str) -> (String, String) {
    let job = engine.finish(id).await;
    assert_eq!(job.row.phase, Phase::Failed);
    let failure = job.failure.clone().unwrap();
    assert_eq!(failure.error.step, Step::Running);
    assert!(!failure.remedy.is_empty());
    (
        failure.error.code.as_str().to_owned(),
        failure.error.message,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_in_which_blast_ends_badly_is_told_apart_and_a_retry_searches_anew() {
    let folder = tempfile::tempdir().unwrap();
    let toolkit = Some(faulty_toolkit(folder.path()));
    let engine = Engine::start_with(
        folder.path(),
        Settings {
            toolkit,
            ..Settings::default()
        },
    )
    .await;
    let fault = folder.path().join("fault");
    for (what, code, words) in [
        ("kill -KILL $$", "out_of_memory", "signal 9"),
        (
            "echo 'No space left on device' >&2; exit 1",
            "disk_full",
            "No space left",
        ),
        ("kill -ABRT $$", "disk_full", "signal 6"),
        ("kill -SEGV $$", "database_unreadable", "damaged"),
        (
            "echo 'BLAST Database error: No alias or index file found' >&2; exit 2",
            "database_missing",
            "No alias",
        ),
        (
            "echo 'BLAST engine error: Odd' >&2; exit 3",
            "blast_failed",
            "Odd",
        ),
        ("exit 4", "out_of_memory", "exit code 4"),
        (
            "echo 'Error: (CArgException) bad value' >&2; exit 1",
            "option_rejected",
            "bad value",
        ),
    ] {
        std::fs::write(&fault, format!("{what}\n")).unwrap();
        let id = engine
            .submit(search(Program::Blastn), &genes(0, 1))
            .await
            .unwrap()
            .stored
            .job
            .id;
        let (found, message) = failure(&engine, &id).await;
        assert_eq!(found, code, "{what}: {message}");
        assert!(message.contains(words), "{what}: {message}");
        std::fs::remove_file(&fault).unwrap();
        engine.service.retry(&Caller::local(), &id).await.unwrap();
        assert_eq!(engine.complete(&id).await.row.attempt, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_blast_warns_of_is_shown_once_however_many_batches_say_it() {
    let folder = tempfile::tempdir().unwrap();
    let toolkit = Some(faulty_toolkit(folder.path()));
    let engine = Engine::start_with(
        folder.path(),
        Settings {
            toolkit,
            ..Settings::default()
        },
    )
    .await;
    std::fs::write(
        folder.path().join("fault"),
        "echo 'Warning: [blastn] Odd thing' >&2\n",
    )
    .unwrap();
    let id = engine
        .submit(search(Program::Blastn), &genes(0, 8))
        .await
        .unwrap()
        .stored
        .job
        .id;
    let job = engine.complete(&id).await;
    assert!(job.row.progress.batches_total > 1);
    assert_eq!(job.warnings, ["Odd thing"]);
}

/// A database of its own in a folder of its own.
async fn with_database(folder: &Path, settings: Settings) -> (Engine, PathBuf, SearchSpec) {
    let theirs = folder.join("theirs");
    std::fs::create_dir_all(&theirs).unwrap();
    make_database(&theirs, "mine", "nucl", &genes(0, 300), &[]);
    let folders = vec![theirs.clone()];
    let engine = Engine::start_with(
        folder,
        Settings {
            folders,
            ..settings
        },
    )
    .await;
    let spec = SearchSpec {
        database: "mine".to_owned(),
        ..search(Program::Blastn)
    };
    (engine, theirs, spec)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_changed_or_removed_in_the_queue_fails_its_searches_with_that_reason() {
    for (removed, code) in [(false, "database_changed"), (true, "database_missing")] {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            places: 1,
            ..Settings::default()
        };
        let (engine, theirs, spec) = with_database(folder.path(), settings).await;
        let first = engine
            .submit(long_search(), &genes(0, 60))
            .await
            .unwrap()
            .stored
            .job
            .id;
        engine
            .wait_until(&first, |job| job.row.phase == Phase::Running)
            .await;
        let id = engine
            .submit(spec, &genes(0, 2))
            .await
            .unwrap()
            .stored
            .job
            .id;
        if removed {
            std::fs::remove_dir_all(&theirs).unwrap();
        } else {
            make_database(&theirs, "mine", "nucl", &genes(0, 299), &[]);
        }
        engine
            .service
            .cancel(&Caller::local(), &first)
            .await
            .unwrap();
        let job = engine.finish(&id).await;
        assert_eq!(job.failure.clone().unwrap().error.code.as_str(), code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_changed_during_the_search_fails_it() {
    let folder = tempfile::tempdir().unwrap();
    let toolkit = Some(faulty_toolkit(folder.path()));
    let settings = Settings {
        toolkit,
        ..Settings::default()
    };
    let (engine, theirs, spec) = with_database(folder.path(), settings).await;
    // Each batch touches the database before it searches.
    let touch = format!("touch '{}'\n", theirs.join("mine.nsq").display());
    std::fs::write(folder.path().join("fault"), touch).unwrap();
    let id = engine
        .submit(spec, &genes(0, 2))
        .await
        .unwrap()
        .stored
        .job
        .id;
    assert_eq!(failure(&engine, &id).await.0, "database_changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_cut_off_is_refused_although_blast_would_search_it_and_say_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, theirs, spec) = with_database(folder.path(), Settings::default()).await;
    let letters = std::fs::OpenOptions::new()
        .write(true)
        .open(theirs.join("mine.nsq"))
        .unwrap();
    letters.set_len(5_000).unwrap();
    engine.service.catalogue().refresh().await;
    let database = engine.service.catalogue().get("mine").unwrap();
    let problem = database.problem.unwrap();
    assert!(
        problem.contains("mine.nsq has 5000 bytes instead of"),
        "{problem}"
    );
    let refused = engine.submit(spec, &genes(200, 2)).await;
    assert!(
        matches!(refused, Err(ServiceError::Invalid(_))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_one_of_its_files_fails_the_search_in_blasts_words() {
    let folder = tempfile::tempdir().unwrap();
    let toolkit = Some(faulty_toolkit(folder.path()));
    let settings = Settings {
        toolkit,
        ..Settings::default()
    };
    let (engine, theirs, spec) = with_database(folder.path(), settings).await;
    let remove = format!("rm -f '{}'\n", theirs.join("mine.nhr").display());
    std::fs::write(folder.path().join("fault"), remove).unwrap();
    let id = engine
        .submit(spec, &genes(0, 1))
        .await
        .unwrap()
        .stored
        .job
        .id;
    let (code, message) = failure(&engine, &id).await;
    assert_eq!(code, "database_changed", "{message}");
    assert!(message.contains("mine.nhr"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_in_the_same_server_does_not_meet_the_run_of_the_attempt_before() {
    let folder = tempfile::tempdir().unwrap();
    let limits = RunLimits {
        wall_time: Duration::ZERO,
        ..Settings::default().limits
    };
    let engine = Engine::start_with(
        folder.path(),
        Settings {
            limits,
            ..Settings::default()
        },
    )
    .await;
    let id = engine
        .submit(long_search(), &genes(0, 60))
        .await
        .unwrap()
        .stored
        .job
        .id;
    assert_eq!(failure(&engine, &id).await.0, "time_limit");
    engine.service.retry(&Caller::local(), &id).await.unwrap();
    let job = engine
        .wait_until(&id, |job| {
            job.row.attempt == 2 && !job.row.phase.is_active()
        })
        .await;
    assert!(job.steps[Step::Running.index()].started_at.is_some());
    let log = engine
        .service
        .logs(&Caller::local(), &id, 0, 1_000)
        .await
        .unwrap();
    let limits = log
        .iter()
        .filter(|line| line.text.starts_with("the search took longer"))
        .count();
    assert_eq!(limits, 2);
    assert_eq!(processes_of(&id), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_that_a_search_has_taken_counts_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let id = engine
        .submit(long_search(), &genes(0, 60))
        .await
        .unwrap()
        .stored
        .job
        .id;
    engine
        .wait_until(&id, |job| job.row.phase == Phase::Running)
        .await;
    engine.service.shut_down().await;
    assert_eq!(
        processes_of(&id),
        0,
        "the engine has ended and its processes go on"
    );
    let limit = Settings::default().limits.wall_time.as_millis();
    std::fs::write(
        folder.path().join("work").join(&id).join("searched-1"),
        limit.to_string(),
    )
    .unwrap();
    let again = Engine::start(folder.path()).await;
    assert_eq!(failure(&again, &id).await.0, "time_limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_work_folder_is_made_again_and_the_search_completes() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let id = engine
        .submit(search(Program::Tblastx), &genes(0, 120))
        .await
        .unwrap()
        .stored
        .job
        .id;
    engine
        .wait_until(&id, |job| job.row.progress.batches_done >= 1)
        .await;
    engine.service.shut_down().await;
    std::fs::remove_dir_all(folder.path().join("work").join(&id)).unwrap();
    let again = Engine::start(folder.path()).await;
    let job = again.complete(&id).await;
    assert_eq!(
        job.row.progress.batches_done,
        job.row.progress.batches_total
    );
    assert_eq!(job.row.progress.percent(), 100);
}

/// Runs as a process of its own in the test below, which kills it.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_killed() {
    let Some(folder) = std::env::var_os("ELB_TEST_FOLDER") else {
        return;
    };
    let engine = Engine::start(Path::new(&folder)).await;
    let id = engine
        .submit(search(Program::Tblastx), &genes(0, 60))
        .await
        .unwrap()
        .stored
        .job
        .id;
    engine
        .wait_until(&id, |job| job.row.progress.batches_done >= 1)
        .await;
    println!("\nsubmitted {id}");
    futures::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_search_finishes_with_each_batch_once_and_no_process_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::an_engine_that_is_killed", "--nocapture"])
        .env("ELB_TEST_FOLDER", folder.path())
        .env(DATABASES, databases())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let id = lines
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix("submitted ").map(str::to_owned))
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let again = Engine::start(folder.path()).await;
    let job = again.complete(&id).await;
    assert_eq!(job.row.attempt, 1);
    eventually("no process of it is left", || processes_of(&id) == 0).await;
    let log = again
        .service
        .logs(&Caller::local(), &id, 0, 2_000)
        .await
        .unwrap();
    let mut done: Vec<&str> = log
        .iter()
        .filter_map(|line| line.text.split_once(": done in"))
        .map(|(batch, _)| batch)
        .collect();
    done.sort_unstable();
    let all = done.len();
    done.dedup();
    assert_eq!(done.len(), all, "a batch ran twice");
    // One may have been finished and not yet noted when the kill came.
    assert!(all as u32 + 2 >= job.row.progress.batches_total, "{done:?}");
    let history = again
        .service
        .history(&Caller::local(), &id, None, 500)
        .await
        .unwrap();
    assert!(history.windows(2).all(|pair| pair[0].at >= pair[1].at));
    let mut end = None;
    for record in &job.steps {
        assert!(matches!(record.state, StepState::Done | StepState::Skipped));
        assert!(
            end.is_none() || record.started_at == end,
            "a gap before {:?}",
            record.key
        );
        end = record.finished_at;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_whose_sender_goes_away_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let (mut sender, receiver) = tokio::io::duplex(64);
    let service = engine.service.clone();
    let receiving =
        tokio::spawn(async move { service.receive_query(receiver, Molecule::Nucleotide).await });
    sender.write_all(&[b'A'; 200]).await.unwrap();
    let files = || {
        std::fs::read_dir(folder.path().join("scratch"))
            .unwrap()
            .count()
    };
    assert_eq!(files(), 1);
    receiving.abort();
    eventually("the file is removed", || files() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formatter_ends_with_its_reader_and_lives_through_the_end_of_another_run() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let id = engine
        .submit(search(Program::Tblastx), &support::genes(0, 40))
        .await
        .unwrap()
        .stored
        .job
        .id;
    engine.complete(&id).await;
    let download = || async {
        let mut download = engine
            .service
            .download(&Caller::local(), &id, Format::Pairwise)
            .await
            .unwrap();
        download.pieces.next().await.unwrap().unwrap();
        download
    };
    let kept = download().await;
    assert_eq!(processes_of(&id), 1, "it waits for its reader");
    let other = engine
        .submit(long_search(), &genes(0, 60))
        .await
        .unwrap()
        .stored
        .job
        .id;
    engine
        .wait_until(&other, |job| job.row.phase == Phase::Running)
        .await;
    engine
        .service
        .cancel(&Caller::local(), &other)
        .await
        .unwrap();
    engine.finish(&other).await;
    assert_eq!(processes_of(&id), 1);
    drop(kept);
    eventually("the formatter has ended", || processes_of(&id) == 0).await;
}
