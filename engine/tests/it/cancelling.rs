//! Cancelling in every phase that can be reached.

use std::sync::Arc;

use async_trait::async_trait;
use elb_core::{
    job::{Job, Outcome},
    phase::Phase,
    search::Program,
    step::StepState,
};
use elb_engine::{
    executor::{Executor, ExecutorError, Handed, Observation, Plan, Readiness},
    service::Caller,
};

use super::support::{Engine, Settings, genes, processes_of, search};

/// An executor that stands still in one of its calls, so that a cancel meets the job there.
struct StandsStill {
    inner: Arc<dyn Executor>,
    at: &'static str,
}

impl StandsStill {
    async fn pass(&self, call: &str) {
        if call == self.at {
            futures::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Executor for StandsStill {
    async fn prepare(&self, job: &Job) -> Result<(), ExecutorError> {
        self.pass("prepare").await;
        self.inner.prepare(job).await
    }
    async fn warm_up(&self, job: &Job) -> Result<Readiness, ExecutorError> {
        if self.at == "waiting" {
            return Ok(Readiness::Waiting("it is not there yet".to_owned()));
        }
        self.pass("warm_up").await;
        self.inner.warm_up(job).await
    }
    async fn plan(&self, job: &Job) -> Result<Plan, ExecutorError> {
        self.pass("plan").await;
        self.inner.plan(job).await
    }
    async fn stage(&self, job: &Job) -> Result<Readiness, ExecutorError> {
        self.pass("stage").await;
        self.inner.stage(job).await
    }
    async fn submit(&self, job: &Job) -> Result<Handed, ExecutorError> {
        self.pass("submit").await;
        self.inner.submit(job).await
    }
    async fn observe(&self, job: &Job, seen: u64) -> (u64, Observation) {
        self.pass("observe").await;
        self.inner.observe(job, seen).await
    }
    async fn export(&self, job: &Job) -> Result<Outcome, ExecutorError> {
        self.pass("export").await;
        self.inner.export(job).await
    }
    async fn cancel(&self, job: &Job) -> Result<(), ExecutorError> {
        self.inner.cancel(job).await
    }
    async fn cleanup(&self, job_id: &str) -> Result<(), ExecutorError> {
        self.inner.cleanup(job_id).await
    }
    async fn shut_down(&self) {
        self.inner.shut_down().await;
    }
}

async fn cancelled_at(at: &'static str, phase: Phase) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        before: Some(Box::new(move |inner| Arc::new(StandsStill { inner, at }))),
        ..Settings::default()
    };
    let engine = Engine::start_with(folder.path(), settings).await;
    let id = engine
        .submit(search(Program::Blastn), &genes(0, 4))
        .await
        .unwrap()
        .stored
        .job
        .id;
    engine.wait_until(&id, |job| job.row.phase == phase).await;
    engine.service.cancel(&Caller::local(), &id).await.unwrap();
    let job = engine.finish(&id).await;
    assert_eq!(job.row.phase, Phase::Cancelled, "{at}");
    assert_eq!(processes_of(&id), 0, "{at}");
    let open = job
        .steps
        .iter()
        .filter(|record| record.state.is_open())
        .count();
    assert_eq!(open, 0, "{at}");
    let stopped = job
        .steps
        .iter()
        .filter(|record| record.state == StepState::Cancelled)
        .count();
    assert_eq!(stopped, 1, "{at}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_in_any_phase_ends_the_job_and_leaves_no_process() {
    for (at, phase) in [
        ("prepare", Phase::Preparing),
        ("warm_up", Phase::WarmingUp),
        ("waiting", Phase::WaitingForDatabase),
        ("plan", Phase::Configuring),
        ("stage", Phase::Configuring),
        ("submit", Phase::Submitting),
        ("observe", Phase::Submitted),
        ("export", Phase::ExportingResults),
    ] {
        cancelled_at(at, phase).await;
    }
}
