//! Everything of elb-dashboard that touches the world.
//!
//! Owns the store of jobs, the read model, the objects, the databases, the executors and the
//! lifecycle that moves a job through its phases. [`JobService`] is the only door: pages and API call
//! it and nothing below it.

pub mod audit;
pub mod audit_log;
#[cfg(feature = "azure")]
pub mod azure;
pub mod breaker;
pub mod cache;
pub mod clock;
pub mod clusters;
pub mod crash;
pub mod databases;
pub mod executor;
pub mod external;
#[cfg(feature = "azure")]
pub mod import;
pub mod intake;
pub mod joblog;
pub mod jobs;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod lease;
pub mod lifecycle;
pub mod migration;
pub mod objects;
pub mod read_model;
pub mod repository;
pub mod request;
pub mod results;
pub mod retention;
pub mod service;
pub mod toolkit;
pub mod warmup;

pub use service::JobService;
