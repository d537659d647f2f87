//! All rows of the jobs list in memory, with a revision: a list is served without asking the store.
//!
//! Owns the projections, the order and the stream of changes. Never writes to the store. A row only
//! ever moves to a higher version, so that two writers that finish in the wrong order do no harm, and
//! every change has its own revision, in order.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    ops::Bound,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use elb_core::{
    job::Deletion,
    list::{Cursor, ListPage, ListQuery, SortKey, Totals},
    phase::{Phase, Status},
    time::Timestamp,
    view::{DeletedRow, JobDetail, JobRow},
};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::repository::Stored;

mod counts;

/// How many changes a reader of the stream may lag behind before it must ask for a snapshot.
pub const DELTA_RING: usize = 1_024;

/// A change of one row.
#[derive(Debug, Clone, Serialize)]
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
}

#[derive(Debug)]
struct Entry {
    row: Arc<JobRow>,
    detail: Arc<JobDetail>,
    owner: String,
}

/// A deleted job.
#[derive(Debug, Clone)]
pub struct Tombstone {
    /// Version of its row.
    pub version: u64,
    /// Whose it was.
    pub owner: String,
    /// Until when it is kept, and whether it still is.
    pub deletion: Deletion,
    /// Whether another system ran it: an import must find the tombstone however late it comes.
    pub imported: bool,
    /// What can be restored; `None` once nothing is left.
    pub row: Option<Arc<DeletedRow>>,
}

type Key = (Reverse<Timestamp>, Reverse<String>);

#[derive(Debug, Default)]
struct State {
    revision: u64,
    newest_first: BTreeMap<Key, String>,
    entries: HashMap<String, Entry>,
    /// Jobs that are not at their end, oldest first.
    active: BTreeSet<(Timestamp, String)>,
    /// True totals of each owner, kept with every change: most lists ask for no more.
    totals: HashMap<String, Totals>,
    /// Tombstones with their versions, so that a late writer cannot bring one back.
    deleted: HashMap<String, Tombstone>,
    /// The newest changes, oldest first, for readers that come back.
    ring: VecDeque<Arc<Delta>>,
}

/// The rows of the list.
#[derive(Debug)]
pub struct ReadModel {
    state: RwLock<State>,
    deltas: broadcast::Sender<Arc<Delta>>,
}

impl Default for ReadModel {
    fn default() -> Self {
        Self::starting_at(0)
    }
}

