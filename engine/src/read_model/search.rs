//! Searches of the list: what they find is kept for the questions that follow.
//!
//! Who searches asks again: the next page, another order or filter, and the same once more after each change. So a
//! search keeps which jobs it finds, a bit for each, and how many of each kind they are. Whoever asks next brings
//! that up to date from the changes since; writers know nothing of it.
//!
//! Bounded by the number of searches; the one that was asked least recently goes first. Keeps this order of locks: a
//! search's own, then that of the list, never the other way round.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use elb_core::{
    list::{ListQuery, Totals},
    phase::Status,
    search::Program,
};
use memchr::memmem::Finder;

use super::{Listed, State, signatures::ones};

/// Searches that are kept (ours): those of as many readers, or of some who type. A bit for each job and search: 0.8 MB
/// for 100,000 jobs.
const KEPT: usize = 64;
/// So few jobs are looked at one by one (ours); of more, pages are read off the index of all jobs, where they are met
/// often enough.
const FEW: usize = 1_000;
/// Where no less than one in so many of all jobs may hold the words, every job is looked at, kind by kind (ours).
const MOST: usize = 4;

/// The searches, the one that was asked last first.
#[derive(Debug, Default)]
pub(super) struct Searches(Mutex<VecDeque<Arc<Search>>>);

impl Searches {
    /// The search for these words; in what order they come makes no difference.
    pub(super) fn of(&self, mut words: Vec<String>) -> Arc<Search> {
        words.sort_unstable();
        words.dedup();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.iter().position(|search| search.words == words) {
            kept.make_contiguous()[..=place].rotate_right(1);
        } else {
            kept.truncate(KEPT - 1);
            kept.push_front(Arc::new(Search::new(words)));
        }
        Arc::clone(&kept[0])
    }

    /// The words of each.
    #[cfg(test)]
    pub(super) fn words(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|search| search.words.join(" ")).collect()
    }
}

/// A search.
#[derive(Debug)]
pub(super) struct Search {
    words: Vec<String>,
    finders: Vec<Finder<'static>>,
    found: Mutex<Found>,
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

    /// Makes that what is found now. `false` if it is too old for that, or was never looked for: nothing is found
    /// then.
    pub(super) fn follow(&self, found: &mut Found, state: &State) -> bool {
        // Should this be broken off, everything is looked for anew.
        let known = found.revision.take();
        let Some(changes) = known.and_then(|known| state.since(known)) else {
            *found = Found::default();
            return false;
        };
        for change in changes {
            if let Some(older) = &change.older {
                found.remove(older);
            }
            if let Some(newer) = change.newer.as_ref().filter(|newer| self.finds(newer)) {
                found.insert(newer);
            }
        }
        found.revision = Some(state.revision);
        true
    }

    /// The jobs that may be found in this state.
    pub(super) fn candidates(&self, state: &State) -> Candidates {
        let mut candidates = Candidates {
            revision: state.revision,
            single: Vec::new(),
            kinds: Vec::new(),
        };
        let single: Vec<_> = state.signatures.candidates(&self.words).collect();
        if single.len() < state.entries.len() / MOST {
            candidates.single = single.into_iter().cloned().collect();
            return candidates;
        }
        for (owner, database, program, jobs) in state.index.kinds() {
            for (status, leaf) in jobs.leaves() {
                let kind = Kind {
                    owner: owner.to_owned(),
                    database: database.to_owned(),
                    program,
                    status,
                };
                let jobs = leaf.by_time().values().cloned();
                candidates.kinds.push((kind, jobs.collect()));
            }
        }
        candidates
    }

    /// Looks at them.
    pub(super) fn look(&self, found: &mut Found, candidates: Candidates) {
        *found = Found::default();
        for listed in candidates.single.iter().filter(|listed| self.finds(listed)) {
            found.insert(listed);
        }
        for (kind, jobs) in &candidates.kinds {
            let before = found.count;
            let jobs = jobs.iter().filter(|listed| self.finds(listed));
            jobs.for_each(|listed| found.set(listed));
            let more = (found.count - before) as u64;
            if more > 0 {
                found.change(kind, |count| *count += more);
            }
        }
        found.revision = Some(candidates.revision);
    }
}

