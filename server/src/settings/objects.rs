//! Where the objects are kept, as settings.

use std::path::PathBuf;

use super::{SettingsError, sources::Chosen, store::is_emulator};

/// Where the objects are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectsAddress {
    /// A folder; `None` is the usual one under the data folder.
    Folder(Option<PathBuf>),
    /// A container of Azure Blob Storage.
    AzureBlobs {
        /// Where requests go, without the container.
        endpoint: String,
        /// The storage account.
        account: String,
        /// The container.
        container: String,
    },
}

impl ObjectsAddress {
    /// Puts both settings together.
    pub(super) fn of(
        objects: &Chosen,
        endpoint: &Chosen,
        databases: Option<&BlobFolder>,
    ) -> Result<Self, SettingsError> {
        let named = objects.read(parse)?;
        let given = endpoint_of(endpoint)?;
        match (named, given) {
            (Err(_), Some(_)) if databases.is_none() => Err(SettingsError::Dangerous(
                "azure_blob_endpoint is set, but the objects are in a folder, which does not use it: set ELB_OBJECTS=az://ACCOUNT/CONTAINER, or remove it".to_owned(),
            )),
            (Err(folder), _) => Ok(Self::Folder(folder)),
            (Ok((account, container)), given) => Ok(Self::AzureBlobs {
                endpoint: given
                    .unwrap_or_else(|| format!("https://{account}.blob.core.windows.net")),
                account,
                container,
            }),
        }
    }

    /// The storage account.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Folder(_) => None,
            Self::AzureBlobs { account, .. } => Some(account),
        }
    }

    /// Whether they are in an emulator on this machine.
    #[must_use]
    pub fn is_emulator(&self) -> bool {
        match self {
            Self::Folder(_) => false,
            Self::AzureBlobs { endpoint, .. } => {
                let authority = endpoint.split_once("://").map_or("", |(_, rest)| rest);
                is_emulator(authority)
            }
        }
    }
}

fn endpoint_of(endpoint: &Chosen) -> Result<Option<String>, SettingsError> {
    endpoint.read(|text| match text.split_once("://") {
        None if text.is_empty() => Ok(None),
        Some(("https", rest)) if !rest.is_empty() => Ok(Some(text.to_owned())),
        Some(("http", rest)) if is_emulator(rest) => Ok(Some(text.to_owned())),
        _ => Err(
            "must begin with https://; plain http is for an emulator: on this machine, or HOST/devstoreaccount1".to_owned(),
        ),
    })
}

/// A folder of a container of Azure Blob Storage, such as that of the BLAST databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobFolder {
    /// Where requests go, without the container.
    pub endpoint: String,
    /// The storage account.
    pub account: String,
    /// The container.
    pub container: String,
    /// The folder in it; may be empty.
    pub prefix: String,
}

impl BlobFolder {
    /// Reads both settings; `None` if no folder is named.
    pub(super) fn of(folder: &Chosen, endpoint: &Chosen) -> Result<Option<Self>, SettingsError> {
        let given = endpoint_of(endpoint)?;
        folder.read(|text| {
            if text.is_empty() {
                return Ok(None);
            }
            let wrong = || "must be az://ACCOUNT/CONTAINER/FOLDER".to_owned();
            let rest = text.strip_prefix("az://").ok_or_else(wrong)?;
            let mut parts = rest.trim_end_matches('/').splitn(3, '/');
            let (Some(first), Some(second)) = (parts.next(), parts.next()) else {
                return Err(wrong());
            };
            let (account, container) =
                parse(&format!("az://{first}/{second}"))?.map_err(|_| wrong())?;
            Ok(Some(Self {
                endpoint: given
                    .clone()
                    .unwrap_or_else(|| format!("https://{account}.blob.core.windows.net")),
                account,
                container,
                prefix: parts.next().unwrap_or_default().to_owned(),
            }))
        })
    }

    /// As people know it.
    #[must_use]
    pub fn url(&self) -> String {
        let (account, container, prefix) = (&self.account, &self.container, &self.prefix);
        format!("az://{account}/{container}/{prefix}")
    }

    /// Whether it is in an emulator on this machine.
    #[must_use]
    pub fn is_emulator(&self) -> bool {
        let authority = self.endpoint.split_once("://").map_or("", |(_, rest)| rest);
        is_emulator(authority)
    }
}

/// Account and container, or else a folder.
type Named = Result<(String, String), Option<PathBuf>>;

