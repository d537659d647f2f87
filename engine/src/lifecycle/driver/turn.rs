//! What a driver does in each phase: total over all of them.
//!
//! Owns the order of steps. What it is about to do is in the row before it does it; every call of the
//! executor is safe to repeat, so that a turn can be given up anywhere and begun again.

use elb_core::{
    job::{Intent, Job, Progress},
    phase::Phase,
    poll,
    step::{Step, StepRecord},
    text,
    time::Timestamp,
    transition::Event,
    view::LogLevel,
};

use super::{Driver, Halt};
use crate::{
    crash::{self, Point},
    executor::{Observation, Plan, Readiness},
    lifecycle::admission::Turn,
};

/// Places in the line that are told exactly; further back, every ten and every hundred is near enough.
const TOLD_EXACTLY: usize = 10;

impl Driver<'_> {
    pub(super) async fn turn(&self, job: &Job) -> Result<(), Halt> {
        if let Some(place) = job.followed() {
            return self.follow(job, place).await;
        }
        // Who is still in line for the slot has given its place away, where it does so at all.
        let gave_way = job.phase == Phase::WaitingForSubmitSlot && self.lets_pass();
        if holds_place(job.phase) && !gave_way {
            self.context.admission.reenter(&job.id);
        }
        match job.phase {
            Phase::Queued => self.queued(job).await,
            Phase::Preparing => {
                crash::point(Point::BeforePrepare);
                self.context.executor.prepare(job).await?;
                crash::point(Point::AfterPrepare);
                self.enter(job, Phase::WarmingUp).await
            }
            Phase::WarmingUp => self.warm_up(job).await,
            Phase::WaitingForDatabase | Phase::WaitingForWarmup | Phase::WaitingForCapacity => {
                match job.current_step() {
                    Step::WarmingUp => self.warm_up(job).await,
                    Step::StagingDb => self.stage(job).await,
                    // It was handed over already, and stands still where it runs.
                    Step::Running => {
                        self.context.admission.reenter(&job.id);
                        self.watch(job).await
                    }
                    _ => self.gate(job).await,
                }
            }
            Phase::Configuring => self.configure(job).await,
            Phase::StagingDb => self.stage(job).await,
            Phase::WaitingForSubmitSlot => self.gate(job).await,
            Phase::Submitting => self.submit(job).await,
            Phase::Submitted | Phase::Running => {
                // A process that ended just before may have left it held.
                self.leave_slot(job).await;
                self.watch(job).await
            }
            Phase::ResultsPending => self.enter(job, Phase::ExportingResults).await,
            Phase::ExportingResults => {
                crash::point(Point::BeforeExport);
                let outcome = self.context.executor.export(job).await?;
                crash::point(Point::AfterExport);
                let line = "the results can be read".to_owned();
                self.log(job, LogLevel::Info, line);
                self.change(job, &Event::Completed { outcome }).await?;
                Ok(())
            }
            Phase::Cancelling => self.cancel(job).await,
            Phase::Completed
            | Phase::Failed
            | Phase::BrokerUnavailable
            | Phase::WorkerLost
            | Phase::Cancelled
            | Phase::Deleted => Ok(()),
        }
    }

    pub(super) async fn enter(&self, job: &Job, phase: Phase) -> Result<(), Halt> {
        self.change(job, &Event::Enter { phase }).await?;
        Ok(())
    }

    async fn queued(&self, job: &Job) -> Result<(), Halt> {
        if let Some(then) = job.not_before
            && self.context.jobs.clock().now() < then
        {
            self.rest_until(then).await;
            return Ok(());
        }
        let mut moved = self.context.admission.watch();
        moved.mark_unchanged();
        match self.context.admission.try_enter(job.created_at, &job.id) {
            Turn::Yours => self.enter(job, Phase::Preparing).await,
            Turn::Wait { ahead, running } => {
                let reason = waiting_line(ahead, running);
                if job.waiting_reason() != Some(reason.as_str()) {
                    let phase = Phase::Queued;
                    self.change(job, &Event::Wait { phase, reason }).await?;
                    return Ok(());
                }
                tokio::select! {
                    // An error would mean that the line is gone, and the engine with it.
                    _ = moved.changed() => {}
                    () = self.rest_until(job.deadline().unwrap_or(Timestamp(i64::MAX))) => {}
                }
                Ok(())
            }
        }
    }

    async fn warm_up(&self, job: &Job) -> Result<(), Halt> {
        let ready = self.context.executor.warm_up(job).await?;
        crash::point(Point::AfterWarmUp);
        match ready {
            Readiness::Waiting(reason) => {
                return self.wait(job, Phase::WaitingForDatabase, reason).await;
            }
            Readiness::NoRoom(reason) => {
                return self.wait(job, Phase::WaitingForCapacity, reason).await;
            }
            Readiness::Unneeded(reason) if self.has_place(job).await? => {
                self.skip(job, Step::WarmingUp, reason).await?;
            }
            Readiness::Done if self.has_place(job).await? => {}
            Readiness::Done | Readiness::Unneeded(_) => return Ok(()),
        }
        self.enter(job, Phase::Configuring).await
    }

    async fn configure(&self, job: &Job) -> Result<(), Halt> {
        let plan = self.context.executor.plan(job).await?;
        crash::point(Point::AfterPlan);
        let line = elb_core::search::display_command(&plan.command);
        self.log(job, LogLevel::Command, line);
        let stored = self.change(job, &planned(job, plan)).await?;
        self.stage(&stored.job).await
    }

    async fn stage(&self, job: &Job) -> Result<(), Halt> {
        let ready = self.context.executor.stage(job).await?;
        crash::point(Point::AfterStage);
        match ready {
            Readiness::Waiting(reason) => {
                return self.wait(job, Phase::WaitingForDatabase, reason).await;
            }
            Readiness::NoRoom(reason) => {
                return self.wait(job, Phase::WaitingForCapacity, reason).await;
            }
            Readiness::Unneeded(reason) if self.has_place(job).await? => {
                self.skip(job, Step::StagingDb, reason).await?;
            }
            Readiness::Done if self.has_place(job).await? => {}
            Readiness::Done | Readiness::Unneeded(_) => return Ok(()),
        }
        self.gate(job).await
    }

    async fn skip(&self, job: &Job, step: Step, reason: String) -> Result<(), Halt> {
        // A turn that was broken off before its next write has skipped it already.
        let passed = |record: &StepRecord| record.state.is_passed();
        if job.step(step).is_some_and(passed) {
            return Ok(());
        }
        self.change(job, &Event::Skip { step, reason }).await?;
        Ok(())
    }

    /// Shows why the job stands still, gives its place to others, and rests until something may have
    /// changed.
    async fn wait(&self, job: &Job, phase: Phase, reason: String) -> Result<(), Halt> {
        self.context.admission.leave(&job.id);
        self.show_wait(job, phase, reason).await?;
        tokio::time::sleep(poll::JOB_STEADY).await;
        Ok(())
    }

    pub(super) async fn show_wait(
        &self,
        job: &Job,
        phase: Phase,
        reason: String,
    ) -> Result<(), Halt> {
        if job.phase != phase || job.waiting_reason() != Some(reason.as_str()) {
            self.change(job, &Event::Wait { phase, reason }).await?;
        }
        Ok(())
    }

    /// Whether the job has its place among the searches; one that gave it up while it waited lines up
    /// again, by its creation, and waits for capacity.
    pub(super) async fn has_place(&self, job: &Job) -> Result<bool, Halt> {
        let mut moved = self.context.admission.watch();
        moved.mark_unchanged();
        match self.context.admission.try_enter(job.created_at, &job.id) {
            Turn::Yours => Ok(true),
            Turn::Wait { ahead, running } => {
                let reason = waiting_line(ahead, running);
                self.show_wait(job, Phase::WaitingForCapacity, reason)
                    .await?;
                tokio::select! {
                    _ = moved.changed() => {}
                    () = tokio::time::sleep(poll::JOB_STEADY) => {}
                }
                Ok(false)
            }
        }
    }

    /// Follows the run until it has ended, one observation after the other.
    async fn watch(&self, job: &Job) -> Result<(), Halt> {
        let mut seen = 0;
        let mut known = job.clone();
        let mut unseen = None;
        loop {
            let (changes, observation) = self.context.executor.observe(job, seen).await;
            seen = changes;
            crash::point(Point::AfterObserve);
            if !matches!(observation, Observation::Unseen(_)) {
                known = self.in_sight(&known).await?;
            }
            match observation {
                Observation::Accepted => {
                    if known.phase == Phase::WaitingForCapacity {
                        known = self.entered(&known, Phase::Submitted).await?;
                    }
                }
                Observation::Unseen(reason) => {
                    if unseen.as_ref() != Some(&reason) {
                        self.log(&known, LogLevel::Warning, reason.clone());
                        known = self.out_of_sight(&known, reason.clone()).await?;
                        unseen = Some(reason);
                        self.let_others_pass(job);
                    }
                    continue;
                }
                Observation::HeldUp(reason) => known = self.held_up(&known, reason).await?,
                Observation::Gone => {
                    self.submit_again(job).await?;
                    known = self.plan_again(&known).await?;
                    seen = 0;
                }
                Observation::Running { progress, warnings } => {
                    known = self.entered(&known, Phase::Running).await?;
                    known = self.note(&known, progress, warnings).await?;
                }
                Observation::Succeeded { progress, warnings } => {
                    known = self.entered(&known, Phase::Running).await?;
                    self.note(&known, progress, warnings).await?;
                    return self.enter(job, Phase::ExportingResults).await;
                }
                Observation::Failed(error) => return Err(Halt::Failed(error)),
            }
            if unseen.take().is_some() {
                self.context.admission.reenter(&job.id);
            }
        }
    }

    /// Says in the row that what it tells is what was seen last, and why.
    pub(super) async fn out_of_sight(&self, known: &Job, reason: String) -> Result<Job, Halt> {
        let told = known.unseen.as_ref().map(|unseen| &unseen.reason);
        if told == Some(&reason) {
            return Ok(known.clone());
        }
        Ok(self.change(known, &Event::OutOfSight { reason }).await?.job)
    }

    /// Takes that back.
    pub(super) async fn in_sight(&self, known: &Job) -> Result<Job, Halt> {
        if known.unseen.is_none() {
            return Ok(known.clone());
        }
        Ok(self.change(known, &Event::InSight).await?.job)
    }

    /// The job in this phase; one that is in it already is not written.
    async fn entered(&self, known: &Job, phase: Phase) -> Result<Job, Halt> {
        if known.phase == phase {
            return Ok(known.clone());
        }
        Ok(self.change(known, &Event::Enter { phase }).await?.job)
    }

    /// Shows what stands against the run; the job keeps its place, for it may go on at any moment.
    async fn held_up(&self, known: &Job, reason: String) -> Result<Job, Halt> {
        let phase = Phase::WaitingForCapacity;
        if known.phase == phase && known.waiting_reason() == Some(reason.as_str()) {
            return Ok(known.clone());
        }
        self.log(known, LogLevel::Warning, reason.clone());
        Ok(self
            .change(known, &Event::Wait { phase, reason })
            .await?
            .job)
    }

    /// Writes the plan down anew if less is done than the row says: the work folder was lost, and its
    /// batches are searched once more.
    async fn plan_again(&self, known: &Job) -> Result<Job, Halt> {
        let plan = self.context.executor.plan(known).await?;
        let same = plan.progress.batches_total == known.progress.batches_total;
        if same && plan.progress.letters_done >= known.progress.letters_done {
            return Ok(known.clone());
        }
        Ok(self.change(known, &planned(known, plan)).await?.job)
    }

    /// Records what is new in an observation; nothing new is no write.
    async fn note(
        &self,
        known: &Job,
        progress: Progress,
        warnings: Vec<String>,
    ) -> Result<Job, Halt> {
        let mut job = known.clone();
        for text in warnings {
            if !job.warnings.contains(&text) {
                job = self.change(&job, &Event::Warned { text }).await?.job;
            }
        }
        // Less than before is an older sight of it: a pod that is gone before its Job tells what it has done.
        let further = progress.letters_done >= job.progress.letters_done
            && progress.batches_done >= job.progress.batches_done;
        if further && progress != job.progress {
            job = self
                .change(&job, &Event::Progressed { progress })
                .await?
                .job;
        }
        Ok(job)
    }

    async fn cancel(&self, job: &Job) -> Result<(), Halt> {
        crash::point(Point::BeforeStop);
        if let Err(error) = self.context.executor.cancel(job).await {
            return self.hindered(job, error.to_string()).await;
        }
        self.stopped(job).await
    }

    /// A cancel that cannot be carried out says why, and is tried again.
    pub(super) async fn hindered(&self, job: &Job, reason: String) -> Result<(), Halt> {
        if job.hindrance.as_ref() != Some(&reason) {
            let line = format!("the search cannot be stopped yet: {reason}");
            self.log(job, LogLevel::Error, line);
            self.change(job, &Event::CancelHindered { reason }).await?;
        }
        tokio::time::sleep(poll::JOB_STEADY).await;
        Ok(())
    }

    /// The run was seen to be gone.
    pub(super) async fn stopped(&self, job: &Job) -> Result<(), Halt> {
        crash::point(Point::AfterStop);
        self.leave_slot(job).await;
        let line = "cancelled: nothing of the search is running any more".to_owned();
        self.log(job, LogLevel::Info, line);
        if job.intent == Intent::Delete {
            let now = self.context.jobs.clock().now();
            let keep_until = self.context.retention.undo_until(now);
            self.change(job, &Event::CancelledAndDeleted { keep_until })
                .await?;
        } else {
            self.change(job, &Event::CancelObserved).await?;
        }
        Ok(())
    }
}

