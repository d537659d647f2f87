//! A store in memory that counts what it is asked, and fails on demand.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path as Key,
};

/// What a store does instead of what it is asked to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Hangs,
    Denies,
    Misses,
    /// As `object_store` words a listing that was answered with this status.
    Answers(u16),
}

impl Fault {
    async fn strike(self) -> object_store::Error {
        let (path, source) = (String::new(), "no".into());
        match self {
            Self::Hangs => std::future::pending().await,
            Self::Denies => object_store::Error::PermissionDenied { path, source },
            Self::Misses => object_store::Error::NotFound { path, source },
            Self::Answers(status) => object_store::Error::Generic {
                store: "MicrosoftAzure",
                source: format!(
                    "Error performing list request: Error performing GET … - Server returned non-2xx status code: {status} Nope: <xml>"
                )
                .into(),
            },
        }
    }
}

/// A store in memory that counts, and fails on demand.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) inner: InMemory,
    pub(super) lists: AtomicUsize,
    pub(super) gets: AtomicUsize,
    reading: AtomicUsize,
    pub(super) most_reading: AtomicUsize,
    pub(super) list_faults: Mutex<VecDeque<Fault>>,
    /// What happens to each read of an object whose name has this in it.
    pub(super) get_fault: Mutex<Option<(&'static str, Fault)>>,
}

impl std::fmt::Display for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("shelf")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Shelf {
    async fn put_opts(
        &self,
        key: &Key,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.inner.put_opts(key, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        key: &Key,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(key, options).await
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> object_store::Result<GetResult> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        let reading = self.reading.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_reading.fetch_max(reading, Ordering::SeqCst);
        // Others get their turn, so that it shows how many read at once.
        tokio::task::yield_now().await;
        let fault = *self.get_fault.lock().unwrap();
        let got = match fault.filter(|(name, _)| key.as_ref().contains(name)) {
            Some((_, fault)) => Err(fault.strike().await),
            None => self.inner.get_opts(key, options).await,
        };
        self.reading.fetch_sub(1, Ordering::SeqCst);
        got
    }

    fn delete_stream(
        &self,
        keys: BoxStream<'static, object_store::Result<Key>>,
    ) -> BoxStream<'static, object_store::Result<Key>> {
        self.inner.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        match self.list_faults.lock().unwrap().pop_front() {
            Some(fault) => futures::stream::once(async move { Err(fault.strike().await) }).boxed(),
            None => self.inner.list(prefix),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Key,
        to: &Key,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
