//! What a call that failed comes to.
//!
//! Owns which answers are final, which may be asked again, and after which a request may have been carried
//! out all the same. Counts and repeats nothing.

use std::time::Duration;

use azure_core_021::error::Error as SdkError;

use super::TableError;
use crate::azure::{
    credential::AzureError,
    transport::{Refusal, Unheard},
};

/// What a failure comes to.
pub(super) enum Trouble {
    Final(TableError),
    /// The token is refused.
    Unauthorised(TableError),
    Passing {
        reason: String,
        rest: Option<Duration>,
        carried_out: bool,
    },
}

impl Trouble {
    pub(super) fn silence(reason: String) -> Self {
        Self::Passing {
            reason,
            rest: None,
            carried_out: true,
        }
    }

    pub(super) fn of(error: &SdkError) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(current) = cause {
            if let Some(refusal) = current.downcast_ref::<Refusal>() {
                return Self::refused(refusal);
            }
            if let Some(unheard) = current.downcast_ref::<Unheard>() {
                return Self::Passing {
                    reason: unheard.reason.clone(),
                    rest: None,
                    carried_out: unheard.delivered,
                };
            }
            if let Some(error) = current.downcast_ref::<AzureError>() {
                // Nothing was sent without a token.
                return Self::Passing {
                    reason: error.to_string(),
                    rest: None,
                    carried_out: false,
                };
            }
            cause = current.source();
        }
        // An answer that cannot be read, or no token: what was sent may have been carried out.
        Self::silence(error.to_string())
    }

    fn refused(refusal: &Refusal) -> Self {
        let operation = refusal.operation;
        match refusal.status {
            409 if refusal.code.contains("TableBeingDeleted") => {
                Self::silence("the table is being deleted".to_owned())
            }
            409 => Self::Final(TableError::Exists { operation }),
            412 => Self::Final(TableError::Changed { operation }),
            404 => Self::Final(TableError::Missing { operation }),
            401 => Self::Unauthorised(TableError::Unaccepted {
                reason: refusal.to_string(),
            }),
            403 => Self::Final(TableError::Denied {
                reason: refusal.to_string(),
            }),
            408 | 429 | 500..=599 => Self::Passing {
                reason: refusal.to_string(),
                rest: refusal.retry_after,
                carried_out: true,
            },
            _ => Self::Final(TableError::Rejected(refusal.clone())),
        }
    }
}
