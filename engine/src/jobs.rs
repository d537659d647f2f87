//! Jobs as the engine changes them: the store and the read model moved together.
//!
//! Owns the one way to write a job: read, apply an event, write on condition, show. A conflict means
//! that somebody else wrote first; the event is then decided again on the fresh row. Nothing else in
//! the engine calls `Repository::update`.

use std::sync::Arc;

use elb_core::{
    job::Job,
    list::Cursor,
    transition::{Event, IllegalTransition},
    view::HistoryEntry,
};
use thiserror::Error;

use crate::{
    clock::Clock,
    read_model::ReadModel,
    repository::{Created, IdempotencyKey, Repository, RepositoryError, Stored},
};

/// How often an event is decided again after a conflict. Two writers meet at most (the driver and a
/// person), so that a handful is plenty; more would hide a loop.
const MAX_CONFLICTS: u32 = 16;
/// Rows read at once when the engine starts.
const SCAN_PAGE: usize = 1_000;

/// The actor of what the engine does by itself.
pub const ENGINE: &str = "";

/// A change that did not happen.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The job's phase does not allow it.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The store refused or is away.
    #[error(transparent)]
    Store(#[from] RepositoryError),
}

/// Store, read model and clock.
pub struct Jobs {
    repository: Arc<dyn Repository>,
    model: ReadModel,
    clock: Arc<dyn Clock>,
    unreadable: usize,
}

impl Jobs {
    /// Reads every row once, in pages, and shows them.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn load(
        repository: Arc<dyn Repository>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RepositoryError> {
        // Revisions go on across restarts, so that a page never mistakes an old one for a new one:
        // they begin at the time in microseconds, and no engine makes a million changes a second.
        let begin = u64::try_from(clock.now().0)
            .unwrap_or(0)
            .saturating_mul(1_000);
        let model = ReadModel::starting_at(begin);
        let mut after: Option<Cursor> = None;
        let mut unreadable = 0;
        loop {
            let page = repository.scan(after.as_ref(), SCAN_PAGE).await?;
            for stored in &page.jobs {
                model.apply(stored);
            }
            for error in &page.unreadable {
                tracing::error!(%error, "a job is left out of the list; its row stays as it is");
            }
            unreadable += page.unreadable.len();
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(Self {
            repository,
            model,
            clock,
            unreadable,
        })
    }

    /// How many rows of the store could not be read at the start and are missing from the list.
    #[must_use]
    pub const fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// The rows as they are shown.
    #[must_use]
    pub const fn model(&self) -> &ReadModel {
        &self.model
    }

    /// The clock of the engine.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
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
            note: "submitted".to_owned(),
            actor: actor.to_owned(),
        };
        let created = self.repository.create(job, key, &entry).await?;
        if let Created::New(stored) = &created {
            self.model.apply(stored);
        }
        Ok(created)
    }

    /// The row as the store has it.
    ///
    /// # Errors
    /// The store's, or [`RepositoryError::Missing`].
    pub async fn get(&self, id: &str) -> Result<Stored, RepositoryError> {
        let found = self.repository.get(id).await?;
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
        let mut conflicts = 0;
        loop {
            let current = self.get(id).await?;
            let job = current.job.apply(event, self.clock.now())?;
            let entry = entry_for(&job, event, actor, current.version + 1);
            match self
                .repository
                .update(&job, current.version, entry.as_ref())
                .await
            {
                Ok(stored) => {
                    self.model.apply(&stored);
                    return Ok(stored);
                }
                Err(RepositoryError::Conflict { .. }) if conflicts < MAX_CONFLICTS => {
                    conflicts += 1
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The history entry of an event. Progress has none: it would be a row a batch, and the row says it.
fn entry_for(job: &Job, event: &Event, actor: &str, version: u64) -> Option<HistoryEntry> {
    let note = match event {
        Event::Progressed { .. } => return None,
        Event::Enter { phase } => phase.label().to_owned(),
        Event::Wait { phase, reason } => format!("{}: {reason}", phase.label()),
        Event::Skip { step, reason } => format!("{} skipped: {reason}", step.label()),
        Event::Planned { progress, .. } => format!("planned in {} batches", progress.batches_total),
        Event::Warned { text } => format!("warning: {text}"),
        Event::Completed { outcome } => format!("completed with {} hits", outcome.hits),
        Event::Failed { code, message } => format!("{}: {message}", code.as_str()),
        Event::CancelAsked { delete: false } => "cancel asked for".to_owned(),
        Event::CancelAsked { delete: true } => "delete asked for".to_owned(),
        Event::CancelObserved => "the run is gone".to_owned(),
        Event::RetryAsked => format!("attempt {} asked for", job.attempt),
        Event::Deleted => "deleted".to_owned(),
    };
    Some(HistoryEntry {
        version,
        at: job.updated_at,
        attempt: job.attempt,
        phase: job.phase,
        note: elb_core::text::cap(&note, elb_core::job::MAX_NOTE),
        actor: actor.to_owned(),
    })
}
