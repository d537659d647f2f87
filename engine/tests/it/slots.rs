//! One submission at a time to each place, in the order of creation.

use std::sync::Arc;

use elb_core::{error_code::ErrorCode, phase::Phase, poll, search::Program};
use elb_engine::{
    repository::{Created, Repository, SlotRequest, SlotTurn, SqliteRepository},
    service::Caller,
};

use super::{
    altered::Alterations,
    support::{Engine, Settings, ShiftedClock, genes, plain_job, search},
};

/// More places than searches: only the slot makes them wait.
fn roomy(alterations: &Alterations, clock: &ShiftedClock) -> Settings {
    Settings {
        places: 8,
        clock: Arc::new(clock.clone()),
        ..alterations.settings()
    }
}

async fn submitted(engine: &Engine) -> String {
    engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn submissions_to_one_place_go_one_at_a_time_in_the_order_of_creation() {
    let folder = tempfile::tempdir().unwrap();
    let alterations = Alterations::with_slots();
    alterations.close("submit", "");
    let settings = roomy(&alterations, &ShiftedClock::default());
    let engine = Engine::start_with(folder.path(), settings).await;
    let first = submitted(&engine).await;
    engine
        .wait_until(&first, |job| job.row.phase == Phase::Submitting)
        .await;
    let second = submitted(&engine).await;
    let third = submitted(&engine).await;
    let holds = |reason: Option<&str>, place: &str| {
        reason.is_some_and(|reason| {
            reason.starts_with(&format!(
                "{place}; the submit slot is held by job {first} since "
            ))
        })
    };
    for (id, place) in [(&second, "next in line"), (&third, "2nd in line")] {
        let job = engine
            .wait_until(id, |job| holds(job.row.reason.as_deref(), place))
            .await;
        assert_eq!(job.row.phase, Phase::WaitingForSubmitSlot);
    }
    // Another place waits for nobody. The gates of the two come first: between them nobody slips through.
    for id in [&first, &second] {
        alterations.close("submit", id);
    }
    alterations.open("submit", "");
    let elsewhere = engine
        .submit_id(
            elb_core::search::SearchSpec {
                database: "genes".to_owned(),
                ..search(Program::Blastn)
            },
            &genes(0, 1),
        )
        .await;
    engine.complete(&elsewhere).await;
    for id in [&first, &second] {
        assert!(engine.job(id).row.phase.is_active());
        alterations.open("submit", id);
    }
    for id in [&first, &second, &third] {
        engine.complete(id).await;
    }
    let entered = async |id: &str| {
        let history = engine.history(id).await;
        let entry = history
            .iter()
            .find(|entry| entry.phase == Phase::Submitting);
        entry.unwrap().at
    };
    assert!(entered(&first).await <= entered(&second).await);
    assert!(entered(&second).await <= entered(&third).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_that_is_cancelled_leaves_the_line_and_a_holder_the_slot() {
    let folder = tempfile::tempdir().unwrap();
    let alterations = Alterations::with_slots();
    alterations.close("submit", "");
    let settings = roomy(&alterations, &ShiftedClock::default());
    let engine = Engine::start_with(folder.path(), settings).await;
    let holder = submitted(&engine).await;
    engine
        .wait_until(&holder, |job| job.row.phase == Phase::Submitting)
        .await;
    let waiters = [submitted(&engine).await, submitted(&engine).await];
    for id in &waiters {
        engine
            .wait_until(id, |job| job.row.phase == Phase::WaitingForSubmitSlot)
            .await;
    }
    for id in [&waiters[0], &holder] {
        engine.service.cancel(&Caller::local(), id).await.unwrap();
        assert_eq!(engine.finish(id).await.row.phase, Phase::Cancelled);
    }
    alterations.open("submit", "");
    engine.complete(&waiters[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_the_slot_ends_at_its_deadline_even_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let alterations = Alterations::with_slots();
    alterations.close("submit", "");
    let clock = ShiftedClock::default();
    let engine = Engine::start_with(folder.path(), roomy(&alterations, &clock)).await;
    let holder = submitted(&engine).await;
    engine
        .wait_until(&holder, |job| job.row.phase == Phase::Submitting)
        .await;
    let waiter = submitted(&engine).await;
    engine
        .wait_until(&waiter, |job| job.row.phase == Phase::WaitingForSubmitSlot)
        .await;
    engine.service.shut_down().await;
    clock.pass(poll::WAIT_SUBMIT_SLOT);
    let again = Engine::start_with(folder.path(), roomy(&alterations, &clock)).await;
    let failure = again.finish(&waiter).await.failure.clone().unwrap();
    assert_eq!(failure.error.code, ErrorCode::BlastSubmitLockBusy);
    assert!(failure.error.message.contains(&holder), "{failure:?}");
    alterations.open("submit", "");
    again.complete(&holder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_whose_holder_is_silent_for_its_whole_life_is_taken_over_and_the_history_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let alterations = Alterations::with_slots();
    let clock = ShiftedClock::default();
    let engine = Engine::start_with(folder.path(), roomy(&alterations, &clock)).await;
    // A job that some other program submits, and never comes to an end with.
    let store = SqliteRepository::open(&folder.path().join("state.sqlite")).unwrap();
    let silent = plain_job("silent", elb_engine::clock::Clock::now(&clock));
    let entry = super::support::first_entry(&silent);
    let created = store.create(&silent, None, &entry, "somebody").await;
    assert!(matches!(created.unwrap(), Created::New(_)));
    let request = SlotRequest {
        slot: "few_genes".to_owned(),
        job_id: silent.id.clone(),
        created_at: silent.created_at,
        now: silent.created_at,
        silent: None,
    };
    let turn = store.take_slot(&request).await.unwrap();
    assert_eq!(turn, SlotTurn::Yours { taken_from: None });

    let waiter = submitted(&engine).await;
    engine
        .wait_until(&waiter, |job| job.row.phase == Phase::WaitingForSubmitSlot)
        .await;
    clock.last(poll::SLOT_LIFE);
    engine.complete(&waiter).await;
    let history = engine.history(&waiter).await;
    let taken = history.iter().find(|entry| {
        entry
            .note
            .starts_with("the submit slot few_genes was taken over from job silent")
    });
    assert!(taken.is_some(), "{history:#?}");
    assert!(!store.renew_slot("few_genes", "silent").await.unwrap());
}
