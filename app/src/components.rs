//! The parts that pages are made of, drawn alike on the server and in the browser.

pub mod job_row;
pub mod job_status;
pub mod log;
pub mod state;
pub mod time;
pub mod timeline;
