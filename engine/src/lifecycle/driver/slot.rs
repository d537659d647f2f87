//! The way through the submit slot: one submission at a time to each place.
//!
//! Owns the order: slot, phase `submitting`, submission, phase `submitted`, slot given back. The slot is
//! renewed while the submission lasts, and a submission whose slot was taken over is broken off.

use std::time::Duration;

use elb_core::{job::Job, phase::Phase, poll, step::Step, text, transition::Event};

use super::{Driver, Halt};
use crate::{
    crash::{self, Point},
    executor::{Door, Handed},
    repository::{SlotHolder, SlotTurn},
};

/// How often a slot is renewed while it is held: fifteen renewals fit into its life.
const RENEWAL: Duration = Duration::from_secs(poll::SLOT_LIFE.as_secs() / 15);

impl Driver<'_> {
    /// Enters `submitting` once the slot is the job's, or shows what it waits for.
    pub(super) async fn gate(&self, job: &Job) -> Result<(), Halt> {
        if !self.has_slot(job).await? {
            return Ok(());
        }
        if self.lets_pass() && !self.has_place(job).await? {
            return Ok(());
        }
        if !self.is_let_in(job).await? {
            return Ok(());
        }
        self.enter(job, Phase::Submitting).await
    }

    /// Whether a job that is kept waiting by its cluster gives its place among the searches to others meanwhile.
    /// Of several clusters none must wait for another. With one alone all of them would come to its door, where
    /// they may wait for hours, instead of waiting in the queue, where they may for days.
    pub(super) fn lets_pass(&self) -> bool {
        self.context.executor.places().len() > 1
    }

    /// Does so.
    pub(super) fn let_others_pass(&self, job: &Job) {
        if self.lets_pass() {
            self.context.admission.leave(&job.id);
        }
    }

    /// Whether others let the run be handed over; otherwise the wait is shown, and rested.
    async fn is_let_in(&self, job: &Job) -> Result<bool, Halt> {
        match self.context.executor.knock(job).await? {
            Door::Open => return Ok(true),
            shut => self.show_shut(job, shut).await?,
        }
        Ok(false)
    }

    async fn show_shut(&self, job: &Job, door: Door) -> Result<(), Halt> {
        let (wait, reason) = match door {
            Door::Open => return Ok(()),
            Door::Held(reason) => (Phase::WaitingForSubmitSlot, reason),
            Door::NoRoom(reason) => (Phase::WaitingForCapacity, reason),
        };
        self.let_others_pass(job);
        if job.current_step() == Step::Submitting {
            self.show_wait(job, wait, reason).await?;
        } else {
            // The step before may be over, and this wait belongs to none by itself.
            let phase = Phase::Submitting;
            let stored = self.change(job, &Event::Enter { phase }).await?;
            self.show_wait(&stored.job, wait, reason).await?;
        }
        tokio::time::sleep(poll::JOB_STEADY).await;
        Ok(())
    }

    /// Hands the run over under the slot.
    pub(super) async fn submit(&self, job: &Job) -> Result<(), Halt> {
        // After a restart, or a takeover of the slot, it is another's perhaps.
        if !self.has_slot(job).await? || !self.is_let_in(job).await? {
            return Ok(());
        }
        crash::point(Point::BeforeSubmit);
        let Some(Handed { door, parts }) = self.submit_renewing(job).await? else {
            return Ok(());
        };
        if door != Door::Open {
            return self.show_shut(job, door).await;
        }
        crash::point(Point::AfterSubmit);
        if !parts.is_empty() {
            let step = Step::Submitting;
            self.change(job, &Event::Parts { step, parts }).await?;
        }
        self.enter(job, Phase::Submitted).await?;
        crash::point(Point::AfterSubmitted);
        self.leave_slot(job).await;
        Ok(())
    }

    /// Hands a run over again that has gone; the job's phase stays.
    pub(super) async fn submit_again(&self, job: &Job) -> Result<(), Halt> {
        loop {
            if self.try_slot(job).await?.is_none()
                && let Some(handed) = self.submit_renewing(job).await?
                && handed.door == Door::Open
            {
                self.leave_slot(job).await;
                return Ok(());
            }
            self.rest_at_slot().await;
        }
    }

    /// What came of the submission; `None` if it was broken off because the slot was taken over.
    async fn submit_renewing(&self, job: &Job) -> Result<Option<Handed>, Halt> {
        let submission = self.context.executor.submit(job);
        let Some(slot) = self.context.executor.submit_slot(job) else {
            return Ok(Some(submission.await?));
        };
        tokio::pin!(submission);
        loop {
            tokio::select! {
                outcome = &mut submission => return Ok(Some(outcome?)),
                () = tokio::time::sleep(RENEWAL) => {
                    match self.context.jobs.renew_slot(&slot, &job.id).await {
                        Ok(true) => {}
                        Ok(false) => return Ok(None),
                        Err(error) => tracing::warn!(job = %job.id, %error, "the submit slot cannot be renewed yet"),
                    }
                }
            }
        }
    }

    /// Whether the slot is the job's; otherwise the wait is shown, and rested.
    async fn has_slot(&self, job: &Job) -> Result<bool, Halt> {
        let Some((holder, ahead)) = self.try_slot(job).await? else {
            return Ok(true);
        };
        self.let_others_pass(job);
        let reason = waiting_at_slot(holder.as_ref(), ahead);
        self.show_wait(job, Phase::WaitingForSubmitSlot, reason)
            .await?;
        self.rest_at_slot().await;
        Ok(false)
    }

    /// Tries to take the slot; if it is another's, whose, and how many wait before this job.
    async fn try_slot(&self, job: &Job) -> Result<Option<(Option<SlotHolder>, usize)>, Halt> {
        let Some(slot) = self.context.executor.submit_slot(job) else {
            return Ok(None);
        };
        match self.context.jobs.take_slot(&slot, job).await? {
            SlotTurn::Yours { taken_from } => {
                if let Some(silent) = taken_from {
                    let note = format!(
                        "the submit slot {slot} was taken over from job {}, which had held it since {} and fallen silent",
                        silent.job_id,
                        silent.since.on_screen()
                    );
                    self.change(job, &Event::Noted { note }).await?;
                }
                Ok(None)
            }
            SlotTurn::Waiting { holder, ahead } => Ok(Some((holder, ahead))),
        }
    }

    async fn rest_at_slot(&self) {
        let mut moved = self.context.jobs.slots_moved();
        moved.mark_unchanged();
        tokio::select! {
            // Another job of this process has left one.
            _ = moved.changed() => {}
            // Those of other processes do not tell.
            () = tokio::time::sleep(poll::JOB_STEADY) => {}
        }
    }

    /// Gives the slot back. What cannot be given back now is free once the job has ended.
    pub(super) async fn leave_slot(&self, job: &Job) {
        let Some(slot) = self.context.executor.submit_slot(job) else {
            return;
        };
        if let Err(error) = self.context.jobs.leave_slot(&slot, &job.id).await {
            tracing::warn!(job = %job.id, slot, %error, "the submit slot cannot be given back yet");
        }
    }
}

/// The wait in words.
fn waiting_at_slot(holder: Option<&SlotHolder>, ahead: usize) -> String {
    let place = match ahead {
        0 => "next in line".to_owned(),
        ahead => format!("{} in line", text::ordinal(ahead as u64 + 1)),
    };
    match holder {
        Some(holder) => format!(
            "{place}; the submit slot is held by job {} since {}",
            holder.job_id,
            holder.since.on_screen()
        ),
        None => format!("{place}; the submit slot is free and goes to the first in line"),
    }
}
