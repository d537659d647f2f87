//! A store that no server uses, for commands that change it as a whole.
//!
//! Owns how it is told that no server runs on it: the lock of its folder, or signs of life in it. A store that
//! shows any is left alone.

use std::{sync::Arc, time::Duration};

use elb_engine::{
    clock::SystemClock,
    repository::{Repository, RepositoryError},
};
use thiserror::Error;

use crate::{
    lock::DataLock,
    settings::{Settings, StoreAddress},
    wiring::store::{self, StoreError},
};

/// How often signs of life are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Why a store is not used.
#[derive(Debug, Error)]
pub enum AtRestError {
    /// An address makes no sense.
    #[error("{option} is \"{value}\": it {why}")]
    Address {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What it must be.
        why: String,
    },
    /// A server runs.
    #[error("a server uses {0}: stop it first, and start it with the other store afterwards")]
    InUse(String),
    /// There is no place for the store.
    #[error("the folder {folder} cannot be made: {source}")]
    Folder {
        /// Which.
        folder: String,
        /// Why.
        source: std::io::Error,
    },
    /// A store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A store cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// Reads the address that was given with an option.
///
/// # Errors
/// [`AtRestError::Address`].
pub fn parse(option: &'static str, text: &str) -> Result<StoreAddress, AtRestError> {
    StoreAddress::parse(text).map_err(|why| AtRestError::Address {
        option,
        value: text.to_owned(),
        why,
    })
}

/// Opens a store; one that is only read must be there, and is not written. Any other is made if need be.
///
/// # Errors
/// [`AtRestError::InUse`] if a server holds its folder, or what stands against it.
pub async fn opened(
    settings: &Settings,
    address: &StoreAddress,
    to_read: bool,
) -> Result<Arc<dyn Repository>, AtRestError> {
    let data = &settings.data_dir;
    if let StoreAddress::Sqlite(path) = address {
        let file = store::file_of(path.as_deref(), data);
        let folder = file.parent().unwrap_or(data);
        if DataLock::held_since(folder).is_some() {
            return Err(AtRestError::InUse(folder.display().to_string()));
        }
        if !to_read {
            // Of a server that has not been started yet.
            std::fs::create_dir_all(folder).map_err(|source| AtRestError::Folder {
                folder: folder.display().to_string(),
                source,
            })?;
        }
    }
    let clock = Arc::new(SystemClock);
    Ok(if to_read {
        store::open_to_read(address, &settings.azure, data, clock).await?
    } else {
        store::open(address, &settings.azure, data, clock).await?
    })
}

/// Makes sure that no process shows signs of life in a store, which is watched for half of a lease's life if
/// any is known there: signs come four times in it.
///
/// # Errors
/// [`AtRestError::InUse`], or the store's.
pub async fn require_silence(
    settings: &Settings,
    name: &str,
    address: &StoreAddress,
    store: &dyn Repository,
) -> Result<(), AtRestError> {
    // These settings may be for another store: signs of life are as far apart as there.
    let life = settings.lease_life.max(address.usual_lease_life());
    let first = store.beats().await?;
    if first.is_empty() {
        return Ok(());
    }
    eprintln!("looking whether a server that is known there still runs ...");
    let watched = async {
        loop {
            tokio::time::sleep(LOOK).await;
            let now = store.beats().await?;
            if now.iter().any(|beat| !first.contains(beat)) {
                return Ok::<(), RepositoryError>(());
            }
        }
    };
    match tokio::time::timeout(life / 2, watched).await {
        Ok(seen) => {
            seen?;
            Err(AtRestError::InUse(name.to_owned()))
        }
        Err(_) => Ok(()),
    }
}
