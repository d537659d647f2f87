//! Everything of one store moved into another, between a file and a table.

use std::sync::Arc;

use elb_core::{
    audit_log::{AuditAction, AuditFilter, AuditKey, AuditOutcome, AuditRecord},
    time::Timestamp,
    transition::Event,
};
use elb_engine::{
    migration::{self, MigrationError},
    repository::{Created, IdempotencyKey, Repository, SqliteRepository},
};
use elb_testkit::{Behaviour, FaultProxy};

use super::{
    azurite::{behind, fresh_table, open},
    support::{first_entry, plain_job},
    tables::moved,
};

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_to_azure_and_back_and_a_move_that_was_broken_off_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = SqliteRepository::open(&folder.path().join("state.sqlite")).unwrap();
    let embedded: Arc<dyn Repository> = Arc::new(embedded);
    let record = AuditRecord {
        id: AuditKey::new(Timestamp(1_000), 0, 7),
        at: Timestamp(1_000),
        actor: "ann".to_owned(),
        action: AuditAction::Submit,
        job_id: None,
        detail: String::new(),
        outcome: AuditOutcome::Done,
        request_id: None,
    };
    let log = Arc::clone(&embedded).audit_log();
    log.append(std::slice::from_ref(&record)).await.unwrap();
    for number in 0..30 {
        let job = plain_job(&format!("job '{number}' 한/#?"), Timestamp(1_000 + number));
        let key = IdempotencyKey {
            owner: "local".to_owned(),
            key: format!("key {number}"),
            expires_at: Timestamp(i64::MAX),
        };
        embedded
            .create(&job, Some(&key), &first_entry(&job), "me")
            .await
            .unwrap();
    }
    let mut stored = embedded.get("job '7' 한/#?").await.unwrap().unwrap();
    for number in 0..210 {
        let (job, entry) = moved(
            &stored,
            &Event::Noted {
                note: number.to_string(),
            },
        );
        stored = embedded
            .update(&job, stored.version, None, Some(&entry))
            .await
            .unwrap();
    }
    let config = fresh_table();
    let proxy = FaultProxy::before(&config.endpoint).await;
    let store: Arc<dyn Repository> = Arc::new(open(&behind(&proxy, &config)).await);
    // Cut in the middle.
    proxy.set_next_where(1_000, |seen| seen.target.contains("job~"), Behaviour::Cut);
    let broken = migration::migrate(&embedded, &store, &|_, _| {}).await;
    assert!(
        matches!(broken, Err(MigrationError::Destination(_))),
        "{broken:?}"
    );
    let store: Arc<dyn Repository> = Arc::new(open(&config).await);
    let there = migration::migrate(&embedded, &store, &|_, _| {})
        .await
        .unwrap();
    assert!(there.is_complete(), "{there:?}");
    assert_eq!((there.source.jobs, there.source.entries), (30, 240));
    assert_eq!(there.new + there.same, 30);
    let again = migration::migrate(&embedded, &store, &|_, _| {})
        .await
        .unwrap();
    assert_eq!((again.new, again.same, again.is_complete()), (0, 30, true));
    let back: Arc<dyn Repository> = Arc::new(SqliteRepository::in_memory().unwrap());
    let back_again = migration::migrate(&store, &back, &|_, _| {}).await.unwrap();
    assert!(back_again.is_complete(), "{back_again:?}");
    assert_eq!(back_again.source.digest(), there.source.digest());
    let moved_log = Arc::clone(&back).audit_log();
    let page = moved_log
        .page(None, &AuditFilter::default(), 10)
        .await
        .unwrap();
    assert_eq!((there.records, page.records), (1, vec![record]));
    // A key counts where the job is now.
    let job = plain_job("another", Timestamp(5_000));
    let key = IdempotencyKey {
        owner: "local".to_owned(),
        key: "key 7".to_owned(),
        expires_at: Timestamp(i64::MAX),
    };
    for place in [&store, &back] {
        let created = place
            .create(&job, Some(&key), &first_entry(&job), "me")
            .await
            .unwrap();
        assert!(matches!(created, Created::Existing(there) if there.job.id == stored.job.id));
    }
    // What changed meanwhile is told and not overwritten.
    let (job, entry) = moved(
        &stored,
        &Event::Noted {
            note: "later".to_owned(),
        },
    );
    embedded
        .update(&job, stored.version, None, Some(&entry))
        .await
        .unwrap();
    let differs = migration::migrate(&embedded, &store, &|_, _| {})
        .await
        .unwrap();
    assert_eq!(differs.different, [stored.job.id]);
    assert!(!differs.is_complete());
}
