//! What only the inside of the store can bring about: an index that something has damaged.

use std::sync::Arc;

use elb_core::{
    error_code::ErrorCode,
    job::Job,
    phase::Phase,
    search::{Program, SearchOptions, SearchSpec},
    time::Timestamp,
    transition::Event,
    view::HistoryEntry,
};
use elb_testkit::Azurite;

use super::{AzureRepository, keys, rows, writer::remove_all};
use crate::{
    azure::tables::{Access, TablesConfig, Write},
    clock::SystemClock,
    repository::{Created, Repository, Stored},
};

const ID: &str = "a";
const MADE: Timestamp = Timestamp(1_000);

async fn store() -> AzureRepository {
    let config = TablesConfig {
        endpoint: Azurite::shared().table_url().to_owned(),
        account: elb_testkit::azurite::ACCOUNT.to_owned(),
        table: format!("t{}", uuid::Uuid::new_v4().simple()),
        access: Access::Key(elb_testkit::azurite::KEY.to_owned()),
    };
    AzureRepository::connect(&config, Arc::new(SystemClock))
        .await
        .unwrap()
}

fn entry(job: &Job, version: u64) -> HistoryEntry {
    HistoryEntry {
        version,
        at: job.updated_at,
        attempt: job.attempt,
        phase: job.phase,
        note: String::new(),
        actor: String::new(),
        epoch: 1,
    }
}

async fn created(store: &AzureRepository) -> Stored {
    let search = SearchSpec {
        program: Program::Blastn,
        task: None,
        database: "genes".to_owned(),
        options: SearchOptions::default(),
    };
    let job = Job::new(
        ID.to_owned(),
        "local".to_owned(),
        "a search".to_owned(),
        search,
        MADE,
    );
    match store
        .create(&job, None, &entry(&job, 1), "me")
        .await
        .unwrap()
    {
        Created::New(stored) => stored,
        Created::Existing(_) => panic!("a fresh table"),
    }
}

async fn moved(store: &AzureRepository, stored: &Stored, event: &Event) -> Stored {
    let job = stored.job.apply(event, Timestamp(2_000)).unwrap();
    let entry = entry(&job, stored.version + 1);
    store
        .update(&job, stored.version, None, Some(&entry))
        .await
        .unwrap()
}

async fn lose_mark(store: &AzureRepository) {
    let partition = keys::partition(keys::shard_of(ID));
    let mark = store
        .tables
        .get(&partition, &keys::active(MADE, ID))
        .await
        .unwrap()
        .unwrap();
    remove_all(&store.tables, &partition, vec![mark])
        .await
        .unwrap();
}

fn failure() -> Event {
    Event::Failed {
        code: ErrorCode::Internal,
        message: "it broke".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_mark_stands_against_no_write_and_comes_back_with_the_next_attempt() {
    let store = store().await;
    let stored = created(&store).await;
    assert_eq!(store.active().await.unwrap(), [ID]);
    lose_mark(&store).await;
    let failed = moved(&store, &stored, &failure()).await;
    assert_eq!(failed.job.phase, Phase::Failed);
    moved(&store, &failed, &Event::RetryAsked).await;
    assert_eq!(store.active().await.unwrap(), [ID]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_was_left_over_stands_against_no_attempt_and_goes_with_its_end() {
    let store = store().await;
    let stored = created(&store).await;
    let failed = moved(&store, &stored, &failure()).await;
    assert!(store.active().await.unwrap().is_empty());
    let partition = keys::partition(keys::shard_of(ID));
    let left_over = [
        Write::Insert(rows::mark(&failed.job)),
        Write::Insert(crate::azure::tables::Entity::new(&partition, "x")),
    ];
    store.tables.batch(&partition, &left_over).await.unwrap();
    let again = moved(&store, &failed, &Event::RetryAsked).await;
    moved(&store, &again, &failure()).await;
    assert!(store.active().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_mark_of_a_running_job_is_made_again_by_the_next_look() {
    let store = store().await;
    created(&store).await;
    lose_mark(&store).await;
    store.tidy(Timestamp(3_000)).await.unwrap();
    assert_eq!(store.active().await.unwrap(), [ID]);
}
