//! Why a job failed: a closed set of codes, each with a class and a remedy.
//!
//! Owns the codes and the cap on error text. The text is a separate field and never the code: the
//! original let 770 characters of dump into its code column, which broke its list.

use serde::{Deserialize, Serialize};

use crate::{step::Step, text};

/// The longest error text that is stored, in characters (S2).
pub const MAX_ERROR_TEXT: usize = 2_000;

/// What kind of trouble it is; decides whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The machinery hiccupped; trying again may help.
    TransientInfrastructure,
    /// No room: disk, memory, time.
    Capacity,
    /// The database is missing, damaged or of the wrong kind.
    Database,
    /// The query or an option is not acceptable.
    Input,
    /// BLAST+ itself ended with an error.
    Runtime,
    /// Trying again cannot help.
    Permanent,
}

/// Why a job failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The submission could not be handed to the engine.
    BrokerUnavailable,
    /// No sign of life for too long.
    WorkerLost,
    /// The wait for the submit slot passed its deadline.
    BlastSubmitLockBusy,
    /// The stored query cannot be read or is not acceptable.
    QueryInvalid,
    /// BLAST+ refused an option or the query.
    OptionRejected,
    /// The database is gone.
    DatabaseMissing,
    /// The database is there and cannot be read.
    DatabaseUnreadable,
    /// The database changed between submission and run.
    DatabaseChanged,
    /// BLAST+ ran out of memory or was killed for it.
    OutOfMemory,
    /// The disk is full.
    DiskFull,
    /// The search took longer than allowed.
    TimeLimit,
    /// The output grew larger than allowed.
    OutputLimit,
    /// BLAST+ ended with an error of its own.
    BlastFailed,
    /// BLAST+ is not installed or cannot be started.
    BlastMissing,
    /// Results could not be merged, formatted or indexed.
    ExportFailed,
    /// A file, process or service that the search needs did not answer; it may the next time.
    TemporarilyUnavailable,
    /// The job stood still for longer than its wait may last.
    WaitedTooLong,
    /// Something in this program is wrong.
    Internal,
}

impl ErrorCode {
    /// Every code, for documentation and tests.
    pub const ALL: [Self; 18] = [
        Self::BrokerUnavailable,
        Self::WorkerLost,
        Self::BlastSubmitLockBusy,
        Self::QueryInvalid,
        Self::OptionRejected,
        Self::DatabaseMissing,
        Self::DatabaseUnreadable,
        Self::DatabaseChanged,
        Self::OutOfMemory,
        Self::DiskFull,
        Self::TimeLimit,
        Self::OutputLimit,
        Self::BlastFailed,
        Self::BlastMissing,
        Self::ExportFailed,
        Self::TemporarilyUnavailable,
        Self::WaitedTooLong,
        Self::Internal,
    ];

    /// The class, which decides whether trying again can help.
    #[must_use]
    pub const fn class(self) -> ErrorClass {
        match self {
            Self::BrokerUnavailable | Self::WorkerLost | Self::TemporarilyUnavailable => {
                ErrorClass::TransientInfrastructure
            }
            Self::QueryInvalid | Self::OptionRejected => ErrorClass::Input,
            Self::DatabaseMissing | Self::DatabaseUnreadable | Self::DatabaseChanged => {
                ErrorClass::Database
            }
            Self::OutOfMemory
            | Self::DiskFull
            | Self::TimeLimit
            | Self::OutputLimit
            | Self::BlastSubmitLockBusy
            | Self::WaitedTooLong => ErrorClass::Capacity,
            Self::BlastFailed | Self::BlastMissing | Self::ExportFailed => ErrorClass::Runtime,
            Self::Internal => ErrorClass::Permanent,
        }
    }

    /// Whether another attempt is made without anybody asking. A passing hiccup is worth one; a job that
    /// was never handed over or that fell silent is not: nobody knows what the next attempt would meet.
    #[must_use]
    pub const fn retries_by_itself(self) -> bool {
        matches!(self, Self::TemporarilyUnavailable)
    }

    /// What the reader can do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::BrokerUnavailable => "Nothing was searched. Retry when the server is back.",
            Self::WorkerLost => "Retry; if it happens again, tell the operator of this server.",
            Self::BlastSubmitLockBusy => "Another submission held the slot for too long. Retry.",
            Self::QueryInvalid => "Edit the search and correct the query as described.",
            Self::OptionRejected => "Edit the search and change the option that BLAST+ names.",
            Self::DatabaseMissing => {
                "Choose another database, or put this one back and retry (Databases page)."
            }
            Self::DatabaseUnreadable => {
                "The database files are damaged or incomplete. Rebuild it, then retry."
            }
            Self::DatabaseChanged => {
                "Batches already searched used the older version. Duplicate the search to run it whole on the new one."
            }
            Self::OutOfMemory => {
                "Search fewer sequences at once or a smaller database, or give the machine more memory, then retry."
            }
            Self::DiskFull => "Free disk space in the data folder, then retry.",
            Self::TimeLimit => {
                "Split the query into smaller searches, or have the operator raise the wall time limit."
            }
            Self::OutputLimit => {
                "Lower the number of target sequences or the E-value, or have the operator raise the output limit."
            }
            Self::BlastFailed => "Read the log below for BLAST+'s own message, then retry or edit.",
            Self::BlastMissing => {
                "Install the package ncbi-blast+ or set ELB_BLAST_BIN, then retry."
            }
            Self::ExportFailed => "The search itself is done. Retry collects its results again.",
            Self::TemporarilyUnavailable => {
                "It was tried again by itself without success. Look after what the text names, then retry."
            }
            Self::WaitedTooLong => "See what it waited for, then retry.",
            Self::Internal => "Please report this with the job id and the log.",
        }
    }

    /// The key as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BrokerUnavailable => "broker_unavailable",
            Self::WorkerLost => "worker_lost",
            Self::BlastSubmitLockBusy => "blast_submit_lock_busy",
            Self::QueryInvalid => "query_invalid",
            Self::OptionRejected => "option_rejected",
            Self::DatabaseMissing => "database_missing",
            Self::DatabaseUnreadable => "database_unreadable",
            Self::DatabaseChanged => "database_changed",
            Self::OutOfMemory => "out_of_memory",
            Self::DiskFull => "disk_full",
            Self::TimeLimit => "time_limit",
            Self::OutputLimit => "output_limit",
            Self::BlastFailed => "blast_failed",
            Self::BlastMissing => "blast_missing",
            Self::ExportFailed => "export_failed",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::WaitedTooLong => "waited_too_long",
            Self::Internal => "internal",
        }
    }
}

/// An error as it is stored with a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// Which error.
    pub code: ErrorCode,
    /// What happened, at most [`MAX_ERROR_TEXT`] characters.
    pub message: String,
    /// The step in which it happened.
    pub step: Step,
}

impl JobError {
    /// Makes an error with its text capped.
    #[must_use]
    pub fn new(code: ErrorCode, message: &str, step: Step) -> Self {
        Self {
            code,
            message: text::cap(message.trim(), MAX_ERROR_TEXT),
            step,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_code_has_a_remedy_and_serialises_as_its_key() {
        for code in ErrorCode::ALL {
            assert!(code.remedy().len() > 10);
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.as_str()));
        }
    }

    #[test]
    fn an_error_text_is_capped_in_characters_not_in_bytes() {
        let error = JobError::new(ErrorCode::Internal, &"한".repeat(5_000), Step::Running);
        assert_eq!(error.message.chars().count(), MAX_ERROR_TEXT);
    }
}
