//! `JobService`: the only door to the engine, for pages, API and event stream alike.
//!
//! Owns the rules of who may see and do what. A job belongs to who submitted it; another's is as
//! missing as one that never was. Every request that changes something is stored before it is
//! acknowledged.

use std::{sync::Arc, time::Duration};

use elb_core::{
    fasta::{Checker, Expect, Limits},
    list::{ListPage, ListQuery},
    molecule::Molecule,
    search::OptionProblem,
    transition::IllegalTransition,
    view::{HistoryEntry, JobDetail, JobRow, LogLine},
};
use thiserror::Error;
use tokio::sync::{broadcast, watch};

use crate::{
    audit_log::AuditTrail,
    breaker::{Breaker, BreakerReport},
    clusters::PodLogError,
    databases::{Catalogue, blob::BlobDatabases},
    intake::{self, Intake, IntakeError},
    joblog::JobLogs,
    jobs::{AttemptObserver, ChangeError, Freshness, Jobs, StepObserver},
    lifecycle::{Context, Lifecycle},
    objects::{Kind, ObjectError, ObjectFile, Objects},
    read_model::{Changes, Delta},
    repository::RepositoryError,
    request::{in_request, request},
    results::ResultsError,
    retention::Retention,
    toolkit::Toolkit,
    warmup::WarmupError,
};

mod actions;
mod audit_log;
mod bulk;
mod checks;
mod clusters;
mod deleted;
mod download;
mod external;
mod found;
mod index_file;
mod load;
mod pod_logs;
mod results;
mod sam;
mod submit;
mod warmup;

pub use bulk::{Action, MAX_BULK};
pub use checks::Check;
pub use download::{Download, Format};
pub use external::FilesNow;
pub use found::{FoundHits, FoundNow, FoundResults};
pub use index_file::IndexFile;
pub use load::Load;
pub use pod_logs::{PodLogFollower, PodLogPage};
pub use submit::{ANY_PLACE, Submission, Submitted};
pub use warmup::WarmupAction;

/// The most history entries of one answer.
pub const MAX_HISTORY: usize = 500;
/// The most log lines of one answer.
pub const MAX_LOG: usize = 2_000;

/// How long audit records may take to be stored at a shutdown, where the store has refused them before.
const AUDIT_END: Duration = Duration::from_millis(500);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Stable identifier; owner of what he submits.
    pub id: String,
    /// Name for people.
    pub name: String,
}

impl Caller {
    /// The one user of the embedded default.
    #[must_use]
    pub fn local() -> Self {
        Self {
            id: "local".to_owned(),
            name: "local user".to_owned(),
        }
    }
}

/// Limits of what a caller may send. Each is a setting.
#[derive(Debug, Clone, Copy)]
pub struct ServiceLimits {
    /// The largest query, in bytes as sent and after decompression.
    pub query_bytes: u64,
    /// The most jobs that may be waiting or running at once.
    pub active_jobs: usize,
    /// How long an idempotency key counts.
    pub key_life: Duration,
}

/// Why a request was not carried out.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// There is no such job for this caller.
    #[error("there is no job {0}; it may have been deleted")]
    NoSuchJob(String),
    /// The input is not acceptable; every problem is listed.
    #[error("the search cannot be accepted: {}", .0.first().map_or("", |problem| problem.message.as_str()))]
    Invalid(Vec<OptionProblem>),
    /// The key was used for something else.
    #[error("this idempotency key was used for another search; send a new key with a new search")]
    KeyReused,
    /// The job's state does not allow it.
    #[error(transparent)]
    NotNow(#[from] IllegalTransition),
    /// There are no results to read.
    #[error("{0}")]
    NoResults(String),
    /// The engine takes no jobs.
    #[error("the search was not started: {0}")]
    BrokerUnavailable(String),
    /// The store is away or refuses.
    #[error(transparent)]
    Store(RepositoryError),
    /// The objects are away or refuse.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// The hit index cannot be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The log of a container cannot be read.
    #[error(transparent)]
    PodLog(#[from] PodLogError),
    /// A database cannot be brought to nodes, or removed there.
    #[error(transparent)]
    Warmup(#[from] WarmupError),
    /// A request that makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// Something in this program is wrong.
    #[error("{0}")]
    Internal(String),
}

impl ServiceError {
    /// A word for programs, as API and audit log spell it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchJob(_) => "no_such_job",
            Self::Invalid(_) => "invalid",
            Self::KeyReused => "idempotency_key_reused",
            Self::NotNow(_) => "not_now",
            Self::NoResults(_) => "no_results",
            Self::BrokerUnavailable(_) => "broker_unavailable",
            Self::Store(_) | Self::Objects(_) => "store_unavailable",
            Self::PodLog(PodLogError::Gone(_)) => "no_such_log",
            Self::PodLog(PodLogError::NotStarted(_)) => "not_started",
            Self::Warmup(WarmupError::Missing(_)) => "no_such_copy",
            Self::Warmup(WarmupError::Refused(_)) => "not_now",
            Self::PodLog(_) | Self::Warmup(WarmupError::Away(_)) => "cluster_unavailable",
            Self::BadRequest(_) => "bad_request",
            Self::Forbidden(_) => "forbidden",
            Self::Results(_) | Self::Internal(_) => "internal",
        }
    }
}

