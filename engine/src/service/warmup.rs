//! Copies of databases on the nodes of clusters: brought and removed on somebody's word.

use elb_core::{audit_log::AuditAction, job::Found};

use super::{Caller, JobService, ServiceError, to_its_end};
use crate::warmup::{Asked, Warmup, WarmupError};

/// What is to become of a database on the nodes of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarmupAction {
    /// It is brought to every node.
    Warm,
    /// It is removed from every node that has it.
    Release,
}

impl JobService {
    /// Whether databases can be kept on nodes, or why not; `None` if searches do not run on clusters.
    #[must_use]
    pub fn warmup(&self) -> Option<Result<(), String>> {
        let warmup = self.inner.lifecycle.executor().warmup()?;
        Some(warmup.hindrance().map_or(Ok(()), Err))
    }

    /// Begins it; what becomes of it is seen with [`Self::places`].
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for whoever is no operator, or [`ServiceError::Warmup`].
    pub async fn ask_warmup(
        &self,
        caller: &Caller,
        action: WarmupAction,
        place: Found,
        database: String,
    ) -> Result<Vec<Asked>, ServiceError> {
        if !Self::may_read_audit(caller) {
            let message = "only operators of this server may warm up databases";
            return Err(ServiceError::Forbidden(message.to_owned()));
        }
        let executor = self.inner.lifecycle.executor().clone();
        let detail = format!("{database}, {}", place.in_words());
        let asked = to_its_end(async move {
            let warmup: &dyn Warmup = executor.warmup().ok_or_else(|| {
                WarmupError::Refused(
                    "searches do not run on a cluster here (ELB_EXECUTOR)".to_owned(),
                )
            })?;
            let asked = match action {
                WarmupAction::Warm => warmup.warm(&place, &database).await?,
                WarmupAction::Release => warmup.release(&place, &database).await?,
            };
            Ok(asked)
        })
        .await;
        let word = match action {
            WarmupAction::Warm => AuditAction::WarmUp,
            WarmupAction::Release => AuditAction::ReleaseDatabase,
        };
        self.note(caller, word, None, detail, asked.as_ref().map(|_| ()));
        self.settle_audit().await;
        asked
    }
}
