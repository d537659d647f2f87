//! Clusters as they are shown: how each is reached, and the searches on it.
//!
//! Owns the words for a cluster that cannot be seen. What was seen last stays, with its age.

use serde::{Deserialize, Serialize};

use super::Batches;
use crate::{phase::Phase, time::Timestamp};

/// Whether a namespace of a cluster can be seen. Each is something else to do about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nothing was heard yet since this server was started.
    Connecting,
    /// Each change arrives by itself.
    Live,
    /// Changes do not arrive by themselves; everything is asked for every few seconds.
    Listed,
    /// It does not answer.
    Unreachable,
    /// It does not let this server look.
    Unauthorised,
    /// Its address leads nowhere, which is how a stopped AKS cluster looks.
    Stopped,
    /// There is no such cluster or namespace.
    Missing,
}

impl Health {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Connecting,
        Self::Live,
        Self::Listed,
        Self::Unreachable,
        Self::Unauthorised,
        Self::Stopped,
        Self::Missing,
    ];

    /// The key of the interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Listed => "listed",
            Self::Unreachable => "unreachable",
            Self::Unauthorised => "unauthorised",
            Self::Stopped => "stopped",
            Self::Missing => "missing",
        }
    }

    /// Whether what is shown is as it is now, give or take a few seconds.
    #[must_use]
    pub const fn is_current(self) -> bool {
        matches!(self, Self::Live | Self::Listed)
    }
}

/// A namespace of a cluster, and the searches in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceView {
    /// The cluster, by its name in the settings.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// Whether it can be seen.
    pub health: Health,
    /// What stands against that, and what to do; none while it is live.
    pub reason: Option<String>,
    /// Since when its health is what it is.
    pub since: Timestamp,
    /// When it last said anything, if it ever did: the age of what is shown.
    pub as_of: Option<Timestamp>,
    /// The version of Kubernetes that it runs.
    pub version: Option<String>,
    /// Requests that were sent to it since this server was started.
    pub requests: u64,
    /// Searches, newest first.
    pub runs: Vec<RunView>,
}

/// A search on a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    /// Its id on the cluster (the label `elb-job-id`).
    pub id: String,
    /// Which program searches.
    pub program: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// Where the results go.
    pub results: Option<String>,
    /// Where it is.
    pub phase: Phase,
    /// Why it is there: what it waits for, or how it failed.
    pub reason: Option<String>,
    /// How far it is; a batch of it is a batch of query sequences.
    pub batches: Batches,
    /// When its first object was created.
    pub created_at: Timestamp,
    /// Its pods, oldest first.
    pub pods: Vec<PodView>,
}

/// A pod of a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Which batch it searches, from 0, if it is one of an Indexed Job.
    pub batch: Option<u32>,
    /// The node that it is on.
    pub node: Option<String>,
    /// What it does, in a word or two: `waiting`, `staging`, `searching`, `done`, `failed`, `lost`.
    pub state: String,
    /// Why, if that is not plain.
    pub note: Option<String>,
    /// When BLAST+ was started in it.
    pub started_at: Option<Timestamp>,
    /// When that ended.
    pub finished_at: Option<Timestamp>,
    /// How often a container of it was started again.
    pub restarts: u32,
}
