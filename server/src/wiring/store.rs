//! Opening the store that the settings name.

use std::{path::Path, sync::Arc};

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
        StoreAddress::Sqlite(None) => Ok(Arc::new(SqliteRepository::open(&data.join(STATE))?)),
        StoreAddress::Sqlite(Some(path)) => Ok(Arc::new(SqliteRepository::open(path)?)),
        #[cfg(feature = "azure")]
        StoreAddress::AzureTables {
            endpoint,
            account,
            table,
        } => {
            use elb_engine::{
                azure::tables::{Access, TablesConfig},
                repository::AzureRepository,
            };
            let access = match azure.access_to(address)? {
                AzureAuth::Key(key) => Access::Key(key),
                AzureAuth::Identity(name) => Access::Tokens(credential(&name, clock.clone())?),
            };
            let config = TablesConfig {
                endpoint: endpoint.clone(),
                account: account.clone(),
                table: table.clone(),
                access,
            };
            Ok(Arc::new(AzureRepository::connect(&config, clock).await?))
        }
        #[cfg(not(feature = "azure"))]
        StoreAddress::AzureTables { .. } => {
            let _ = (azure, clock);
            Err(StoreError::NoAzure)
        }
    }
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
