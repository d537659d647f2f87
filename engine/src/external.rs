//! The port to the external plane: an ElasticBLAST service (elb-openapi) that runs searches of others.
//!
//! Owns the contract: its list is answered from memory, also when the plane is away, and says how old it is.
//! Only what is about one search asks the plane, and never without a limit of time.

use std::{collections::HashMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use elb_core::{
    external::{ExternalDetail, ExternalFile, ExternalJob, PlaneHealth, PlaneView},
    time::Timestamp,
};
use futures::stream::BoxStream;
use thiserror::Error;
use tokio::sync::watch;

use crate::{breaker::BreakerReport, cache::CacheReport};

#[cfg(feature = "kubernetes")]
mod client;
#[cfg(feature = "kubernetes")]
mod listing;
#[cfg(feature = "kubernetes")]
mod pace;
#[cfg(feature = "kubernetes")]
mod plane;
#[cfg(feature = "kubernetes")]
mod state;
#[cfg(feature = "kubernetes")]
mod token;
#[cfg(feature = "kubernetes")]
mod wire;

#[cfg(feature = "kubernetes")]
pub use pace::Pace;
#[cfg(feature = "kubernetes")]
pub use plane::OpenApiPlane;

/// Where the token is.
#[derive(Clone, PartialEq, Eq)]
pub enum Token {
    /// The plane asks for none.
    None,
    /// It is this one.
    Given(String),
    /// It is in this file, which may change.
    File(PathBuf),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Given(_) => f.write_str("Given(not shown)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Why the external plane did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlaneError {
    /// No answer came.
    #[error("no answer: {0}; it is asked again by itself")]
    Unreachable(String),
    /// No answer came in time.
    #[error("no answer within {} s; it is asked again by itself", .0.as_secs())]
    Late(Duration),
    /// The token is not accepted.
    #[error(
        "it does not accept the token: correct what ELB_EXTERNAL_PLANE_TOKEN_FILE holds (it is read again by itself), or set ELB_EXTERNAL_PLANE_TOKEN and start the server again"
    )]
    Unauthorised,
    /// The token allows it to be asked, but not this.
    #[error("it forbids this with the token that is set: {0}")]
    Forbidden(String),
    /// The token cannot be read.
    #[error("the token cannot be read: {0}")]
    Token(String),
    /// It knows nothing of what was asked for, or not yet.
    #[error("it knows nothing of it")]
    NotFound,
    /// It wants to be left alone for a while.
    #[error("it asks for a rest of {} s (status {status})", .rest.as_secs())]
    Resting {
        /// HTTP status.
        status: u16,
        /// How long.
        rest: Duration,
    },
    /// Another answer than was asked for.
    #[error("it answers with status {status}: {message}")]
    Status {
        /// HTTP status.
        status: u16,
        /// Its words, or what to do.
        message: String,
    },
    /// An answer that makes no sense.
    #[error(
        "its answer cannot be read ({0}); compare ELB_EXTERNAL_PLANE with the address of its API"
    )]
    Garbled(String),
    /// Nobody has asked it: others wait for it, or it did not answer just before.
    #[error("it was not asked: {0}")]
    HeldBack(String),
}

impl PlaneError {
    /// What it says of the plane as a whole.
    #[must_use]
    pub const fn health(&self) -> PlaneHealth {
        match self {
            Self::Unauthorised | Self::Forbidden(_) | Self::Token(_) => PlaneHealth::Unauthorised,
            _ => PlaneHealth::Degraded,
        }
    }
}

/// The searches of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// By their ids there.
    pub jobs: HashMap<String, ExternalJob>,
    /// Their ids on a cluster, with those there.
    pub runs: HashMap<String, String>,
    /// Whether it has more than were asked for.
    pub more: bool,
    /// Rows that could not be read.
    pub unreadable: u64,
    /// When it was asked for; `None` if it never was.
    pub as_of: Option<Timestamp>,
}

impl Listed {
    /// The search that has this id there or on a cluster.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&ExternalJob> {
        let own = self.runs.get(id).map_or(id, String::as_str);
        self.jobs.get(own)
    }
}

/// A file that is being read.
pub struct Opened {
    /// Its size in bytes, if that is known.
    pub size: Option<u64>,
    /// Its pieces; an error in the middle says that the rest did not come.
    pub pieces: BoxStream<'static, std::io::Result<Bytes>>,
}

/// The external plane, as it is known now.
#[async_trait]
pub trait ExternalPlane: Send + Sync {
    /// Its host, which rows name.
    fn name(&self) -> &str;
    /// Whether it can be asked. From memory.
    fn view(&self) -> PlaneView;
    /// Its searches as of the last list. From memory.
    fn listed(&self) -> Arc<Listed>;
    /// Goes up whenever one of the two has something else to say.
    fn revision(&self) -> watch::Receiver<u64>;
    /// What became of its requests.
    fn report(&self) -> BreakerReport;
    /// What it keeps of answers.
    fn caches(&self) -> Vec<CacheReport>;
    /// Asks for one search, unless that was just done.
    ///
    /// # Errors
    /// Why it cannot be said.
    async fn detail(&self, id: &str) -> Result<Arc<ExternalDetail>, PlaneError>;
    /// Ends a search, and returns once the plane says that nothing of it runs any more.
    ///
    /// # Errors
    /// Why it may still run; it can be asked again.
    async fn cancel(&self, id: &str) -> Result<(), String>;
    /// The files with a search's results.
    ///
    /// # Errors
    /// [`PlaneError::NotFound`] as long as there are none, or why they cannot be listed.
    async fn files(&self, id: &str) -> Result<Arc<Vec<ExternalFile>>, PlaneError>;
    /// The same without waiting: `None` if they are not known yet, and being asked for.
    fn files_now(&self, id: &str) -> Option<Result<Arc<Vec<ExternalFile>>, PlaneError>>;
    /// Begins to read a file.
    ///
    /// # Errors
    /// [`PlaneError::NotFound`] if it is not there (yet), or why it cannot be read.
    async fn open(&self, id: &str, file: &str) -> Result<Opened, PlaneError>;
}
