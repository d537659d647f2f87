//! Whose turn it is: a bounded number of searches at once, first come, first served.
//!
//! Owns the places and the waiting line, ordered by creation. A waiter can always say how many are
//! ahead of it. Holds nothing that a restart would lose: drivers queue up again from their rows.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

use elb_core::time::Timestamp;
use tokio::sync::watch;

type Ticket = (Timestamp, String);

#[derive(Debug, Default)]
struct Line {
    inside: HashSet<String>,
    waiting: BTreeMap<Ticket, ()>,
}

/// The places for searches on one executor.
#[derive(Debug)]
pub struct Admission {
    places: usize,
    line: Mutex<Line>,
    changed: watch::Sender<u64>,
}

/// What a look at the line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The job has a place.
    Yours,
    /// So many are ahead: those inside and those before it in the line.
    Wait {
        /// Jobs that are waiting and were submitted earlier.
        ahead: usize,
        /// Jobs that have a place.
        running: usize,
    },
}

impl Admission {
    /// Room for `places` searches at once; at least one.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self {
            places: places.max(1),
            line: Mutex::default(),
            changed: watch::channel(0).0,
        }
    }

    /// Joins the line, or takes a place if it is this job's turn.
    pub fn try_enter(&self, created_at: Timestamp, id: &str) -> Turn {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.inside.contains(id) {
            return Turn::Yours;
        }
        let ticket = (created_at, id.to_owned());
        line.waiting.insert(ticket.clone(), ());
        let ahead = line.waiting.range(..&ticket).count();
        if line.inside.len() + ahead < self.places {
            line.waiting.remove(&ticket);
            line.inside.insert(id.to_owned());
            drop(line);
            // The others have moved up.
            self.changed.send_modify(|changes| *changes += 1);
            return Turn::Yours;
        }
        Turn::Wait {
            ahead,
            running: line.inside.len(),
        }
    }

    /// Joins the line without a look at it.
    pub fn line_up(&self, created_at: Timestamp, id: &str) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if !line.inside.contains(id) {
            line.waiting.insert((created_at, id.to_owned()), ());
        }
    }

    /// Joins the line at this very moment: nobody who comes later has an earlier time.
    pub fn line_up_now(&self, now: impl FnOnce() -> Timestamp, id: &str) -> Timestamp {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let created_at = now();
        line.waiting.insert((created_at, id.to_owned()), ());
        created_at
    }

    /// Gives a job its place back that it had before a restart, even if that makes one too many.
    pub fn reenter(&self, id: &str) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.waiting.retain(|(_, waiting), ()| waiting != id);
        line.inside.insert(id.to_owned());
    }

    /// Leaves the line or gives the place back.
    pub fn leave(&self, id: &str) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let before = (line.inside.len(), line.waiting.len());
        line.inside.remove(id);
        line.waiting.retain(|(_, waiting), ()| waiting != id);
        let after = (line.inside.len(), line.waiting.len());
        drop(line);
        if before != after {
            self.changed.send_modify(|changes| *changes += 1);
        }
    }

    /// Tells when the line has moved.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_to_the_oldest_whoever_asks_first() {
        let admission = Admission::new(1);
        assert_eq!(admission.try_enter(Timestamp(1), "a"), Turn::Yours);
        assert_eq!(
            admission.try_enter(Timestamp(3), "c"),
            Turn::Wait {
                ahead: 0,
                running: 1
            }
        );
        assert_eq!(
            admission.try_enter(Timestamp(2), "b"),
            Turn::Wait {
                ahead: 0,
                running: 1
            }
        );
        admission.leave("a");
        assert_eq!(
            admission.try_enter(Timestamp(3), "c"),
            Turn::Wait {
                ahead: 1,
                running: 0
            }
        );
        assert_eq!(admission.try_enter(Timestamp(2), "b"), Turn::Yours);
    }

    #[test]
    fn a_waiter_that_leaves_lets_the_others_pass() {
        let admission = Admission::new(1);
        admission.reenter("a");
        assert_eq!(
            admission.try_enter(Timestamp(2), "b"),
            Turn::Wait {
                ahead: 0,
                running: 1
            }
        );
        assert_eq!(
            admission.try_enter(Timestamp(3), "c"),
            Turn::Wait {
                ahead: 1,
                running: 1
            }
        );
        admission.leave("b");
        admission.leave("a");
        assert_eq!(admission.try_enter(Timestamp(3), "c"), Turn::Yours);
    }
}
