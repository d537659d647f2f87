//! One fetch: its task, how it ends, and that it always tells those who wait.

use std::{hash::Hash, sync::Arc, time::Duration};

use elb_core::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::{Answer, Behind, CacheError, LEADER_LIFE, Shared};

/// A value and when it was fetched.
#[derive(Debug, Clone)]
pub(super) struct Good<V> {
    pub(super) value: V,
    pub(super) as_of: Timestamp,
    /// When the fetch began, from which the age is counted.
    pub(super) began: Duration,
    /// When it ended, from which the life is counted: a fetch that takes longer than the life would
    /// otherwise be over as soon as it is there.
    pub(super) ended: Duration,
}

impl<V> Good<V> {
    pub(super) fn answer<E>(self, now: Duration, behind: Option<Behind<E>>) -> Answer<V, E> {
        Answer {
            value: self.value,
            as_of: self.as_of,
            age: now.saturating_sub(self.began),
            behind,
        }
    }
}

/// How a fetch ended.
#[derive(Debug, Clone)]
pub(super) enum Outcome<V, E> {
    Fetched(Good<V>),
    Failed(CacheError<E>),
    /// It took too long; who still waits looks anew.
    GivenUp,
}

/// What those who wait for a fetch, or replace it, know of it.
pub(super) struct Flight<V, E> {
    pub(super) id: u64,
    pub(super) began: Duration,
    pub(super) outcome: watch::Receiver<Option<Outcome<V, E>>>,
    /// Tells the task that it was replaced.
    pub(super) replaced: CancellationToken,
}

/// What the task of a fetch is given of it.
pub(super) struct Begun<V, E> {
    pub(super) id: u64,
    pub(super) began: Duration,
    pub(super) sender: watch::Sender<Option<Outcome<V, E>>>,
    pub(super) replaced: CancellationToken,
}

/// Runs one fetch. However it ends, by a panic too, its key is free again and those who wait are told.
pub(super) struct Leader<K, V, E>
where
    K: Clone + Eq + Hash,
    V: Clone,
    E: Clone,
{
    shared: Arc<Shared<K, V, E>>,
    key: K,
    begun: Begun<V, E>,
    as_of: Timestamp,
    told: bool,
    _permit: OwnedSemaphorePermit,
}

impl<K, V, E> Leader<K, V, E>
where
    K: Clone + Eq + Hash,
    V: Clone,
    E: Clone,
{
    pub(super) fn new(
        shared: Arc<Shared<K, V, E>>,
        key: K,
        begun: Begun<V, E>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let as_of = shared.clock.now();
        Self {
            shared,
            key,
            begun,
            as_of,
            told: false,
            _permit: permit,
        }
    }

    /// Fetches, for as long as a leader may live and nobody replaces it.
    pub(super) async fn lead<F, Fut>(mut self, fetch: F)
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        let replaced = self.begun.replaced.clone();
        let fetched = tokio::select! {
            biased;
            () = replaced.cancelled() => None,
            fetched = tokio::time::timeout(LEADER_LIFE, async { fetch().await }) => fetched.ok(),
        };
        let outcome = match fetched {
            // It was replaced while it could not be stopped.
            Some(_) if replaced.is_cancelled() => Outcome::GivenUp,
            Some(Ok(value)) => Outcome::Fetched(Good {
                value,
                as_of: self.as_of,
                began: self.begun.began,
                ended: self.shared.clock.elapsed(),
            }),
            Some(Err(error)) => Outcome::Failed(CacheError::Failed(error)),
            None => Outcome::GivenUp,
        };
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Outcome<V, E>) {
        self.told = true;
        let now = self.shared.clock.elapsed();
        // Stored before those who wait are woken: who asks next finds what they were given.
        self.shared
            .lock()
            .settle(&self.key, self.begun.id, &outcome, now);
        self.begun.sender.send_replace(Some(outcome));
    }
}

impl<K, V, E> Drop for Leader<K, V, E>
where
    K: Clone + Eq + Hash,
    V: Clone,
    E: Clone,
{
    fn drop(&mut self) {
        if !self.told {
            self.tell(Outcome::Failed(CacheError::Died));
        }
    }
}
