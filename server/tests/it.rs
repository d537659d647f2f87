//! The whole server through its routes: real engine, real BLAST+, a folder of its own each time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

#[path = "it/actions.rs"]
mod actions;
#[path = "it/assets.rs"]
mod assets;
#[path = "it/client.rs"]
mod client;
#[path = "it/list.rs"]
mod list;
#[path = "it/logs.rs"]
mod logs;
#[path = "it/submit.rs"]
mod submit;
#[path = "it/support.rs"]
mod support;
