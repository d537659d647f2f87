//! The port to whatever runs a search: this machine now, a cluster behind the same trait.
//!
//! Owns the contract: every call is safe to repeat after a crash at any point, and "cancelled" means
//! that the run was seen to be gone. Truth about a run comes from [`Executor::observe`] alone.

use std::path::PathBuf;

use async_trait::async_trait;
use elb_core::{
    database::Shard,
    error_code::ErrorCode,
    job::{Found, Job, Outcome, Progress},
    step::StepPart,
};
use thiserror::Error;

use crate::warmup::Warmup;

pub mod local;

/// Why a step failed, in the words of the job's error.
#[derive(Debug, Clone, Error)]
#[error("{message}")]
pub struct ExecutorError {
    /// Which error.
    pub code: ErrorCode,
    /// What happened and what to do.
    pub message: String,
}

impl ExecutorError {
    /// An error with a code and a text.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// What a step that may be unnecessary came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// The work was done.
    Done,
    /// There was nothing to do, for this reason.
    Unneeded(String),
    /// It cannot go on yet, for this reason.
    Waiting(String),
    /// There is no room for it yet, for this reason.
    NoRoom(String),
}

/// Whether a run may be handed over now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// It may.
    Open,
    /// Somebody outside of this program hands one over; who, in words.
    Held(String),
    /// There is no room for it, for this reason.
    NoRoom(String),
}

/// What came of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// [`Door::Open`] if the run was handed over.
    pub door: Door,
    /// What was done for it, for the timeline.
    pub parts: Vec<StepPart>,
}

impl From<Door> for Handed {
    fn from(door: Door) -> Self {
        Self {
            door,
            parts: Vec::new(),
        }
    }
}

/// A run as it was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The argument vector, with the placeholders of one batch.
    pub command: Vec<String>,
    /// Where it will run, if that is a cluster.
    pub place: Option<Found>,
    /// The parts of the database that are searched one by one; empty if it is searched whole.
    pub shards: Vec<Shard>,
    /// Version of BLAST+.
    pub blast_version: String,
    /// Batches; those that an earlier attempt has done count as done.
    pub progress: Progress,
}

/// What can be seen of a run.
#[derive(Debug, Clone)]
pub enum Observation {
    /// Accepted; no process has started yet.
    Accepted,
    /// Accepted; something stands against its going on, in words.
    HeldUp(String),
    /// It cannot be seen now, for this reason; what was seen last stays.
    Unseen(String),
    /// Processes are searching.
    Running {
        /// How far they are.
        progress: Progress,
        /// Warnings of BLAST+ since the run began, without repetition.
        warnings: Vec<String>,
    },
    /// Every batch is done; the results can be exported.
    Succeeded {
        /// All batches.
        progress: Progress,
        /// Warnings of BLAST+.
        warnings: Vec<String>,
    },
    /// The run ended with an error, and nothing of it is running any more.
    Failed(ExecutorError),
    /// There is no such run; submit it.
    Gone,
}

/// What is known of a job that has not changed for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Something of it is at work, or its truth lies elsewhere.
    AtWork,
    /// Nothing of it can be seen; this is the last that is known.
    Nothing(String),
}

/// Runs searches.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Reads the stored query and splits it into batches.
    async fn prepare(&self, job: &Job) -> Result<(), ExecutorError>;
    /// Checks that the database can be read where the search will run, in the version that the job
    /// was submitted for.
    async fn warm_up(&self, job: &Job) -> Result<Readiness, ExecutorError>;
    /// Writes the run down.
    async fn plan(&self, job: &Job) -> Result<Plan, ExecutorError>;
    /// Brings the database to where the search runs.
    async fn stage(&self, job: &Job) -> Result<Readiness, ExecutorError>;
    /// Where a search may run, if one may choose: clusters, in the order in which they are tried.
    fn places(&self) -> Vec<Found> {
        Vec::new()
    }
    /// Starts the run unless it is running; batches that are done are not run again. Unless the door is
    /// [`Door::Open`] nothing is known to run, and it is asked again.
    async fn submit(&self, job: &Job) -> Result<Handed, ExecutorError>;
    /// The state of the run. Returns at once the first time, then when something has changed since
    /// `seen` (the count of changes that the last call returned).
    async fn observe(&self, job: &Job, seen: u64) -> (u64, Observation);
    /// Merges, formats and indexes the results; they are readable when it returns.
    async fn export(&self, job: &Job) -> Result<Outcome, ExecutorError>;
    /// Whether the run may be handed over now, as far as others than this program's own slot are concerned.
    /// Whoever is let in must [`Self::submit`] or come back.
    async fn knock(&self, _job: &Job) -> Result<Door, ExecutorError> {
        Ok(Door::Open)
    }
    /// The slot that a submission of this job must hold, if submissions to its place go one at a time.
    fn submit_slot(&self, _job: &Job) -> Option<String> {
        None
    }
    /// Where copies of databases are kept apart from any search, if they are.
    fn warmup(&self) -> Option<&dyn Warmup> {
        None
    }
    /// What can be seen of a job that has been silent for [`elb_core::poll::SILENCE_LIMIT`].
    async fn evidence(&self, _job: &Job) -> Evidence {
        Evidence::AtWork
    }
    /// Another process drives the job now: stops what this one does for it, and touches nothing else.
    async fn let_go(&self, _job_id: &str) {}
    /// Stops the run. Returns when nothing of it is left.
    async fn cancel(&self, job: &Job) -> Result<(), ExecutorError>;
    /// Removes what the run left behind but its results.
    async fn cleanup(&self, job_id: &str) -> Result<(), ExecutorError>;
    /// Ids of the jobs that something of a run is left of on this machine.
    async fn left_behind(&self) -> Vec<String> {
        Vec::new()
    }
    /// Lets go of every run when this server ends. Runs that live elsewhere go on; those of this
    /// process are stopped and taken up again at the next start.
    async fn shut_down(&self) {}
}

/// Limits of a search. Each is a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLimits {
    /// BLAST+ processes at once, over all searches.
    pub processes: usize,
    /// The longest time that the search step may take.
    pub wall_time: std::time::Duration,
    /// The most bytes that a search may write.
    pub output_bytes: u64,
}

/// Where the local executor works.
#[derive(Debug, Clone)]
pub struct LocalFolders {
    /// One folder a job, removed when the job has ended.
    pub work: PathBuf,
}
