//! Attempts that begin by themselves, and cancels that cannot be carried out at once.

use std::{sync::Arc, time::Duration};

use elb_core::{error_code::ErrorCode, phase::Phase, search::Program};
use elb_engine::{clock::ManualClock, service::Caller};

use super::{
    altered::Alterations,
    support::{Engine, Settings, genes, search},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_error_is_tried_again_by_itself_with_the_time_and_the_reason_shown() {
    let folder = tempfile::tempdir().unwrap();
    let alterations = Alterations::default();
    alterations.fail("prepare", 1);
    let engine = Engine::start_with(folder.path(), alterations.settings()).await;
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 2))
        .await;
    let waiting = engine.wait_until(&id, |job| job.row.attempt == 2).await;
    assert_eq!(waiting.row.phase, Phase::Queued);
    let reason = waiting.row.reason.clone().unwrap();
    assert!(
        reason.starts_with("automatic retry 1 of 3, not before ")
            && reason.ends_with("last error: the disk was busy"),
        "{reason}"
    );
    let not_before = waiting.row.not_before.unwrap();
    let job = engine.complete(&id).await;
    assert_eq!(job.row.attempt, 2);
    assert!(job.row.started_at.unwrap() >= not_before);
    let first = &job.past_attempts[0];
    let error = first.error.as_ref().unwrap();
    assert_eq!(error.code, ErrorCode::TemporarilyUnavailable);
    let history = engine.history(&id).await;
    assert!(
        history
            .iter()
            .any(|entry| entry.note.starts_with("attempt 2 begins by itself")),
        "{history:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_three_retries_the_error_stays_and_pauses_last_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let alterations = Alterations::default();
    alterations.fail("prepare", 4);
    // Stands still: a pause is not over before it is passed, however long a restart takes.
    let clock = ManualClock::at(1_764_158_400_000);
    let settings = || Settings {
        clock: Arc::new(clock.clone()),
        ..alterations.settings()
    };
    let mut engine = Engine::start_with(folder.path(), settings()).await;
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 2))
        .await;
    for attempt in 2..=4 {
        let waiting = engine
            .wait_until(&id, |job| job.row.attempt == attempt)
            .await;
        let then = waiting.row.not_before.unwrap();
        engine.service.shut_down().await;
        engine = Engine::start_with(folder.path(), settings()).await;
        let again = engine.job(&id);
        assert_eq!(again.row.not_before, Some(then), "kept in the row");
        engine.service.shut_down().await;
        clock.pass(Duration::from_secs(121));
        engine = Engine::start_with(folder.path(), settings()).await;
    }
    let job = engine.finish(&id).await;
    assert_eq!((job.row.phase, job.row.attempt), (Phase::Failed, 4));
    assert_eq!(job.past_attempts.len(), 3);
    let failure = job.failure.clone().unwrap();
    assert_eq!(failure.error.code, ErrorCode::TemporarilyUnavailable);
    engine.service.retry(&Caller::local(), &id).await.unwrap();
    assert_eq!(engine.complete(&id).await.row.attempt, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_waits_keeps_no_place_and_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let alterations = Alterations::default();
    alterations.fail("prepare", 1);
    let settings = Settings {
        places: 1,
        ..alterations.settings()
    };
    let engine = Engine::start_with(folder.path(), settings).await;
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 2))
        .await;
    engine.wait_until(&id, |job| job.row.attempt == 2).await;
    let other = engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await;
    engine.complete(&other).await;
    engine.service.cancel(&Caller::local(), &id).await.unwrap();
    assert_eq!(engine.finish(&id).await.row.phase, Phase::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_for_its_database_leaves_its_place_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let alterations = Alterations::default();
    alterations.keep_waiting(true);
    let settings = Settings {
        places: 1,
        ..alterations.settings()
    };
    let engine = Engine::start_with(folder.path(), settings).await;
    let first = engine
        .submit_id(search(Program::Blastn), &genes(0, 2))
        .await;
    let second = engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await;
    for id in [&first, &second] {
        let waiting = engine
            .wait_until(id, |job| job.row.phase == Phase::WaitingForDatabase)
            .await;
        assert_eq!(waiting.row.reason.as_deref(), Some("it is not there yet"));
    }
    alterations.keep_waiting(false);
    engine.complete(&first).await;
    engine.complete(&second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_cannot_be_carried_out_says_why_and_keeps_trying() {
    let folder = tempfile::tempdir().unwrap();
    let alterations = Alterations::default();
    alterations.close("observe", "");
    alterations.fail("cancel", 1);
    let engine = Engine::start_with(folder.path(), alterations.settings()).await;
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 2))
        .await;
    engine
        .wait_until(&id, |job| job.row.phase == Phase::Submitted)
        .await;
    engine.service.cancel(&Caller::local(), &id).await.unwrap();
    let hindered = engine.wait_until(&id, |job| job.row.reason.is_some()).await;
    assert_eq!(hindered.row.phase, Phase::Cancelling);
    assert_eq!(hindered.row.reason.as_deref(), Some("the disk was busy"));
    let job = engine.finish(&id).await;
    assert_eq!((job.row.phase, &job.row.reason), (Phase::Cancelled, &None));
}
