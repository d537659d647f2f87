//! A running engine in a folder of its own, and one helper per user action.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use elb_core::{
    job::Job,
    phase::Phase,
    search::{Program, SearchOptions, SearchSpec},
    time::Timestamp,
    transition::Event,
    view::{HistoryEntry, JobDetail},
};
use elb_engine::{
    JobService,
    audit_log::{AuditLog, AuditTrail},
    clock::{Clock, SystemClock, chance},
    clusters::{Clusters, ResultsPlaces},
    databases::{Catalogue, CatalogueConfig},
    executor::{Executor, LocalFolders, RunLimits, local::LocalExecutor},
    external::ExternalPlane,
    joblog::JobLogs,
    jobs::Jobs,
    lease::{LeaseTerms, Member},
    lifecycle::{Admission, Context},
    objects::Objects,
    repository::{Repository, SqliteRepository},
    retention::Retention,
    service::{Caller, Download, Format, ServiceError, ServiceLimits, Submission, Submitted},
    toolkit::Toolkit,
};
use futures::StreamExt;
use tempfile::TempDir;
use tokio::sync::Notify;

/// How long a test waits for what must happen; far above what it takes.
pub const PATIENCE: Duration = Duration::from_secs(600);

pub const RRNA: &str = "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta";
pub const PROTEINS: &str = "/usr/share/doc/mmseqs2/example-data/DB.fasta.gz";

pub struct Engine {
    pub service: JobService,
}

/// The machine's clock, moved.
#[derive(Debug, Clone, Default)]
pub struct ShiftedClock {
    wall_ms: Arc<AtomicI64>,
    elapsed_ms: Arc<AtomicU64>,
}

impl ShiftedClock {
    /// Sets the clock by so many milliseconds; no time has passed.
    pub fn set_by(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// As if so much time had passed and the clock had been set back by as much.
    pub fn last(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap();
        self.elapsed_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// As if so much time had passed without anybody waiting for it.
    pub fn pass(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap();
        self.elapsed_ms.fetch_add(ms, Ordering::SeqCst);
        self.set_by(i64::try_from(ms).unwrap());
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock
            .now()
            .plus_ms(self.wall_ms.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        SystemClock.elapsed() + Duration::from_millis(self.elapsed_ms.load(Ordering::SeqCst))
    }
}

/// Puts something before an executor.
pub type Before = Box<dyn FnOnce(Arc<dyn Executor>) -> Arc<dyn Executor>>;

pub struct Settings {
    pub places: usize,
    pub limits: RunLimits,
    /// A folder with BLAST+'s programs, instead of those on `PATH`.
    pub toolkit: Option<PathBuf>,
    /// Folders of databases beside the usual one.
    pub folders: Vec<PathBuf>,
    /// Stands before the executor.
    pub before: Option<Before>,
    /// How leases are kept.
    pub terms: LeaseTerms,
    /// How long what is kept.
    pub retention: Retention,
    /// The most active jobs.
    pub active_jobs: usize,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Keeps the audit log, instead of the store of the jobs.
    pub audit_log: Option<Arc<dyn AuditLog>>,
    /// What is seen of clusters.
    pub clusters: Option<Arc<dyn Clusters>>,
    /// Where results of searches that others have started are looked for.
    pub results_places: Option<ResultsPlaces>,
    /// The external plane.
    pub external: Option<Arc<dyn ExternalPlane>>,
    /// Where the objects are, instead of the usual folder.
    pub objects: Option<Objects>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            places: 2,
            limits: RunLimits {
                processes: 2,
                wall_time: Duration::from_secs(600),
                output_bytes: 1_000_000_000,
            },
            toolkit: None,
            folders: Vec::new(),
            before: None,
            terms: LeaseTerms::Alone,
            retention: Retention::default(),
            active_jobs: 50,
            clock: Arc::new(SystemClock),
            audit_log: None,
            clusters: None,
            results_places: None,
            external: None,
            objects: None,
        }
    }
}

/// The first records of a FASTA file, plain or gzip.
pub fn records(path: &str, skip: usize, count: usize) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    if path.ends_with(".gz") {
        flate2::read::MultiGzDecoder::new(file)
            .read_to_string(&mut text)
            .unwrap();
    } else {
        std::io::BufReader::new(file)
            .read_to_string(&mut text)
            .unwrap();
    }
    let records = text.split('>').skip(1 + skip).take(count);
    records
        .map(|record| format!(">{}\n", record.trim_end()))
        .collect()
}

