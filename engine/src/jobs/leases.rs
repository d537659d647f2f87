//! Leases of jobs: taken, kept alive, given back, and the writes of other processes followed.
//!
//! Owns the decision whether a job may be driven by this process. A lease is taken only if it is free,
//! or if its holder is gone or was watched in silence; the store refuses it if that is no longer true.

use std::{sync::PoisonError, time::Duration};

use elb_core::view::HistoryEntry;

use super::{ENGINE, Jobs, SCAN_PAGE, freshness::Followed, report};
use crate::{
    clock::Clock,
    lease::{LeaseTerms, Member},
    repository::{Beat, Repository, RepositoryError, Stored},
};

/// Registers a process with the store; one that is alone ends the claims of all others.
pub(super) async fn register(
    repository: &dyn Repository,
    clock: &dyn Clock,
    member: &Member,
) -> Result<(), RepositoryError> {
    let diary = |error: std::io::Error| {
        RepositoryError::Unavailable(format!(
            "the id of this process cannot be written down: {error}"
        ))
    };
    // Before anybody can see it: should this process die, the next one knows whom it follows.
    let older = member.enter().await.map_err(diary)?;
    let sent = clock.elapsed();
    repository.beat(&member.id()).await?;
    member.signed(sent);
    for id in &older {
        tracing::info!(
            id,
            "giving back what an earlier process of this folder held"
        );
        repository.leave(id).await?;
    }
    member.write_diary(&[]).await.map_err(diary)?;
    if member.terms() == LeaseTerms::Alone {
        repository.forget_others(&member.id()).await?;
    }
    Ok(())
}

/// Whose a job is.
#[derive(Debug, Clone, PartialEq)]
pub enum Held {
    /// Driven by this process.
    Ours(Stored),
    /// At its end.
    Ended(Stored),
    /// Driven by another one.
    Others,
}

impl Jobs {
    /// Whose a job is; this process takes it if it may.
    ///
    /// # Errors
    /// The store's.
    pub async fn hold(&self, id: &str) -> Result<Held, RepositoryError> {
        let mut stored = self.recent(id).await?;
        if self.is_in_living_hands(&stored) {
            // The row as it was seen last is good enough: the change log tells when it is given back, and
            // a look at each job of each other process would be most of what a store is asked.
            return Ok(Held::Others);
        }
        if !stored.job.phase.is_active() || stored.lease.holder != self.member.id() {
            // Whatever ends a driver, or takes a job from another, is asked of the store itself. To go on
            // needs no such question: the next write is refused if the row is another one by now.
            stored = self.get(id).await?;
        }
        if !stored.job.phase.is_active() {
            return Ok(Held::Ended(stored));
        }
        let ours = self.acquire(stored).await?;
        Ok(ours.map_or(Held::Others, Held::Ours))
    }

    /// Whether an active row is held by another process that shows signs of life.
    fn is_in_living_hands(&self, stored: &Stored) -> bool {
        let LeaseTerms::Shared { life } = self.member.terms() else {
            return false;
        };
        let holder = &stored.lease.holder;
        if !stored.job.phase.is_active() || *holder == self.member.id() {
            return false;
        }
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.knows(holder) && beats.still(holder, life, self.clock.elapsed()).is_none()
    }

