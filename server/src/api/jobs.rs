//! Searches.

pub mod bulk;
pub mod deleted;
pub mod found;
pub mod history;
pub mod list;
pub mod logs;
pub mod one;
pub mod pods;
pub mod query;
pub mod results;
pub mod submit;
