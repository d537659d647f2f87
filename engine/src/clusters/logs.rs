//! The port to the logs of containers: which there are, and their bytes as they come.
//!
//! Owns what is known of each run of a container, and why a log cannot be read. Unlike the rest of what is seen
//! of clusters this asks them: whoever calls waits no longer than the limits of the one that it reads from.

use async_trait::async_trait;
use bytes::Bytes;
use elb_core::{
    cluster::{ContainerSeen, ContainerState, EndSeen, LogOf, PodPhase, PodSeen},
    job::Found,
    time::Timestamp,
};
use futures::stream::BoxStream;
use thiserror::Error;

/// A log as it comes. Each line bears its time.
pub type LogPieces = BoxStream<'static, Result<Bytes, PodLogError>>;

/// Why a log cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PodLogError {
    /// The pod or this run of its container is not there any more.
    #[error("its pod is no longer on the cluster ({0}), and its log was not kept")]
    Gone(String),
    /// The container has not been started.
    #[error("it has not been started yet: {0}")]
    NotStarted(String),
    /// This server may not read logs there.
    #[error("{0}; give this server's account a role with get on pods/log")]
    Forbidden(String),
    /// The cluster does not answer, or cannot be asked now.
    #[error("the cluster cannot be asked for it: {0}")]
    Away(String),
}

/// What of a log is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogPart {
    /// What comes is given as it comes, until the container ends. It may break off at any time without a
    /// word: only what was asked of a container that had ended is whole.
    pub follow: bool,
    /// Only so many lines from the end.
    pub last: Option<u32>,
    /// Only what is not older than this.
    pub since: Option<Timestamp>,
}

/// How a run of a container stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// It has not been started.
    Waiting,
    /// It is at work.
    Running {
        /// Since when.
        since: Option<Timestamp>,
    },
    /// It has ended.
    Ended(EndSeen),
}

/// A run of a container that is seen on a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRun {
    /// Names its log.
    pub log: LogOf,
    /// Whether the container runs before the others.
    pub init: bool,
    /// The batch that its pod searches, of an Indexed Job.
    pub batch: Option<u32>,
    /// How it stands.
    pub state: RunState,
    /// Whether its pod was told to end: what it says must be read now.
    pub ending: bool,
}

impl ContainerRun {
    /// The runs of a pod's containers whose logs a cluster still has, those that were first before the others: of
    /// each container the last one, and the one before it.
    #[must_use]
    pub fn of(pod: &PodSeen) -> Vec<Self> {
        let mut runs = Vec::new();
        for container in &pod.containers {
            let mut push = |restart, state| {
                runs.extend(
                    LogOf::new(&pod.name, &container.name, restart).map(|log| Self {
                        log,
                        init: container.init,
                        batch: pod.index,
                        state,
                        ending: pod.deleting,
                    }),
                );
            };
            if let (Some(before), Some(end)) = (before(container), &container.last_end) {
                push(before, RunState::Ended(end.clone()));
            }
            let state = match (&container.state, &container.last_end) {
                (ContainerState::Ended(end), _) => RunState::Ended(end.clone()),
                // It has ended and waits to be started again.
                (ContainerState::Waiting { .. }, Some(end)) => RunState::Ended(end.clone()),
                (ContainerState::Waiting { .. }, None) => RunState::Waiting,
                (ContainerState::Running { since }, _) => RunState::Running { since: *since },
            };
            // A pod that ended before a container was started starts none any more.
            let over = matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed);
            if !(over && state == RunState::Waiting) {
                push(container.restarts, state);
            }
        }
        runs
    }

    /// Whether it has ended.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, RunState::Ended(_))
    }
}

/// Which run of a container was before the one that is there, if that was started after another one.
fn before(container: &ContainerSeen) -> Option<u32> {
    let waits = matches!(container.state, ContainerState::Waiting { .. });
    container.restarts.checked_sub(1).filter(|_| !waits)
}

/// The logs of containers.
#[async_trait]
pub trait PodLogs: Send + Sync {
    /// The searches of which pods are seen: where, and by their id there. From memory.
    fn searches(&self) -> Vec<(Found, String)>;
    /// The runs of containers of a search that are seen, oldest pod first. From memory.
    fn runs(&self, place: &Found, run: &str) -> Vec<ContainerRun>;
    /// Reads the log of a container of a search. Only of pods of this search.
    ///
    /// # Errors
    /// Why it cannot be read; so does the stream, of what comes later.
    async fn read(
        &self,
        place: &Found,
        run: &str,
        log: &LogOf,
        part: LogPart,
    ) -> Result<LogPieces, PodLogError>;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn pod(phase: PodPhase, containers: Vec<ContainerSeen>) -> PodSeen {
        PodSeen {
            name: "p".to_owned(),
            job: "j".to_owned(),
            index: Some(3),
            created_at: Timestamp(0),
            node: None,
            phase,
            deleting: false,
            reason: String::new(),
            message: String::new(),
            unschedulable: None,
            disrupted: None,
            containers,
        }
    }

    fn container(state: ContainerState, restarts: u32, last: Option<i32>) -> ContainerSeen {
        ContainerSeen {
            name: "c".to_owned(),
            init: false,
            state,
            restarts,
            last_end: last.map(end),
        }
    }

    fn end(exit_code: i32) -> EndSeen {
        EndSeen {
            exit_code,
            ..EndSeen::default()
        }
    }

    fn waiting() -> ContainerState {
        ContainerState::Waiting {
            reason: String::new(),
            message: String::new(),
        }
    }

    /// Each run as its number and how it stands.
    fn runs(phase: PodPhase, container: ContainerSeen) -> Vec<(u32, String)> {
        let runs = ContainerRun::of(&pod(phase, vec![container]));
        let words = |run: ContainerRun| match run.state {
            RunState::Waiting => (run.log.restart, "waits".to_owned()),
            RunState::Running { .. } => (run.log.restart, "runs".to_owned()),
            RunState::Ended(end) => (run.log.restart, end.exit_code.to_string()),
        };
        runs.into_iter().map(words).collect()
    }

    #[test]
    fn each_run_that_a_cluster_still_knows_is_one_log() {
        let at_work = || ContainerState::Running { since: None };
        let table = [
            (container(waiting(), 0, None), vec![(0, "waits")]),
            (container(at_work(), 0, None), vec![(0, "runs")]),
            // Ended, and not started again yet.
            (container(waiting(), 0, Some(1)), vec![(0, "1")]),
            (
                container(at_work(), 1, Some(1)),
                vec![(0, "1"), (1, "runs")],
            ),
            (container(waiting(), 1, Some(2)), vec![(1, "2")]),
            (
                container(ContainerState::Ended(end(0)), 2, Some(9)),
                vec![(1, "9"), (2, "0")],
            ),
        ];
        for (container, wanted) in table {
            let wanted: Vec<(u32, String)> = wanted
                .into_iter()
                .map(|(number, state)| (number, state.to_owned()))
                .collect();
            assert_eq!(
                runs(PodPhase::Running, container.clone()),
                wanted,
                "{container:?}"
            );
        }
        assert!(runs(PodPhase::Failed, container(waiting(), 0, None)).is_empty());
    }
}