impl From<RepositoryError> for ServiceError {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Missing(id) => Self::NoSuchJob(id),
            other => Self::Store(other),
        }
    }
}

impl From<ChangeError> for ServiceError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Illegal(error) => Self::NotNow(error),
            ChangeError::Store(error) => error.into(),
        }
    }
}

/// Does what was asked for to its end even if the client goes away in the middle: what is stored is
/// then shown and begun, and what is not leaves nothing behind.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ServiceError>> + Send + 'static,
) -> Result<T, ServiceError> {
    let done = tokio::spawn(in_request(request(), work)).await;
    done.map_err(|error| ServiceError::Internal(error.to_string()))?
}

/// The door to the engine.
#[derive(Clone)]
pub struct JobService {
    inner: Arc<Inner>,
}

struct Inner {
    jobs: Arc<Jobs>,
    lifecycle: Arc<Lifecycle>,
    objects: Objects,
    audit: AuditTrail,
    logs: crate::joblog::JobLogs,
    catalogue: Arc<Catalogue>,
    toolkit: Toolkit,
    limits: ServiceLimits,
    scratch: std::path::PathBuf,
    found: found::Reading,
}

impl JobService {
    /// Puts the engine together and takes up every job that has not ended.
    #[must_use]
    pub fn start(
        context: Context,
        catalogue: Arc<Catalogue>,
        toolkit: Toolkit,
        limits: ServiceLimits,
        scratch: std::path::PathBuf,
    ) -> Self {
        let (jobs, objects) = (Arc::clone(&context.jobs), context.objects.clone());
        let (logs, audit) = (context.logs.clone(), context.audit.clone());
        let found = found::Reading::new(jobs.shared_clock());
        let lifecycle = Lifecycle::new(context);
        lifecycle.resume();
        Self {
            inner: Arc::new(Inner {
                jobs,
                lifecycle,
                objects,
                audit,
                logs,
                catalogue,
                toolkit,
                limits,
                scratch,
                found,
            }),
        }
    }

