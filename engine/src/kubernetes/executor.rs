//! The executor that has searches run on Kubernetes clusters.
//!
//! Owns what a search needs there: its batches' queries in the object store, an anchor and an Indexed Job, and
//! the way of the results back. Truth about a run comes from what is seen of the cluster ([`ClusterSnapshot`])
//! and, before anything is called lost, from the cluster itself. Splitting, merging and indexing are the local
//! executor's own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{ClusterSnapshot, cancel::cancel, place::Place};
use crate::{
    clock::Clock,
    crash::{self, Point},
    databases::Catalogue,
    executor::{
        Door, Evidence, Executor, ExecutorError, Handed, Observation, Plan, Readiness,
        local::LocalExecutor,
    },
    joblog::JobLogs,
    objects::{Objects, RunObjects},
    warmup::Warmup,
};
use async_trait::async_trait;
use elb_core::{
    batch::Batch,
    cluster::{Indexes, run_of},
    database::Shard,
    error_code::ErrorCode,
    job::{Found, Job, Outcome},
    phase::Status,
    poll, search,
    step::Step,
    text,
    view::LogLevel,
};

mod collect;
mod door;
mod hand_over;
mod join;
mod look;
mod pods;
mod preparations;
mod quantity;
mod spread;
mod template;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
mod tidy;
mod warm;

use collect::store_error;
use door::Slot;
use hand_over::{Refusal, Writer};
pub use pods::{NodeDatabases, PodSettings};
use preparations::Preparations;
use spread::Spread;
use template::Template;

pub use template::DATABASES as DATABASES_IN_PODS;

/// The shortest time between two looks at a run: a cluster under load tells of many changes a second.
const LOOK: Duration = Duration::from_millis(100);
/// Lists of batches that are kept in memory (ours): each search needs its own now and then.
const KEPT_PLANS: usize = 256;
/// How long the Jobs of a search stay once its results are here, in seconds (ours): long enough to look at
/// their pods.
const KEPT_WHEN_DONE: u32 = 3_600;
/// How long those of a failed one stay once its row says why it failed, in seconds (ELASTICBLAST §4.4).
const KEPT_WHEN_FAILED: u32 = 86_400;

/// What the executor works with.
pub struct ClusterParts {
    /// Splits, merges and indexes.
    pub local: LocalExecutor,
    /// The clusters; the first one that is seen takes a search.
    pub clusters: Arc<ClusterSnapshot>,
    /// How pods are made.
    pub pods: PodSettings,
    /// Whether what a submission needs is made at once, or one after the other.
    pub at_once: bool,
    /// The databases.
    pub catalogue: Arc<Catalogue>,
    /// The objects, in a store that pods reach.
    pub objects: Objects,
    /// The logs of jobs.
    pub logs: JobLogs,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// Has searches run on clusters.
pub struct ClusterExecutor {
    parts: ClusterParts,
    /// Batches by job.
    plans: Mutex<HashMap<String, Arc<Vec<Batch>>>>,
}

impl ClusterExecutor {
    /// An executor, which also removes what it no longer needs on the clusters, for as long as it is used.
    ///
    /// # Errors
    /// What pods could not be made with.
    pub fn start(parts: ClusterParts) -> Result<Arc<Self>, String> {
        parts.pods.check()?;
        let this = Arc::new(Self {
            parts,
            plans: Mutex::default(),
        });
        tokio::spawn(tidy::again_and_again(Arc::downgrade(&this)));
        Ok(this)
    }

    fn run_objects(&self, job: &Job) -> Result<RunObjects, ExecutorError> {
        let run = self.parts.objects.of_run(&job.id);
        run.map_err(|error| store_error("pods cannot be given the query", error))
    }

    /// The shards in which an attempt searches its database: those that it was planned with, else as the settings
    /// want it.
    fn shards(&self, job: &Job) -> Vec<Shard> {
        let planned = job.run_id.is_some() && job.place.is_some();
        match self.parts.pods.shard_bytes {
            _ if planned => job.shards.clone(),
            Some(most) => {
                let catalogue = &self.parts.catalogue;
                catalogue.shards(&job.spec.database, &job.database.version, most)
            }
            None => Vec::new(),
        }
    }

    fn log(&self, job: &Job, step: Step, line: String) {
        self.parts
            .logs
            .append(&job.id, step, LogLevel::Info, &[line]);
    }

