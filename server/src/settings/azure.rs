//! How this server proves to Azure who it is, as settings.

use std::fmt;

use super::{BlobFolder, ObjectsAddress, SettingsError, sources::Chosen, store::StoreAddress};

/// Account and key of every emulator of Azure Storage, which are no secret
/// (learn.microsoft.com/azure/storage/common/storage-connect-azurite).
pub(super) const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Whose identity is used; the names are those of `elb_engine::azure::Identity`.
const IDENTITIES: [&str; 5] = [
    "auto",
    "managed-identity",
    "workload-identity",
    "cli",
    "client-secret",
];

/// Proof of identity.
#[derive(Clone, PartialEq, Eq)]
pub enum AzureAuth {
    /// An identity of Microsoft Entra, by its name in the settings.
    Identity(String),
    /// The key of the storage account.
    Key(String),
}

impl fmt::Debug for AzureAuth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(name) => out.debug_tuple("Identity").field(name).finish(),
            Self::Key(_) => out.write_str("Key(…)"),
        }
    }
}

/// How this server proves who it is, as it was given: what comes of it depends on where it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct AzureSettings {
    pub(super) auth: Chosen,
    pub(super) key: Chosen,
    pub(super) allow_key: bool,
}

impl fmt::Debug for AzureSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AzureSettings")
            .field("auth", &self.auth.text)
            .finish_non_exhaustive()
    }
}

impl AzureSettings {
    /// The identity of this name and no key, as nothing but the defaults would give.
    #[must_use]
    pub fn identity(name: &str) -> Self {
        let chosen = |name, text: &str| Chosen {
            name,
            text: text.to_owned(),
            from: "default".to_owned(),
        };
        Self {
            auth: chosen("azure_auth", name),
            key: chosen("azure_key", ""),
            allow_key: false,
        }
    }

    /// What is used for a store. A key is for an emulator, or must be allowed.
    ///
    /// # Errors
    /// What does not fit together.
    pub fn access_to(&self, store: &StoreAddress) -> Result<AzureAuth, SettingsError> {
        self.access(store.account(), store.is_emulator())
    }

    /// What is used for the objects; as [`Self::access_to`].
    ///
    /// # Errors
    /// What does not fit together.
    pub fn access_to_objects(&self, objects: &ObjectsAddress) -> Result<AzureAuth, SettingsError> {
        self.access(objects.account(), objects.is_emulator())
    }

    /// What is used for the databases; as [`Self::access_to`].
    ///
    /// # Errors
    /// What does not fit together.
    pub fn access_to_databases(&self, folder: &BlobFolder) -> Result<AzureAuth, SettingsError> {
        self.access(Some(&folder.account), folder.is_emulator())
    }

    fn access(&self, account: Option<&str>, emulator: bool) -> Result<AzureAuth, SettingsError> {
        let auth = self.auth.read(|text| match text {
            "key" => Ok(None),
            name if IDENTITIES.contains(&name) => Ok(Some(name.to_owned())),
            _ => Err(format!("must be {} or key", IDENTITIES.join(", "))),
        })?;
        let key = self.key.text.trim();
        match auth {
            Some(name) if name == "auto" && emulator => Ok(AzureAuth::Key(match key {
                "" => EMULATOR_KEY.to_owned(),
                key => key.to_owned(),
            })),
            Some(name) if key.is_empty() => Ok(AzureAuth::Identity(name)),
            Some(name) => Err(SettingsError::Dangerous(format!(
                "azure_key is set, but azure_auth is {name}, which does not use it: remove the key, or set ELB_AZURE_AUTH=key"
            ))),
            None if key.is_empty() && account == Some(EMULATOR_ACCOUNT) && emulator => {
                Ok(AzureAuth::Key(EMULATOR_KEY.to_owned()))
            }
            None if key.is_empty() => Err(SettingsError::Dangerous(
                "azure_auth is key, and there is none: set ELB_AZURE_KEY".to_owned(),
            )),
            None if emulator || self.allow_key => Ok(AzureAuth::Key(key.to_owned())),
            None => Err(SettingsError::Dangerous(
                "azure_auth is key: whoever has an account's key can do everything with the account, for ever. Use an identity (ELB_AZURE_AUTH=auto), or allow it with ELB_AZURE_ALLOW_KEY=true".to_owned(),
            )),
        }
    }
}
