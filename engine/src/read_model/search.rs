//! Searches of the list: what they find is kept for the questions that follow.
//!
//! Who searches asks again: the next page, another order or filter, and the same once more after each change. So what
//! a search finds is an index of its own, from which pages are read as from that of all jobs. It is brought up to
//! date by whoever asks next, from the changes since; writers know nothing of it.
//!
//! Bounded by the number of searches and by the jobs in all of them together; the one that was asked least recently
//! goes first. Keeps this order of locks: a search's own, then that of the list, never the other way round.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use memchr::memmem::Finder;

use super::{Listed, State, index::Index};

/// Searches that are kept (ours): those of as many readers, or of some who type.
const KEPT: usize = 64;
/// So many jobs may be in all of them together however few are listed (ours). Otherwise as many as are listed, so
/// that a list that is searched takes little more memory than one that is not.
const FEW: usize = 10_000;

/// The searches, the one that was asked last first.
#[derive(Debug, Default)]
pub(super) struct Searches(Mutex<VecDeque<Arc<Search>>>);

impl Searches {
    /// The search for these words, and in what order they come makes no difference.
    pub(super) fn of(&self, mut words: Vec<String>) -> Arc<Search> {
        words.sort_unstable();
        words.dedup();
        let mut kept = self.lock();
        if let Some(place) = kept.iter().position(|search| search.words == words) {
            kept.make_contiguous()[..=place].rotate_right(1);
        } else {
            kept.truncate(KEPT - 1);
            kept.push_front(Arc::new(Search::new(words)));
        }
        Arc::clone(&kept[0])
    }

    /// Forgets what is too much where so many jobs are listed.
    pub(super) fn trim(&self, listed: usize) {
        let mut kept = self.lock();
        let mut jobs = 0;
        let fit = kept.iter().take_while(|search| {
            jobs += search.size.load(Relaxed);
            jobs <= listed.max(FEW)
        });
        // The last one alone may be all that is listed.
        let fit = fit.count().max(1);
        kept.truncate(fit);
    }

    /// How many jobs each of them finds.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> Vec<usize> {
        let kept = self.lock();
        kept.iter()
            .map(|search| search.size.load(Relaxed))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Search>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A search.
#[derive(Debug)]
pub(super) struct Search {
    words: Vec<String>,
    finders: Vec<Finder<'static>>,
    found: Mutex<Found>,
    /// How many jobs are found.
    size: AtomicUsize,
}

impl Search {
    fn new(words: Vec<String>) -> Self {
        let finders = words
            .iter()
            .map(|word| Finder::new(word.as_bytes()).into_owned());
        Self {
            finders: finders.collect(),
            words,
            found: Mutex::default(),
            size: AtomicUsize::new(0),
        }
    }

    fn finds(&self, listed: &Listed) -> bool {
        let mut finders = self.finders.iter();
        finders.all(|word| word.find(listed.words.as_bytes()).is_some())
    }

    /// What was found when somebody asked last.
    pub(super) fn lock(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has to become of that to make it what is found in this state.
    pub(super) fn news(&self, found: &Found, state: &State) -> News {
        let behind = found.revision.and_then(|known| {
            let behind = usize::try_from(state.revision.checked_sub(known)?).ok()?;
            (behind <= state.ring.len()).then_some(behind)
        });
        let change = match behind {
            Some(behind) => {
                let changes = state.ring.iter().rev().take(behind);
                let changes = changes.map(|change| {
                    let listed = state.entries.get(change.id.as_str());
                    let listed = listed.filter(|listed| self.finds(listed)).cloned();
                    (change.id.clone(), listed)
                });
                Change::Some(changes.collect())
            }
            None => {
                let may = state.signatures.candidates(&self.words);
                Change::All(may.filter(|listed| self.finds(listed)).cloned().collect())
            }
        };
        News {
            revision: state.revision,
            change,
        }
    }

    /// Carries it out.
    pub(super) fn follow(&self, found: &mut Found, news: News) {
        // Should this be broken off, everything is looked for anew.
        found.revision = None;
        match news.change {
            Change::All(mut jobs) => {
                *found = Found::default();
                // In the order of the index, which is then made at its end, one by one.
                jobs.sort_unstable_by(|left, right| left.key.cmp(&right.key));
                jobs.into_iter().for_each(|job| found.insert(job));
            }
            Change::Some(changes) => {
                for (id, listed) in changes {
                    found.remove(&id);
                    if let Some(listed) = listed {
                        found.insert(listed);
                    }
                }
            }
        }
        found.revision = Some(news.revision);
        self.size.store(found.jobs.len(), Relaxed);
    }
}

/// What has changed since somebody asked last.
pub(super) struct News {
    revision: u64,
    change: Change,
}

enum Change {
    /// Too much: these are all that are found.
    All(Vec<Arc<Listed>>),
    /// These jobs, which are found, or are not found any more.
    Some(Vec<(String, Option<Arc<Listed>>)>),
}

/// What a search finds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Of the list, when that was so; `None` before the first question.
    revision: Option<u64>,
    pub(super) index: Index,
    /// The same by id.
    jobs: HashMap<Arc<str>, Arc<Listed>>,
}

impl Found {
    /// The revision of the list of which this is true.
    pub(super) fn revision(&self) -> u64 {
        self.revision.unwrap_or_default()
    }

    fn insert(&mut self, listed: Arc<Listed>) {
        self.index.insert(&listed);
        self.jobs.insert(Arc::clone(listed.id()), listed);
    }

    fn remove(&mut self, id: &str) {
        if let Some(listed) = self.jobs.remove(id) {
            self.index.remove(&listed);
        }
    }
}
