//! What the pods of a search read and write: queries of its batches, and their results.
//!
//! Owns the names below the job's folder, which the pods are given as addresses. All of it goes with the job's
//! other objects. Needs a store that pods reach, so a folder on this machine has none.

use bytes::Bytes;
use elb_core::{cluster::BatchDone, database::Shard};
use futures::stream::BoxStream;
use object_store::path::Path as Key;

use super::{ObjectError, Objects, Place, remote::Remote};

/// The folder of a run within that of its job.
const RUN: &str = "run";
/// The list of batches.
const BATCHES: &str = "batches.json";
/// The largest list of batches or note of a batch that is read, in bytes (ours): 100,000 batches have 9 MB.
const MAX_NOTE: u64 = 32 << 20;

/// The objects of one job's run.
#[derive(Debug, Clone)]
pub struct RunObjects {
    store: Remote,
    folder: Key,
    /// The folder of results within, of a shard of the database.
    shard: Option<String>,
}

impl Objects {
    /// Those of a job.
    ///
    /// # Errors
    /// If the objects are in a folder, or the id is none.
    pub fn of_run(&self, job: &str) -> Result<RunObjects, ObjectError> {
        let folder = Self::prefix(job)?.join(RUN);
        match &self.place {
            Place::Elsewhere { store, .. } => Ok(RunObjects {
                store: store.clone(),
                folder,
                shard: None,
            }),
            Place::Folder { .. } => Err(ObjectError::SetUp(
                "pods cannot reach a folder on this machine: keep the objects in Azure Blob Storage (ELB_OBJECTS=az://ACCOUNT/CONTAINER)".to_owned(),
            )),
        }
    }
}

impl RunObjects {
    /// Its folder's name within the store.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.folder.as_ref()
    }

    /// Name of a batch's query, with `{batch}` for its number in five digits.
    #[must_use]
    pub fn query_name() -> &'static str {
        "query/{batch}.fa"
    }

    /// The same for one shard of the database, whose results have a place of their own.
    #[must_use]
    pub fn of_shard(&self, shard: Option<Shard>) -> Self {
        Self {
            shard: shard.map(|shard| format!("shard-{}-{}", shard.first, shard.last)),
            ..self.clone()
        }
    }

    /// Folder of a batch's results, likewise.
    #[must_use]
    pub fn results_name(&self) -> String {
        match &self.shard {
            Some(shard) => format!("{shard}/batch/{{batch}}"),
            None => "batch/{batch}".to_owned(),
        }
    }

    fn key(&self, name: &str) -> Key {
        let parts = name.split('/');
        parts.fold(self.folder.clone(), |key, part| key.join(part))
    }

    fn of_batch(&self, name: &str, batch: u32) -> Key {
        self.key(&name.replace("{batch}", &format!("{batch:05}")))
    }

    /// The list of batches, if it was stored.
    ///
    /// # Errors
    /// If the store is away or refuses.
    pub async fn batches(&self) -> Result<Option<Bytes>, ObjectError> {
        self.store.first(&self.key(BATCHES), MAX_NOTE).await
    }

    /// Stores the list of batches, once: what is there already stays.
    ///
    /// # Errors
    /// If the store is away or refuses.
    pub async fn put_batches(&self, json: &[u8]) -> Result<(), ObjectError> {
        self.store.put(&self.key(BATCHES), json).await.map(|_| ())
    }

    /// Stores the query of a batch, unless it is there.
    ///
    /// # Errors
    /// If the store is away or refuses.
    pub async fn put_query(
        &self,
        batch: u32,
        source: impl tokio::io::AsyncRead + Unpin + Send,
    ) -> Result<(), ObjectError> {
        let key = self.of_batch(Self::query_name(), batch);
        self.store.put(&key, source).await.map(|_| ())
    }

    /// What counts of a batch's results; `None` if it is not done.
    ///
    /// # Errors
    /// If the store is away or refuses, or if something else lies there.
    pub async fn done(&self, batch: u32) -> Result<Option<BatchDone>, ObjectError> {
        let folder = self.of_batch(&self.results_name(), batch);
        let key = folder.join(BatchDone::NAME);
        let Some(json) = self.store.first(&key, MAX_NOTE).await? else {
            return Ok(None);
        };
        let done = BatchDone::parse(&json);
        done.map(Some).map_err(|error| {
            ObjectError::SetUp(format!("{key} is not what a runner writes: {error}"))
        })
    }

    /// A file of a batch's results, piece by piece; `None` if it is not there.
    ///
    /// # Errors
    /// If the store is away or refuses.
    pub async fn result(
        &self,
        batch: u32,
        name: &str,
    ) -> Result<Option<(u64, BoxStream<'static, std::io::Result<Bytes>>)>, ObjectError> {
        let key = self.of_batch(&self.results_name(), batch).join(name);
        self.store.get(&key).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::Arc;

    use elb_core::cluster::BatchFile;
    use futures::TryStreamExt;
    use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory};

    use super::*;
    use crate::{breaker::Breaker, clock::SystemClock, objects::Kind};

    const JOB: &str = "019936f2-5a4c-7c3e-9a5b-0123456789ab";

    #[tokio::test]
    async fn what_pods_read_and_write_lies_below_their_job_and_goes_with_it() {
        let store = Arc::new(InMemory::new());
        let copies = tempfile::tempdir().unwrap();
        let objects = Objects::elsewhere(
            store.clone(),
            Breaker::new("objects", Arc::new(SystemClock)),
            copies.path().to_owned(),
            1,
        );
        let run = objects.of_run(JOB).unwrap();
        assert_eq!(run.batches().await.unwrap(), None);
        run.put_batches(b"[1]").await.unwrap();
        // Whoever comes second takes what is there.
        run.put_batches(b"[2]").await.unwrap();
        assert_eq!(run.batches().await.unwrap().unwrap(), "[1]");
        run.put_query(7, &b">a\nACGT\n"[..]).await.unwrap();
        let query = format!("jobs/{JOB}/run/query/00007.fa");
        store.head(&Key::from(query)).await.unwrap();
        assert_eq!(run.done(7).await.unwrap(), None);
        let done = BatchDone {
            batch: 7,
            archive: BatchFile {
                name: "archive-1.asn".to_owned(),
                bytes: 4,
                sha256: String::new(),
            },
            table: None,
            warnings: Vec::new(),
        };
        let put = async |name: &str, bytes: Vec<u8>| {
            let key = Key::from(format!("jobs/{JOB}/run/batch/00007/{name}"));
            store.put(&key, bytes.into()).await.unwrap();
        };
        put("archive-1.asn", b"asn1".to_vec()).await;
        put("done.json", done.to_json().unwrap()).await;
        assert_eq!(run.done(7).await.unwrap(), Some(done));
        let (size, pieces) = run.result(7, "archive-1.asn").await.unwrap().unwrap();
        let pieces: Vec<Bytes> = pieces.try_collect().await.unwrap();
        assert_eq!((size, pieces.concat()), (4, b"asn1".to_vec()));
        // None of it is taken for what the job itself keeps.
        assert!(objects.of_job(JOB).await.unwrap().is_empty());
        objects
            .put(JOB, Kind::Query, 1, &b">a\nACGT\n"[..])
            .await
            .unwrap();
        objects.remove_all(JOB).await.unwrap();
        assert!(
            store
                .list(None)
                .try_collect::<Vec<_>>()
                .await
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_folder_on_this_machine_is_no_place_for_pods() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::in_folder(folder.path()).unwrap();
        let refused = objects.of_run(JOB).unwrap_err();
        assert!(refused.to_string().contains("ELB_OBJECTS"), "{refused}");
    }
}
