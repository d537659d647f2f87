//! The engine through its door, with real BLAST+, a real store and real sequences.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

#[path = "it/altered.rs"]
mod altered;
#[path = "it/audit_log.rs"]
mod audit_log;
#[path = "it/audit_outage.rs"]
mod audit_outage;
#[path = "it/audit_store.rs"]
mod audit_store;
#[cfg(feature = "azure")]
#[path = "it/azurite.rs"]
mod azurite;
#[cfg(feature = "azure")]
#[path = "it/blob_databases.rs"]
mod blob_databases;
#[cfg(feature = "azure")]
#[path = "it/blobs.rs"]
mod blobs;
#[path = "it/broken_off.rs"]
mod broken_off;
#[path = "it/cancelling.rs"]
mod cancelling;
#[path = "it/clocks.rs"]
mod clocks;
#[cfg(feature = "kubernetes")]
#[path = "it/clusters.rs"]
mod clusters;
#[path = "it/databases.rs"]
mod databases;
#[cfg(feature = "kubernetes")]
#[path = "it/external.rs"]
mod external;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/found.rs"]
mod found;
#[path = "it/golden.rs"]
mod golden;
#[cfg(feature = "azure")]
#[path = "it/importing.rs"]
mod importing;
#[path = "it/isolation.rs"]
mod isolation;
#[path = "it/journey.rs"]
mod journey;
#[path = "it/lost.rs"]
mod lost;
#[cfg(feature = "azure")]
#[path = "it/many_jobs.rs"]
mod many_jobs;
#[cfg(feature = "azure")]
#[path = "it/moving.rs"]
mod moving;
#[path = "it/outage.rs"]
mod outage;
#[path = "it/queries.rs"]
mod queries;
#[path = "it/races.rs"]
mod races;
#[path = "it/retention.rs"]
mod retention;
#[path = "it/retries.rs"]
mod retries;
#[path = "it/slots.rs"]
mod slots;
#[path = "it/store.rs"]
mod store;
#[path = "it/store_model.rs"]
mod store_model;
#[path = "it/support.rs"]
mod support;
#[cfg(feature = "azure")]
#[path = "it/tables.rs"]
mod tables;
