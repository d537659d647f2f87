//! Where searches that others have started put their results: ElasticBLAST's layout in Azure Blob Storage.
//!
//! Owns the reading of a results address, and of what lies there. Reads only, and asks only places that the
//! objects of a search name, of an account that the caller opens.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use elb_core::{cluster::ResultsSeen, text};
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path as Key};
use tokio::time::timeout;

mod files;
mod unpack;

pub use files::{Arrangement, Listing, ResultFile};
pub(crate) use unpack::unpacked;

use crate::objects::{ObjectError, Remote};

/// Where Azure answers for storage accounts. The address is written by whoever made the objects on the
/// cluster, and this server proves who it is to whom it asks: it must be nobody else.
const AZURE: [&str; 3] = [
    ".blob.core.windows.net",
    ".blob.core.usgovcloudapi.net",
    ".blob.core.chinacloudapi.cn",
];
/// Hosts of an emulator.
const THIS_MACHINE: [&str; 2] = ["127.0.0.1", "localhost"];
/// What is needed to read results (learn.microsoft.com/azure/role-based-access-control).
const ROLE: &str = "Storage Blob Data Reader";
/// How long a look may take.
const LOOK: Duration = Duration::from_secs(10);
/// The most objects that are looked at (ours): a search has at most 5,000 Jobs, with two objects each and those
/// of its query.
const MAX_OBJECTS: usize = 50_000;
/// The most bytes of a mark that are read: it is a message.
const MAX_MARK: u64 = 4_096;
/// The most characters of it that are shown.
const MAX_WORDS: usize = 500;

/// A folder of a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobPlace {
    /// Where requests go, without the container; with an emulator the account is its last part.
    pub endpoint: String,
    /// The storage account.
    pub account: String,
    /// The container.
    pub container: String,
    /// The folder in it, without slashes at its ends.
    pub folder: String,
}

impl BlobPlace {
    /// Reads `https://ACCOUNT.blob.core.windows.net/CONTAINER/FOLDER`, or the same at the address of an
    /// emulator.
    ///
    /// # Errors
    /// Why results there cannot be looked at.
    pub fn parse(address: &str) -> Result<Self, String> {
        let elsewhere = || {
            format!(
                "only results in Azure Blob Storage can be looked at, and these are in {address}"
            )
        };
        let (scheme, rest) = address.split_once("://").ok_or_else(elsewhere)?;
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_once('/').ok_or_else(elsewhere)?;
        let account = AZURE.iter().find_map(|cloud| authority.strip_suffix(cloud));
        let host = authority.split(':').next().unwrap_or_default();
        let (endpoint, account, path) = match (scheme, account) {
            ("https", Some(account)) => (format!("https://{authority}"), account, path),
            ("http", None) if THIS_MACHINE.contains(&host) => {
                let (account, path) = path.split_once('/').ok_or_else(elsewhere)?;
                (format!("http://{authority}/{account}"), account, path)
            }
            _ => return Err(elsewhere()),
        };
        let named = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let (container, folder) = path.split_once('/').unwrap_or((path, ""));
        if !named || container.is_empty() {
            return Err(elsewhere());
        }
        Ok(Self {
            endpoint,
            account: account.to_owned(),
            container: container.to_owned(),
            folder: folder.trim_matches('/').to_owned(),
        })
    }

    /// The folder of one search: results of a shard are in a folder of their own below it, and the address
    /// that the user gave may be above it.
    fn of_run(&self, run: &str) -> String {
        let mut parts: Vec<&str> = self
            .folder
            .split('/')
            .filter(|part| !part.is_empty())
            .collect();
        let is_part = |name: &str| name.starts_with("shard_") || name.starts_with("part_");
        if parts.last().is_some_and(|last| is_part(last)) {
            parts.pop();
        }
        if !parts.contains(&run) {
            parts.push(run);
        }
        parts.join("/")
    }
}

/// Opens a container to read.
pub type Open = Box<dyn Fn(&BlobPlace) -> Result<Arc<dyn ObjectStore>, String> + Send + Sync>;

/// The places of results that were looked at.
pub struct ResultsPlaces {
    open: Open,
    stores: Mutex<HashMap<(String, String), Arc<dyn ObjectStore>>>,
}

impl ResultsPlaces {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(open: Open) -> Self {
        Self {
            open,
            stores: Mutex::default(),
        }
    }

