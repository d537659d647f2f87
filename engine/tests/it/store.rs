//! The store on disk: what it refuses, and what one damaged row does to the others.

use std::{path::Path, sync::Arc};

use elb_core::{job::Job, list::ListQuery, phase::Phase, search::Program, time::Timestamp};
use elb_engine::{
    clock::SystemClock,
    jobs::{Held, Jobs},
    lease::{LeaseTerms, Member},
    repository::{Repository, RepositoryError, SqliteRepository},
    service::{Caller, ServiceError},
};
use rusqlite::Connection;

use super::support::{Engine, genes, plain_job, search};

fn file(folder: &Path) -> Connection {
    Connection::open(folder.join("state.sqlite")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_is_counted_and_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let mut ids = Vec::new();
    for count in 1..=3 {
        let submitted = engine
            .submit(search(Program::Blastn), &genes(0, count))
            .await
            .unwrap();
        engine.complete(&submitted.stored.job.id).await;
        ids.push(submitted.stored.job.id);
    }
    engine.service.shut_down().await;
    let changed = file(folder.path())
        .execute(
            "UPDATE jobs SET document = '{\"id\":' WHERE id = ?1",
            [&ids[1]],
        )
        .unwrap();
    assert_eq!(changed, 1);
    let again = Engine::start(folder.path()).await;
    assert_eq!(again.service.unreadable_jobs(), 1);
    let list = again.service.list(&Caller::local(), &ListQuery::default());
    assert_eq!(list.totals.all, 2);
    again.complete(&ids[0]).await;
    again.complete(&ids[2]).await;
    let lost = again.service.detail(&Caller::local(), &ids[1]);
    assert!(matches!(lost, Err(ServiceError::NoSuchJob(_))));
    assert!(
        folder.path().join("objects/jobs").join(&ids[1]).is_dir(),
        "its results stay"
    );
}

#[tokio::test]
async fn every_page_of_a_scan_is_read_even_if_a_whole_page_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let repository = SqliteRepository::open(&folder.path().join("state.sqlite")).unwrap();
    let rows = file(folder.path());
    rows.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
         INSERT INTO jobs (id, created_at, phase, version, document) \
         SELECT printf('job-%05d', i), i, 'queued', 1, 'no json' FROM n",
    )
    .unwrap();
    let clock = Arc::new(SystemClock);
    let member = Member::new(LeaseTerms::Alone, clock.clone());
    let jobs = Jobs::load(Arc::new(repository), clock, member)
        .await
        .unwrap();
    assert_eq!(jobs.unreadable(), 2_500);
}

#[test]
fn a_file_of_a_newer_program_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    drop(SqliteRepository::open(&folder.path().join("state.sqlite")).unwrap());
    file(folder.path())
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let refused = SqliteRepository::open(&folder.path().join("state.sqlite")).unwrap_err();
    assert!(matches!(refused, RepositoryError::TooNew { found: 99, .. }));
    assert!(refused.to_string().contains("newer program"), "{refused}");
    let version: i64 = file(folder.path())
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 99);
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("state.sqlite"),
        "something else entirely, and long enough",
    )
    .unwrap();
    assert!(SqliteRepository::open(&folder.path().join("state.sqlite")).is_err());
}

#[test]
fn commits_wait_for_the_disk_and_opening_twice_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        drop(SqliteRepository::open(&folder.path().join("state.sqlite")).unwrap());
    }
    let mode: String = file(folder.path())
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_history_of_ten_thousand_changes_is_read_to_its_end_in_pages_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.sqlite");
    let repository = SqliteRepository::open(&path).unwrap();
    file(folder.path())
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
             INSERT INTO history (job_id, version, at, attempt, phase, note, actor) \
             SELECT 'job', i, i, 1, 'running', 'change ' || i, '' FROM n",
        )
        .unwrap();
    let mut before = None;
    let mut read = Vec::new();
    loop {
        let page = repository.history("job", before, 100).await.unwrap();
        before = page.last().map(|entry| entry.version);
        if page.is_empty() {
            break;
        }
        read.extend(page.into_iter().map(|entry| entry.version));
    }
    assert!(read.into_iter().eq((1..=10_000).rev()));
}

#[tokio::test]
async fn a_store_of_the_first_schema_is_taken_over_with_its_searches_and_tombstones() {
    let folder = tempfile::tempdir().unwrap();
    let rows = file(folder.path());
    rows.execute_batch(include_str!("../../migrations/001_jobs.sql"))
        .unwrap();
    for (number, phase) in [Phase::Queued, Phase::Completed, Phase::Deleted]
        .into_iter()
        .enumerate()
    {
        let created = Timestamp(1_700_000_000_000 + i64::try_from(number).unwrap());
        let job = Job {
            phase,
            ..plain_job(phase.as_str(), created)
        };
        let document = serde_json::to_string(&job).unwrap();
        let row = (&job.id, created.0, phase.as_str(), document);
        rows.execute(
            "INSERT INTO jobs (id, created_at, phase, version, document) VALUES (?1, ?2, ?3, 7, ?4)",
            row,
        )
        .unwrap();
    }
    rows.pragma_update(None, "user_version", 1).unwrap();
    let repository = SqliteRepository::open(&folder.path().join("state.sqlite")).unwrap();
    let clock = Arc::new(SystemClock);
    let member = Member::new(LeaseTerms::Alone, clock.clone());
    let jobs = Jobs::load(Arc::new(repository), clock, member)
        .await
        .unwrap();
    assert_eq!(jobs.unreadable(), 0);
    let model = jobs.model();
    assert_eq!(model.active(), ["queued"]);
    assert_eq!(model.phase("completed"), Some(Phase::Completed));
    assert!(model.is_deleted("deleted") && model.is_emptied("deleted"));
    let queued = jobs.get("queued").await.unwrap();
    assert_eq!(queued.version, 7);
    let Held::Ours(ours) = jobs.hold("queued").await.unwrap() else {
        panic!("it is for this process to drive");
    };
    assert_eq!(ours.lease.epoch, 1);
}
