//! The store is held by another program for half a minute.

use std::time::{Duration, Instant};

use elb_core::{list::ListQuery, phase::Phase, search::Program};
use elb_engine::{
    repository::RepositoryError,
    service::{Caller, ServiceError},
};
use rusqlite::Connection;

use super::support::{Engine, eventually, genes, long_search, processes_of, search};

/// How long the store is held.
const HELD: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_locked_for_half_a_minute_refuses_loses_nothing_and_stops_no_search() {
    let folder = tempfile::tempdir().unwrap();
    let me = Caller::local();
    let engine = Engine::start(folder.path()).await;
    let done = engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await;
    engine.complete(&done).await;
    let running = engine.submit_id(long_search(), &genes(0, 6)).await;
    engine
        .wait_until(&running, |job| job.row.phase == Phase::Running)
        .await;
    eventually("BLAST+ runs", || processes_of(&running) > 0).await;

    let other = Connection::open(folder.path().join("state.sqlite")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let begun = Instant::now();
    while begun.elapsed() < HELD {
        let query = genes(0, 1);
        let refused = engine.submit(search(Program::Blastn), &query).await;
        assert!(
            matches!(
                refused,
                Err(ServiceError::Store(RepositoryError::Unavailable(_)))
            ),
            "{refused:?}"
        );
        // What is known is answered meanwhile, from memory and from the file.
        let list = engine.service.list(&me, &ListQuery::default());
        assert_eq!(list.totals.all, 2);
        assert!(!engine.history(&done).await.is_empty());
    }
    let cancelled = engine.service.cancel(&me, &running).await;
    assert!(
        matches!(
            cancelled,
            Err(ServiceError::Store(_) | ServiceError::NotNow(_))
        ),
        "{cancelled:?}"
    );
    other.execute_batch("ROLLBACK").unwrap();

    let job = engine.complete(&running).await;
    assert_eq!(job.row.attempt, 1);
    let history = engine.history(&running).await;
    assert_eq!(history[0].phase, Phase::Completed);
    let started = engine
        .service
        .logs(&me, &running, 0, 2_000)
        .await
        .unwrap()
        .into_iter()
        .filter(|line| line.text.ends_with("started"));
    let batches = usize::try_from(job.row.progress.batches_total).unwrap();
    assert_eq!(started.count(), batches, "no batch was run twice");
    let again = engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await;
    engine.complete(&again).await;
    let kept = std::fs::read_dir(folder.path().join("objects/jobs")).unwrap();
    assert_eq!(kept.count(), 3, "nothing of the refused ones is left");
}
