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

use async_trait::async_trait;
use elb_core::{
    batch::Batch,
    cluster::{Indexes, Verdict, run_of},
    error_code::ErrorCode,
    job::{Found, Job, Outcome, Progress},
    phase::Status,
    poll, search,
    step::Step,
    text,
    view::LogLevel,
};
use futures::{StreamExt, TryStreamExt};

use super::{ClusterSnapshot, cancel::cancel, place::Place};
use crate::{
    clock::Clock,
    crash::{self, Point},
    databases::Catalogue,
    executor::{
        Door, Evidence, Executor, ExecutorError, Observation, Plan, Readiness, local::LocalExecutor,
    },
    joblog::JobLogs,
    objects::{Objects, RunObjects},
    warmup::Warmup,
};

mod collect;
mod door;
mod hand_over;
mod pods;
mod quantity;
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
use template::Template;

pub use template::DATABASES as DATABASES_IN_PODS;

/// The shortest time between two looks at a run: a cluster under load tells of many changes a second.
const LOOK: Duration = Duration::from_millis(100);
/// Queries that are stored at once.
const AT_ONCE: usize = 8;
/// Lists of batches that are kept in memory (ours): each search needs its own now and then.
const KEPT_PLANS: usize = 256;
/// How long the Jobs of a search stay once its results are here, in seconds (ours): long enough to look at
/// their pods.
const KEPT_WHEN_DONE: u32 = 3_600;

/// What the executor works with.
pub struct ClusterParts {
    /// Splits, merges and indexes.
    pub local: LocalExecutor,
    /// The clusters; the first one that is seen takes a search.
    pub clusters: Arc<ClusterSnapshot>,
    /// How pods are made.
    pub pods: PodSettings,
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

    fn writer(&self, job: &Job) -> Result<Writer, Refusal> {
        let found = job.place.as_ref().ok_or_else(|| {
            Refusal::Never(ExecutorError::new(
                ErrorCode::Internal,
                "the plan names no cluster",
            ))
        })?;
        Writer::new(self.place(found)?)
    }

