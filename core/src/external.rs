//! A search that another ElasticBLAST service runs: what its list and its answers mean.
//!
//! Owns the words of that service (elb-openapi) and what they do to a row here. A row only ever goes
//! forward: an old list, a word that is not known and two answers that disagree take nothing back, and
//! one that has ended stays as it is. Asks nobody: who looks hands over what was told.

use serde::{Deserialize, Serialize};

use crate::{
    cluster::{self, Batches, Failure, Verdict},
    error_code::ErrorCode,
    job::{Found, Imported, Job, MAX_TITLE},
    phase::Phase,
    search::{Program, SearchSpec},
    step::Step,
    text,
    time::Timestamp,
    transition::Event,
};

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
mod view;

pub use view::{ExternalFile, PlaneHealth, PlaneView};

/// How long the service itself waits for results to show before it calls a search completed (its
/// `RESULTS_VISIBILITY_GRACE`, 120 s). One that ended longer ago is not looked at again.
const VISIBLE_AFTER_MS: u64 = 120_000;
/// How long files of a completed search are looked for at most (ours): then it is completed without.
const FILES_LIMIT_MS: u64 = 600_000;
/// Why steps are skipped that the service has no word for.
const NOT_TOLD: &str = "the external plane does not tell of this step";

/// The status of a search there, in the order in which it is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExternalStatus {
    /// In its queue.
    Queued,
    /// Taken from the queue.
    Dispatching,
    /// Being handed to its cluster.
    Submitting,
    /// On its cluster.
    Running,
    /// Stopped by somebody.
    Cancelled,
    /// Failed.
    Failed,
    /// Done, and its results can be listed.
    Completed,
}

impl ExternalStatus {
    /// Reads the word for it. A record that was deleted is one that was stopped.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "queued" => Self::Queued,
            "dispatching" => Self::Dispatching,
            "submitting" => Self::Submitting,
            "running" => Self::Running,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "cancelled" | "canceled" | "deleted" => Self::Cancelled,
            _ => return None,
        })
    }

    /// Whether it has ended.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Cancelled | Self::Failed | Self::Completed)
    }
}

/// Where in its status a search is, as far as that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExternalPhase {
    /// On the cluster; nothing of it is at work.
    Pending,
    /// At work.
    Running,
    /// Searched; results are being written.
    Finalizing,
    /// There is no room for it.
    WaitingForCapacity,
    /// It could not be handed to the cluster.
    SubmitFailed,
    /// It stood still for too long and was stopped for it.
    StuckCancelled,
}

impl ExternalPhase {
    /// Reads the word for it.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "submitted" | "pending" => Self::Pending,
            "running" | "recovered" => Self::Running,
            "finalizing" | "completed" => Self::Finalizing,
            "waiting_for_capacity" => Self::WaitingForCapacity,
            "submit_failed" => Self::SubmitFailed,
            "stuck_cancelled" => Self::StuckCancelled,
            _ => return None,
        })
    }
}

/// A search as the list there has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalJob {
    /// Its id there.
    pub id: String,
    /// Its id on the cluster, once it has one.
    pub run: Option<String>,
    /// Its status; `None` if the word for it is not known here.
    pub status: Option<ExternalStatus>,
    /// Which program searches; `None` for one that has no form here.
    pub program: Option<Program>,
    /// The database, or the address of its files.
    pub database: String,
    /// Its place in the queue.
    pub queue_position: Option<u64>,
    /// When it was submitted.
    pub created_at: Option<Timestamp>,
    /// When it was handed to the cluster.
    pub started_at: Option<Timestamp>,
    /// When its record last changed.
    pub updated_at: Option<Timestamp>,
}

impl ExternalJob {
    /// The id of its row here: the one that a watched cluster knows it by, so that there is one row however
    /// it is seen. Until it has that, its own.
    #[must_use]
    pub fn row_id(&self) -> &str {
        self.run.as_deref().unwrap_or(&self.id)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.status.is_some_and(ExternalStatus::has_ended)
    }
}