/// Whether somebody else runs it on a cluster.
fn is_followed(entry: &Entry) -> bool {
    let imported = entry.detail.imported.as_ref();
    imported.is_some_and(|imported| imported.found.is_some())
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
        let mut state = self.write();
        let id = &stored.job.id;
        let known = state
            .entries
            .get(id)
            .map(|entry| entry.row.version)
            .or_else(|| state.deleted.get(id).map(|tombstone| tombstone.version));
        if known.is_some_and(|version| version >= stored.version) {
            return;
        }
        let before = state.entries.get(id).map(|entry| entry.row.status);
        let totals = state.totals.entry(stored.job.owner.clone()).or_default();
        if let Some(before) = before {
            totals.remove(before);
        }
        // A tombstone counts nowhere.
        totals.add(stored.job.phase.status());
        state.revision += 1;
        let ticket = (stored.job.created_at, id.clone());
        if stored.job.phase.is_active() {
            state.active.insert(ticket);
        } else {
            state.active.remove(&ticket);
        }
        let row = if let Some(deletion) = stored.job.deletion {
            let key = key_of(stored.job.created_at, id);
            state.newest_first.remove(&key);
            state.entries.remove(id);
            let tombstone = Tombstone {
                version: stored.version,
                owner: stored.job.owner.clone(),
                deletion,
                imported: stored.job.imported.is_some(),
                row: DeletedRow::of(&stored.job).map(Arc::new),
            };
            state.deleted.insert(id.clone(), tombstone);
            None
        } else {
            state.deleted.remove(id);
            let row = Arc::new(JobRow::of(&stored.job, stored.version));
            let entry = Entry {
                row: Arc::clone(&row),
                detail: Arc::new(JobDetail::of(&stored.job, stored.version)),
                owner: stored.job.owner.clone(),
            };
            let key = key_of(stored.job.created_at, id);
            state.newest_first.insert(key, id.clone());
            state.entries.insert(id.clone(), entry);
            Some(row)
        };
        let delta = Delta {
            revision: state.revision,
            owner: stored.job.owner.clone(),
            id: id.clone(),
            row,
        };
        let delta = Arc::new(delta);
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

    /// Every change after `revision` together with those from now on, without a gap between them;
    /// `None` in the first place if that revision is too old or not of this model.
    #[must_use]
    pub fn replay(
        &self,
        revision: u64,
    ) -> (Option<Vec<Arc<Delta>>>, broadcast::Receiver<Arc<Delta>>) {
        let state = self.read();
        let oldest = state
            .ring
            .front()
            .map_or(state.revision + 1, |delta| delta.revision);
        let known = revision.saturating_add(1) >= oldest && revision <= state.revision;
        let missed = known.then(|| {
            let newer = state.ring.iter().filter(|delta| delta.revision > revision);
            newer.map(Arc::clone).collect()
        });
        // Subscribed under the same lock: a change is either in the replay or on the stream.
        (missed, self.deltas.subscribe())
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
        visible(&entry.owner, caller).then(|| Arc::clone(&entry.detail))
    }

    /// Whether the job is a tombstone.
    #[must_use]
    pub fn is_deleted(&self, id: &str) -> bool {
        self.read().deleted.contains_key(id)
    }

    /// Whether the job is a tombstone of which nothing is kept any more.
    #[must_use]
    pub fn is_emptied(&self, id: &str) -> bool {
        let state = self.read();
        let found = state.deleted.get(id);
        found.is_some_and(|tombstone| tombstone.deletion.removed_at.is_some())
    }

    /// One deleted job, if it was the caller's.
    #[must_use]
    pub fn tombstone(&self, caller: &str, id: &str) -> Option<Tombstone> {
        let state = self.read();
        let found = state.deleted.get(id)?;
        visible(&found.owner, caller).then(|| found.clone())
    }

    /// Every deleted job of the caller that can still be restored, the last deleted first.
    #[must_use]
    pub fn restorable(&self, caller: &str, now: Timestamp) -> Vec<Arc<DeletedRow>> {
        let state = self.read();
        let mut rows: Vec<Arc<DeletedRow>> = state
            .deleted
            .values()
            .filter(|tombstone| visible(&tombstone.owner, caller))
            .filter_map(|tombstone| tombstone.row.clone())
            .filter(|row| now < row.keep_until)
            .collect();
        rows.sort_by(|left, right| (right.deleted_at, &right.id).cmp(&(left.deleted_at, &left.id)));
        rows
    }

    /// Ids and tombstones of all deleted jobs.
    #[must_use]
    pub fn tombstones(&self) -> Vec<(String, Tombstone)> {
        let state = self.read();
        let all = state.deleted.iter();
        all.map(|(id, tombstone)| (id.clone(), tombstone.clone()))
            .collect()
    }

    /// Drops a tombstone whose row is gone from the store.
    pub fn forget(&self, id: &str) {
        self.write().deleted.remove(id);
    }

    /// Ids of up to `limit` jobs that ended before `then`, oldest first.
    #[must_use]
    pub fn ended_before(&self, then: Timestamp, limit: usize) -> Vec<String> {
        let state = self.read();
        let old = state.newest_first.iter().rev();
        old.take_while(|((created, _), _)| created.0 < then)
            .filter_map(|(_, id)| state.entries.get(id))
            .filter(|entry| entry.row.completed_at.is_some_and(|ended| ended < then))
            .map(|entry| entry.row.id.clone())
            .take(limit)
            .collect()
    }

    /// The phase of a listed job.
    #[must_use]
    pub fn phase(&self, id: &str) -> Option<Phase> {
        let state = self.read();
        state.entries.get(id).map(|entry| entry.row.phase)
    }

    /// Answers a list question for one caller. By time and narrowed by nothing but the status, as most
    /// are, it costs what the page costs; any other looks at every row.
    #[must_use]
    pub fn list(&self, caller: &str, query: &ListQuery, now: Timestamp) -> ListPage {
        let state = self.read();
        let by_time = query.sort == SortKey::Created && !query.is_narrowed();
        let Found {
            rows,
            totals,
            continued,
            more,
        } = if by_time {
            state.page_by_time(caller, query)
        } else {
            state.page_of_all(caller, query)
        };
        ListPage {
            next_cursor: rows
                .last()
                .filter(|_| more)
                .map(|row| Cursor::at(row).to_string()),
            jobs: rows.into_iter().map(|row| JobRow::clone(row)).collect(),
            totals,
            continued,
            revision: state.revision,
            as_of: now,
            stale: None,
        }
    }

    /// Ids of every job that is not at its end, oldest first.
    #[must_use]
    pub fn active(&self) -> Vec<String> {
        let state = self.read();
        state.active.iter().map(|(_, id)| id.clone()).collect()
    }

    /// Every active job, oldest first: when it was created, its id, its phase, and whether it is to
    /// begin later by itself.
    #[must_use]
    pub fn line(&self) -> Vec<(Timestamp, String, Phase, bool)> {
        let state = self.read();
        let rows = state.active.iter().filter_map(|(created_at, id)| {
            let entry = state.entries.get(id)?;
            let row = &entry.row;
            // Those that are only followed stand in no line.
            if is_followed(entry) {
                return None;
            }
            Some((*created_at, id.clone(), row.phase, row.not_before.is_some()))
        });
        rows.collect()
    }

    /// Ids and versions of the active jobs whose phase is as wanted.
    #[must_use]
    pub fn versions_of_active(&self, wanted: impl Fn(Phase) -> bool) -> Vec<(String, u64)> {
        let state = self.read();
        let rows = state
            .active
            .iter()
            .filter_map(|(_, id)| state.entries.get(id));
        rows.filter(|entry| wanted(entry.row.phase))
            .map(|entry| (entry.row.id.clone(), entry.row.version))
            .collect()
    }

    /// How many jobs of this engine are not at their end.
    #[must_use]
    pub fn active_count(&self) -> usize {
        let state = self.read();
        let entries = state
            .active
            .iter()
            .filter_map(|(_, id)| state.entries.get(id));
        entries.filter(|entry| !is_followed(entry)).count()
    }

    /// Whether a job is not at its end.
    #[must_use]
    pub fn is_active(&self, id: &str) -> bool {
        self.phase(id).is_some_and(Phase::is_active)
    }

    /// The names of all databases that listed jobs used, for the filter.
    #[must_use]
    pub fn databases(&self, caller: &str) -> Vec<String> {
        let state = self.read();
        let mut names: Vec<String> = state
            .entries
            .values()
            .filter(|entry| visible(&entry.owner, caller))
            .map(|entry| entry.row.database.clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A page before it is copied.
struct Found<'a> {
    rows: Vec<&'a Arc<JobRow>>,
    totals: Totals,
    continued: bool,
    more: bool,
}

impl State {
    fn seen_by<'a>(
        &'a self,
        caller: &'a str,
        query: &'a ListQuery,
        ids: impl Iterator<Item = &'a String> + 'a,
    ) -> impl Iterator<Item = &'a Arc<JobRow>> + 'a {
        ids.filter_map(|id| self.entries.get(id))
            .filter(move |entry| visible(&entry.owner, caller))
            .map(|entry| &entry.row)
            .filter(|row| query.status.is_none_or(|status| status == row.status))
    }

    /// Walks from the cursor until the page is full.
    fn page_by_time<'a>(&'a self, caller: &'a str, query: &'a ListQuery) -> Found<'a> {
        let mut totals = Totals::default();
        for (owner, counted) in &self.totals {
            if visible(owner, caller) {
                totals.merge(counted);
            }
        }
        let key = query
            .cursor
            .as_ref()
            .map(|cursor| key_of(cursor.created_at, &cursor.id));
        let after = |key: &Key| (Bound::Excluded(key.clone()), Bound::Unbounded);
        let before = |key: &Key| (Bound::Unbounded, Bound::Excluded(key.clone()));
        let everything = (Bound::Unbounded, Bound::Unbounded);
        let range = match (&key, query.descending) {
            (None, _) => everything,
            (Some(key), true) => after(key),
            (Some(key), false) => before(key),
        };
        let ids = self.newest_first.range(range).map(|(_, id)| id);
        let wanted = query.limit.saturating_add(1);
        let mut rows: Vec<&Arc<JobRow>> = if query.descending {
            self.seen_by(caller, query, ids).take(wanted).collect()
        } else {
            self.seen_by(caller, query, ids.rev())
                .take(wanted)
                .collect()
        };
        let more = rows.len() > query.limit;
        rows.truncate(query.limit);
        let continued = key.is_some_and(|key| {
            let skipped = if query.descending {
                before(&key)
            } else {
                after(&key)
            };
            // The row of the cursor itself, or any other that was passed.
            let passed = self.newest_first.range(skipped).map(|(_, id)| id);
            self.newest_first.contains_key(&key)
                || self.seen_by(caller, query, passed).next().is_some()
        });
        Found {
            rows,
            totals,
            continued,
            more,
        }
    }

    /// Looks at every row, for the totals under a filter or for another order.
    fn page_of_all<'a>(&'a self, caller: &str, query: &ListQuery) -> Found<'a> {
        let mut totals = Totals::default();
        let mut rows: Vec<&Arc<JobRow>> = Vec::new();
        for id in self.newest_first.values() {
            let Some(entry) = self.entries.get(id) else {
                continue;
            };
            if !visible(&entry.owner, caller) || !query.matches_but_status(&entry.row) {
                continue;
            }
            totals.add(entry.row.status);
            if query.status.is_none_or(|status| status == entry.row.status) {
                rows.push(&entry.row);
            }
        }
        order(&mut rows, query);
        let begin = query
            .cursor
            .as_ref()
            .map_or(0, |cursor| begin_after(&rows, query, cursor, self));
        let more = begin + query.limit < rows.len();
        let rows: Vec<&Arc<JobRow>> = rows.into_iter().skip(begin).take(query.limit).collect();
        Found {
            rows,
            totals,
            continued: begin > 0,
            more,
        }
    }
}

