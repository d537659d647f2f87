//! What stands in the store once a batch was searched on a cluster: a small JSON object, written last.
//!
//! It is created, never replaced: of two attempts that come to their end the first counts, and its object names
//! the files that count. Whoever reads results reads this first.

use serde::{Deserialize, Serialize};

/// A file of a batch's results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchFile {
    /// Its name, beside this object.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// A batch that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchDone {
    /// Its number, from 0.
    pub batch: u32,
    /// BLAST+'s archive (format 11), as text: so it is joined with those of the other batches.
    pub archive: BatchFile,
    /// Its table of hits, if the command made one.
    #[serde(default)]
    pub table: Option<BatchFile>,
    /// What BLAST+ warned of.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl BatchDone {
    /// Name of the object within the folder of the batch's results.
    pub const NAME: &'static str = "done.json";

    /// As it is stored.
    ///
    /// # Errors
    /// Never of what this program makes.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads a stored one.
    ///
    /// # Errors
    /// If it is something else.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_half_of_it_is_not() {
        let file = |name: &str| BatchFile {
            name: name.to_owned(),
            bytes: 12,
            sha256: "ab".repeat(32),
        };
        let done = BatchDone {
            batch: 7,
            archive: file("archive-1.asn"),
            table: Some(file("hits-1.tsv")),
            warnings: vec!["few".to_owned()],
        };
        let json = done.to_json().unwrap();
        assert_eq!(BatchDone::parse(&json).unwrap(), done);
        assert!(BatchDone::parse(&json[..json.len() / 2]).is_err());
    }
}
