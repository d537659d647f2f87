//! Searches of the original dashboard taken over: its tables filled as it fills them, then read through the
//! door of an engine.

use std::{collections::BTreeMap, sync::Arc};

use elb_core::{list::ListQuery, phase::Phase, transition::Event};
use elb_engine::{
    azure::tables::TablesConfig,
    clock::{Clock, SystemClock},
    import::{Account, ImportError, Original, Rules, Why, import},
    repository::{Repository, SqliteRepository},
    service::{Caller, ServiceError},
};
use elb_testkit::{Azurite, Behaviour, FaultProxy, entities};
use futures::StreamExt;
use serde_json::{Value, json};

use super::{
    azurite::{behind, fresh_table, open},
    support::{Engine, apply},
};

/// An emulator of its own: the original's tables have names that nobody can choose.
struct There {
    azurite: Azurite,
}

impl There {
    async fn empty() -> Self {
        let azurite = Azurite::start();
        for table in ["jobstate", "jobhistory"] {
            entities::make_table(azurite.table_url(), table).await;
        }
        Self { azurite }
    }

    fn config(&self) -> TablesConfig {
        TablesConfig {
            endpoint: self.azurite.table_url().to_owned(),
            ..fresh_table()
        }
    }

    /// A job with the columns that rows of every age have, and these.
    async fn job(&self, id: &str, more: Value) {
        let mut row = json!({
            "PartitionKey": id, "RowKey": "current", "type": "blast", "status": "completed",
            "phase": "completed", "owner_oid": "oid-1", "task_id": "", "error_code": "",
            "created_at": "2026-06-01T10:00:00+00:00", "updated_at": "2026-06-01T10:30:00+00:00",
            "payload_json": json!({"program": "blastn", "db": "core_nt", "job_title": id}).to_string(),
        });
        let columns = row.as_object_mut().unwrap();
        columns.extend(more.as_object().unwrap().clone());
        let url = self.azurite.table_url();
        entities::put(url, "jobstate", id, "current", &row.to_string()).await;
    }

    /// An entry of a history.
    async fn entry(&self, id: &str, number: u64, event: &str, payload: Value) {
        let key = format!("{:013}-{number:08x}", 1_780_308_000_000 + number);
        let row = json!({
            "PartitionKey": id, "RowKey": key, "event": event, "ts": "2026-06-01T10:20:00+00:00",
            "payload_json": payload.to_string(),
        });
        let url = self.azurite.table_url();
        entities::put(url, "jobhistory", id, &key, &row.to_string()).await;
    }

    /// Jobs of every age and fate; how many of them can be had.
    async fn filled() -> (Self, u64) {
        let there = Self::empty().await;
        there.job("11111111-1111-4111-8111-111111111111", json!({
            "parent_job_id": "", "schema_version": 2, "job_title": "new", "program": "blastp", "db": "nr",
            "query_label": "q.fa", "subscription_id": "s", "resource_group": "r", "cluster_name": "c",
            "storage_account": "lab", "owner_upn": "ann@example.org", "tenant_id": "t",
            "external_correlation_id": "corr 7", "submission_source": "servicebus",
            "queue_origin": "external", "result_manifest": "[]", "results_prefix": "2026/06/01/1/",
        })).await;
        there.job("old", json!({})).await;
        there
            .job(
                "failed",
                json!({"status": "failed", "phase": "worker_lost", "error_code": "worker_lost"}),
            )
            .await;
        there.job("cancelled", json!({"status": "cancelled", "phase": "cancelled", "error_code": "cancelled_by_user"})).await;
        there
            .job("gone", json!({"status": "deleted", "phase": "deleted"}))
            .await;
        there
            .job("it's odd: .. 한", json!({"job_title": "odd"}))
            .await;
        there
            .job(
                "running",
                json!({"status": "running", "phase": "submitted"}),
            )
            .await;
        there
            .job("warmup-1", json!({"type": "warmup", "status": "running"}))
            .await;
        for number in 0..120 {
            there
                .entry(
                    "old",
                    number,
                    "update",
                    json!({"status": "running", "phase": "running", "n": number}),
                )
                .await;
        }
        there
            .entry(
                "old",
                120,
                "completed",
                json!({"status": "completed", "phase": "completed"}),
            )
            .await;
        there
            .entry("nobody", 1, "openapi_proxy_exec", json!({}))
            .await;
        (there, 6)
    }
}