fn key_of(created_at: Timestamp, id: &str) -> Key {
    (Reverse(created_at), Reverse(id.to_owned()))
}

/// Sorts rows that are newest first already; the sort is stable, so that is the order among equals.
fn order(rows: &mut [&Arc<JobRow>], query: &ListQuery) {
    if query.sort == SortKey::Created {
        if !query.descending {
            rows.reverse();
        }
        return;
    }
    rows.sort_by(|left, right| compare(left, right, query));
}

fn compare(left: &JobRow, right: &JobRow, query: &ListQuery) -> Ordering {
    let directed = |ordering: Ordering| {
        if query.descending {
            ordering.reverse()
        } else {
            ordering
        }
    };
    match query.sort {
        SortKey::Created => {
            directed((left.created_at, &left.id).cmp(&(right.created_at, &right.id)))
        }
        SortKey::Title => directed(left.title.to_lowercase().cmp(&right.title.to_lowercase())),
        SortKey::Program => directed(left.program.as_str().cmp(right.program.as_str())),
        SortKey::Database => directed(left.database.cmp(&right.database)),
        SortKey::Status => directed(rank(left.status).cmp(&rank(right.status))),
        SortKey::Runtime => {
            let finished = |row: &JobRow| row.completed_at.and_then(|_| row.run_ms(row.created_at));
            values_first(finished(left), finished(right), directed)
        }
        SortKey::Hits => values_first(left.hits, right.hits, directed),
    }
}

