//! Large things of a job (query, archive, hits) as objects whose names are made from ids only.
//!
//! Owns the names and the streaming in and out. Never holds a whole object in memory. An object is a file
//! in a folder, or it is in a store elsewhere; what needs a file (BLAST+, the hit index) is then given a
//! local copy. Results carry their attempt in the name, so that an old process that comes back late can
//! never replace those of a newer attempt. Within an attempt every writer writes the same, and in a store
//! elsewhere the first one stays.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use elb_core::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt, WriteMultipart, local::LocalFileSystem,
    path::Path as Key,
};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

#[cfg(feature = "azure")]
pub mod blobs;
mod copies;
pub mod pod_logs;
mod remote;
mod run;

use crate::breaker::Breaker;
use copies::Copies;
pub use copies::ObjectFile;
pub(crate) use remote::{Pieces, Remote};
pub use run::RunObjects;

/// How much of a local file is read before it is handed on, in bytes.
const CHUNK: usize = 1 << 20;
/// Parts of one upload or download that may be under way at once: bounds the memory to as many of them
/// (BEHAVIOUR.md: four readers).
const PARTS_UNDER_WAY: usize = 4;

/// The folder of all jobs' objects.
const JOBS: &str = "jobs";

/// What a job keeps as an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The normalised query FASTA.
    Query,
    /// The merged BLAST archive (`-outfmt 11`).
    Archive,
    /// The index of the hits that the result pages read.
    Hits,
    /// The log, once the attempt has ended: kept where the server that ran it may be gone with its disk.
    Log,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Query, Self::Archive, Self::Hits, Self::Log];

    const fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Query => ("query", "fasta"),
            Self::Archive => ("archive", "asn"),
            Self::Hits => ("hits", "sqlite"),
            Self::Log => ("log", "jsonl"),
        }
    }

    /// The last part of the name. The query is that of all attempts; the first needs no number.
    fn file_name(self, attempt: u32) -> String {
        let (stem, ending) = self.parts();
        if self == Self::Query || attempt <= 1 {
            format!("{stem}.{ending}")
        } else {
            format!("{stem}-{attempt}.{ending}")
        }
    }

    /// Kind and attempt of an object; `None` of what lies in a folder below that of its job.
    fn of_key(key: &Key) -> Option<(Self, u32)> {
        let name = key.filename().filter(|_| key.parts().count() == 3)?;
        Self::of_file_name(name)
    }

    /// Kind and attempt of a last part of a name.
    fn of_file_name(name: &str) -> Option<(Self, u32)> {
        let (stem, ending) = name.split_once('.')?;
        let (stem, attempt) = match stem.split_once('-') {
            Some((stem, number)) => (stem, number.parse().ok()?),
            None => (stem, 1),
        };
        let found = |kind: &Self| kind.parts() == (stem, ending);
        Some((Self::ALL.into_iter().find(found)?, attempt))
    }
}

/// An object that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present {
    /// Which.
    pub kind: Kind,
    /// Of which attempt; 1 for a query.
    pub attempt: u32,
    /// When it was last written.
    pub modified_at: Timestamp,
}