fn rules() -> Rules {
    Rules {
        owner: Some(Caller::local().id),
        unfinished_as_lost: false,
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

async fn try_import(
    config: &TablesConfig,
    to: &Arc<dyn Repository>,
    rules: &Rules,
) -> Result<Account, ImportError> {
    let original = Original::new(config, &clock())?;
    import(&original, to, rules, &|_| {}).await
}

async fn imported(there: &There, to: &Arc<dyn Repository>) -> Account {
    try_import(&there.config(), to, &rules()).await.unwrap()
}

/// What was not settled, by id.
fn open_ends(account: &Account) -> BTreeMap<&str, &Why> {
    let left = account
        .left_out
        .iter()
        .filter(|left| !left.why.is_settled());
    left.map(|left| (left.id.as_str(), &left.why)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_of_every_age_are_listed_with_their_histories_and_a_second_import_changes_nothing()
{
    let (there, wanted) = There::filled().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.sqlite");
    let store: Arc<dyn Repository> = Arc::new(SqliteRepository::open(&file).unwrap());
    let first = imported(&there, &store).await;
    assert_eq!(
        (first.rows, first.new, first.same, first.deleted),
        (8, wanted, 0, 1),
        "{first:?}"
    );
    assert_eq!(first.others, BTreeMap::from([("warmup".to_owned(), 1)]));
    assert_eq!(first.strays, 1);
    let open = open_ends(&first);
    assert!(
        matches!(open["running"], Why::Unfinished { .. }) && open.len() == 1,
        "{open:?}"
    );
    let again = imported(&there, &store).await;
    assert_eq!((again.new, again.same, again.entries), (0, wanted, 0));
    assert_eq!(again.left_out, first.left_out);
    drop(store);
    let engine = Engine::start(folder.path()).await;
    let (service, me) = (&engine.service, Caller::local());
    let page = service.list(&me, &ListQuery::default());
    let titles: Vec<&str> = page.jobs.iter().map(|row| row.title.as_str()).collect();
    assert_eq!(page.jobs.len(), 5, "a tombstone is in no list: {titles:?}");
    assert!(page.jobs.iter().all(|row| !row.phase.is_active()));
    let old = engine.history("old").await;
    assert_eq!(old.len(), 1 + 121 + 2);
    assert!(old.iter().any(|entry| entry.note.contains("\"n\":7")));
    let new = engine.job("11111111-1111-4111-8111-111111111111");
    assert_eq!(
        new.imported.as_ref().unwrap().results,
        "lab/results/2026/06/01/1/"
    );
    assert!(
        new.warnings[0].contains("ann@example.org"),
        "{:?}",
        new.warnings
    );
    let notes = engine.history(&new.row.id).await;
    assert!(notes.iter().any(|entry| entry.note.contains("corr 7")));
    let refused = service.hits(&me, "old", |_| Ok(())).await.unwrap_err();
    assert!(
        matches!(&refused, ServiceError::NoResults(why) if why.contains("results/old/")),
        "{refused}"
    );
    let refused = service.retry(&me, "failed").await.unwrap_err();
    assert!(matches!(refused, ServiceError::NotNow(_)), "{refused}");
    assert_eq!(engine.job("failed").row.phase, Phase::WorkerLost);
    // What is deleted here stays deleted, also when nothing of it is kept any more.
    service.delete(&me, "old").await.unwrap();
    service.shut_down().await;
    let store: Arc<dyn Repository> = Arc::new(SqliteRepository::open(&file).unwrap());
    apply(store.as_ref(), "old", &Event::ObjectsRemoved).await;
    let later = imported(&there, &store).await;
    assert_eq!((later.new, later.same), (0, wanted - 1));
    assert!(
        later
            .left_out
            .iter()
            .any(|left| left.id == "old" && left.why == Why::DeletedHere)
    );
    assert_eq!(
        store.get("old").await.unwrap().unwrap().job.phase,
        Phase::Deleted
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_into_a_table_that_was_broken_off_is_completed_by_the_next_one() {
    let (there, wanted) = There::filled().await;
    let config = fresh_table();
    let proxy = FaultProxy::before(&config.endpoint).await;
    let store: Arc<dyn Repository> = Arc::new(open(&behind(&proxy, &config)).await);
    // The first batches pass; the destination is away afterwards.
    proxy.set_next_where(2, |seen| seen.method == "POST", Behaviour::Pass);
    proxy.set_next_where(1_000, |seen| seen.method == "POST", Behaviour::Cut);
    let broken = try_import(&there.config(), &store, &rules()).await;
    assert!(
        matches!(broken, Err(ImportError::Destination(_))),
        "{broken:?}"
    );
    // Nor does an original that goes away in the middle leave anything half done.
    let original = FaultProxy::before(&there.config().endpoint).await;
    original.set_next_where(
        1_000,
        |seen| seen.target.contains("jobhistory"),
        Behaviour::Cut,
    );
    let store: Arc<dyn Repository> = Arc::new(open(&config).await);
    let broken = try_import(&behind(&original, &there.config()), &store, &rules()).await;
    assert!(matches!(broken, Err(ImportError::Source(_))), "{broken:?}");
    let store: Arc<dyn Repository> = Arc::new(open(&config).await);
    let done = imported(&there, &store).await;
    assert_eq!(done.new + done.same, wanted, "{done:?}");
    let again = imported(&there, &store).await;
    assert_eq!((again.new, again.same), (0, wanted));
    let embedded: Arc<dyn Repository> = Arc::new(SqliteRepository::in_memory().unwrap());
    imported(&there, &embedded).await;
    for id in ["old", "gone", "11111111-1111-4111-8111-111111111111"] {
        let both = [
            store.kept(id).await.unwrap(),
            embedded.kept(id).await.unwrap(),
        ];
        assert!(both[0].is_some() && both[0] == both[1], "{both:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_row_is_told_and_stops_no_other() {
    let there = There::empty().await;
    there.job("good", json!({})).await;
    there
        .job("json", json!({"payload_json": "{\"program\":"}))
        .await;
    there.job("timeless", json!({"created_at": ""})).await;
    there.job("typed", json!({"status": 5})).await;
    there
        .job("program", json!({"program": "blast", "payload_json": "{}"}))
        .await;
    // Of the second one the history knows the time.
    there.job("late", json!({"created_at": ""})).await;
    there
        .entry("late", 1, "created", json!({"status": "queued"}))
        .await;
    let store: Arc<dyn Repository> = Arc::new(SqliteRepository::in_memory().unwrap());
    let account = imported(&there, &store).await;
    assert_eq!((account.rows, account.new), (6, 2), "{account:?}");
    assert!(!account.is_complete());
    let open = open_ends(&account);
    for (id, word) in [
        ("json", "payload_json"),
        ("timeless", "created"),
        ("typed", "status"),
        ("program", "blast"),
    ] {
        let why = open[id].to_string();
        assert!(why.contains(word), "{id}: {why}");
    }
    // Mended there, it is had with the next import; changed there, it stays as it is here.
    there.job("json", json!({})).await;
    there.job("good", json!({"job_title": "another"})).await;
    let later = imported(&there, &store).await;
    assert_eq!((later.new, later.same), (1, 1), "{later:?}");
    assert_eq!(open_ends(&later)["good"], &Why::Changed);
    assert_eq!(store.get("good").await.unwrap().unwrap().job.title, "good");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_the_tables_and_an_id_that_is_taken_are_told() {
    let there = There {
        azurite: Azurite::start(),
    };
    let store: Arc<dyn Repository> = Arc::new(SqliteRepository::in_memory().unwrap());
    let none = try_import(&there.config(), &store, &rules())
        .await
        .unwrap_err();
    assert!(none.to_string().contains("no table jobstate"), "{none}");
    entities::make_table(there.azurite.table_url(), "jobstate").await;
    there
        .job("mine", json!({"status": "running", "phase": "running"}))
        .await;
    let job = super::support::plain_job("mine", elb_core::time::Timestamp(5));
    store
        .create(&job, None, &super::support::first_entry(&job), "")
        .await
        .unwrap();
    let lost = Rules {
        unfinished_as_lost: true,
        ..rules()
    };
    let account = try_import(&there.config(), &store, &lost).await.unwrap();
    assert_eq!(open_ends(&account)["mine"], &Why::Taken);
    assert_eq!(store.get("mine").await.unwrap().unwrap().job, job);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_a_page_holds_are_all_read() {
    let there = There::empty().await;
    let there = &there;
    let rows = futures::stream::iter(0..1_005).map(|number| async move {
        let id = format!("warmup-{number:04}");
        there.job(&id, json!({"type": "warmup"})).await;
    });
    rows.buffer_unordered(16).collect::<Vec<()>>().await;
    there.job("zz-last", json!({})).await;
    let store: Arc<dyn Repository> = Arc::new(SqliteRepository::in_memory().unwrap());
    let account = imported(there, &store).await;
    assert_eq!((account.rows, account.new), (1_006, 1), "{account:?}");
    assert_eq!(account.others["warmup"], 1_005);
}
