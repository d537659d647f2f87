//! A BLAST database as the catalogue shows it.
//!
//! Owns its facts, its origin and the rule for names of own databases. A database that cannot be read
//! is listed with its problem, never hidden.

use serde::{Deserialize, Serialize};

use crate::{molecule::Molecule, search::DatabaseTraits, time::Timestamp};

mod remote;
mod shards;

pub use shards::{Shard, shard_of, shards, volume_of};

pub use remote::{LISTED_VERSION, Readiness, RemoteDatabase, RemoteList, listing_of};

/// The longest name of an own database, in characters.
pub const MAX_NAME: usize = 64;
/// The longest title, in characters.
pub const MAX_TITLE: usize = 200;

/// Where a database comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Origin {
    /// Built from what a Debian package ships.
    Example {
        /// The package.
        package: String,
        /// What it is and under which licence, in one line.
        source: String,
    },
    /// Found in a folder of the settings.
    Folder {
        /// The folder.
        path: String,
    },
    /// Uploaded on the Databases page.
    Uploaded {
        /// When.
        at: Timestamp,
    },
    /// In an object store, from which the pods of a search bring it to their nodes.
    Store {
        /// Its folder there.
        url: String,
    },
}

/// A database that can be searched, or the reason why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Name in the catalogue; what a search names.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// What it is made of.
    pub molecule: Molecule,
    /// Sequences.
    pub sequences: u64,
    /// Bases or residues.
    pub letters: u64,
    /// Size on disk in bytes.
    pub bytes: u64,
    /// Date of its making, as `makeblastdb` wrote it.
    pub updated: String,
    /// Fingerprint of its files; changes when any of them does.
    pub version: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether searches can be narrowed to taxa.
    pub has_taxids: bool,
    /// Whether single sequences can be read by their identifiers.
    pub has_ids: bool,
    /// Why it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Database {
    /// What the options of a search depend on.
    #[must_use]
    pub const fn traits(&self) -> DatabaseTraits {
        DatabaseTraits {
            molecule: self.molecule,
            has_taxids: self.has_taxids,
        }
    }
}

/// A database that is being made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Identifies the build.
    pub id: String,
    /// Name that it will have.
    pub name: String,
    /// Title that it will have.
    pub title: String,
    /// When it began.
    pub started_at: Timestamp,
    /// How far it is.
    pub state: BuildState,
}

/// How far the making of a database is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum BuildState {
    /// The file arrives.
    Receiving {
        /// Bytes so far, as sent.
        bytes: u64,
    },
    /// `makeblastdb` runs.
    Building {
        /// Sequences in the file.
        sequences: u64,
    },
    /// It is in the catalogue.
    Done,
    /// It could not be made.
    Failed {
        /// Why; `makeblastdb`'s own words where it was that.
        message: String,
    },
}

/// Checks the name of an own database.
///
/// # Errors
/// What the name must be.
pub fn check_name(name: &str) -> Result<(), String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    if name.is_empty() {
        return Err("Give the database a name.".to_owned());
    }
    if name.len() > MAX_NAME
        || !name.chars().all(plain)
        || !name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
    {
        return Err(format!(
            "A name is at most {MAX_NAME} letters, digits, points, hyphens and underscores, and begins with a letter or digit."
        ));
    }
    Ok(())
}

/// Checks the title of an own database.
///
/// # Errors
/// What the title must be.
pub fn check_title(title: &str) -> Result<(), String> {
    let title = title.trim();
    if title.is_empty() || title.chars().count() > MAX_TITLE || title.chars().any(char::is_control)
    {
        return Err(format!(
            "A title is one line of 1 to {MAX_TITLE} characters."
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_folder_or_look_like_an_option() {
        for name in [
            "",
            "-x",
            ".hidden",
            "../x",
            "a/b",
            "a b",
            "ü",
            &"x".repeat(65),
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["16S", "my_db-2.1", "x"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }
}
