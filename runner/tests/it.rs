//! The runner as a program: started as a pod would start it, with real BLAST+ and real stores.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

#[path = "it/blobs.rs"]
mod blobs;
#[path = "it/ending.rs"]
mod ending;
#[path = "it/releasing.rs"]
mod releasing;
#[path = "it/searching.rs"]
mod searching;
#[path = "it/sharding.rs"]
mod sharding;
#[path = "it/staging.rs"]
mod staging;
#[path = "it/support.rs"]
mod support;
