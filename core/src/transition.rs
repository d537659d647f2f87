//! The only way in which a job changes: `apply(job, event, at)`.
//!
//! Owns which event is allowed when, and sets phase, steps, times and error together, so that no two
//! of them can disagree. Terminal phases absorb: only retry, delete and restore, asked for by a person,
//! move a job that has ended (and retention deletes it). A step may begin only when every earlier one is done or skipped, and no step
//! stays open behind an end.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    database::Shard,
    error_code::{ErrorCode, JobError},
    job::{
        Attempt, Deadline, Deletion, Found, Intent, Job, MAX_AUTOMATIC_RETRIES, MAX_NOTE,
        MAX_PAST_ATTEMPTS, MAX_WARNINGS, Outcome, Progress,
    },
    phase::Phase,
    poll,
    step::{Step, StepPart, StepRecord, StepState, fresh_timeline},
    text,
    time::Timestamp,
};

/// Something that happened to a job, or that a person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Work began in this phase (a working phase, not a wait and not an end).
    Enter {
        /// The phase entered.
        phase: Phase,
    },
    /// The job stands still for a reason that a person understands.
    Wait {
        /// `queued` or one of the `waiting_*` phases.
        phase: Phase,
        /// What it waits for.
        reason: String,
    },
    /// A step is not needed.
    Skip {
        /// Which step; it must be the next one.
        step: Step,
        /// Why.
        reason: String,
    },
    /// The search came further.
    Progressed {
        /// The new state; never less than the old one.
        progress: Progress,
    },
    /// The run was written down.
    Planned {
        /// The exact argument vector.
        command: Vec<String>,
        /// Identifier of the run, stored before the run exists.
        run_id: String,
        /// Where it will run, if that is a cluster.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Found>,
        /// The parts of the database that are searched one by one, if it is not searched whole.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shards: Vec<Shard>,
        /// Version of BLAST+.
        blast_version: String,
        /// The batches of the plan, none done (or those that an earlier attempt has done).
        progress: Progress,
    },
    /// Something worth telling that is no error.
    Warned {
        /// The warning.
        text: String,
    },
    /// Results are readable.
    Completed {
        /// What was found.
        outcome: Outcome,
    },
    /// Results are readable where another system ran the job; what was found is counted there.
    CompletedElsewhere,
    /// The attempt ended with an error that may pass: the next one begins by itself.
    RetryPlanned {
        /// Which error.
        code: ErrorCode,
        /// What happened.
        message: String,
        /// When the next attempt may leave the queue.
        not_before: Timestamp,
    },
    /// The attempt ended with an error.
    Failed {
        /// Which.
        code: ErrorCode,
        /// What happened.
        message: String,
    },
    /// A person asked to stop the job; with `delete`, to remove it afterwards.
    CancelAsked {
        /// Whether the job shall become a tombstone once it has stopped.
        delete: bool,
    },
    /// A cancel cannot be carried out yet; it is tried again.
    CancelHindered {
        /// Why.
        reason: String,
    },
    /// The run was seen to be gone. Not of a job that is to be deleted.
    CancelObserved,
    /// The run of a job that is to be deleted was seen to be gone: it becomes a tombstone in the same
    /// write, so that nothing can come between the two.
    CancelledAndDeleted {
        /// Until when it can be restored.
        keep_until: Timestamp,
    },
    /// A person asked for another attempt.
    RetryAsked,
    /// The job becomes a tombstone.
    Deleted {
        /// Until when it can be restored.
        keep_until: Timestamp,
    },
    /// A person asked to have a deleted job back.
    RestoreAsked,
    /// Query, results and log of a deleted job are gone.
    ObjectsRemoved,
    /// What was done side by side in a step that has begun.
    Parts {
        /// Which step.
        step: Step,
        /// Each with its times.
        parts: Vec<StepPart>,
    },
    /// Where it runs cannot be seen; all that the row says is what was seen last.
    OutOfSight {
        /// Why.
        reason: String,
    },
    /// Where it runs is seen again.
    InSight,
    /// Something that belongs in the history and changes nothing, such as a takeover.
    Noted {
        /// What happened, in one line.
        note: String,
    },
}

/// An event that the job's phase does not allow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a job that is {phase} cannot take this: {why}")]
pub struct IllegalTransition {
    /// The key of the phase that the job is in.
    pub phase: &'static str,
    /// What is wrong, for the log and for people.
    pub why: String,
}

