//! Why a cluster cannot be seen, in one of four kinds and in words that say what to do.
//!
//! Owns the reading of the client's errors. A stopped cluster, one that is away, one that refuses and one
//! that is not there are four things to do something else about, so none is called by another's name.

use std::{error::Error as StdError, time::Duration};

use elb_core::{cluster::Health, text};
use kube::{config::KubeconfigError, core::Status};

/// The longest reason, in characters.
const MAX_REASON: usize = 500;

/// Something that stands against seeing a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Of which kind.
    pub health: Health,
    /// What happened, and what to do.
    pub reason: String,
    /// How long the server asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether it is there, and only asked for fewer requests.
    pub busy: bool,
}

impl Trouble {
    pub fn new(health: Health, reason: impl AsRef<str>) -> Self {
        Self {
            health,
            reason: text::cap(reason.as_ref().trim(), MAX_REASON),
            retry_after: None,
            busy: false,
        }
    }

    /// Nothing came for as long as anybody waits.
    pub fn silent(waited: Duration) -> Self {
        let waited = text::duration(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        Self::new(
            Health::Unreachable,
            format!("it has not answered within {waited}; it is asked again and again"),
        )
    }

    /// What an error of the client means.
    pub fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::refused(status),
            kube::Error::Auth(error) => Self::new(
                Health::Unauthorised,
                format!(
                    "no credentials for it can be had: {}; sign in as the kubeconfig's user again",
                    chain(error)
                ),
            ),
            error => Self::unheard(error),
        }
    }

    /// The server's own words.
    fn refused(status: &Status) -> Self {
        let said = if status.message.is_empty() {
            format!("status {} {}", status.code, status.reason)
        } else {
            status.message.clone()
        };
        let mut trouble = match status.code {
            401 => Self::new(
                Health::Unauthorised,
                format!(
                    "it does not accept this server's credentials ({said}); they have expired or were \
                     revoked: renew them in the kubeconfig, or the service account"
                ),
            ),
            403 => Self::new(
                Health::Unauthorised,
                format!(
                    "{said}; give this server's account a role with get, list and watch on jobs and pods"
                ),
            ),
            404 => Self::new(Health::Missing, said),
            _ => Self::new(
                Health::Unreachable,
                format!("it answers that it cannot: {said}; it is asked again and again"),
            ),
        };
        trouble.busy = status.code == 429;
        let details = status.details.as_ref();
        let seconds = details.map_or(0, |details| details.retry_after_seconds);
        trouble.retry_after = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        trouble
    }

    /// No answer at all.
    fn unheard(error: &kube::Error) -> Self {
        let words = chain(error);
        let unknown = words.contains("Name or service not known")
            || words.contains("No address associated with hostname")
            || words.contains("nodename nor servname");
        if unknown {
            return Self::new(
                Health::Stopped,
                format!(
                    "its address has no entry in the name service, as that of a stopped AKS cluster: start \
                     it, or take it out of the settings if it was deleted ({words})"
                ),
            );
        }
        Self::new(
            Health::Unreachable,
            format!("{words}; it is asked again and again"),
        )
    }

    /// What a kubeconfig that is of no use means.
    pub fn of_kubeconfig(error: &KubeconfigError) -> Self {
        match error {
            KubeconfigError::LoadContext(name) => Self::new(
                Health::Missing,
                format!(
                    "the kubeconfig has no context {name}; kubectl config get-contexts lists them"
                ),
            ),
            error => Self::new(
                Health::Missing,
                format!("the kubeconfig cannot be used: {}", chain(error)),
            ),
        }
    }
}

/// What to do about a refusal of something other than looking: `what` is the right that it needs, as
/// `VERB RESOURCES`. `None` if it was not refused.
pub(super) fn right_to(error: &kube::Error, what: &str) -> Option<String> {
    match error {
        kube::Error::Api(status) if status.code == 403 && status.message.contains("quota") => {
            Some(text::cap(&status.message, MAX_REASON))
        }
        kube::Error::Api(status) if status.code == 403 => Some(text::cap(
            &format!(
                "{}; give this server's account a role with the right to {what}",
                status.message
            ),
            MAX_REASON,
        )),
        _ => None,
    }
}

/// Why a watch has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WatchEnd {
    /// The connection was closed, as when its time is over.
    Closed,
    /// What was heard last is too old for the server to go on from: everything is listed anew.
    TooOld,
    /// It may list but not watch, or watching is broken there.
    NoWatch(String),
    /// It cannot be seen.
    Trouble(Trouble),
}

impl WatchEnd {
    /// What it means that a watch could not be begun.
    pub fn of_start(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => match status.code {
                410 => Self::TooOld,
                // Not "unauthorised": listing was allowed a moment ago.
                403 | 405 => Self::NoWatch(status.message.clone()),
                _ => Self::Trouble(Trouble::of(error)),
            },
            error => Self::Trouble(Trouble::of(error)),
        }
    }

    /// What it means that the server ended a watch with these words.
    pub fn of_status(status: Box<Status>) -> Self {
        if status.code == 410 {
            return Self::TooOld;
        }
        Self::Trouble(Trouble::of(&kube::Error::Api(status)))
    }
}

/// An error and what is behind it, without what is said twice.
fn chain(error: &dyn StdError) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        source = error.source();
    }
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn status(code: u16, message: &str) -> Box<Status> {
        Box::new(Status::failure(message, "").with_code(code))
    }

    #[test]
    fn a_refusal_is_named_by_what_is_to_be_done_about_it() {
        let of = |code| Trouble::of(&kube::Error::Api(status(code, "words"))).health;
        assert_eq!(of(401), Health::Unauthorised);
        assert_eq!(of(403), Health::Unauthorised);
        assert_eq!(of(404), Health::Missing);
        for code in [429, 500, 503, 504] {
            assert_eq!(of(code), Health::Unreachable);
        }
    }

    #[test]
    fn a_refused_watch_is_no_refused_cluster_and_an_old_version_no_trouble() {
        let refused = kube::Error::Api(status(403, "no watch"));
        assert_eq!(
            WatchEnd::of_start(&refused),
            WatchEnd::NoWatch("no watch".to_owned())
        );
        let old = || status(410, "too old");
        assert_eq!(WatchEnd::of_status(old()), WatchEnd::TooOld);
        assert_eq!(
            WatchEnd::of_start(&kube::Error::Api(old())),
            WatchEnd::TooOld
        );
    }

    #[test]
    fn a_wait_that_the_server_asks_for_is_kept() {
        let asked: Box<Status> = serde_json::from_value(serde_json::json!({
            "code": 429, "message": "slower", "details": { "retryAfterSeconds": 7 },
        }))
        .unwrap();
        let trouble = Trouble::of(&kube::Error::Api(asked));
        assert_eq!(trouble.retry_after, Some(Duration::from_secs(7)));
    }
}
