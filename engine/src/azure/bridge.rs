//! The credential of the process as the table client's older traits want it.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use azure_core_021::{
    auth::{AccessToken, Secret, TokenCredential},
    error::{Error, ErrorKind},
};

use super::credential::{AzureCredential, STORAGE_SCOPE};

/// A credential for the table client. The newer one renews and keeps tokens; this one only asks it.
pub(super) struct Bridge(AzureCredential);

impl Bridge {
    pub(super) fn of(credential: AzureCredential) -> Arc<dyn TokenCredential> {
        Arc::new(Self(credential))
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Bridge")
    }
}

#[async_trait]
impl TokenCredential for Bridge {
    async fn get_token(&self, scopes: &[&str]) -> azure_core_021::Result<AccessToken> {
        let scope = scopes.first().copied().unwrap_or(STORAGE_SCOPE);
        let token = self.0.token(scope).await;
        let token = token.map_err(|error| Error::new(ErrorKind::Credential, error))?;
        let seconds = token.expires_at.0.div_euclid(1_000);
        let expires_on = time::OffsetDateTime::from_unix_timestamp(seconds)
            .map_err(|error| Error::new(ErrorKind::DataConversion, error))?;
        let secret = Secret::new(token.secret().to_owned());
        Ok(AccessToken::new(secret, expires_on))
    }

    async fn clear_cache(&self) -> azure_core_021::Result<()> {
        Ok(())
    }
}
