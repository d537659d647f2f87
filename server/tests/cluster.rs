//! Searches in real pods of a real cluster, from the program as a process of its own: `make test-cluster`.
//!
//! Results are compared with those of the same program on this machine alone; faults are made on the cluster
//! with `kubectl`, and the program is killed between its side effects.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]
#![cfg(debug_assertions)]

#[path = "crash/client.rs"]
#[allow(dead_code, reason = "shared with others")]
mod client;
#[path = "cluster/deployed.rs"]
mod deployed;
#[path = "cluster/ends.rs"]
mod ends;
#[path = "cluster/faults.rs"]
mod faults;
#[path = "cluster/kills.rs"]
mod kills;
#[path = "it/sequences.rs"]
#[allow(dead_code, reason = "shared with others")]
mod sequences;
#[path = "cluster/shards.rs"]
mod shards;
#[path = "cluster/taken_away.rs"]
mod taken_away;
#[path = "cluster/warm.rs"]
mod warm;
#[path = "cluster/world.rs"]
mod world;