impl Job {
    /// The job after the event. The receiver is untouched, whatever the outcome.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the phase does not allow the event.
    pub fn apply(&self, event: &Event, at: Timestamp) -> Result<Self, IllegalTransition> {
        let mut next = self.clone();
        // Times in a row never run backwards, even if the machine's clock does.
        let at = at.max(self.updated_at);
        next.updated_at = at;
        match event {
            Event::Enter { phase } => next.enter(*phase, at)?,
            Event::Wait { phase, reason } => next.wait(*phase, reason, at)?,
            Event::Skip { step, reason } => next.skip(*step, reason, at)?,
            Event::Progressed { progress } => next.progressed(*progress)?,
            Event::Planned {
                command,
                run_id,
                place,
                shards,
                blast_version,
                progress,
            } => {
                next.require_active("plan a run")?;
                next.command.clone_from(command);
                next.run_id = Some(run_id.clone());
                next.place.clone_from(place);
                next.shards.clone_from(shards);
                next.blast_version = Some(blast_version.clone());
                next.progress = *progress;
            }
            Event::Warned { text } => next.warned(text)?,
            Event::Completed { outcome } => next.complete(Some(*outcome), at)?,
            Event::CompletedElsewhere => {
                if next.imported.is_none() {
                    return next.illegal("it was run here, so what it found must be known");
                }
                next.complete(None, at)?;
            }
            Event::RetryPlanned {
                code,
                message,
                not_before,
            } => next.retry_planned(*code, message, *not_before, at)?,
            Event::Failed { code, message } => next.fail(*code, message, at)?,
            Event::CancelAsked { delete } => next.cancel_asked(*delete)?,
            Event::CancelHindered { reason } => {
                if next.phase != Phase::Cancelling {
                    return next.illegal("nobody asked to cancel it");
                }
                next.hindrance = Some(text::cap(reason, MAX_NOTE));
            }
            Event::CancelObserved => {
                if next.intent == Intent::Delete {
                    // Asked for while the run was being stopped: whoever stopped it has to look again.
                    return next.illegal("it is to be deleted with the same write");
                }
                next.cancel_observed(at)?;
            }
            Event::CancelledAndDeleted { keep_until } => {
                if next.intent != Intent::Delete {
                    return next.illegal("nobody asked to delete it");
                }
                next.cancel_observed(at)?;
                next.delete(*keep_until, at)?;
            }
            Event::RetryAsked => next.retry(at)?,
            Event::Deleted { keep_until } => next.delete(*keep_until, at)?,
            Event::RestoreAsked => next.restore(at)?,
            Event::ObjectsRemoved => next.objects_removed(at)?,
            Event::Parts { step, parts } => next.parts(*step, parts)?,
            Event::OutOfSight { reason } => next.out_of_sight(reason, at)?,
            Event::InSight => {
                next.require_active("come in sight")?;
                next.unseen = None;
            }
            Event::Noted { .. } => next.require_active("be noted")?,
        }
        Ok(next)
    }

    fn illegal<T>(&self, why: impl Into<String>) -> Result<T, IllegalTransition> {
        Err(IllegalTransition {
            phase: self.phase.as_str(),
            why: why.into(),
        })
    }

    fn require_active(&self, what: &str) -> Result<(), IllegalTransition> {
        if self.phase.is_active() {
            Ok(())
        } else {
            self.illegal(format!("it has ended, so it cannot {what}"))
        }
    }

    fn require_running(&self, what: &str) -> Result<(), IllegalTransition> {
        self.require_active(what)?;
        if self.phase == Phase::Cancelling {
            return self.illegal(format!("it is being cancelled, so it cannot {what}"));
        }
        Ok(())
    }

    fn record(&mut self, step: Step) -> Option<&mut StepRecord> {
        self.steps.get_mut(step.index())
    }

    /// Opens `step`, closing the one before it. Every earlier step must be passed or open.
    fn open(
        &mut self,
        step: Step,
        state: StepState,
        at: Timestamp,
    ) -> Result<(), IllegalTransition> {
        let gap = self
            .steps
            .iter()
            .take(step.index())
            .find(|record| !record.state.is_passed() && !record.state.is_open());
        if let Some(record) = gap {
            let why = format!(
                "step {} would be left out before {}",
                record.key.as_str(),
                step.as_str()
            );
            return self.illegal(why);
        }
        for record in self.steps.iter_mut().take(step.index()) {
            if record.state.is_open() {
                close(record, StepState::Done, at);
            }
        }
        // Where the step before ended: no time between two steps is nobody's.
        let before = step.index().checked_sub(1);
        let begin = before
            .and_then(|index| self.steps.get(index)?.finished_at)
            .unwrap_or(at);
        if let Some(record) = self.record(step) {
            if !record.state.is_open() && record.state != StepState::NotReached {
                let why = format!("step {} has ended already", step.as_str());
                return self.illegal(why);
            }
            record.started_at.get_or_insert(begin);
            end_wait(record, at);
            record.state = state;
            record.reason = None;
        }
        Ok(())
    }

