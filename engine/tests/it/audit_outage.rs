//! The audit log while its store is away: nobody waits for it, and it gets its records later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use elb_core::{
    audit_log::{AuditAction, AuditFilter, AuditKey, AuditOutcome, AuditRecord},
    phase::Phase,
    search::Program,
    time::Timestamp,
};
use elb_engine::{
    audit_log::{AuditLog, AuditPage, AuditTrail, Backlog, Entry, MAX_WAITING},
    clock::ManualClock,
    repository::{RepositoryError, SqliteRepository},
    service::{Caller, ServiceError},
};
use rusqlite::Connection;

use super::{
    audit_log::in_words,
    audit_store::walk,
    support::{Engine, Settings, eventually, genes, long_search, search},
};

fn entry(action: AuditAction, job: &str) -> Entry {
    Entry {
        actor: "local".to_owned(),
        action,
        job_id: Some(job.to_owned()),
        detail: "a search".to_owned(),
        outcome: AuditOutcome::Done,
        request_id: None,
    }
}

/// A store of records that is away when it is told to, or whose answers get lost.
struct Moody {
    store: SqliteRepository,
    away: AtomicBool,
    mute: AtomicBool,
}

impl Moody {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            store: SqliteRepository::in_memory().unwrap(),
            away: AtomicBool::new(false),
            mute: AtomicBool::new(false),
        })
    }

    /// Another way to the same records, as another process has it.
    fn again(&self) -> Arc<Self> {
        Arc::new(Self {
            store: self.store.clone(),
            away: AtomicBool::new(false),
            mute: AtomicBool::new(false),
        })
    }

    fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }
}

