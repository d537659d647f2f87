//! Object stores: how they are opened, and how long one that fails is asked again.
//!
//! Owns the signing of requests (the pod's identity, or an emulator's key), their time limits, and which errors
//! may pass. A store that refuses may pass too: a new role takes some minutes to count.

use std::{fmt, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore, RetryConfig, azure::MicrosoftAzureBuilder,
    local::LocalFileSystem, path::Path as Key,
};
use tokio::time::Instant;

mod content;

pub use content::ContentMd5;
use content::Watchful;

use crate::{
    end::Failure,
    location::{Kind, Location},
    say,
};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one request may take: a part of 8 MiB over a line that others use too.
const REQUEST: Duration = Duration::from_secs(60);
/// How often the store's client repeats a request by itself; beyond that, this program does.
const REPEATS: usize = 2;
/// No request is repeated by the store's client after so long.
const REPEAT_FOR: Duration = Duration::from_secs(20);
/// The first wait before something is done again, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// How stores are asked.
#[derive(Clone)]
pub struct Access {
    /// Where Azure Blob Storage is, unless it is the usual place.
    pub endpoint: Option<String>,
    /// The account's key, of an emulator.
    pub key: Option<String>,
    /// How long a store that fails is asked again.
    pub retry_for: Duration,
}

impl fmt::Debug for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Access")
            .field("endpoint", &self.endpoint)
            .field("key", &self.key.as_ref().map(|_| "…"))
            .field("retry_for", &self.retry_for)
            .finish()
    }
}

impl Access {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), String> {
        match (&self.endpoint, &self.key) {
            (None, Some(_)) => Err(
                "ELB_AZURE_KEY is for an emulator, which ELB_AZURE_BLOB_ENDPOINT must name".to_owned(),
            ),
            (Some(endpoint), None) if !endpoint.starts_with("https://") => Err(
                "ELB_AZURE_BLOB_ENDPOINT must begin with https://, over which alone tokens are sent; an emulator needs its key (ELB_AZURE_KEY)".to_owned(),
            ),
            (Some(endpoint), Some(_)) if !endpoint.starts_with("http") => {
                Err("ELB_AZURE_BLOB_ENDPOINT must begin with http:// or https://".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The store of a place. Nothing is asked yet.
    ///
    /// # Errors
    /// If what is set cannot fit together.
    pub fn open(&self, location: &Location) -> Result<Place, Failure> {
        let store: Arc<dyn ObjectStore> = match &location.kind {
            Kind::Files => Arc::new(LocalFileSystem::new()),
            Kind::Blobs { account, container } => self.blobs(account, container)?,
        };
        Ok(Place {
            store,
            key: location.key.clone(),
            url: location.to_string(),
            retry_for: self.retry_for,
        })
    }

    fn blobs(&self, account: &str, container: &str) -> Result<Arc<dyn ObjectStore>, Failure> {
        let plain_http = self.endpoint.as_deref();
        let plain_http = plain_http.is_some_and(|endpoint| endpoint.starts_with("http://"));
        let options = ClientOptions::new()
            .with_connect_timeout(CONNECT)
            .with_timeout(REQUEST)
            .with_allow_http(plain_http);
        // What the identities of pods need comes from variables that the cluster sets.
        let mut builder = match &self.key {
            Some(key) => MicrosoftAzureBuilder::new().with_access_key(key),
            None => MicrosoftAzureBuilder::from_env(),
        };
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        let store = builder
            .with_account(account)
            .with_container_name(container)
            .with_client_options(options)
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: REPEATS,
                retry_timeout: REPEAT_FOR,
            })
            .with_http_connector(Watchful)
            .build();
        let store = store.map_err(|error| {
            Failure::Configuration(format!(
                "the storage account {account} cannot be asked: {}",
                told(&error)
            ))
        })?;
        Ok(Arc::new(store))
    }
}

/// A place in an opened store.
#[derive(Debug, Clone)]
pub struct Place {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// Where in it.
    pub key: Key,
    /// As people know it.
    pub url: String,
    retry_for: Duration,
}

impl Place {
    /// Something below it.
    pub fn join(&self, name: &str) -> Self {
        Self {
            key: self.key.clone().join(name),
            url: format!("{}/{name}", self.url),
            ..self.clone()
        }
    }