    /// The batches as they were stored first, whichever server was first; made if there are none.
    async fn batches(&self, job: &Job) -> Result<Arc<Vec<Batch>>, ExecutorError> {
        let known = self.plans().get(&job.id).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let run = self.run_objects(job)?;
        let away = |error| store_error("the list of batches cannot be read", error);
        let json = match run.batches().await.map_err(away)? {
            Some(json) => json,
            None => {
                let parallel = usize::try_from(self.parts.pods.parallel).unwrap_or(usize::MAX);
                let planned = self.parts.local.cut_for(job, parallel).await?;
                let json = serde_json::to_vec(&planned)
                    .map_err(|error| ExecutorError::new(ErrorCode::Internal, error.to_string()))?;
                run.put_batches(&json).await.map_err(away)?;
                let stored = run.batches().await.map_err(away)?;
                stored.unwrap_or_else(|| json.into())
            }
        };
        let batches: Vec<Batch> = serde_json::from_slice(&json).map_err(|error| {
            let message = format!("the list of batches is damaged: {error}");
            ExecutorError::new(ErrorCode::Internal, message)
        })?;
        let batches = Arc::new(batches);
        let mut plans = self.plans();
        if plans.len() >= KEPT_PLANS {
            plans.clear();
        }
        plans.insert(job.id.clone(), Arc::clone(&batches));
        Ok(batches)
    }

    fn plans(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Vec<Batch>>>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the attempt runs: what the row says, else what was chosen, whether it is seen or not, else the first
    /// cluster that is seen as it is, else the first.
    fn choose(&self, job: &Job) -> Result<Found, ExecutorError> {
        if let Some(place) = job.place.as_ref().or(job.wanted_place.as_ref()) {
            return Ok(place.clone());
        }
        let views: Vec<_> = self
            .parts
            .clusters
            .all()
            .iter()
            .map(|place| place.view())
            .collect();
        let seen = views.iter().find(|view| view.health.is_current());
        let chosen = seen.or(views.first()).ok_or_else(|| {
            ExecutorError::new(
                ErrorCode::Internal,
                "the settings name no cluster (ELB_CLUSTERS)",
            )
        })?;
        Ok(Found {
            cluster: chosen.cluster.clone(),
            namespace: chosen.namespace.clone(),
        })
    }

    fn place(&self, found: &Found) -> Result<&Place, Refusal> {
        self.parts.clusters.find(found).ok_or_else(|| {
            Refusal::Later(format!(
                "cluster {}, namespace {} is no longer in the settings (ELB_CLUSTERS)",
                found.cluster, found.namespace
            ))
        })
    }

    /// Where the plan says that it runs.
    fn planned(&self, job: &Job) -> Result<&Place, Refusal> {
        let found = job.place.as_ref().ok_or_else(|| {
            Refusal::Never(ExecutorError::new(
                ErrorCode::Internal,
                "the plan names no cluster",
            ))
        })?;
        self.place(found)
    }

    fn writer(&self, job: &Job) -> Result<Writer, Refusal> {
        Writer::new(self.planned(job)?)
    }

    fn slot<'a>(&self, writer: &'a Writer, job: &Job) -> Slot<'a> {
        Slot {
            writer,
            holder: format!("{}-{}", template::MANAGER, job.id),
            now: self.parts.clock.now(),
        }
    }

    async fn may_hand_over(&self, job: &Job) -> Result<Door, Refusal> {
        let place = self.planned(job)?;
        let writer = Writer::new(place)?;
        match self.slot(&writer, job).take().await? {
            Door::Open => door::room(&writer, place, &self.parts.pods).await,
            shut => Ok(shut),
        }
    }

