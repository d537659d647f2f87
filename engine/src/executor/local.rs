//! The local executor: NCBI BLAST+ as child processes on this machine.
//!
//! Owns the work folder of each job: `query` split into batches, a folder for each try of a batch,
//! and `done/`, where a batch appears by atomic rename when it is whole. A batch that is in `done/`
//! is never run again, whatever happened to this process meanwhile.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use elb_core::{
    error_code::ErrorCode,
    job::{Job, Outcome},
    poll, search, text,
};
use tokio::sync::Semaphore;

use super::{
    Door, Evidence, Executor, ExecutorError, Handed, LocalFolders, Observation, Plan, Readiness,
    RunLimits,
};
use crate::{
    databases::Catalogue, joblog::JobLogs, lease::Member, objects::Objects, toolkit::Toolkit,
};

mod batches;
#[cfg(feature = "kubernetes")]
mod collected;
mod export;
mod merge;
mod process;
mod pulse;
mod run;
mod workdir;

pub(crate) use merge::Renumber;
use pulse::Pulses;
use run::Run;
use workdir::WorkDir;

/// Runs searches on this machine.
pub struct LocalExecutor {
    folders: LocalFolders,
    limits: RunLimits,
    toolkit: Toolkit,
    catalogue: Arc<Catalogue>,
    objects: Objects,
    logs: JobLogs,
    /// One permit a BLAST+ process, over all searches.
    processes: Arc<Semaphore>,
    /// Whether this process may start anything at all.
    member: Member,
    pulses: Pulses,
    /// Runs of this process, by job id.
    runs: Mutex<HashMap<String, Arc<Run>>>,
}

impl LocalExecutor {
    /// An executor that works in `folders`.
    #[must_use]
    pub fn new(
        folders: LocalFolders,
        limits: RunLimits,
        toolkit: Toolkit,
        catalogue: Arc<Catalogue>,
        objects: Objects,
        logs: JobLogs,
        member: Member,
    ) -> Self {
        Self {
            folders,
            limits,
            toolkit,
            catalogue,
            objects,
            logs,
            processes: Arc::new(Semaphore::new(limits.processes.max(1))),
            member,
            pulses: Pulses::default(),
            runs: Mutex::default(),
        }
    }

    fn work_dir(&self, job_id: &str) -> WorkDir {
        WorkDir::new(self.folders.work.join(job_id))
    }

    fn find_run(&self, job_id: &str) -> Option<Arc<Run>> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get(job_id).map(Arc::clone)
    }

    fn forget_run(&self, job_id: &str) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.remove(job_id);
    }

    fn searched_database(&self, job: &Job) -> SearchedDatabase {
        SearchedDatabase {
            catalogue: Arc::clone(&self.catalogue),
            name: job.spec.database.clone(),
            version: job.database.version.clone(),
        }
    }

    /// The database's path for `-db`, if it is still there in a readable state.
    fn database_path(&self, job: &Job) -> Result<PathBuf, ExecutorError> {
        let name = &job.spec.database;
        let Some(database) = self.catalogue.get(name) else {
            return Err(ExecutorError::new(
                ErrorCode::DatabaseMissing,
                format!("the database {name} is no longer there"),
            ));
        };
        if let Some(problem) = database.problem {
            return Err(ExecutorError::new(
                ErrorCode::DatabaseUnreadable,
                format!("the database {name} cannot be read: {problem}"),
            ));
        }
        self.catalogue.path_of(name).ok_or_else(|| {
            ExecutorError::new(
                ErrorCode::DatabaseMissing,
                format!("the files of the database {name} are no longer there"),
            )
        })
    }

    /// The argument vector of one batch.
    fn argv(&self, job: &Job, query: &str, out: &str) -> Result<Vec<String>, ExecutorError> {
        let database = self.database_path(job)?;
        Ok(search::argv(
            &job.spec,
            &search::RunPaths {
                database: &database.to_string_lossy(),
                query,
                out,
            },
        ))
    }
}

#[async_trait]
impl Executor for LocalExecutor {
    async fn prepare(&self, job: &Job) -> Result<(), ExecutorError> {
        let work = self.work_dir(&job.id);
        process::end_leftovers(work.root()).await?;
        batches::split(&work, &self.objects, job, self.limits.processes).await?;
        let batches = work.read_batches()?;
        self.logs.append(
            &job.id,
            elb_core::step::Step::Preparing,
            elb_core::view::LogLevel::Info,
            &[format!(
                "query: {} sequences, {} {}, in {} batches",
                job.query.records,
                job.query.letters,
                job.spec.program.query_molecule().unit(),
                batches.len()
            )],
        );
        Ok(())
    }

    async fn warm_up(&self, job: &Job) -> Result<Readiness, ExecutorError> {
        self.database_path(job)?;
        self.searched_database(job).unchanged()?;
        Ok(Readiness::Done)
    }

    async fn plan(&self, job: &Job) -> Result<Plan, ExecutorError> {
        let work = self.work_dir(&job.id);
        let command = self.argv(job, "batch_NNN.fa", "batch_NNN.asn")?;
        Ok(Plan {
            shards: Vec::new(),
            command,
            place: None,
            blast_version: self.toolkit.version().to_owned(),
            progress: work.progress(&work.read_batches()?),
        })
    }

