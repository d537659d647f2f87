//! Jobs, pods and results as they were seen: of each object only what a state depends on or a reader is
//! shown.

use super::Indexes;
use crate::time::Timestamp;

/// The container that runs BLAST+ (ElasticBLAST's name for it, which others look for).
pub const BLAST_CONTAINER: &str = "blast";

/// What a Job is for: its label `app`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Searches batches.
    Blast,
    /// Brings the database and the queries.
    Setup,
    /// Creates the Jobs that search.
    Submit,
    /// Waits for the end and marks it.
    Finalizer,
    /// Anything else.
    Other,
}

impl Role {
    /// The role of a label.
    #[must_use]
    pub fn of_label(app: &str) -> Self {
        match app {
            "blast" => Self::Blast,
            "setup" => Self::Setup,
            "submit" => Self::Submit,
            "finalizer" => Self::Finalizer,
            _ => Self::Other,
        }
    }
}

/// A condition of a Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionSeen {
    /// For example `Complete`.
    pub kind: String,
    /// Whether it holds.
    pub holds: bool,
    /// One word for why.
    pub reason: String,
    /// A sentence for why.
    pub message: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// A Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSeen {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// When it was created.
    pub created_at: Timestamp,
    /// Whether it is held back.
    pub suspended: bool,
    /// How many batches it searches, if it is an Indexed Job; any other searches one.
    pub completions: Option<u32>,
    /// Batches that are done, of an Indexed Job.
    pub completed: Indexes,
    /// Batches that are given up, of an Indexed Job.
    pub failed: Indexes,
    /// Pods that are not at their end.
    pub active: u32,
    /// Conditions, in whatever order.
    pub conditions: Vec<ConditionSeen>,
    /// Why no pod can be created, from an event (a quota, an admission rule).
    pub held_up: Option<String>,
}

impl JobSeen {
    /// A condition that holds. Its place in the list says nothing: since Kubernetes 1.31 others come first.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&ConditionSeen> {
        let mut found = self.conditions.iter();
        found.find(|condition| condition.kind == kind && condition.holds)
    }

    /// Whether all of it is done. Only this condition says so.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.condition("Complete").is_some()
    }

    /// Why it was given up. Failed pods do not say so: they may be replaced.
    #[must_use]
    pub fn failure(&self) -> Option<&ConditionSeen> {
        self.condition("Failed")
    }

    /// Whether it will not go on.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.is_complete() || self.failure().is_some()
    }
}

/// The phase of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodPhase {
    /// Not all containers have been started.
    Pending,
    /// At least one container is at work.
    Running,
    /// Every container has ended well.
    Succeeded,
    /// Every container has ended, one of them with an error.
    Failed,
    /// The node is not heard.
    Unknown,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndSeen {
    /// Its exit code.
    pub exit_code: i32,
    /// One word for why, such as `OOMKilled`.
    pub reason: String,
    /// What it left as its last word.
    pub message: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What a container does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    /// It has not been started.
    Waiting {
        /// One word for why, such as `ImagePullBackOff`.
        reason: String,
        /// A sentence for why.
        message: String,
    },
    /// It is at work.
    Running {
        /// Since when.
        since: Option<Timestamp>,
    },
    /// It has ended.
    Ended(EndSeen),
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSeen {
    /// Its name.
    pub name: String,
    /// Whether it runs before the others.
    pub init: bool,
    /// What it does.
    pub state: ContainerState,
    /// How often it was started again in this pod.
    pub restarts: u32,
    /// How it ended the time before.
    pub last_end: Option<EndSeen>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSeen {
    /// Its name.
    pub name: String,
    /// The Job that it belongs to.
    pub job: String,
    /// Which batch it searches, of an Indexed Job.
    pub index: Option<u32>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Where it is.
    pub node: Option<String>,
    /// Its phase.
    pub phase: PodPhase,
    /// Whether it is being removed.
    pub deleting: bool,
    /// One word for its own end, such as `Evicted`.
    pub reason: String,
    /// A sentence for it.
    pub message: String,
    /// Why no node takes it.
    pub unschedulable: Option<String>,
    /// Why the cluster took its node away, if it did: nothing of this is the search's own fault.
    pub disrupted: Option<String>,
    /// Its containers, those that run first before the others.
    pub containers: Vec<ContainerSeen>,
}

/// What the place of the results shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultsSeen {
    /// How many batches have a readable result; `None` if nobody has looked.
    pub batches: Option<u32>,
    /// Whether the end was marked as a success (`metadata/SUCCESS.txt`).
    pub success: bool,
    /// What the end was marked as a failure with (`metadata/FAILURE.txt`).
    pub failure: Option<String>,
}
