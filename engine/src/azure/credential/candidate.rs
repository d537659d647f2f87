//! An identity that may be there, set up from the environment, and one request for a token of it.
//!
//! Owns how each kind is made and what may be missing. It is made anew for each request, which are few:
//! so it keeps no token that has been refused, and reads the file of a workload identity as it is now,
//! which Kubernetes replaces before its content expires.

use std::{fmt, sync::Arc, time::Duration};

use azure_core::{
    cloud::CustomConfiguration,
    credentials::{AccessToken, Secret, TokenCredential},
    http::{ClientOptions, HttpClient, RetryOptions, Transport},
};
use azure_identity::{
    AzureCliCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::{AzureError, Identity, exchange::Trouble};

/// How often a token is asked for in one go.
const TRIES: u32 = 3;
/// The pause before the second try; four times that before the third.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// Makes the credential of an identity.
pub(super) type Make = Box<dyn Fn() -> Result<Arc<dyn TokenCredential>, AzureError> + Send + Sync>;

/// Why there is no token, and how long the service asks to be left alone.
pub(super) struct Refused {
    pub error: AzureError,
    pub rest: Option<Duration>,
}

/// An identity that may be there.
pub(super) struct Candidate {
    pub identity: Identity,
    make: Make,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.identity.as_str())
    }
}

impl Candidate {
    /// It is made once, so that what cannot work is told at the start.
    pub fn new(identity: Identity, make: Make) -> Result<Self, AzureError> {
        make()?;
        Ok(Self { identity, make })
    }

    /// An identity set up from the environment, which asks by way of `client`.
    pub fn from(
        identity: Identity,
        environment: &dyn Fn(&str) -> Option<String>,
        client: &Arc<dyn HttpClient>,
    ) -> Result<Self, AzureError> {
        Self::new(identity, made_from(identity, environment, client)?)
    }

    /// Asks for a token, within `limit`; again after a short pause if that may help and is wanted.
    pub async fn ask(
        &self,
        scope: &str,
        limit: Duration,
        again: bool,
    ) -> Result<AccessToken, Refused> {
        let mut last = None;
        let asking = async {
            for tried in 1_u32.. {
                match self.ask_once(scope).await {
                    Ok(token) => return Ok(token),
                    Err((refused, passes)) => {
                        if !again || !passes || tried >= TRIES || refused.rest.is_some() {
                            return Err(refused);
                        }
                        last = Some(refused);
                    }
                }
                tokio::time::sleep(FIRST_PAUSE * 4_u32.saturating_pow(tried - 1)).await;
            }
            Err(self.silent(limit))
        };
        let outcome = tokio::time::timeout(limit, asking).await;
        outcome.unwrap_or_else(|_| Err(last.unwrap_or_else(|| self.silent(limit))))
    }

    fn silent(&self, limit: Duration) -> Refused {
        Refused {
            error: self.no_token(format!("it does not answer within {} s", limit.as_secs())),
            rest: None,
        }
    }

    /// One try; and, if it fails, whether another one may succeed.
    async fn ask_once(&self, scope: &str) -> Result<AccessToken, (Refused, bool)> {
        let credential = (self.make)().map_err(|error| (Refused { error, rest: None }, false))?;
        let error = match credential.get_token(&[scope], None).await {
            Ok(token) => return Ok(token),
            Err(error) => error,
        };
        let Some(trouble) = Trouble::behind(&error) else {
            // What follows on further lines are links.
            let told = error.to_string();
            let first = told.lines().next().unwrap_or_default();
            let error = self.no_token(first.to_owned());
            return Err((Refused { error, rest: None }, false));
        };
        let mut why = trouble.to_string();
        if let Some(rest) = trouble.rest() {
            why.push_str(&format!(", and asks to wait {} s", rest.as_secs()));
        }
        if let Trouble::Answered {
            status: 400 | 401 | 403 | 404,
            ..
        } = trouble
        {
            why.push_str("; ");
            why.push_str(self.identity.to_check());
        }
        let refused = Refused {
            error: self.no_token(why),
            rest: trouble.rest(),
        };
        Err((refused, trouble.passes()))
    }

    fn no_token(&self, why: String) -> AzureError {
        AzureError::NoToken {
            identity: self.identity.as_str(),
            why,
        }
    }
}

impl Identity {
    /// What may be wrong if its service refuses.
    const fn to_check(self) -> &'static str {
        match self {
            Self::ManagedIdentity => {
                "check that this machine or container has a managed identity, and that AZURE_CLIENT_ID names one of its own"
            }
            Self::WorkloadIdentity => {
                "check AZURE_TENANT_ID, AZURE_CLIENT_ID and the identity's federated credential for this service account"
            }
            Self::ClientSecret => "check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
            Self::Cli | Self::Auto => "check ELB_AZURE_AUTH",
        }
    }
}

fn made_from(
    identity: Identity,
    environment: &dyn Fn(&str) -> Option<String>,
    client: &Arc<dyn HttpClient>,
) -> Result<Make, AzureError> {
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
    let options = ClientOptions {
        transport: Some(Transport::new(Arc::clone(client))),
        retry: RetryOptions::none(),
        ..ClientOptions::default()
    };
    // Where Microsoft Entra is asked, if not at the public address; over https alone.
    let mut entra = options.clone();
    if let Ok(authority_host) = needed("AZURE_AUTHORITY_HOST") {
        let mut custom = CustomConfiguration::default();
        custom.authority_host = authority_host;
        entra.cloud = Some(Arc::new(custom.into()));
    }
    let make: Make = match identity {
        Identity::WorkloadIdentity => {
            let (client, tenant) = (needed("AZURE_CLIENT_ID")?, needed("AZURE_TENANT_ID")?);
            let file = needed("AZURE_FEDERATED_TOKEN_FILE")?;
            Box::new(move || {
                let options = WorkloadIdentityCredentialOptions {
                    client_id: Some(client.clone()),
                    tenant_id: Some(tenant.clone()),
                    token_file_path: Some(file.clone().into()),
                    credential_options: ClientAssertionCredentialOptions {
                        client_options: entra.clone(),
                    },
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
                let options = ClientSecretCredentialOptions {
                    client_options: entra.clone(),
                };
                let made =
                    ClientSecretCredential::new(&tenant, client.clone(), secret, Some(options));
                Ok(made.map_err(unusable)?)
            })
        }
        Identity::ManagedIdentity => {
            let chosen = needed("AZURE_CLIENT_ID").ok();
            Box::new(move || {
                let options = ManagedIdentityCredentialOptions {
                    user_assigned_id: chosen.clone().map(UserAssignedId::ClientId),
                    client_options: options.clone(),
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
    Ok(make)
}