/// Rows without a value come last, whatever the direction.
fn values_first(
    left: Option<u64>,
    right: Option<u64>,
    directed: impl Fn(Ordering) -> Ordering,
) -> Ordering {
    match (left, right) {
        (Some(left), Some(right)) => directed(left.cmp(&right)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

fn rank(status: Status) -> usize {
    Status::LISTED
        .into_iter()
        .position(|listed| listed == status)
        .unwrap_or(usize::MAX)
}

/// Where the page begins: behind the row of the cursor. If that row has left the list meanwhile, a
/// list by time goes on where it stood; another order begins anew.
fn begin_after(rows: &[&Arc<JobRow>], query: &ListQuery, cursor: &Cursor, state: &State) -> usize {
    if query.sort == SortKey::Created {
        let position = (cursor.created_at, cursor.id.as_str());
        return rows.partition_point(|row| {
            let here = (row.created_at, row.id.as_str());
            if query.descending {
                here >= position
            } else {
                here <= position
            }
        });
    }
    if let Some(found) = rows.iter().position(|row| row.id == cursor.id) {
        return found + 1;
    }
    let Some(anchor) = state.entries.get(&cursor.id) else {
        return 0;
    };
    rows.partition_point(|row| compare(row, &anchor.row, query) != Ordering::Greater)
}

#[cfg(test)]
mod tests;
