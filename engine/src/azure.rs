//! What everything that talks to Azure shares: one credential for the process.
//!
//! Owns no data. Tables and blobs take their tokens from the same [`AzureCredential`].

mod credential;

pub use credential::{AzureCredential, AzureError, Identity, STORAGE_SCOPE, Token};
