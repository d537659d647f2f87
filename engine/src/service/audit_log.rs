//! The audit log at the door: what is recorded, and who may read it.
//!
//! Owns which outcomes are records. What was accepted is one, and so is what a rule or a fault refused.
//! Input that cannot be accepted (a form that comes back with its problems) is no action. A record
//! about another's job, or about none, holds no more than what the actor has sent.

use elb_core::{
    audit_log::{
        AuditAction, AuditFilter, AuditOutcome, AuditQuery, MAX_DETAIL, MAX_RECORDS, SERVER,
    },
    text,
};

use super::{Action, Caller, JobService, ServiceError};
use crate::{
    audit_log::{AuditPage, Backlog, Entry},
    repository::Stored,
    request::request_id,
    warmup::WarmupError,
};

/// How far back the settings of the last start are looked for, in records. If they are not among them
/// they are recorded again, which does no harm.
const SETTINGS_LOOK: usize = 1_000;

impl From<Action> for AuditAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Cancel => Self::Cancel,
            Action::Retry => Self::Retry,
            Action::Delete => Self::Delete,
            Action::Restore => Self::Restore,
        }
    }
}

/// What a refusal is in the log; `None` if it was no action at all.
fn refusal(error: &ServiceError) -> Option<AuditOutcome> {
    let code = error.code().to_owned();
    match error {
        ServiceError::Invalid(_) | ServiceError::BadRequest(_) => None,
        ServiceError::NoSuchJob(_)
        | ServiceError::KeyReused
        | ServiceError::NotNow(_)
        | ServiceError::NoResults(_)
        | ServiceError::Forbidden(_)
        | ServiceError::Warmup(WarmupError::Missing(_) | WarmupError::Refused(_))
        | ServiceError::BrokerUnavailable(_) => Some(AuditOutcome::Refused { code }),
        ServiceError::Store(_)
        | ServiceError::Objects(_)
        | ServiceError::Results(_)
        | ServiceError::PodLog(_)
        | ServiceError::Warmup(WarmupError::Away(_))
        | ServiceError::Internal(_) => Some(AuditOutcome::Failed { code }),
    }
}

impl JobService {
    /// Whether somebody may read who did what: the one decision, for pages and API alike. Without
    /// sign-in it is the one local user, who operates the server.
    #[must_use]
    pub fn may_read_audit(caller: &Caller) -> bool {
        *caller == Caller::local()
    }

    /// A page of the audit log, newest first.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for whoever may not read it, or the store's.
    pub async fn audit_log(
        &self,
        caller: &Caller,
        query: &AuditQuery,
    ) -> Result<AuditPage, ServiceError> {
        if !Self::may_read_audit(caller) {
            let message = "only operators of this server may read the audit log";
            return Err(ServiceError::Forbidden(message.to_owned()));
        }
        let store = self.inner.audit.store();
        let limit = query.limit.clamp(1, MAX_RECORDS);
        let page = store
            .page(query.before.as_ref(), &query.filter, limit)
            .await;
        page.map_err(ServiceError::Store)
    }

    /// How the audit log stands with its store.
    #[must_use]
    pub fn audit_backlog(&self) -> Backlog {
        self.inner.audit.backlog()
    }

    /// Records what the server was started with, if it differs from the last start in the log.
    pub async fn note_settings(&self, in_force: &str) {
        let in_force = text::cap(in_force, MAX_DETAIL);
        match self.last_settings().await {
            Ok(last) if last.as_ref() == Some(&in_force) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the settings of the last start cannot be read; those of this one are recorded in any case");
            }
        }
        self.inner.audit.note(Entry {
            actor: SERVER.to_owned(),
            action: AuditAction::Settings,
            job_id: None,
            detail: in_force,
            outcome: AuditOutcome::Done,
            request_id: None,
        });
        self.settle_audit().await;
    }

    async fn last_settings(&self) -> Result<Option<String>, ServiceError> {
        let store = self.inner.audit.store();
        let all = AuditFilter::default();
        let page = store.page(None, &all, SETTINGS_LOOK).await;
        let records = page.map_err(ServiceError::Store)?.records;
        let last = records
            .into_iter()
            .find(|record| record.action == AuditAction::Settings);
        Ok(last.map(|record| record.detail))
    }

    /// Waits until what was noted is stored, or kept.
    pub(super) async fn settle_audit(&self) {
        self.inner.audit.settle().await;
    }

    /// Notes what came of an action on a job.
    pub(super) fn note_action(
        &self,
        caller: &Caller,
        action: Action,
        id: &str,
        outcome: &Result<Stored, ServiceError>,
    ) {
        let title = match outcome {
            Ok(stored) => Some(stored.job.title.clone()),
            Err(_) => self.title_for(caller, id),
        };
        // An address can hold any text in the place of an id, even a secret that was pasted there.
        let is_id = uuid::Uuid::try_parse(id).is_ok_and(|read| read.to_string() == id);
        let detail = match title {
            Some(title) => title,
            None if is_id => String::new(),
            None => "an id that no search has".to_owned(),
        };
        let job_id = is_id.then(|| id.to_owned());
        let outcome = outcome.as_ref().map(|_| ());
        self.note(caller, action.into(), job_id, detail, outcome);
    }

    /// Notes what came of something that somebody wanted, if that was an action.
    pub(super) fn note(
        &self,
        caller: &Caller,
        action: AuditAction,
        job_id: Option<String>,
        detail: String,
        outcome: Result<(), &ServiceError>,
    ) {
        let outcome = match outcome {
            Ok(()) => AuditOutcome::Done,
            Err(error) => match refusal(error) {
                Some(outcome) => outcome,
                None => return,
            },
        };
        self.inner.audit.note(Entry {
            actor: caller.id.clone(),
            action,
            job_id,
            detail,
            outcome,
            request_id: request_id(),
        });
    }

    /// The title of a job that the caller may see, deleted or not.
    fn title_for(&self, caller: &Caller, id: &str) -> Option<String> {
        if let Ok(detail) = self.detail(caller, id) {
            return Some(detail.row.title.clone());
        }
        let tombstone = self.inner.jobs.model().tombstone(&caller.id, id)?;
        tombstone.row.map(|row| row.title.clone())
    }
}
