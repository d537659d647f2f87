//! The identity of this process at Azure, and its tokens.
//!
//! Owns which identity is used and when a token is renewed: ahead of time, by one at a time, while all
//! others go on with the one at hand. A token that is still valid is never waited for, and no token is
//! written to a log.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use azure_core::credentials::{AccessToken, Secret, TokenCredential};
use azure_identity::{
    AzureCliCredential, ClientSecretCredential, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use elb_core::time::Timestamp;
use thiserror::Error;
use tokio::sync::{Mutex, MutexGuard};

use crate::clock::Clock;

/// What tokens for tables and blobs are asked for
/// (learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory).
pub const STORAGE_SCOPE: &str = "https://storage.azure.com/.default";

/// A token is renewed so long before it expires. Tokens live an hour and more; five minutes are what
/// Azure's own libraries leave, and cover an identity service that is away for a while.
const AHEAD: Duration = Duration::from_secs(300);
/// How long one identity may take to give a token. Azure's command line needs seconds to start.
const LIMIT: Duration = Duration::from_secs(20);
/// The same while it is only tried whether it is there: outside Azure nothing answers at the address of
/// managed identities.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// How long a renewal that failed is not tried again while the old token is still valid.
const PAUSE: Duration = Duration::from_secs(10);

/// Which identity is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The first of those below that the environment is made for and that gives a token: workload
    /// identity, client secret, managed identity, command line.
    Auto,
    /// That of the machine or container; `AZURE_CLIENT_ID` chooses among several.
    ManagedIdentity,
    /// That of the Kubernetes service account (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`,
    /// `AZURE_FEDERATED_TOKEN_FILE`, which AKS sets).
    WorkloadIdentity,
    /// Whoever is signed in to Azure's command line.
    Cli,
    /// An application with a secret (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`).
    ClientSecret,
}

impl Identity {
    /// Those that `Auto` tries, in its order.
    const TRIED: [Self; 4] = [
        Self::WorkloadIdentity,
        Self::ClientSecret,
        Self::ManagedIdentity,
        Self::Cli,
    ];

    /// The name in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::ManagedIdentity => "managed-identity",
            Self::WorkloadIdentity => "workload-identity",
            Self::Cli => "cli",
            Self::ClientSecret => "client-secret",
        }
    }

    /// Reads the name in the settings.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Auto]
            .into_iter()
            .chain(Self::TRIED)
            .find(|identity| identity.as_str() == text)
    }
}

/// Why there is no token.
#[derive(Debug, Clone, Error)]
pub enum AzureError {
    /// The identity cannot be used as things are set up.
    #[error("the Azure identity {identity} cannot be used: {why}")]
    Unusable {
        /// Its name in the settings.
        identity: &'static str,
        /// What is missing.
        why: String,
    },
    /// It gives no token.
    #[error("the Azure identity {identity} gives no token: {why}")]
    NoToken {
        /// Its name in the settings.
        identity: &'static str,
        /// What the identity service says.
        why: String,
    },
    /// None of them does.
    #[error("no Azure identity was found; choose one with ELB_AZURE_AUTH. Tried: {0}")]
    None(String),
}

/// A token; its text is not shown by `Debug`.
#[derive(Clone)]
pub struct Token {
    secret: Arc<str>,
    /// When it was asked for, on the clock that no one sets.
    asked_at: Duration,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl Token {
    /// What goes after `Bearer` in a request.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Token")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Makes the credential of an identity.
type Make = Box<dyn Fn() -> Result<Arc<dyn TokenCredential>, AzureError> + Send + Sync>;

/// An identity that may be there.
struct Candidate {
    identity: Identity,
    make: Make,
    /// Made anew when one of its tokens is refused: it keeps tokens itself and would give the same again.
    credential: RwLock<Arc<dyn TokenCredential>>,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.identity.as_str())
    }
}

impl Candidate {
    fn new(identity: Identity, make: Make) -> Result<Self, AzureError> {
        let credential = RwLock::new(make()?);
        Ok(Self {
            identity,
            make,
            credential,
        })
    }

    fn credential(&self) -> Arc<dyn TokenCredential> {
        let credential = self.credential.read();
        Arc::clone(&credential.unwrap_or_else(PoisonError::into_inner))
    }
}

/// The one credential of the process; copies share everything.
#[derive(Clone)]
pub struct AzureCredential {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    candidates: Vec<Candidate>,
    tokens: RwLock<HashMap<String, Token>>,
    /// Held by whoever renews.
    renewing: Mutex<Renewing>,
}