    async fn hand_over(&self, job: &Job) -> Result<Handed, Refusal> {
        let place = self.planned(job)?;
        let writer = Writer::new(place)?;
        let batches = self.batches(job).await.map_err(Refusal::Never)?;
        let copies = if job.shards.is_empty() {
            Vec::new()
        } else {
            place.copies()
        };
        let template = Template {
            job,
            pods: &self.parts.pods,
            run: &self.run_objects(job).map_err(Refusal::Never)?,
            batches: count(&batches),
            shards: &job.shards,
            copies: &copies,
        };
        match self.slot(&writer, job).take().await? {
            Door::Open => {}
            shut => return Ok(shut.into()),
        }
        let preparations = Preparations {
            job,
            template: &template,
            writer: &writer,
            place,
            local: &self.parts.local,
            batches: &batches,
            clock: self.parts.clock.as_ref(),
        };
        let prepared = preparations.make(self.parts.at_once).await?;
        let shape = writer.hand_over(&template, &prepared.owner).await?;
        self.log(
            job,
            Step::Submitting,
            format!(
                "{} made in namespace {} of cluster {}",
                made(&template.job_names(shape)),
                writer.namespace,
                job.place
                    .as_ref()
                    .map_or("", |place| place.cluster.as_str())
            ),
        );
        if let Err(Refusal::Later(reason)) = self.slot(&writer, job).leave().await {
            tracing::warn!(
                job = job.id,
                reason,
                "the submit slot on the cluster is free once its life is over"
            );
        }
        Ok(Handed {
            door: Door::Open,
            parts: prepared.parts,
        })
    }
}

fn count(batches: &[Batch]) -> u32 {
    u32::try_from(batches.len()).unwrap_or(u32::MAX)
}

/// Names of Jobs in words.
fn made(names: &[String]) -> String {
    match names {
        [one] => format!("Job {one}"),
        [one, .., other] => format!("{} Jobs, {one} to {other},", names.len()),
        [] => "no Job".to_owned(),
    }
}

#[async_trait]
impl Executor for ClusterExecutor {
    async fn prepare(&self, job: &Job) -> Result<(), ExecutorError> {
        let batches = self.batches(job).await?;
        self.parts.local.cut(job, &batches).await?;
        self.log(
            job,
            Step::Preparing,
            format!(
                "query: {} sequences, {} {}, in {}",
                job.query.records,
                job.query.letters,
                job.spec.program.query_molecule().unit(),
                text::counted(batches.len() as u64, "batch", "batches")
            ),
        );
        Ok(())
    }

    async fn warm_up(&self, job: &Job) -> Result<Readiness, ExecutorError> {
        let name = &job.spec.database;
        match self.parts.catalogue.version_now(name) {
            Some(version) if version == job.database.version => Ok(Readiness::Done),
            Some(_) => Err(ExecutorError::new(
                ErrorCode::DatabaseChanged,
                format!("the database {name} has changed since the search was submitted"),
            )),
            None => match self.parts.catalogue.elsewhere_problem() {
                Some(problem) => Ok(Readiness::Waiting(format!(
                    "the databases cannot be looked at: {problem}"
                ))),
                None => Err(ExecutorError::new(
                    ErrorCode::DatabaseMissing,
                    format!(
                        "the database {name} is no longer in {}",
                        self.parts.pods.source
                    ),
                )),
            },
        }
    }

    async fn plan(&self, job: &Job) -> Result<Plan, ExecutorError> {
        let batches = self.batches(job).await?;
        let shards = self.shards(job);
        let spread = Spread {
            batches: &batches,
            shards: &shards,
        };
        let progress = spread.progress(&Indexes::default());
        // As it is run, with the place of the database in the pod; the batch is another each time.
        let name = &job.spec.database;
        let database = format!("{DATABASES_IN_PODS}/{name}/{}/{name}", job.database.version);
        let paths = search::RunPaths {
            database: &database,
            query: "batch_NNN.fa",
            out: "batch_NNN.asn",
        };
        Ok(Plan {
            command: search::argv(&job.spec, &paths),
            place: Some(self.choose(job)?),
            blast_version: format!("of the image {}", self.parts.pods.image),
            progress,
            shards,
        })
    }

    async fn stage(&self, job: &Job) -> Result<Readiness, ExecutorError> {
        Ok(Readiness::Unneeded(self.staging(job)))
    }

    fn warmup(&self) -> Option<&dyn Warmup> {
        Some(self)
    }

    fn places(&self) -> Vec<Found> {
        let places = self.parts.clusters.all().iter();
        places.map(|place| place.found()).collect()
    }

    fn submit_slot(&self, job: &Job) -> Option<String> {
        let place = job.place.as_ref()?;
        Some(format!("{}/{}", place.cluster, place.namespace))
    }

    async fn knock(&self, job: &Job) -> Result<Door, ExecutorError> {
        match self.may_hand_over(job).await {
            Ok(door) => Ok(door),
            Err(refusal) => refusal.into_door(),
        }
    }

