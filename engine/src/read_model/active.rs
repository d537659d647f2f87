//! The jobs that are not at their end, as the engine asks for them.

use std::sync::Arc;

use elb_core::{phase::Phase, time::Timestamp};

use super::{Listed, ReadModel, State};

impl State {
    pub(super) fn open(&self) -> impl Iterator<Item = &Arc<Listed>> {
        let ids = self.active.iter();
        ids.filter_map(|(_, id)| self.listed(id))
    }
}

impl ReadModel {
    /// Ids of every job that is not at its end, oldest first.
    #[must_use]
    pub fn active(&self) -> Vec<String> {
        let state = self.read();
        state.active.iter().map(|(_, id)| id.to_string()).collect()
    }

    /// Every active job, oldest first: when it was created, its id, its phase, and whether it is to
    /// begin later by itself.
    #[must_use]
    pub fn line(&self) -> Vec<(Timestamp, String, Phase, bool)> {
        let state = self.read();
        // Those that are only followed stand in no line.
        let own = state.open().filter(|listed| !listed.is_followed);
        own.map(|listed| {
            let row = &listed.row;
            let later = row.not_before.is_some();
            (row.created_at, row.id.clone(), row.phase, later)
        })
        .collect()
    }

    /// Ids and versions of the active jobs whose phase is as wanted.
    #[must_use]
    pub fn versions_of_active(&self, wanted: impl Fn(Phase) -> bool) -> Vec<(String, u64)> {
        let state = self.read();
        let rows = state.open().map(|listed| &listed.row);
        rows.filter(|row| wanted(row.phase))
            .map(|row| (row.id.clone(), row.version))
            .collect()
    }

    /// How many jobs of this engine are not at their end.
    #[must_use]
    pub fn active_count(&self) -> usize {
        let state = self.read();
        state.open().filter(|listed| !listed.is_followed).count()
    }

    /// Whether a job is not at its end.
    #[must_use]
    pub fn is_active(&self, id: &str) -> bool {
        self.phase(id).is_some_and(Phase::is_active)
    }
}
