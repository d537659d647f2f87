//! Opening the objects where the settings say that they are.

use std::path::Path;

use elb_engine::objects::{ObjectError, Objects};
use thiserror::Error;

use crate::settings::{ObjectsAddress, Settings, SettingsError};

/// The folder of the objects under the data folder.
const OBJECTS: &str = "objects";

/// Why the objects cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// They are not there, or refuse.
    #[error("the objects cannot be used: {0}")]
    Objects(#[from] ObjectError),
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
        "this program was built without Azure (feature `azure`); the objects can only be in a folder"
    )]
    NoAzure,
}

/// The connections to stores elsewhere: one pool, however many containers are used.
#[derive(Debug)]
pub struct Connections {
    #[cfg(feature = "azure")]
    objects: elb_engine::objects::blobs::BlobClient,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            #[cfg(feature = "azure")]
            objects: elb_engine::objects::blobs::BlobClient::new(
                "object storage",
                std::sync::Arc::new(elb_engine::clock::SystemClock),
            ),
        }
    }
}

#[cfg(feature = "azure")]
impl Connections {
    /// For results of searches that others have started, with a breaker of their own.
    pub(super) fn results_client(&self) -> elb_engine::objects::blobs::BlobClient {
        self.objects.beside(
            "results storage",
            std::sync::Arc::new(elb_engine::clock::SystemClock),
        )
    }
}

/// Opens the objects. With `create`, folder or container is made if it is not there. Copies of what is
/// elsewhere are put into `copies`, which is of this process alone.
///
/// # Errors
/// What stands against it, and what to do.
pub async fn open(
    settings: &Settings,
    data: &Path,
    copies: &Path,
    connections: &Connections,
    create: bool,
) -> Result<Objects, OpenError> {
    match &settings.objects {
        ObjectsAddress::Folder(folder) => {
            let folder = folder.clone().unwrap_or_else(|| data.join(OBJECTS));
            Ok(if create {
                Objects::in_folder(&folder)?
            } else {
                Objects::in_existing_folder(&folder)?
            })
        }
        #[cfg(feature = "azure")]
        ObjectsAddress::AzureBlobs {
            endpoint,
            account,
            container,
        } => {
            use elb_engine::{
                clock::SystemClock,
                objects::blobs::{BlobAccess, BlobsConfig},
            };

            use crate::settings::AzureAuth;
            let access = match settings.azure.access_to_objects(&settings.objects)? {
                AzureAuth::Key(key) => BlobAccess::Key(key),
                AzureAuth::Identity(name) => {
                    let clock = std::sync::Arc::new(SystemClock);
                    BlobAccess::Identity(super::store::credential(&name, clock)?)
                }
            };
            let config = BlobsConfig {
                account: account.clone(),
                container: container.clone(),
                endpoint: endpoint.clone(),
                access,
                client: connections.objects.clone(),
                create,
                copies: copies.to_owned(),
                copies_bytes: settings.objects_cache,
            };
            Ok(Objects::in_blobs(config).await?)
        }
        #[cfg(not(feature = "azure"))]
        ObjectsAddress::AzureBlobs { .. } => {
            let _ = (copies, connections);
            Err(OpenError::NoAzure)
        }
    }
}

/// The databases in an object store, if the settings name one. Nothing is asked yet.
///
/// # Errors
/// What does not fit together.
#[cfg(feature = "azure")]
pub fn databases(
    settings: &Settings,
    connections: &Connections,
    clock: std::sync::Arc<dyn elb_engine::clock::Clock>,
) -> Result<Option<elb_engine::databases::blob::BlobDatabases>, OpenError> {
    use elb_engine::{
        databases::blob::{BlobDatabases, Key},
        objects::blobs::{BlobAccess, to_read},
    };

    use crate::settings::AzureAuth;
    let Some(folder) = &settings.databases_blob else {
        return Ok(None);
    };
    let access = match settings.azure.access_to_databases(folder)? {
        AzureAuth::Key(key) => BlobAccess::Key(key),
        AzureAuth::Identity(name) => BlobAccess::Identity(super::store::credential(
            &name,
            std::sync::Arc::clone(&clock),
        )?),
    };
    let client = connections
        .objects
        .beside("database storage", std::sync::Arc::clone(&clock));
    let store = to_read(
        &folder.account,
        &folder.container,
        &folder.endpoint,
        &access,
        &client,
    )?;
    let prefix = Key::from(folder.prefix.as_str());
    let breaker = client.breaker().clone();
    Ok(Some(BlobDatabases::new(
        store,
        breaker,
        prefix,
        folder.url(),
        clock,
    )))
}
