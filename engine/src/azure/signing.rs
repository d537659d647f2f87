//! The token of each request to a table.
//!
//! Owns that it is put on behind everything of the table client, which writes the head that holds it to
//! its log at level debug. What is sent on must not be logged.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use azure_core_021::{
    HttpClient, Request, Response,
    error::{Error, ErrorKind},
    headers::{AUTHORIZATION, HeaderValue},
};

use super::credential::{AzureCredential, STORAGE_SCOPE};

/// A client that signs what goes to another one.
pub(super) struct Signing {
    pub credential: AzureCredential,
    pub client: Arc<dyn HttpClient>,
}

impl fmt::Debug for Signing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Signing")
    }
}

#[async_trait]
impl HttpClient for Signing {
    async fn execute_request(&self, request: &Request) -> azure_core_021::Result<Response> {
        let token = self.credential.token(STORAGE_SCOPE).await;
        let token = token.map_err(|error| Error::new(ErrorKind::Credential, error))?;
        let mut signed = request.clone();
        let bearer = HeaderValue::from(format!("Bearer {}", token.secret()));
        signed.insert_header(AUTHORIZATION, bearer);
        self.client.execute_request(&signed).await
    }
}
