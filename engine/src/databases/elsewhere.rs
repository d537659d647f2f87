//! Databases that are searched elsewhere: those of the object store, from which pods bring them to their nodes.
//!
//! Owns what of them can be searched. Nothing of them is on this machine, so that whatever needs their files is
//! refused with that reason. When the store is away, what was listed last stays.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use elb_core::database::{Database, Origin, Readiness, RemoteDatabase, RemoteList, Shard, shards};

use super::{Catalogue, DatabaseError, Entry, WAIT, blob::BlobDatabases};

/// That searches run elsewhere.
#[derive(Debug)]
pub(super) struct Elsewhere {
    /// The folder of all databases where a search runs.
    root: PathBuf,
    /// Why the list is missing or not newer.
    problem: RwLock<Option<String>>,
}

impl Catalogue {
    /// Offers the databases of the object store, and no others, to searches that run where these lie below
    /// `root`. Waits a while for the first list.
    pub async fn search_elsewhere(&self, root: &Path) {
        self.elsewhere.get_or_init(|| Elsewhere {
            root: root.to_owned(),
            problem: RwLock::default(),
        });
        self.refresh().await;
    }

    /// Whether searches run elsewhere.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.elsewhere.get().is_some()
    }

    /// Why the databases that are searched elsewhere cannot be listed now.
    #[must_use]
    pub fn elsewhere_problem(&self) -> Option<String> {
        let problem = &self.elsewhere.get()?.problem;
        problem
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) async fn look_elsewhere(&self, elsewhere: &Elsewhere, blob: &BlobDatabases) {
        let list = blob.list(WAIT).await;
        *elsewhere
            .problem
            .write()
            .unwrap_or_else(PoisonError::into_inner) = list.problem.clone();
        if list.as_of.is_none() {
            return;
        }
        let entries = entries(&list, &elsewhere.root);
        let same = {
            let known = self.snapshot();
            known.len() == entries.len()
                && known
                    .values()
                    .zip(entries.values())
                    .all(|(one, other)| one.database == other.database)
        };
        if !same {
            *self.entries.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(entries);
            self.announce();
        }
    }

    /// The shards in which this version of a database is searched if each may have so many bytes; empty if it is
    /// searched whole. A database whose counts are not known is: they are needed for its statistics.
    #[must_use]
    pub fn shards(&self, name: &str, version: &str, most: u64) -> Vec<Shard> {
        let known = self.snapshot();
        let entry = known.get(name).filter(|entry| {
            let database = &entry.database;
            database.version == version && database.sequences > 0 && database.letters > 0
        });
        entry.map_or_else(Vec::new, |entry| shards(&entry.volumes, most))
    }

    /// Whatever needs files of a database finds none here if it is searched elsewhere.
    pub(super) fn require_files(&self, name: &str) -> Result<(), DatabaseError> {
        if !self.is_elsewhere() {
            return Ok(());
        }
        Err(DatabaseError::Refused(format!(
            "{name} is not on this server: searches run where it is"
        )))
    }
}

fn entries(list: &RemoteList, root: &Path) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    for database in &list.databases {
        // Two of one name, of different molecules, lie in one folder; a search names only one of them.
        entries
            .entry(database.name.clone())
            .or_insert_with(|| entry(database, &list.url, root));
    }
    entries
}

fn entry(database: &RemoteDatabase, url: &str, root: &Path) -> Entry {
    let name = &database.name;
    let problem = match &database.readiness {
        Readiness::Ready => None,
        Readiness::NotReady { reason } => Some(reason.clone()),
    };
    Entry {
        volumes: database.volume_bytes.clone(),
        path: root.join(name).join(&database.version).join(name),
        database: Database {
            name: name.clone(),
            title: database.title.clone(),
            molecule: database.molecule,
            sequences: database.sequences.unwrap_or(0),
            letters: database.letters.unwrap_or(0),
            bytes: database.bytes,
            updated: database.updated.clone().unwrap_or_default(),
            version: database.version.clone(),
            origin: Origin::Store {
                url: format!("{}/{name}", url.trim_end_matches('/')),
            },
            // A list of files does not tell them.
            has_taxids: false,
            has_ids: false,
            problem,
        },
    }
}