    /// What lies in the place of a search's results.
    ///
    /// # Errors
    /// Why that cannot be said.
    pub async fn look(&self, address: &str, run: &str) -> Result<ResultsSeen, String> {
        let place = BlobPlace::parse(address)?;
        let store = self.store(&place)?;
        let folder = place.of_run(run);
        let looked = timeout(LOOK, look(&*store, &folder)).await;
        let seen = looked.map_err(|_| format!("{address} does not answer"))?;
        seen.map_err(|error| format!("{address} cannot be looked at: {error}"))
    }

    /// The files with a search's results, and what format they are in.
    ///
    /// # Errors
    /// Why that cannot be said.
    pub async fn files(&self, address: &str, run: &str) -> Result<Listing, String> {
        let place = BlobPlace::parse(address)?;
        let store = self.store(&place)?;
        let folder = place.of_run(run);
        let looking = async {
            let mut listing = Listing::read(&*store, &Key::from(folder)).await?;
            listing.look_into(&Remote::new(store)).await?;
            Ok::<_, ObjectError>(listing)
        };
        let looked = timeout(LOOK, looking).await;
        let listed = looked.map_err(|_| format!("{address} does not answer"))?;
        listed.map_err(|error| in_words(address, &error))
    }

    /// One of these files as it is stored, with its size.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub(crate) async fn open_file(
        &self,
        address: &str,
        file: &ResultFile,
    ) -> Result<crate::objects::Pieces, String> {
        let place = BlobPlace::parse(address)?;
        let remote = Remote::new(self.store(&place)?);
        let found = remote.get(&file.key).await;
        let found = found.map_err(|error| in_words(address, &error))?;
        found.ok_or_else(|| format!("{} was in {address} and is not there any more", file.name))
    }

    /// The queries of a batch, as [`Self::open_file`].
    ///
    /// # Errors
    /// Why they cannot be had.
    pub(crate) async fn open_queries(
        &self,
        address: &str,
        listing: &Listing,
        batch: u32,
    ) -> Result<Option<crate::objects::Pieces>, String> {
        let Some((key, _)) = listing.queries.get(&batch) else {
            return Ok(None);
        };
        let place = BlobPlace::parse(address)?;
        let found = Remote::new(self.store(&place)?).get(key).await;
        found.map_err(|error| in_words(address, &error))
    }

    /// How many letters the database had that was searched, where that was left with the results.
    ///
    /// # Errors
    /// Why that cannot be said.
    pub(crate) async fn database_letters(
        &self,
        address: &str,
        listing: &Listing,
    ) -> Result<Option<u64>, String> {
        let place = BlobPlace::parse(address)?;
        let remote = Remote::new(self.store(&place)?);
        let letters = listing.database_letters(&remote).await;
        letters.map_err(|error| in_words(address, &error))
    }

    fn store(&self, place: &BlobPlace) -> Result<Arc<dyn ObjectStore>, String> {
        let key = (place.endpoint.clone(), place.container.clone());
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(&key) {
            return Ok(Arc::clone(store));
        }
        let store = (self.open)(place)?;
        stores.insert(key, Arc::clone(&store));
        Ok(store)
    }
}

/// What an error means for who wants to read results.
fn in_words(address: &str, error: &ObjectError) -> String {
    match error {
        ObjectError::Denied(_) => format!(
            "{address} cannot be read: give this server's identity (ELB_AZURE_AUTH) the role \"{ROLE}\" there"
        ),
        other => format!("{address} cannot be read: {other}"),
    }
}

async fn look(store: &dyn ObjectStore, folder: &str) -> object_store::Result<ResultsSeen> {
    let prefix = Key::from(folder);
    let mut batches = BTreeSet::new();
    let mut seen = ResultsSeen::default();
    let mut failed = None;
    let mut objects = store.list(Some(&prefix));
    let mut count = 0;
    while let Some(object) = objects.try_next().await? {
        let parts = object.location.prefix_match(&prefix);
        let parts = parts.into_iter().flatten();
        let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["metadata", "SUCCESS.txt"] => seen.success = true,
            ["metadata", "FAILURE.txt"] => failed = Some(object.clone()),
            [.., file] => {
                // The same batch of each shard is a result of its own.
                if let Some(batch) = batch_of(file, &object) {
                    let shard = parts
                        .len()
                        .checked_sub(2)
                        .and_then(|index| parts.get(index));
                    let shard = shard.map(|shard| (*shard).to_owned());
                    batches.insert((shard, batch.to_owned()));
                }
            }
            [] => {}
        }
        count += 1;
        if count >= MAX_OBJECTS {
            break;
        }
    }
    drop(objects);
    seen.batches = Some(u32::try_from(batches.len()).unwrap_or(u32::MAX));
    if let Some(mark) = failed {
        // A range of nothing is none that a store accepts.
        let bytes = match mark.size.min(MAX_MARK) {
            0 => bytes::Bytes::new(),
            length => store.get_range(&mark.location, 0..length).await?,
        };
        let words = String::from_utf8_lossy(&bytes);
        seen.failure = Some(match words.trim() {
            "" => "ElasticBLAST marked the search as failed and did not say why".to_owned(),
            words => text::cap(words, MAX_WORDS),
        });
    }
    Ok(seen)
}

