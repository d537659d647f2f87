//! The files with results of a search, as they lie in their place.
//!
//! Owns their names: only what ElasticBLAST calls a result is one, and nothing else can be had by a name
//! that somebody sends. Knows which are missing; a result that is not there is never taken for one without
//! hits.

use std::collections::{BTreeMap, BTreeSet};

use elb_core::text;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, path::Path as Key};

use super::MAX_OBJECTS;
use crate::{
    clusters::results::unpack::head,
    objects::{ObjectError, Remote},
};

/// How much of the first file is looked at, in bytes: what tells its format stands at its beginning.
const HEAD: u64 = 16 << 10;
/// How many files are looked into at most.
const LOOKED_INTO: usize = 4;
/// Where its pods leave how long the database is.
const DATABASE_LENGTH: [&str; 2] = ["metadata", "BLASTDB_LENGTH.out"];
/// What ElasticBLAST's finalizer makes of the parts of a split database.
const MERGED: &str = "merged_results.out.gz";
/// The folder with the queries of the batches.
const QUERIES: &str = "query_batches";

/// A file with results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultFile {
    /// Its name below the folder of the search.
    pub name: String,
    /// Its size in bytes, compressed.
    pub bytes: u64,
    /// The part of the database that was searched, if it was split.
    pub part: Option<String>,
    /// The batch of the query; `None` of one that holds all.
    pub batch: Option<u32>,
    pub(crate) key: Key,
}

impl ResultFile {
    /// Its name without folders, safe to save a file under.
    #[must_use]
    pub fn plain_name(&self) -> String {
        let safe = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        let name = self.name.replace('/', "-");
        let name = name.chars();
        name.map(|letter| if safe(letter) { letter } else { '_' })
            .collect()
    }
}

