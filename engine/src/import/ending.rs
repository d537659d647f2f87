//! What the original's words for a job's state mean here.
//!
//! Owns the mapping of status, phase and error code (table in `docs/IMPORT.md`). It is total: a word that is
//! not known is told as such and never taken for one that is.

use elb_core::{error_code::ErrorCode, phase::Phase, step::Step};

/// How a job of the original has ended, if it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With results.
    Completed,
    /// With an error.
    Failed,
    /// Stopped by a person.
    Cancelled,
    /// Hidden by a person.
    Deleted,
    /// Not at all: the original still has something to do.
    Not,
    /// Nobody knows: the status is a word that the original never writes.
    Unknown,
}

impl Ending {
    /// The ending that status and phase tell. The status leads; where it only says that the job is alive, a
    /// phase that is an end is believed, because the original wrote the two apart.
    pub(super) fn of(status: &str, phase: &str) -> Self {
        let (status, phase) = (status.to_lowercase(), phase.to_lowercase());
        if status == "deleted" || phase == "deleted" {
            return Self::Deleted;
        }
        match status.as_str() {
            "completed" | "succeeded" | "success" => Self::Completed,
            "failed" | "failure" | "error" => Self::Failed,
            "cancelled" | "canceled" => Self::Cancelled,
            "" | "queued" | "pending" | "running" | "reducing" | "requested" | "cancelling"
            | "unknown" => match phase.as_str() {
                "completed" => Self::Completed,
                "failed" | "worker_lost" | "broker_unavailable" => Self::Failed,
                "cancelled" | "canceled" => Self::Cancelled,
                "" if status.is_empty() => Self::Unknown,
                _ => Self::Not,
            },
            _ => Self::Unknown,
        }
    }
}

/// The phase that an entry of the original's history tells; nothing if it tells none.
pub(super) fn phase_of(status: &str, phase: &str) -> Option<Phase> {
    let (status, phase) = (status.to_lowercase(), phase.to_lowercase());
    match Ending::of(&status, &phase) {
        Ending::Completed => return Some(Phase::Completed),
        Ending::Failed => {
            return Some(match phase.as_str() {
                "worker_lost" => Phase::WorkerLost,
                "broker_unavailable" => Phase::BrokerUnavailable,
                _ => Phase::Failed,
            });
        }
        Ending::Cancelled => return Some(Phase::Cancelled),
        Ending::Deleted => return Some(Phase::Deleted),
        Ending::Not | Ending::Unknown => {}
    }
    let same = |known: &Phase| known.is_active() && known.as_str() == phase;
    if let Some(same) = Phase::ALL.into_iter().find(same) {
        return Some(same);
    }
    if let Some(step) = step_of(&phase) {
        return Some(match step {
            Step::Preparing => Phase::Preparing,
            Step::WarmingUp => Phase::WarmingUp,
            Step::Configuring => Phase::Configuring,
            Step::StagingDb => Phase::StagingDb,
            Step::Submitting => Phase::Submitting,
            Step::Running => Phase::Running,
            Step::ExportingResults | Step::Completed => Phase::ExportingResults,
        });
    }
    match status.as_str() {
        "queued" | "pending" | "requested" => Some(Phase::Queued),
        "running" => Some(Phase::Running),
        "reducing" => Some(Phase::ExportingResults),
        "cancelling" => Some(Phase::Cancelling),
        _ => None,
    }
}

/// The step of the timeline in which the original was in a phase.
pub(super) fn step_of(phase: &str) -> Option<Step> {
    let phase = phase.to_lowercase();
    Some(match phase.as_str() {
        "queued"
        | "pending"
        | "preparing"
        | "database_unavailable"
        | "waiting_for_database"
        | "broker_unavailable"
        | "enqueue_failed"
        | "splitting_queries"
        | "reading_split_query"
        | "split_query_invalid" => Step::Preparing,
        "warming_up" | "warmup_ready" | "waiting_for_warmup" | "warmup_not_ready"
        | "warmup_failed" => Step::WarmingUp,
        "configuring"
        | "config_invalid"
        | "db_order_oracle_attached"
        | "tie_order_oracle_uploaded" => Step::Configuring,
        "staging_db" => Step::StagingDb,
        "submitting"
        | "submitted"
        | "submit_failed"
        | "submit_retryable_failure"
        | "waiting_for_submit_slot"
        | "waiting_for_capacity"
        | "submit_coordination_unavailable"
        | "split_submit_unavailable"
        | "split_children_submitted"
        | "terminal_unavailable"
        | "terminal_az_login_failed"
        | "terminal_kubeconfig_failed" => Step::Submitting,
        "running"
        | "status_unavailable"
        | "split_children_aggregating"
        | "lifecycle_interrupted" => Step::Running,
        "results_pending"
        | "exporting_results"
        | "split_children_merge_ready"
        | "split_results_waiting_for_artifacts"
        | "split_results_merging"
        | "split_results_merge_invalid"
        | "split_results_merge_unavailable" => Step::ExportingResults,
        "completed" => Step::Completed,
        _ => return None,
    })
}

