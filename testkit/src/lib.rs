//! What tests of more than one crate need: an emulator of Azure Storage, and a proxy that fails on
//! demand.
//!
//! Only ever a development dependency. Whatever goes wrong in here ends the test with a message that
//! says what to do, so nothing returns an error.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "it is used by tests only, and a test ends by panicking"
)]

pub mod azurite;
pub mod entities;
pub mod proxy;

pub use azurite::Azurite;
pub use proxy::{Behaviour, FaultProxy, Seen};
