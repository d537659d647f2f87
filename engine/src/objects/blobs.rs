//! Azure Blob Storage as the store of objects.
//!
//! Owns how requests are signed (with the process's credential, or with a key where one was allowed), their
//! time limits and how often one is repeated. The container is created at the start if that is allowed.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use object_store::{
    BackoffConfig, ClientOptions, CredentialProvider, ObjectStore, RetryConfig,
    azure::{AzureAccessKey, AzureAuthorizer, AzureCredential as Signature, MicrosoftAzureBuilder},
    client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody},
};

use super::{ObjectError, Objects, remote::ROLE};
use crate::azure::{AzureCredential, STORAGE_SCOPE, untrusted};

mod client;

pub use client::BlobClient;
use client::{LONGEST_WAIT, innermost};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one request may take: a part of 4 MiB over a line that others use too.
const REQUEST: Duration = Duration::from_secs(15);
/// No request is repeated after so long.
const REPEAT_FOR: Duration = Duration::from_secs(20);
/// How often a request is repeated at most.
const REPEATS: usize = 5;

/// How requests are signed.
#[derive(Debug, Clone)]
pub enum BlobAccess {
    /// With tokens of an identity; only over https.
    Identity(AzureCredential),
    /// With the account's key: for emulators, or where it is explicitly allowed.
    Key(String),
}

/// Where the objects are.
#[derive(Debug, Clone)]
pub struct BlobsConfig {
    /// The storage account.
    pub account: String,
    /// The container.
    pub container: String,
    /// Where requests go, without the container: `https://ACCOUNT.blob.core.windows.net`, or an emulator's
    /// address with its account.
    pub endpoint: String,
    /// How requests are signed.
    pub access: BlobAccess,
    /// What sends them.
    pub client: BlobClient,
    /// Whether the container is created if it is not there.
    pub create: bool,
    /// The folder of local copies: empty, and of this process alone.
    pub copies: PathBuf,
    /// How much of it is kept, in bytes.
    pub copies_bytes: u64,
}

/// A container's store, with the client and the signature that it uses.
struct Opened {
    store: Arc<dyn ObjectStore>,
    client: HttpClient,
    signer: Arc<dyn CredentialProvider<Credential = Signature>>,
}

/// Sets a store up; nothing is asked yet.
fn opened(
    account: &str,
    container: &str,
    endpoint: &str,
    access: &BlobAccess,
    client: &BlobClient,
) -> Result<Opened, ObjectError> {
    if matches!(access, BlobAccess::Identity(_)) && !endpoint.starts_with("https://") {
        return Err(ObjectError::SetUp(format!(
            "{endpoint} is no https address, over which alone tokens are sent; an emulator needs its key (ELB_AZURE_AUTH=key)"
        )));
    }
    let client = client.renewing(match access {
        BlobAccess::Identity(credential) => Some(credential),
        BlobAccess::Key(_) => None,
    });
    let options = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_timeout(REQUEST)
        .with_allow_http(endpoint.starts_with("http://"));
    let signer: Arc<dyn CredentialProvider<Credential = Signature>> = match access {
        BlobAccess::Identity(credential) => Arc::new(Signer(credential.clone())),
        BlobAccess::Key(key) => {
            let key = AzureAccessKey::try_new(key).map_err(|_| {
                ObjectError::SetUp(
                    "the key of the storage account (ELB_AZURE_KEY) is no base64".to_owned(),
                )
            })?;
            let key = Signature::AccessKey(key);
            Arc::new(object_store::StaticCredentialProvider::new(key))
        }
    };
    let store = MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name(container)
        .with_endpoint(endpoint.to_owned())
        .with_credentials(Arc::clone(&signer))
        .with_client_options(options.clone())
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: LONGEST_WAIT,
                base: 2.,
            },
            max_retries: REPEATS,
            retry_timeout: REPEAT_FOR,
        })
        .with_http_connector(client.clone())
        .build()
        .map_err(|error| ObjectError::SetUp(error.to_string()))?;
    let client = client.connect(&options)?;
    Ok(Opened {
        store: Arc::new(store),
        client,
        signer,
    })
}

/// A container that is only read, such as that of the databases. Nothing is asked yet.
///
/// # Errors
/// [`ObjectError::SetUp`] if what is given cannot fit together.
pub fn to_read(
    account: &str,
    container: &str,
    endpoint: &str,
    access: &BlobAccess,
    client: &BlobClient,
) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    Ok(opened(account, container, endpoint, access, client)?.store)
}

