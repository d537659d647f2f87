//! How old what is shown may be.
//!
//! Owns the time up to which the writes of other processes are known to be shown. A process that shares
//! its store and has not been able to follow for longer than a list may be old says so, with the reason.

use std::{sync::PoisonError, time::Duration};

use elb_core::{poll, time::Timestamp};

use super::Jobs;
use crate::{clock::Clock, lease::LeaseTerms, repository::RepositoryError};

/// How fresh the rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// Until when every write, by whomever, is known to be among them.
    pub as_of: Timestamp,
    /// Why they may be older than a list may be; `None` if they are not.
    pub stale: Option<String>,
}

/// When the change log was read last, and what has stood against it since.
#[derive(Debug)]
pub(super) struct Followed {
    at: Timestamp,
    elapsed: Duration,
    reason: Option<String>,
}

impl Followed {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self {
            at: clock.now(),
            elapsed: clock.elapsed(),
            reason: None,
        }
    }
}

impl Jobs {
    /// Notes what became of a look at the change log that began at `begin`.
    pub(super) fn note_followed(&self, begin: Followed, outcome: Result<(), &RepositoryError>) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => *followed = begin,
            Err(error) => followed.reason = Some(error.to_string()),
        }
    }

    /// How fresh the rows are.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        if self.member.terms() == LeaseTerms::Alone {
            // Nobody else writes: what is shown is what there is.
            return Freshness {
                as_of: self.clock.now(),
                stale: None,
            };
        }
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let age = self.clock.elapsed().saturating_sub(followed.elapsed);
        let stale = (age > poll::LIST_LIFE).then(|| {
            let reason = followed.reason.as_deref();
            reason
                .unwrap_or("the store takes long to answer")
                .to_owned()
        });
        Freshness {
            as_of: followed.at,
            stale,
        }
    }
}
