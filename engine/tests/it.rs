//! The engine through its door, with real BLAST+, a real store and real sequences.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

#[path = "it/cancelling.rs"]
mod cancelling;
#[path = "it/databases.rs"]
mod databases;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/golden.rs"]
mod golden;
#[path = "it/journey.rs"]
mod journey;
#[path = "it/queries.rs"]
mod queries;
#[path = "it/store.rs"]
mod store;
#[path = "it/store_model.rs"]
mod store_model;
#[path = "it/support.rs"]
mod support;
