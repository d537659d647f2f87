//! How the work ends, and the exit code that says so.

use elb_core::exit::{RUNNER_BAD_COPY, RUNNER_CONFIGURATION, RUNNER_TRY_AGAIN, SIGNALLED};
use thiserror::Error;

/// The work is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Bytes brought, or of the archive.
    pub bytes: u64,
    /// SHA-256 of the archive.
    pub sha256: Option<String>,
    /// Whether it was done before.
    pub already: bool,
    /// What has to be known all the same.
    pub warnings: Vec<String>,
}

/// The work is not done.
#[derive(Debug, Error)]
pub enum Failure {
    /// It cannot be done as it was asked for; another try would end the same.
    #[error("{0}")]
    Configuration(String),
    /// A transfer or the node's disk failed; another try may end well.
    #[error("{0}")]
    TryAgain(String),
    /// The copy of the database on this node is not as it must be, or did not become so.
    #[error("{0}")]
    BadCopy(String),
    /// BLAST+ ended with an error.
    #[error("{message}")]
    Blast {
        /// Its exit code; of a signal, as a shell has it.
        code: i32,
        /// What it means, and BLAST+'s own words.
        message: String,
        /// What it warned of.
        warnings: Vec<String>,
    },
    /// A signal asked to end.
    #[error("it was told to end (signal {0})")]
    Stopped(i32),
}

impl Failure {
    /// The exit code.
    pub const fn exit_code(&self) -> i32 {
        match self {
            Self::Configuration(_) => RUNNER_CONFIGURATION,
            Self::TryAgain(_) => RUNNER_TRY_AGAIN,
            Self::BadCopy(_) => RUNNER_BAD_COPY,
            Self::Blast { code, .. } => *code,
            Self::Stopped(signal) => SIGNALLED + *signal,
        }
    }

    /// Of the node's file system.
    pub fn disk(what: &str, error: &std::io::Error) -> Self {
        Self::TryAgain(format!("{what}: {error}"))
    }
}
