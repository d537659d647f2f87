//! One look at everything below the prefix: what each folder holds, and what its metadata objects tell.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use elb_core::{
    database::{LISTED_VERSION, Readiness, RemoteDatabase, listing_of},
    molecule::Molecule,
    text,
};
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path as Key};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{
    BlobError,
    judge::{Files, Told, has_files, judge, stray},
    metadata::{Metadata, is_metadata},
};
use crate::cache::Cache;

/// The largest metadata object that is read, in bytes (ours): room for 20,000 names of 100 bytes.
pub(super) const MAX_DOCUMENT: u64 = 2_000_000;
/// The most objects below the prefix (ours): bounds memory and time where the prefix is a wrong one.
const MAX_OBJECTS: usize = 200_000;
/// Metadata objects that are read at once (ours, as many as a merge reads).
pub(super) const PARALLEL: usize = 4;
/// How long the listing may take: less than a caller waits, so that he is told what is wrong.
pub(super) const LIST_TIME: Duration = Duration::from_secs(10);
/// How long one metadata object may take.
const DOCUMENT_TIME: Duration = Duration::from_secs(5);
/// How long all metadata objects may take: what was read is kept, and the next look goes on.
pub(super) const DOCUMENTS_TIME: Duration = Duration::from_secs(30);

/// Why a metadata object is not read in this look.
const NOT_YET: &str = "the store is slow, and it was not its turn yet; look again later";

/// One version of a metadata object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Document {
    key: Key,
    /// Its tag; where the store has none, time and size.
    version: String,
    database: String,
    molecule: Molecule,
}

/// What a metadata object tells, or why it is of no use.
pub(super) type Read = Arc<Result<Metadata, String>>;

/// What one look has found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) databases: Vec<RemoteDatabase>,
    /// Folders in which there is no database.
    pub(super) ignored: Vec<String>,
}

/// A metadata object as listed.
#[derive(Debug)]
struct Listed {
    /// Whether it is the better source of its database.
    better: bool,
    document: Document,
    size: u64,
}

/// A folder below the prefix.
#[derive(Debug, Default)]
struct Folder {
    files: Files,
    /// The store's tags of them.
    tags: BTreeMap<String, String>,
    documents: BTreeMap<Molecule, Listed>,
}

/// Which shards of a database are there, for each number of shards.
type Shards = BTreeMap<String, BTreeMap<u64, BTreeSet<u64>>>;

/// Everything below the prefix, sorted.
#[derive(Debug, Default)]
struct Listing {
    folders: BTreeMap<String, Folder>,
    shards: Shards,
}

/// `10shards/core_nt_shard_03/….manifest`: the database, into how many it is split, and which this is.
fn shard_of<'a>(set: &str, shard: &'a str, file: &str) -> Option<(&'a str, u64, u64)> {
    let all = set.strip_suffix("shards")?.parse().ok()?;
    let (database, index) = shard.rsplit_once("_shard_")?;
    let index = index.parse().ok()?;
    (index < all && file.ends_with(".manifest")).then_some((database, all, index))
}

impl Listing {
    fn add(&mut self, prefix: &Key, meta: &ObjectMeta) {
        let Some(parts) = meta.location.prefix_match(prefix) else {
            return;
        };
        let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
        match parts.as_slice() {
            [set, shard, file] if set.ends_with("shards") && shard.contains("_shard_") => {
                if let Some((database, all, index)) = shard_of(set, shard, file)
                    && meta.size > 0
                {
                    let sets = self.shards.entry(database.to_owned()).or_default();
                    sets.entry(all).or_default().insert(index);
                }
            }
            [name, file] => {
                let folder = self.folders.entry(name.clone()).or_default();
                folder.add(name, file, meta);
            }
            [name, _, ..] => {
                self.folders.entry(name.clone()).or_default();
            }
            // An object beside the folders, or the mark of a folder.
            _ => {}
        }
    }

    /// The complete ways in which a database is split.
    fn shards_of(&self, name: &str) -> Vec<u64> {
        let sets = self.shards.get(name).into_iter().flatten();
        sets.filter(|(all, there)| there.len() as u64 == **all)
            .map(|(all, _)| *all)
            .collect()
    }
}

impl Folder {
    fn add(&mut self, name: &str, file: &str, meta: &ObjectMeta) {
        self.files.insert(file.to_owned(), meta.size);
        if let Some(tag) = &meta.e_tag {
            self.tags.insert(file.to_owned(), tag.clone());
        }
        let Some((molecule, better)) = is_metadata(name, file) else {
            return;
        };
        if !better
            && self
                .documents
                .get(&molecule)
                .is_some_and(|known| known.better)
        {
            return;
        }
        let time = meta.last_modified.timestamp_millis();
        let document = Document {
            key: meta.location.clone(),
            version: meta
                .e_tag
                .clone()
                .unwrap_or_else(|| format!("{time} {}", meta.size)),
            database: name.to_owned(),
            molecule,
        };
        let listed = Listed {
            better,
            document,
            size: meta.size,
        };
        self.documents.insert(molecule, listed);
    }

    /// The version of the database of this name.
    fn version(&self, name: &str) -> String {
        let tag = |file: &String| self.tags.get(file).map(String::as_str);
        let files = self.files.iter();
        let files = files.map(|(file, size)| (file.as_str(), *size, tag(file)));
        let digest = Sha256::digest(listing_of(name, files).as_bytes());
        let digits: String = digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{LISTED_VERSION}{digits}")
    }

