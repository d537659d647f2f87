//! Failures in the words of a Kubernetes API server, and those that a test scripts.
//!
//! Owns `Status` objects (kubernetes.io/docs/reference/kubernetes-api/common-definitions/status). What a
//! server would not refuse is refused here only if this stand-in does not know it, and then says so.

use serde_json::{Value, json};

use super::{Call, Kind, Route};

/// An answer that refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub reason: String,
    pub message: String,
    /// Seconds, in the head as well as in the body.
    pub retry_after: Option<u32>,
    /// The `reason` of a cause.
    pub cause: Option<&'static str>,
}

impl Refusal {
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            reason: usual(status).0.to_owned(),
            message: message.into(),
            retry_after: None,
            cause: None,
        }
    }

    pub fn unknown(what: &str) -> Self {
        Self::new(400, format!("this stand-in does not know {what}"))
    }

    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(404, format!("{what} {name:?} not found"))
    }

    /// A list of what is yet to come.
    pub fn too_large(asked: u64, current: u64) -> Self {
        Self {
            retry_after: Some(1),
            cause: Some("ResourceVersionTooLarge"),
            ..Self::new(
                504,
                format!("Too large resource version: {asked}, current: {current}"),
            )
        }
    }

    /// The `Status`.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.status,
        });
        if let Some(seconds) = self.retry_after {
            body["details"]["retryAfterSeconds"] = json!(seconds);
        }
        if let Some(cause) = self.cause {
            body["details"]["causes"] = json!([{"reason": cause, "message": self.message}]);
        }
        body
    }
}

/// The reason and the message that usually go with a status.
const fn usual(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("BadRequest", "the server rejected our request"),
        401 => ("Unauthorized", "Unauthorized"),
        403 => ("Forbidden", "the user may not do this"),
        404 => ("NotFound", "the server could not find this"),
        405 => ("MethodNotAllowed", "the server does not allow this method"),
        409 => ("Conflict", "the object is not what was expected"),
        422 => ("Invalid", "the object is not valid"),
        410 => ("Expired", "too old resource version"),
        429 => (
            "TooManyRequests",
            "Too many requests, please try again later.",
        ),
        500 => ("InternalError", "Internal error occurred"),
        503 => (
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        ),
        504 => (
            "Timeout",
            "the server was unable to return a response in time",
        ),
        _ => ("", "an answer of the test"),
    }
}

/// A failure that a test scripts: requests of a sort are refused.
#[derive(Debug, Clone)]
pub struct Fault {
    route: Route,
    kind: Option<Kind>,
    refusal: Refusal,
    /// How many requests are let through before.
    before: usize,
    /// `None`: until the faults are cleared.
    left: Option<usize>,
}

impl Fault {
    /// Refuses, until it is cleared, what does `route` with `kind` (with anything if that is `None`). The
    /// body is a `Status` with the reason that usually goes with the status.
    #[must_use]
    pub fn new(route: Route, kind: impl Into<Option<Kind>>, status: u16) -> Self {
        Self {
            route,
            kind: kind.into(),
            refusal: Refusal::new(status, usual(status).1),
            before: 0,
            left: None,
        }
    }

    /// Not the first so many requests.
    #[must_use]
    pub const fn after(mut self, count: usize) -> Self {
        self.before = count;
        self
    }

    /// Only so many requests.
    #[must_use]
    pub const fn times(mut self, count: usize) -> Self {
        self.left = Some(count);
        self
    }

    /// With another `reason` in the body.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        reason.clone_into(&mut self.refusal.reason);
        self
    }

    /// With these seconds in a `Retry-After` head, and in the body as `retryAfterSeconds`.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.refusal.retry_after = Some(seconds);
        self
    }
}

/// What the first fault that is meant for a call does with it.
pub(super) fn scripted(faults: &mut Vec<Fault>, call: &Call) -> Option<Refusal> {
    faults.retain(|fault| fault.left != Some(0));
    let fault = faults.iter_mut().find(|fault| {
        fault.route.covers(call.route) && fault.kind.is_none_or(|kind| call.kind == Some(kind))
    })?;
    if fault.before > 0 {
        fault.before -= 1;
        return None;
    }
    fault.left = fault.left.map(|left| left - 1);
    Some(fault.refusal.clone())
}