impl Objects {
    /// Objects in a container, which is created if needed and allowed.
    ///
    /// # Errors
    /// If it cannot be reached or used: what is missing, and what to do.
    pub async fn in_blobs(config: BlobsConfig) -> Result<Self, ObjectError> {
        let opened = opened(
            &config.account,
            &config.container,
            &config.endpoint,
            &config.access,
            &config.client,
        )?;
        Container {
            config: &config,
            client: &opened.client,
            signer: &*opened.signer,
        }
        .ensure()
        .await?;
        Ok(Self::elsewhere(
            opened.store,
            config.client.breaker().clone(),
            config.copies,
            config.copies_bytes,
        ))
    }
}

/// The container while it is looked for.
struct Container<'a> {
    config: &'a BlobsConfig,
    client: &'a HttpClient,
    signer: &'a dyn CredentialProvider<Credential = Signature>,
}

impl Container<'_> {
    /// Creates it if it is not there.
    async fn ensure(&self) -> Result<(), ObjectError> {
        let BlobsConfig {
            account, container, ..
        } = self.config;
        let refused = |what: &str| {
            ObjectError::Denied(format!(
                "{what} in the storage account {account}: access is refused; give this server's identity the role \"{ROLE}\" on the account or the container"
            ))
        };
        match self.ask("GET").await? {
            200 => return Ok(()),
            404 if self.config.create => {}
            404 => {
                return Err(ObjectError::SetUp(format!(
                    "there is no container {container} in the storage account {account}"
                )));
            }
            401 => {
                return Err(ObjectError::Denied(format!(
                    "the storage account {account} does not accept this server's identity; check ELB_AZURE_AUTH and the account's name"
                )));
            }
            403 => {
                return Err(refused(&format!(
                    "the container {container} cannot be read"
                )));
            }
            status => return Err(unexpected(status)),
        }
        match self.ask("PUT").await? {
            201 => {
                tracing::info!(%account, %container, "the container of the objects was created");
                Ok(())
            }
            // Another server was quicker.
            409 => Ok(()),
            401 | 403 => Err(refused(&format!(
                "the container {container} does not exist and cannot be created"
            ))),
            status => Err(unexpected(status)),
        }
    }

    /// Sends a request for the container itself, again a few times if the service is busy; the status.
    async fn ask(&self, method: &str) -> Result<u16, ObjectError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = tokio::time::timeout(REQUEST, self.send(method)).await;
            let failure = match outcome {
                Ok(Ok(status)) if status < 500 && status != 429 => return Ok(status),
                Ok(Ok(status)) => unexpected(status),
                Ok(Err(error)) => error,
                Err(_) => ObjectError::Away(format!(
                    "{} does not answer within {} s",
                    self.config.endpoint,
                    REQUEST.as_secs()
                )),
            };
            if tries == TRIES_AT_START || !matches!(failure, ObjectError::Away(_)) {
                return Err(failure);
            }
        }
    }

    async fn send(&self, method: &str) -> Result<u16, ObjectError> {
        let BlobsConfig {
            endpoint,
            container,
            account,
            ..
        } = self.config;
        let url = format!(
            "{}/{container}?restype=container",
            endpoint.trim_end_matches('/')
        );
        let wrong = |why: &str| ObjectError::SetUp(format!("{url} cannot be asked: {why}"));
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method.parse().map_err(|_| wrong("no such method"))?;
        *request.uri_mut() = url.parse().map_err(|_| wrong("it is no address"))?;
        let signature = self.signer.get_credential().await.map_err(denied)?;
        AzureAuthorizer::new(&signature, account)
            .try_authorize(&mut request)
            .map_err(|error| wrong(&error.to_string()))?;
        let answer = self.client.execute(request).await;
        let answer = answer.map_err(|error| {
            let cause = innermost(&error);
            ObjectError::Away(match untrusted(&cause) {
                Some(reason) => format!("{endpoint} is not trusted: {reason}"),
                None => format!("{endpoint} cannot be reached: {cause}"),
            })
        })?;
        Ok(answer.status().as_u16())
    }
}

/// How often the container is asked for at the start, each time up to [`REQUEST`].
const TRIES_AT_START: usize = 2;

fn unexpected(status: u16) -> ObjectError {
    ObjectError::Away(format!("it answers {status}"))
}

/// The identity gives no token.
fn denied(error: object_store::Error) -> ObjectError {
    ObjectError::Denied(innermost(&error))
}

/// Signs with the process's credential.
#[derive(Debug)]
struct Signer(AzureCredential);

#[async_trait]
impl CredentialProvider for Signer {
    type Credential = Signature;

    async fn get_credential(&self) -> object_store::Result<Arc<Signature>> {
        let token = self.0.token(STORAGE_SCOPE).await;
        let token = token.map_err(|error| object_store::Error::Generic {
            store: "MicrosoftAzure",
            source: Box::new(error),
        })?;
        Ok(Arc::new(Signature::BearerToken(token.secret().to_owned())))
    }
}
