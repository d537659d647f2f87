//! Large things of a job (query, archive, hits, log) as objects whose names are made from ids only.
//!
//! Owns the names and the streaming in and out. Never holds a whole object in memory. In the embedded
//! default an object is a file in a folder, and what needs a file (BLAST+, the hit index) is given its
//! path.

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

/// How much is read from a file before it is handed on, in bytes.
const CHUNK: usize = 1 << 20;
/// Parts of one upload that may be under way at once: bounds the memory to as many chunks.
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
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Query, Self::Archive, Self::Hits];

    const fn file_name(self) -> &'static str {
        match self {
            Self::Query => "query.fasta",
            Self::Archive => "archive.asn",
            Self::Hits => "hits.sqlite",
        }
    }
}

/// An object that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present {
    /// Which.
    pub kind: Kind,
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
    /// Reading the source failed.
    #[error("reading failed: {0}")]
    Io(#[from] std::io::Error),
}

/// The objects of all jobs.
#[derive(Debug, Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    root: PathBuf,
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
        Ok(Self {
            store: Arc::new(store),
            root,
        })
    }

    /// Objects under a folder that must be there; nothing is made.
    ///
    /// # Errors
    /// If it is not there or cannot be read.
    pub fn in_existing_folder(folder: &Path) -> Result<Self, ObjectError> {
        let root = folder.canonicalize()?;
        let store = LocalFileSystem::new_with_prefix(&root)?;
        Ok(Self {
            store: Arc::new(store),
            root,
        })
    }

    fn prefix(job: &str) -> Result<Key, ObjectError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if job.is_empty() || job.len() > 64 || !job.bytes().all(plain) {
            return Err(ObjectError::BadId(job.to_owned()));
        }
        Ok(Key::from_iter([JOBS, job]))
    }

    fn key(job: &str, kind: Kind) -> Result<Key, ObjectError> {
        Ok(Self::prefix(job)?.join(kind.file_name()))
    }

    fn missing(error: object_store::Error, job: &str, kind: Kind) -> ObjectError {
        match error {
            object_store::Error::NotFound { .. } => ObjectError::Missing {
                kind,
                job: job.to_owned(),
            },
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
        mut source: impl AsyncRead + Unpin + Send,
    ) -> Result<u64, ObjectError> {
        let upload = self.store.put_multipart(&Self::key(job, kind)?).await?;
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

    /// The object as a stream of pieces, with its size.
    ///
    /// # Errors
    /// [`ObjectError::Missing`] if it is not there.
    pub async fn get(
        &self,
        job: &str,
        kind: Kind,
    ) -> Result<(u64, BoxStream<'static, std::io::Result<Bytes>>), ObjectError> {
        let found = self.store.get(&Self::key(job, kind)?).await;
        let found = found.map_err(|error| Self::missing(error, job, kind))?;
        let size = found.meta.size;
        let pieces = found.into_stream().map_err(std::io::Error::other);
        Ok((size, pieces.boxed()))
    }

    /// The first bytes of an object, for a preview.
    ///
    /// # Errors
    /// [`ObjectError::Missing`] if it is not there.
    pub async fn head(&self, job: &str, kind: Kind, limit: u64) -> Result<Bytes, ObjectError> {
        let key = Self::key(job, kind)?;
        let meta = self.store.head(&key).await;
        let size = meta.map_err(|error| Self::missing(error, job, kind))?.size;
        if size == 0 {
            return Ok(Bytes::new());
        }
        Ok(self.store.get_range(&key, 0..size.min(limit)).await?)
    }

    /// The path of an object as a file, for programs that need one.
    ///
    /// # Errors
    /// [`ObjectError::Missing`] if it is not there.
    pub fn path(&self, job: &str, kind: Kind) -> Result<PathBuf, ObjectError> {
        let key = Self::key(job, kind)?;
        let path = self.root.join(key.as_ref());
        if path.is_file() {
            Ok(path)
        } else {
            Err(ObjectError::Missing {
                kind,
                job: job.to_owned(),
            })
        }
    }

    /// Ids of all jobs that have objects.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn jobs(&self) -> Result<Vec<String>, ObjectError> {
        let entries = match std::fs::read_dir(self.root.join(JOBS)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut jobs = Vec::new();
        for entry in entries {
            jobs.extend(entry?.file_name().into_string());
        }
        Ok(jobs)
    }

    /// What a job keeps, and since when.
    ///
    /// # Errors
    /// If the store refuses.
    pub async fn of_job(&self, job: &str) -> Result<Vec<Present>, ObjectError> {
        let listed = self.store.list(Some(&Self::prefix(job)?));
        let metas: Vec<ObjectMeta> = listed.try_collect().await?;
        let present = metas.iter().filter_map(|meta| {
            let name = meta.location.filename()?;
            let kind = Kind::ALL
                .into_iter()
                .find(|kind| kind.file_name() == name)?;
            Some(Present {
                kind,
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
        let prefix = Self::prefix(job)?;
        let listed = self.store.list(Some(&prefix));
        let keys: Vec<Key> = listed.map_ok(|meta| meta.location).try_collect().await?;
        for key in keys {
            match self.store.delete(&key).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
