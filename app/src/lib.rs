//! Pages and islands of elb-dashboard.
//!
//! Owns everything that a person sees. Pages are rendered on the server from data in hand and work
//! without JavaScript; islands are the small parts that come to life in the browser. A row of the
//! jobs list and the timeline of a job are drawn by the same components on both sides.

// A page is one nested type; the default limit is too small for the larger ones.
#![recursion_limit = "512"]

pub mod components;
pub mod islands;

#[cfg(feature = "ssr")]
pub mod app;
#[cfg(feature = "ssr")]
pub mod data;
#[cfg(feature = "ssr")]
pub mod notices;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod server_fns;

#[cfg(all(feature = "hydrate", target_arch = "wasm32"))]
mod browser;

#[cfg(feature = "ssr")]
pub use app::{App, error_page, shell};
