//! Putting the engine together from the settings.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use elb_app::data::PageSettings;
use elb_engine::{
    JobService,
    audit_log::AuditTrail,
    clock::{SystemClock, chance},
    databases::{Catalogue, CatalogueConfig, DatabaseError},
    executor::{LocalFolders, RunLimits, local::LocalExecutor},
    joblog::JobLogs,
    jobs::Jobs,
    lease::{LeaseTerms, Member},
    lifecycle::{Admission, Context},
    repository::RepositoryError,
    service::ServiceLimits,
    toolkit::{Toolkit, ToolkitError},
};
use thiserror::Error;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    api::events::News,
    assets,
    lock::{DataLock, LockError},
    metrics::Metrics,
    settings::{Settings, StoreAddress},
    state::{AppState, Parts},
};

mod clusters;
mod external;
pub mod objects;
pub mod store;

use store::StoreError;

/// Why the engine cannot be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// BLAST+ is missing or does not work.
    #[error(transparent)]
    Toolkit(#[from] ToolkitError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store cannot be read.
    #[error(transparent)]
    Load(#[from] RepositoryError),
    /// The objects cannot be opened.
    #[error(transparent)]
    Objects(#[from] objects::OpenError),
    /// The databases cannot be looked at.
    #[error(transparent)]
    Databases(#[from] DatabaseError),
    /// Pods cannot be made so.
    #[error("{0}")]
    Pods(String),
    /// The external plane cannot be asked by any means.
    #[error("the external plane of ELB_EXTERNAL_PLANE cannot be asked: {0}")]
    External(String),
    /// Another program uses the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The data folder cannot be written.
    #[error(
        "the data folder {folder} cannot be used: {source}; make it writable, or choose another with ELB_DATA_DIR"
    )]
    Folder {
        /// The folder.
        folder: String,
        /// Why.
        source: std::io::Error,
    },
}

/// The engine, and the lock that it lives under.
pub struct Started {
    /// What handlers are given.
    pub state: AppState,
    /// Held until the end.
    pub locks: Vec<DataLock>,
}

/// Opens everything under the data folder and takes up every search that has not ended.
///
/// # Errors
/// What is missing or cannot be opened, and what to do.
pub async fn start(settings: &Settings) -> Result<Started, StartError> {
    let data = &settings.data_dir;
    let folder = |source| StartError::Folder {
        folder: data.display().to_string(),
        source,
    };
    fs::create_dir_all(data).map_err(folder)?;
    let data = data.canonicalize().map_err(folder)?;
    let mut locks = vec![DataLock::take(&data, settings.shared)?];
    if let StoreAddress::Sqlite(Some(file)) = &settings.store {
        // A file elsewhere is one server's too, whatever data folder another one has.
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder
            .unwrap_or(Path::new("."))
            .canonicalize()
            .map_err(folder_of(file))?;
        if folder != data {
            locks.push(DataLock::take(&folder, settings.shared)?);
        }
    }
    let scratch = scratch_folder(&data, settings.shared).map_err(folder)?;
    let work = data.join("work");
    fs::create_dir_all(&work).map_err(folder)?;

    let clock = Arc::new(SystemClock);
    let toolkit = Toolkit::locate(settings.blast_bin.as_deref()).await?;
    tracing::info!(version = toolkit.version(), "BLAST+ found");
    let config = CatalogueConfig {
        own: data.join("databases"),
        folders: settings.databases.clone(),
        max_upload_bytes: settings.max_database,
        examples: settings.examples,
    };
    let catalogue = Catalogue::open(config, toolkit.clone(), clock.clone()).await?;
    let repository = store::open(&settings.store, &settings.azure, &data, clock.clone()).await?;
    let audit = AuditTrail::start(Arc::clone(&repository).audit_log(), clock.clone(), chance);
    let terms = if settings.shared || settings.store.is_shared() {
        LeaseTerms::Shared {
            life: settings.lease_life,
        }
    } else {
        LeaseTerms::Alone
    };
    let mut member = Member::new(terms, clock.clone());
    if settings.store.is_shared() && !settings.shared {
        // The lock of the folder says that whoever used it before is gone.
        member = member.with_diary(data.join("member"));
    }
    let jobs = Jobs::load(repository, clock.clone(), member.clone()).await?;
    let connections = objects::Connections::default();
    let copies = scratch.join("objects");
    let objects = objects::open(settings, &data, &copies, &connections, true).await?;
    let logs = JobLogs::in_folder(&data.join("logs"), clock).map_err(folder)?;
    let limits = RunLimits {
        processes: settings.jobs,
        wall_time: settings.wall_time,
        output_bytes: settings.max_output,
    };
    let executor = LocalExecutor::new(
        LocalFolders { work },
        limits,
        toolkit.clone(),
        Arc::clone(&catalogue),
        objects.clone(),
        logs.clone(),
        member,
    );
    let running = clusters::running(
        settings,
        clusters::Parts {
            local: executor,
            catalogue: Arc::clone(&catalogue),
            objects: objects.clone(),
            logs: logs.clone(),
        },
    )?;
    let context = Context {
        jobs: Arc::new(jobs),
        executor: running.executor,
        clusters: running.clusters,
        results_places: clusters::results_places(settings, &connections),
        external: external::plane(settings).map_err(StartError::External)?,
        admission: Admission::new(settings.searches),
        objects,
        logs,
        audit,
        retention: settings.retention,
        chance,
        cleaning: Notify::new(),
        sweep: elb_core::poll::RECONCILE_SWEEP,
    };
    let limits = ServiceLimits {
        query_bytes: settings.max_query,
        active_jobs: settings.max_active,
        key_life: settings.key_life,
    };
    #[cfg(feature = "azure")]
    if let Some(databases) = objects::databases(settings, &connections, Arc::new(SystemClock))? {
        catalogue.attach_blob(databases);
    }
    if let Some(root) = clusters::databases_in_pods(settings) {
        catalogue.search_elsewhere(root).await;
    }
    catalogue.keep_up();
    let service = JobService::start(context, catalogue, toolkit, limits, scratch);
    service.note_settings(&settings.in_short()).await;
    let page_settings = PageSettings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data_dir: data.clone(),
        database_folders: settings
            .databases
            .iter()
            .map(|folder| folder.display().to_string())
            .collect(),
        max_database_bytes: settings.max_database,
        max_query_bytes: settings.max_query,
    };
    let metrics = Arc::new(Metrics::default());
    metrics.observe_steps(&service);
    #[cfg(feature = "otel")]
    crate::telemetry::observe(&service);
    let parts = Parts {
        news: News::start(&service),
        service,
        page_settings: Arc::new(page_settings),
        leptos: assets::leptos_options(),
        data_dir: Arc::new(data),
        limits: Arc::default(),
        lists: Arc::default(),
        metrics,
        notices: Arc::default(),
        stopping: CancellationToken::new(),
    };
    let state = AppState::from(parts);
    Ok(Started { state, locks })
}

fn folder_of(file: &Path) -> impl FnOnce(std::io::Error) -> StartError {
    let folder = file.display().to_string();
    |source| StartError::Folder { folder, source }
}

/// Where uploads are received. Servers that share the data folder have one each: none may empty that of
/// another.
fn scratch_folder(data: &Path, shared: bool) -> std::io::Result<PathBuf> {
    let scratch = data.join("scratch");
    if shared {
        let own = scratch.join(std::process::id().to_string());
        empty(&own)?;
        return Ok(own);
    }
    empty(&scratch)?;
    Ok(scratch)
}

/// What a killed program was receiving is of no use to anybody.
fn empty(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(folder)
}
