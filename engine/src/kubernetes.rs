//! Kubernetes clusters: what runs there, as this program sees it.
//!
//! Owns the objects' reduction to what a state depends on. What they mean is decided by
//! [`elb_core::cluster`].

mod objects;

pub use objects::{Facts, JobObject, PROGRAMS, PodObject, RUN_LABEL};