    async fn stage(&self, _job: &Job) -> Result<Readiness, ExecutorError> {
        Ok(Readiness::Unneeded(
            "the database is on this machine's disk already".to_owned(),
        ))
    }

    async fn submit(&self, job: &Job) -> Result<Handed, ExecutorError> {
        // One that has ended says how it ended, and is no run any more: this is another attempt, or
        // the batches that it left undone.
        if self.find_run(&job.id).is_some_and(|run| !run.has_ended()) {
            return Ok(Door::Open.into());
        }
        let work = self.work_dir(&job.id);
        process::end_leftovers(work.root()).await?;
        // Between the last look and this one lies the whole wait in the queue, or a restart.
        self.searched_database(job).unchanged()?;
        if !work.has_batches() {
            // The folder went away with the machine's temporary files, or an operator removed it.
            self.prepare(job).await?;
        }
        work.clear_tries()?;
        let template = self.argv(job, search::place::QUERY, search::place::OUT)?;
        let run = Run::start(run::Setup {
            job: job.id.clone(),
            attempt: job.attempt,
            database: self.searched_database(job),
            batches: work.read_batches()?,
            work,
            program: job.spec.program,
            max_target_seqs: job.spec.options.max_target_seqs,
            template,
            toolkit: self.toolkit.clone(),
            processes: Arc::clone(&self.processes),
            limits: self.limits,
            logs: self.logs.clone(),
            member: self.member.clone(),
        });
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.insert(job.id.clone(), run);
        Ok(Door::Open.into())
    }

    async fn observe(&self, job: &Job, seen: u64) -> (u64, Observation) {
        match self.find_run(&job.id) {
            Some(run) => run.observe(seen).await,
            None => (0, Observation::Gone),
        }
    }

    async fn export(&self, job: &Job) -> Result<Outcome, ExecutorError> {
        self.forget_run(&job.id);
        let pulse = self.pulses.begin(&job.id, &self.member);
        let outcome = export::export(self, job, &pulse).await;
        self.pulses.end(&job.id);
        outcome
    }

    async fn cancel(&self, job: &Job) -> Result<(), ExecutorError> {
        if let Some(run) = self.find_run(&job.id) {
            run.stop().await;
            self.forget_run(&job.id);
        }
        process::end_leftovers(self.work_dir(&job.id).root()).await
    }

    async fn evidence(&self, job: &Job) -> Evidence {
        let work = self.work_dir(&job.id);
        if process::count(work.root()) > 0 {
            return Evidence::AtWork;
        }
        let moved = self.pulses.silent_for(&job.id);
        if moved.is_some_and(|silent| silent < poll::SILENCE_LIMIT) {
            return Evidence::AtWork;
        }
        let waiting = self.processes.available_permits() == 0;
        if waiting && self.find_run(&job.id).is_some_and(|run| !run.has_ended()) {
            // Its batches wait for those of other searches.
            return Evidence::AtWork;
        }
        match work.silent_for() {
            Some(silent) if silent < poll::SILENCE_LIMIT => Evidence::AtWork,
            Some(silent) => {
                let silent = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
                Evidence::Nothing(format!(
                    "no BLAST+ process of it is running, and its files last changed {} ago",
                    text::duration(silent)
                ))
            }
            None => Evidence::Nothing(
                "no BLAST+ process of it is running, and it has no work folder".to_owned(),
            ),
        }
    }

    async fn let_go(&self, job_id: &str) {
        if let Some(run) = self.find_run(job_id) {
            run.stop().await;
            self.forget_run(job_id);
        }
    }

    async fn cleanup(&self, job_id: &str) -> Result<(), ExecutorError> {
        self.forget_run(job_id);
        self.pulses.end(job_id);
        self.work_dir(job_id).remove()
    }

    async fn left_behind(&self) -> Vec<String> {
        let entries = match std::fs::read_dir(&self.folders.work) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "the work folders cannot be listed");
                return Vec::new();
            }
        };
        let names = entries
            .filter_map(Result::ok)
            .map(|entry| entry.file_name());
        names.filter_map(|name| name.into_string().ok()).collect()
    }

    async fn shut_down(&self) {
        let runs: Vec<Arc<Run>> = {
            let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            runs.drain().map(|(_, run)| run).collect()
        };
        futures::future::join_all(runs.iter().map(|run| run.stop())).await;
    }
}

/// The database of a search in the version that the search was submitted for.
struct SearchedDatabase {
    catalogue: Arc<Catalogue>,
    name: String,
    version: String,
}

impl SearchedDatabase {
    /// An error if its files are not what they were: hits of two versions would be one result.
    fn unchanged(&self) -> Result<(), ExecutorError> {
        match self.catalogue.version_now(&self.name) {
            Some(version) if version == self.version => Ok(()),
            Some(_) => Err(ExecutorError::new(
                ErrorCode::DatabaseChanged,
                format!(
                    "the database {} has changed since the search was submitted",
                    self.name
                ),
            )),
            None => Err(ExecutorError::new(
                ErrorCode::DatabaseMissing,
                format!(
                    "the files of the database {} are no longer there",
                    self.name
                ),
            )),
        }
    }
}