/// How the files belong together.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrangement<'a> {
    /// One a batch, in the order of the queries.
    Batches(Vec<&'a ResultFile>),
    /// For each batch one a part of the database, in its order.
    Parts(Vec<Vec<&'a ResultFile>>),
    /// One of all, which the finalizer has made.
    Whole(&'a ResultFile),
}

/// What lies in the place of a search's results.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The files with results, in the order of queries and parts.
    pub files: Vec<ResultFile>,
    /// Parts of the database, in its order; none if it was not split.
    pub parts: Vec<String>,
    /// Whether these are all: of a folder with more objects than are looked at, they are not.
    pub all: bool,
    /// The unpacked beginning of the first file that is not empty.
    pub head: String,
    /// Files of queries, by their batch.
    pub(crate) queries: BTreeMap<u32, (Key, u64)>,
    database_length: Option<Key>,
}

impl Listing {
    pub(super) async fn read(store: &dyn ObjectStore, prefix: &Key) -> Result<Self, ObjectError> {
        let mut listing = Self {
            all: true,
            ..Self::default()
        };
        let mut objects = store.list(Some(prefix));
        let mut count = 0;
        while let Some(object) = objects.try_next().await.map_err(explained)? {
            count += 1;
            if count > MAX_OBJECTS {
                listing.all = false;
                break;
            }
            listing.take(prefix, object);
        }
        let parts: BTreeSet<(u64, &String)> = listing
            .files
            .iter()
            .filter_map(|file| file.part.as_ref())
            .map(|part| (number_of(part), part))
            .collect();
        listing.parts = parts.into_iter().map(|(_, part)| part.clone()).collect();
        listing.files.sort_by_cached_key(|file| {
            let part = file.part.as_deref().map(number_of);
            (file.batch, part, file.name.clone())
        });
        Ok(listing)
    }

    fn take(&mut self, prefix: &Key, object: ObjectMeta) {
        let parts = object.location.prefix_match(prefix).into_iter().flatten();
        let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (part, batch) = match parts.as_slice() {
            [QUERIES, file] => {
                if let Some(batch) = number_between(file, "batch_", ".fa") {
                    self.queries.insert(batch, (object.location, object.size));
                }
                return;
            }
            names if names == DATABASE_LENGTH => {
                self.database_length = Some(object.location);
                return;
            }
            [MERGED] => (None, None),
            [file] => (None, result_of(file)),
            [part, file] if is_part(part) => (Some((*part).to_owned()), result_of(file)),
            _ => return,
        };
        if batch.is_none() && parts.as_slice() != [MERGED] {
            return;
        }
        self.files.push(ResultFile {
            name: parts.join("/"),
            bytes: object.size,
            part,
            batch,
            key: object.location,
        });
    }

    /// Looks into the first files until one tells something: a table without hits is nothing, compressed.
    pub(super) async fn look_into(&mut self, store: &Remote) -> Result<(), ObjectError> {
        let batches = self.files.iter().filter(|file| file.batch.is_some());
        let whole = self.files.iter().filter(|file| file.batch.is_none());
        let there = batches.chain(whole).filter(|file| file.bytes > 0);
        for file in there.take(LOOKED_INTO) {
            let bytes = store.first(&file.key, HEAD).await?;
            let bytes = bytes.ok_or_else(|| {
                ObjectError::Away(format!(
                    "{} was listed and is not there any more",
                    file.name
                ))
            })?;
            let head = head(&bytes);
            if !head.trim().is_empty() {
                self.head = head;
                break;
            }
        }
        Ok(())
    }

    /// How many letters the database had that was searched, where its pods have left that.
    pub(crate) async fn database_letters(
        &self,
        store: &Remote,
    ) -> Result<Option<u64>, ObjectError> {
        let Some(key) = &self.database_length else {
            return Ok(None);
        };
        let bytes = store.first(key, HEAD).await?.unwrap_or_default();
        Ok(number_in(&String::from_utf8_lossy(&bytes)))
    }

    /// The file of that name; nothing but what is listed can be had.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&ResultFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// How the files belong together, if none is missing. `expected` is the number of results that the search
    /// must have; 0 if that is not known.
    ///
    /// # Errors
    /// What is missing.
    pub fn arrangement(&self, expected: u32) -> Result<Arrangement<'_>, String> {
        if !self.all {
            return Err(format!(
                "more than {} objects lie in the place of its results, which are not all looked at",
                text::count(MAX_OBJECTS as u64)
            ));
        }
        let batches: BTreeSet<u32> = self.files.iter().filter_map(|file| file.batch).collect();
        let whole = self.files.iter().find(|file| file.batch.is_none());
        let Some(last) = batches.last() else {
            return match whole {
                Some(file) if file.bytes > 0 => Ok(Arrangement::Whole(file)),
                _ => Err("there is no file with results in their place".to_owned()),
            };
        };
        let last = (*last).max(self.queries.keys().last().copied().unwrap_or_default());
        let parts: Vec<Option<&str>> = match self.parts.as_slice() {
            [] => vec![None],
            parts => parts.iter().map(|part| Some(part.as_str())).collect(),
        };
        let mut found = BTreeMap::new();
        for file in &self.files {
            if let Some(batch) = file.batch {
                let other = found.insert((batch, file.part.as_deref()), file);
                if let Some(other) = other {
                    return Err(format!(
                        "{} and {} are results of the same batch, and nothing tells which counts",
                        other.name, file.name
                    ));
                }
            }
        }
        let mut arranged = Vec::new();
        for batch in 0..=last {
            let mut of_batch = Vec::new();
            for part in &parts {
                let place = part.map_or(String::new(), |part| format!(" of {part}"));
                match found.remove(&(batch, *part)) {
                    Some(file) if file.bytes > 0 => of_batch.push(file),
                    Some(file) => return Err(format!("{} is empty", file.name)),
                    None => {
                        return Err(format!(
                            "the result of batch {batch:03}{place} is not in its place any more"
                        ));
                    }
                }
            }
            arranged.push(of_batch);
        }
        // Beside parts there is nothing that belongs to none.
        if let Some(file) = found.into_values().next() {
            return Err(format!("{} belongs to no part of the database", file.name));
        }
        let there = arranged.iter().map(Vec::len).sum::<usize>();
        if there < usize::try_from(expected).unwrap_or(usize::MAX) {
            return Err(format!(
                "only {there} of {expected} results are in their place"
            ));
        }
        Ok(if self.parts.is_empty() {
            Arrangement::Batches(arranged.into_iter().flatten().collect())
        } else {
            Arrangement::Parts(arranged)
        })
    }
}

/// A list that is refused, in the words of all reads.
fn explained(error: object_store::Error) -> ObjectError {
    use object_store::Error as Cause;
    match error {
        error @ (Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. }) => {
            ObjectError::Denied(error.to_string())
        }
        other => ObjectError::Away(text::cap(&other.to_string(), 500)),
    }
}

/// The batch that a file has the result of, by its name.
fn result_of(file: &str) -> Option<u32> {
    let name = file.strip_suffix(".out.gz")?;
    let (number, _) = name.split_once('-')?;
    number_between(number, "batch_", "")
}

