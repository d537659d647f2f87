//! What tests of more than one crate need: an emulator of Azure Storage, a Kubernetes cluster, stand-ins
//! for the services that give tokens, for a Kubernetes API server and for elb-openapi, TLS, and a proxy that
//! fails on demand.
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
pub mod cluster;
pub mod entities;
pub mod external_plane;
mod form;
pub mod identity;
pub mod kube_api;
pub mod proxy;
pub mod tls;

pub use azurite::Azurite;
pub use cluster::Cluster;
pub use external_plane::ExternalPlane;
pub use identity::IdentityService;
pub use kube_api::KubeApi;
pub use proxy::{Behaviour, FaultProxy, Seen};
pub use tls::Authority;
