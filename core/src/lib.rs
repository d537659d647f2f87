//! The shared core of elb-dashboard: one vocabulary for browser, server and engine.
//!
//! Owns the words (phases, steps, errors), the rules that move a job, the search options, the FASTA
//! checker, the batch plan and the model of hits. Never reads a clock, a file or the network, and
//! builds for `wasm32` and native alike, so that a rule that holds in the browser holds on the server.

pub mod audit_log;
pub mod batch;
pub mod cluster;
pub mod database;
pub mod error_code;
pub mod exit;
pub mod external;
pub mod fasta;
pub mod hits;
pub mod invariants;
pub mod job;
pub mod list;
pub mod molecule;
pub mod phase;
pub mod poll;
pub mod search;
pub mod step;
pub mod text;
pub mod time;
pub mod transition;
pub mod view;