#[derive(Debug, Default)]
struct Renewing {
    /// Which candidate gave the last token.
    chosen: Option<usize>,
    /// When the last renewal failed, on the clock that no one sets, and why.
    failed: Option<(Duration, AzureError)>,
}

impl fmt::Debug for AzureCredential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AzureCredential")
            .field("candidates", &self.inner.candidates)
            .finish_non_exhaustive()
    }
}

impl AzureCredential {
    /// The credential of an identity. Nothing is asked yet.
    ///
    /// # Errors
    /// If the environment lacks what the identity needs.
    pub fn new(
        identity: Identity,
        environment: &dyn Fn(&str) -> Option<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AzureError> {
        let candidates = if identity == Identity::Auto {
            let tried = Identity::TRIED.map(|identity| candidate(identity, environment));
            let (found, missing): (Vec<_>, Vec<_>) = tried.into_iter().partition(Result::is_ok);
            if found.is_empty() {
                let reasons = missing.into_iter().filter_map(Result::err);
                return Err(AzureError::None(joined(reasons)));
            }
            found.into_iter().flatten().collect()
        } else {
            vec![candidate(identity, environment)?]
        };
        Ok(Self::of(candidates, clock))
    }

    fn of(candidates: Vec<Candidate>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock,
                candidates,
                tokens: RwLock::default(),
                renewing: Mutex::default(),
            }),
        }
    }

    /// A valid token for a scope such as [`STORAGE_SCOPE`], mostly the one at hand.
    ///
    /// # Errors
    /// If none is valid and none can be had.
    pub async fn token(&self, scope: &str) -> Result<Token, AzureError> {
        match self.at_hand(scope) {
            Some((token, true)) => Ok(token),
            Some((token, false)) => match self.inner.renewing.try_lock() {
                // Another one is at it.
                Err(_) => Ok(token),
                Ok(renewing) => match self.renew(renewing, scope).await {
                    Ok(token) => Ok(token),
                    Err(error) => {
                        tracing::warn!(%error, "the Azure token cannot be renewed yet; the old one is still valid");
                        Ok(token)
                    }
                },
            },
            None => {
                let began = self.inner.clock.elapsed();
                let renewing = self.inner.renewing.lock().await;
                match &renewing.failed {
                    // The one that we waited for.
                    Some((at, error)) if *at >= began => Err(error.clone()),
                    _ => self.renew(renewing, scope).await,
                }
            }
        }
    }

    /// A service refuses the token of a call that began at `began`, although it has not expired. The next
    /// one is asked for anew, unless that has happened since.
    pub fn refused(&self, scope: &str, began: Duration) {
        let mut tokens = self
            .inner
            .tokens
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let old = tokens
            .get(scope)
            .is_some_and(|token| token.asked_at < began);
        if !old {
            return;
        }
        tokens.remove(scope);
        for candidate in &self.inner.candidates {
            match (candidate.make)() {
                Ok(fresh) => {
                    let mut current = candidate
                        .credential
                        .write()
                        .unwrap_or_else(PoisonError::into_inner);
                    *current = fresh;
                }
                Err(error) => tracing::warn!(%error, "the Azure credential cannot be made anew"),
            }
        }
    }

    /// The token at hand, if it is valid; and whether it need not be renewed yet.
    fn at_hand(&self, scope: &str) -> Option<(Token, bool)> {
        let tokens = self.inner.tokens.read();
        let tokens = tokens.unwrap_or_else(PoisonError::into_inner);
        let token = tokens.get(scope)?.clone();
        let now = self.inner.clock.now();
        let ahead = i64::try_from(AHEAD.as_millis()).unwrap_or(i64::MAX);
        (token.expires_at > now).then(|| {
            let fresh = token.expires_at > now.plus_ms(ahead);
            (token, fresh)
        })
    }

    async fn renew(
        &self,
        mut renewing: MutexGuard<'_, Renewing>,
        scope: &str,
    ) -> Result<Token, AzureError> {
        let now = self.inner.clock.elapsed();
        let failed_at = renewing.failed.as_ref().map(|(at, _)| *at);
        let paused = failed_at.is_some_and(|failed| now.saturating_sub(failed) < PAUSE);
        match self.at_hand(scope) {
            // Somebody renewed it while we waited.
            Some((token, true)) => return Ok(token),
            Some((token, false)) if paused => return Ok(token),
            _ => {}
        }
        match self.ask(&mut renewing.chosen, scope).await {
            Ok(token) => {
                renewing.failed = None;
                let tokens = self.inner.tokens.write();
                tokens
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(scope.to_owned(), token.clone());
                Ok(token)
            }
            Err(error) => {
                renewing.failed = Some((self.inner.clock.elapsed(), error.clone()));
                Err(error)
            }
        }
    }

    /// Asks the identity that gave a token before, else each until one does.
    async fn ask(&self, chosen: &mut Option<usize>, scope: &str) -> Result<Token, AzureError> {
        let candidates = &self.inner.candidates;
        if let Some(candidate) = chosen.and_then(|chosen| candidates.get(chosen)) {
            return self.given_by(candidate, scope, LIMIT).await;
        }
        if let [only] = candidates.as_slice() {
            return self.given_by(only, scope, LIMIT).await;
        }
        let mut reasons = Vec::new();
        for (number, candidate) in candidates.iter().enumerate() {
            let limit = match candidate.identity {
                Identity::ManagedIdentity => PROBE_LIMIT,
                _ => LIMIT,
            };
            match self.given_by(candidate, scope, limit).await {
                Ok(token) => {
                    tracing::info!(
                        identity = candidate.identity.as_str(),
                        "Azure identity found"
                    );
                    *chosen = Some(number);
                    return Ok(token);
                }
                Err(error) => reasons.push(error),
            }
        }
        Err(AzureError::None(joined(reasons)))
    }

    async fn given_by(
        &self,
        candidate: &Candidate,
        scope: &str,
        limit: Duration,
    ) -> Result<Token, AzureError> {
        let identity = candidate.identity.as_str();
        let scopes = [scope];
        let asked_at = self.inner.clock.elapsed();
        let credential = candidate.credential();
        let asking = credential.get_token(&scopes, None);
        match tokio::time::timeout(limit, asking).await {
            Ok(Ok(AccessToken { token, expires_on })) => Ok(Token {
                secret: token.secret().into(),
                asked_at,
                expires_at: Timestamp(expires_on.unix_timestamp().saturating_mul(1_000)),
            }),
            Ok(Err(error)) => Err(AzureError::NoToken {
                identity,
                why: error.to_string(),
            }),
            Err(_) => Err(AzureError::NoToken {
                identity,
                why: format!("it does not answer within {} s", limit.as_secs()),
            }),
        }
    }
}