    /// Of which molecules there is a database of this name.
    fn molecules(&self, name: &str) -> Vec<Molecule> {
        let kinds = [Molecule::Nucleotide, Molecule::Protein].into_iter();
        kinds
            .filter(|kind| self.documents.contains_key(kind) || has_files(name, *kind, &self.files))
            .collect()
    }
}

/// A place with databases, and what is known of their metadata objects.
pub(super) struct Source {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Key,
    pub(super) url: String,
    pub(super) documents: Cache<Document, Read, BlobError>,
}

impl Source {
    /// Lists everything and reads what is new of the metadata objects.
    pub(super) async fn look(self: Arc<Self>) -> Result<Arc<Found>, BlobError> {
        let listing = tokio::time::timeout(LIST_TIME, self.listing()).await;
        let listing = listing.map_err(|_| BlobError::timeout(&self.url, LIST_TIME))??;
        let until = Instant::now() + DOCUMENTS_TIME;
        let mut ignored = Vec::new();
        let mut databases = Vec::new();
        let mut judged = Vec::new();
        for (name, folder) in &listing.folders {
            let molecules = folder.molecules(name);
            if molecules.is_empty() {
                match misnamed(name, folder) {
                    Some(database) => databases.push(database),
                    None => ignored.push(name.clone()),
                }
            }
            for molecule in molecules {
                judged.push(self.judged(&listing, name, folder, molecule, until));
            }
        }
        let judged = futures::stream::iter(judged).buffered(PARALLEL);
        let judged: Vec<RemoteDatabase> = judged.collect().await;
        databases.extend(judged);
        databases.sort_by(|a, b| (&a.name, a.molecule).cmp(&(&b.name, b.molecule)));
        Ok(Arc::new(Found { databases, ignored }))
    }

    async fn judged(
        self: &Arc<Self>,
        listing: &Listing,
        name: &str,
        folder: &Folder,
        molecule: Molecule,
        until: Instant,
    ) -> RemoteDatabase {
        let told = match folder.documents.get(&molecule) {
            None => Told::Nothing,
            Some(listed) => self.told(listed, until).await,
        };
        let shards = listing.shards_of(name);
        RemoteDatabase {
            version: folder.version(name),
            ..judge(name, molecule, &folder.files, told, shards)
        }
    }

    async fn listing(&self) -> Result<Listing, BlobError> {
        let mut listing = Listing::default();
        let mut objects = 0;
        let mut pages = self.store.list(Some(&self.prefix));
        loop {
            let meta = pages.try_next().await;
            let meta = meta.map_err(|error| BlobError::of(&error, &self.url))?;
            let Some(meta) = meta else {
                return Ok(listing);
            };
            objects += 1;
            if objects > MAX_OBJECTS {
                return Err(BlobError::TooMany {
                    url: self.url.clone(),
                    limit: MAX_OBJECTS,
                });
            }
            listing.add(&self.prefix, &meta);
        }
    }

    /// What a metadata object tells; what cannot be read speaks only against its own database.
    async fn told(self: &Arc<Self>, listed: &Listed, until: Instant) -> Told {
        if listed.size > MAX_DOCUMENT {
            return Told::Unreadable(too_large(listed.size));
        }
        if Instant::now() >= until {
            return Told::Unreadable(NOT_YET.to_owned());
        }
        let (this, document) = (Arc::clone(self), listed.document.clone());
        let reading = self.documents.get(&listed.document, move || async move {
            let reading = tokio::time::timeout(DOCUMENT_TIME, this.read(&document)).await;
            reading.map_err(|_| BlobError::timeout(document.key.as_ref(), DOCUMENT_TIME))?
        });
        match tokio::time::timeout_at(until, reading).await {
            Ok(Ok(answer)) => match &*answer.value {
                Ok(metadata) => Told::Facts(metadata.clone()),
                Err(why) => Told::Unreadable(why.clone()),
            },
            Ok(Err(error)) => Told::Unreadable(error.to_string()),
            Err(_) => Told::Unreadable(NOT_YET.to_owned()),
        }
    }

    async fn read(&self, document: &Document) -> Result<Read, BlobError> {
        let failed = |error| BlobError::of(&error, document.key.as_ref());
        let object = self.store.get(&document.key).await.map_err(failed)?;
        // It may have grown since it was listed.
        if object.meta.size > MAX_DOCUMENT {
            return Ok(Arc::new(Err(too_large(object.meta.size))));
        }
        let bytes = object.bytes().await.map_err(failed)?;
        let read = Metadata::read(&bytes, &document.database, document.molecule);
        Ok(Arc::new(read))
    }
}

fn too_large(size: u64) -> String {
    format!(
        "it has {}, and {} is the most that is read",
        text::bytes(size),
        text::bytes(MAX_DOCUMENT)
    )
}

/// A folder whose files bear another name: nobody would find them, but they are there.
fn misnamed(name: &str, folder: &Folder) -> Option<RemoteDatabase> {
    let (file, molecule) = stray(&folder.files)?;
    let reason = format!("its files must be named after its folder, {name}.…, unlike {file}");
    let database = judge(name, molecule, &folder.files, Told::Nothing, Vec::new());
    Some(RemoteDatabase {
        readiness: Readiness::NotReady { reason },
        notes: Vec::new(),
        ..database
    })
}
