//! What a cache knows, under its lock: values, failures and the fetches under way.
//!
//! Every decision is one call and takes the time as an argument.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    Answer, Behind, CacheError, LEADER_LIFE, Old, Statistics, Terms,
    flight::{Begun, Flight, Good, Outcome},
};

/// What a call does next.
pub(super) enum Turn<V, E> {
    Answer(Result<Answer<V, E>, CacheError<E>>),
    Wait(watch::Receiver<Option<Outcome<V, E>>>),
}

/// What is kept of a key.
struct Entry<V, E> {
    good: Option<Good<V>>,
    /// The last failure since, and when it was.
    failure: Option<(CacheError<E>, Duration)>,
    /// When it was asked for last, as a number of [`State::order`].
    used: u64,
}

pub(super) struct State<K, V, E> {
    terms: Terms,
    entries: HashMap<K, Entry<V, E>>,
    /// Keys of entries by their last use, oldest first.
    order: BTreeMap<u64, K>,
    uses: u64,
    /// The fetch whose result will be stored, for each key that has one. Each takes itself out at its
    /// end, so that there are never more than may be under way.
    flights: HashMap<K, Flight<V, E>>,
    begun: u64,
    pub(super) statistics: Statistics,
}

impl<K: Clone + Eq + Hash, V: Clone, E: Clone> State<K, V, E> {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms,
            entries: HashMap::new(),
            order: BTreeMap::new(),
            uses: 0,
            flights: HashMap::new(),
            begun: 0,
            statistics: Statistics::default(),
        }
    }

    /// What a call does if it does not have to fetch; `None` if it does.
    pub(super) fn known(&mut self, key: &K, now: Duration) -> Option<Turn<V, E>> {
        let life = self.terms.life;
        let good = self.touched(key).and_then(|entry| entry.good.as_ref());
        let fresh = good.filter(|good| now.saturating_sub(good.ended) < life);
        if let Some(good) = fresh.cloned() {
            self.statistics.hits += 1;
            return Some(Turn::Answer(Ok(good.answer(now, None))));
        }
        if let Some(failure) = self.remembered_failure(key, now) {
            self.statistics.failures_given += 1;
            return Some(Turn::Answer(self.old_or(key, failure, now)));
        }
        let flight = self.flights.get(key)?;
        if now.saturating_sub(flight.began) >= LEADER_LIFE {
            flight.replaced.cancel();
            self.flights.remove(key);
            self.statistics.dead_leaders += 1;
            return None;
        }
        let outcome = flight.outcome.clone();
        if let Some(old) = self.old_at_once(key, now) {
            return Some(Turn::Answer(Ok(old)));
        }
        self.statistics.waits += 1;
        Some(Turn::Wait(outcome))
    }

    /// Registers a fetch, and what the call that begins it does.
    pub(super) fn begin(&mut self, key: &K, now: Duration) -> (Begun<V, E>, Turn<V, E>) {
        self.statistics.misses += 1;
        self.begun += 1;
        let (sender, outcome) = watch::channel(None);
        let begun = Begun {
            id: self.begun,
            began: now,
            sender,
            replaced: CancellationToken::new(),
        };
        let flight = Flight {
            id: begun.id,
            began: now,
            outcome: outcome.clone(),
            replaced: begun.replaced.clone(),
        };
        self.flights.insert(key.clone(), flight);
        let turn = match self.old_at_once(key, now) {
            Some(old) => Turn::Answer(Ok(old)),
            None => Turn::Wait(outcome),
        };
        (begun, turn)
    }

    /// Takes in how a fetch ended, if it is still the one of its key.
    pub(super) fn settle(&mut self, key: &K, id: u64, outcome: &Outcome<V, E>, now: Duration) {
        if matches!(outcome, Outcome::Failed(_)) {
            self.statistics.failures += 1;
        }
        if self.flights.get(key).is_none_or(|flight| flight.id != id) {
            if !matches!(outcome, Outcome::GivenUp) {
                self.statistics.superseded += 1;
            }
            return;
        }
        self.flights.remove(key);
        match outcome {
            Outcome::Fetched(good) => {
                let entry = self.entry(key);
                entry.good = Some(good.clone());
                entry.failure = None;
            }
            Outcome::Failed(error) => self.entry(key).failure = Some((error.clone(), now)),
            Outcome::GivenUp => self.statistics.dead_leaders += 1,
        }
        while self.entries.len() > self.terms.entries
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
            self.statistics.evicted += 1;
        }
    }

    /// The old value if it may be given instead of this failure.
    pub(super) fn old_or(
        &mut self,
        key: &K,
        failure: CacheError<E>,
        now: Duration,
    ) -> Result<Answer<V, E>, CacheError<E>> {
        let (Old::Fallback(limit) | Old::AtOnce(limit)) = self.terms.old else {
            return Err(failure);
        };
        let good = self.entries.get(key).and_then(|entry| entry.good.clone());
        match good.filter(|good| now.saturating_sub(good.ended) < limit) {
            Some(good) => {
                self.statistics.old_given += 1;
                Ok(good.answer(now, Some(Behind::Failed(failure))))
            }
            None => Err(failure),
        }
    }

    /// The old value if it may be given while a fetch runs. A failure is told until it is overcome.
    fn old_at_once(&mut self, key: &K, now: Duration) -> Option<Answer<V, E>> {
        let Old::AtOnce(limit) = self.terms.old else {
            return None;
        };
        let entry = self.entries.get(key)?;
        let good = entry.good.clone();
        let good = good.filter(|good| now.saturating_sub(good.ended) < limit)?;
        let behind = match &entry.failure {
            Some((error, _)) => Behind::Failed(error.clone()),
            None => Behind::Refreshing,
        };
        self.statistics.old_given += 1;
        Some(good.answer(now, Some(behind)))
    }

    fn remembered_failure(&self, key: &K, now: Duration) -> Option<CacheError<E>> {
        let (error, at) = self.entries.get(key)?.failure.as_ref()?;
        (now.saturating_sub(*at) < self.terms.failed_life).then(|| error.clone())
    }

    /// The entry of a key, which counts as used now.
    fn touched(&mut self, key: &K) -> Option<&Entry<V, E>> {
        let entry = self.entries.get_mut(key)?;
        self.uses += 1;
        self.order.remove(&entry.used);
        self.order.insert(self.uses, key.clone());
        entry.used = self.uses;
        Some(entry)
    }

    /// The same, made if it is not there.
    fn entry(&mut self, key: &K) -> &mut Entry<V, E> {
        self.uses += 1;
        let entry = self.entries.entry(key.clone()).or_insert(Entry {
            good: None,
            failure: None,
            used: self.uses,
        });
        self.order.remove(&entry.used);
        self.order.insert(self.uses, key.clone());
        entry.used = self.uses;
        entry
    }

    pub(super) fn forget(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.used);
        }
        self.flights.remove(key);
    }

    pub(super) fn forget_all(&mut self) {
        self.entries.clear();
        self.order.clear();
        self.flights.clear();
    }

    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.entries.len(), self.flights.len())
    }
}