/// Jobs that may be found.
pub(super) struct Candidates {
    revision: u64,
    single: Vec<Arc<Listed>>,
    /// Those of one kind together, where there are so many that their kinds are not looked up one by one.
    kinds: Vec<(Kind, Vec<Arc<Listed>>)>,
}

/// What jobs are counted by.
struct Kind {
    owner: String,
    database: String,
    program: Program,
    status: Status,
}

impl Kind {
    fn of(listed: &Listed) -> Self {
        Self {
            owner: listed.owner.clone(),
            database: listed.row.database.clone(),
            program: listed.row.program,
            status: listed.row.status,
        }
    }
}

/// How many jobs of each status there are.
type Counts = [u64; Status::LISTED.len()];

/// What a search finds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Of the list, when that was so; `None` before the first question.
    revision: Option<u64>,
    /// By the numbers of the jobs.
    bits: Vec<u64>,
    count: usize,
    /// By owner, database and program.
    kinds: HashMap<String, HashMap<String, HashMap<Program, Counts>>>,
}

impl Found {
    pub(super) fn has(&self, listed: &Listed) -> bool {
        let bits = self.bits.get(listed.number / 64);
        bits.is_some_and(|bits| bits >> (listed.number % 64) & 1 == 1)
    }

    /// Whether these are too many to look at one by one.
    pub(super) fn are_many(&self) -> bool {
        self.count > FEW
    }

    /// The numbers of the jobs.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        let places = self.bits.iter().enumerate();
        places.flat_map(|(place, bits)| ones(*bits).map(move |bit| place * 64 + bit))
    }

    /// How many there are of what the caller may see and program and database leave.
    pub(super) fn totals(&self, caller: &str, query: &ListQuery) -> Totals {
        let own = (!caller.is_empty()).then(|| self.kinds.get(caller));
        let seen = self.kinds.get("").into_iter().chain(own.flatten());
        let databases = seen.flat_map(|databases| {
            let wanted = query.database.as_ref();
            databases
                .iter()
                .filter(move |(name, _)| wanted.is_none_or(|wanted| wanted == *name))
        });
        let programs = databases.flat_map(|(_, programs)| {
            let wanted = query.program;
            programs
                .iter()
                .filter(move |(program, _)| wanted.is_none_or(|wanted| wanted == **program))
        });
        let mut totals = Totals::default();
        for (_, counts) in programs {
            for (status, count) in Status::LISTED.into_iter().zip(counts) {
                totals.add(status, *count);
            }
        }
        totals
    }

    fn insert(&mut self, listed: &Listed) {
        self.set(listed);
        self.change(&Kind::of(listed), |count| *count += 1);
    }

    fn set(&mut self, listed: &Listed) {
        let place = listed.number / 64;
        if self.bits.len() <= place {
            self.bits.resize(place + 1, 0);
        }
        self.bits[place] |= 1 << (listed.number % 64);
        self.count += 1;
    }

    fn remove(&mut self, listed: &Listed) {
        if self.has(listed) {
            self.bits[listed.number / 64] &= !(1 << (listed.number % 64));
            self.count -= 1;
            self.change(&Kind::of(listed), |count| *count -= 1);
        }
    }

    fn change(&mut self, kind: &Kind, change: impl FnOnce(&mut u64)) {
        let place = Status::LISTED.iter().position(|each| *each == kind.status);
        let programs = under(&mut self.kinds, &kind.owner)
            .and_then(|databases| under(databases, &kind.database));
        if let (Some(place), Some(programs)) = (place, programs) {
            let counts = programs.entry(kind.program).or_default();
            counts.get_mut(place).map(change);
        }
    }
}

/// What a map has under a name, which is written down only where it is new.
fn under<'a, T: Default>(map: &'a mut HashMap<String, T>, name: &str) -> Option<&'a mut T> {
    if !map.contains_key(name) {
        map.insert(name.to_owned(), T::default());
    }
    map.get_mut(name)
}
