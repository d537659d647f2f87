//! Reading a history: which entries belong to an attempt, and where its end is.
//!
//! Owns the questions that several invariants ask of the same entries. Retention may have taken the
//! oldest ones; what is not there proves nothing.

use super::JobEvidence;
use crate::{phase::Phase, view::HistoryEntry};

/// A phase in which a job stays unless a person asks for something.
pub(super) const fn is_end(phase: Phase) -> bool {
    !phase.is_active() && !matches!(phase, Phase::Deleted)
}

impl JobEvidence {
    /// Entries of one attempt, oldest first.
    pub(super) fn entries_of(&self, attempt: u32) -> impl Iterator<Item = &HistoryEntry> {
        self.history
            .iter()
            .filter(move |entry| entry.attempt == attempt)
    }

    /// Whether the history reaches back to where this attempt began.
    pub(super) fn knows_begin_of(&self, attempt: u32) -> bool {
        self.history
            .first()
            .is_some_and(|first| first.version == 1 || first.attempt < attempt)
    }

    /// The entry with which an attempt came to its end; one that was to be deleted once stopped ends as
    /// a tombstone.
    pub(super) fn end_of(&self, attempt: u32) -> Option<&HistoryEntry> {
        self.entries_of(attempt)
            .find(|entry| !entry.phase.is_active())
    }

    /// The phase that the job is in, or was in when it was deleted.
    pub(super) fn phase_kept(&self) -> Phase {
        self.job.deletion.map_or(self.job.phase, |kept| kept.was)
    }
}
