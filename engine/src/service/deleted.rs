//! Deleted jobs: listed for as long as they can be restored, and restored.

use std::sync::Arc;

use elb_core::{
    transition::{Event, IllegalTransition},
    view::DeletedRow,
};

use super::{Caller, JobService, ServiceError};
use crate::repository::Stored;

impl JobService {
    /// The caller's deleted jobs that can still be restored, the last deleted first.
    #[must_use]
    pub fn deleted(&self, caller: &Caller) -> Vec<Arc<DeletedRow>> {
        self.inner.jobs.model().restorable(&caller.id, self.now())
    }

    /// One deleted job that can still be restored.
    #[must_use]
    pub fn deleted_job(&self, caller: &Caller, id: &str) -> Option<Arc<DeletedRow>> {
        let tombstone = self.inner.jobs.model().tombstone(&caller.id, id)?;
        tombstone.row.filter(|row| self.now() < row.keep_until)
    }

    pub(super) async fn bring_back(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Stored, ServiceError> {
        let model = self.inner.jobs.model();
        if model.tombstone(&caller.id, id).is_none() {
            let detail = self.detail(caller, id)?;
            return Err(ServiceError::NotNow(IllegalTransition {
                phase: detail.row.phase.as_str(),
                why: "it is not deleted".to_owned(),
            }));
        }
        Ok(self
            .inner
            .jobs
            .change(id, &Event::RestoreAsked, &caller.id)
            .await?)
    }
}
