//! Jobs as the engine changes them: the store and the read model moved together.
//!
//! Owns the one way to write a job: read, apply an event, write on condition (of the version, and of
//! the lease where the engine writes), show. A conflict means
//! that somebody else wrote first; the event is then decided again on the fresh row. Nothing else in
//! the engine calls `Repository::update`.

use std::sync::{Arc, Mutex};

use elb_core::{
    job::Job,
    time::Timestamp,
    transition::{Event, IllegalTransition},
    view::HistoryEntry,
};
use thiserror::Error;

use crate::{
    clock::Clock,
    crash::{self, Point},
    lease::{Member, Stillness},
    read_model::ReadModel,
    repository::{
        Created, IdempotencyKey, Lease, Position, Repository, RepositoryError, ScanPage, Stored,
    },
    request::{in_request, request},
};

mod freshness;
mod leases;
mod slots;
mod step_times;

/// How often an event is decided again after a conflict. Two writers meet at most (the driver and a
/// person), so that a handful is plenty; more would hide a loop.
const MAX_CONFLICTS: u32 = 16;
/// Rows read at once when the engine starts.
const SCAN_PAGE: usize = 1_000;

pub use freshness::Freshness;
pub use leases::Held;
pub use step_times::{AttemptObserver, StepObserver};

/// The actor of what the engine does by itself.
pub const ENGINE: &str = "";

/// A change that did not happen.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The job's phase does not allow it.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The store refused or is away, or another process drives the job.
    #[error(transparent)]
    Store(#[from] RepositoryError),
}

