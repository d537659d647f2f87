//! What the engine needs of Azure: one credential for the process, and tables.
//!
//! Owns the HTTP client of Azure Table Storage. Knows nothing of jobs: what is stored where is decided by
//! `repository::azure` and `objects`. Tables and blobs take their tokens from the same [`AzureCredential`].

mod credential;
mod signing;
pub mod tables;
mod transport;

pub use credential::{AzureCredential, AzureError, Identity, STORAGE_SCOPE, Token};
pub(crate) use transport::untrusted;
