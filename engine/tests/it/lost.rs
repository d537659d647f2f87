//! Jobs that fall silent, and those that only seem to.

use std::{sync::Arc, time::Duration};

use elb_core::{error_code::ErrorCode, phase::Phase, search::Program};
use elb_engine::{executor::Evidence, service::Caller};

use super::{
    altered::Alterations,
    support::{Engine, PATIENCE, Settings, ShiftedClock, eventually, genes, search},
};

fn silent_at(
    call: &'static str,
    evidence: Evidence,
    clock: &ShiftedClock,
) -> (Alterations, Settings) {
    let alterations = Alterations::with_evidence(evidence);
    alterations.close(call, "");
    let settings = Settings {
        clock: Arc::new(clock.clone()),
        ..alterations.settings()
    };
    (alterations, settings)
}

/// Minutes pass in no time until it has happened.
async fn while_time_passes<T>(clock: &ShiftedClock, happens: impl Future<Output = T>) -> T {
    let passing = async {
        loop {
            clock.last(Duration::from_secs(60));
            tokio::task::yield_now().await;
        }
    };
    let happens = tokio::time::timeout(PATIENCE, happens);
    tokio::select! {
        happened = happens => happened.expect("it never happens"),
        () = passing => unreachable!(),
    }
}

fn nothing() -> Evidence {
    Evidence::Nothing("its last process ended at 12:00".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_a_sign_of_life_is_lost_says_what_was_known_and_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ShiftedClock::default();
    let (alterations, settings) = silent_at("observe", nothing(), &clock);
    let engine = Engine::start_with(folder.path(), settings).await;
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 2))
        .await;
    engine
        .wait_until(&id, |job| job.row.phase == Phase::Submitted)
        .await;
    let job = while_time_passes(&clock, engine.finish(&id)).await;
    assert_eq!(job.row.phase, Phase::WorkerLost);
    let error = job.failure.clone().unwrap().error;
    assert_eq!(error.code, ErrorCode::WorkerLost);
    assert!(
        error.message.contains("no sign of life for 10")
            && error.message.contains("its last process ended at 12:00"),
        "{error:?}"
    );
    // It reports after all: nothing comes back to life.
    alterations.open("observe", "");
    let other = engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await;
    engine.complete(&other).await;
    assert_eq!(engine.job(&id).row.phase, Phase::WorkerLost);
    engine.service.retry(&Caller::local(), &id).await.unwrap();
    assert_eq!(engine.complete(&id).await.row.attempt, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_truth_lies_elsewhere_is_never_lost_nor_is_one_that_waits() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ShiftedClock::default();
    let (alterations, settings) = silent_at("observe", Evidence::AtWork, &clock);
    let engine = Engine::start_with(folder.path(), settings).await;
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 2))
        .await;
    engine
        .wait_until(&id, |job| job.row.phase == Phase::Submitted)
        .await;
    alterations.keep_waiting(true);
    let waiting = engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await;
    engine
        .wait_until(&waiting, |job| job.row.phase == Phase::WaitingForDatabase)
        .await;
    while_time_passes(&clock, alterations.asked_for_evidence()).await;
    alterations.keep_waiting(false);
    alterations.open("observe", "");
    engine.complete(&id).await;
    engine.complete(&waiting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_executor_knows_that_a_search_is_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ShiftedClock::default();
    let alterations = Alterations::default();
    let settings = Settings {
        clock: Arc::new(clock.clone()),
        ..alterations.settings()
    };
    let engine = Engine::start_with(folder.path(), settings).await;
    let id = engine
        .submit_id(super::support::long_search(), &genes(0, 16))
        .await;
    engine
        .wait_until(&id, |job| job.row.phase == Phase::Running)
        .await;
    eventually("BLAST+ runs", || super::support::processes_of(&id) > 0).await;
    // One batch alone says nothing for as long as it takes.
    while_time_passes(&clock, alterations.asked_for_evidence()).await;
    assert_ne!(engine.job(&id).row.phase, Phase::WorkerLost);
    engine.service.cancel(&Caller::local(), &id).await.unwrap();
    assert_eq!(engine.finish(&id).await.row.phase, Phase::Cancelled);
}
