//! The catalogue of BLAST databases: found, made, and described from memory.
//!
//! Owns what is known of each database and who may change it: only uploaded ones can be removed. A
//! list never starts a process; the folders are looked at again when their files change.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use elb_core::database::{Build, BuildState, Database, Origin};
use futures::{StreamExt, stream};
use thiserror::Error;
use tokio::sync::{Mutex, watch};

use crate::{
    cache::WAIT,
    clock::Clock,
    toolkit::{Tool, Toolkit, ToolkitError},
};

pub mod blob;
mod elsewhere;
mod examples;
mod make;
mod scan;

use blob::BlobDatabases;
use elsewhere::Elsewhere;
pub use make::UploadRequest;

/// How often the folders' files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Folders that are listed at once (ours): each is a process of BLAST+ that takes 50 ms even for an empty folder.
const FOLDERS_AT_ONCE: usize = 4;
/// How much of a database is shown as an example query, in bytes.
const EXAMPLE_BYTES: usize = 20_000;
/// Sequences of an example query.
const EXAMPLE_RECORDS: usize = 3;
/// Builds that are remembered.
const MAX_BUILDS: usize = 50;

/// What went wrong with a database.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// The request is not acceptable.
    #[error("{0}")]
    Refused(String),
    /// There is no such database.
    #[error("there is no database {0}")]
    Missing(String),
    /// BLAST+ refused.
    #[error(transparent)]
    Toolkit(#[from] ToolkitError),
    /// A file cannot be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Where databases are and what may be uploaded.
#[derive(Debug, Clone)]
pub struct CatalogueConfig {
    /// Folder for examples and uploads.
    pub own: PathBuf,
    /// Folders of others, never written to.
    pub folders: Vec<PathBuf>,
    /// The largest upload, in bytes as sent and after decompression.
    pub max_upload_bytes: u64,
    /// Whether the examples are made at the first start.
    pub examples: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    database: Database,
    path: PathBuf,
    /// Bytes of each volume, where searches are divided by them.
    volumes: Vec<u64>,
}

/// The databases.
pub struct Catalogue {
    config: CatalogueConfig,
    toolkit: Toolkit,
    clock: Arc<dyn Clock>,
    entries: RwLock<Arc<BTreeMap<String, Entry>>>,
    builds: RwLock<Vec<Build>>,
    changes: watch::Sender<u64>,
    /// One look at the folders at a time.
    scanning: Mutex<u64>,
    /// Those in an object store, which are shown and cannot be searched here.
    blob: OnceLock<BlobDatabases>,
    /// Present if searches run elsewhere: then those in the object store are searched, and no others.
    elsewhere: OnceLock<Elsewhere>,
}

impl Catalogue {
    /// Looks at all folders once. [`Self::keep_up`] goes on looking.
    ///
    /// # Errors
    /// If the own folder cannot be made. Folders of others that cannot be read are reported on the log.
    pub async fn open(
        config: CatalogueConfig,
        toolkit: Toolkit,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, DatabaseError> {
        std::fs::create_dir_all(config.own.join("uploaded"))?;
        std::fs::create_dir_all(config.own.join("examples"))?;
        make::clear_drafts(&config.own)?;
        let catalogue = Arc::new(Self {
            config,
            toolkit,
            clock,
            entries: RwLock::default(),
            builds: RwLock::default(),
            changes: watch::channel(0).0,
            scanning: Mutex::new(0),
            blob: OnceLock::new(),
            elsewhere: OnceLock::new(),
        });
        catalogue.refresh().await;
        Ok(catalogue)
    }

    /// Makes the examples if they are missing, and looks at the folders for as long as the catalogue
    /// is used.
    pub fn keep_up(self: &Arc<Self>) {
        if self.config.examples && self.elsewhere.get().is_none() {
            let this = Arc::clone(self);
            tokio::spawn(async move { examples::make_missing(&this).await });
        }
        let this = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            ticks.tick().await;
            loop {
                ticks.tick().await;
                let Some(catalogue) = this.upgrade() else {
                    return;
                };
                catalogue.refresh().await;
            }
        });
    }

    /// The own folder itself is not among them: it holds drafts too, which nobody may search.
    fn folders(&self) -> Vec<PathBuf> {
        let own = ["examples", "uploaded"].map(|part| self.config.own.join(part));
        let others = self.config.folders.iter().cloned();
        own.into_iter().chain(others).collect()
    }

    /// Looks at the folders, and reads them anew if any database file has changed.
    pub async fn refresh(&self) {
        if let (Some(elsewhere), Some(blob)) = (self.elsewhere.get(), self.blob.get()) {
            return self.look_elsewhere(elsewhere, blob).await;
        }
        let mut known = self.scanning.lock().await;
        let folders = self.folders();
        let stamp = scan::stamp(&folders);
        if stamp == *known {
            return;
        }
        let mut entries = BTreeMap::new();
        // A folder that is named twice, or within another, shows its databases once.
        let mut seen = HashSet::new();
        // Several at once: a list is a process that does little but start.
        let read = stream::iter(folders).map(|folder| {
            let toolkit = self.toolkit.clone();
            async move {
                let read = scan::read_folder(&toolkit, &folder).await;
                (folder, read)
            }
        });
        let read: Vec<_> = read.buffered(FOLDERS_AT_ONCE).collect().await;
        for (folder, read) in read {
            match read {
                Ok(found) => {
                    for (database, path) in found {
                        if make::is_draft(&self.config.own, &path) {
                            continue;
                        }
                        if !seen.insert((real_path(&path), database.molecule.dbtype())) {
                            continue;
                        }
                        let entry = self.described(database, path, &folder);
                        let name = free_name(&entries, &entry.database.name, &folder);
                        let database = Database {
                            name: name.clone(),
                            ..entry.database
                        };
                        entries.insert(name, Entry { database, ..entry });
                    }
                }
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "databases cannot be listed")
                }
            }
        }
        *known = stamp;
        *self.entries.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(entries);
        self.announce();
    }

    /// Names and origins of own databases come from their place, those of others from their folder.
    fn described(&self, mut database: Database, path: PathBuf, folder: &Path) -> Entry {
        let uploaded = self.config.own.join("uploaded");
        if path.starts_with(&uploaded) {
            let at = make::made_at(&path).unwrap_or_else(|| self.clock.now());
            database.origin = Origin::Uploaded { at };
        } else if path.starts_with(&self.config.own) {
            if let Some(origin) = examples::origin_of(&path) {
                database.origin = origin;
            }
        } else {
            database.origin = Origin::Folder {
                path: folder.display().to_string(),
            };
        }
        if path.starts_with(&self.config.own)
            && let Some(stem) = path.file_name()
        {
            database.name = stem.to_string_lossy().into_owned();
        }
        Entry {
            database,
            path,
            volumes: Vec::new(),
        }
    }

    fn announce(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Tells when databases or builds have changed.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn snapshot(&self) -> Arc<BTreeMap<String, Entry>> {
        Arc::clone(&self.entries.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// All databases by name.
    #[must_use]
    pub fn list(&self) -> Vec<Database> {
        self.snapshot()
            .values()
            .map(|entry| entry.database.clone())
            .collect()
    }

    /// One database.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Database> {
        self.snapshot()
            .get(name)
            .map(|entry| entry.database.clone())
    }

    /// The path for `-db`.
    #[must_use]
    pub fn path_of(&self, name: &str) -> Option<PathBuf> {
        self.snapshot().get(name).map(|entry| entry.path.clone())
    }

    /// The fingerprint of a database's files as they are on disk at this moment.
    #[must_use]
    pub fn version_now(&self, name: &str) -> Option<String> {
        if self.elsewhere.get().is_some() {
            return self.get(name).map(|database| database.version);
        }
        let path = self.path_of(name)?;
        scan::fingerprint(&path)
    }

    /// Databases that are being made, newest first.
    #[must_use]
    pub fn builds(&self) -> Vec<Build> {
        let builds = self.builds.read().unwrap_or_else(PoisonError::into_inner);
        builds.iter().rev().cloned().collect()
    }

    /// Puts a build on the list, unless one of that name is under way.
    fn begin_build(&self, name: &str, title: &str, state: BuildState) -> Option<String> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let build = Build {
            id: id.clone(),
            name: name.to_owned(),
            title: title.to_owned(),
            started_at: self.clock.now(),
            state,
        };
        let mut builds = self.builds.write().unwrap_or_else(PoisonError::into_inner);
        builds.retain(|known| known.name != name || !has_failed(known));
        if builds.iter().any(|known| known.name == name) {
            return None;
        }
        builds.push(build);
        // Only what has failed is forgotten: one under way must be found when it ends.
        if let Some(oldest) = builds.iter().position(has_failed)
            && builds.len() > MAX_BUILDS
        {
            builds.remove(oldest);
        }
        drop(builds);
        self.announce();
        Some(id)
    }

    fn set_build(&self, id: &str, state: BuildState) {
        let mut builds = self.builds.write().unwrap_or_else(PoisonError::into_inner);
        if state == BuildState::Done {
            // From now on the catalogue itself shows it.
            builds.retain(|build| build.id != id);
        } else if let Some(build) = builds.iter_mut().find(|build| build.id == id) {
            build.state = state;
        }
        drop(builds);
        self.announce();
    }

    /// A real query for the search form: the first sequences of the database.
    ///
    /// # Errors
    /// If there is no such database or it cannot be read.
    pub async fn example_query(&self, name: &str) -> Result<String, DatabaseError> {
        self.require_files(name)?;
        let path = self
            .path_of(name)
            .ok_or_else(|| DatabaseError::Missing(name.to_owned()))?;
        scan::first_records(&self.toolkit, &path, EXAMPLE_RECORDS, EXAMPLE_BYTES).await
    }

    /// Whole sequences by their identifiers, as FASTA.
    ///
    /// # Errors
    /// If the database is gone or has no identifiers.
    pub async fn entries(&self, name: &str, ids: &[String]) -> Result<Vec<u8>, DatabaseError> {
        let database = self
            .get(name)
            .ok_or_else(|| DatabaseError::Missing(name.to_owned()))?;
        let path = self
            .path_of(name)
            .ok_or_else(|| DatabaseError::Missing(name.to_owned()))?;
        self.require_files(name)?;
        if !database.has_ids {
            let message = format!(
                "{name} was made without identifiers, so single sequences cannot be read from it; take the aligned sequences instead"
            );
            return Err(DatabaseError::Refused(message));
        }
        let mut command = self.toolkit.command(Tool::BlastDbCmd);
        command
            .arg("-db")
            .arg(scan::quoted(&path))
            .arg("-entry")
            .arg(ids.join(","));
        Ok(self.toolkit.ask(command, Tool::BlastDbCmd).await?.stdout)
    }

    /// Removes an uploaded database.
    ///
    /// # Errors
    /// [`DatabaseError::Refused`] for any other.
    pub async fn delete(&self, name: &str) -> Result<(), DatabaseError> {
        let database = self
            .get(name)
            .ok_or_else(|| DatabaseError::Missing(name.to_owned()))?;
        if !matches!(database.origin, Origin::Uploaded { .. }) {
            let message =
                format!("{name} was not uploaded here; remove its files where it comes from");
            return Err(DatabaseError::Refused(message));
        }
        make::remove_uploaded(&self.config.own, name)?;
        self.refresh().await;
        Ok(())
    }

    /// Shows the databases of an object store too, and begins to read them. The first one counts.
    pub fn attach_blob(&self, blob: BlobDatabases) {
        let blob = self.blob.get_or_init(|| blob).clone();
        tokio::spawn(async move { blob.list(WAIT).await });
    }

    /// The databases in an object store, if there is one.
    #[must_use]
    pub fn blob(&self) -> Option<&BlobDatabases> {
        self.blob.get()
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &CatalogueConfig {
        &self.config
    }
}

fn has_failed(build: &Build) -> bool {
    matches!(build.state, BuildState::Failed { .. })
}

/// The path with every link resolved up to the database's own name, which is no file itself.
fn real_path(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// The name, or the first free one that says from which folder it is.
fn free_name(taken: &BTreeMap<String, Entry>, name: &str, folder: &Path) -> String {
    if !taken.contains_key(name) {
        return name.to_owned();
    }
    let place = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let named = format!("{place}/{name}");
    if !taken.contains_key(&named) {
        return named;
    }
    let numbered = (2..).map(|number| format!("{named}-{number}"));
    numbered
        .into_iter()
        .find(|name| !taken.contains_key(name))
        .unwrap_or(named)
}
