//! The way of a record into the store: in order, many at once, and again until it is there.
//!
//! Owns the queue in memory, the one task that empties it, and the keys. Whoever acts waits until its
//! record is stored, so that what is acknowledged is in the log. While the store is away nobody waits:
//! records are kept, at most [`MAX_WAITING`], each named in the server's log, and tried again. What comes
//! beyond that is not kept, and counted. Log lines never name the actor: that is the audit log's.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use elb_core::{
    audit_log::{AuditAction, AuditKey, AuditOutcome, AuditRecord, MAX_ACTOR, MAX_DETAIL},
    text,
    time::Timestamp,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::AuditLog;
use crate::{clock::Clock, repository::RepositoryError};

/// The most records that wait in memory for a store that is away (ours: some megabytes).
pub const MAX_WAITING: usize = 10_000;
/// The most records of one write.
const AT_ONCE: usize = 500;
/// How long the store is left alone after it has refused.
const PAUSE: Duration = Duration::from_secs(1);

/// What is to be recorded. Key and time are given to it when it is noted.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who.
    pub actor: String,
    /// What.
    pub action: AuditAction,
    /// Which search.
    pub job_id: Option<String>,
    /// Its title, or what else is to be said.
    pub detail: String,
    /// What came of it.
    pub outcome: AuditOutcome,
    /// In which request.
    pub request_id: Option<String>,
}

/// How the log stands with its store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Records that could not be stored yet.
    pub waiting: usize,
    /// Records that were not kept since the start, because too many were waiting.
    pub lost: u64,
    /// Why the last try has failed; `None` if it has not.
    pub trouble: Option<String>,
}

/// Records on their way, and how far they are.
#[derive(Debug, Default)]
struct State {
    queue: VecDeque<AuditRecord>,
    /// Records that were ever queued.
    noted: u64,
    lost: u64,
    trouble: Option<String>,
    /// Time and turn of the newest key.
    newest: (i64, u16),
}

impl State {
    fn key(&mut self, at: Timestamp, chance: u64) -> AuditKey {
        let (ms, turn) = self.newest;
        let turn = if ms == at.0 { turn.wrapping_add(1) } else { 0 };
        self.newest = (at.0, turn);
        AuditKey::new(at, turn, chance)
    }
}

/// What those who wait look at.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Records that were ever stored.
    stored: u64,
    /// Whether the last try has failed.
    failing: bool,
}

struct Shared {
    store: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    chance: fn() -> u64,
    state: Mutex<State>,
    progress: watch::Sender<Progress>,
    more: Notify,
    at_once: Notify,
}

/// Takes records and sees to it that they are stored.
#[derive(Clone)]
pub struct AuditTrail {
    shared: Arc<Shared>,
    /// The writer ends with the last owner.
    _writer: Arc<DropGuard>,
}

