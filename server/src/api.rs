//! The REST interface: a file a route or two, in the order of the behaviour document.
//!
//! Handlers call `JobService` and nothing below it. What is on the wire is the shared core's own
//! serialisation; the schemas here only describe it.

pub mod audit;
pub mod clusters;
pub mod databases;
pub mod events;
pub mod external;
pub mod jobs;
pub mod me;
pub mod params;
pub mod schema;
pub mod stream;
pub mod warmup;