    fn enter(&mut self, phase: Phase, at: Timestamp) -> Result<(), IllegalTransition> {
        self.require_running("go on")?;
        let working = phase.is_active() && !phase.is_waiting() && phase != Phase::Cancelling;
        let Some(step) = phase.step().filter(|_| working) else {
            return self.illegal(format!("{} is not a working phase", phase.as_str()));
        };
        let backwards = self.phase.step().is_some_and(|now| {
            now > step || (now == step && !self.phase.is_waiting() && self.phase > phase)
        });
        if backwards {
            return self.illegal(format!("{} lies behind it", phase.as_str()));
        }
        self.open(step, StepState::Active, at)?;
        self.phase = phase;
        self.not_before = None;
        self.started_at.get_or_insert(at);
        Ok(())
    }

    fn wait(&mut self, phase: Phase, reason: &str, at: Timestamp) -> Result<(), IllegalTransition> {
        self.require_running("wait")?;
        if !phase.is_waiting() {
            return self.illegal(format!("{} is not a wait", phase.as_str()));
        }
        if phase == Phase::Queued && self.phase != Phase::Queued {
            return self.illegal("it has left the queue");
        }
        let step = phase.step().unwrap_or_else(|| self.current_step());
        if step < self.current_step() {
            return self.illegal(format!("{} lies behind it", phase.as_str()));
        }
        let waiting_since = self
            .step(step)
            .filter(|record| record.state == StepState::Waiting)
            .and_then(|record| record.waiting_since);
        if waiting_since.is_none() {
            self.open(step, StepState::Waiting, at)?;
        }
        if let Some(record) = self.record(step) {
            record.reason = Some(text::cap(reason, MAX_NOTE));
            record.waiting_since = Some(waiting_since.unwrap_or(at));
        }
        let known = self.deadlines.iter().any(|known| known.phase == phase);
        if let Some(limit) = poll::wait_limit(phase).filter(|_| !known) {
            let ms = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
            self.deadlines.push(Deadline {
                phase,
                at: at.plus_ms(ms),
            });
        }
        self.phase = phase;
        Ok(())
    }

    fn skip(&mut self, step: Step, reason: &str, at: Timestamp) -> Result<(), IllegalTransition> {
        self.require_running("skip a step")?;
        if step == Step::Completed {
            return self.illegal("the last step cannot be skipped");
        }
        self.open(step, StepState::Active, at)?;
        if let Some(record) = self.record(step) {
            close(record, StepState::Skipped, at);
            record.reason = Some(text::cap(reason, MAX_NOTE));
        }
        Ok(())
    }

    fn progressed(&mut self, progress: Progress) -> Result<(), IllegalTransition> {
        self.require_active("progress")?;
        let less = progress.batches_done < self.progress.batches_done
            || progress.letters_done < self.progress.letters_done;
        if less {
            return self.illegal("progress cannot go back");
        }
        self.progress = progress;
        Ok(())
    }