fn joined(reasons: impl IntoIterator<Item = AzureError>) -> String {
    let reasons: Vec<String> = reasons.into_iter().map(|one| one.to_string()).collect();
    reasons.join("; ")
}

/// An identity set up from the environment.
fn candidate(
    identity: Identity,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Candidate, AzureError> {
    let name = identity.as_str();
    let needed = |variable: &str| {
        let value = environment(variable).filter(|value| !value.is_empty());
        value.ok_or_else(|| AzureError::Unusable {
            identity: name,
            why: format!("{variable} is not set"),
        })
    };
    let unusable = move |error: azure_core::Error| AzureError::Unusable {
        identity: name,
        why: error.to_string(),
    };
    let make: Make = match identity {
        Identity::WorkloadIdentity => {
            let (client, tenant) = (needed("AZURE_CLIENT_ID")?, needed("AZURE_TENANT_ID")?);
            let file = needed("AZURE_FEDERATED_TOKEN_FILE")?;
            Box::new(move || {
                let options = WorkloadIdentityCredentialOptions {
                    client_id: Some(client.clone()),
                    tenant_id: Some(tenant.clone()),
                    token_file_path: Some(file.clone().into()),
                    ..Default::default()
                };
                let made = WorkloadIdentityCredential::new(Some(options));
                Ok(made.map_err(unusable)?)
            })
        }
        Identity::ClientSecret => {
            let secret = needed("AZURE_CLIENT_SECRET")?;
            let (tenant, client) = (needed("AZURE_TENANT_ID")?, needed("AZURE_CLIENT_ID")?);
            Box::new(move || {
                let secret = Secret::new(secret.clone());
                let made = ClientSecretCredential::new(&tenant, client.clone(), secret, None);
                Ok(made.map_err(unusable)?)
            })
        }
        Identity::ManagedIdentity => {
            let chosen = needed("AZURE_CLIENT_ID").ok();
            Box::new(move || {
                let options = ManagedIdentityCredentialOptions {
                    user_assigned_id: chosen.clone().map(UserAssignedId::ClientId),
                    ..Default::default()
                };
                let made = ManagedIdentityCredential::new(Some(options));
                Ok(made.map_err(unusable)?)
            })
        }
        Identity::Cli => Box::new(move || Ok(AzureCliCredential::new(None).map_err(unusable)?)),
        Identity::Auto => {
            return Err(AzureError::Unusable {
                identity: name,
                why: "it stands for the others".to_owned(),
            });
        }
    };
    Candidate::new(identity, make)
}

#[cfg(test)]
mod tests;