fn number_between(name: &str, before: &str, after: &str) -> Option<u32> {
    let digits = name.strip_prefix(before)?.strip_suffix(after)?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// The first number of a text, which may have its thousands set apart.
fn number_in(text: &str) -> Option<u64> {
    let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let is_part = |letter: &char| letter.is_ascii_digit() || *letter == ',';
    let digits = digits.chars().take_while(is_part);
    let digits: String = digits.filter(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn is_part(folder: &str) -> bool {
    ["shard_", "part_"]
        .iter()
        .any(|kind| number_between(folder, kind, "").is_some())
}

/// The place of a part in its database.
fn number_of(part: &str) -> u64 {
    let digits = part.rsplit('_').next().unwrap_or_default();
    digits.parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::Arc;

    use object_store::{ObjectStoreExt, memory::InMemory};

    use super::*;

    async fn listing(names: &[&str]) -> Listing {
        let store = Arc::new(InMemory::new());
        for name in names {
            let content = if name.contains("empty") { "" } else { "x" };
            let key = Key::from(format!("me/job-1/{name}"));
            store.put(&key, content.into()).await.unwrap();
        }
        Listing::read(&*store, &Key::from("me/job-1"))
            .await
            .unwrap()
    }

    fn names(listing: &Listing) -> Vec<&str> {
        listing
            .files
            .iter()
            .map(|file| file.name.as_str())
            .collect()
    }

    #[tokio::test]
    async fn only_results_are_listed_in_the_order_of_queries() {
        let listing = listing(&[
            "batch_010-blastn-nt.out.gz",
            "batch_002-blastn-nt.out.gz",
            "batch_x-blastn-nt.out.gz",
            "batch_003.out.gz",
            "logs/BLAST_RUNTIME-000.out",
            "metadata/SUCCESS.txt",
            "metadata/batch_001-blastn-nt.out.gz",
            "query_batches/batch_000.fa",
            "secret.txt",
        ])
        .await;
        let expected = ["batch_002-blastn-nt.out.gz", "batch_010-blastn-nt.out.gz"];
        assert_eq!(names(&listing), expected);
        assert!(listing.find("secret.txt").is_none());
        assert!(
            listing
                .find("../job-1/batch_002-blastn-nt.out.gz")
                .is_none()
        );
        assert_eq!(listing.queries.len(), 1);
    }

    #[tokio::test]
    async fn parts_stand_in_the_order_of_the_database() {
        let listing = listing(&[
            "shard_10/batch_000-blastn-nt.out.gz",
            "shard_2/batch_000-blastn-nt.out.gz",
            "merged_results.out.gz",
        ])
        .await;
        assert_eq!(listing.parts, ["shard_2", "shard_10"]);
        let Arrangement::Parts(batches) = listing.arrangement(2).unwrap() else {
            unreachable!("it has parts")
        };
        let of_batch: Vec<_> = batches[0].iter().map(|file| file.part.clone()).collect();
        assert_eq!(
            of_batch,
            [Some("shard_2".to_owned()), Some("shard_10".to_owned())]
        );
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        for (there, expected, why) in [
            (&["batch_000-blastn-nt.out.gz"][..], 2, "only 1 of 2"),
            (&["batch_001-blastn-nt.out.gz"], 0, "batch 000 is not"),
            (&["batch_000-blastn-empty.out.gz"], 0, "is empty"),
            (&[], 0, "no file with results"),
            (
                &["batch_000-blastn-nt.out.gz", "query_batches/batch_001.fa"],
                0,
                "batch 001 is not",
            ),
            (
                &[
                    "shard_00/batch_000-blastn-nt.out.gz",
                    "shard_01/batch_001-blastn-nt.out.gz",
                ],
                0,
                "batch 000 of shard_01",
            ),
            (
                &["batch_000-blastn-nt.out.gz", "batch_000-blastn-nr.out.gz"],
                0,
                "nothing tells which counts",
            ),
            (
                &[
                    "shard_00/batch_000-blastn-nt.out.gz",
                    "batch_000-blastn-nt.out.gz",
                ],
                0,
                "belongs to no part",
            ),
        ] {
            let listing = listing(there).await;
            let told = listing.arrangement(expected).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        let whole = listing(&["merged_results.out.gz"]).await;
        assert!(matches!(whole.arrangement(0), Ok(Arrangement::Whole(_))));
    }
}