    fn warned(&mut self, warning: &str) -> Result<(), IllegalTransition> {
        self.require_active("be warned")?;
        let warning = text::cap(warning.trim(), MAX_NOTE);
        let known = warning.is_empty() || self.warnings.contains(&warning);
        if !known && self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(warning);
        }
        Ok(())
    }

    fn complete(
        &mut self,
        outcome: Option<Outcome>,
        at: Timestamp,
    ) -> Result<(), IllegalTransition> {
        self.require_running("complete")?;
        self.open(Step::Completed, StepState::Active, at)?;
        if let Some(record) = self.record(Step::Completed) {
            close(record, StepState::Done, at);
        }
        self.unseen = None;
        self.phase = Phase::Completed;
        self.outcome = outcome;
        self.completed_at = Some(at);
        self.error = None;
        Ok(())
    }

    fn retry_planned(
        &mut self,
        code: ErrorCode,
        message: &str,
        not_before: Timestamp,
        at: Timestamp,
    ) -> Result<(), IllegalTransition> {
        if !self.retries_by_itself(code) {
            return self.illegal(format!("{} is not tried again by itself", code.as_str()));
        }
        self.fail(code, message, at)?;
        let (automatic, told) = (self.automatic_retries, text::cap(message.trim(), MAX_NOTE));
        self.retry(at)?;
        self.automatic_retries = automatic + 1;
        self.not_before = Some(not_before);
        let reason = format!(
            "automatic retry {} of {MAX_AUTOMATIC_RETRIES}, not before {}; last error: {told}",
            self.automatic_retries,
            not_before.on_screen(),
        );
        self.wait(Phase::Queued, &reason, at)
    }

    fn fail(
        &mut self,
        code: ErrorCode,
        message: &str,
        at: Timestamp,
    ) -> Result<(), IllegalTransition> {
        self.require_running("fail")?;
        let step = self.current_step();
        let error = JobError::new(code, message, step);
        self.end_open_steps(StepState::Failed, Some(&error.message), at);
        self.unseen = None;
        self.phase = match code {
            ErrorCode::BrokerUnavailable => Phase::BrokerUnavailable,
            ErrorCode::WorkerLost => Phase::WorkerLost,
            _ => Phase::Failed,
        };
        self.error = Some(error);
        self.completed_at = Some(at);
        Ok(())
    }

    fn cancel_asked(&mut self, delete: bool) -> Result<(), IllegalTransition> {
        self.require_active("be cancelled")?;
        self.phase = Phase::Cancelling;
        self.intent = match (delete, self.intent) {
            (false, Intent::Delete) | (true, _) => Intent::Delete,
            (false, _) => Intent::Cancel,
        };
        Ok(())
    }

    fn cancel_observed(&mut self, at: Timestamp) -> Result<(), IllegalTransition> {
        if self.phase != Phase::Cancelling {
            return self.illegal("nobody asked to cancel it");
        }
        self.end_open_steps(StepState::Cancelled, None, at);
        self.hindrance = None;
        self.unseen = None;
        self.phase = Phase::Cancelled;
        self.completed_at = Some(at);
        Ok(())
    }

    fn retry(&mut self, at: Timestamp) -> Result<(), IllegalTransition> {
        if self.imported.is_some() {
            return self.illegal(
                "another system ran it, and its query is not here; submit the search anew",
            );
        }
        if !self.can_retry() {
            return self.illegal("only a failed or cancelled job can be tried again");
        }
        let ended = Attempt {
            number: self.attempt,
            phase: self.phase,
            steps: std::mem::replace(&mut self.steps, fresh_timeline()),
            error: self.error.take(),
        };
        self.past_attempts.push(ended);
        let surplus = self.past_attempts.len().saturating_sub(MAX_PAST_ATTEMPTS);
        self.past_attempts.drain(..surplus);
        self.attempt = self.attempt.saturating_add(1);
        self.unseen = None;
        self.phase = Phase::Queued;
        self.intent = Intent::Run;
        self.progress = Progress::default();
        self.started_at = None;
        self.completed_at = None;
        self.outcome = None;
        self.run_id = None;
        self.place = None;
        self.shards.clear();
        self.warnings.clear();
        self.not_before = None;
        self.automatic_retries = 0;
        self.deadlines.clear();
        self.wait(Phase::Queued, "in the queue", at)
    }

    fn delete(&mut self, keep_until: Timestamp, at: Timestamp) -> Result<(), IllegalTransition> {
        if self.phase.is_active() {
            return self.illegal("it must be cancelled first");
        }
        if self.phase == Phase::Deleted {
            return self.illegal("it is deleted already");
        }
        self.deletion = Some(Deletion {
            at,
            was: self.phase,
            keep_until: keep_until.max(at),
            removed_at: None,
        });
        self.phase = Phase::Deleted;
        self.intent = Intent::Delete;
        Ok(())
    }

    fn restore(&mut self, at: Timestamp) -> Result<(), IllegalTransition> {
        let Some(deletion) = self.deletion else {
            return self.illegal("it is not deleted");
        };
        if !self.can_restore(at) {
            let until = deletion.keep_until.on_screen();
            return self.illegal(format!("it could be restored until {until}"));
        }
        self.phase = deletion.was;
        self.deletion = None;
        self.intent = Intent::Run;
        Ok(())
    }

    fn objects_removed(&mut self, at: Timestamp) -> Result<(), IllegalTransition> {
        let phase = self.phase.as_str();
        match &mut self.deletion {
            Some(deletion) if deletion.removed_at.is_none() => {
                deletion.removed_at = Some(at);
                Ok(())
            }
            _ => Err(IllegalTransition {
                phase,
                why: "it is not deleted, or nothing of it is left".to_owned(),
            }),
        }
    }

    fn end_open_steps(&mut self, state: StepState, reason: Option<&str>, at: Timestamp) {
        let step = self.current_step();
        for record in &mut self.steps {
            if record.key == step || record.state.is_open() {
                record.started_at.get_or_insert(at);
                close(record, state, at);
                record.reason = reason.map(|text| text::cap(text, MAX_NOTE));
            }
        }
    }
}

fn end_wait(record: &mut StepRecord, at: Timestamp) {
    if let Some(since) = record.waiting_since.take() {
        record.waited_ms = record.waited_ms.saturating_add(at.since(since));
    }
}

fn close(record: &mut StepRecord, state: StepState, at: Timestamp) {
    end_wait(record, at);
    record.state = state;
    record.finished_at = Some(at);
}

mod sight;
#[cfg(test)]
mod tests;
