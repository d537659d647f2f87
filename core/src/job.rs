//! The job: the small, hot row that the store keeps for each search.
//!
//! Owns its shape and the questions that can be answered from it alone. Large things (query text,
//! archives, logs, hits) are objects beside it. It changes only through [`crate::transition`].

use serde::{Deserialize, Serialize};

use crate::{
    database::Shard,
    error_code::{ErrorCode, JobError},
    phase::Phase,
    search::SearchSpec,
    step::{Step, StepRecord, StepState, fresh_timeline},
    text,
    time::Timestamp,
    transition::Event,
};

/// How many ended attempts keep their timeline in the row; older ones remain in the history.
pub const MAX_PAST_ATTEMPTS: usize = 20;
/// How many warnings are kept; BLAST+ repeats itself once per batch.
pub const MAX_WARNINGS: usize = 20;
/// The longest warning or reason that is kept, in characters.
pub const MAX_NOTE: usize = 500;
/// The longest title, in characters.
pub const MAX_TITLE: usize = 200;

/// How often an attempt that failed for a passing reason is followed by another one by itself, until a
/// person asks again (issue: at most 3).
pub const MAX_AUTOMATIC_RETRIES: u32 = 3;

/// What the job should come to. Recorded before anything is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Run to the end.
    #[default]
    Run,
    /// Stop, and stay visible as cancelled.
    Cancel,
    /// Stop, then become a tombstone.
    Delete,
}

/// What was searched with, in figures.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QueryFacts {
    /// Number of query sequences.
    pub records: u64,
    /// Bases or residues of all of them together.
    pub letters: u64,
    /// Size of the stored FASTA in bytes.
    pub bytes: u64,
    /// Identifier of the first sequence.
    pub first_id: String,
}

/// How far the search is. Work is counted in letters so that long sequences weigh more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Batches that are done.
    pub batches_done: u32,
    /// All batches; 0 before the plan is made.
    pub batches_total: u32,
    /// Query letters in the batches that are done.
    pub letters_done: u64,
    /// Query letters in all batches.
    pub letters_total: u64,
}

impl Progress {
    /// Whole percent of the work that is done, weighted by letters.
    #[must_use]
    pub fn percent(&self) -> u8 {
        if self.letters_total == 0 {
            return 0;
        }
        let (done, total) = (
            self.letters_done.min(self.letters_total),
            self.letters_total,
        );
        // Counts too large for the product lose nothing that a percent shows.
        let (done, total) = if total > u64::MAX / 100 {
            (done / 100, total / 100)
        } else {
            (done, total)
        };
        u8::try_from(done * 100 / total).unwrap_or(100)
    }
}

/// What a finished search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Query sequences with at least one hit.
    pub queries_with_hits: u64,
    /// Hits: subjects, counted per query.
    pub hits: u64,
    /// High-scoring segment pairs.
    pub hsps: u64,
    /// Size of the merged archive in bytes.
    pub archive_bytes: u64,
}

/// The database as it was when the job was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DatabaseFacts {
    /// Title for people.
    pub title: String,
    /// Fingerprint of its files; a result whose database has changed says so.
    pub version: String,
    /// Number of sequences.
    pub sequences: u64,
    /// Bases or residues.
    pub letters: u64,
}

/// An ended attempt and its timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// How it ended.
    pub phase: Phase,
    /// Its eight steps.
    pub steps: Vec<StepRecord>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

/// Until when a job may stand in one waiting phase. Kept in the row from the first time that it waits
/// there in an attempt, so that neither a restart nor going back and forth between two waits moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// Which wait.
    pub phase: Phase,
    /// When it has lasted too long.
    pub at: Timestamp,
}

/// A run whose cluster cannot be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

/// What is kept of a job that was deleted, for as long as it can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// When it became a tombstone.
    pub at: Timestamp,
    /// The phase that a restore leads back to; one that has ended.
    pub was: Phase,
    /// Until when it can be restored; its query and results are kept as long.
    pub keep_until: Timestamp,
    /// When query, results and log were removed; nothing can be restored from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
}

/// Where a job comes from that another system ran: taken over once it had ended, or found on a cluster and
/// followed there. Nothing of it is here but its row and its history: it cannot be run again, and its results
/// are read there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Imported {
    /// Its id there.
    pub id: String,
    /// Where its results are kept there; empty if that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub results: String,
    /// Where it is followed, if it was found there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

