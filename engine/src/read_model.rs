//! All rows of the jobs list in memory, with a revision: a list is served without asking the store.
//!
//! Owns the projections, the order and the stream of changes. Never writes to the store. A row only
//! ever moves to a higher version, so that two writers that finish in the wrong order do no harm, and
//! every change has its own revision, in order.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;
use elb_core::{
    list::{ListPage, ListQuery},
    phase::Phase,
    time::Timestamp,
    view::{JobDetail, JobRow},
};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::repository::Stored;

mod active;
mod changes;
mod counts;
mod index;
mod leaf;
mod order;
mod pages;
mod search;
mod signatures;
mod tombstones;

pub use changes::{Change, Changes};
pub use tombstones::Tombstone;

use index::Index;
use leaf::Order;
use pages::Pages;
use search::Searches;
use signatures::Signatures;

/// How many changes a reader of the stream may lag behind before it must ask for a snapshot.
pub const DELTA_RING: usize = 1_024;

/// A change of one row.
#[derive(Debug, Serialize)]
pub struct Delta {
    /// Revision of the list after the change.
    pub revision: u64,
    /// Who may see it; empty means everyone with access.
    #[serde(skip)]
    pub owner: String,
    /// Which job.
    pub id: String,
    /// The row, or `None` when the job is no longer listed.
    pub row: Option<Arc<JobRow>>,
    /// As it is sent to readers, once one of them has needed it.
    #[serde(skip)]
    encoded: OnceLock<Option<Bytes>>,
    /// What was listed before it.
    #[serde(skip)]
    older: Option<Arc<Listed>>,
    /// What is listed after it.
    #[serde(skip)]
    newer: Option<Arc<Listed>>,
}

impl Delta {
    /// The change as bytes: `encode` is called for the first of all readers only. `None` if it gave none.
    pub fn encoded(&self, encode: impl FnOnce(&Self) -> Option<Bytes>) -> Option<Bytes> {
        self.encoded.get_or_init(|| encode(self)).clone()
    }
}

/// The place of a job among all, the newest first.
type Key = (Reverse<Timestamp>, Reverse<Arc<str>>);
/// Jobs in that order.
type Jobs = BTreeMap<Key, Arc<Listed>>;

/// A job that is listed, with what the list is narrowed and ordered by.
#[derive(Debug)]
struct Listed {
    key: Key,
    row: Arc<JobRow>,
    owner: String,
    /// Title, id, database and program in lower case, a line each: no word of a search holds a line's end.
    words: Box<str>,
    /// How much of it is the title.
    title: usize,
    /// Its own among those that are listed.
    number: usize,
    /// Whether somebody else runs it on a cluster.
    is_followed: bool,
}

impl Listed {
    fn of(detail: &JobDetail) -> Self {
        let row = Arc::clone(&detail.row);
        let title = row.title.to_lowercase();
        let (id, database) = (row.id.to_lowercase(), row.database.to_lowercase());
        let words = format!("{title}\n{id}\n{database}\n{}", row.program.as_str());
        Self {
            key: key_of(row.created_at, &row.id),
            owner: detail.owner.clone(),
            words: words.into_boxed_str(),
            title: title.len(),
            number: usize::MAX,
            is_followed: detail
                .imported
                .as_ref()
                .is_some_and(|imported| imported.found.is_some()),
            row,
        }
    }

    /// The title in lower case.
    fn title(&self) -> &str {
        self.words.get(..self.title).unwrap_or_default()
    }

    fn id(&self) -> &Arc<str> {
        &self.key.1.0
    }
}

/// An older version of a job and the one in its place, as far as they are listed.
type Moved = (Option<Arc<Listed>>, Option<Arc<Listed>>);

fn key_of(created_at: Timestamp, id: &str) -> Key {
    (Reverse(created_at), Reverse(Arc::from(id)))
}

