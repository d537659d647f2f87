//! One action on many jobs, with an outcome for each.
//!
//! Owns the limit and the order. A job that refuses stops none of the others, and neither does a client
//! that goes away; the action is carried out once for an id that is named twice.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Caller, JobService, ServiceError, to_its_end};
use crate::repository::Stored;

/// The most jobs of one request (ours: one page of the longest list).
pub const MAX_BULK: usize = 200;

/// What is to be done with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Stop it.
    Cancel,
    /// Try it again.
    Retry,
    /// Stop it if needed, then delete it.
    Delete,
    /// Bring it back after a delete.
    Restore,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Cancel, Self::Retry, Self::Delete, Self::Restore];

    /// The key as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Delete => "delete",
            Self::Restore => "restore",
        }
    }

    /// Reads a key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

impl JobService {
    /// Carries an action out on each job, in the order given; one outcome for each id.
    ///
    /// # Errors
    /// [`ServiceError::BadRequest`] if there are none or more than [`MAX_BULK`]; nothing is done then.
    pub async fn bulk(
        &self,
        caller: &Caller,
        action: Action,
        ids: &[String],
    ) -> Result<Vec<(String, Result<Stored, ServiceError>)>, ServiceError> {
        let mut known = HashSet::new();
        let ids: Vec<String> = ids
            .iter()
            .filter(|id| known.insert(id.as_str()))
            .cloned()
            .collect();
        if ids.is_empty() || ids.len() > MAX_BULK {
            let message = format!(
                "name 1 to {MAX_BULK} searches at once; this request names {}",
                ids.len()
            );
            return Err(ServiceError::BadRequest(message));
        }
        let (this, caller) = (self.clone(), caller.clone());
        to_its_end(async move {
            let mut outcomes = Vec::with_capacity(ids.len());
            for id in ids {
                let outcome = this.carry_out(&caller, action, &id).await;
                outcomes.push((id, outcome));
            }
            this.settle_audit().await;
            Ok(outcomes)
        })
        .await
    }
}