/// Where a job was found, or where this program has it run: a namespace of a cluster, or the external plane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Found {
    /// The cluster, by its name in the settings; or the external plane, by its host.
    pub cluster: String,
    /// The namespace; empty in the external plane, which has none.
    pub namespace: String,
}

impl Found {
    /// The external plane at that host.
    #[must_use]
    pub const fn external(host: String) -> Self {
        Self {
            cluster: host,
            namespace: String::new(),
        }
    }

    /// Whether it is the external plane.
    #[must_use]
    pub const fn is_external(&self) -> bool {
        self.namespace.is_empty()
    }

    /// The place in words: `cluster lab, namespace blast`.
    #[must_use]
    pub fn in_words(&self) -> String {
        if self.is_external() {
            return format!("the external plane {}", self.cluster);
        }
        format!("cluster {}, namespace {}", self.cluster, self.namespace)
    }

    /// The place as the settings spell it, `lab#blast`; the external plane by its host.
    #[must_use]
    pub fn spelled(&self) -> String {
        if self.is_external() {
            return self.cluster.clone();
        }
        format!("{}#{}", self.cluster, self.namespace)
    }
}

/// Why the steps before a job was found are not told.
const DONE_BY_OTHERS: &str = "whoever started the search on the cluster did this";

/// One search, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Time-ordered identifier; the URL of the job is made from it.
    pub id: String,
    /// Who submitted it; empty for a job that was found on a cluster.
    pub owner: String,
    /// Title for people; never empty.
    pub title: String,
    /// What is searched, where and how.
    pub spec: SearchSpec,
    /// The query in figures.
    pub query: QueryFacts,
    /// The database in figures, as of the submission.
    pub database: DatabaseFacts,
    /// The single truth of where the job is.
    pub phase: Phase,
    /// What the job should come to.
    #[serde(default)]
    pub intent: Intent,
    /// From 1; retry adds one.
    pub attempt: u32,
    /// The eight steps of this attempt.
    pub steps: Vec<StepRecord>,
    /// Ended attempts, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past_attempts: Vec<Attempt>,
    /// How far the search is.
    #[serde(default)]
    pub progress: Progress,
    /// When the row was stored.
    pub created_at: Timestamp,
    /// When this attempt left the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When this attempt reached its end; never moved by later writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// When the row last changed.
    pub updated_at: Timestamp,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// What BLAST+ or the validator warned of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The exact argument vector of the search, as one batch runs it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The attempt does not leave the queue before this time: an automatic retry waits a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Attempts that were begun by themselves since a person last asked for one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub automatic_retries: u32,
    /// Deadlines of this attempt's waits, in the order in which they began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deadlines: Vec<Deadline>,
    /// Why a cancel that was asked for is not carried out yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hindrance: Option<String>,
    /// Present while it runs on a cluster that cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
    /// Present in a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// Identifier of the run with the executor, stored before the job is called submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Where this attempt runs, if that is a cluster. Stored before anything is made there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Found>,
    /// Where its submitter wants it to run, in every attempt; none where any cluster will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_place: Option<Found>,
    /// The parts of the database that this attempt searches one by one; empty if it searches the whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<Shard>,
    /// Version of BLAST+ that ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blast_version: Option<String>,
    /// Digest of the submission, for replays of the same idempotency key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Present if another system ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

const fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl Job {
    /// A job that has just been submitted: it waits in the queue for its first attempt.
    #[must_use]
    pub fn new(
        id: String,
        owner: String,
        title: String,
        spec: SearchSpec,
        created_at: Timestamp,
    ) -> Self {
        let job = Self {
            id,
            owner,
            title,
            spec,
            query: QueryFacts::default(),
            database: DatabaseFacts::default(),
            phase: Phase::Queued,
            intent: Intent::Run,
            attempt: 1,
            steps: fresh_timeline(),
            past_attempts: Vec::new(),
            progress: Progress::default(),
            created_at,
            started_at: None,
            completed_at: None,
            updated_at: created_at,
            error: None,
            warnings: Vec::new(),
            outcome: None,
            command: Vec::new(),
            not_before: None,
            automatic_retries: 0,
            deadlines: Vec::new(),
            hindrance: None,
            unseen: None,
            deletion: None,
            run_id: None,
            place: None,
            wanted_place: None,
            shards: Vec::new(),
            blast_version: None,
            digest: String::new(),
            imported: None,
        };
        let wait = Event::Wait {
            phase: Phase::Queued,
            reason: "in the queue".to_owned(),
        };
        // A fresh job can always wait; should that ever change, the job as it is tells the truth too.
        job.apply(&wait, created_at).unwrap_or(job)
    }

    /// A job that somebody else has started on a cluster. It belongs to nobody, so that everybody sees it;
    /// what came before it was found is skipped, and it is about to be handed to the cluster.
    #[must_use]
    pub fn found(
        run: &str,
        spec: SearchSpec,
        created_at: Timestamp,
        results: String,
        found: Found,
    ) -> Self {
        let title = format!("{} against {}", spec.program.as_str(), spec.database);
        let title = text::cap(&title, MAX_TITLE);
        let mut job = Self::new(run.to_owned(), String::new(), title, spec, created_at);
        job.imported = Some(Imported {
            id: run.to_owned(),
            results,
            found: Some(found),
        });
        let skipped = [Step::Preparing, Step::WarmingUp, Step::Configuring];
        let skipped = skipped.into_iter().map(|step| Event::Skip {
            step,
            reason: DONE_BY_OTHERS.to_owned(),
        });
        let begun = Event::Enter {
            phase: Phase::StagingDb,
        };
        for event in skipped.chain([begun]) {
            // As with a new job: each of them is always possible here.
            job = job.apply(&event, created_at).unwrap_or(job);
        }
        job
    }

    /// Where it is followed, if it was found on a cluster.
    #[must_use]
    pub fn followed(&self) -> Option<&Found> {
        self.imported.as_ref()?.found.as_ref()
    }

    /// Where it runs, will run or was found, if that is known and is not this server.
    #[must_use]
    pub fn runs_on(&self) -> Option<&Found> {
        let own = self.place.as_ref().or(self.wanted_place.as_ref());
        own.or_else(|| self.followed())
    }

    /// The record of one step.
    #[must_use]
    pub fn step(&self, step: Step) -> Option<&StepRecord> {
        self.steps.get(step.index())
    }

    /// The step that the job is in: the open one, else the one it ended in.
    #[must_use]
    pub fn current_step(&self) -> Step {
        let open = self.steps.iter().find(|record| record.state.is_open());
        let ended = || {
            self.steps
                .iter()
                .find(|record| matches!(record.state, StepState::Failed | StepState::Cancelled))
        };
        let last = || {
            self.steps
                .iter()
                .rev()
                .find(|record| record.state != StepState::NotReached)
        };
        open.or_else(ended)
            .or_else(last)
            .map_or(Step::Preparing, |record| record.key)
    }

    /// Why the job stands still, while it does.
    #[must_use]
    pub fn waiting_reason(&self) -> Option<&str> {
        self.steps
            .iter()
            .find(|record| record.state == StepState::Waiting)
            .and_then(|record| record.reason.as_deref())
    }

    /// Until when the job may stand where it does; `None` unless it waits.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let here = self
            .deadlines
            .iter()
            .find(|deadline| deadline.phase == self.phase);
        here.map(|deadline| deadline.at)
    }

    /// Whether a failure with this code is followed by another attempt without anybody asking.
    #[must_use]
    pub const fn retries_by_itself(&self, code: ErrorCode) -> bool {
        code.retries_by_itself() && self.automatic_retries < MAX_AUTOMATIC_RETRIES
    }

    /// Whether the pages may offer Restore.
    #[must_use]
    pub fn can_restore(&self, now: Timestamp) -> bool {
        self.deletion
            .is_some_and(|deletion| deletion.removed_at.is_none() && now < deletion.keep_until)
    }

    /// Whether the pages may offer Cancel.
    #[must_use]
    pub const fn can_cancel(&self) -> bool {
        self.phase.is_active() && !matches!(self.phase, Phase::Cancelling)
    }

    /// Whether the pages may offer Retry. The query of an imported job is not here.
    #[must_use]
    pub const fn can_retry(&self) -> bool {
        self.imported.is_none()
            && matches!(
                self.phase,
                Phase::Failed | Phase::BrokerUnavailable | Phase::WorkerLost | Phase::Cancelled
            )
    }
}
