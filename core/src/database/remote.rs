//! A BLAST database in an object store, as its metadata object and its files tell.
//!
//! It is shown and never offered for a search on this machine. What is not known is `None`, never 0;
//! what could not be read is said, never left out.

use serde::{Deserialize, Serialize};

use crate::{molecule::Molecule, time::Timestamp};

/// Whether everything is there that a search needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Readiness {
    /// It is.
    Ready,
    /// It is not.
    NotReady {
        /// What is missing.
        reason: String,
    },
}

/// A database in an object store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteDatabase {
    /// Name of its folder and of its files.
    pub name: String,
    /// Title for people; the name if none is told.
    pub title: String,
    /// What it is made of.
    pub molecule: Molecule,
    /// Sequences, as its metadata object tells.
    pub sequences: Option<u64>,
    /// Bases or residues, as its metadata object tells.
    pub letters: Option<u64>,
    /// Bytes of its files, as listed.
    pub bytes: u64,
    /// Bytes that a search keeps in memory, as its metadata object tells.
    pub bytes_to_cache: Option<u64>,
    /// Date of its making, as its metadata object tells.
    pub updated: Option<String>,
    /// Fingerprint of its files as listed ([`listing_of`]); changes when any of them does.
    pub version: String,
    /// Its files, as listed.
    pub files: u64,
    /// Its volumes, as listed.
    pub volumes: u64,
    /// Bytes of each of its volumes, as listed; empty if it is not divided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_bytes: Vec<u64>,
    /// The ways in which it is split for nodes, each as its number of shards; complete ones only.
    pub shards: Vec<u64>,
    /// Whether it can be searched where it is staged.
    pub readiness: Readiness,
    /// What else has to be known, for example that its metadata object cannot be read.
    pub notes: Vec<String>,
}

/// What versions of databases in an object store begin with.
pub const LISTED_VERSION: &str = "blob-";

/// The files of a database in a store in one text, of which the digest is its version: who stages it lists it
/// again, and finds out that it is another by now. `files` are names with sizes and the store's tags, in any
/// order; those that are not the database's own do not count.
#[must_use]
pub fn listing_of<'a>(
    database: &str,
    files: impl Iterator<Item = (&'a str, u64, Option<&'a str>)>,
) -> String {
    let own = |name: &str| {
        let rest = name.strip_prefix(database);
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    let own = files.filter(|(name, _, _)| own(name));
    let mut lines: Vec<String> = own
        .map(|(name, size, tag)| format!("{name}\t{size}\t{}\n", tag.unwrap_or_default()))
        .collect();
    lines.sort_unstable();
    lines.concat()
}

/// The databases in an object store, and how fresh that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteList {
    /// Where they are.
    pub url: String,
    /// When the listing began. `None` if there is none: then `problem` says why, and an empty list
    /// does not mean that there are no databases.
    pub as_of: Option<Timestamp>,
    /// Why the list is missing or not newer.
    pub problem: Option<String>,
    /// By name.
    pub databases: Vec<RemoteDatabase>,
    /// Folders in which there is no database.
    pub ignored: Vec<String>,
}
