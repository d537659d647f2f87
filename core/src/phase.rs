//! `Phase`: the single stored truth of where a job is.
//!
//! Owns the phase keys, the status that each implies and the timeline step that each belongs to.
//! Never stores a second truth: [`Status`] is a total function of the phase, so that the two cannot
//! disagree (the original showed waiting jobs as running and failed ones as spinning).

use serde::{Deserialize, Serialize};

use crate::step::Step;

/// Where a job is. The keys are the API's words (`snake_case`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Stored, and waiting for its turn.
    Queued,
    /// The query is read, validated and split.
    Preparing,
    /// Is the database ready where the search will run?
    WarmingUp,
    /// The run is written down: arguments, batches, resources.
    Configuring,
    /// The database is copied to where the search runs.
    StagingDb,
    /// Waits until the database can be read.
    WaitingForDatabase,
    /// Waits until the database is warm.
    WaitingForWarmup,
    /// Waits for room on the machine or cluster.
    WaitingForCapacity,
    /// Waits until another submission to the same place has finished.
    WaitingForSubmitSlot,
    /// Being handed to the executor.
    Submitting,
    /// Accepted by the executor, nothing started yet.
    Submitted,
    /// BLAST+ is searching.
    Running,
    /// Computed, results not readable yet.
    ResultsPending,
    /// Archives are merged, formatted and indexed.
    ExportingResults,
    /// Results are readable.
    Completed,
    /// Ended with an error.
    Failed,
    /// The submission could not be handed to the engine; the API answered 503.
    BrokerUnavailable,
    /// Silent past the limit and no other truth found.
    WorkerLost,
    /// A cancel was asked for; the run is not yet seen to be gone.
    Cancelling,
    /// The run was seen to be gone.
    Cancelled,
    /// Tombstone: hidden from every list.
    Deleted,
}

/// What a phase means to a person who reads a list. A total function of [`Phase`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waiting, for whatever reason.
    Queued,
    /// Work is being done.
    Running,
    /// Results are readable.
    Completed,
    /// Ended with an error.
    Failed,
    /// Stopped by a person.
    Cancelled,
    /// Hidden.
    Deleted,
}

impl Phase {
    /// Every phase, in the order of the table in the behaviour document.
    pub const ALL: [Self; 21] = [
        Self::Queued,
        Self::Preparing,
        Self::WarmingUp,
        Self::Configuring,
        Self::StagingDb,
        Self::WaitingForDatabase,
        Self::WaitingForWarmup,
        Self::WaitingForCapacity,
        Self::WaitingForSubmitSlot,
        Self::Submitting,
        Self::Submitted,
        Self::Running,
        Self::ResultsPending,
        Self::ExportingResults,
        Self::Completed,
        Self::Failed,
        Self::BrokerUnavailable,
        Self::WorkerLost,
        Self::Cancelling,
        Self::Cancelled,
        Self::Deleted,
    ];

