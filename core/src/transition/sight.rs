//! What is told of a job beside its way: how a step was made, and that its run cannot be seen.

use super::IllegalTransition;
use crate::{
    job::{Job, MAX_NOTE, Unseen},
    step::{Step, StepPart},
    text,
    time::Timestamp,
};

impl Job {
    pub(super) fn parts(
        &mut self,
        step: Step,
        parts: &[StepPart],
    ) -> Result<(), IllegalTransition> {
        self.require_active("have parts of a step")?;
        match self.record(step) {
            Some(record) if record.started_at.is_some() => {
                record.parts = parts.to_vec();
                Ok(())
            }
            _ => self.illegal(format!("step {} has not begun", step.as_str())),
        }
    }

    pub(super) fn out_of_sight(
        &mut self,
        reason: &str,
        at: Timestamp,
    ) -> Result<(), IllegalTransition> {
        self.require_running("be out of sight")?;
        let since = self.unseen.as_ref().map_or(at, |unseen| unseen.since);
        let reason = text::cap(reason.trim(), MAX_NOTE);
        self.unseen = Some(Unseen { since, reason });
        Ok(())
    }
}