impl AuditTrail {
    /// Starts the task that writes to `store`. `chance` gives any number, for the keys.
    #[must_use]
    pub fn start(store: Arc<dyn AuditLog>, clock: Arc<dyn Clock>, chance: fn() -> u64) -> Self {
        let shared = Arc::new(Shared {
            store,
            clock,
            chance,
            state: Mutex::default(),
            progress: watch::Sender::default(),
            more: Notify::new(),
            at_once: Notify::new(),
        });
        let stop = CancellationToken::new();
        let (writer, stopped) = (Arc::clone(&shared), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = writer.write() => {}
                () = stopped.cancelled() => {}
            }
        });
        Self {
            shared,
            _writer: Arc::new(stop.drop_guard()),
        }
    }

    /// The store, for reading and trimming.
    #[must_use]
    pub fn store(&self) -> &dyn AuditLog {
        self.shared.store.as_ref()
    }

    /// Gives an entry its key and sends it on its way, behind all that were noted before.
    pub fn note(&self, entry: Entry) {
        self.shared.note(entry);
    }

    /// Waits until everything that has been noted so far is stored, or until it is known that the store
    /// does not take it at the moment: then it is kept and tried again.
    pub async fn settle(&self) {
        let noted = self.shared.state().noted;
        self.reached(noted, |progress| progress.failing).await;
    }

    /// Tries once more to store what is left, for at most `patience`; the process ends after that.
    pub async fn finish(&self, patience: Duration) {
        let noted = self.shared.state().noted;
        self.shared.at_once.notify_one();
        let stored = self.reached(noted, |_| false);
        if tokio::time::timeout(patience, stored).await.is_err() {
            let Backlog { waiting, .. } = self.backlog();
            tracing::error!(
                waiting,
                "audit records end with this process because the store did not take them; the lines above name each"
            );
        }
    }

    /// How the log stands with its store.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let state = self.shared.state();
        Backlog {
            // What is being stored just now is no backlog.
            waiting: state.trouble.as_ref().map_or(0, |_| state.queue.len()),
            lost: state.lost,
            trouble: state.trouble.clone(),
        }
    }

    async fn reached(&self, noted: u64, or: impl Fn(&Progress) -> bool) {
        let mut progress = self.shared.progress.subscribe();
        // The sender lives as long as this does.
        let _ = progress
            .wait_for(|progress| progress.stored >= noted || or(progress))
            .await;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, entry: Entry) {
        let chance = (self.chance)();
        let mut state = self.state();
        // Under the lock, so that keys are in the order of the queue.
        let at = self.clock.now();
        let record = AuditRecord {
            id: state.key(at, chance),
            at,
            actor: text::cap(&entry.actor, MAX_ACTOR),
            action: entry.action,
            job_id: entry.job_id,
            detail: text::cap(&entry.detail, MAX_DETAIL),
            outcome: entry.outcome,
            request_id: entry.request_id,
        };
        if state.queue.len() >= MAX_WAITING {
            state.lost += 1;
            drop(state);
            tell(
                &record,
                "an audit record is lost: too many wait for the store",
            );
            return;
        }
        if state.trouble.is_some() {
            tell(&record, KEPT);
        }
        state.queue.push_back(record);
        state.noted += 1;
        drop(state);
        self.more.notify_one();
    }

    /// Empties the queue again and again.
    async fn write(&self) {
        loop {
            let front: Vec<AuditRecord> =
                self.state().queue.iter().take(AT_ONCE).cloned().collect();
            if front.is_empty() {
                self.more.notified().await;
                continue;
            }
            match self.store.append(&front).await {
                Ok(()) => self.stored(front.len()),
                Err(error) => {
                    self.refused(&error);
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        () = self.at_once.notified() => {}
                    }
                }
            }
        }
    }

    fn stored(&self, count: usize) {
        let mut state = self.state();
        state.queue.drain(..count);
        let after_trouble = state.trouble.take().is_some();
        let waiting = state.queue.len();
        drop(state);
        if after_trouble {
            tracing::info!(
                stored = count,
                waiting,
                "the store takes audit records again"
            );
        }
        self.progress.send_modify(|progress| {
            progress.stored += count as u64;
            progress.failing = false;
        });
    }

    fn refused(&self, error: &RepositoryError) {
        let mut state = self.state();
        let first = state.trouble.replace(error.to_string()).is_none();
        let waiting = state.queue.len();
        if first {
            tracing::error!(waiting, %error, "audit records cannot be stored; they are kept and tried again");
            for record in &state.queue {
                tell(record, KEPT);
            }
        }
        drop(state);
        self.progress
            .send_modify(|progress| progress.failing = true);
    }
}

const KEPT: &str = "an audit record is kept in memory";

/// Writes a record into the server's log: all that is left of it if the process is killed now. The actor
/// stays out.
fn tell(record: &AuditRecord, what: &str) {
    tracing::error!(
        record = %record.id,
        action = record.action.as_str(),
        job = record.job_id.as_deref(),
        outcome = record.outcome.as_str(),
        code = record.outcome.code(),
        request = record.request_id.as_deref(),
        "{what}"
    );
}