/// What went wrong with an object.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// It is not there.
    #[error("{kind:?} of job {job} is not stored")]
    Missing {
        /// Which kind.
        kind: Kind,
        /// Which job.
        job: String,
    },
    /// The id would not make a safe name.
    #[error("{0:?} is not a job id")]
    BadId(String),
    /// The store refused or is away.
    #[error("the object store does not answer: {0}")]
    Store(#[from] object_store::Error),
    /// The store elsewhere is away, throttles or was not heard in time.
    #[error("the object store is away: {0}")]
    Away(String),
    /// The store elsewhere does not let us.
    #[error("{0}")]
    Denied(String),
    /// The store cannot be used as it is set up.
    #[error("{0}")]
    SetUp(String),
    /// Reading the source failed.
    #[error("reading failed: {0}")]
    Io(#[from] std::io::Error),
}

/// The objects of all jobs.
#[derive(Debug, Clone)]
pub struct Objects {
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// Files under this folder.
    Folder {
        store: Arc<dyn ObjectStore>,
        root: PathBuf,
    },
    /// A store elsewhere, with local copies for those who need files.
    Elsewhere {
        store: Remote,
        breaker: Breaker,
        copies: Arc<Copies>,
    },
}

impl Objects {
    /// Objects as files under `folder`, which is made if needed.
    ///
    /// # Errors
    /// If the folder cannot be made or is not one.
    pub fn in_folder(folder: &Path) -> Result<Self, ObjectError> {
        std::fs::create_dir_all(folder)?;
        let root = folder.canonicalize()?;
        let store = LocalFileSystem::new_with_prefix(&root)?.with_automatic_cleanup(true);
        Ok(Self::files(store, root))
    }

    /// Objects under a folder that must be there; nothing is made.
    ///
    /// # Errors
    /// If it is not there or cannot be read.
    pub fn in_existing_folder(folder: &Path) -> Result<Self, ObjectError> {
        let root = folder.canonicalize()?;
        let store = LocalFileSystem::new_with_prefix(&root)?;
        Ok(Self::files(store, root))
    }

    fn files(store: LocalFileSystem, root: PathBuf) -> Self {
        Self {
            place: Place::Folder {
                store: Arc::new(store),
                root,
            },
        }
    }

    /// Objects in a store elsewhere, which `breaker` watches over. What needs a file gets a copy in
    /// `copies`, an empty folder of this process alone; those that nobody uses are kept up to
    /// `copies_bytes` in all.
    #[must_use]
    pub fn elsewhere(
        store: Arc<dyn ObjectStore>,
        breaker: Breaker,
        copies: PathBuf,
        copies_bytes: u64,
    ) -> Self {
        Self {
            place: Place::Elsewhere {
                store: Remote::new(store),
                breaker,
                copies: Arc::new(Copies::new(copies, copies_bytes)),
            },
        }
    }

    /// Whether they are in a store elsewhere, which outlives this server's disk.
    #[must_use]
    pub fn are_elsewhere(&self) -> bool {
        matches!(self.place, Place::Elsewhere { .. })
    }

    /// The breaker of a store elsewhere; files in a folder have none.
    #[must_use]
    pub fn breaker(&self) -> Option<&Breaker> {
        match &self.place {
            Place::Folder { .. } => None,
            Place::Elsewhere { breaker, .. } => Some(breaker),
        }
    }

    fn prefix(job: &str) -> Result<Key, ObjectError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if job.is_empty() || job.len() > 64 || !job.bytes().all(plain) {
            return Err(ObjectError::BadId(job.to_owned()));
        }
        Ok(Key::from_iter([JOBS, job]))
    }

    fn key(job: &str, kind: Kind, attempt: u32) -> Result<Key, ObjectError> {
        Ok(Self::prefix(job)?.join(kind.file_name(attempt)))
    }

    fn missing(error: object_store::Error, job: &str, kind: Kind) -> ObjectError {
        match error {
            object_store::Error::NotFound { .. } => absent(job, kind),
            other => ObjectError::Store(other),
        }
    }

    /// Stores what `source` gives, piece by piece. The object appears whole or not at all.
    ///
    /// # Errors
    /// If reading or storing fails.
    pub async fn put(
        &self,
        job: &str,
        kind: Kind,
        attempt: u32,
        source: impl AsyncRead + Unpin + Send,
    ) -> Result<u64, ObjectError> {
        let key = Self::key(job, kind, attempt)?;
        match &self.place {
            Place::Folder { store, .. } => put_file(store, &key, source).await,
            Place::Elsewhere { store, .. } => store.put(&key, source).await,
        }
    }

    /// The object as a stream of pieces, with its size. A stream that ends has given all of it.
    ///
    /// # Errors
    /// [`ObjectError::Missing`] if it is not there.
    pub async fn get(
        &self,
        job: &str,
        kind: Kind,
        attempt: u32,
    ) -> Result<(u64, BoxStream<'static, std::io::Result<Bytes>>), ObjectError> {
        let key = Self::key(job, kind, attempt)?;
        match &self.place {
            Place::Folder { store, .. } => {
                let found = store.get(&key).await;
                let found = found.map_err(|error| Self::missing(error, job, kind))?;
                let size = found.meta.size;
                let pieces = found.into_stream().map_err(std::io::Error::other);
                Ok((size, pieces.boxed()))
            }
            Place::Elsewhere { store, .. } => {
                let found = store.get(&key).await?;
                found.ok_or_else(|| absent(job, kind))
            }
        }
    }

    /// The first bytes of an object, for a preview.
    ///
    /// # Errors
    /// [`ObjectError::Missing`] if it is not there.
    pub async fn head(
        &self,
        job: &str,
        kind: Kind,
        attempt: u32,
        limit: u64,
    ) -> Result<Bytes, ObjectError> {
        let key = Self::key(job, kind, attempt)?;
        match &self.place {
            Place::Folder { store, .. } => {
                let meta = store.head(&key).await;
                let meta = meta.map_err(|error| Self::missing(error, job, kind))?;
                if meta.size == 0 {
                    return Ok(Bytes::new());
                }
                Ok(store.get_range(&key, 0..meta.size.min(limit)).await?)
            }
            Place::Elsewhere { store, .. } => {
                let found = store.first(&key, limit).await?;
                found.ok_or_else(|| absent(job, kind))
            }
        }
    }

    /// The object as a file, for programs that need one. It stays for as long as what is returned.
    ///
    /// # Errors
    /// [`ObjectError::Missing`] if it is not there.
    pub async fn file(
        &self,
        job: &str,
        kind: Kind,
        attempt: u32,
    ) -> Result<ObjectFile, ObjectError> {
        let key = Self::key(job, kind, attempt)?;
        match &self.place {
            Place::Folder { root, .. } => {
                let path = root.join(key.as_ref());
                if path.is_file() {
                    Ok(ObjectFile::lasting(path))
                } else {
                    Err(absent(job, kind))
                }
            }
            Place::Elsewhere { store, copies, .. } => {
                let name = format!("{job}-{}", kind.file_name(attempt));
                let found = copies.of(&name, || store.get(&key)).await?;
                found.ok_or_else(|| absent(job, kind))
            }
        }
    }

    /// Ids of all jobs that have objects.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn jobs(&self) -> Result<Vec<String>, ObjectError> {
        let root = match &self.place {
            Place::Folder { root, .. } => root.join(JOBS),
            Place::Elsewhere { store, .. } => return store.below(&Key::from(JOBS)).await,
        };
        let mut entries = match tokio::fs::read_dir(root).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut jobs = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            jobs.extend(entry.file_name().into_string());
        }
        Ok(jobs)
    }

    async fn list(&self, job: &str) -> Result<Vec<ObjectMeta>, ObjectError> {
        let prefix = Self::prefix(job)?;
        match &self.place {
            Place::Folder { store, .. } => Ok(store.list(Some(&prefix)).try_collect().await?),
            Place::Elsewhere { store, .. } => store.list(&prefix).await,
        }
    }

    /// What a job keeps, and since when.
    ///
    /// # Errors
    /// If the store refuses.
    pub async fn of_job(&self, job: &str) -> Result<Vec<Present>, ObjectError> {
        let metas = self.list(job).await?;
        let present = metas.iter().filter_map(|meta| {
            let (kind, attempt) = Kind::of_key(&meta.location)?;
            Some(Present {
                kind,
                attempt,
                modified_at: Timestamp(meta.last_modified.timestamp_millis()),
            })
        });
        Ok(present.collect())
    }

    /// Removes every object of a job; one that is gone already is no error.
    ///
    /// # Errors
    /// If the store refuses.
    pub async fn remove_all(&self, job: &str) -> Result<(), ObjectError> {
        self.remove(job, |_: &Key| true).await
    }

    /// Removes the results of attempts before this one, once it has its own.
    ///
    /// # Errors
    /// If the store refuses.
    pub async fn remove_before(&self, job: &str, attempt: u32) -> Result<(), ObjectError> {
        if attempt <= 1 {
            return Ok(());
        }
        self.remove(job, |key| {
            let found = Kind::of_key(key);
            found.is_some_and(|(kind, of)| {
                matches!(kind, Kind::Archive | Kind::Hits) && of < attempt
            })
        })
        .await
    }

    async fn remove(&self, job: &str, chosen: impl Fn(&Key) -> bool) -> Result<(), ObjectError> {
        let metas = self.list(job).await?;
        let keys = metas.into_iter().map(|meta| meta.location);
        let keys = keys.filter(&chosen);
        match &self.place {
            Place::Folder { store, .. } => {
                for key in keys {
                    match store.delete(&key).await {
                        Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(())
            }
            Place::Elsewhere { store, copies, .. } => {
                let keys: Vec<Key> = keys.collect();
                for key in &keys {
                    copies.forget(&format!("{job}-{}", key.filename().unwrap_or_default()));
                }
                store.delete(keys).await
            }
        }
    }
}

fn absent(job: &str, kind: Kind) -> ObjectError {
    ObjectError::Missing {
        kind,
        job: job.to_owned(),
    }
}

async fn put_file(
    store: &Arc<dyn ObjectStore>,
    key: &Key,
    mut source: impl AsyncRead + Unpin + Send,
) -> Result<u64, ObjectError> {
    let upload = store.put_multipart(key).await?;
    let mut writer = WriteMultipart::new_with_chunk_size(upload, CHUNK);
    let mut buffer = vec![0_u8; CHUNK];
    let mut total = 0_u64;
    loop {
        let read = match source.read(&mut buffer).await {
            Ok(read) => read,
            Err(error) => {
                writer.abort().await?;
                return Err(error.into());
            }
        };
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
            break;
        };
        writer.wait_for_capacity(PARTS_UNDER_WAY).await?;
        writer.write(piece);
        total += read as u64;
    }
    writer.finish().await?;
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_kind_and_attempt() {
        for kind in Kind::ALL {
            for attempt in [1, 2, 17] {
                let expected = if kind == Kind::Query { 1 } else { attempt };
                let found = Kind::of_file_name(&kind.file_name(attempt));
                assert_eq!(found, Some((kind, expected)));
            }
        }
        assert_eq!(Kind::Archive.file_name(1), "archive.asn");
        assert_eq!(Kind::of_file_name("archive-x.asn"), None);
        assert_eq!(Kind::of_file_name("notes.txt"), None);
    }
}
