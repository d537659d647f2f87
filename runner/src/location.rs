//! Places in object stores as they are written: `az://ACCOUNT/CONTAINER/PREFIX` or `file:///FOLDER`.

use std::{fmt, path::Path};

use object_store::path::Path as Key;

/// A place; nothing is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Which store.
    pub kind: Kind,
    /// Where in it.
    pub key: Key,
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Azure Blob Storage.
    Blobs {
        /// The storage account.
        account: String,
        /// The container.
        container: String,
    },
    /// The file system, from its root.
    Files,
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Blobs { account, container } => {
                write!(out, "az://{account}/{container}/{}", self.key)
            }
            Kind::Files => write!(out, "file:///{}", self.key),
        }
    }
}

impl Location {
    /// Reads one.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("file://") {
            let wrong = |why: String| format!("must name a folder as file:///FOLDER: {why}");
            if !path.starts_with('/') {
                return Err(wrong("its path does not begin at the root".to_owned()));
            }
            let key = Key::from_absolute_path(Path::new(path));
            return Ok(Self {
                kind: Kind::Files,
                key: key.map_err(|error| wrong(error.to_string()))?,
            });
        }
        let wrong = || {
            "must be az://ACCOUNT/CONTAINER/FOLDER: the account 3 to 24 small letters and digits, the container 3 to 63 of them and single dashes".to_owned()
        };
        let rest = text.strip_prefix("az://").ok_or_else(wrong)?;
        let mut parts = rest.trim_end_matches('/').splitn(3, '/');
        let (account, container, key) = (parts.next(), parts.next(), parts.next());
        let (Some(account), Some(container), Some(key)) = (account, container, key) else {
            return Err(wrong());
        };
        if !is_account(account) || !is_container(container) {
            return Err(wrong());
        }
        let key = Key::parse(key).map_err(|error| format!("names no folder: {error}"))?;
        Ok(Self {
            kind: Kind::Blobs {
                account: account.to_owned(),
                container: container.to_owned(),
            },
            key,
        })
    }
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

// docs: learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
fn is_account(name: &str) -> bool {
    (3..=24).contains(&name.len()) && name.bytes().all(plain)
}

fn is_container(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| plain(byte) || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown_as_they_are_written() {
        for place in ["az://lab/blast-db/2024/core_nt", "file:///data/core_nt"] {
            assert_eq!(Location::parse(place).unwrap().to_string(), place);
        }
        let closed = Location::parse("az://lab/blast-db/core_nt/").unwrap();
        assert_eq!(closed.to_string(), "az://lab/blast-db/core_nt");
    }

    #[test]
    fn what_names_no_folder_is_refused() {
        let wrong = [
            "",
            "core_nt",
            "/data/core_nt",
            "file://data",
            "az://lab",
            "az://lab/blast-db",
            "az://Lab/blast-db/x",
            "az://lab/blast--db/x",
            "az://lab/blast-db/a/../b",
            "https://lab.blob.core.windows.net/blast-db/x",
        ];
        for place in wrong {
            assert!(Location::parse(place).is_err(), "{place}");
        }
    }
}
