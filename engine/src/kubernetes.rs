//! Kubernetes clusters: what runs there, as this program sees it.
//!
//! Owns the watches, the objects' reduction to what a state depends on, and what is told of a cluster that
//! cannot be seen, and the executor that has searches run there. What objects mean is decided by
//! [`elb_core::cluster`]. Objects of others are not touched unless a person asks for the end of their search.

mod cancel;
mod connect;
pub mod executor;
mod logs;
mod objects;
mod pace;
mod place;
mod progress;
mod shelf;
mod snapshot;
mod trouble;
mod watching;

pub use objects::{COPIES_APP, Facts, JobObject, PROGRAMS, PodObject, RUN_LABEL};
pub use pace::Pace;
pub use snapshot::ClusterSnapshot;