#[async_trait]
impl AuditLog for Moody {
    async fn append(&self, records: &[AuditRecord]) -> Result<(), RepositoryError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(RepositoryError::Unavailable("it is away".to_owned()));
        }
        self.store.append(records).await?;
        if self.mute.swap(false, Ordering::SeqCst) {
            return Err(RepositoryError::Unavailable("no answer".to_owned()));
        }
        Ok(())
    }

    async fn page(
        &self,
        before: Option<&AuditKey>,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<AuditPage, RepositoryError> {
        self.store.page(before, filter, limit).await
    }

    async fn trim(&self, before: Timestamp, limit: usize) -> Result<usize, RepositoryError> {
        self.store.trim(before, limit).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_log_is_away_actions_go_on_and_their_records_arrive_later_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let me = Caller::local();
    let log = Moody::new();
    let settings = Settings {
        audit_log: Some(log.clone()),
        ..Settings::default()
    };
    let engine = Engine::start_with(folder.path(), settings).await;
    let id = engine.submit_id(long_search(), &genes(0, 6)).await;
    assert_eq!(engine.service.audit_backlog(), Backlog::default());
    log.set_away(true);
    engine.service.cancel(&me, &id).await.unwrap();
    engine.finish(&id).await;
    engine.service.retry(&me, &id).await.unwrap();
    engine.service.delete(&me, &id).await.unwrap();
    let backlog = engine.service.audit_backlog();
    assert_eq!((backlog.waiting, backlog.lost), (3, 0));
    assert!(backlog.trouble.unwrap().contains("it is away"));
    assert_eq!(in_words(&engine.told().await), ["submit done"]);
    // The store comes back, takes them, and its answer gets lost: they are sent once more.
    log.mute.store(true, Ordering::SeqCst);
    log.set_away(false);
    let service = &engine.service;
    eventually("nothing waits", || {
        service.audit_backlog() == Backlog::default()
    })
    .await;
    let words = ["delete done", "retry done", "cancel done", "submit done"];
    assert_eq!(in_words(&engine.told().await), words);
    assert!(!log.mute.load(Ordering::SeqCst), "the answer was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_invents_no_record_and_one_that_stops_stores_what_it_kept() {
    let folder = tempfile::tempdir().unwrap();
    let me = Caller::local();
    let before_the_kill = Moody::new();
    let log = before_the_kill.again();
    let settings = |log: &Arc<Moody>| Settings {
        audit_log: Some(log.clone()),
        ..Settings::default()
    };
    let engine = Engine::start_with(folder.path(), settings(&before_the_kill)).await;
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await;
    engine.complete(&id).await;
    before_the_kill.set_away(true);
    engine.service.delete(&me, &id).await.unwrap();
    // As after a kill: what was in memory never arrives.
    drop(engine);
    let engine = Engine::start_with(folder.path(), settings(&log)).await;
    assert!(
        engine.service.detail(&me, &id).is_err(),
        "it is deleted all the same"
    );
    assert_eq!(in_words(&engine.told().await), ["submit done"]);
    assert_eq!(engine.history_of_deleted(folder.path(), &id), "local");

    log.set_away(true);
    engine.service.restore(&me, &id).await.unwrap();
    log.set_away(false);
    engine.service.shut_down().await;
    let page = log.page(None, &AuditFilter::default(), 10).await.unwrap();
    assert_eq!(in_words(&page.records), ["restore done", "submit done"]);
    let engine = Engine::start_with(folder.path(), settings(&log)).await;
    log.set_away(true);
    engine.service.delete(&me, &id).await.unwrap();
    let begun = Instant::now();
    engine.service.shut_down().await;
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "it does not wait for ever"
    );
}

impl Engine {
    /// Who asked for the newest change of a job, as the store has it.
    fn history_of_deleted(&self, folder: &std::path::Path, id: &str) -> String {
        let file = Connection::open(folder.join("state.sqlite")).unwrap();
        let newest = "SELECT actor FROM history WHERE job_id = ?1 ORDER BY version DESC LIMIT 1";
        file.query_row(newest, [id], |row| row.get(0)).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_ten_thousand_waiting_records_are_counted_and_the_others_kept() {
    let log = Moody::new();
    log.set_away(true);
    let clock = Arc::new(ManualClock::at(1_000));
    let trail = AuditTrail::start(log.clone(), clock, || 7);
    for number in 0..MAX_WAITING + 5 {
        trail.note(entry(AuditAction::Submit, &format!("job-{number}")));
    }
    trail.settle().await;
    let backlog = trail.backlog();
    assert_eq!((backlog.waiting, backlog.lost), (MAX_WAITING, 5));
    log.set_away(false);
    eventually("nothing waits", || trail.backlog().waiting == 0).await;
    trail.settle().await;
    // All of one millisecond, by the same chance: the turn keeps them apart and in order.
    let last = log.page(None, &AuditFilter::default(), 1).await.unwrap();
    let name = format!("job-{}", MAX_WAITING - 1);
    assert_eq!(last.records[0].job_id.as_ref(), Some(&name));
    let (times, _) = walk(log.as_ref(), &AuditFilter::default(), 500).await;
    assert_eq!(times.len(), MAX_WAITING);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_an_action_gets_the_failure_on_record_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let me = Caller::local();
    let engine = Engine::start(folder.path()).await;
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await;
    let done = engine.complete(&id).await;
    assert_eq!(done.row.phase, Phase::Completed);
    let other = Connection::open(folder.path().join("state.sqlite")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let refused = engine.service.delete(&me, &id).await;
    assert!(
        matches!(refused, Err(ServiceError::Store(_))),
        "{refused:?}"
    );
    assert_eq!(engine.service.audit_backlog().waiting, 1);
    other.execute_batch("ROLLBACK").unwrap();
    let service = &engine.service;
    eventually("nothing waits", || {
        service.audit_backlog() == Backlog::default()
    })
    .await;
    let told = engine.told().await;
    assert_eq!(in_words(&told), ["delete store_unavailable", "submit done"]);
    assert_eq!(told[0].outcome.as_str(), "failed");
}
