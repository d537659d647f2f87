//! What is known of the external plane: its list, and whether it can be asked.
//!
//! Owns what was heard last, which stays when the plane goes away, and tells when it has changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use elb_core::{
    external::{PlaneHealth, PlaneView},
    time::Timestamp,
};
use tokio::sync::watch;

use super::{Listed, PlaneError};

struct Inner {
    listed: Arc<Listed>,
    health: PlaneHealth,
    reason: Option<String>,
    since: Timestamp,
}

pub(super) struct State {
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
}

impl State {
    pub fn new(now: Timestamp) -> Self {
        Self {
            inner: Mutex::new(Inner {
                listed: Arc::default(),
                health: PlaneHealth::Connecting,
                reason: None,
                since: now,
            }),
            changes: watch::Sender::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn listed(&self) -> Arc<Listed> {
        Arc::clone(&self.lock().listed)
    }

    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub fn view(&self, name: &str, requests: u64) -> PlaneView {
        let inner = self.lock();
        PlaneView {
            name: name.to_owned(),
            health: inner.health,
            reason: inner.reason.clone(),
            since: inner.since,
            as_of: inner.listed.as_of,
            jobs: u64::try_from(inner.listed.jobs.len()).unwrap_or(u64::MAX),
            more: inner.listed.more,
            unreadable: inner.listed.unreadable,
            requests,
        }
    }

    /// Takes in what became of a look at the list.
    pub fn settle(&self, name: &str, outcome: &Result<Arc<Listed>, PlaneError>, now: Timestamp) {
        let mut inner = self.lock();
        let (health, reason) = match outcome {
            Ok(_) => (PlaneHealth::Connected, None),
            // It says what went wrong before, which is told already.
            Err(PlaneError::HeldBack(_)) if inner.reason.is_some() => return,
            Err(error) => (error.health(), Some(error.to_string())),
        };
        let moved = (inner.health, &inner.reason) != (health, &reason);
        if let Ok(listed) = outcome {
            inner.listed = Arc::clone(listed);
        }
        if inner.health != health {
            inner.since = now;
        }
        if moved && let Some(reason) = &reason {
            tracing::warn!(
                plane = name,
                health = health.as_str(),
                reason,
                "the external plane cannot be asked"
            );
        } else if moved {
            tracing::info!(plane = name, "the external plane answers");
        }
        inner.health = health;
        inner.reason = reason;
        drop(inner);
        // Also if the list is as it was: how old it is has changed, and drivers wait for the next look.
        if moved || outcome.is_ok() {
            self.changes.send_modify(|changes| *changes += 1);
        }
    }
}
