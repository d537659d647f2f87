//! The port to copies of databases on nodes: brought before any search asks for them, and removed.
//!
//! Owns the contract: nothing that is asked for here is waited for. What became of it is seen with everything
//! else of the cluster ([`elb_core::cluster::CopyView`]), by every server and after every restart.

use async_trait::async_trait;
use elb_core::{cluster::CopyState, job::Found};
use thiserror::Error;

/// Why nothing was begun.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WarmupError {
    /// There is no such cluster, namespace or database.
    #[error("{0}")]
    Missing(String),
    /// It makes no sense as things stand.
    #[error("{0}")]
    Refused(String),
    /// The cluster cannot be asked, or does not let this server do it.
    #[error("{0}")]
    Away(String),
}

/// What becomes of the copy on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The node.
    pub node: String,
    /// How the copy stood, if nothing had to be begun.
    pub already: Option<CopyState>,
}

/// Brings databases to nodes, and removes them.
#[async_trait]
pub trait Warmup: Send + Sync {
    /// Why no node keeps a database, if none does.
    fn hindrance(&self) -> Option<String>;
    /// Has a database brought to every node that searches may use.
    ///
    /// # Errors
    /// Why nothing was begun, or not everything; it can be asked again.
    async fn warm(&self, place: &Found, database: &str) -> Result<Vec<Asked>, WarmupError>;
    /// Has it removed from every node that has it.
    ///
    /// # Errors
    /// Why nothing was begun, or not everything; it can be asked again.
    async fn release(&self, place: &Found, database: &str) -> Result<Vec<Asked>, WarmupError>;
}