/// What is told of one search that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExternalDetail {
    /// Its status.
    pub status: Option<ExternalStatus>,
    /// Where in it.
    pub phase: Option<ExternalPhase>,
    /// Its place in the queue.
    pub queue_position: Option<u64>,
    /// Why it failed, or waits.
    pub error: Option<String>,
    /// How far it is; each batch is a Job on the cluster.
    pub batches: Batches,
    /// Jobs on the cluster that are at work.
    pub active: u64,
    /// When its record last changed.
    pub updated_at: Option<Timestamp>,
}

/// Everything that was told of one search.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// By the list.
    pub job: &'a ExternalJob,
    /// When it was asked for.
    pub detail: Option<&'a ExternalDetail>,
    /// Whether its files could be listed; `None` if nobody has looked.
    pub files: Option<bool>,
    /// Now.
    pub now: Timestamp,
}

impl Told<'_> {
    /// Its status: of two that disagree the later one, since the list may be older and the answer too.
    #[must_use]
    pub fn status(&self) -> Option<ExternalStatus> {
        let asked = self.detail.and_then(|detail| detail.status);
        self.job.status.max(asked)
    }

    /// When it ended, if it has.
    fn ended_at(&self) -> Option<Timestamp> {
        let ended = self.job.has_ended();
        self.job.updated_at.filter(|_| ended)
    }

    fn ended_since(&self, ms: u64) -> bool {
        self.ended_at()
            .is_some_and(|ended| self.now.since(ended) >= ms)
    }

    /// Whether it has to be asked whether its files can be listed, before it is called completed.
    #[must_use]
    pub fn needs_files(&self) -> bool {
        self.status() == Some(ExternalStatus::Completed) && !self.ended_since(VISIBLE_AFTER_MS)
    }

    /// Whether its files can be had, or will not be any more.
    fn is_readable(&self) -> bool {
        match self.files {
            Some(true) => true,
            Some(false) => self.ended_since(FILES_LIMIT_MS),
            None => !self.needs_files(),
        }
    }

    fn waits(&self) -> Option<String> {
        let phase = self.detail.and_then(|detail| detail.phase);
        if phase == Some(ExternalPhase::WaitingForCapacity) {
            let room = "the external plane waits for room on its cluster";
            let error = self.detail.and_then(|detail| detail.error.as_deref());
            return Some(match error {
                Some(error) => format!("{room}: {error}"),
                None => room.to_owned(),
            });
        }
        if self.status() != Some(ExternalStatus::Queued) {
            return None;
        }
        let asked = self.detail.and_then(|detail| detail.queue_position);
        Some(match asked.or(self.job.queue_position) {
            Some(place) => format!("place {place} in the queue of the external plane"),
            None => "in the queue of the external plane".to_owned(),
        })
    }

    fn failure(&self) -> Failure {
        let detail = self.detail;
        let phase = detail.and_then(|detail| detail.phase);
        let (code, what) = match phase {
            Some(ExternalPhase::SubmitFailed) => (
                ErrorCode::BlastFailed,
                "the external plane could not hand it to its cluster",
            ),
            Some(ExternalPhase::StuckCancelled) => (
                ErrorCode::WaitedTooLong,
                "it stood still for too long, and the external plane has stopped it",
            ),
            _ => (ErrorCode::BlastFailed, "it failed in the external plane"),
        };
        let message = match detail.and_then(|detail| detail.error.as_deref()) {
            Some(error) => format!("{what}: {error}"),
            None => format!("{what}, which does not say why"),
        };
        Failure {
            code,
            message,
            partial: false,
        }
    }

    /// Its state, in the words of a search on a cluster; `None` for one that somebody has stopped.
    fn verdict(&self) -> Option<Verdict> {
        let batches = self.detail.map(|detail| detail.batches).unwrap_or_default();
        let phase = self.detail.and_then(|detail| detail.phase);
        let Some(status) = self.status() else {
            return Some(Verdict::Unseen);
        };
        if !status.has_ended()
            && let Some(reason) = self.waits()
        {
            let since = self.job.created_at.unwrap_or(self.now);
            return Some(Verdict::HeldUp { reason, since });
        }
        Some(match status {
            // What comes before the cluster has it is one step here: it is being handed over.
            ExternalStatus::Queued | ExternalStatus::Dispatching | ExternalStatus::Submitting => {
                Verdict::Staging
            }
            ExternalStatus::Running => match phase {
                Some(ExternalPhase::Pending) => Verdict::Accepted,
                Some(ExternalPhase::Finalizing) => Verdict::ResultsPending(batches),
                _ => Verdict::Searching(batches),
            },
            ExternalStatus::Completed if self.is_readable() => Verdict::Completed(batches),
            ExternalStatus::Completed => Verdict::ResultsPending(batches),
            ExternalStatus::Failed => Verdict::Failed(self.failure()),
            ExternalStatus::Cancelled => return None,
        })
    }

    /// When an event happened that tells of it, as far as the service says so.
    #[must_use]
    pub fn when(&self, event: &Event) -> Option<Timestamp> {
        match event {
            Event::Enter {
                phase: Phase::Submitted | Phase::Running,
            } => self.job.started_at,
            Event::Enter {
                phase: Phase::ResultsPending | Phase::ExportingResults,
            }
            | Event::CompletedElsewhere
            | Event::Failed { .. }
            | Event::CancelAsked { .. }
            | Event::CancelObserved => self.ended_at(),
            _ => None,
        }
    }
}

