//! Who did what: every action leaves one record, accepted or refused.

use std::{sync::Arc, time::Duration};

use elb_core::{
    audit_log::{AuditAction, AuditOutcome, AuditQuery, AuditRecord, SERVER},
    list::ListQuery,
    search::Program,
};
use elb_engine::{
    request::{Request, in_request},
    retention::Retention,
    service::{Action, Caller, ServiceError},
};

use super::support::{Engine, Settings, ShiftedClock, eventually, genes, long_search, search};

const DAY: Duration = Duration::from_secs(86_400);

fn all(limit: usize) -> AuditQuery {
    AuditQuery {
        limit,
        ..AuditQuery::default()
    }
}

impl Engine {
    /// The newest records, newest first, as `action outcome`, but for those of settings.
    pub async fn told(&self) -> Vec<AuditRecord> {
        let page = self.service.audit_log(&Caller::local(), &all(500)).await;
        page.unwrap().records
    }
}

pub fn in_words(records: &[AuditRecord]) -> Vec<String> {
    let words = records.iter().map(|record| {
        let code = record.outcome.code().unwrap_or("done");
        format!("{} {code}", record.action.as_str())
    });
    words.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_leaves_one_record_whether_accepted_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let me = Caller::local();
    let engine = Engine::start(folder.path()).await;
    let id = engine.submit_id(long_search(), &genes(0, 6)).await;
    let title = engine.job(&id).row.title.clone();
    let service = &engine.service;
    let early = service.restore(&me, &id).await;
    assert!(matches!(early, Err(ServiceError::NotNow(_))), "{early:?}");
    let in_a_request = in_request(Some(Request::named("request-1")), service.cancel(&me, &id));
    in_a_request.await.unwrap();
    engine.finish(&id).await;
    let late = service.cancel(&me, &id).await;
    assert!(matches!(late, Err(ServiceError::NotNow(_))));
    service.retry(&me, &id).await.unwrap();
    service.delete(&me, &id).await.unwrap();
    eventually("it is gone", || service.detail(&me, &id).is_err()).await;
    service.restore(&me, &id).await.unwrap();
    let secret = "token=abc";
    assert!(service.delete(&me, secret).await.is_err());

    let told = engine.told().await;
    let words = [
        "delete no_such_job",
        "restore done",
        "delete done",
        "retry done",
        "cancel not_now",
        "cancel done",
        "restore not_now",
        "submit done",
    ];
    assert_eq!(in_words(&told), words);
    let (strange, ours) = told.split_first().unwrap();
    assert_eq!(strange.job_id, None);
    assert!(!format!("{strange:?}").contains(secret), "{strange:?}");
    for record in ours {
        assert_eq!(record.job_id.as_ref(), Some(&id));
        assert_eq!((&record.detail, record.actor.as_str()), (&title, "local"));
    }
    assert_eq!(told[5].request_id.as_deref(), Some("request-1"));
    assert_eq!(told[7].request_id, None);
    let history = engine.history(&id).await;
    let asked = history.iter().filter(|entry| entry.actor == "local");
    assert_eq!(
        asked.count(),
        5,
        "as often as the history says that somebody asked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_recorded_once_and_so_is_its_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        active_jobs: 1,
        ..Settings::default()
    };
    let engine = Engine::start_with(folder.path(), settings).await;
    let (long, short) = (genes(0, 6), genes(0, 1));
    let first = engine.submit_with_key(long_search(), &long, Some("k"));
    let first = first.await.unwrap().stored.job;
    // The same once more makes nothing; another search under the key is refused; a third finds no room.
    let full = engine.submit(search(Program::Blastn), &short).await;
    assert!(matches!(full, Err(ServiceError::BrokerUnavailable(_))));
    let nonsense = engine.submit(search(Program::Blastn), ">a\n1\n").await;
    assert!(matches!(nonsense, Err(ServiceError::Invalid(_))));
    engine
        .service
        .cancel(&Caller::local(), &first.id)
        .await
        .unwrap();
    engine.finish(&first.id).await;
    let again = engine.submit_with_key(long_search(), &long, Some("k"));
    assert!(again.await.unwrap().replayed);
    let reused = engine.submit_with_key(search(Program::Blastn), &short, Some("k"));
    assert!(matches!(reused.await, Err(ServiceError::KeyReused)));
    let told = engine.told().await;
    let words = [
        "submit idempotency_key_reused",
        "cancel done",
        "submit broker_unavailable",
        "submit done",
    ];
    assert_eq!(in_words(&told), words);
    assert_eq!(told[3].job_id, Some(first.id));
    assert_eq!(
        (told[0].job_id.as_ref(), told[0].detail.as_str()),
        (None, "blastn against few_genes")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_leave_one_record_each_in_the_order_of_the_request() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(engine.submit_id(long_search(), &genes(0, 6)).await);
    }
    let me = Caller::local();
    let unknown = uuid::Uuid::nil().to_string();
    ids.insert(2, unknown.clone());
    engine
        .service
        .bulk(&me, Action::Delete, &ids)
        .await
        .unwrap();
    let told = engine.told().await;
    let deleted: Vec<_> = told.iter().take(6).rev().collect();
    let named: Vec<_> = deleted
        .iter()
        .filter_map(|record| record.job_id.clone())
        .collect();
    assert_eq!(named, ids);
    assert!(
        deleted
            .iter()
            .all(|record| record.action == AuditAction::Delete)
    );
    let refused = AuditOutcome::Refused {
        code: "no_such_job".to_owned(),
    };
    assert_eq!(
        (&deleted[2].outcome, deleted[2].detail.as_str()),
        (&refused, "")
    );
    assert_eq!(told.len(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_operator_reads_it_and_a_strangers_try_shows_no_title() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await;
    let stranger = Caller {
        id: "somebody".to_owned(),
        name: "somebody".to_owned(),
    };
    let refused = engine.service.audit_log(&stranger, &all(1)).await;
    assert!(matches!(refused, Err(ServiceError::Forbidden(_))));
    let refused = engine.service.delete(&stranger, &id).await;
    assert!(matches!(refused, Err(ServiceError::NoSuchJob(_))));
    let told = engine.told().await;
    assert_eq!(
        (told[0].actor.as_str(), told[0].job_id.as_ref()),
        ("somebody", Some(&id))
    );
    assert_eq!(
        (in_words(&told)[0].as_str(), told[0].detail.as_str()),
        ("delete no_such_job", "")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_janitor_says_what_it_deletes_and_removes_old_records() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ShiftedClock::default();
    let settings = Settings {
        retention: Retention {
            jobs: Some(DAY * 30),
            ..Retention::default()
        },
        clock: Arc::new(clock.clone()),
        ..Settings::default()
    };
    let engine = Engine::start_with(folder.path(), settings).await;
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await;
    engine.complete(&id).await;
    clock.pass(DAY * 31);
    let me = Caller::local();
    let listed = || engine.service.list(&me, &ListQuery::default()).totals.all;
    eventually("it is deleted", || listed() == 0).await;
    let recorded = async {
        while engine.told().await.len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::support::PATIENCE, recorded)
        .await
        .unwrap();
    let told = engine.told().await;
    assert_eq!(in_words(&told), ["delete done", "submit done"]);
    assert_eq!(
        (told[0].actor.as_str(), told[0].job_id.as_ref()),
        (SERVER, Some(&id))
    );
    clock.pass(DAY * 340);
    let trimmed = async {
        while engine.told().await.len() > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::support::PATIENCE, trimmed)
        .await
        .unwrap();
    assert_eq!(
        in_words(&engine.told().await),
        ["delete done"],
        "the younger one stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_recorded_when_they_differ_from_those_of_the_last_start() {
    let folder = tempfile::tempdir().unwrap();
    for (settings, records) in [("a", 1), ("a", 1), ("b", 2), ("a", 3)] {
        let engine = Engine::start(folder.path()).await;
        engine.service.note_settings(settings).await;
        let told = engine.told().await;
        assert_eq!(told.len(), records, "{settings}");
        assert_eq!(
            (told[0].actor.as_str(), told[0].detail.as_str()),
            (SERVER, settings)
        );
        engine.service.shut_down().await;
    }
}