    /// The databases that can be searched.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.inner.catalogue
    }

    /// The BLAST+ programs in use.
    #[must_use]
    pub fn toolkit(&self) -> &Toolkit {
        &self.inner.toolkit
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> ServiceLimits {
        self.inner.limits
    }

    /// Answers a list question from memory.
    #[must_use]
    pub fn list(&self, caller: &Caller, query: &ListQuery) -> ListPage {
        self.list_shared(caller, query).into_owned()
    }

    /// The same, for who only reads the rows.
    #[must_use]
    pub fn list_shared(&self, caller: &Caller, query: &ListQuery) -> ListPage<Arc<JobRow>> {
        let fresh = self.inner.jobs.freshness();
        let mut page = self.inner.jobs.model().list(&caller.id, query, fresh.as_of);
        page.stale = fresh.stale;
        page
    }

    /// How fresh everything is that is shown from memory.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.inner.jobs.freshness()
    }

    /// What is known of the dependencies that can be away, one report each.
    #[must_use]
    pub fn breakers(&self) -> Vec<BreakerReport> {
        let inner = &self.inner;
        let store = inner.jobs.repository().breaker();
        let databases = inner.catalogue.blob().map(BlobDatabases::breaker);
        let others = inner.objects.breaker().into_iter().chain(databases);
        store.iter().chain(others).map(Breaker::report).collect()
    }

    /// The databases that the caller's jobs used, for the list's filter.
    #[must_use]
    pub fn searched_databases(&self, caller: &Caller) -> Vec<String> {
        self.inner.jobs.model().databases(&caller.id)
    }

    /// Has every step told that ends from now on by a write of this process. The first observer counts.
    pub fn watch_steps(&self, observer: StepObserver) {
        self.inner.jobs.watch_steps(observer);
    }

    /// Has every job told whose attempt ends from now on by a write of this process. The first observer counts.
    pub fn watch_attempts(&self, observer: AttemptObserver) {
        self.inner.jobs.watch_attempts(observer);
    }

    /// How long what is kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        self.inner.lifecycle.retention()
    }

    /// How many stored jobs cannot be read and are missing from every list; the log names each.
    #[must_use]
    pub fn unreadable_jobs(&self) -> usize {
        self.inner.jobs.unreadable()
    }

    /// One job, from memory.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`] if it is not there or another's.
    pub fn detail(&self, caller: &Caller, id: &str) -> Result<Arc<JobDetail>, ServiceError> {
        let found = self.inner.jobs.model().detail(&caller.id, id);
        found.ok_or_else(|| ServiceError::NoSuchJob(id.to_owned()))
    }

    /// Every change of any row from now on, whoever may see it.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Delta>> {
        self.inner.jobs.model().subscribe()
    }

    /// The changes after revision `seen` (`None`: from now on) that the caller may see, of one job if it
    /// is named.
    #[must_use]
    pub fn changes(&self, caller: &Caller, seen: Option<u64>, job: Option<String>) -> Changes {
        let model = Arc::clone(self.inner.jobs.model());
        Changes::after(model, caller.id.clone(), seen, job)
    }

    /// The revision of the list.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.inner.jobs.model().revision()
    }

    /// Takes in a query: streamed, checked and normalised.
    ///
    /// # Errors
    /// [`ServiceError::BadRequest`] if it is too large, damaged or broken off.
    pub async fn receive_query(
        &self,
        source: impl tokio::io::AsyncRead + Unpin + Send,
        molecule: Molecule,
    ) -> Result<Intake, ServiceError> {
        let limit = self.inner.limits.query_bytes;
        let limits = Limits {
            bytes: limit,
            ..Limits::default()
        };
        let checker = Checker::new(Expect::Query(molecule), limits);
        let received = intake::receive(source, checker, limit, &self.inner.scratch, |_| {}).await;
        received.map_err(|error| match error {
            IntakeError::Unacceptable(message) => ServiceError::BadRequest(message),
            IntakeError::Io(_) => ServiceError::Internal(error.to_string()),
        })
    }

    /// The engine's time.
    #[must_use]
    pub fn now(&self) -> elb_core::time::Timestamp {
        self.inner.jobs.clock().now()
    }

    /// A page of a job's history, newest first.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`], or the store's.
    pub async fn history(
        &self,
        caller: &Caller,
        id: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, ServiceError> {
        self.detail(caller, id)?;
        let limit = limit.clamp(1, MAX_HISTORY);
        Ok(self
            .inner
            .jobs
            .repository()
            .history(id, before, limit)
            .await?)
    }

    /// Lines of a job's log after number `after`.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`], or if the log cannot be read.
    pub async fn logs(
        &self,
        caller: &Caller,
        id: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LogLine>, ServiceError> {
        let detail = self.detail(caller, id)?;
        let limit = limit.clamp(1, MAX_LOG);
        let (path, _copy) = match self.inner.logs.file(id) {
            Some(path) => (path, None),
            None => match self.kept_log(&detail).await? {
                Some(copy) => (copy.path().to_owned(), Some(copy)),
                None => return Ok(Vec::new()),
            },
        };
        let reading = tokio::task::spawn_blocking(move || JobLogs::read(&path, after, limit));
        let lines = reading
            .await
            .map_err(|error| ServiceError::Internal(error.to_string()))?;
        lines.map_err(|error| ServiceError::Internal(format!("the log cannot be read: {error}")))
    }

    /// The log of the last attempt that has ended, where the objects are elsewhere: that of a search which
    /// another server ran, or this one before it lost its disk.
    async fn kept_log(&self, detail: &JobDetail) -> Result<Option<ObjectFile>, ServiceError> {
        let (objects, row) = (&self.inner.objects, &detail.row);
        if !objects.are_elsewhere() {
            return Ok(None);
        }
        for attempt in (1..=detail.row.attempt).rev() {
            match objects.file(&row.id, Kind::Log, attempt).await {
                Ok(file) => return Ok(Some(file)),
                Err(ObjectError::Missing { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Tells when a job's log has grown.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`].
    pub fn follow_log(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<watch::Receiver<u64>, ServiceError> {
        self.detail(caller, id)?;
        Ok(self.inner.logs.follow(id))
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// The store's.
    pub async fn check_store(&self) -> Result<(), ServiceError> {
        Ok(self.inner.jobs.repository().check().await?)
    }

    /// Takes no more work and ends every driver; active jobs go on at the next start.
    pub async fn shut_down(&self) {
        self.inner.found.stop();
        self.inner.lifecycle.shut_down().await;
        self.inner.audit.finish(AUDIT_END).await;
    }
}
