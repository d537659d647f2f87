//! Two things at once: each outcome is one of the allowed ones, and never half of both.

use std::sync::Arc;

use elb_core::{list::ListQuery, phase::Phase, search::Program};
use elb_engine::service::{Caller, ServiceError};
use futures::future::join_all;

use super::{
    altered::Alterations,
    support::{Engine, Settings, genes, processes_of, search},
};

/// Phases at which the second thing meets the first one.
const MEETINGS: [Phase; 6] = [
    Phase::Queued,
    Phase::Preparing,
    Phase::Configuring,
    Phase::Submitted,
    Phase::Running,
    Phase::ExportingResults,
];

/// A small search, once it has come as far as `phase` or further.
async fn underway(engine: &Engine, phase: Phase) -> String {
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 2))
        .await;
    engine.wait_until(&id, |job| job.row.phase >= phase).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_races_the_end_either_is_taken_and_holds_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    for phase in MEETINGS.into_iter().cycle().take(24) {
        let id = underway(&engine, phase).await;
        let asked = engine.service.cancel(&Caller::local(), &id).await;
        let ended = engine.finish(&id).await.row.phase;
        match asked {
            Ok(_) => assert_eq!(ended, Phase::Cancelled, "met at {phase:?}"),
            Err(ServiceError::NotNow(_)) => assert_eq!(ended, Phase::Completed),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(processes_of(&id), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_races_the_end_always_ends_in_a_tombstone() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let me = Caller::local();
    let mut ids = Vec::new();
    for phase in MEETINGS.into_iter().cycle().take(24) {
        let id = underway(&engine, phase).await;
        engine.service.delete(&me, &id).await.unwrap();
        ids.push(id);
    }
    super::support::eventually("all are gone", || {
        engine.service.list(&me, &ListQuery::default()).totals.all == 0
    })
    .await;
    assert_eq!(engine.service.deleted(&me).len(), ids.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_races_a_delete_never_brings_the_job_back() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let me = Caller::local();
    for _ in 0..12 {
        let id = underway(&engine, Phase::Preparing).await;
        if engine.service.cancel(&me, &id).await.is_err() {
            continue;
        }
        engine.finish(&id).await;
        let (retried, deleted) = tokio::join!(
            engine.service.retry(&me, &id),
            engine.service.delete(&me, &id)
        );
        deleted.unwrap();
        assert!(
            matches!(
                retried,
                Ok(_) | Err(ServiceError::NotNow(_) | ServiceError::NoSuchJob(_))
            ),
            "{retried:?}"
        );
        super::support::eventually("it is gone", || engine.service.detail(&me, &id).is_err()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_submissions_with_one_key_are_one_job() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let query = genes(0, 1);
    let all =
        (0..100).map(|_| engine.submit_with_key(search(Program::Blastn), &query, Some("one-key")));
    let outcomes: Vec<_> = join_all(all)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let id = &outcomes[0].stored.job.id;
    assert!(outcomes.iter().all(|outcome| outcome.stored.job.id == *id));
    assert_eq!(
        outcomes.iter().filter(|outcome| !outcome.replayed).count(),
        1
    );
    engine.complete(id).await;
    let list = engine.service.list(&Caller::local(), &ListQuery::default());
    assert_eq!(list.totals.all, 1);
    let kept = std::fs::read_dir(folder.path().join("objects/jobs")).unwrap();
    assert_eq!(kept.count(), 1, "no query of the others is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_limit_are_refused_and_none_of_them_waits_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let alterations = Alterations::default();
    alterations.close("prepare", "");
    let settings = Settings {
        active_jobs: 3,
        ..alterations.settings()
    };
    let engine = Arc::new(Engine::start_with(folder.path(), settings).await);
    let query = genes(0, 1);
    let keys: Vec<String> = (0..20).map(|number| format!("key-{number}")).collect();
    let all = keys
        .iter()
        .map(|key| engine.submit_with_key(search(Program::Blastn), &query, Some(key)));
    let outcomes = join_all(all).await;
    let taken = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(taken <= 3, "{taken}");
    for refused in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(
            matches!(refused, ServiceError::BrokerUnavailable(_)),
            "{refused}"
        );
    }
    let list = engine.service.list(&Caller::local(), &ListQuery::default());
    let waiting = list.jobs.iter().filter(|row| row.phase.is_active());
    assert_eq!(waiting.count(), taken);
    for row in list.jobs.iter().filter(|row| !row.phase.is_active()) {
        assert_eq!(row.phase, Phase::BrokerUnavailable);
    }
    // The same key later is taken, as a job that there is already or a new one.
    alterations.open("prepare", "");
    for row in list.jobs.iter().filter(|row| row.phase.is_active()) {
        engine.complete(&row.id).await;
    }
    for key in &keys {
        let again = engine
            .submit_with_key(search(Program::Blastn), &query, Some(key))
            .await
            .unwrap();
        engine.complete(&again.stored.job.id).await;
    }
    let list = engine.service.list(&Caller::local(), &ListQuery::default());
    assert_eq!((list.totals.all, list.totals.completed), (20, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_in_the_middle_leaves_a_search_that_runs_or_none_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let query = genes(0, 1);
    for turns in 0..30 {
        let submission = engine.submit(search(Program::Blastn), &query);
        let goes_away = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = goes_away => {}
            outcome = submission => {
                outcome.unwrap();
            }
        }
    }
    let me = Caller::local();
    let last = engine.submit_id(search(Program::Blastn), &query).await;
    engine.complete(&last).await;
    let all_done = || {
        let totals = engine.service.list(&me, &ListQuery::default()).totals;
        totals.completed == totals.all
    };
    super::support::eventually("all that were stored are done", all_done).await;
    let store = elb_engine::repository::SqliteRepository::open(&folder.path().join("state.sqlite"));
    let rows = elb_engine::repository::Repository::scan(&store.unwrap(), 0, None, 100).await;
    let listed = engine.service.list(&me, &ListQuery::default()).totals.all;
    assert_eq!(rows.unwrap().jobs.len() as u64, listed);
    let kept = std::fs::read_dir(folder.path().join("objects/jobs")).unwrap();
    assert_eq!(kept.count() as u64, listed);
}
