//! The pages, rendered on the server from data in hand.

pub mod audit;
pub mod clusters;
pub mod databases;
pub mod delete_job;
pub mod deleted;
pub mod health;
pub mod history;
pub mod job;
pub mod jobs;
pub mod not_found;
mod parts;
pub mod search;