/// The number of the batch that an object is the result of. An upload that was broken off leaves no object,
/// but a program may leave an empty one.
fn batch_of<'a>(file: &'a str, object: &ObjectMeta) -> Option<&'a str> {
    let (number, _) = file.strip_prefix("batch_")?.split_once('-')?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (digits && file.ends_with(".out.gz") && object.size > 0).then_some(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    const RUN: &str = "job-0123";
    const ADDRESS: &str = "https://elb.blob.core.windows.net/results/me/1";

    fn parsed(address: &str) -> (String, String, String) {
        let place = BlobPlace::parse(address).unwrap();
        (
            place.account.clone(),
            place.container.clone(),
            place.of_run(RUN),
        )
    }

    fn is(account: &str, container: &str, folder: &str) -> (String, String, String) {
        (account.to_owned(), container.to_owned(), folder.to_owned())
    }

    #[test]
    fn the_folder_of_a_search_is_found_from_any_address_that_its_objects_have() {
        let whole = is("elb", "results", "me/1/job-0123");
        assert_eq!(parsed(ADDRESS), whole);
        assert_eq!(parsed(&format!("{ADDRESS}/{RUN}")), whole);
        assert_eq!(parsed(&format!("{ADDRESS}/{RUN}/shard_03/")), whole);
        let root = "https://elb.blob.core.windows.net/results";
        assert_eq!(parsed(root), is("elb", "results", RUN));
        assert_eq!(
            parsed("http://127.0.0.1:10000/devstoreaccount1/results/a"),
            is("devstoreaccount1", "results", "a/job-0123")
        );
    }

    #[test]
    fn other_places_are_told_as_such() {
        for address in [
            "gs://bucket/results",
            "s3://b/r",
            "",
            "https://example.com/a/b",
            "https://elb.blob.core.example.com/a/b",
            "https://x@elb.blob.core.windows.net/a",
            "http://127.0.0.1@example.com/elb/a",
            "http://10.0.0.1/elb/a",
            "https://elb.blob.core.windows.net/",
        ] {
            let why = BlobPlace::parse(address).unwrap_err();
            assert!(why.contains("only results in Azure"), "{why}");
        }
    }

    async fn seen(objects: &[(&str, &str)]) -> ResultsSeen {
        let store = Arc::new(InMemory::new());
        for (name, content) in objects {
            let key = Key::from(format!("me/1/{RUN}/{name}"));
            store.put(&key, content.to_string().into()).await.unwrap();
        }
        let other = Key::from("me/1/job-01234/batch_000-blastn-nt.out.gz");
        store.put(&other, "x".into()).await.unwrap();
        let places = ResultsPlaces::new(Box::new(move |_| Ok(store.clone())));
        places.look(ADDRESS, RUN).await.unwrap()
    }

    #[tokio::test]
    async fn results_are_counted_by_batch_and_shard_and_marks_are_read() {
        assert_eq!(seen(&[]).await.batches, Some(0));
        let some = seen(&[
            ("batch_000-blastn-nt.out.gz", "x"),
            ("batch_001-blastn-nt.out.gz", ""),
            ("query_batches/batch_000.fa", ">a"),
            ("logs/BLAST_RUNTIME-000.out", "1"),
            ("merged_results.out.gz", "x"),
        ])
        .await;
        assert_eq!((some.batches, some.success), (Some(1), false));
        let shards = seen(&[
            ("shard_00/batch_000-blastn-nt.out.gz", "x"),
            ("shard_01/batch_000-blastn-nt.out.gz", "x"),
            ("metadata/SUCCESS.txt", ""),
        ])
        .await;
        assert_eq!((shards.batches, shards.success), (Some(2), true));
        let failed = seen(&[("metadata/FAILURE.txt", " BLAST database error \n")]).await;
        assert_eq!(failed.failure.as_deref(), Some("BLAST database error"));
        let silent = seen(&[("metadata/FAILURE.txt", "")]).await;
        assert!(silent.failure.is_some());
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_opened_says_why() {
        let places = ResultsPlaces::new(Box::new(|_| Err("no access to it".to_owned())));
        let why = places.look(ADDRESS, RUN).await.unwrap_err();
        assert_eq!(why, "no access to it");
    }
}
