//! The folder of one attempt: its files, and that it goes with it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{end::Failure, say};

/// A fresh folder, removed at the end.
#[derive(Debug)]
pub struct Attempt {
    folder: PathBuf,
}

impl Attempt {
    /// A new one.
    pub fn begin(work_dir: &Path, batch: u32) -> Result<Self, Failure> {
        let id = uuid::Uuid::new_v4().simple();
        let folder = work_dir.join(format!("batch-{batch:05}-{id}"));
        fs::create_dir_all(&folder).map_err(|error| {
            Failure::disk(&format!("{} cannot be made", folder.display()), &error)
        })?;
        Ok(Self { folder })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The query.
    pub fn query(&self) -> PathBuf {
        self.folder.join("query.fa")
    }

    /// BLAST+'s archive.
    pub fn archive(&self) -> PathBuf {
        self.folder.join("archive.asn")
    }

    /// The table of hits.
    pub fn table(&self) -> PathBuf {
        self.folder.join("hits.tsv")
    }

    /// Writes the query.
    pub fn write_query(&self, bytes: &[u8]) -> Result<(), Failure> {
        fs::write(self.query(), bytes)
            .map_err(|error| Failure::disk("the query cannot be written", &error))
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            say::problem(&format!("{} stays: {error}", self.folder.display()));
        }
    }
}
