//! Objects in a store elsewhere: in parts, each with a time limit, and with bounded memory.
//!
//! Owns how one is read and written over a network. A read holds no connection open between parts, so a
//! slow reader costs nothing; each part must be of the version that the first was of, and of its full
//! length, so that no part is ever taken for the whole. Never waits without a limit.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, WriteMultipart,
    path::Path as Key,
};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{ObjectError, PARTS_UNDER_WAY};

/// Bytes of a part. Four of them are the memory of one upload or download.
const PART: usize = 4 << 20;
/// The longest that one request may take with all its repetitions. It is what a user waits at most.
const LIMIT: Duration = Duration::from_secs(30);

/// What is needed to open the store (learn.microsoft.com/azure/role-based-access-control).
pub(super) const ROLE: &str = "Storage Blob Data Contributor";

/// Pieces of an object, with its size.
pub(crate) type Pieces = (u64, BoxStream<'static, std::io::Result<Bytes>>);

/// The store.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    store: Arc<dyn ObjectStore>,
}

/// Says what an error means; `None` if it only says that the object is not there.
pub(super) fn explained(error: object_store::Error) -> Option<ObjectError> {
    use object_store::Error as Cause;
    Some(match error {
        Cause::NotFound { ref source, .. } if source.to_string().contains("ContainerNotFound") => {
            ObjectError::SetUp(
                "the container of the objects does not exist any more; create it, or restart the server, which does so if it may".to_owned(),
            )
        }
        Cause::NotFound { .. } => return None,
        Cause::PermissionDenied { .. } => ObjectError::Denied(format!(
            "the object store refuses access; give this server's identity the role \"{ROLE}\" on the storage account or container"
        )),
        Cause::Unauthenticated { .. } => ObjectError::Denied(
            "the object store does not accept this server's identity; check ELB_AZURE_AUTH and the account's name".to_owned(),
        ),
        other => ObjectError::Away(elb_core::text::cap(&other.to_string(), 500)),
    })
}

/// What is wrong when an object that must be there is not.
fn gone() -> ObjectError {
    ObjectError::Away("the object was removed while it was read".to_owned())
}

/// Waits no longer than the limit; `None` is an object that is not there.
async fn heard<T>(
    asking: impl Future<Output = object_store::Result<T>>,
) -> Result<Option<T>, ObjectError> {
    match tokio::time::timeout(LIMIT, asking).await {
        Ok(Ok(answer)) => Ok(Some(answer)),
        Ok(Err(error)) => explained(error).map_or(Ok(None), Err),
        Err(_) => {
            let limit = LIMIT.as_secs();
            let why = format!("it has not answered within {limit} s");
            Err(ObjectError::Away(why))
        }
    }
}

/// The same for what must be there.
async fn heard_of<T>(
    asking: impl Future<Output = object_store::Result<T>>,
) -> Result<T, ObjectError> {
    heard(asking).await?.ok_or_else(gone)
}

