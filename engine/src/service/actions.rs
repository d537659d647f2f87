//! What a person does with a search that is there: cancel, retry, delete, restore.
//!
//! Owns that each of them leaves exactly one record in the audit log, accepted or refused, stored
//! before the answer: a client that goes away changes nothing of that.

use elb_core::transition::Event;

use super::{Action, Caller, JobService, ServiceError, to_its_end};
use crate::{
    crash::{self, Point},
    repository::Stored,
};

impl JobService {
    /// Asks for the end of a job. Asking twice is asking once.
    ///
    /// # Errors
    /// [`ServiceError::NotNow`] if it has ended already.
    pub async fn cancel(&self, caller: &Caller, id: &str) -> Result<Stored, ServiceError> {
        self.act(caller, Action::Cancel, id).await
    }

    /// Asks for another attempt of a failed or cancelled job.
    ///
    /// # Errors
    /// [`ServiceError::NotNow`] if it is neither.
    pub async fn retry(&self, caller: &Caller, id: &str) -> Result<Stored, ServiceError> {
        self.act(caller, Action::Retry, id).await
    }

    /// Removes a job: one that is still active is cancelled first, and removed when it has stopped. For
    /// as long as [`Retention::deleted`](crate::retention::Retention) says it can be restored.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`], or the store's.
    pub async fn delete(&self, caller: &Caller, id: &str) -> Result<Stored, ServiceError> {
        self.act(caller, Action::Delete, id).await
    }

    /// Brings a deleted job back as it was, with query, results and log.
    ///
    /// # Errors
    /// [`ServiceError::NotNow`] if it is not deleted or its time is over, [`ServiceError::NoSuchJob`] if
    /// it was never the caller's.
    pub async fn restore(&self, caller: &Caller, id: &str) -> Result<Stored, ServiceError> {
        self.act(caller, Action::Restore, id).await
    }

    async fn act(&self, caller: &Caller, action: Action, id: &str) -> Result<Stored, ServiceError> {
        let (this, caller, id) = (self.clone(), caller.clone(), id.to_owned());
        to_its_end(async move {
            let outcome = this.carry_out(&caller, action, &id).await;
            this.settle_audit().await;
            outcome
        })
        .await
    }

    /// Carries an action out and notes what came of it. For tasks that go on to their end and then wait
    /// for the notes to be stored.
    pub(super) async fn carry_out(
        &self,
        caller: &Caller,
        action: Action,
        id: &str,
    ) -> Result<Stored, ServiceError> {
        let outcome = match action {
            Action::Cancel => {
                let event = Event::CancelAsked { delete: false };
                self.change(caller, id, &event).await
            }
            Action::Retry => self.try_again(caller, id).await,
            Action::Delete => self.remove(caller, id).await,
            Action::Restore => self.bring_back(caller, id).await,
        };
        self.note_action(caller, action, id, &outcome);
        outcome
    }

    pub(super) async fn try_again(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Stored, ServiceError> {
        if !self.inner.lifecycle.accepts() {
            return Err(ServiceError::BrokerUnavailable(
                "the server is shutting down".to_owned(),
            ));
        }
        self.change(caller, id, &Event::RetryAsked).await
    }

    async fn remove(&self, caller: &Caller, id: &str) -> Result<Stored, ServiceError> {
        let detail = self.detail(caller, id)?;
        let keep_until = self.retention().undo_until(self.now());
        let delete = Event::Deleted { keep_until };
        let cancel = Event::CancelAsked { delete: true };
        let (first, second) = if detail.row.phase.is_active() {
            (cancel, delete)
        } else {
            (delete, cancel)
        };
        match self.change(caller, id, &first).await {
            // It ended, or was tried again, between the look and the write.
            Err(ServiceError::NotNow(_)) => self.change(caller, id, &second).await,
            outcome => outcome,
        }
    }

    async fn change(
        &self,
        caller: &Caller,
        id: &str,
        event: &Event,
    ) -> Result<Stored, ServiceError> {
        self.detail(caller, id)?;
        let stored = self.inner.jobs.change(id, event, &caller.id).await?;
        crash::point(Point::AfterWish);
        self.inner.lifecycle.wake(id);
        Ok(stored)
    }
}
