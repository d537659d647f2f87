//! The axum host of elb-dashboard.
//!
//! Owns what stands between the network and the engine's door: settings, wiring, routes, forms, the
//! event stream, the guard and the headers of every answer. Calls `JobService` and nothing below it,
//! but for putting the engine together at the start.

// Pages are nested types; see the app.
#![recursion_limit = "512"]

pub mod api;
pub mod assets;
pub mod at_rest;
pub mod check;
pub mod compress;
pub mod error;
pub mod forms;
pub mod front;
pub mod guard;
pub mod health;
pub mod import;
pub mod limits;
pub mod lists;
pub mod lock;
pub mod metrics;
pub mod migrate;
pub mod pages;
pub mod probe;
pub mod problems;
pub mod router;
pub mod serve;
pub mod settings;
pub mod state;
pub mod telemetry;
pub mod wiring;

pub use front::Front;
pub use router::router;
pub use state::AppState;
