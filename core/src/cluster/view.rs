//! Clusters as they are shown: how each is reached, and the searches on it.
//!
//! Owns the words for a cluster that cannot be seen. What was seen last stays, with its age.

use serde::{Deserialize, Serialize};

use super::{
    Batches, CopyView, Verdict,
    seen::{BLAST_CONTAINER, ContainerState, PodPhase, PodSeen},
};
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
    /// Copies of databases that pods of this program have brought to nodes, by database and node.
    #[serde(default)]
    pub copies: Vec<CopyView>,
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
    /// BLAST+'s options, as they were given.
    pub options: Option<String>,
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
    /// What it does, in a word or two: `waiting`, `staging`, `searching`, `ending`, `done`,
    /// `failed`, `lost`.
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

impl PodView {
    /// A pod as it is shown.
    #[must_use]
    pub fn of(pod: &PodSeen) -> Self {
        let (state, note) = state(pod);
        let blast = pod
            .containers
            .iter()
            .find(|container| container.name == BLAST_CONTAINER);
        let (started_at, finished_at) = match blast.map(|container| &container.state) {
            Some(ContainerState::Running { since }) => (*since, None),
            Some(ContainerState::Ended(end)) => (end.started_at, end.finished_at),
            Some(ContainerState::Waiting { .. }) | None => (None, None),
        };
        let restarts = pod.containers.iter().map(|container| container.restarts);
        Self {
            name: pod.name.clone(),
            batch: pod.index,
            node: pod.node.clone(),
            state: state.to_owned(),
            note,
            started_at,
            finished_at,
            restarts: restarts.fold(0, u32::saturating_add),
        }
    }
}

/// What a pod does, and why.
fn state(pod: &PodSeen) -> (&'static str, Option<String>) {
    let failure = || pod.failure().map(|(_, words)| words);
    match pod.phase {
        PodPhase::Succeeded => ("done", None),
        PodPhase::Failed => ("failed", failure()),
        PodPhase::Unknown => ("lost", Some("its node is not heard".to_owned())),
        PodPhase::Pending | PodPhase::Running => {
            // A container that was started again tells how it ended the time before.
            if pod.deleting {
                return ("ending", failure());
            }
            if let Some(held_up) = pod.held_up() {
                return ("waiting", Some(held_up.reason));
            }
            if pod.is_searching() {
                return ("searching", failure());
            }
            if pod.is_staging() {
                return ("staging", failure());
            }
            ("waiting", failure())
        }
    }
}

impl Verdict {
    /// Why a search is where it is, where that is not plain.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::HeldUp { reason, .. } => Some(reason.clone()),
            Self::Failed(failure) => Some(failure.message.clone()),
            Self::Suspended => Some("held back until it may begin".to_owned()),
            Self::ResultsPending(_) => Some(
                "every batch is done; nothing says yet that the results can be read".to_owned(),
            ),
            Self::Lost => Some(
                "nothing of it is on the cluster any more, and nothing says how it ended"
                    .to_owned(),
            ),
            Self::Unseen
            | Self::Accepted
            | Self::Staging
            | Self::Searching(_)
            | Self::Completed(_) => None,
        }
    }
}