    /// Does something until it ends well, ends in an error that will not pass, or has failed for so long as
    /// is allowed since it failed first.
    pub async fn patiently<T, Doing>(
        &self,
        mut work: impl FnMut() -> Doing,
    ) -> object_store::Result<T>
    where
        Doing: Future<Output = object_store::Result<T>>,
    {
        let (mut wait, longest) = WAITS;
        let mut until = None;
        loop {
            let error = match work().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let until = *until.get_or_insert_with(|| Instant::now() + self.retry_for);
            if is_final(&error) || Instant::now() + wait > until {
                return Err(error);
            }
            say::line(&format!(
                "{}: {}; once more in {wait:?}",
                self.url,
                told(&error)
            ));
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(longest);
        }
    }

    /// What an error means that came after all patience.
    pub fn failed(&self, what: &str, error: &Error) -> Failure {
        let url = &self.url;
        if is_missing(error) {
            return Failure::Configuration(format!("{what}: there is no {url}"));
        }
        match error {
            Error::Precondition { .. } => {
                Failure::TryAgain(format!("{what}: {url} was changed meanwhile"))
            }
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                Failure::TryAgain(format!(
                    "{what}: {url} is refused to this pod's identity; it needs the role \"Storage Blob Data Contributor\" (to stage, \"Reader\"), which takes some minutes to count"
                ))
            }
            other => Failure::TryAgain(format!("{what}: {url}: {}", told(other))),
        }
    }
}

/// Whether another try would end the same.
fn is_final(error: &Error) -> bool {
    is_missing(error)
        || matches!(
            error,
            Error::Precondition { .. }
                | Error::AlreadyExists { .. }
                | Error::InvalidPath { .. }
                | Error::NotSupported { .. }
                | Error::NotImplemented { .. }
        )
}

/// Of a listing that was refused, `object_store` 0.14 tells the status in its text only.
fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) || error.to_string().contains("status code: 404")
}

/// The first line of what a store says, and the innermost cause if that is another. Requests are signed in
/// their heads, so that no address in a text can be a secret.
pub fn told(error: &Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let cause = cause.to_string();
    let cause = cause.lines().next().unwrap_or_default();
    let whole = match line.contains(cause) {
        true => line.to_owned(),
        false => format!("{line}: {cause}"),
    };
    elb_core::text::cap(&whole, 400)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn place(retry_for: Duration) -> Place {
        let access = Access {
            endpoint: None,
            key: None,
            retry_for,
        };
        access
            .open(&Location::parse("file:///nowhere").unwrap())
            .unwrap()
    }

    fn busy() -> Error {
        Error::Generic {
            store: "test",
            source: "busy".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_done_again_and_what_may_not_is_not() {
        let tries = AtomicU32::new(0);
        let place = place(Duration::from_secs(60));
        let third = place.patiently(|| async {
            match tries.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => Err(busy()),
                _ => Ok(7),
            }
        });
        assert_eq!(third.await.unwrap(), 7);
        tries.store(0, Ordering::SeqCst);
        let missing: object_store::Result<()> = place
            .patiently(|| async {
                tries.fetch_add(1, Ordering::SeqCst);
                Err(Error::NotFound {
                    path: "x".to_owned(),
                    source: "none".into(),
                })
            })
            .await;
        assert_eq!(tries.load(Ordering::SeqCst), 1);
        let failure = place.failed("the query", &missing.unwrap_err());
        assert_eq!(failure.exit_code(), 78);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_has_an_end() {
        let place = place(Duration::from_secs(60));
        let begun = Instant::now();
        let failed: object_store::Result<()> = place.patiently(|| async { Err(busy()) }).await;
        assert!(begun.elapsed() > Duration::from_secs(40));
        assert!(begun.elapsed() <= Duration::from_secs(60));
        let failure = place.failed("the query", &failed.unwrap_err());
        assert_eq!(failure.exit_code(), 75);
        assert!(failure.to_string().contains("busy"), "{failure}");
    }
}