/// A listed job, and what its page shows.
#[derive(Debug)]
struct Entry {
    listed: Arc<Listed>,
    detail: Arc<JobDetail>,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    /// Every listed job.
    newest_first: Jobs,
    entries: HashMap<Arc<str>, Entry>,
    /// The same by owner, status, program and database.
    index: Index,
    /// The same by what their words may be.
    signatures: Signatures,
    /// Jobs that are not at their end, oldest first.
    active: BTreeSet<(Timestamp, Arc<str>)>,
    /// Tombstones with their versions, so that a late writer cannot bring one back.
    deleted: HashMap<String, Tombstone>,
    /// The newest changes, oldest first, for readers that come back.
    ring: VecDeque<Arc<Delta>>,
}

impl State {
    /// Whether this version of a row, or a newer one, is here already.
    fn knows(&self, stored: &Stored) -> bool {
        let id = stored.job.id.as_str();
        let listed = self.listed(id).map(|listed| listed.row.version);
        let known = listed.or_else(|| self.deleted.get(id).map(|tombstone| tombstone.version));
        known.is_some_and(|version| version >= stored.version)
    }

    /// The changes after a revision, if all of them are still at hand.
    fn since(&self, revision: u64) -> Option<impl Iterator<Item = &Arc<Delta>>> {
        let missed = usize::try_from(self.revision.checked_sub(revision)?).ok()?;
        let known = self.ring.len().checked_sub(missed)?;
        Some(self.ring.range(known..))
    }

    fn listed(&self, id: &str) -> Option<&Arc<Listed>> {
        self.entries.get(id).map(|entry| &entry.listed)
    }

    /// Puts a job into the list, in the place of an older version of it, which is given with the new one.
    fn list(&mut self, detail: Arc<JobDetail>, mut listed: Listed) -> Moved {
        let older = self.take(listed.id());
        listed.number = self.signatures.number(&listed.words, older.as_deref());
        let listed = Arc::new(listed);
        self.signatures.insert(&listed);
        self.deleted.remove(&**listed.id());
        if listed.row.phase.is_active() {
            let ticket = (listed.row.created_at, Arc::clone(listed.id()));
            self.active.insert(ticket);
        }
        self.index.insert(&listed);
        let entry = Entry {
            listed: Arc::clone(&listed),
            detail,
        };
        self.entries.insert(Arc::clone(listed.id()), entry);
        self.newest_first
            .insert(listed.key.clone(), Arc::clone(&listed));
        (older, Some(listed))
    }

    fn unlist(&mut self, id: &str) -> Moved {
        let older = self.take(id);
        if let Some(listed) = &older {
            self.signatures.remove(listed);
        }
        (older, None)
    }

    /// Takes a row out of every order.
    fn take(&mut self, id: &str) -> Option<Arc<Listed>> {
        let listed = self.entries.remove(id)?.listed;
        self.index.remove(&listed);
        self.newest_first.remove(&listed.key);
        let ticket = (listed.row.created_at, Arc::clone(listed.id()));
        self.active.remove(&ticket);
        Some(listed)
    }
}

/// The rows of the list.
#[derive(Debug)]
pub struct ReadModel {
    state: RwLock<State>,
    searches: Searches,
    /// Held by whoever makes an order.
    ordering: Mutex<()>,
    deltas: broadcast::Sender<Arc<Delta>>,
}

impl Default for ReadModel {
    fn default() -> Self {
        Self::starting_at(0)
    }
}

/// Whether the caller may see what belongs to `owner`: his own and the shared.
fn visible(owner: &str, caller: &str) -> bool {
    owner.is_empty() || owner == caller
}