    fn slot<'a>(&self, writer: &'a Writer, job: &Job) -> Slot<'a> {
        Slot {
            writer,
            holder: format!("{}-{}", template::MANAGER, job.id),
            now: self.parts.clock.now(),
        }
    }

    async fn may_hand_over(&self, job: &Job) -> Result<Door, Refusal> {
        let writer = self.writer(job)?;
        let place = job.place.as_ref().map(|found| self.place(found));
        match self.slot(&writer, job).take().await? {
            Door::Open => door::room(&writer, place.transpose()?, &self.parts.pods).await,
            shut => Ok(shut),
        }
    }

    async fn hand_over(&self, job: &Job) -> Result<Door, Refusal> {
        let writer = self.writer(job)?;
        let batches = self.batches(job).await.map_err(Refusal::Never)?;
        let template = Template {
            job,
            pods: &self.parts.pods,
            run: &self.run_objects(job).map_err(Refusal::Never)?,
            batches: count(&batches),
        };
        match self.slot(&writer, job).take().await? {
            Door::Open => {}
            shut => return Ok(shut),
        }
        let shape = writer.hand_over(&template).await?;
        self.log(
            job,
            Step::Submitting,
            format!(
                "{} {} made in namespace {} of cluster {}",
                match shape {
                    template::Shape::Indexed => "Job",
                    template::Shape::PerBatch => "Jobs",
                },
                template.job_name(),
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
        Ok(Door::Open)
    }

    /// The state of a run that was handed over.
    async fn look(&self, job: &Job) -> Result<Observation, ExecutorError> {
        let Some(found) = &job.place else {
            return Ok(Observation::Gone);
        };
        let place = match self.place(found) {
            Ok(place) => place,
            Err(refusal) => return Ok(unseen(refusal)),
        };
        let batches = self.batches(job).await?;
        let run = run_of(&job.id, job.attempt);
        let Some(sight) = place.see_own(&run, count(&batches)) else {
            let view = place.view();
            return Ok(Observation::Unseen(format!(
                "cluster {} cannot be seen ({}); what was seen last stays: {}",
                found.cluster,
                view.health.as_str(),
                view.reason
                    .unwrap_or_else(|| "it was not heard yet".to_owned())
            )));
        };
        let progress = progress(&batches, &sight.done);
        let under_way = matches!(
            sight.verdict,
            Verdict::Accepted | Verdict::Staging | Verdict::Searching(_)
        );
        // The Job says a second later what its last pod says now; whether it is so, the store tells.
        if under_way
            && sight.done.count() == count(&batches)
            && let Some(searched) = self.searched(job, &batches).await?
        {
            return Ok(searched);
        }
        Ok(match sight.verdict {
            Verdict::Unseen | Verdict::Lost => self.nothing_seen(job, &run, &batches).await?,
            Verdict::Suspended => Observation::HeldUp(
                "its Job is held back on the cluster (suspend); somebody has to let it go on".to_owned(),
            ),
            Verdict::HeldUp { reason, .. } => Observation::HeldUp(reason),
            Verdict::Accepted | Verdict::Staging => Observation::Accepted,
            Verdict::Searching(_) => Observation::Running {
                progress,
                warnings: Vec::new(),
            },
            Verdict::ResultsPending(_) | Verdict::Completed(_) => {
                self.searched(job, &batches).await?.unwrap_or_else(|| {
                    Observation::Failed(ExecutorError::new(
                        ErrorCode::ExportFailed,
                        "the cluster says that every batch is done, but not all results are in the store",
                    ))
                })
            }
            Verdict::Failed(failure) => {
                Observation::Failed(ExecutorError::new(failure.code, failure.message))
            }
        })
    }

    /// All batches are done if the store has what counts of each.
    async fn searched(
        &self,
        job: &Job,
        batches: &[Batch],
    ) -> Result<Option<Observation>, ExecutorError> {
        let notes = collect::notes(&self.run_objects(job)?, batches).await?;
        let mut warnings: Vec<String> = Vec::new();
        for note in notes {
            let Some(note) = note else {
                return Ok(None);
            };
            for warning in note.warnings {
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        Ok(Some(Observation::Succeeded {
            progress: progress(batches, &Indexes::below(count(batches))),
            warnings,
        }))
    }

    /// Nothing of it is seen: it was only just made, or it is gone.
    async fn nothing_seen(
        &self,
        job: &Job,
        run: &str,
        batches: &[Batch],
    ) -> Result<Observation, ExecutorError> {
        let there = async { self.writer(job)?.is_there(run).await };
        match there.await {
            Ok(true) => return Ok(Observation::Accepted),
            Ok(false) => {}
            Err(refusal) => return Ok(unseen(refusal)),
        }
        // Removed after its end, by the cluster itself perhaps: then its results tell.
        if let Some(searched) = self.searched(job, batches).await? {
            return Ok(searched);
        }
        Ok(Observation::Failed(ExecutorError::new(
            ErrorCode::WorkerLost,
            "its Job is no longer on the cluster and not all of its results are in the store: somebody has removed it; try the search again, batches that are done are kept",
        )))
    }
}

fn unseen(refusal: Refusal) -> Observation {
    match refusal {
        Refusal::Later(reason) => Observation::Unseen(reason),
        Refusal::Never(error) => Observation::Failed(error),
    }
}

fn count(batches: &[Batch]) -> u32 {
    u32::try_from(batches.len()).unwrap_or(u32::MAX)
}

fn progress(batches: &[Batch], done: &Indexes) -> Progress {
    let mut progress = Progress {
        batches_total: count(batches),
        letters_total: batches.iter().map(|batch| batch.letters).sum(),
        ..Progress::default()
    };
    for batch in batches.iter().filter(|batch| done.contains(batch.index)) {
        progress.batches_done += 1;
        progress.letters_done += batch.letters;
    }
    progress
}

#[async_trait]
impl Executor for ClusterExecutor {
    async fn prepare(&self, job: &Job) -> Result<(), ExecutorError> {
        let run = self.run_objects(job)?;
        let batches = self.batches(job).await?;
        let local = &self.parts.local;
        local.cut(job, &batches).await?;
        let each: Vec<Batch> = batches.to_vec();
        futures::stream::iter(each)
            .map(|batch| {
                let path = local.query_of(&job.id, &batch);
                let run = &run;
                async move {
                    let file = tokio::fs::File::open(&path).await;
                    let file = file.map_err(|error| LocalExecutor::disk_error(&path, &error))?;
                    let put = run.put_query(batch.index, file).await;
                    put.map_err(|error| {
                        store_error("the query cannot be stored for the pods", error)
                    })
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        crash::point(Point::AfterQueries);
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
            progress: progress(&batches, &Indexes::default()),
        })
    }

    async fn stage(&self, job: &Job) -> Result<Readiness, ExecutorError> {
        let (database, version) = (&job.spec.database, &job.database.version);
        let known = self.staging(job.place.as_ref(), database, version);
        Ok(Readiness::Unneeded(known))
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

    async fn submit(&self, job: &Job) -> Result<Door, ExecutorError> {
        match self.hand_over(job).await {
            Ok(door) => Ok(door),
            Err(refusal) => refusal.into_door(),
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
        collect::collect(local, &job.id, &self.run_objects(job)?, &batches).await?;
        crash::point(Point::AfterCollect);
        let outcome = local.export(job).await?;
        let run = run_of(&job.id, job.attempt);
        let shorter = async { self.writer(job)?.keep_for(&run, KEPT_WHEN_DONE).await };
        if let Err(Refusal::Later(reason)) = shorter.await {
            tracing::warn!(
                job = job.id,
                reason,
                "its Jobs stay on the cluster for a day"
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
            let ended = place.see_own(&run, 1).is_some_and(|sight| sight.all_ended);
            if ended && job.phase.status() == Status::Failed && !place.jobs_of(&run).is_empty() {
                // What is left of it tells why it failed, and goes by itself.
                return Ok(());
            }
            cancel(place, &run).await.map_err(Refusal::Later)?;
            let writer = Writer::new(place)?;
            let template = Template {
                job,
                pods: &self.parts.pods,
                run: &self.run_objects(job).map_err(Refusal::Never)?,
                batches: 0,
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
