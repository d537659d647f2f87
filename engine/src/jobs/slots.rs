//! Submit slots as this process sees them: taken, renewed, left, and their holders watched.
//!
//! Owns the watch over silent holders. A slot is taken over only after its holder was watched for a
//! slot's whole life without a sign of life, on a clock that no one can set.

use std::sync::{Mutex, PoisonError};

use elb_core::{job::Job, poll};
use tokio::sync::watch;

use super::Jobs;
use crate::{
    lease::Stillness,
    repository::{RepositoryError, SlotHolder, SlotRequest, SlotTurn},
};

/// What this process knows of slots.
#[derive(Debug)]
pub(super) struct SlotWatch {
    /// The last holder seen of each slot.
    seen: Mutex<Stillness<SlotHolder>>,
    moved: watch::Sender<u64>,
}

impl Default for SlotWatch {
    fn default() -> Self {
        Self {
            seen: Mutex::default(),
            moved: watch::channel(0).0,
        }
    }
}

impl Jobs {
    /// Takes a submit slot for a job, or joins its line.
    ///
    /// # Errors
    /// The store's.
    pub async fn take_slot(&self, slot: &str, job: &Job) -> Result<SlotTurn, RepositoryError> {
        let silent = {
            let seen = self
                .slots
                .seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            seen.still(slot, poll::SLOT_LIFE, self.clock.elapsed())
                .cloned()
        };
        let request = SlotRequest {
            slot: slot.to_owned(),
            job_id: job.id.clone(),
            created_at: job.created_at,
            now: self.clock.now(),
            silent,
        };
        let turn = self.repository.take_slot(&request).await?;
        let holder = match &turn {
            SlotTurn::Waiting { holder, .. } => holder.clone(),
            SlotTurn::Yours { .. } => None,
        };
        let mut seen = self
            .slots
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.look_at(slot, holder, self.clock.elapsed());
        drop(seen);
        Ok(turn)
    }

    /// Shows that the job is still at its submission; false if it holds the slot no more.
    ///
    /// # Errors
    /// The store's.
    pub async fn renew_slot(&self, slot: &str, job_id: &str) -> Result<bool, RepositoryError> {
        self.repository.renew_slot(slot, job_id).await
    }

    /// Gives a slot back, or leaves its line.
    ///
    /// # Errors
    /// The store's.
    pub async fn leave_slot(&self, slot: &str, job_id: &str) -> Result<(), RepositoryError> {
        self.repository.leave_slot(slot, job_id).await?;
        self.slots.moved.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// Tells when a job of this process has left a slot.
    #[must_use]
    pub fn slots_moved(&self) -> watch::Receiver<u64> {
        self.slots.moved.subscribe()
    }
}
