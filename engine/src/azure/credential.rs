//! The identity of this process at Azure, and its tokens.
//!
//! Owns which identity is used and when a token is renewed: ahead of time, one renewal at a time, while
//! all go on with the one at hand. A renewal is a task of its own, which no impatient caller breaks off. A
//! token that is still valid is never waited for, and no token is written to a log.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use azure_core::{credentials::AccessToken, http::HttpClient};
use elb_core::time::Timestamp;
use thiserror::Error;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task::JoinHandle,
};

use self::{
    candidate::{Candidate, Refused},
    exchange::Exchange,
};
use crate::clock::Clock;

mod candidate;
mod exchange;

/// What tokens for tables and blobs are asked for
/// (learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory).
pub const STORAGE_SCOPE: &str = "https://storage.azure.com/.default";

/// A token is renewed so long before it expires. Tokens live an hour and more; five minutes are what
/// Azure's own libraries leave, and cover an identity service that is away for a while. One that lives
/// shorter than twice that, as a service may give that keeps its tokens too, is renewed at half its life.
const AHEAD: Duration = Duration::from_secs(300);
/// How long one identity may take to give a token. Azure's command line needs seconds to start.
const LIMIT: Duration = Duration::from_secs(20);
/// The same while it is only tried whether it is there: outside Azure nothing answers at the address of
/// managed identities.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// How long a renewal that failed is not tried again while the old token is still valid; and how long
/// after a token was asked for anew because one was refused that is not done again.
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
    /// From when on another one is asked for.
    renew_at: Timestamp,
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

/// The one credential of the process; copies share everything.
#[derive(Clone)]
pub struct AzureCredential {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    candidates: Vec<Candidate>,
    tokens: RwLock<Tokens>,
    /// Held by whoever renews.
    renewing: Arc<Mutex<Renewing>>,
}

#[derive(Debug, Default)]
struct Tokens {
    by_scope: HashMap<String, Token>,
    /// When one was last thrown away because a service refused it, on the clock that no one sets.
    thrown_away: Option<Duration>,
}

#[derive(Debug, Default)]
struct Renewing {
    /// Which candidate gave the last token.
    chosen: Option<usize>,
    failed: Option<Failure>,
}

