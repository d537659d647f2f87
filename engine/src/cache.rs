//! The cache of every lookup that costs something: keyed, bounded, one fetch at a time for each key.
//!
//! Owns single flight and what it needs to be safe: a fetch runs in a task of its own, so that nobody
//! who goes away ends it; who leads for too long is replaced; who waits, waits for a bounded time.
//! Keeps this invariant: what is stored under a key comes from the one fetch that is registered for it
//! at that moment. A late leader, and a fetch that began before an invalidation, are registered no more.
//! Never holds its lock across an await.
//!
//! It is not `moka`: `try_get_with` coalesces fetches too, but it runs them in the first caller, bounds
//! neither leader nor waiter, keeps no errors and gives no last good value; what we need would all stand
//! around it.

use std::{
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use elb_core::time::Timestamp;
use thiserror::Error;
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

use crate::{
    clock::Clock,
    request::{in_request, request},
};

mod flight;
mod state;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]
mod tests;

use flight::{Leader, Outcome};
use state::{State, Turn};

/// How long a fetch may take until its leader counts as dead and another one is begun (S4).
pub const LEADER_LIFE: Duration = Duration::from_secs(60);
/// How long a caller waits for a fetch at most (S4).
pub const WAIT: Duration = Duration::from_secs(15);

/// What may be done with a value whose life is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    /// Nothing.
    Never,
    /// It is given, marked, for so long after its fetch, if a new one cannot be had.
    Fallback(Duration),
    /// It is given at once, marked, for so long after its fetch, while a new one is fetched.
    AtOnce(Duration),
}

/// How much is kept for how long.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The most keys whose value or failure is kept; the one that was asked for least recently goes.
    pub entries: usize,
    /// The most fetches under way at once, over all keys and with those that nobody waits for any more.
    pub fetches: usize,
    /// How long a value is given without another fetch.
    pub life: Duration,
    /// How long a failure is given without another fetch.
    pub failed_life: Duration,
    /// What becomes of a value afterwards.
    pub old: Old,
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CacheError<E> {
    /// The lookup failed.
    #[error("{0}")]
    Failed(E),
    /// The task of the lookup ended without a result.
    #[error(
        "the lookup ended without a result, which is a fault of this program; its log says more"
    )]
    Died,
    /// The lookup takes longer than a caller waits.
    #[error("the lookup takes longer than {} s; try again later", WAIT.as_secs())]
    Late,
    /// Too many lookups are under way.
    #[error("{0} lookups are under way, which is the most; try again later")]
    Busy(usize),
}

/// Why a value is an old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind<E> {
    /// A new one is being fetched.
    Refreshing,
    /// The last fetch gave none.
    Failed(CacheError<E>),
}

/// A value as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<V, E> {
    /// The value.
    pub value: V,
    /// When its fetch began: what has happened since may be missing.
    pub as_of: Timestamp,
    /// How long ago that was.
    pub age: Duration,
    /// Set if it is past its life.
    pub behind: Option<Behind<E>>,
}

/// What a cache has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Calls that were given a value within its life.
    pub hits: u64,
    /// Fetches that were begun.
    pub misses: u64,
    /// Calls that waited for a fetch that somebody else had begun.
    pub waits: u64,
    /// Calls that were given an old value.
    pub old_given: u64,
    /// Calls that were told of a failure without another fetch.
    pub failures_given: u64,
    /// Fetches that failed.
    pub failures: u64,
    /// Fetches that took longer than [`LEADER_LIFE`] and were given up.
    pub dead_leaders: u64,
    /// Calls that waited for [`WAIT`] in vain.
    pub gave_up: u64,
    /// Calls that were sent away because of too many fetches.
    pub busy: u64,
    /// Results that were not stored, since their key was invalidated or their leader replaced.
    pub superseded: u64,
    /// Keys that were forgotten because there were too many.
    pub evicted: u64,
}

/// What one of the program's caches has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheReport {
    /// What it keeps.
    pub name: &'static str,
    /// The counts.
    pub statistics: Statistics,
}

