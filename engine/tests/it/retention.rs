//! What is deleted can be restored for a while, and then goes for good.

use std::{path::Path, sync::Arc, time::Duration};

use elb_core::{list::ListQuery, phase::Phase, search::Program};
use elb_engine::{
    retention::Retention,
    service::{Action, Caller, Format, ServiceError},
};

use super::support::{Engine, Settings, ShiftedClock, eventually, genes, search};

const DAY: Duration = Duration::from_secs(86_400);

fn kept(retention: Retention, clock: &ShiftedClock) -> Settings {
    Settings {
        retention,
        clock: Arc::new(clock.clone()),
        ..Settings::default()
    }
}

fn objects(folder: &Path, id: &str) -> bool {
    let here = std::fs::read_dir(folder.join("objects/jobs").join(id));
    here.is_ok_and(|mut files| files.next().is_some())
}

fn listed(engine: &Engine, id: &str) -> bool {
    let page = engine.service.list(&Caller::local(), &ListQuery::default());
    page.jobs.iter().any(|row| row.id == id)
}

async fn completed(engine: &Engine) -> String {
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 2))
        .await;
    engine.complete(&id).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_search_comes_back_whole_and_stays_gone_after_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ShiftedClock::default();
    let me = Caller::local();
    let engine = Engine::start_with(folder.path(), kept(Retention::default(), &clock)).await;
    let id = completed(&engine).await;
    let before = engine.download(&id, Format::Tabular).await;
    engine.service.delete(&me, &id).await.unwrap();
    assert!(!listed(&engine, &id) && engine.service.detail(&me, &id).is_err());
    let shown = engine.service.deleted(&me);
    assert_eq!(shown.len(), 1);
    let kept_for = shown[0].keep_until.since(shown[0].deleted_at);
    assert!((7 * 86_400_000 - 10_000..=7 * 86_400_000).contains(&kept_for));
    // Not even a restart, or an import of the same id, shows it.
    engine.service.shut_down().await;
    let engine = Engine::start_with(folder.path(), kept(Retention::default(), &clock)).await;
    assert!(!listed(&engine, &id));
    let stranger = Caller {
        id: "somebody".to_owned(),
        name: "somebody".to_owned(),
    };
    assert!(engine.service.deleted(&stranger).is_empty());
    let refused = engine.service.restore(&stranger, &id).await;
    assert!(matches!(refused, Err(ServiceError::NoSuchJob(_))));
    engine.service.restore(&me, &id).await.unwrap();
    assert_eq!(engine.job(&id).row.phase, Phase::Completed);
    assert_eq!(engine.download(&id, Format::Tabular).await, before);
    assert!(listed(&engine, &id) && engine.service.deleted(&me).is_empty());
    let twice = engine.service.restore(&me, &id).await;
    assert!(matches!(twice, Err(ServiceError::NotNow(_))), "{twice:?}");

    engine.service.delete(&me, &id).await.unwrap();
    assert!(objects(folder.path(), &id));
    clock.pass(DAY * 7);
    eventually("its objects go", || !objects(folder.path(), &id)).await;
    let late = engine.service.restore(&me, &id).await.unwrap_err();
    assert!(
        matches!(&late, ServiceError::NotNow(error) if error.why.contains("could be restored until")),
        "{late}"
    );
    let log = folder.path().join("logs").join(format!("{id}.jsonl"));
    eventually("its log goes", || !log.exists()).await;
    clock.pass(DAY * 91);
    let restore = async || engine.service.restore(&me, &id).await;
    let forgotten = async {
        while !matches!(restore().await, Err(ServiceError::NoSuchJob(_))) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::support::PATIENCE, forgotten)
        .await
        .expect("the tombstone is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_was_broken_off_is_finished_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let id = completed(&engine).await;
    engine.service.delete(&Caller::local(), &id).await.unwrap();
    engine.service.shut_down().await;
    // As if the server had ended between the row and the files.
    let store = elb_engine::repository::SqliteRepository::open(&folder.path().join("state.sqlite"))
        .unwrap();
    super::support::apply(&store, &id, &elb_core::transition::Event::ObjectsRemoved).await;
    assert!(objects(folder.path(), &id));
    let _again = Engine::start(folder.path()).await;
    eventually("its objects go", || !objects(folder.path(), &id)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_searches_and_old_history_go_when_their_time_is_over_and_younger_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ShiftedClock::default();
    let retention = Retention {
        jobs: Some(DAY * 30),
        history: Some(DAY * 10),
        ..Retention::default()
    };
    let engine = Engine::start_with(folder.path(), kept(retention, &clock)).await;
    let old = completed(&engine).await;
    clock.pass(DAY * 20);
    let young = completed(&engine).await;
    let goes = retention.deleted_at(&engine.job(&young).row).unwrap();
    assert_eq!(
        goes.since(engine.job(&young).row.completed_at.unwrap()),
        30 * 86_400_000
    );
    let trimmed = async {
        while !engine.history(&old).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::support::PATIENCE, trimmed)
        .await
        .expect("its history goes");
    assert!(!engine.history(&young).await.is_empty());
    clock.pass(DAY * 11);
    eventually("the old one goes", || !listed(&engine, &old)).await;
    assert!(listed(&engine, &young));
    assert_eq!(engine.service.deleted(&Caller::local())[0].id, old);
    engine
        .service
        .restore(&Caller::local(), &old)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_acted_on_at_once_and_each_has_its_own_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let me = Caller::local();
    let engine = Engine::start(folder.path()).await;
    let (one, two) = (completed(&engine).await, completed(&engine).await);
    let none = "nobody".to_owned();
    let ids = [one.clone(), none.clone(), two.clone(), one.clone()];
    let outcomes = engine
        .service
        .bulk(&me, Action::Delete, &ids)
        .await
        .unwrap();
    let told: Vec<(&str, bool)> = outcomes
        .iter()
        .map(|(id, outcome)| (id.as_str(), outcome.is_ok()))
        .collect();
    assert_eq!(
        told,
        [
            (one.as_str(), true),
            (none.as_str(), false),
            (two.as_str(), true)
        ]
    );
    let outcomes = engine
        .service
        .bulk(&me, Action::Restore, &ids)
        .await
        .unwrap();
    assert_eq!(
        outcomes
            .iter()
            .filter(|(_, outcome)| outcome.is_ok())
            .count(),
        2
    );
    let outcomes = engine
        .service
        .bulk(&me, Action::Cancel, &ids[..1])
        .await
        .unwrap();
    assert!(matches!(outcomes[0].1, Err(ServiceError::NotNow(_))));
    let too_many: Vec<String> = (0..201).map(|number| format!("job-{number}")).collect();
    for wrong in [&[][..], &too_many] {
        let refused = engine.service.bulk(&me, Action::Delete, wrong).await;
        assert!(matches!(refused, Err(ServiceError::BadRequest(_))));
    }
    assert!(listed(&engine, &one) && listed(&engine, &two));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_whose_row_never_came_is_removed_after_a_day_and_a_damaged_rows_never() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ShiftedClock::default();
    let settings = || kept(Retention::default(), &clock);
    let engine = Engine::start_with(folder.path(), settings()).await;
    let (damaged, orphan) = (completed(&engine).await, completed(&engine).await);
    engine.service.shut_down().await;
    let rows = rusqlite::Connection::open(folder.path().join("state.sqlite")).unwrap();
    let id = "WHERE id = ?1";
    rows.execute(&format!("DELETE FROM jobs {id}"), [&orphan])
        .unwrap();
    rows.execute(&format!("UPDATE jobs SET document = '{{' {id}"), [&damaged])
        .unwrap();
    let engine = Engine::start_with(folder.path(), settings()).await;
    let young = completed(&engine).await;
    assert!(objects(folder.path(), &orphan));
    clock.pass(DAY * 2);
    eventually("the orphan goes", || !objects(folder.path(), &orphan)).await;
    assert!(objects(folder.path(), &damaged) && objects(folder.path(), &young));
}
