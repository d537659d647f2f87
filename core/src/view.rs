//! What the pages, the API and the event stream show of a job: one projection for all three.
//!
//! Owns the row of the jobs list and the detail of the job page. Both are made from [`Job`] alone, so
//! that list, page and stream can never tell different stories.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    database::Shard,
    error_code::{ErrorClass, JobError},
    job::{Attempt, DatabaseFacts, Found, Imported, Job, Outcome, Progress, QueryFacts, Unseen},
    phase::{Phase, Status},
    search::{Program, SearchSpec},
    step::{Step, StepRecord},
    text,
    time::Timestamp,
};

/// A job in the list: only what a row shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    /// Identifier; the page is `/jobs/{id}`.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// Program.
    pub program: Program,
    /// Name of the database.
    pub database: String,
    /// What the reader of the list sees.
    pub status: Status,
    /// Where the job is.
    pub phase: Phase,
    /// The timeline step it is in.
    pub step: Step,
    /// Why it stands still, while it does; of a cancel, why it is not carried out yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Present while the cluster that it runs on cannot be seen: everything else is what was seen last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
    /// When an attempt that begins by itself may leave the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The cluster that it runs on, will run on or was found on, as the settings spell it (`lab#blast`); none
    /// while that is open, and on this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_on: Option<String>,
    /// How far the search is.
    pub progress: Progress,
    /// Query sequences.
    pub query_records: u64,
    /// Query bases or residues.
    pub query_letters: u64,
    /// From 1.
    pub attempt: u32,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it left the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Hits found, once completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<u64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RowError>,
    /// Version of the row in the store; grows with each change.
    pub version: u64,
}

/// A failure, short enough for a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// The code's key.
    pub code: crate::error_code::ErrorCode,
    /// The beginning of its text.
    pub message: String,
}

/// BLAST+'s own `-max_target_seqs`.
const MAX_TARGETS: u32 = 500;

/// How much of an error text a row shows, in characters.
const ROW_ERROR: usize = 160;

impl JobRow {
    /// The projection of a stored job.
    #[must_use]
    pub fn of(job: &Job, version: u64) -> Self {
        Self {
            id: job.id.clone(),
            title: job.title.clone(),
            program: job.spec.program,
            database: job.spec.database.clone(),
            status: job.phase.status(),
            phase: job.phase,
            step: job.current_step(),
            // What a step was waiting for says nothing of a cancel.
            reason: match job.phase {
                Phase::Cancelling => job.hindrance.as_deref(),
                _ => job.waiting_reason(),
            }
            .map(str::to_owned),
            unseen: job
                .unseen
                .clone()
                .filter(|_| job.phase != Phase::Cancelling),
            not_before: job.not_before,
            runs_on: job.runs_on().map(Found::spelled),
            progress: job.progress,
            query_records: job.query.records,
            query_letters: job.query.letters,
            attempt: job.attempt,
            created_at: job.created_at,
            started_at: job.started_at,
            completed_at: job.completed_at,
            hits: job.outcome.map(|outcome| outcome.hits),
            error: job.error.as_ref().map(|error| RowError {
                code: error.code,
                message: text::cap(&error.message, ROW_ERROR),
            }),
            version,
        }
    }

    /// Milliseconds in the queue: until the start, the end or `now`.
    #[must_use]
    pub fn queued_ms(&self, now: Timestamp) -> u64 {
        let until = self.started_at.or(self.completed_at).unwrap_or(now);
        until.since(self.created_at)
    }

    /// Milliseconds from the start to the end (or `now`); `None` before the start.
    #[must_use]
    pub fn run_ms(&self, now: Timestamp) -> Option<u64> {
        let started = self.started_at?;
        Some(self.completed_at.unwrap_or(now).since(started))
    }

    /// Whether the attempt begins by itself, but not yet. After that it waits for its turn like any other.
    #[must_use]
    pub fn begins_later(&self, now: Timestamp) -> bool {
        self.not_before.is_some_and(|at| now < at)
    }

    /// One line under the state: that it cannot be seen, what it waits for, how far it is, or why it failed.
    #[must_use]
    pub fn state_note(&self) -> Option<String> {
        if let Some(error) = &self.error {
            return Some(error.message.clone());
        }
        if let Some(unseen) = &self.unseen {
            return Some(format!(
                "not seen since {}: {}",
                unseen.since.on_screen(),
                unseen.reason
            ));
        }
        if self.phase == Phase::Running && self.progress.batches_total > 0 {
            return Some(format!(
                "{}\u{a0}% · {} of {}",
                self.progress.percent(),
                self.progress.batches_done,
                text::counted(self.progress.batches_total.into(), "batch", "batches")
            ));
        }
        self.reason.clone()
    }
}