/// Genes with names that are one line.
pub fn genes(skip: usize, count: usize) -> String {
    records(RRNA, skip, count).replace('\t', " ")
}

/// Makes a database in a folder, as somebody at a terminal would.
pub fn make_database(folder: &Path, name: &str, kind: &str, fasta: &str, more: &[&str]) {
    std::fs::write(folder.join(format!("{name}.source")), fasta).unwrap();
    let out = Command::new("makeblastdb")
        .current_dir(folder)
        .args(["-in", &format!("{name}.source"), "-out", name])
        .args(["-dbtype", kind, "-title", name])
        .args(more)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// Names the folder of databases to an engine in a process of its own.
pub const DATABASES: &str = "ELB_TEST_DATABASES";

/// Small databases of real sequences, made once for all tests of the run.
pub fn databases() -> &'static Path {
    static MADE: OnceLock<(PathBuf, Option<TempDir>)> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        if let Some(folder) = std::env::var_os(DATABASES) {
            return (folder.into(), None);
        }
        let folder = tempfile::tempdir().unwrap();
        for (name, kind, text) in [
            ("genes", "nucl", genes(0, 300)),
            ("few_genes", "nucl", genes(100, 12)),
            ("proteins", "prot", records(PROTEINS, 0, 1_500)),
        ] {
            make_database(folder.path(), name, kind, &text, &["-blastdb_version", "5"]);
        }
        (folder.path().to_owned(), Some(folder))
    });
    &made.0
}

impl Engine {
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(folder, Settings::default()).await
    }

    pub async fn start_with(folder: &Path, settings: Settings) -> Self {
        let clock = settings.clock;
        let toolkit = Toolkit::locate(settings.toolkit.as_deref()).await.unwrap();
        let mut folders = vec![databases().to_owned()];
        folders.extend(settings.folders);
        let config = CatalogueConfig {
            own: folder.join("databases"),
            folders,
            max_upload_bytes: 1_000_000,
            examples: false,
        };
        let catalogue = Catalogue::open(config, toolkit.clone(), clock.clone())
            .await
            .unwrap();
        let repository = Arc::new(SqliteRepository::open(&folder.join("state.sqlite")).unwrap());
        let member = Member::new(settings.terms, clock.clone());
        let audit_log = settings
            .audit_log
            .unwrap_or_else(|| Arc::clone(&repository) as Arc<dyn AuditLog>);
        let audit = AuditTrail::start(audit_log, clock.clone(), chance);
        let jobs = Jobs::load(repository, clock.clone(), member.clone())
            .await
            .unwrap();
        let objects = settings
            .objects
            .unwrap_or_else(|| Objects::in_folder(&folder.join("objects")).unwrap());
        let logs = JobLogs::in_folder(&folder.join("logs"), clock).unwrap();
        let executor: Arc<dyn Executor> = Arc::new(LocalExecutor::new(
            LocalFolders {
                work: folder.join("work"),
            },
            settings.limits,
            toolkit.clone(),
            Arc::clone(&catalogue),
            objects.clone(),
            logs.clone(),
            member,
        ));
        let executor = settings
            .before
            .map_or(Arc::clone(&executor), |before| before(executor));
        let context = Context {
            jobs: Arc::new(jobs),
            executor,
            clusters: settings.clusters,
            results_places: settings.results_places,
            external: settings.external,
            admission: Admission::new(settings.places),
            objects,
            logs,
            audit,
            retention: settings.retention,
            chance: || 0,
            cleaning: Notify::new(),
            // Far more often than in life: what a sweep does shall be seen.
            sweep: Duration::from_millis(50),
        };
        let limits = ServiceLimits {
            query_bytes: 10_000_000,
            active_jobs: settings.active_jobs,
            key_life: Duration::from_secs(86_400),
        };
        std::fs::create_dir_all(folder.join("scratch")).unwrap();
        let service =
            JobService::start(context, catalogue, toolkit, limits, folder.join("scratch"));
        Self { service }
    }

    pub async fn submit(&self, search: SearchSpec, query: &str) -> Result<Submitted, ServiceError> {
        self.submit_with_key(search, query, None).await
    }

    pub async fn submit_with_key(
        &self,
        spec: SearchSpec,
        query: &str,
        key: Option<&str>,
    ) -> Result<Submitted, ServiceError> {
        self.submit_to("", spec, query, key).await
    }

    /// The same of a search that shall run on that cluster.
    pub async fn submit_to(
        &self,
        runs_on: &str,
        spec: SearchSpec,
        query: &str,
        key: Option<&str>,
    ) -> Result<Submitted, ServiceError> {
        let molecule = spec.program.query_molecule();
        let query = self
            .service
            .receive_query(query.as_bytes(), molecule)
            .await?;
        let submission = Submission {
            spec,
            title: String::new(),
            runs_on: runs_on.to_owned(),
            query,
            key: key.map(str::to_owned),
        };
        self.service.submit(&Caller::local(), submission).await
    }

    /// Submits a search that is acceptable; its id.
    pub async fn submit_id(&self, search: SearchSpec, query: &str) -> String {
        self.submit(search, query).await.unwrap().stored.job.id
    }

    /// The newest entries of a job's history, newest first.
    pub async fn history(&self, id: &str) -> Vec<HistoryEntry> {
        let (service, me) = (&self.service, Caller::local());
        service.history(&me, id, None, 500).await.unwrap()
    }

    pub fn job(&self, id: &str) -> Arc<JobDetail> {
        self.service.detail(&Caller::local(), id).unwrap()
    }

    /// Waits until the job is as wanted, or shows how far it came.
    pub async fn wait_until(
        &self,
        id: &str,
        wanted: impl Fn(&JobDetail) -> bool,
    ) -> Arc<JobDetail> {
        let mut changes = self.service.subscribe();
        let waiting = async {
            loop {
                let job = self.job(id);
                if wanted(&job) {
                    return job;
                }
                changes.recv().await.ok();
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(job) => job,
            Err(_) => panic!("the job stays at {:?}", self.job(id)),
        }
    }

    pub async fn finish(&self, id: &str) -> Arc<JobDetail> {
        self.wait_until(id, |job| !job.row.phase.is_active()).await
    }

    pub async fn complete(&self, id: &str) -> Arc<JobDetail> {
        let job = self.finish(id).await;
        assert_eq!(job.row.phase, Phase::Completed, "{:?}", job.failure);
        job
    }

    pub async fn download(&self, id: &str, format: Format) -> String {
        let download = self
            .service
            .download(&Caller::local(), id, format)
            .await
            .unwrap();
        text_of(download).await
    }
}

