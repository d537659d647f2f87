//! What is in the list, in numbers, for those who watch over a server or a cluster.

use elb_core::{list::Totals, phase::Phase};

use super::{ReadModel, index};

impl ReadModel {
    /// How many jobs of everyone there are of each status.
    #[must_use]
    pub fn totals(&self) -> Totals {
        index::totals(self.read().index.everything())
    }

    /// How many active jobs there are in each phase that is not an end.
    #[must_use]
    pub fn phases(&self) -> Vec<(Phase, u64)> {
        let open = Phase::ALL.into_iter().filter(|phase| phase.is_active());
        let mut counted: Vec<(Phase, u64)> = open.map(|phase| (phase, 0)).collect();
        let state = self.read();
        for phase in state.open().map(|listed| listed.row.phase) {
            if let Some((_, count)) = counted.iter_mut().find(|(known, _)| *known == phase) {
                *count += 1;
            }
        }
        counted
    }

    /// The phase of a listed job, and the attempt that it is in.
    #[must_use]
    pub fn phase_and_attempt(&self, id: &str) -> Option<(Phase, u32)> {
        let state = self.read();
        let listed = state.listed(id)?;
        Some((listed.row.phase, listed.row.attempt))
    }

    /// How many follow the changes.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.deltas.receiver_count()
    }
}
