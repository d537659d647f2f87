//! What a researcher does, from submit to hits, and what must hold on the way.

use elb_core::{
    list::ListQuery,
    phase::{Phase, Status},
    search::Program,
    step::{Step, StepState},
};
use elb_engine::service::{Caller, Format, ServiceError};

use super::support::{self, Engine, Settings, eventually, long_search, processes_of, search};

fn genes(count: usize) -> String {
    support::genes(0, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_goes_through_all_eight_steps_and_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let submitted = engine
        .submit(search(Program::Blastn), &genes(10))
        .await
        .unwrap();
    let job = engine.complete(&submitted.stored.job.id).await;
    assert_eq!(job.steps.len(), 8);
    for record in &job.steps {
        let skipped = record.key == Step::StagingDb;
        assert_eq!(
            record.state,
            if skipped {
                StepState::Skipped
            } else {
                StepState::Done
            },
            "{:?}",
            record.key
        );
        assert_eq!(record.reason.is_some(), skipped);
        assert!(record.started_at.is_some() && record.finished_at.is_some());
    }
    assert!(job.outcome.unwrap().hits > 10);
    assert_eq!(job.command[0], "blastn");
    assert_eq!(
        job.blast_version.as_deref(),
        Some(engine.service.toolkit().version())
    );
    let history = engine
        .service
        .history(&Caller::local(), &job.row.id, None, 100)
        .await
        .unwrap();
    assert_eq!(history.last().unwrap().note, "submitted");
    assert_eq!(history.first().unwrap().phase, Phase::Completed);
    assert!(
        history
            .windows(2)
            .all(|pair| pair[0].version > pair[1].version)
    );
    let log = engine
        .service
        .logs(&Caller::local(), &job.row.id, 0, 1_000)
        .await
        .unwrap();
    assert!(
        log.iter()
            .any(|line| line.text.starts_with("blastn -task megablast"))
    );
    let work = folder.path().join("work").join(&job.row.id);
    eventually("its work folder is removed", || !work.exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hits_is_a_success_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let query = ">nothing\nATATATATATATCGCGCGATATATATCCGGATATTTATATATATATAT\n";
    let submitted = engine.submit(search(Program::Blastn), query).await.unwrap();
    let job = engine.complete(&submitted.stored.job.id).await;
    assert_eq!(job.row.hits, Some(0));
    assert_eq!(engine.download(&job.row.id, Format::Tabular).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_is_told_at_once_and_nothing_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let mut spec = search(Program::Blastn);
    spec.options.word_size = Some(2);
    let refused = engine.submit(spec, ">a\nAC!T\n>a\n").await;
    let Err(ServiceError::Invalid(problems)) = refused else {
        panic!("{refused:?}")
    };
    let fields: Vec<&str> = problems
        .iter()
        .map(|problem| problem.field.as_str())
        .collect();
    assert_eq!(fields, ["word_size", "query", "query", "query"]);
    assert_eq!(
        engine
            .service
            .list(&Caller::local(), &ListQuery::default())
            .totals
            .all,
        0
    );
    assert!(
        std::fs::read_dir(folder.path().join("scratch"))
            .unwrap()
            .next()
            .is_none()
    );
    assert!(!folder.path().join("objects/jobs").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_same_job_and_another_body_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let query = genes(1);
    let submits =
        (0..20).map(|_| engine.submit_with_key(search(Program::Blastn), &query, Some("key-1")));
    let answers = futures::future::join_all(submits).await;
    let ids: std::collections::HashSet<String> = answers
        .iter()
        .map(|answer| answer.as_ref().unwrap().stored.job.id.clone())
        .collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(
        answers
            .iter()
            .filter(|answer| !answer.as_ref().unwrap().replayed)
            .count(),
        1
    );
    let other = engine
        .submit_with_key(search(Program::Blastn), &genes(2), Some("key-1"))
        .await;
    assert!(matches!(other, Err(ServiceError::KeyReused)), "{other:?}");
    assert_eq!(
        engine
            .service
            .list(&Caller::local(), &ListQuery::default())
            .totals
            .all,
        1
    );
    let kept = std::fs::read_dir(folder.path().join("objects/jobs"))
        .unwrap()
        .count();
    assert_eq!(kept, 1, "queries of replays stay behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_search_says_how_many_are_ahead_and_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start_with(
        folder.path(),
        Settings {
            places: 1,
            ..Settings::default()
        },
    )
    .await;
    let long = engine
        .submit(long_search(), &genes(60))
        .await
        .unwrap()
        .stored
        .job
        .id;
    engine
        .wait_until(&long, |job| job.row.phase == Phase::Running)
        .await;
    let next = engine
        .submit(search(Program::Blastn), &genes(1))
        .await
        .unwrap()
        .stored
        .job
        .id;
    let last = engine
        .submit(search(Program::Blastn), &genes(2))
        .await
        .unwrap()
        .stored
        .job
        .id;
    let waiting = engine
        .wait_until(&last, |job| {
            job.row
                .reason
                .as_deref()
                .is_some_and(|reason| reason.starts_with("2nd"))
        })
        .await;
    assert_eq!(waiting.row.status, Status::Queued);
    assert_eq!(waiting.steps[0].state, StepState::Waiting);
    engine
        .service
        .cancel(&Caller::local(), &next)
        .await
        .unwrap();
    let cancelled = engine.finish(&next).await;
    assert_eq!(cancelled.row.phase, Phase::Cancelled);
    assert_eq!(cancelled.steps[0].state, StepState::Cancelled);
    engine
        .service
        .cancel(&Caller::local(), &long)
        .await
        .unwrap();
    assert_eq!(engine.finish(&long).await.row.phase, Phase::Cancelled);
    assert_eq!(processes_of(&long), 0);
    engine.complete(&last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_search_is_stopped_and_gone_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let id = engine
        .submit(long_search(), &genes(60))
        .await
        .unwrap()
        .stored
        .job
        .id;
    engine
        .wait_until(&id, |job| job.row.phase == Phase::Running)
        .await;
    let mut changes = engine.service.subscribe();
    engine.service.delete(&Caller::local(), &id).await.unwrap();
    let gone = async {
        while let Ok(delta) = changes.recv().await {
            if delta.id == id && delta.row.is_none() {
                return;
            }
        }
    };
    tokio::time::timeout(super::support::PATIENCE, gone)
        .await
        .unwrap();
    assert!(matches!(
        engine.service.detail(&Caller::local(), &id),
        Err(ServiceError::NoSuchJob(_))
    ));
    assert_eq!(processes_of(&id), 0);
    engine.service.shut_down().await;
    let again = Engine::start(folder.path()).await;
    assert!(again.service.detail(&Caller::local(), &id).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_search_says_why_and_a_retry_is_a_new_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let limits = elb_engine::executor::RunLimits {
        output_bytes: 1,
        ..Settings::default().limits
    };
    let engine = Engine::start_with(
        folder.path(),
        Settings {
            limits,
            ..Settings::default()
        },
    )
    .await;
    let id = engine
        .submit(search(Program::Tblastx), &genes(30))
        .await
        .unwrap()
        .stored
        .job
        .id;
    let failed = engine.finish(&id).await;
    assert_eq!(failed.row.phase, Phase::Failed);
    let failure = failed.failure.clone().unwrap();
    assert_eq!(failure.error.code.as_str(), "output_limit");
    assert_eq!(failure.error.step, Step::Running);
    assert_eq!(processes_of(&id), 0);
    engine.service.shut_down().await;
    let again = Engine::start(folder.path()).await;
    again.service.retry(&Caller::local(), &id).await.unwrap();
    let job = again.complete(&id).await;
    assert_eq!(job.row.attempt, 2);
    assert_eq!(job.past_attempts[0].phase, Phase::Failed);
    assert!(job.failure.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_was_running_when_the_engine_ended_goes_on_and_no_batch_runs_twice() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(folder.path()).await;
    let id = engine
        .submit(search(Program::Tblastx), &genes(60))
        .await
        .unwrap()
        .stored
        .job
        .id;
    engine
        .wait_until(&id, |job| job.row.progress.batches_done >= 2)
        .await;
    engine.service.shut_down().await;
    drop(engine);
    let again = Engine::start(folder.path()).await;
    let job = again.complete(&id).await;
    assert_eq!(job.row.attempt, 1);
    let log = again
        .service
        .logs(&Caller::local(), &id, 0, 2_000)
        .await
        .unwrap();
    let done: Vec<&str> = log
        .iter()
        .filter(|line| line.text.contains(": done in"))
        .map(|line| line.text.split(':').next().unwrap())
        .collect();
    let distinct: std::collections::HashSet<&&str> = done.iter().collect();
    assert_eq!(done.len(), distinct.len(), "{done:?}");
    assert_eq!(done.len() as u32, job.row.progress.batches_total);
    let mut end = None;
    for record in &job.steps {
        if let Some(end) = end {
            assert!(record.started_at.unwrap() >= end);
        }
        end = record.finished_at;
    }
}