pub async fn text_of(mut download: Download) -> String {
    let mut bytes = Vec::new();
    while let Some(piece) = download.pieces.next().await {
        bytes.extend_from_slice(&piece.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

pub fn search(program: Program) -> SearchSpec {
    let database = match program {
        Program::Blastp | Program::Blastx => "proteins",
        // Everything finds everything here: a large one would give gigabytes.
        Program::Blastn | Program::Tblastn | Program::Tblastx => "few_genes",
    };
    SearchSpec {
        program,
        task: None,
        database: database.to_owned(),
        options: SearchOptions::default(),
    }
}

/// A search that is at work for long: it is meant to be stopped.
pub fn long_search() -> SearchSpec {
    SearchSpec {
        database: "genes".to_owned(),
        ..search(Program::Tblastx)
    }
}

/// Lets the others go on until the world is as wanted.
pub async fn eventually(what: &str, wanted: impl Fn() -> bool) {
    let waiting = async {
        while !wanted() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "it never came to this: {what}");
}

/// BLAST+ processes whose command line names the job.
pub fn processes_of(id: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(|entry| {
            std::fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(id))
        })
        .count()
}

/// A job as it is when it has just been submitted.
pub fn plain_job(id: &str, created_at: Timestamp) -> Job {
    Job::new(
        id.to_owned(),
        "local".to_owned(),
        "a search".to_owned(),
        search(Program::Blastn),
        created_at,
    )
}

/// The first entry of a job's history.
pub fn first_entry(job: &Job) -> HistoryEntry {
    HistoryEntry {
        version: 1,
        at: job.created_at,
        attempt: 1,
        phase: job.phase,
        note: "submitted".to_owned(),
        actor: job.owner.clone(),
        epoch: 1,
    }
}

/// Applies an event to a row behind the back of any engine.
pub async fn apply(store: &dyn Repository, id: &str, event: &Event) {
    let stored = store.get(id).await.unwrap().unwrap();
    let job = stored.job.apply(event, stored.job.updated_at).unwrap();
    store
        .update(&job, stored.version, None, None)
        .await
        .unwrap();
}
