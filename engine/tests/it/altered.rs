//! The real executor with something done before its calls, and other answers to some questions.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use elb_core::{
    error_code::ErrorCode,
    job::{Job, Outcome},
};
use elb_engine::executor::{
    Evidence, Executor, ExecutorError, Handed, Observation, Plan, Readiness,
};
use tokio::sync::watch;

use super::support::{Before, Settings};

/// What is altered, from outside and while it runs.
#[derive(Clone)]
pub struct Alterations {
    closed: watch::Sender<Vec<(String, String)>>,
    failures: Arc<Mutex<HashMap<&'static str, u32>>>,
    panics: Arc<Mutex<HashSet<(&'static str, String)>>>,
    waiting: watch::Sender<bool>,
    slots: bool,
    evidence: Option<Evidence>,
    /// How often evidence was asked for.
    asked: watch::Sender<u32>,
}

impl Default for Alterations {
    fn default() -> Self {
        Self {
            closed: watch::channel(Vec::new()).0,
            failures: Arc::default(),
            panics: Arc::default(),
            waiting: watch::channel(false).0,
            slots: false,
            evidence: None,
            asked: watch::channel(0).0,
        }
    }
}

impl Alterations {
    /// Submissions go one at a time for each database, as if each were a cluster.
    pub fn with_slots() -> Self {
        Self {
            slots: true,
            ..Self::default()
        }
    }

    /// What is said of silent jobs.
    pub fn with_evidence(evidence: Evidence) -> Self {
        Self {
            evidence: Some(evidence),
            ..Self::default()
        }
    }

    /// Holds every call of this name for a job until it is opened; an empty id is every job.
    pub fn close(&self, call: &str, id: &str) {
        let gate = (call.to_owned(), id.to_owned());
        self.closed.send_modify(|closed| closed.push(gate));
    }

    pub fn open(&self, call: &str, id: &str) {
        self.closed
            .send_modify(|closed| closed.retain(|gate| gate != &(call.to_owned(), id.to_owned())));
    }

    /// Fails the next calls of this name for a reason that passes.
    pub fn fail(&self, call: &'static str, times: u32) {
        self.failures.lock().unwrap().insert(call, times);
    }

    /// Waits until somebody has asked for evidence, twice: what the first answer came to is then done.
    pub async fn asked_for_evidence(&self) {
        let mut asked = self.asked.subscribe();
        let begin = *asked.borrow();
        asked.wait_for(|asked| *asked >= begin + 2).await.unwrap();
    }

    /// Has the next call of this name for a job end in a panic.
    pub fn panic(&self, call: &'static str, id: &str) {
        self.panics.lock().unwrap().insert((call, id.to_owned()));
    }

    /// Whether databases are said to be not there yet.
    pub fn keep_waiting(&self, waiting: bool) {
        self.waiting.send_replace(waiting);
    }

    pub fn settings(&self) -> Settings {
        Settings {
            before: Some(self.before()),
            ..Settings::default()
        }
    }

    pub fn before(&self) -> Before {
        let alterations = self.clone();
        Box::new(move |inner| Arc::new(Altered { inner, alterations }))
    }

    async fn pass(&self, call: &'static str, id: &str) -> Result<(), ExecutorError> {
        let mut closed = self.closed.subscribe();
        let free = |closed: &Vec<(String, String)>| {
            !closed
                .iter()
                .any(|(gate, job)| gate == call && (job.is_empty() || job == id))
        };
        closed.wait_for(free).await.unwrap();
        let hit = self.panics.lock().unwrap().remove(&(call, id.to_owned()));
        assert!(!hit, "a fault that a test has put into {call}");
        let mut failures = self.failures.lock().unwrap();
        match failures.get_mut(call) {
            Some(left) if *left > 0 => {
                *left -= 1;
                let message = "the disk was busy";
                Err(ExecutorError::new(
                    ErrorCode::TemporarilyUnavailable,
                    message,
                ))
            }
            _ => Ok(()),
        }
    }
}

struct Altered {
    inner: Arc<dyn Executor>,
    alterations: Alterations,
}

#[async_trait]
impl Executor for Altered {
    async fn prepare(&self, job: &Job) -> Result<(), ExecutorError> {
        self.alterations.pass("prepare", &job.id).await?;
        self.inner.prepare(job).await
    }
    async fn warm_up(&self, job: &Job) -> Result<Readiness, ExecutorError> {
        if *self.alterations.waiting.borrow() {
            return Ok(Readiness::Waiting("it is not there yet".to_owned()));
        }
        self.alterations.pass("warm_up", &job.id).await?;
        self.inner.warm_up(job).await
    }
    async fn plan(&self, job: &Job) -> Result<Plan, ExecutorError> {
        self.inner.plan(job).await
    }
    async fn stage(&self, job: &Job) -> Result<Readiness, ExecutorError> {
        self.alterations.pass("stage", &job.id).await?;
        self.inner.stage(job).await
    }
    fn submit_slot(&self, job: &Job) -> Option<String> {
        self.alterations.slots.then(|| job.spec.database.clone())
    }
    async fn submit(&self, job: &Job) -> Result<Handed, ExecutorError> {
        self.alterations.pass("submit", &job.id).await?;
        self.inner.submit(job).await
    }
    async fn observe(&self, job: &Job, seen: u64) -> (u64, Observation) {
        match self.alterations.pass("observe", &job.id).await {
            Ok(()) => self.inner.observe(job, seen).await,
            Err(error) => (seen, Observation::Failed(error)),
        }
    }
    async fn evidence(&self, job: &Job) -> Evidence {
        self.alterations.asked.send_modify(|asked| *asked += 1);
        match &self.alterations.evidence {
            Some(evidence) => evidence.clone(),
            None => self.inner.evidence(job).await,
        }
    }
    async fn export(&self, job: &Job) -> Result<Outcome, ExecutorError> {
        self.alterations.pass("export", &job.id).await?;
        self.inner.export(job).await
    }
    async fn let_go(&self, job_id: &str) {
        self.inner.let_go(job_id).await;
    }
    async fn cancel(&self, job: &Job) -> Result<(), ExecutorError> {
        self.alterations.pass("cancel", &job.id).await?;
        self.inner.cancel(job).await
    }
    async fn cleanup(&self, job_id: &str) -> Result<(), ExecutorError> {
        self.inner.cleanup(job_id).await
    }
    async fn left_behind(&self) -> Vec<String> {
        self.inner.left_behind().await
    }
    async fn shut_down(&self) {
        self.inner.shut_down().await;
    }
}