impl Remote {
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Stores what `source` gives. What is there already stays: it is of the same attempt.
    pub async fn put(
        &self,
        key: &Key,
        mut source: impl AsyncRead + Unpin + Send,
    ) -> Result<u64, ObjectError> {
        let first = next_part(&mut source).await?;
        if first.len() < PART {
            let size = first.len() as u64;
            self.put_small(key, first).await?;
            return Ok(size);
        }
        let upload = heard_of(self.store.put_multipart(key)).await?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART);
        let (mut part, mut total) = (first, 0);
        loop {
            total += part.len() as u64;
            let last = part.len() < PART;
            // One may be filling while as many as allowed are under way.
            heard_of(writer.wait_for_capacity(PARTS_UNDER_WAY - 1)).await?;
            writer.put(part);
            if last {
                break;
            }
            part = match next_part(&mut source).await {
                Ok(part) => part,
                Err(error) => {
                    // Parts that belong to no object go by themselves.
                    drop(writer.abort().await);
                    return Err(error.into());
                }
            };
        }
        heard_of(writer.wait_for_capacity(0)).await?;
        if heard(self.store.head(key)).await?.is_some() {
            drop(writer.abort().await);
            return Ok(total);
        }
        let Err(error) = heard_of(writer.finish()).await else {
            return Ok(total);
        };
        // Its answer may have been lost: said again, the list of parts is refused, since they are in the
        // object already.
        match heard(self.store.head(key)).await? {
            Some(meta) if meta.size == total => Ok(total),
            _ => Err(error),
        }
    }

    async fn put_small(&self, key: &Key, bytes: Bytes) -> Result<(), ObjectError> {
        let put = || async {
            let payload = PutPayload::from(bytes.clone());
            match self
                .store
                .put_opts(key, payload, PutMode::Create.into())
                .await
            {
                Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        };
        match heard_of(put()).await {
            // It may have been carried out: if so, the next one finds it there.
            Err(ObjectError::Away(_)) => heard_of(put()).await,
            outcome => outcome,
        }
    }

    /// All of an object, a few parts ahead of the reader; `None` if it is not there.
    pub async fn get(&self, key: &Key) -> Result<Option<Pieces>, ObjectError> {
        let Some(meta) = heard(self.store.head(key)).await? else {
            return Ok(None);
        };
        let (store, key, tag) = (Arc::clone(&self.store), key.clone(), meta.e_tag);
        let starts = (0..meta.size).step_by(PART);
        let parts = futures::stream::iter(starts).map(move |start| {
            let end = meta.size.min(start + PART as u64);
            let (store, key, tag) = (Arc::clone(&store), key.clone(), tag.clone());
            async move {
                let options = GetOptions {
                    range: Some((start..end).into()),
                    if_match: tag,
                    ..GetOptions::default()
                };
                let reading = async { store.get_opts(&key, options).await?.bytes().await };
                let part = heard_of(reading).await.map_err(std::io::Error::other)?;
                if part.len() as u64 == end - start {
                    Ok(part)
                } else {
                    let why = "a part of the object is shorter than it must be";
                    Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, why))
                }
            }
        });
        // A stream that went on after an error could be taken for whole.
        let mut failed = false;
        let parts = parts
            .buffered(PARTS_UNDER_WAY)
            .take_while(move |part| {
                let go_on = !failed;
                failed |= part.is_err();
                std::future::ready(go_on)
            })
            .boxed();
        Ok(Some((meta.size, parts)))
    }

    /// The first bytes; `None` if it is not there.
    pub async fn first(&self, key: &Key, limit: u64) -> Result<Option<Bytes>, ObjectError> {
        let Some(meta) = heard(self.store.head(key)).await? else {
            return Ok(None);
        };
        let end = meta.size.min(limit);
        if end == 0 {
            return Ok(Some(Bytes::new()));
        }
        heard(self.store.get_range(key, 0..end)).await
    }

    /// Names of what is directly below a prefix and has something below itself.
    pub async fn below(&self, prefix: &Key) -> Result<Vec<String>, ObjectError> {
        let found = heard(self.store.list_with_delimiter(Some(prefix))).await?;
        let prefixes = found.map_or_else(Vec::new, |found| found.common_prefixes);
        let names = prefixes.iter().filter_map(|prefix| prefix.filename());
        Ok(names.map(str::to_owned).collect())
    }

    /// Everything below a prefix, page by page.
    pub async fn list(&self, prefix: &Key) -> Result<Vec<ObjectMeta>, ObjectError> {
        let listed = heard(self.store.list(Some(prefix)).try_collect()).await?;
        Ok(listed.unwrap_or_default())
    }

    /// Removes objects; one that is gone already is no error.
    pub async fn delete(&self, keys: Vec<Key>) -> Result<(), ObjectError> {
        let deleting = futures::stream::iter(keys)
            .map(|key| async move { heard(self.store.delete(&key)).await.map(|_| ()) });
        deleting
            .buffer_unordered(PARTS_UNDER_WAY)
            .try_collect()
            .await
    }
}

/// As much as a part holds, less only at the end.
async fn next_part(source: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Bytes> {
    let mut part = BytesMut::with_capacity(PART);
    let mut limited = source.take(PART as u64);
    while limited.read_buf(&mut part).await? > 0 {}
    Ok(part.freeze())
}
