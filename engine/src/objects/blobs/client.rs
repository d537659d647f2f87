//! The HTTP client of blobs: one pool of connections, and a breaker for each thing that is reached.
//!
//! Owns that a wait which the service asks for is kept, that a service which does not answer is left alone
//! for a moment (whoever wants something of it is told why at once), and that what was refused because of
//! its token is sent once more with a new one.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpService, ReqwestConnector,
    },
};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use thiserror::Error;

use crate::{
    azure::{AzureCredential, STORAGE_SCOPE},
    breaker::Breaker,
    clock::Clock,
    request::upstream,
};

/// The longest wait between two tries, and the longest that the service may ask for: whoever is told to
/// wait longer is told so at once.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Sends the requests to one container. Clones share connections and breaker.
#[derive(Debug, Clone)]
pub struct BlobClient {
    connections: Arc<Mutex<Option<HttpClient>>>,
    breaker: Breaker,
    /// Whose tokens are renewed when one is refused.
    credential: Option<AzureCredential>,
}

impl BlobClient {
    /// A client with connections of its own; `dependency` is what the breaker is shown as.
    #[must_use]
    pub fn new(dependency: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self {
            connections: Arc::default(),
            breaker: Breaker::new(dependency, clock),
            credential: None,
        }
    }

    /// A client for something else, over the same connections and with a breaker of its own.
    #[must_use]
    pub fn beside(&self, dependency: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self {
            connections: Arc::clone(&self.connections),
            breaker: Breaker::new(dependency, clock),
            credential: None,
        }
    }

    /// The same, for requests that have this credential's tokens.
    pub(super) fn renewing(&self, credential: Option<&AzureCredential>) -> Self {
        Self {
            credential: credential.cloned(),
            ..self.clone()
        }
    }

    /// Its breaker.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}

impl HttpConnector for BlobClient {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let connections = self.connections.lock();
        let mut connections = connections.unwrap_or_else(PoisonError::into_inner);
        let inner = match &*connections {
            Some(made) => made.clone(),
            None => ReqwestConnector::default().connect(options)?,
        };
        *connections = Some(inner.clone());
        Ok(HttpClient::new(Patient {
            inner,
            breaker: self.breaker.clone(),
            credential: self.credential.clone(),
        }))
    }
}

/// What was wrong, without the layers around it.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The service asks for a longer wait than anybody here can keep.
#[derive(Debug, Error)]
#[error("the service answers {status} and asks to wait for {seconds} s")]
struct TooBusy {
    status: u16,
    seconds: u64,
}

/// The service is left alone for a moment.
#[derive(Debug, Error)]
#[error("it is asked again in a moment; the last time it did not answer as it must: {0}")]
struct HeldBack(String);

/// Keeps the wait that the service asks for before anything is repeated, and asks the breaker first.
#[derive(Debug)]
struct Patient {
    inner: HttpClient,
    breaker: Breaker,
    credential: Option<AzureCredential>,
}

impl Patient {
    /// Sends a request, and once more with a new token if that of the first was refused.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let Some(credential) = &self.credential else {
            return self.inner.execute(request).await;
        };
        let began = credential.elapsed();
        let mut again = request.clone();
        let answer = self.inner.execute(request).await?;
        if answer.status().as_u16() != 401 || !credential.refused(STORAGE_SCOPE, began) {
            return Ok(answer);
        }
        let token = credential.token(STORAGE_SCOPE).await.map_err(last)?;
        let bearer = HeaderValue::from_str(&format!("Bearer {}", token.secret()));
        let mut bearer = bearer.map_err(last)?;
        bearer.set_sensitive(true);
        again.headers_mut().insert(AUTHORIZATION, bearer);
        self.inner.execute(again).await
    }
}

/// An error that is not repeated.
fn last(error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}

#[async_trait]
impl HttpService for Patient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.breaker
            .admit()
            .map_err(|reason| last(HeldBack(reason)))?;
        let answer = match upstream(self.send(request)).await {
            Ok(answer) => answer,
            Err(error) => {
                self.breaker.failed(&innermost(&error), None);
                return Err(error);
            }
        };
        let status = answer.status().as_u16();
        let wait = answer.headers().get("retry-after");
        let wait: Option<u64> = wait.and_then(|wait| wait.to_str().ok()?.trim().parse().ok());
        if status == 429 || status >= 500 {
            let wait = wait.map(Duration::from_secs);
            self.breaker.failed(&format!("it answers {status}"), wait);
        } else {
            self.breaker.answered();
        }
        if let (429 | 503, Some(seconds)) = (status, wait) {
            let wait = Duration::from_secs(seconds);
            if wait > LONGEST_WAIT {
                return Err(last(TooBusy { status, seconds }));
            }
            tokio::time::sleep(wait).await;
        }
        Ok(answer)
    }
}
