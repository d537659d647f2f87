//! The eight steps of the timeline and what is recorded of each.
//!
//! Owns step keys, labels and states. Skipped and not reached are different states and stay so: the
//! original drew them alike. A step that took 0 ms is still recorded with both of its times.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A step of the timeline, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Query read, validated, split; the wait in the queue is part of it.
    Preparing,
    /// Is the database ready where the search will run?
    WarmingUp,
    /// The run is written down.
    Configuring,
    /// The database is copied to where the search runs.
    StagingDb,
    /// Handing the run to the executor.
    Submitting,
    /// BLAST+ searches.
    Running,
    /// Merge, format, index.
    ExportingResults,
    /// Results are readable.
    Completed,
}

impl Step {
    /// All steps in the order in which they happen.
    pub const ALL: [Self; 8] = [
        Self::Preparing,
        Self::WarmingUp,
        Self::Configuring,
        Self::StagingDb,
        Self::Submitting,
        Self::Running,
        Self::ExportingResults,
        Self::Completed,
    ];

    /// Position in the timeline, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Position for people: 1 to 8.
    #[must_use]
    pub const fn number(self) -> usize {
        self as usize + 1
    }

    /// The key as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::WarmingUp => "warming_up",
            Self::Configuring => "configuring",
            Self::StagingDb => "staging_db",
            Self::Submitting => "submitting",
            Self::Running => "running",
            Self::ExportingResults => "exporting_results",
            Self::Completed => "completed",
        }
    }

    /// What the timeline says.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Preparing => "Read the query",
            Self::WarmingUp => "Check the database",
            Self::Configuring => "Plan the search",
            Self::StagingDb => "Prepare the database",
            Self::Submitting => "Start the search",
            Self::Running => "Search",
            Self::ExportingResults => "Collect the results",
            Self::Completed => "Results ready",
        }
    }

    /// One line on what happens in the step.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Preparing => "waits its turn, then reads and splits the query sequences",
            Self::WarmingUp => "makes sure that the database can be read where the search runs",
            Self::Configuring => "writes down the exact command and its batches",
            Self::StagingDb => "copies the database to the disk of the machine that searches",
            Self::Submitting => "hands the batches to the machine that searches",
            Self::Running => "BLAST+ compares the query with the database",
            Self::ExportingResults => "merges the batches and builds the result pages",
            Self::Completed => "hits can be read and downloaded",
        }
    }
}

/// The state of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// The job has not come this far.
    #[default]
    NotReached,
    /// Work is being done in this step.
    Active,
    /// The job stands still in this step; the reason says why.
    Waiting,
    /// Finished.
    Done,
    /// Not needed; the reason says why.
    Skipped,
    /// The job ended here with an error.
    Failed,
    /// The job was stopped here by a person.
    Cancelled,
}

impl StepState {
    /// The key as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotReached => "not_reached",
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The word on the page.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotReached => "not reached",
            Self::Active => "in progress",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the step has begun and not ended.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Active | Self::Waiting)
    }

    /// Whether a later step may begin.
    #[must_use]
    pub const fn is_passed(self) -> bool {
        matches!(self, Self::Done | Self::Skipped)
    }
}

/// Something that is done within a step, beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKey {
    /// What earlier attempts have left where the search runs is removed.
    EarlierAttempts,
    /// The object that owns all others of the run is made.
    Anchor,
    /// The query of each batch is stored where its pod reads it.
    Queries,
}

impl PartKey {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::EarlierAttempts, Self::Anchor, Self::Queries];

    /// The key as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EarlierAttempts => "earlier_attempts",
            Self::Anchor => "anchor",
            Self::Queries => "queries",
        }
    }

    /// What the timeline says.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::EarlierAttempts => "Remove earlier attempts",
            Self::Anchor => "Make the anchor",
            Self::Queries => "Store the query",
        }
    }
}

/// How long a part of a step took. Parts may overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepPart {
    /// Which part.
    pub key: PartKey,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Why there was nothing to do, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// What is recorded of one step of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Which step.
    pub key: Step,
    /// Its state.
    pub state: StepState,
    /// When it began; present in every state but `not_reached`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended; present in every ended state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Why it waits, was skipped or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of the time in this step, how much was waiting, in milliseconds (closed waits only).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waited_ms: u64,
    /// When the wait that is under way began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Timestamp>,
    /// What was done in it side by side, each with its times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<StepPart>,
}

const fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl StepRecord {
    /// The record of a step that has not been reached.
    #[must_use]
    pub const fn not_reached(key: Step) -> Self {
        Self {
            key,
            state: StepState::NotReached,
            started_at: None,
            finished_at: None,
            reason: None,
            waited_ms: 0,
            waiting_since: None,
            parts: Vec::new(),
        }
    }

    /// How long the step took, in milliseconds; of an open one, until `now`.
    #[must_use]
    pub fn duration_ms(&self, now: Timestamp) -> Option<u64> {
        let started = self.started_at?;
        Some(self.finished_at.unwrap_or(now).since(started))
    }
}

/// A fresh timeline: eight steps, none reached.
#[must_use]
pub fn fresh_timeline() -> Vec<StepRecord> {
    Step::ALL.into_iter().map(StepRecord::not_reached).collect()
}
