//! The parts that pages are made of. Rows of the list and of a log are drawn in the browser, too, by the same
//! code; the rest is drawn by the server alone, which sends what changed.

pub mod job_row;
#[cfg(feature = "ssr")]
pub mod job_status;
#[cfg(feature = "ssr")]
pub mod keys;
pub mod log;
pub mod state;
#[cfg(feature = "ssr")]
pub mod theme;
pub mod time;
#[cfg(feature = "ssr")]
pub mod timeline;