impl ReadModel {
    /// An empty list whose first change has the revision after `revision`.
    #[must_use]
    pub fn starting_at(revision: u64) -> Self {
        let state = State {
            revision,
            ..State::default()
        };
        Self {
            state: RwLock::new(state),
            searches: Searches::default(),
            ordering: Mutex::default(),
            deltas: broadcast::channel(DELTA_RING).0,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the newest version of a row and tells the readers of the stream.
    pub fn apply(&self, stored: &Stored) {
        // Made before the lock is taken: readers wait for as little as can be.
        let tombstone = Tombstone::of(stored);
        let detail = JobDetail::of(&stored.job, stored.version);
        let listed = Listed::of(&detail);
        let detail = Arc::new(detail);
        let mut state = self.write();
        if state.knows(stored) {
            return;
        }
        let (older, newer) = match tombstone {
            None => state.list(detail, listed),
            Some(tombstone) => {
                state.deleted.insert(stored.job.id.clone(), tombstone);
                state.unlist(&stored.job.id)
            }
        };
        state.revision += 1;
        let delta = Arc::new(Delta {
            revision: state.revision,
            owner: stored.job.owner.clone(),
            id: stored.job.id.clone(),
            row: newer.as_ref().map(|listed| Arc::clone(&listed.row)),
            encoded: OnceLock::new(),
            older,
            newer,
        });
        if state.ring.len() == DELTA_RING {
            state.ring.pop_front();
        }
        state.ring.push_back(Arc::clone(&delta));
        // Sent under the lock, so that the order on the stream is the order of the revisions. An
        // error only says that nobody listens.
        let _ = self.deltas.send(delta);
    }

    /// Every change from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Delta>> {
        self.deltas.subscribe()
    }

    /// The revision of the list.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.read().revision
    }

    /// The detail of one job, if the caller may see it.
    #[must_use]
    pub fn detail(&self, caller: &str, id: &str) -> Option<Arc<JobDetail>> {
        let state = self.read();
        let entry = state.entries.get(id)?;
        visible(&entry.listed.owner, caller).then(|| Arc::clone(&entry.detail))
    }

    /// Ids of up to `limit` jobs that ended before `then`, oldest first.
    #[must_use]
    pub fn ended_before(&self, then: Timestamp, limit: usize) -> Vec<String> {
        let state = self.read();
        let old = state.newest_first.iter().rev();
        old.take_while(|((created, _), _)| created.0 < then)
            .filter(|(_, listed)| listed.row.completed_at.is_some_and(|ended| ended < then))
            .map(|(_, listed)| listed.row.id.clone())
            .take(limit)
            .collect()
    }

    /// The phase of a listed job.
    #[must_use]
    pub fn phase(&self, id: &str) -> Option<Phase> {
        let state = self.read();
        state.listed(id).map(|listed| listed.row.phase)
    }

    /// Answers a list question for one caller. Under any filter and in any order it costs what the page costs, but
    /// for the first question for an order, which sorts every row, and the first for the words of a search, which
    /// looks at every row that may hold them.
    #[must_use]
    pub fn list(&self, caller: &str, query: &ListQuery, now: Timestamp) -> ListPage<Arc<JobRow>> {
        let words = query.search_words();
        let search = (!words.is_empty()).then(|| self.searches.of(words));
        let mut found = search.as_ref().map(|search| search.lock());
        loop {
            let state = self.read();
            if let (Some(search), Some(found)) = (&search, &mut found)
                && !search.follow(found, &state)
            {
                let candidates = search.candidates(&state);
                // Looking at them is nobody else's affair.
                drop(state);
                search.look(found, candidates);
                continue;
            }
            let pages = Pages {
                state: &state,
                caller,
                query,
                found: found.as_deref(),
            };
            if !pages.lack_order() {
                return pages.page().listed(state.revision, now);
            }
            drop(state);
            self.keep(Order::of(query));
        }
    }

    /// Has an order from now on. It is made beside the list, which goes on meanwhile.
    fn keep(&self, order: Order) {
        let _alone = self.ordering.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.read();
        if state.index.keeps(order) {
            return;
        }
        let jobs: Vec<Arc<Listed>> = state.newest_first.values().cloned().collect();
        let revision = state.revision;
        drop(state);
        let mut index = Index::keeping(order, &jobs);
        let mut state = self.write();
        match state.since(revision) {
            Some(changes) => {
                for change in changes {
                    change.older.iter().for_each(|older| index.remove(older));
                    change.newer.iter().for_each(|newer| index.insert(newer));
                }
            }
            // More than are at hand: nothing is written this time.
            None => index = Index::keeping(order, state.newest_first.values()),
        }
        state.index.adopt(order, &mut index);
    }

    /// The names of all databases that listed jobs used, for the filter.
    #[must_use]
    pub fn databases(&self, caller: &str) -> Vec<String> {
        self.read().index.databases(caller)
    }
}

#[cfg(test)]
mod tests;