/// The last renewal, if it failed.
#[derive(Debug)]
struct Failure {
    /// When, on the clock that no one sets.
    at: Duration,
    error: AzureError,
    /// How long the identity service asks to be left alone.
    rest: Duration,
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
        let client = Exchange::new().map_err(|error| AzureError::Unusable {
            identity: identity.as_str(),
            why: error.to_string(),
        })?;
        let client: Arc<dyn HttpClient> = Arc::new(client);
        let made = |identity| Candidate::from(identity, environment, &client);
        let candidates = if identity == Identity::Auto {
            let tried = Identity::TRIED.map(made);
            let (found, missing): (Vec<_>, Vec<_>) = tried.into_iter().partition(Result::is_ok);
            if found.is_empty() {
                let reasons = missing.into_iter().filter_map(Result::err);
                return Err(AzureError::None(joined(reasons)));
            }
            found.into_iter().flatten().collect()
        } else {
            vec![made(identity)?]
        };
        Ok(Self::of(candidates, clock))
    }

    fn of(candidates: Vec<Candidate>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock,
                candidates,
                tokens: RwLock::default(),
                renewing: Arc::default(),
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
            Some((token, false)) => {
                // If it is held, another one is at it.
                if let Ok(renewing) = Arc::clone(&self.inner.renewing).try_lock_owned() {
                    self.renewal(renewing, scope);
                }
                Ok(token)
            }
            None => {
                let began = self.inner.clock.elapsed();
                let renewing = Arc::clone(&self.inner.renewing).lock_owned().await;
                if let Some(failed) = &renewing.failed {
                    let since = self.inner.clock.elapsed().saturating_sub(failed.at);
                    // The one that we waited for; or it would be as the service asks us not to.
                    if failed.at >= began || since < failed.rest {
                        return Err(failed.error.clone());
                    }
                }
                let renewal = self.renewal(renewing, scope).await;
                renewal.unwrap_or_else(|error| Err(AzureError::None(error.to_string())))
            }
        }
    }

    /// The time on the clock that [`Self::refused`] compares with.
    pub(crate) fn elapsed(&self) -> Duration {
        self.inner.clock.elapsed()
    }

    /// A service refuses the token of a call that began at `began`, although it has not expired. The next
    /// one is asked for anew, unless that has happened since. Whether there is another token to try with:
    /// there is none if one that was asked for just now for this reason is refused too.
    pub fn refused(&self, scope: &str, began: Duration) -> bool {
        let now = self.inner.clock.elapsed();
        let tokens = self.inner.tokens.write();
        let mut tokens = tokens.unwrap_or_else(PoisonError::into_inner);
        let newer = tokens
            .by_scope
            .get(scope)
            .is_none_or(|token| token.asked_at >= began);
        if newer {
            return true;
        }
        let just_now = |at: Duration| now.saturating_sub(at) < PAUSE;
        if tokens.thrown_away.is_some_and(just_now) {
            return false;
        }
        tokens.thrown_away = Some(now);
        tokens.by_scope.remove(scope);
        true
    }

    /// The token at hand, if it is valid; and whether it need not be renewed yet.
    fn at_hand(&self, scope: &str) -> Option<(Token, bool)> {
        let tokens = self.inner.tokens.read();
        let tokens = tokens.unwrap_or_else(PoisonError::into_inner);
        let token = tokens.by_scope.get(scope)?.clone();
        let now = self.inner.clock.now();
        (token.expires_at > now).then(|| {
            let fresh = token.renew_at > now;
            (token, fresh)
        })
    }

    /// Begins a renewal, which goes on whether or not it is waited for.
    fn renewal(
        &self,
        renewing: OwnedMutexGuard<Renewing>,
        scope: &str,
    ) -> JoinHandle<Result<Token, AzureError>> {
        let (credential, scope) = (self.clone(), scope.to_owned());
        tokio::spawn(async move { credential.renew(renewing, &scope).await })
    }

    async fn renew(
        &self,
        mut renewing: OwnedMutexGuard<Renewing>,
        scope: &str,
    ) -> Result<Token, AzureError> {
        let now = self.inner.clock.elapsed();
        let paused = renewing
            .failed
            .as_ref()
            .is_some_and(|failed| now.saturating_sub(failed.at) < failed.rest.max(PAUSE));
        let old = match self.at_hand(scope) {
            // Somebody renewed it while we waited.
            Some((token, true)) => return Ok(token),
            Some((token, false)) if paused => return Ok(token),
            old => old.is_some(),
        };
        match self.ask(&mut renewing.chosen, scope).await {
            Ok(token) => {
                renewing.failed = None;
                let tokens = self.inner.tokens.write();
                tokens
                    .unwrap_or_else(PoisonError::into_inner)
                    .by_scope
                    .insert(scope.to_owned(), token.clone());
                Ok(token)
            }
            Err(Refused { error, rest }) => {
                if old {
                    tracing::warn!(%error, "the Azure token cannot be renewed yet; the old one is still valid");
                }
                renewing.failed = Some(Failure {
                    at: self.inner.clock.elapsed(),
                    error: error.clone(),
                    rest: rest.unwrap_or_default(),
                });
                Err(error)
            }
        }
    }

    /// Asks the identity that gave a token before, else each until one does.
    async fn ask(&self, chosen: &mut Option<usize>, scope: &str) -> Result<Token, Refused> {
        let candidates = &self.inner.candidates;
        if let Some(candidate) = chosen.and_then(|chosen| candidates.get(chosen)) {
            return self.given_by(candidate, scope, LIMIT, true).await;
        }
        if let [only] = candidates.as_slice() {
            return self.given_by(only, scope, LIMIT, true).await;
        }
        let mut reasons = Vec::new();
        for (number, candidate) in candidates.iter().enumerate() {
            let (limit, again) = match candidate.identity {
                Identity::ManagedIdentity => (PROBE_LIMIT, false),
                _ => (LIMIT, true),
            };
            match self.given_by(candidate, scope, limit, again).await {
                Ok(token) => {
                    tracing::info!(
                        identity = candidate.identity.as_str(),
                        "Azure identity found"
                    );
                    *chosen = Some(number);
                    return Ok(token);
                }
                Err(refused) => reasons.push(refused.error),
            }
        }
        Err(Refused {
            error: AzureError::None(joined(reasons)),
            rest: None,
        })
    }

    async fn given_by(
        &self,
        candidate: &Candidate,
        scope: &str,
        limit: Duration,
        again: bool,
    ) -> Result<Token, Refused> {
        let asked_at = self.inner.clock.elapsed();
        let AccessToken { token, expires_on } = candidate.ask(scope, limit, again).await?;
        let now = self.inner.clock.now();
        let expires_at = Timestamp(expires_on.unix_timestamp().saturating_mul(1_000));
        let life = expires_at.0.saturating_sub(now.0);
        if life <= 0 {
            let error = AzureError::NoToken {
                identity: candidate.identity.as_str(),
                why: "it gives one that has expired already; check this machine's clock".to_owned(),
            };
            return Err(Refused { error, rest: None });
        }
        let ahead = i64::try_from(AHEAD.as_millis()).unwrap_or(i64::MAX);
        Ok(Token {
            secret: token.secret().into(),
            asked_at,
            renew_at: Timestamp(expires_at.0 - ahead.min(life / 2)),
            expires_at,
        })
    }
}

fn joined(reasons: impl IntoIterator<Item = AzureError>) -> String {
    let reasons: Vec<String> = reasons.into_iter().map(|one| one.to_string()).collect();
    reasons.join("; ")
}

#[cfg(test)]
pub(super) mod tests;
