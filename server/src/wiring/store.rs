//! Opening the store that the settings name.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

#[cfg(feature = "azure")]
use elb_engine::{
    azure::tables::{Access, TablesConfig},
    repository::AzureRepository,
};
use elb_engine::{
    clock::Clock,
    repository::{Repository, RepositoryError, SqliteRepository},
};
use thiserror::Error;

#[cfg(feature = "azure")]
use crate::settings::AzureAuth;
use crate::settings::{AzureSettings, SettingsError, StoreAddress};

/// The file of the embedded store under the data folder.
const STATE: &str = "state.sqlite";

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It refuses, or is away.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// There is none.
    #[error("{0} holds no state of elb-dashboard; name its data folder with --data-dir")]
    None(String),
    /// How to prove who this server is makes no sense there.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There is no such identity here.
    #[cfg(feature = "azure")]
    #[error(transparent)]
    Identity(#[from] elb_engine::azure::AzureError),
    /// This program was built without Azure.
    #[cfg(not(feature = "azure"))]
    #[error(
        "this program was built without Azure (feature `azure`); the store can only be sqlite:"
    )]
    NoAzure,
}

/// Opens a store, making it if it is not there.
///
/// # Errors
/// What stands against it, and what to do.
pub async fn open(
    address: &StoreAddress,
    azure: &AzureSettings,
    data: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Repository>, StoreError> {
    match address {
        StoreAddress::Sqlite(path) => Ok(Arc::new(SqliteRepository::open(&file_of(
            path.as_deref(),
            data,
        ))?)),
        #[cfg(feature = "azure")]
        StoreAddress::AzureTables { .. } => {
            let config = tables(address, azure, &clock)?;
            Ok(Arc::new(AzureRepository::connect(&config, clock).await?))
        }
        #[cfg(not(feature = "azure"))]
        StoreAddress::AzureTables { .. } => {
            let _ = (azure, clock);
            Err(StoreError::NoAzure)
        }
    }
}

/// Opens a store that must be there, to read it; nothing of it is written.
///
/// # Errors
/// What stands against it, and what to do.
pub async fn open_to_read(
    address: &StoreAddress,
    azure: &AzureSettings,
    data: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Repository>, StoreError> {
    match address {
        StoreAddress::Sqlite(path) => {
            let file = file_of(path.as_deref(), data);
            if !file.is_file() {
                let folder = file.parent().unwrap_or(data).display().to_string();
                return Err(StoreError::None(folder));
            }
            Ok(Arc::new(SqliteRepository::open_read_only(&file)?))
        }
        #[cfg(feature = "azure")]
        StoreAddress::AzureTables { .. } => {
            let config = tables(address, azure, &clock)?;
            let opened = AzureRepository::connect_to_read(&config, clock).await;
            Ok(Arc::new(opened?))
        }
        #[cfg(not(feature = "azure"))]
        StoreAddress::AzureTables { .. } => {
            let _ = (azure, clock);
            Err(StoreError::NoAzure)
        }
    }
}

/// The file of an embedded store.
#[must_use]
pub fn file_of(path: Option<&Path>, data: &Path) -> PathBuf {
    path.map_or_else(|| data.join(STATE), Path::to_owned)
}

/// How the table of an address in Azure is reached.
///
/// # Errors
/// If the settings do not say who asks.
#[cfg(feature = "azure")]
pub fn tables(
    address: &StoreAddress,
    azure: &AzureSettings,
    clock: &Arc<dyn Clock>,
) -> Result<TablesConfig, StoreError> {
    let StoreAddress::AzureTables {
        endpoint,
        account,
        table,
    } = address
    else {
        return Err(StoreError::None("a file".to_owned()));
    };
    let access = match azure.access_to(address)? {
        AzureAuth::Key(key) => Access::Key(key),
        AzureAuth::Identity(name) => Access::Tokens(credential(&name, Arc::clone(clock))?),
    };
    Ok(TablesConfig {
        endpoint: endpoint.clone(),
        account: account.clone(),
        table: table.clone(),
        access,
    })
}

/// The credential of an identity, by its name in the settings. There is one in the process: tables and
/// blobs share its tokens.
///
/// # Errors
/// If the environment lacks what the identity needs.
#[cfg(feature = "azure")]
pub fn credential(
    name: &str,
    clock: Arc<dyn Clock>,
) -> Result<elb_engine::azure::AzureCredential, elb_engine::azure::AzureError> {
    use std::sync::{Mutex, PoisonError};

    use elb_engine::azure::{AzureCredential, Identity};

    static MADE: Mutex<Option<(Identity, AzureCredential)>> = Mutex::new(None);
    let identity = Identity::parse(name).unwrap_or(Identity::Auto);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, credential)) = &*made
        && *of == identity
    {
        return Ok(credential.clone());
    }
    let credential = AzureCredential::new(identity, &|name| std::env::var(name).ok(), clock)?;
    *made = Some((identity, credential.clone()));
    Ok(credential)
}