/// Whether a job in this phase occupies one of the places for searches.
pub(in crate::lifecycle) const fn holds_place(phase: Phase) -> bool {
    phase.is_active()
        && !matches!(
            phase,
            Phase::Queued
                | Phase::WaitingForDatabase
                | Phase::WaitingForWarmup
                | Phase::WaitingForCapacity
                | Phase::Cancelling
        )
}

fn planned(job: &Job, plan: Plan) -> Event {
    Event::Planned {
        command: plan.command,
        // The attempt is part of it: an executor that sees an old run can tell it from the new one.
        run_id: format!("{}-{}", job.id, job.attempt),
        place: plan.place,
        shards: plan.shards,
        blast_version: plan.blast_version,
        progress: plan.progress,
    }
}

/// The wait in words. Far back in the line it is rounded: each change of it is a write, and a long line
/// that moves would otherwise be as many writes.
fn waiting_line(ahead: usize, running: usize) -> String {
    let running = text::counted(running as u64, "search is", "searches are");
    let place = match ahead {
        0 => "next in line".to_owned(),
        1..TOLD_EXACTLY => format!("{} in line", text::ordinal(ahead as u64 + 1)),
        10..100 => format!("more than {} ahead in line", ahead / 10 * 10 - 1),
        _ => format!("more than {} ahead in line", ahead / 100 * 100 - 1),
    };
    format!("{place}; {running} running")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_in_line_is_exact_in_front_and_never_overstated_behind() {
        let line = |ahead| waiting_line(ahead, 2);
        assert_eq!(line(0), "next in line; 2 searches are running");
        assert_eq!(line(1), "2nd in line; 2 searches are running");
        assert_eq!(line(9), "10th in line; 2 searches are running");
        assert_eq!(
            line(10),
            "more than 9 ahead in line; 2 searches are running"
        );
        assert_eq!(line(19), line(10));
        assert_eq!(
            line(250),
            "more than 199 ahead in line; 2 searches are running"
        );
    }
}