    /// What the phase means to a reader of the list.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Queued
            | Self::WaitingForDatabase
            | Self::WaitingForWarmup
            | Self::WaitingForCapacity
            | Self::WaitingForSubmitSlot => Status::Queued,
            Self::Preparing
            | Self::WarmingUp
            | Self::Configuring
            | Self::StagingDb
            | Self::Submitting
            | Self::Submitted
            | Self::Running
            | Self::ResultsPending
            | Self::ExportingResults
            | Self::Cancelling => Status::Running,
            Self::Completed => Status::Completed,
            Self::Failed | Self::BrokerUnavailable | Self::WorkerLost => Status::Failed,
            Self::Cancelled => Status::Cancelled,
            Self::Deleted => Status::Deleted,
        }
    }

    /// The timeline step that this phase belongs to, where the phase alone decides it.
    ///
    /// `None` for the waits for database, warm-up and capacity (they happen in whatever step the job
    /// is in), for a cancel and for every end but `completed`: the job's step records tell.
    #[must_use]
    pub const fn step(self) -> Option<Step> {
        match self {
            Self::Queued | Self::Preparing | Self::BrokerUnavailable => Some(Step::Preparing),
            Self::WarmingUp => Some(Step::WarmingUp),
            Self::Configuring => Some(Step::Configuring),
            Self::StagingDb => Some(Step::StagingDb),
            Self::WaitingForSubmitSlot | Self::Submitting => Some(Step::Submitting),
            Self::Submitted | Self::Running => Some(Step::Running),
            Self::ResultsPending | Self::ExportingResults => Some(Step::ExportingResults),
            Self::Completed => Some(Step::Completed),
            Self::WaitingForDatabase
            | Self::WaitingForWarmup
            | Self::WaitingForCapacity
            | Self::Failed
            | Self::WorkerLost
            | Self::Cancelling
            | Self::Cancelled
            | Self::Deleted => None,
        }
    }

    /// Whether the engine still has something to do.
    #[must_use]
    pub const fn is_active(self) -> bool {
        !matches!(
            self,
            Self::Completed
                | Self::Failed
                | Self::BrokerUnavailable
                | Self::WorkerLost
                | Self::Cancelled
                | Self::Deleted
        )
    }

    /// Whether the job stands still for a reason that is not an error.
    #[must_use]
    pub const fn is_waiting(self) -> bool {
        matches!(self.status(), Status::Queued)
    }

    /// The key as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Preparing => "preparing",
            Self::WarmingUp => "warming_up",
            Self::Configuring => "configuring",
            Self::StagingDb => "staging_db",
            Self::WaitingForDatabase => "waiting_for_database",
            Self::WaitingForWarmup => "waiting_for_warmup",
            Self::WaitingForCapacity => "waiting_for_capacity",
            Self::WaitingForSubmitSlot => "waiting_for_submit_slot",
            Self::Submitting => "submitting",
            Self::Submitted => "submitted",
            Self::Running => "running",
            Self::ResultsPending => "results_pending",
            Self::ExportingResults => "exporting_results",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::BrokerUnavailable => "broker_unavailable",
            Self::WorkerLost => "worker_lost",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Deleted => "deleted",
        }
    }

    /// What the page says: BLAST's words, not the infrastructure's.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Queued => "In the queue",
            Self::Preparing => "Reading the query",
            Self::WarmingUp => "Checking the database",
            Self::Configuring => "Planning the search",
            Self::StagingDb => "Preparing the database",
            Self::WaitingForDatabase => "Waiting for the database",
            Self::WaitingForWarmup => "Waiting for the database to load",
            Self::WaitingForCapacity => "Waiting for free capacity",
            Self::WaitingForSubmitSlot => "Waiting for a free slot",
            Self::Submitting => "Starting the search",
            Self::Submitted => "Search accepted",
            Self::Running => "Searching",
            Self::ResultsPending => "Search done, results on their way",
            Self::ExportingResults => "Collecting results",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::BrokerUnavailable => "Could not be started",
            Self::WorkerLost => "Lost",
            Self::Cancelling => "Cancelling",
            Self::Cancelled => "Cancelled",
            Self::Deleted => "Deleted",
        }
    }
}

impl Status {
    /// The statuses that a list shows, in the order of its filter chips.
    pub const LISTED: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The key as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Deleted => "deleted",
        }
    }

    /// The word on the filter chip.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::Deleted => "Deleted",
        }
    }

    /// Reads a listed status back from a URL; `deleted` is not one.
    #[must_use]
    pub fn parse_listed(text: &str) -> Option<Self> {
        Self::LISTED
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_key_of_a_phase_is_its_serialised_form() {
        for phase in Phase::ALL {
            let json = serde_json::to_string(&phase).unwrap();
            assert_eq!(json, format!("\"{}\"", phase.as_str()));
            assert_eq!(serde_json::from_str::<Phase>(&json).unwrap(), phase);
        }
    }

    #[test]
    fn every_inactive_phase_has_a_terminal_status_and_every_active_one_has_not() {
        for phase in Phase::ALL {
            let open = matches!(phase.status(), Status::Queued | Status::Running);
            assert_eq!(open, phase.is_active(), "{}", phase.as_str());
        }
    }

    #[test]
    fn a_waiting_phase_counts_as_queued_and_never_as_running() {
        for phase in Phase::ALL {
            if phase.as_str().starts_with("waiting_") {
                assert!(phase.is_waiting());
                assert_eq!(phase.status(), Status::Queued);
            }
        }
    }
}