    async fn submit(&self, job: &Job) -> Result<Handed, ExecutorError> {
        match self.hand_over(job).await {
            Ok(handed) => Ok(handed),
            Err(refusal) => refusal.into_door().map(Handed::from),
        }
    }

    async fn observe(&self, job: &Job, seen: u64) -> (u64, Observation) {
        use crate::clusters::Clusters;
        let mut changes = self.parts.clusters.revision();
        // One more than the revision, so that the first look is never taken for one that was made before.
        let fresh = |revision: u64| revision.saturating_add(1);
        if seen > 0 {
            tokio::time::sleep(LOOK).await;
            tokio::select! {
                // An error would mean that the watch is gone, and this program with it.
                _ = changes.wait_for(|revision| fresh(*revision) > seen) => {}
                // Some states come by time alone.
                () = tokio::time::sleep(poll::JOB_STEADY) => {}
            }
        }
        // Just after a start nothing is known of any cluster, and that says nothing of this one.
        let place = job
            .place
            .as_ref()
            .and_then(|found| self.parts.clusters.find(found));
        while place.is_some_and(Place::is_connecting) && changes.changed().await.is_ok() {}
        let now = fresh(*changes.borrow_and_update());
        let observation = match self.look(job).await {
            Ok(observation) => observation,
            // It goes on whatever this server can read.
            Err(error) if error.code == ErrorCode::TemporarilyUnavailable => {
                Observation::Unseen(error.message)
            }
            Err(error) => Observation::Failed(error),
        };
        (now, observation)
    }

    async fn export(&self, job: &Job) -> Result<Outcome, ExecutorError> {
        let batches = self.batches(job).await?;
        let local = &self.parts.local;
        local.cut(job, &batches).await?;
        collect::collect(local, job, &self.run_objects(job)?, &batches).await?;
        crash::point(Point::AfterCollect);
        let outcome = local.export(job).await?;
        let run = run_of(&job.id, job.attempt);
        let shorter = async { self.writer(job)?.keep_for(&run, KEPT_WHEN_DONE).await };
        if let Err(Refusal::Later(reason)) = shorter.await {
            tracing::warn!(
                job = job.id,
                reason,
                "its Jobs stay on the cluster for a week"
            );
        }
        Ok(outcome)
    }

    async fn evidence(&self, _job: &Job) -> Evidence {
        // The cluster has the truth about it.
        Evidence::AtWork
    }

    async fn cancel(&self, job: &Job) -> Result<(), ExecutorError> {
        let hindered =
            |reason: String| ExecutorError::new(ErrorCode::TemporarilyUnavailable, reason);
        let Some(found) = &job.place else {
            return Ok(());
        };
        let run = run_of(&job.id, job.attempt);
        let stopped = async {
            let place = self.place(found)?;
            let ended = place
                .see_own(&run, 1, 0)
                .is_some_and(|sight| sight.all_ended);
            if ended && job.phase.status() == Status::Failed && !place.jobs_of(&run).is_empty() {
                // What is left of it tells why it failed, and goes by itself from now on.
                return Writer::new(place)?.keep_for(&run, KEPT_WHEN_FAILED).await;
            }
            cancel(place, &run).await.map_err(Refusal::Later)?;
            let writer = Writer::new(place)?;
            let template = Template {
                job,
                pods: &self.parts.pods,
                run: &self.run_objects(job).map_err(Refusal::Never)?,
                batches: 0,
                shards: &[],
                copies: &[],
            };
            writer.drop_anchor(&template.anchor_name()).await?;
            self.slot(&writer, job).leave().await
        };
        match stopped.await {
            Ok(()) => Ok(()),
            Err(Refusal::Later(reason)) => Err(hindered(reason)),
            Err(Refusal::Never(error)) => Err(error),
        }
    }

    async fn cleanup(&self, job_id: &str) -> Result<(), ExecutorError> {
        self.plans().remove(job_id);
        self.parts.local.cleanup(job_id).await
    }

    async fn left_behind(&self) -> Vec<String> {
        self.parts.local.left_behind().await
    }

    async fn shut_down(&self) {
        // Runs go on; what was being merged here is merged again.
        self.parts.local.shut_down().await;
    }
}
