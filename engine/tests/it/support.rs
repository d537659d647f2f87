//! A running engine in a folder of its own, and one helper per user action.

use std::{
    io::Read,
    path::Path,
    process::Command,
    sync::{Arc, OnceLock},
    time::Duration,
};

use elb_core::{
    phase::Phase,
    search::{Program, SearchOptions, SearchSpec},
    view::JobDetail,
};
use elb_engine::{
    JobService,
    clock::SystemClock,
    databases::{Catalogue, CatalogueConfig},
    executor::{LocalFolders, RunLimits, local::LocalExecutor},
    joblog::JobLogs,
    jobs::Jobs,
    lifecycle::{Admission, Context},
    objects::Objects,
    repository::SqliteRepository,
    service::{Caller, Download, Format, ServiceError, ServiceLimits, Submission, Submitted},
    toolkit::Toolkit,
};
use futures::StreamExt;
use tempfile::TempDir;

/// How long a test waits for what must happen; far above what it takes.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub const RRNA: &str = "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta";
pub const PROTEINS: &str = "/usr/share/doc/mmseqs2/example-data/DB.fasta.gz";

pub struct Engine {
    pub service: JobService,
}

pub struct Settings {
    pub places: usize,
    pub limits: RunLimits,
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

/// Two small databases of real sequences, made once for all tests of the run.
pub fn databases() -> &'static Path {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        for (name, kind, text) in [
            ("genes", "nucl", records(RRNA, 0, 300).replace('\t', " ")),
            ("proteins", "prot", records(PROTEINS, 0, 1_500)),
        ] {
            let fasta = folder.path().join(format!("{name}.source"));
            std::fs::write(&fasta, text).unwrap();
            let out = Command::new("makeblastdb")
                .arg("-in")
                .arg(&fasta)
                .arg("-out")
                .arg(folder.path().join(name))
                .args(["-dbtype", kind, "-title", name, "-blastdb_version", "5"])
                .output()
                .unwrap();
            assert!(
                out.status.success(),
                "{}",
                String::from_utf8_lossy(&out.stderr)
            );
        }
        folder
    });
    made.path()
}

impl Engine {
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(folder, Settings::default()).await
    }

    pub async fn start_with(folder: &Path, settings: Settings) -> Self {
        let clock = Arc::new(SystemClock);
        let toolkit = Toolkit::locate(None).await.unwrap();
        let config = CatalogueConfig {
            own: folder.join("databases"),
            folders: vec![databases().to_owned()],
            max_upload_bytes: 1_000_000,
            examples: false,
        };
        let catalogue = Catalogue::open(config, toolkit.clone(), clock.clone())
            .await
            .unwrap();
        let repository = SqliteRepository::open(&folder.join("state.sqlite")).unwrap();
        let jobs = Jobs::load(Arc::new(repository), clock.clone())
            .await
            .unwrap();
        let objects = Objects::in_folder(&folder.join("objects")).unwrap();
        let logs = JobLogs::in_folder(&folder.join("logs"), clock).unwrap();
        let executor = LocalExecutor::new(
            LocalFolders {
                work: folder.join("work"),
            },
            settings.limits,
            toolkit.clone(),
            Arc::clone(&catalogue),
            objects.clone(),
            logs.clone(),
        );
        let context = Context {
            jobs: Arc::new(jobs),
            executor: Arc::new(executor),
            admission: Admission::new(settings.places),
            objects,
            logs,
        };
        let limits = ServiceLimits {
            query_bytes: 10_000_000,
            active_jobs: 50,
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
        let molecule = spec.program.query_molecule();
        let query = self
            .service
            .receive_query(query.as_bytes(), molecule)
            .await?;
        let submission = Submission {
            spec,
            title: String::new(),
            query,
            key: key.map(str::to_owned),
        };
        self.service.submit(&Caller::local(), submission).await
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
        _ => "genes",
    };
    SearchSpec {
        program,
        task: None,
        database: database.to_owned(),
        options: SearchOptions::default(),
    }
}
