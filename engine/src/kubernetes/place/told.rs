//! What is told of a search of all that was seen: its state as it is shown, and how the place is seen at all.
//!
//! Owns what only an event of the cluster adds to an object.

use elb_core::{
    cluster::{
        ContainerState, Health, JobSeen, PodPhase, PodSeen, PodView, ResultsSeen, Role, RunSeen,
        RunView, verdict,
    },
    text,
    time::Timestamp,
};

use super::{About, Feed, Inner, JobObject, PodObject};

/// What is seen of one search.
pub(super) struct Told {
    pub jobs: Vec<JobSeen>,
    pub pods: Vec<PodSeen>,
    pub results: ResultsSeen,
}

impl Inner {
    pub(super) fn judge(&self) -> Health {
        let away = |feed: &Feed| match feed {
            Feed::Away(trouble) => Some(trouble.health),
            _ => None,
        };
        if let Some(trouble) = &self.trouble {
            return trouble.health;
        }
        let feeds = [&self.jobs_feed, &self.pods_feed];
        if let Some(health) = feeds.into_iter().find_map(away) {
            return health;
        }
        if feeds.contains(&&Feed::Waiting) {
            return Health::Connecting;
        }
        if feeds.iter().any(|feed| matches!(feed, Feed::Listed(_))) {
            return Health::Listed;
        }
        Health::Live
    }

    pub(super) fn reason(&self) -> Option<String> {
        if let Some(trouble) = &self.trouble {
            return Some(trouble.reason.clone());
        }
        let feeds = [&self.jobs_feed, &self.pods_feed];
        let away = feeds.iter().find_map(|feed| match feed {
            Feed::Away(trouble) => Some(trouble.reason.clone()),
            _ => None,
        });
        away.or_else(|| {
            feeds.iter().find_map(|feed| match feed {
                Feed::Listed(reason) => Some(format!(
                    "changes cannot be watched ({reason}), so it is asked for them every few seconds"
                )),
                _ => None,
            })
        })
    }

    pub(super) fn told(&self, run: &str) -> Told {
        let jobs = self.jobs.of_run(run);
        let jobs: Vec<JobSeen> = jobs.map(|job| self.told_of_job(job)).collect();
        let pods = self.pods.of_run(run);
        let mut pods: Vec<PodSeen> = pods.map(|pod| self.told_of_pod(pod)).collect();
        pods.sort_by(|one, other| {
            let oldest = one.created_at.cmp(&other.created_at);
            oldest.then_with(|| one.name.cmp(&other.name))
        });
        let results = marked(&jobs);
        Told {
            jobs,
            pods,
            results,
        }
    }

    pub(super) fn run(&self, run: &str, now: Timestamp) -> RunView {
        let told = self.told(run);
        let created = told.jobs.iter().map(|job| job.created_at);
        let created = created.chain(told.pods.iter().map(|pod| pod.created_at));
        let created_at = created.min().unwrap_or(now);
        let seen = told.seen(created_at, now, self.warnings.scaling);
        let verdict = verdict(&seen);
        // What a Job that searches says comes before what one that prepares says.
        let mut by_role: Vec<&JobObject> = self.jobs.of_run(run).collect();
        by_role.sort_by_key(|job| job.seen.role != Role::Blast);
        let first =
            |fact: fn(&JobObject) -> Option<String>| by_role.iter().find_map(|job| fact(job));
        RunView {
            id: run.to_owned(),
            program: first(|job| job.facts.program.map(ToOwned::to_owned)),
            database: first(|job| job.facts.database.clone()),
            results: first(|job| job.facts.results.clone()),
            options: first(|job| job.facts.options.clone()),
            phase: verdict.phase(),
            reason: verdict.reason(),
            batches: seen.batches(),
            created_at,
            pods: told.pods.iter().map(|pod| self.shown(pod)).collect(),
        }
    }

    /// A pod as it is shown; one that brings a database, with how far it is.
    fn shown(&self, pod: &PodSeen) -> PodView {
        let mut view = PodView::of(pod);
        if let Some(progress) = self.copies.progress_of(&pod.name) {
            let line = format!(
                "{} of {}",
                text::bytes(progress.done),
                text::bytes(progress.total)
            );
            view.note.get_or_insert(line);
        }
        view
    }

    /// A Job, with what only an event says: that none of its pods can be created.
    pub(super) fn told_of_job(&self, job: &JobObject) -> JobSeen {
        let mut seen = job.seen.clone();
        if creates_no_pod(&seen) {
            let key = (About::Job, seen.name.clone());
            seen.held_up = self.warnings.last.get(&key).cloned();
        }
        seen
    }

    /// A pod, with what only an event says: that a volume of it cannot be had.
    pub(super) fn told_of_pod(&self, pod: &PodObject) -> PodSeen {
        let mut seen = pod.seen.clone();
        if !is_being_created(&seen) {
            return seen;
        }
        let key = (About::Pod, seen.name.clone());
        if let Some(said) = self.warnings.last.get(&key) {
            for container in &mut seen.containers {
                if let ContainerState::Waiting { message, .. } = &mut container.state
                    && message.is_empty()
                {
                    message.clone_from(said);
                }
            }
        }
        seen
    }
}

impl Told {
    pub(super) fn seen(&self, since: Timestamp, now: Timestamp, scaling: bool) -> RunSeen<'_> {
        RunSeen {
            jobs: &self.jobs,
            pods: &self.pods,
            results: &self.results,
            blast_jobs: None,
            since,
            now,
            scaling,
            ours: false,
        }
    }
}

/// Whether a Job should have pods and has none.
pub(super) fn creates_no_pod(job: &JobSeen) -> bool {
    job.role == Role::Blast
        && job.active == 0
        && !job.suspended
        && !job.has_ended()
        && job.completed.is_empty()
}

/// Whether a pod has a node and no container has begun.
pub(super) fn is_being_created(pod: &PodSeen) -> bool {
    pod.phase == PodPhase::Pending && pod.unschedulable.is_none()
}

/// What ElasticBLAST's own Job that waits for the end says of the results: it marks a success once every
/// Job that searches is complete, and ends well then.
fn marked(jobs: &[JobSeen]) -> ResultsSeen {
    let of_role = |role| jobs.iter().filter(move |job| job.role == role);
    let searched =
        of_role(Role::Blast).count() > 0 && of_role(Role::Blast).all(JobSeen::is_complete);
    ResultsSeen {
        batches: None,
        success: searched && of_role(Role::Finalizer).any(JobSeen::is_complete),
        failure: None,
    }
}
