//! What is seen of a real Kubernetes cluster (docs/KUBERNETES.md).
//!
//! Each test has a namespace of its own. Pods are made by hand where no node is needed: their status is
//! written as a kubelet would.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "cluster/logs.rs"]
mod logs;
#[path = "cluster/seen.rs"]
mod seen;
#[path = "cluster/support.rs"]
mod support;