/// Everything the job page shows but results, log and history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobDetail {
    /// The same projection as in the list, which shares it.
    #[serde(flatten)]
    pub row: Arc<JobRow>,
    /// Who submitted it.
    pub owner: String,
    /// What is searched, where and how.
    pub spec: SearchSpec,
    /// The query in figures.
    pub query: QueryFacts,
    /// The database in figures, as of the submission.
    pub database_facts: DatabaseFacts,
    /// The eight steps of this attempt.
    pub steps: Vec<StepRecord>,
    /// Ended attempts, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past_attempts: Vec<Attempt>,
    /// Why it failed, in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What was warned of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The exact command, as one batch runs it; before the run as it will.
    pub command: Vec<String>,
    /// The cluster that this attempt runs on, if it does not run where this server is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Found>,
    /// The cluster that was chosen for it, if one was: every attempt runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_place: Option<Found>,
    /// The parts of the database that this attempt searches one by one; empty if it searches the whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<Shard>,
    /// Version of BLAST+ that ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blast_version: Option<String>,
    /// Present if another system ran it: results and query are not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    /// Whether the page offers Cancel.
    pub can_cancel: bool,
    /// Whether the page offers Retry.
    pub can_retry: bool,
}

/// What changes on the page of a job while it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct JobState {
    /// The same projection as in the list.
    pub row: Arc<JobRow>,
    /// The eight steps of this attempt.
    pub steps: Vec<StepRecord>,
    /// Ended attempts, oldest first.
    pub past_attempts: Vec<Attempt>,
    /// Why it failed, in full.
    pub failure: Option<Failure>,
    /// What was warned of.
    pub warnings: Vec<String>,
    /// The exact command, once it is written down.
    pub command: Vec<String>,
    /// Whether the page offers Cancel.
    pub can_cancel: bool,
    /// Whether the page offers Retry.
    pub can_retry: bool,
}

/// A failure with its class and remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Code, text and step.
    #[serde(flatten)]
    pub error: JobError,
    /// Whether trying again can help, and where to look.
    pub class: ErrorClass,
    /// What the reader can do.
    pub remedy: String,
}

impl JobDetail {
    /// The projection of a stored job.
    #[must_use]
    pub fn of(job: &Job, version: u64) -> Self {
        Self {
            row: Arc::new(JobRow::of(job, version)),
            owner: job.owner.clone(),
            spec: job.spec.clone(),
            query: job.query.clone(),
            database_facts: job.database.clone(),
            steps: job.steps.clone(),
            past_attempts: job.past_attempts.clone(),
            failure: job.error.as_ref().map(|error| Failure {
                error: error.clone(),
                class: error.code.class(),
                remedy: error.code.remedy().to_owned(),
            }),
            warnings: job.warnings.clone(),
            outcome: job.outcome,
            command: job.command.clone(),
            place: job.place.clone(),
            wanted_place: job.wanted_place.clone(),
            shards: job.shards.clone(),
            blast_version: job.blast_version.clone(),
            imported: job.imported.clone(),
            can_cancel: job.can_cancel(),
            can_retry: job.can_retry(),
        }
    }
}

impl JobDetail {
    /// What has to be known of results that come from a divided database: where they may differ from those of a
    /// search of the whole. `None` if it was searched whole.
    #[must_use]
    pub fn shards_note(&self) -> Option<String> {
        let shards = self.shards.len();
        let most = self.spec.options.max_target_seqs.unwrap_or(MAX_TARGETS);
        (shards > 0).then(|| {
            format!(
                "The database was searched in {shards} shards, each with the counts of the whole: scores and E-values are those of one search. Which subjects are at the end of a list of {most}, as many as were asked for, is approximate: a search of the whole gives some up early that shards keep. The archive has the results of the shards one after the other."
            )
        })
    }

    /// The part of it that changes while the job runs.
    #[must_use]
    pub fn state(&self) -> JobState {
        JobState {
            row: Arc::clone(&self.row),
            steps: self.steps.clone(),
            past_attempts: self.past_attempts.clone(),
            failure: self.failure.clone(),
            warnings: self.warnings.clone(),
            command: self.command.clone(),
            can_cancel: self.can_cancel,
            can_retry: self.can_retry,
        }
    }
}

/// One transition, as history and API show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Version of the row that the transition made; orders the history.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The phase after the transition.
    pub phase: Phase,
    /// What happened, in one line.
    pub note: String,
    /// Who asked for it; empty when the engine did it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// Epoch of the job's lease at the time; grows by one with each process that takes the job over.
    #[serde(default)]
    pub epoch: u64,
}

/// A deleted job, for as long as something of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedRow {
    /// Identifier.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// Program.
    pub program: Program,
    /// Name of the database.
    pub database: String,
    /// How it stood before.
    pub was: Status,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// Until when it can be restored; then it is gone for good.
    pub keep_until: Timestamp,
}

impl DeletedRow {
    /// The projection of a tombstone; `None` if it is none, or if nothing of it is left to restore.
    #[must_use]
    pub fn of(job: &Job) -> Option<Self> {
        let deletion = job.deletion.filter(|kept| kept.removed_at.is_none())?;
        Some(Self {
            id: job.id.clone(),
            title: job.title.clone(),
            program: job.spec.program,
            database: job.spec.database.clone(),
            was: deletion.was.status(),
            created_at: job.created_at,
            deleted_at: deletion.at,
            keep_until: deletion.keep_until,
        })
    }
}

/// One line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Position in the log, from 1; `Last-Event-ID` continues after it.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The step in which it was written.
    pub step: Step,
    /// How serious it is.
    pub level: LogLevel,
    /// The text, one line.
    pub text: String,
}

/// How serious a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What was done.
    Info,
    /// A command line.
    Command,
    /// BLAST+ or the validator warned.
    Warning,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// The key, also the CSS class of the line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Command => "command",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
