//! The logs of a search's containers, as they are listed.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The log of one run of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodLogView {
    /// Names it: `POD/CONTAINER/RESTART`.
    pub log: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// How often the container had been started in this pod before.
    pub restart: u32,
    /// Whether the container runs before the others, as the one that brings the database.
    pub init: bool,
    /// The batch that the pod searches, from 0, if it is one of an Indexed Job.
    pub batch: Option<u32>,
    /// How it stands.
    pub state: PodLogState,
    /// With what it ended, if that is known.
    pub exit_code: Option<i32>,
    /// One word for how it ended, such as `OOMKilled`, while its pod is there.
    pub reason: Option<String>,
    /// When it was started, while its pod is there.
    pub started_at: Option<Timestamp>,
    /// When it ended, while its pod is there.
    pub finished_at: Option<Timestamp>,
    /// Whether it is kept with the search, or only its cluster has it.
    pub kept: bool,
    /// How many bytes are kept.
    pub bytes: Option<u64>,
    /// How many bytes of its beginning were left out when it was kept.
    pub left_out: u64,
}

/// How the run of a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PodLogState {
    /// It has not been started.
    Waiting,
    /// It is at work.
    Running,
    /// It has ended.
    Ended,
    /// It has ended, and its log could not be read in time; what is kept says why.
    Lost,
}

impl PodLogState {
    /// The key of the interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Lost => "lost",
        }
    }
}
