//! Two servers on one store whose clocks disagree, and are set while searches run.

use std::{sync::Arc, time::Duration};

use elb_core::{phase::Phase, search::Program};
use elb_engine::{lease::LeaseTerms, service::Caller};

use super::support::{Engine, PATIENCE, Settings, ShiftedClock, genes, search};

const HOUR: i64 = 3_600_000;

fn shared(clock: &ShiftedClock) -> Settings {
    Settings {
        terms: LeaseTerms::Shared {
            life: Duration::from_secs(30),
        },
        clock: Arc::new(clock.clone()),
        ..Settings::default()
    }
}

async fn seen_by(engine: &Engine, id: &str) {
    let seen = async {
        while engine.service.detail(&Caller::local(), id).is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen)
        .await
        .expect("the other server sees it");
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_an_hour_apart_and_set_on_the_way_move_no_lease() {
    let folder = tempfile::tempdir().unwrap();
    let (early, late) = (ShiftedClock::default(), ShiftedClock::default());
    late.set_by(HOUR);
    let one = Engine::start_with(folder.path(), shared(&early)).await;
    let other = Engine::start_with(folder.path(), shared(&late)).await;
    let mut ids = Vec::new();
    for (round, jump) in [-HOUR, HOUR, -2 * HOUR, HOUR].into_iter().enumerate() {
        let (here, there, clock) = if round % 2 == 0 {
            (&one, &other, &late)
        } else {
            (&other, &one, &early)
        };
        let id = here.submit_id(search(Program::Blastn), &genes(0, 8)).await;
        seen_by(there, &id).await;
        clock.set_by(jump);
        early.set_by(-jump);
        here.complete(&id).await;
        there.complete(&id).await;
        ids.push(id);
    }
    for id in ids {
        let history = one.history(&id).await;
        assert!(history.iter().all(|entry| entry.epoch == 1), "{history:#?}");
        let times: Vec<_> = history.iter().rev().map(|entry| entry.at).collect();
        assert!(times.is_sorted(), "{history:#?}");
        let runs = history
            .iter()
            .filter(|entry| entry.phase == Phase::Submitted);
        assert_eq!(runs.count(), 1);
    }
    one.service.shut_down().await;
    other.service.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_hands_its_searches_to_the_other_one() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ShiftedClock::default();
    let one = Engine::start_with(folder.path(), shared(&clock)).await;
    let other = Engine::start_with(folder.path(), shared(&clock)).await;
    let id = one
        .submit_id(super::support::long_search(), &genes(0, 12))
        .await;
    one.wait_until(&id, |job| job.row.phase == Phase::Running)
        .await;
    seen_by(&other, &id).await;
    one.service.shut_down().await;
    other.complete(&id).await;
    let history = other.history(&id).await;
    assert_eq!(history[0].epoch, 2, "{history:#?}");
    other.service.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_at_one_server_stops_what_the_other_one_runs() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ShiftedClock::default();
    let one = Engine::start_with(folder.path(), shared(&clock)).await;
    let other = Engine::start_with(folder.path(), shared(&clock)).await;
    let id = one
        .submit_id(super::support::long_search(), &genes(0, 60))
        .await;
    one.wait_until(&id, |job| job.row.phase == Phase::Running)
        .await;
    seen_by(&other, &id).await;
    other.service.cancel(&Caller::local(), &id).await.unwrap();
    assert_eq!(one.finish(&id).await.row.phase, Phase::Cancelled);
    assert_eq!(other.finish(&id).await.row.phase, Phase::Cancelled);
    assert_eq!(super::support::processes_of(&id), 0);
    one.service.shut_down().await;
    other.service.shut_down().await;
}