/// Our code for a failure of the original; its own stays in the text.
pub(super) fn error_code(code: &str, phase: &str, step: Step) -> ErrorCode {
    let either = |word: &str| code == word || phase == word;
    match () {
        () if either("worker_lost") => ErrorCode::WorkerLost,
        () if either("broker_unavailable") => ErrorCode::BrokerUnavailable,
        () if either("blast_submit_lock_busy") => ErrorCode::BlastSubmitLockBusy,
        () if either("database_not_found") || either("blob_missing") => ErrorCode::DatabaseMissing,
        () if either("config_invalid") => ErrorCode::OptionRejected,
        () if either("split_query_invalid") => ErrorCode::QueryInvalid,
        () if code.ends_with("_deadline_exceeded") => ErrorCode::WaitedTooLong,
        () if code == "blast_search_failed" => ErrorCode::BlastFailed,
        () => match step {
            Step::ExportingResults | Step::Completed => ErrorCode::ExportFailed,
            Step::Running => ErrorCode::BlastFailed,
            // Everything that the original did before the search was asking other services.
            Step::Preparing
            | Step::WarmingUp
            | Step::Configuring
            | Step::StagingDb
            | Step::Submitting => ErrorCode::TemporarilyUnavailable,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};

    use super::*;

    /// Every status and phase that the original's code writes.
    const STATUSES: [&str; 10] = [
        "queued",
        "pending",
        "running",
        "reducing",
        "requested",
        "cancelling",
        "completed",
        "failed",
        "cancelled",
        "deleted",
    ];
    const PHASES: [&str; 45] = [
        "",
        "queued",
        "preparing",
        "warming_up",
        "warmup_ready",
        "warmup_not_ready",
        "warmup_failed",
        "configuring",
        "config_invalid",
        "staging_db",
        "submitting",
        "submitted",
        "submit_failed",
        "submit_retryable_failure",
        "submit_coordination_unavailable",
        "waiting_for_warmup",
        "waiting_for_submit_slot",
        "waiting_for_database",
        "waiting_for_capacity",
        "database_unavailable",
        "enqueue_failed",
        "broker_unavailable",
        "terminal_unavailable",
        "terminal_az_login_failed",
        "terminal_kubeconfig_failed",
        "running",
        "status_unavailable",
        "lifecycle_interrupted",
        "worker_lost",
        "results_pending",
        "exporting_results",
        "splitting_queries",
        "reading_split_query",
        "split_query_invalid",
        "split_children_submitted",
        "split_submit_unavailable",
        "split_children_aggregating",
        "split_children_merge_ready",
        "split_results_waiting_for_artifacts",
        "split_results_merging",
        "split_results_merge_invalid",
        "split_results_merge_unavailable",
        "completed",
        "failed",
        "cancelled",
    ];

    #[test]
    fn every_word_of_the_original_has_a_meaning() {
        for status in STATUSES {
            for phase in PHASES {
                let ending = Ending::of(status, phase);
                assert_ne!(ending, Ending::Unknown, "{status} {phase}");
                let told = phase_of(status, phase);
                assert!(told.is_some(), "{status} {phase}");
                let over = told.is_some_and(|phase| !phase.is_active());
                assert_eq!(over, ending != Ending::Not, "{status} {phase}");
            }
        }
        assert_eq!(Ending::of("completed", "running"), Ending::Completed);
        assert_eq!(Ending::of("failed", "worker_lost"), Ending::Failed);
        assert_eq!(
            Ending::of("running", "submit_retryable_failure"),
            Ending::Not
        );
        assert_eq!(Ending::of("running", "cancelled"), Ending::Cancelled);
        assert_eq!(Ending::of("", ""), Ending::Unknown);
    }

    proptest! {
        #[test]
        fn a_word_that_the_original_does_not_have_is_no_ending(
            word in "[a-z_]{0,12}",
            phase in select(&PHASES[..]),
        ) {
            let known = ["succeeded", "success", "failure", "error", "canceled", "unknown", ""];
            prop_assume!(!STATUSES.contains(&word.as_str()) && !known.contains(&word.as_str()));
            prop_assert_eq!(Ending::of(&word, phase), Ending::Unknown);
        }

        #[test]
        fn the_code_of_a_failure_leads_to_its_phase(code in "[a-z_]{0,20}", phase in select(&PHASES[..])) {
            let step = step_of(phase).unwrap_or(Step::Running);
            let ours = error_code(&code, phase, step);
            let lost = code == "worker_lost" || phase == "worker_lost";
            prop_assert_eq!(ours == ErrorCode::WorkerLost, lost);
        }
    }
}
