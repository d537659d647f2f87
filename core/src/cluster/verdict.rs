//! From what was seen of a search on a cluster to its state.
//!
//! Owns the order of the rules, the strongest first: a Job that was given up, Jobs that are all done with
//! or without readable results, a mark of failure, pods at work, pods that are held up, a Job that is held
//! back, nothing at all. Total: whatever was seen has a state, and the same was seen gives the same state.

use serde::{Deserialize, Serialize};

use super::{
    pods::HeldUp,
    seen::{ConditionSeen, JobSeen, PodSeen, ResultsSeen, Role},
};
use crate::{error_code::ErrorCode, phase::Phase, text, time::Timestamp};

/// How long a container may be kept from starting, for a wrong image or a missing object: as long as
/// ElasticBLAST's dashboard waits before it takes such a pod away.
const CANNOT_START_LIMIT_MS: u64 = 900_000;
/// How long a pod may wait for a machine that takes it, while no machine is being added (ours).
const NO_ROOM_LIMIT_MS: u64 = 1_800_000;
/// How long a search may be without any object on the cluster after it was handed over (ours: creation
/// takes seconds; ElasticBLAST's own takes up to two minutes).
const UNSEEN_LIMIT_MS: u64 = 600_000;

/// Everything that was seen of one search.
#[derive(Debug, Clone)]
pub struct RunSeen<'a> {
    /// Its Jobs, of all roles.
    pub jobs: &'a [JobSeen],
    /// Its pods.
    pub pods: &'a [PodSeen],
    /// What the place of its results shows.
    pub results: &'a ResultsSeen,
    /// How many Jobs search for it, if that is known; else those that are there are all once no Job is
    /// left that creates others.
    pub blast_jobs: Option<usize>,
    /// Since when it is known of.
    pub since: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// Whether machines are being added to the cluster.
    pub scaling: bool,
    /// Whether this program has started it. How long it may wait is then for this program to say; one of
    /// others waits until they end it, and its row must not have an end before it has.
    pub ours: bool,
}

/// Batches of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Batches {
    /// Done.
    pub done: u32,
    /// Given up.
    pub failed: u32,
    /// All.
    pub total: u32,
}

/// Why a search failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which error.
    pub code: ErrorCode,
    /// What happened.
    pub message: String,
    /// Whether some batches have results all the same.
    pub partial: bool,
}

/// The state of a search on a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing of it is there yet.
    Unseen,
    /// It is held back until it may begin.
    Suspended,
    /// Accepted; something stands against its start.
    HeldUp {
        /// What, and since when.
        reason: String,
        /// Since when.
        since: Timestamp,
    },
    /// Accepted; nothing of it is at work yet.
    Accepted,
    /// Database or queries are being brought.
    Staging,
    /// BLAST+ is at work, or the next batch is about to be.
    Searching(Batches),
    /// Every batch is done; the results cannot be read yet.
    ResultsPending(Batches),
    /// The results can be read.
    Completed(Batches),
    /// It has failed.
    Failed(Failure),
    /// Nothing of it is there any more, and nothing says how it ended.
    Lost,
}

impl Verdict {
    /// The phase that it is shown as.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self {
            Self::Unseen => Phase::Submitting,
            Self::Suspended => Phase::Queued,
            Self::HeldUp { .. } => Phase::WaitingForCapacity,
            Self::Accepted => Phase::Submitted,
            Self::Staging => Phase::StagingDb,
            Self::Searching(_) => Phase::Running,
            Self::ResultsPending(_) => Phase::ResultsPending,
            Self::Completed(_) => Phase::Completed,
            Self::Failed(_) => Phase::Failed,
            Self::Lost => Phase::WorkerLost,
        }
    }
}

/// The state of what was seen.
#[must_use]
pub fn verdict(run: &RunSeen<'_>) -> Verdict {
    let blast: Vec<&JobSeen> = run.of_role(Role::Blast).collect();
    let batches = count(&blast);
    if let Some((job, condition)) = given_up(&blast) {
        return Verdict::Failed(why(run, job, condition, batches));
    }
    if run.results.success {
        return Verdict::Completed(batches);
    }
    if run.all_done(&blast) {
        let readable = run
            .results
            .batches
            .is_some_and(|read| read >= batches.total);
        return if readable {
            Verdict::Completed(batches)
        } else {
            Verdict::ResultsPending(batches)
        };
    }
    let active = || run.pods.iter().filter(|pod| pod.is_active());
    if let Some(words) = &run.results.failure
        && active().next().is_none()
    {
        return Verdict::Failed(Failure {
            code: ErrorCode::BlastFailed,
            message: text::cap(words.trim(), MAX_WORDS),
            partial: batches.done > 0,
        });
    }
    if active().any(PodSeen::is_searching) {
        return Verdict::Searching(batches);
    }
    if active().any(PodSeen::is_staging) {
        return Verdict::Staging;
    }
    if let Some(held_up) = run.held_up(&blast) {
        return run.still_waits(held_up);
    }
    if blast.iter().any(|job| job.suspended) {
        return Verdict::Suspended;
    }
    let helpers = run.of_role(Role::Setup).chain(run.of_role(Role::Submit));
    let helpers: Vec<&JobSeen> = helpers.collect();
    if let Some((job, condition)) = given_up(&helpers) {
        return Verdict::Failed(why(run, job, condition, batches));
    }
    if batches.done > 0 {
        // Between two batches.
        return Verdict::Searching(batches);
    }
    let brings = |job: &&JobSeen| job.role == Role::Setup && !job.has_ended();
    if blast.is_empty() && helpers.iter().any(brings) {
        return Verdict::Staging;
    }
    if !blast.is_empty() || !helpers.is_empty() {
        return Verdict::Accepted;
    }
    if run.now.since(run.since) < UNSEEN_LIMIT_MS {
        return Verdict::Unseen;
    }
    Verdict::Lost
}

