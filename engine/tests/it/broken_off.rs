//! What a server that ends between two writes leaves half done, and the next one finishes.
//!
//! The crash harness of the server finds such places; these are the ones that it has found.

use elb_core::{
    search::Program,
    step::{Step, StepState},
    time::Timestamp,
    transition::Event,
    view::HistoryEntry,
};
use elb_engine::repository::{Lease, Repository, SqliteRepository};

use super::{
    altered::Alterations,
    support::{Engine, apply, first_entry, genes, plain_job, search},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_was_skipped_just_before_the_end_is_not_skipped_twice() {
    let folder = tempfile::tempdir().unwrap();
    let altered = Alterations::default();
    altered.close("stage", "");
    let engine = Engine::start_with(folder.path(), altered.settings()).await;
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 2))
        .await;
    engine.wait_until(&id, |job| !job.command.is_empty()).await;
    engine.service.shut_down().await;
    let store = SqliteRepository::open(&folder.path().join("state.sqlite")).unwrap();
    let skip = Event::Skip {
        step: Step::StagingDb,
        reason: "it is there".to_owned(),
    };
    apply(&store, &id, &skip).await;
    let engine = Engine::start(folder.path()).await;
    let job = engine.complete(&id).await;
    let record = &job.steps[Step::StagingDb.index()];
    assert_eq!(record.state, StepState::Skipped);
    assert_eq!(record.reason.as_deref(), Some("it is there"));
}

#[tokio::test]
async fn a_takeover_is_a_change_of_the_row_as_well() {
    let store = SqliteRepository::in_memory().unwrap();
    let job = plain_job("job-1", Timestamp(1_000));
    store
        .create(&job, None, &first_entry(&job), "first")
        .await
        .unwrap();
    let seen = Lease {
        holder: "first".to_owned(),
        epoch: 1,
    };
    let entry = HistoryEntry {
        version: 2,
        at: Timestamp(5_000),
        note: "taken over".to_owned(),
        ..first_entry(&job)
    };
    let claimed = store
        .claim("job-1", &seen, None, "second", Some(&entry))
        .await
        .unwrap();
    assert_eq!(claimed.job.updated_at, Timestamp(5_000));
    assert_eq!(store.get("job-1").await.unwrap(), Some(claimed));
}
