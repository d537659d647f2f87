//! A copy of a database on the node: the marker that says that it is complete, and whether it is.
//!
//! Owns the marker's form. It is written last, so that a copy with one has been whole. A copy is looked at by
//! the names and sizes of its files: reading it all again would take longer than a search.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use elb_core::text;
use serde::{Deserialize, Serialize};

use crate::settings::Database;

/// The marker's name, which no file of a database can have: hidden ones are not staged.
const MARKER: &str = ".complete.json";
/// Files that a message names; of the others it gives the number.
const NAMED: usize = 3;

/// A file of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The store's tag of this content.
    #[serde(default)]
    pub etag: Option<String>,
    /// MD5 of its content in base64, if the store has one; then it was compared.
    #[serde(default)]
    pub md5: Option<String>,
}

/// What a complete copy consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The database.
    pub db: String,
    /// Its version.
    pub version: String,
    /// Its files by name.
    pub files: Vec<FileMark>,
}

impl Marker {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Whether a copy with this marker is what is wanted. A tag counts where both have one.
    pub fn is_of(&self, wanted: &Self) -> bool {
        let same = |(ours, theirs): (&FileMark, &FileMark)| {
            let tags = ours.etag.as_ref().zip(theirs.etag.as_ref());
            ours.name == theirs.name
                && ours.size == theirs.size
                && tags.is_none_or(|(ours, theirs)| ours == theirs)
        };
        self.db == wanted.db
            && self.version == wanted.version
            && self.files.len() == wanted.files.len()
            && self.files.iter().zip(&wanted.files).all(same)
    }
}

/// A copy on the node, there or not.
#[derive(Debug, Clone)]
pub struct Copy {
    folder: PathBuf,
}

impl Copy {
    /// That of a version of a database.
    pub fn of(database: &Database) -> Self {
        Self {
            folder: database.folder(),
        }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its marker; `None` if it has none, or none that can be read: then it is not complete.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub fn marker(&self) -> io::Result<Option<Marker>> {
        match fs::read(self.folder.join(MARKER)) {
            Ok(json) => Ok(serde_json::from_slice(&json).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Says that it is complete, once everything else of it is on the disk.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn mark(&self, marker: &Marker) -> io::Result<()> {
        let draft = self.folder.join(format!("{MARKER}.new"));
        let mut file = fs::File::create(&draft)?;
        file.write_all(&serde_json::to_vec_pretty(marker)?)?;
        file.sync_all()?;
        fs::rename(&draft, self.folder.join(MARKER))?;
        fs::File::open(&self.folder)?.sync_all()
    }

    /// Says that it is not complete.
    ///
    /// # Errors
    /// If the disk does not let it.
    pub fn unmark(&self) -> io::Result<()> {
        match fs::remove_file(self.folder.join(MARKER)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether its files are as its marker says; otherwise what is wrong.
    pub fn check(&self, marker: &Marker) -> Result<(), String> {
        let wrong = |file: &FileMark| match fs::metadata(self.folder.join(&file.name)) {
            Ok(found) if found.len() == file.size => None,
            Ok(found) => Some(format!(
                "{} has {} bytes instead of {}",
                file.name,
                found.len(),
                file.size
            )),
            Err(error) => Some(format!("{}: {error}", file.name)),
        };
        let wrong: Vec<String> = marker.files.iter().filter_map(wrong).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let mut told = wrong.iter().take(NAMED).cloned().collect::<Vec<_>>();
        if wrong.len() > NAMED {
            let others = (wrong.len() - NAMED) as u64;
            told.push(text::counted(others, "other file", "other files"));
        }
        Err(told.join(", "))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn file(name: &str, etag: Option<&str>) -> FileMark {
        FileMark {
            name: name.to_owned(),
            size: 3,
            etag: etag.map(ToOwned::to_owned),
            md5: None,
        }
    }

    fn marker(files: Vec<FileMark>) -> Marker {
        Marker {
            db: "x".to_owned(),
            version: "1".to_owned(),
            files,
        }
    }

    #[test]
    fn another_content_or_another_set_of_files_is_another_copy() {
        let one = marker(vec![file("x.nin", Some("a"))]);
        assert!(one.is_of(&one));
        assert!(one.is_of(&marker(vec![file("x.nin", None)])));
        assert!(!one.is_of(&marker(vec![file("x.nin", Some("b"))])));
        assert!(!one.is_of(&marker(vec![file("x.nsq", Some("a"))])));
        assert!(!one.is_of(&marker(vec![])));
        let two = marker(vec![file("x.nin", Some("a")), file("x.nsq", Some("a"))]);
        assert!(!one.is_of(&two) && !two.is_of(&one));
    }

    #[test]
    fn a_copy_is_complete_from_its_marker_to_its_first_loss() {
        let folder = tempfile::tempdir().unwrap();
        let copy = Copy {
            folder: folder.path().to_owned(),
        };
        let wanted = marker(
            ["a", "b", "c", "d", "e"]
                .map(|name| file(name, None))
                .to_vec(),
        );
        for file in &wanted.files {
            fs::write(folder.path().join(&file.name), "abc").unwrap();
        }
        assert_eq!(copy.marker().unwrap(), None);
        copy.mark(&wanted).unwrap();
        assert_eq!(copy.marker().unwrap().as_ref(), Some(&wanted));
        assert_eq!(copy.check(&wanted), Ok(()));
        fs::write(folder.path().join("b"), "ab").unwrap();
        assert_eq!(
            copy.check(&wanted),
            Err("b has 2 bytes instead of 3".to_owned())
        );
        for file in &wanted.files {
            fs::remove_file(folder.path().join(&file.name)).unwrap();
        }
        assert!(copy.check(&wanted).unwrap_err().ends_with("2 other files"));
        copy.unmark().unwrap();
        copy.unmark().unwrap();
        assert_eq!(copy.marker().unwrap(), None);
    }
}
