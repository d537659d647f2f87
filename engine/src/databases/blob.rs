//! The databases in an object store, `PREFIX/<name>/<name>.…`, as `elastic-blast` lays them out.
//!
//! Owns how they are found and how fresh that is. One listing of the whole prefix, in pages, tells of
//! every file; of a metadata object only a version that was not read before is read. What cannot be read
//! is an error or a note, never an empty list, and one broken database hides no other. Never writes,
//! and never makes a caller wait for longer than he wants.

use std::{fmt, sync::Arc, time::Duration};

use elb_core::{database::RemoteList, text};
use object_store::ObjectStore;
/// The path of an object, as the store writes it.
pub use object_store::path::Path as Key;
use thiserror::Error;

use crate::{
    breaker::Breaker,
    cache::{Behind, Cache, CacheReport, Old, Statistics, Terms},
    clock::Clock,
};

mod judge;
mod listing;
mod metadata;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]
mod tests;

use listing::{Found, PARALLEL, Source};

/// A list is cheap and must show a new database soon; an old one is better than none, as it says so.
const LISTS: Terms = Terms {
    entries: 1,
    fetches: 2,
    life: Duration::from_secs(30),
    failed_life: Duration::from_secs(5),
    old: Old::AtOnce(Duration::from_secs(24 * 3600)),
};
/// A version of a metadata object never changes: its life bounds only what a reused tag could do.
const DOCUMENTS: Terms = Terms {
    entries: 4_096,
    fetches: 2 * PARALLEL,
    life: Duration::from_secs(24 * 3600),
    failed_life: Duration::from_secs(10),
    old: Old::Never,
};

/// Why databases in an object store cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BlobError {
    /// The identity has no right to read.
    #[error(
        "this server may not read {0}: give its identity the role \"Storage Blob Data Reader\" on the container; a new role may take some minutes to count"
    )]
    Denied(String),
    /// The identity is not accepted at all.
    #[error(
        "the store of {0} does not accept who this server says it is; look at its sign-in to Azure"
    )]
    Unknown(String),
    /// There is no such container or account.
    #[error("there is no {0}; make the container, or correct the setting")]
    Missing(String),
    /// No answer in time.
    #[error("{url} gave no answer within {seconds} s")]
    Timeout {
        /// Where.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// More objects than can be databases.
    #[error(
        "there are more than {limit} objects below {url}; name a folder that holds only databases"
    )]
    TooMany {
        /// Where.
        url: String,
        /// How many may be.
        limit: usize,
    },
    /// Something else.
    #[error("{url} cannot be read: {why}")]
    Other {
        /// Where.
        url: String,
        /// The store's own words.
        why: String,
    },
}

impl BlobError {
    fn of(error: &object_store::Error, url: &str) -> Self {
        let url = url.to_owned();
        match error {
            object_store::Error::PermissionDenied { .. } => Self::Denied(url),
            object_store::Error::Unauthenticated { .. } => Self::Unknown(url),
            object_store::Error::NotFound { .. } => Self::Missing(url),
            other => {
                let why = other.to_string();
                match status_in(&why) {
                    Some(401) => Self::Unknown(url),
                    Some(403) => Self::Denied(url),
                    Some(404) => Self::Missing(url),
                    _ => {
                        let line = why.lines().next().unwrap_or_default();
                        let why = text::cap(line, 300);
                        Self::Other { url, why }
                    }
                }
            }
        }
    }

    fn timeout(url: &str, limit: Duration) -> Self {
        Self::Timeout {
            url: url.to_owned(),
            seconds: limit.as_secs(),
        }
    }
}

/// The status that the text of an error names: of a listing that was refused, `object_store` 0.14 tells
/// it in no other way.
fn status_in(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// The databases below a prefix. Clones share everything.
#[derive(Clone)]
pub struct BlobDatabases {
    breaker: Breaker,
    source: Arc<Source>,
    lists: Cache<(), Arc<Found>, BlobError>,
}

impl fmt::Debug for BlobDatabases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobDatabases")
            .field("url", &self.source.url)
            .finish_non_exhaustive()
    }
}

impl BlobDatabases {
    /// The databases below `prefix` of a store, which `breaker` watches over; `url` is what people know the
    /// place as. Reads nothing.
    #[must_use]
    pub fn new(
        store: Arc<dyn ObjectStore>,
        breaker: Breaker,
        prefix: Key,
        url: String,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let documents = Cache::new(DOCUMENTS, Arc::clone(&clock));
        let source = Source {
            store,
            prefix,
            url,
            documents,
        };
        Self {
            breaker,
            source: Arc::new(source),
            lists: Cache::new(LISTS, clock),
        }
    }

    /// Watches over the store.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// What is there, from memory if it is known. Waits for at most `patience`: a first look goes on
    /// by itself and is there for the next caller.
    pub async fn list(&self, patience: Duration) -> RemoteList {
        let source = Arc::clone(&self.source);
        let looked = self
            .lists
            .get(&(), move || async move { source.look().await });
        let empty = RemoteList {
            url: self.source.url.clone(),
            as_of: None,
            problem: None,
            databases: Vec::new(),
            ignored: Vec::new(),
        };
        let answer = match tokio::time::timeout(patience, looked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                return RemoteList {
                    problem: Some(error.to_string()),
                    ..empty
                };
            }
            Err(_) => {
                let reading = format!("{} is being read; look again in a moment", empty.url);
                return RemoteList {
                    problem: Some(reading),
                    ..empty
                };
            }
        };
        let problem = answer.behind.and_then(|behind| match behind {
            Behind::Refreshing => None,
            Behind::Failed(error) => Some(error.to_string()),
        });
        RemoteList {
            as_of: Some(answer.as_of),
            problem,
            databases: answer.value.databases.clone(),
            ignored: answer.value.ignored.clone(),
            ..empty
        }
    }

    /// What was looked up so far: lists, and metadata objects.
    #[must_use]
    pub fn statistics(&self) -> (Statistics, Statistics) {
        (self.lists.statistics(), self.source.documents.statistics())
    }

    /// The same, for those who watch over it.
    #[must_use]
    pub fn caches(&self) -> [CacheReport; 2] {
        [
            CacheReport::of("database_list", &self.lists),
            CacheReport::of("database_metadata", &self.source.documents),
        ]
    }
}