impl CacheReport {
    /// Of a cache.
    #[must_use]
    pub fn of<K, V, E>(name: &'static str, cache: &Cache<K, V, E>) -> Self
    where
        K: Clone + Eq + Hash + Send + 'static,
        V: Clone + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
    {
        let statistics = cache.statistics();
        Self { name, statistics }
    }
}

/// What a fetch and its cache share.
struct Shared<K, V, E> {
    state: Mutex<State<K, V, E>>,
    clock: Arc<dyn Clock>,
}

impl<K, V, E> Shared<K, V, E> {
    fn lock(&self) -> MutexGuard<'_, State<K, V, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cache. Clones are the same cache. Values are cloned for each caller: make them an `Arc`.
pub struct Cache<K, V, E> {
    shared: Arc<Shared<K, V, E>>,
    /// One permit for each fetch under way.
    permits: Arc<Semaphore>,
    terms: Terms,
}

impl<K, V, E> Clone for Cache<K, V, E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            permits: Arc::clone(&self.permits),
            terms: self.terms,
        }
    }
}

impl<K, V, E> fmt::Debug for Cache<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

impl<K, V, E> Cache<K, V, E>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// An empty cache. Ages are measured on `clock`, waits on the runtime's timer.
    #[must_use]
    pub fn new(terms: Terms, clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new(terms)),
                clock,
            }),
            permits: Arc::new(Semaphore::new(terms.fetches.min(Semaphore::MAX_PERMITS))),
            terms,
        }
    }

    /// The value of a key; `fetch` is used if it is not known and nobody else is fetching it. Must be
    /// called within a runtime.
    ///
    /// # Errors
    /// Why there is neither a value nor an old one, after at most [`WAIT`].
    pub async fn get<F, Fut>(&self, key: &K, fetch: F) -> Result<Answer<V, E>, CacheError<E>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        let deadline = Instant::now() + WAIT;
        let mut fetch = Some(fetch);
        loop {
            let mut flight = match self.turn(key, &mut fetch) {
                Turn::Answer(answer) => return answer,
                Turn::Wait(flight) => flight,
            };
            let ended = tokio::time::timeout_at(deadline, outcome_of(&mut flight)).await;
            let failure = match ended {
                Ok(Outcome::Fetched(good)) => return Ok(good.answer(self.now(), None)),
                Ok(Outcome::Failed(error)) => error,
                // There may be a new leader to wait for, or this call becomes it.
                Ok(Outcome::GivenUp) => continue,
                Err(_) => {
                    self.shared.lock().statistics.gave_up += 1;
                    CacheError::Late
                }
            };
            let now = self.now();
            return self.shared.lock().old_or(key, failure, now);
        }
    }

    /// What a call has to do; the fetch is begun here if it is this call's to begin.
    fn turn<F, Fut>(&self, key: &K, fetch: &mut Option<F>) -> Turn<V, E>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        let now = self.now();
        let mut state = self.shared.lock();
        if let Some(turn) = state.known(key, now) {
            return turn;
        }
        let Some(fetch) = fetch.take() else {
            // This call's own fetch was given up and nobody has begun another one.
            return Turn::Answer(state.old_or(key, CacheError::Late, now));
        };
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            state.statistics.busy += 1;
            let busy = CacheError::Busy(self.terms.fetches);
            return Turn::Answer(state.old_or(key, busy, now));
        };
        let (begun, turn) = state.begin(key, now);
        // Before the task exists: a runtime that is going down drops it at once, and so takes the lock.
        drop(state);
        let leader = Leader::new(Arc::clone(&self.shared), key.clone(), begun, permit);
        tokio::spawn(in_request(request(), leader.lead(fetch)));
        turn
    }

    /// Forgets a key. Who asks from now on is given the result of a fetch that begins after this; a
    /// fetch under way is for those who wait for it already.
    pub fn invalidate(&self, key: &K) {
        self.shared.lock().forget(key);
    }

    /// Forgets everything, as [`Self::invalidate`] does.
    pub fn invalidate_all(&self) {
        self.shared.lock().forget_all();
    }

    /// What was done so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.shared.lock().statistics
    }

    /// How many keys are kept, and how many fetches are registered.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        self.shared.lock().sizes()
    }

    fn now(&self) -> Duration {
        self.shared.clock.elapsed()
    }
}

/// How a fetch ended, once it has.
async fn outcome_of<V: Clone, E: Clone>(
    flight: &mut watch::Receiver<Option<Outcome<V, E>>>,
) -> Outcome<V, E> {
    match flight.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone().unwrap_or(Outcome::Failed(CacheError::Died)),
        Err(_) => Outcome::Failed(CacheError::Died),
    }
}