/// The events that bring the row to what was told, in order; none if it tells it already, has ended or is
/// being cancelled.
#[must_use]
pub fn follow(job: &Job, told: &Told<'_>) -> Vec<Event> {
    if !job.phase.is_active() || job.phase == Phase::Cancelling {
        return Vec::new();
    }
    match told.verdict() {
        Some(verdict) => cluster::follow(job, &verdict),
        None => vec![Event::CancelAsked { delete: false }, Event::CancelObserved],
    }
}

/// The event that ends a row whose search the service knows no more.
#[must_use]
pub fn forgotten() -> Event {
    Event::Failed {
        code: ErrorCode::WorkerLost,
        message: "the external plane knows nothing of it any more, and nothing says how it ended"
            .to_owned(),
    }
}

impl Job {
    /// A search that was found in the external plane at that host. It belongs to nobody, so that everybody sees
    /// it; what the plane has no word for is skipped, and it is being handed over.
    #[must_use]
    pub fn external(told: &ExternalJob, spec: SearchSpec, host: &str, now: Timestamp) -> Self {
        let title = format!("{} against {}", spec.program.as_str(), spec.database);
        let title = text::cap(&title, MAX_TITLE);
        // A clock that goes wrong there must not put it ahead of everything here.
        let created_at = told.created_at.unwrap_or(now).min(now);
        let id = told.row_id().to_owned();
        let mut job = Self::new(id, String::new(), title, spec, created_at);
        job.imported = Some(Imported {
            id: told.id.clone(),
            results: String::new(),
            found: Some(Found::external(host.to_owned())),
        });
        let skipped = [
            Step::Preparing,
            Step::WarmingUp,
            Step::Configuring,
            Step::StagingDb,
        ];
        let skipped = skipped.into_iter().map(|step| Event::Skip {
            step,
            reason: NOT_TOLD.to_owned(),
        });
        let begun = Event::Enter {
            phase: Phase::Submitting,
        };
        for event in skipped.chain([begun]) {
            // As with a new job: each of them is always possible here.
            job = job.apply(&event, created_at).unwrap_or(job);
        }
        job
    }
}
