//! A search on a Kubernetes cluster: what can be seen of it, and what that means.
//!
//! Owns the rules by which Jobs and pods become a state, for searches that this program started and for
//! those of the ElasticBLAST command line. Asks nobody: who looks hands over what was seen.

mod copies;
mod done;
mod follow;
mod indexes;
mod log;
mod log_view;
mod moments;
mod own;
mod pods;
mod report;
mod seen;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
mod verdict;
mod view;

pub use copies::{
    Act, CopyOf, CopySeen, CopyState, CopyView, RELEASE_CONTAINER, STAGE_CONTAINER, StageProgress,
    copies,
};
pub use done::{BatchDone, BatchFile};
pub use follow::follow;
pub use indexes::Indexes;
pub use log::{ContainerLine, LogLines, LogOf, LogPlace};
pub use log_view::{PodLogState, PodLogView};
pub use moments::Moments;
pub use own::{job_of, run_of, shard_name, shard_number};
pub use report::{MAX_MESSAGE, Report, Work};
pub use seen::{
    BLAST_CONTAINER, ConditionSeen, ContainerSeen, ContainerState, EndSeen, JobSeen, PodPhase,
    PodSeen, ResultsSeen, Role,
};
pub use verdict::{Batches, Failure, RunSeen, Verdict, verdict};
pub use view::{Health, PlaceView, PodView, RunView};
