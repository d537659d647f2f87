//! The changes that one reader of the stream is told: each once, in order, without a gap.
//!
//! A reader that is too far behind is told of a snapshot instead: its list is old, and what it asks for
//! next has everything up to that revision. Never keeps more for a reader than the changes that it missed
//! while it was away.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

use super::{Delta, ReadModel, visible};

/// What a reader is told.
#[derive(Debug, Clone)]
pub enum Change {
    /// A row has changed, or has left the list.
    Row(Arc<Delta>),
    /// Changes are missing: the list is to be asked for again; it is at this revision at least.
    Snapshot(u64),
}

/// The changes from some revision on, for one caller.
pub struct Changes {
    model: Arc<ReadModel>,
    caller: String,
    job: Option<String>,
    /// What was missed before this reader came.
    waiting: VecDeque<Arc<Delta>>,
    deltas: broadcast::Receiver<Arc<Delta>>,
    gap: bool,
    /// The revision that a snapshot told last: changes up to it are in the list that the reader asks for.
    told: u64,
}

impl Changes {
    /// Every change after revision `seen` (`None`: from now on) that the caller may see, of one job if it
    /// is named.
    #[must_use]
    pub fn after(
        model: Arc<ReadModel>,
        caller: String,
        seen: Option<u64>,
        job: Option<String>,
    ) -> Self {
        let (missed, deltas) = model.replay(seen);
        Self {
            gap: missed.is_none(),
            waiting: missed.unwrap_or_default().into(),
            model,
            caller,
            job,
            deltas,
            told: 0,
        }
    }

    /// The next change; `None` once there will be no more. It may be given up at any time without losing one.
    pub async fn next(&mut self) -> Option<Change> {
        loop {
            if let Some(change) = self.at_hand()? {
                return Some(change);
            }
            match self.deltas.recv().await {
                Ok(delta) => self.waiting.push_back(delta),
                Err(RecvError::Lagged(_)) => self.lose(),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The next change if there is one already, `Some(None)` if there is none yet.
    fn at_hand(&mut self) -> Option<Option<Change>> {
        loop {
            if std::mem::take(&mut self.gap) {
                self.told = self.model.revision();
                return Some(Some(Change::Snapshot(self.told)));
            }
            if self.waiting.is_empty() {
                match self.deltas.try_recv() {
                    Ok(delta) => self.waiting.push_back(delta),
                    Err(TryRecvError::Empty) => {
                        // What was missed is told by now: its place is not kept for as long as the reader stays.
                        self.waiting = VecDeque::new();
                        return Some(None);
                    }
                    Err(TryRecvError::Closed) => return None,
                    Err(TryRecvError::Lagged(_)) => {
                        self.lose();
                        continue;
                    }
                }
            }
            let delta = self.waiting.pop_front();
            if let Some(delta) = delta.filter(|delta| self.concerns(delta)) {
                return Some(Some(Change::Row(delta)));
            }
        }
    }

    fn lose(&mut self) {
        // What is left of them is of no use: the list that the reader asks for is newer.
        self.deltas = self.model.subscribe();
        self.gap = true;
    }

    fn concerns(&self, delta: &Delta) -> bool {
        delta.revision > self.told
            && visible(&delta.owner, &self.caller)
            && self.job.as_ref().is_none_or(|job| *job == delta.id)
    }
}

impl ReadModel {
    /// Every change after a revision together with those from now on, without a gap between them;
    /// `None` in the first place if that revision is too old or not of this model.
    fn replay(
        &self,
        seen: Option<u64>,
    ) -> (Option<Vec<Arc<Delta>>>, broadcast::Receiver<Arc<Delta>>) {
        let state = self.read();
        // Without a revision the reader has nothing yet, so that nothing can have been missed.
        let seen = seen.unwrap_or(state.revision);
        let oldest = state
            .ring
            .front()
            .map_or(state.revision + 1, |delta| delta.revision);
        let known = seen.saturating_add(1) >= oldest && seen <= state.revision;
        let missed = known.then(|| {
            let newer = state.ring.iter().filter(|delta| delta.revision > seen);
            newer.map(Arc::clone).collect()
        });
        // Subscribed under the same lock: a change is either in the replay or on the stream.
        (missed, self.deltas.subscribe())
    }
}

#[cfg(test)]
mod tests;