/// Who changes a job.
#[derive(Debug, Clone, Copy)]
enum Writer<'a> {
    /// A person, or the engine where it needs no lease: whoever drives the job learns of it.
    Anybody(&'a str),
    /// The engine as the driver of the job.
    Driver(&'a Lease),
}

/// Store, read model and clock.
pub struct Jobs {
    repository: Arc<dyn Repository>,
    model: Arc<ReadModel>,
    clock: Arc<dyn Clock>,
    member: Member,
    unreadable: usize,
    /// The newest write that the model has seen of every process.
    seen: Mutex<Position>,
    /// Signs of life of the processes of this store.
    beats: Mutex<Stillness<u64>>,
    slots: slots::SlotWatch,
    followed: Mutex<freshness::Followed>,
    step_times: Arc<step_times::StepTimes>,
}

impl Jobs {
    /// Registers this process with the store, reads every row once, in pages, and shows them.
    ///
    /// # Errors
    /// The store's, if it cannot be read or written.
    pub async fn load(
        repository: Arc<dyn Repository>,
        clock: Arc<dyn Clock>,
        member: Member,
    ) -> Result<Self, RepositoryError> {
        leases::register(repository.as_ref(), clock.as_ref(), &member).await?;
        crash::point(Point::AfterRegister);
        // Revisions go on across restarts, so that a page never mistakes an old one for a new one:
        // they begin at the time in microseconds, and no engine makes a million changes a second.
        let begin = u64::try_from(clock.now().0)
            .unwrap_or(0)
            .saturating_mul(1_000);
        let model = ReadModel::starting_at(begin);
        // Before the rows: what is written while they are read is then read twice rather than never.
        let seen = repository.last_change().await?;
        let model = Arc::new(model);
        let parts = (0..repository.parts()).map(|part| {
            let (repository, model) = (Arc::clone(&repository), Arc::clone(&model));
            tokio::spawn(async move { show_part(repository.as_ref(), &model, part).await })
        });
        let mut unreadable = 0;
        for part in futures::future::join_all(parts).await {
            unreadable +=
                part.map_err(|error| RepositoryError::Unavailable(error.to_string()))??;
        }
        Ok(Self {
            repository,
            model,
            member,
            unreadable,
            seen: Mutex::new(seen),
            beats: Mutex::default(),
            slots: slots::SlotWatch::default(),
            followed: Mutex::new(freshness::Followed::now(clock.as_ref())),
            step_times: Arc::default(),
            clock,
        })
    }

    /// This process as a holder of leases.
    #[must_use]
    pub const fn member(&self) -> &Member {
        &self.member
    }

    /// How many rows of the store could not be read at the start and are missing from the list.
    #[must_use]
    pub const fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// The rows as they are shown.
    #[must_use]
    pub const fn model(&self) -> &Arc<ReadModel> {
        &self.model
    }

    /// The clock of the engine.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Has every step told that ends from now on by a write of this process. The first observer counts.
    pub fn watch_steps(&self, observer: StepObserver) {
        self.step_times.watch(observer);
    }

    /// Has every job told whose attempt ends from now on by a write of this process. The first observer counts.
    pub fn watch_attempts(&self, observer: AttemptObserver) {
        self.step_times.watch_attempts(observer);
    }

    /// The same, for what outlives this.
    #[must_use]
    pub fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The store, for reading.
    #[must_use]
    pub fn repository(&self) -> &dyn Repository {
        self.repository.as_ref()
    }

    /// Stores a new job and shows it.
    ///
    /// # Errors
    /// The store's; nothing is shown then.
    pub async fn create(
        &self,
        job: &Job,
        key: Option<&IdempotencyKey>,
        actor: &str,
    ) -> Result<Created, RepositoryError> {
        let entry = HistoryEntry {
            version: 1,
            at: job.created_at,
            attempt: job.attempt,
            phase: job.phase,
            note: match job.followed() {
                Some(place) if place.is_external() => format!("found in {}", place.in_words()),
                Some(place) => format!("found on {}", place.in_words()),
                None => "submitted".to_owned(),
            },
            actor: actor.to_owned(),
            epoch: 1,
        };
        let holder = self.member.id();
        let (repository, model) = (Arc::clone(&self.repository), Arc::clone(&self.model));
        let (job, key) = (job.clone(), key.cloned());
        in_a_task(async move {
            let created = repository
                .create(&job, key.as_ref(), &entry, &holder)
                .await?;
            if let Created::New(stored) = &created {
                model.apply(stored);
            }
            Ok(created)
        })
        .await
    }

    /// The row as the store has it.
    ///
    /// # Errors
    /// The store's, or [`RepositoryError::Missing`].
    pub async fn get(&self, id: &str) -> Result<Stored, RepositoryError> {
        let found = self.repository.get(id).await?;
        found.ok_or_else(|| RepositoryError::Missing(id.to_owned()))
    }

    /// The row as this process knows it, which may be an older one.
    ///
    /// # Errors
    /// The store's, or [`RepositoryError::Missing`].
    pub async fn recent(&self, id: &str) -> Result<Stored, RepositoryError> {
        let found = self.repository.recent(id).await?;
        found.ok_or_else(|| RepositoryError::Missing(id.to_owned()))
    }

    /// Applies an event to the newest row, stores and shows the outcome.
    ///
    /// # Errors
    /// [`ChangeError::Illegal`] if the phase does not allow the event, else the store's.
    pub async fn change(
        &self,
        id: &str,
        event: &Event,
        actor: &str,
    ) -> Result<Stored, ChangeError> {
        self.write(id, event, Writer::Anybody(actor), None).await
    }

    /// The same as the driver of the job: refused once another process drives it.
    ///
    /// # Errors
    /// As [`Self::change`], and [`RepositoryError::Fenced`].
    pub async fn drive(
        &self,
        id: &str,
        event: &Event,
        lease: &Lease,
    ) -> Result<Stored, ChangeError> {
        self.write(id, event, Writer::Driver(lease), None).await
    }

    /// The same of something that happened at that time, where nobody of this engine was there: the row's
    /// times never run backwards all the same, and never ahead of the clock.
    ///
    /// # Errors
    /// As [`Self::drive`].
    pub async fn drive_at(
        &self,
        id: &str,
        event: &Event,
        lease: &Lease,
        at: Option<Timestamp>,
    ) -> Result<Stored, ChangeError> {
        self.write(id, event, Writer::Driver(lease), at).await
    }

    async fn write(
        &self,
        id: &str,
        event: &Event,
        writer: Writer<'_>,
        at: Option<Timestamp>,
    ) -> Result<Stored, ChangeError> {
        let (actor, fence) = match writer {
            Writer::Anybody(actor) => (actor, None),
            Writer::Driver(lease) => (ENGINE, Some(lease)),
        };
        let mut conflicts = 0;
        // Begun from what this process knows; whatever speaks against it is asked of the store once more.
        let mut current = self.recent(id).await?;
        let mut fresh = false;
        loop {
            let fenced = fence.filter(|fence| **fence != current.lease);
            let now = self.clock.now();
            let applied = current.job.apply(event, at.map_or(now, |at| at.min(now)));
            if !fresh && (fenced.is_some() || applied.is_err()) {
                current = self.get(id).await?;
                fresh = true;
                continue;
            }
            if let Some(fence) = fenced {
                let epoch = current.lease.epoch;
                tracing::debug!(job = id, ours = fence.epoch, now = epoch, "fenced");
                let id = id.to_owned();
                return Err(RepositoryError::Fenced { id, epoch }.into());
            }
            let job = applied?;
            let entry = entry_for(&current.job, &job, event, actor, current.version + 1);
            match self.commit(&current, job, fence, entry).await {
                Ok(stored) => return Ok(stored),
                Err(RepositoryError::Conflict { .. }) if conflicts < MAX_CONFLICTS => {
                    conflicts += 1;
                    current = self.get(id).await?;
                    fresh = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Stores, tells what has ended and shows, in a task of its own: whoever asked may give up waiting (a client
    /// that goes away, a driver that is woken), and what is stored must be told and shown all the same. It is told
    /// first, so that whoever sees the end finds it measured.
    async fn commit(
        &self,
        before: &Stored,
        job: Job,
        fence: Option<&Lease>,
        entry: Option<HistoryEntry>,
    ) -> Result<Stored, RepositoryError> {
        let (repository, model) = (Arc::clone(&self.repository), Arc::clone(&self.model));
        let step_times = Arc::clone(&self.step_times);
        let (before, fence) = (before.clone(), fence.cloned());
        in_a_task(async move {
            let stored = repository
                .update(&job, before.version, fence.as_ref(), entry.as_ref())
                .await?;
            step_times.tell(&before.job, &stored.job);
            model.apply(&stored);
            Ok(stored)
        })
        .await
    }

    /// Removes a tombstone for good.
    ///
    /// # Errors
    /// The store's; [`RepositoryError::Conflict`] if it was restored meanwhile.
    pub async fn forget(&self, id: &str, version: u64) -> Result<(), RepositoryError> {
        self.repository.forget(id, version).await?;
        self.model.forget(id);
        Ok(())
    }
}

/// Reads every row of a part of the store, in pages, and shows it; how many cannot be read.
async fn show_part(
    repository: &dyn Repository,
    model: &ReadModel,
    part: usize,
) -> Result<usize, RepositoryError> {
    let mut after: Option<String> = None;
    let mut lost = 0;
    loop {
        let page = repository.scan(part, after.as_deref(), SCAN_PAGE).await?;
        let ScanPage {
            jobs,
            unreadable,
            next,
        } = page;
        for stored in &jobs {
            model.apply(stored);
        }
        report(&unreadable);
        lost += unreadable.len();
        after = next;
        if after.is_none() {
            return Ok(lost);
        }
    }
}

/// Does the work to its end even if nobody waits for it any more.
async fn in_a_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, RepositoryError>> + Send + 'static,
) -> Result<T, RepositoryError> {
    let done = tokio::spawn(in_request(request(), work)).await;
    done.map_err(|error| RepositoryError::Unavailable(error.to_string()))?
}

fn report(unreadable: &[RepositoryError]) {
    for error in unreadable {
        tracing::error!(%error, "a job is left out of the list; its row stays as it is");
    }
}

/// The history entry of an event. Progress has none, nor has another reason of the same wait: it would
/// be a row a batch, or one each time that the queue moves, and the row says it.
fn entry_for(
    before: &Job,
    job: &Job,
    event: &Event,
    actor: &str,
    version: u64,
) -> Option<HistoryEntry> {
    let note = match event {
        Event::Progressed { .. } | Event::Parts { .. } => return None,
        Event::Wait { phase, .. } if before.phase == *phase => return None,
        Event::CancelHindered { reason } if before.hindrance.as_ref() == Some(reason) => {
            return None;
        }
        Event::OutOfSight { .. } if before.unseen.is_some() => return None,
        Event::OutOfSight { reason } => format!("it cannot be seen: {reason}"),
        Event::InSight => match &before.unseen {
            Some(unseen) => format!(
                "seen again, after {}",
                elb_core::text::duration(job.updated_at.since(unseen.since))
            ),
            None => return None,
        },
        Event::Enter { phase } => phase.label().to_owned(),
        Event::Wait { phase, reason } => format!("{}: {reason}", phase.label()),
        Event::Skip { step, reason } => format!("{} skipped: {reason}", step.label()),
        Event::Planned { progress, .. } => format!("planned in {} batches", progress.batches_total),
        Event::Warned { text } => format!("warning: {text}"),
        Event::Completed { outcome } => format!("completed with {} hits", outcome.hits),
        Event::CompletedElsewhere => "the results can be read where it was run".to_owned(),
        Event::Failed { code, message } => format!("{}: {message}", code.as_str()),
        Event::CancelAsked { delete: false } => "cancel asked for".to_owned(),
        Event::CancelAsked { delete: true } => "delete asked for".to_owned(),
        Event::RetryPlanned {
            code,
            message,
            not_before,
        } => format!(
            "attempt {} begins by itself, not before {}, after {}: {message}",
            job.attempt,
            not_before.on_screen(),
            code.as_str()
        ),
        Event::CancelHindered { reason } => format!("it cannot be cancelled yet: {reason}"),
        Event::CancelObserved => "the run is gone".to_owned(),
        Event::RetryAsked => format!("attempt {} asked for", job.attempt),
        Event::CancelledAndDeleted { keep_until } => format!(
            "the run is gone; deleted, can be restored until {}",
            keep_until.on_screen()
        ),
        Event::Deleted { keep_until } => {
            format!("deleted; can be restored until {}", keep_until.on_screen())
        }
        Event::RestoreAsked => "restored".to_owned(),
        Event::ObjectsRemoved => "query, results and log removed".to_owned(),
        Event::Noted { note } => note.clone(),
    };
    Some(HistoryEntry {
        version,
        at: job.updated_at,
        attempt: job.attempt,
        phase: job.phase,
        note: elb_core::text::cap(&note, elb_core::job::MAX_NOTE),
        actor: actor.to_owned(),
        epoch: 0,
    })
}