    /// The row with this process as its driver; `None` if another process drives it, or nobody has to.
    ///
    /// # Errors
    /// The store's.
    async fn acquire(&self, stored: Stored) -> Result<Option<Stored>, RepositoryError> {
        let holder = &stored.lease.holder;
        if !stored.job.phase.is_active() {
            return Ok(None);
        }
        if *holder == self.member.id() {
            return Ok(Some(stored));
        }
        let silent = match self.member.terms() {
            LeaseTerms::Alone => None,
            LeaseTerms::Shared { life } => {
                let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
                let still = beats.still(holder, life, self.clock.elapsed());
                if still.is_none() && beats.knows(holder) {
                    return Ok(None);
                }
                still.map(|beats| Beat {
                    holder: holder.clone(),
                    beats: *beats,
                })
            }
        };
        match self.claim(&stored, silent.as_ref()).await {
            Ok(claimed) => Ok(Some(claimed)),
            Err(RepositoryError::Fenced { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A sign of life, and a look at those of the others. Returns false if this process has been silent
    /// for too long: others may drive its jobs, and it must [begin anew](Self::begin_anew).
    ///
    /// # Errors
    /// The store's, or that it took longer than `within`.
    pub async fn keep_alive(&self, within: Duration) -> Result<bool, RepositoryError> {
        if !self.member.is_current() {
            return Ok(false);
        }
        let sent = self.clock.elapsed();
        let signed = async {
            self.repository.beat(&self.member.id()).await?;
            self.repository.beats().await
        };
        let beats = tokio::time::timeout(within, signed).await.map_err(|_| {
            RepositoryError::Unavailable(format!("no answer within {} ms", within.as_millis()))
        })??;
        // A process that was stopped meanwhile has signed too late.
        if !self.member.is_current() {
            return Ok(false);
        }
        self.member.signed(sent);
        let mut seen = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        let beats = beats.into_iter().map(|beat| (beat.holder, beat.beats));
        seen.look(beats, self.clock.elapsed());
        Ok(true)
    }

    /// Gives back every lease of this process, at its end.
    ///
    /// # Errors
    /// The store's; the leases then run out.
    pub async fn leave(&self) -> Result<(), RepositoryError> {
        self.repository.leave(&self.member.id()).await
    }

    /// Gives up every lease of this process and registers it under a new id.
    ///
    /// # Errors
    /// The store's; nothing has changed then but the id.
    pub async fn begin_anew(&self) -> Result<(), RepositoryError> {
        let old = self.member.begin_anew();
        register(self.repository.as_ref(), self.clock(), &self.member).await?;
        self.repository.leave(&old).await
    }

    /// Shows what other processes have written since the last call; the rows that are new.
    ///
    /// # Errors
    /// The store's; the next call begins where this one failed.
    pub async fn follow_others(&self) -> Result<Vec<Stored>, RepositoryError> {
        let begin = Followed::now(self.clock());
        let news = self.read_changes().await;
        self.note_followed(begin, news.as_ref().map(drop));
        news
    }

    async fn read_changes(&self) -> Result<Vec<Stored>, RepositoryError> {
        let mut news = Vec::new();
        loop {
            let after = self
                .seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let changes = self.repository.changes(&after, SCAN_PAGE).await?;
            report(&changes.unreadable);
            for stored in changes.jobs {
                self.model.apply(&stored);
                news.push(stored);
            }
            for id in changes.gone {
                self.model.forget(&id);
            }
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = changes.position;
            if !changes.more {
                return Ok(news);
            }
        }
    }

    /// Takes the lease of a job for this process. Taking it from another process is told in the history.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if it cannot be had, else the store's.
    async fn claim(
        &self,
        stored: &Stored,
        silent: Option<&Beat>,
    ) -> Result<Stored, RepositoryError> {
        let entry = (!stored.lease.holder.is_empty()).then(|| {
            let how = if silent.is_some() {
                "which has fallen silent"
            } else {
                "which has ended"
            };
            HistoryEntry {
                version: stored.version + 1,
                at: self.clock.now().max(stored.job.updated_at),
                attempt: stored.job.attempt,
                phase: stored.job.phase,
                note: format!("taken over from another server process, {how}"),
                actor: ENGINE.to_owned(),
                epoch: stored.lease.epoch + 1,
            }
        });
        let claimed = self
            .repository
            .claim(
                &stored.job.id,
                &stored.lease,
                silent,
                &self.member.id(),
                entry.as_ref(),
            )
            .await?;
        self.model.apply(&claimed);
        Ok(claimed)
    }
}
