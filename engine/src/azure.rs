//! What the engine needs of Azure: the transport, the credential, and tables.
//!
//! Owns the one HTTP client of the process for Azure Table Storage. Knows nothing of jobs: what is
//! stored where is decided by `repository::azure` and `objects`.

pub mod tables;
mod transport;