impl RunSeen<'_> {
    /// How far the search is, whatever its state.
    #[must_use]
    pub fn batches(&self) -> Batches {
        let blast: Vec<&JobSeen> = self.of_role(Role::Blast).collect();
        count(&blast)
    }
}

/// How much of somebody else's words is shown, in characters.
const MAX_WORDS: usize = 1_200;

impl RunSeen<'_> {
    fn of_role(&self, role: Role) -> impl Iterator<Item = &JobSeen> {
        self.jobs.iter().filter(move |job| job.role == role)
    }

    /// Whether every Job that searches is there and done.
    fn all_done(&self, blast: &[&JobSeen]) -> bool {
        let all_there = match self.blast_jobs {
            Some(expected) => blast.len() >= expected,
            // While Jobs are being created those that are there may all be done.
            None => !blast.is_empty() && self.of_role(Role::Submit).all(JobSeen::has_ended),
        };
        all_there && blast.iter().all(|job| job.is_complete())
    }

    /// What has stood against the start the longest.
    fn held_up(&self, blast: &[&JobSeen]) -> Option<HeldUp> {
        let pods = self.pods.iter().filter_map(PodSeen::held_up);
        let jobs = blast.iter().filter_map(|job| {
            Some(HeldUp {
                since: job.created_at,
                reason: format!(
                    "no pod of {} can be created: {}",
                    job.name,
                    job.held_up.as_ref()?
                ),
                for_room: true,
            })
        });
        pods.chain(jobs).min_by_key(|held_up| held_up.since)
    }

    /// Waiting, or failed because it has waited for too long.
    fn still_waits(&self, held_up: HeldUp) -> Verdict {
        let waited = self.now.since(held_up.since);
        let limit = if held_up.for_room {
            NO_ROOM_LIMIT_MS
        } else {
            CANNOT_START_LIMIT_MS
        };
        if !self.ours || waited < limit || (held_up.for_room && self.scaling) {
            return Verdict::HeldUp {
                reason: held_up.reason,
                since: held_up.since,
            };
        }
        let code = if held_up.for_room {
            ErrorCode::WaitedTooLong
        } else {
            ErrorCode::BlastMissing
        };
        let waited = text::duration(waited);
        Verdict::Failed(Failure {
            code,
            message: format!("{} (for {waited})", held_up.reason),
            partial: false,
        })
    }
}

/// The first Job that was given up.
fn given_up<'a>(jobs: &[&'a JobSeen]) -> Option<(&'a JobSeen, &'a ConditionSeen)> {
    jobs.iter().find_map(|job| Some((*job, job.failure()?)))
}

/// Batches of Jobs that search.
fn count(blast: &[&JobSeen]) -> Batches {
    let mut batches = Batches::default();
    for job in blast {
        match job.completions {
            Some(completions) => {
                batches.total += completions;
                batches.done += job.completed.count();
                batches.failed += job.failed.count();
            }
            None => {
                batches.total += 1;
                batches.done += u32::from(job.is_complete());
                batches.failed += u32::from(job.failure().is_some());
            }
        }
    }
    batches
}

/// Why a Job was given up: what its pods say, or else the Job itself.
fn why(run: &RunSeen<'_>, job: &JobSeen, condition: &ConditionSeen, batches: Batches) -> Failure {
    let pods = run.pods.iter().filter(|pod| pod.job == job.name);
    // Of several reasons one that is the search's own: another pod may have been taken away by chance.
    let own = |(code, _): &(ErrorCode, String)| *code == ErrorCode::TemporarilyUnavailable;
    let said = pods.filter_map(PodSeen::failure).min_by_key(own);
    let whole = format!(
        "Job {} was given up ({}){}{}",
        job.name,
        condition.reason,
        if condition.message.is_empty() {
            ""
        } else {
            ": "
        },
        condition.message
    );
    let (code, message) = match (condition.reason.as_str(), said) {
        ("DeadlineExceeded", _) => (ErrorCode::TimeLimit, whole),
        (_, Some((code, words))) => (code, format!("{words}. {whole}")),
        (_, None) => (ErrorCode::BlastFailed, whole),
    };
    let left = if batches.total > 1 && batches.done > 0 {
        format!(". {} of {} batches are done", batches.done, batches.total)
    } else {
        String::new()
    };
    Failure {
        code,
        message: text::cap(&format!("{message}{left}"), MAX_WORDS),
        partial: batches.done > 0,
    }
}