fn parse(text: &str) -> Result<Named, String> {
    let Some(rest) = text.strip_prefix("az://") else {
        if text.contains("://") {
            return Err("must be a folder or az://ACCOUNT/CONTAINER".to_owned());
        }
        return Ok(Err((!text.is_empty()).then(|| PathBuf::from(text))));
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    // docs: learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
    let account = |name: &str| (3..=24).contains(&name.len()) && name.bytes().all(plain);
    let container = |name: &str| {
        (3..=63).contains(&name.len())
            && name.bytes().all(|byte| plain(byte) || byte == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-')
            && !name.contains("--")
    };
    match rest.trim_end_matches('/').split_once('/') {
        Some((first, second)) if account(first) && container(second) => {
            Ok(Ok((first.to_owned(), second.to_owned())))
        }
        _ => Err("must be az://ACCOUNT/CONTAINER: the account 3 to 24 small letters and digits, the container 3 to 63 of them and single dashes".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(objects: &str, endpoint: &str) -> Result<ObjectsAddress, SettingsError> {
        let chosen = |name, text: &str| Chosen {
            name,
            text: text.to_owned(),
            from: "test".to_owned(),
        };
        ObjectsAddress::of(
            &chosen("objects", objects),
            &chosen("azure_blob_endpoint", endpoint),
            None,
        )
    }

    #[test]
    fn a_folder_of_databases_is_read_and_shares_the_endpoint() {
        let chosen = |name, text: &str| Chosen {
            name,
            text: text.to_owned(),
            from: "test".to_owned(),
        };
        let read = |folder: &str, endpoint: &str| {
            BlobFolder::of(
                &chosen("databases_blob", folder),
                &chosen("azure_blob_endpoint", endpoint),
            )
        };
        assert_eq!(read("", ""), Ok(None));
        let folder = read("az://lab/data/blast-db/", "").unwrap().unwrap();
        assert_eq!(folder.endpoint, "https://lab.blob.core.windows.net");
        assert_eq!(
            (folder.container.as_str(), folder.prefix.as_str()),
            ("data", "blast-db")
        );
        assert_eq!(folder.url(), "az://lab/data/blast-db");
        let emulator = "http://127.0.0.1:10000/devstoreaccount1";
        let folder = read("az://devstoreaccount1/data", emulator)
            .unwrap()
            .unwrap();
        assert!(folder.is_emulator());
        // The objects may be in a folder all the same.
        let objects = ObjectsAddress::of(
            &chosen("objects", ""),
            &chosen("azure_blob_endpoint", emulator),
            Some(&folder),
        );
        assert_eq!(objects, Ok(ObjectsAddress::Folder(None)));
        let elsewhere = "http://10.213.0.1:10000/devstoreaccount1";
        let folder = read("az://devstoreaccount1/data", elsewhere).unwrap();
        assert!(folder.unwrap().is_emulator());
        for wrong in ["lab/data", "az://lab", "/folder", "az://Lab/data/x"] {
            read(wrong, "").unwrap_err();
        }
    }

    #[test]
    fn folders_and_containers_are_told_apart() {
        assert_eq!(read("", ""), Ok(ObjectsAddress::Folder(None)));
        assert_eq!(
            read("/a/b", ""),
            Ok(ObjectsAddress::Folder(Some("/a/b".into())))
        );
        let real = read("az://lab/searches", "").unwrap();
        let expected = ObjectsAddress::AzureBlobs {
            endpoint: "https://lab.blob.core.windows.net".to_owned(),
            account: "lab".to_owned(),
            container: "searches".to_owned(),
        };
        assert_eq!(real, expected);
        assert!(!real.is_emulator());
        let emulator = "http://127.0.0.1:10000/devstoreaccount1";
        assert!(
            read("az://devstoreaccount1/abc", emulator)
                .unwrap()
                .is_emulator()
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (objects, endpoint) in [
            ("az://", ""),
            ("az://lab", ""),
            ("az://lab/a", ""),
            ("az://Lab/searches", ""),
            ("az://lab/sea--rches", ""),
            ("az://lab/searches/more", ""),
            ("s3://lab/searches", ""),
            ("/a", "https://x"),
            ("az://lab/searches", "http://lab.blob.core.windows.net"),
            ("az://lab/searches", "lab"),
        ] {
            assert!(read(objects, endpoint).is_err(), "{objects} {endpoint}");
        }
    }
}
