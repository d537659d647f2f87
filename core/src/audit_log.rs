//! The audit log's words: who did what, when, and what came of it.
//!
//! Owns the record, its key and what a reader may ask for. A record is small: every text has a limit,
//! and none holds sequences. Keys sort by time, so that a page is a range of keys in any store. Nothing
//! here changes a record: there are only new ones.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

mod query;

pub use query::{AuditQuery, AuditQueryError, MAX_RECORDS, USUAL_RECORDS};

/// The longest title or detail of a record, in characters (ours).
pub const MAX_DETAIL: usize = 200;
/// The longest name of an actor, in characters (ours; identifiers of directories are 36).
pub const MAX_ACTOR: usize = 100;
/// The actor of what the server does by itself.
pub const SERVER: &str = "server";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    /// A search was submitted.
    Submit,
    /// Its end was asked for.
    Cancel,
    /// It was deleted, by a person or because its time was over.
    Delete,
    /// It was brought back.
    Restore,
    /// Another attempt was asked for.
    Retry,
    /// A database was to be brought to the nodes of a cluster.
    WarmUp,
    /// It was to be removed from them.
    ReleaseDatabase,
    /// The server was started with other settings or another version than before.
    Settings,
}

impl AuditAction {
    /// Every action, in the order of a search's life.
    pub const ALL: [Self; 8] = [
        Self::Submit,
        Self::Cancel,
        Self::Delete,
        Self::Restore,
        Self::Retry,
        Self::WarmUp,
        Self::ReleaseDatabase,
        Self::Settings,
    ];

    /// The key, as store and API spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Retry => "retry",
            Self::WarmUp => "warm_up",
            Self::ReleaseDatabase => "release_database",
            Self::Settings => "settings",
        }
    }

    /// The word for people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Submit => "Submit",
            Self::Cancel => "Cancel",
            Self::Delete => "Delete",
            Self::Restore => "Restore",
            Self::Retry => "Retry",
            Self::WarmUp => "Warm up a database",
            Self::ReleaseDatabase => "Release a database",
            Self::Settings => "Settings",
        }
    }

    /// Reads a key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It was accepted.
    Done,
    /// A rule refused it; nothing was changed.
    Refused {
        /// The error code that was answered, for example `not_now`.
        code: String,
    },
    /// A fault kept it from being carried out, such as a store that did not answer. Whether it was
    /// carried out all the same, only the history of the search can tell.
    Failed {
        /// The error code that was answered, for example `store_unavailable`.
        code: String,
    },
}

impl AuditOutcome {
    /// The key, as store and API spell it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
        }
    }

    /// The error code; `None` if it was done.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Done => None,
            Self::Refused { code } | Self::Failed { code } => Some(code),
        }
    }

    /// Puts key and code together again; `None` if they make no outcome.
    #[must_use]
    pub fn of(key: &str, code: Option<String>) -> Option<Self> {
        match (key, code) {
            ("done", None) => Some(Self::Done),
            ("refused", Some(code)) => Some(Self::Refused { code }),
            ("failed", Some(code)) => Some(Self::Failed { code }),
            _ => None,
        }
    }
}

/// The key of a record: 32 hexadecimal digits, of which the first 12 are the milliseconds since 1970.
/// Keys sort as times do, and no two records have the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct AuditKey(String);

/// The last millisecond that fits into a key: in the year 10889.
const LAST_MS: u64 = 0xffff_ffff_ffff;

impl AuditKey {
    /// A key of a time. `turn` orders the records of one millisecond, `chance` keeps those of two
    /// processes apart.
    #[must_use]
    pub fn new(at: Timestamp, turn: u16, chance: u64) -> Self {
        let ms = u64::try_from(at.0).unwrap_or(0).min(LAST_MS);
        Self(format!("{ms:012x}{turn:04x}{chance:016x}"))
    }

    /// The first key that a time could have: all records before it are older.
    #[must_use]
    pub fn first_of(at: Timestamp) -> Self {
        Self::new(at, 0, 0)
    }

    /// Reads a key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 32 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// The time in the key.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        let ms = self.0.get(..12).unwrap_or_default();
        Timestamp(i64::from_str_radix(ms, 16).unwrap_or(0))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AuditKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One thing that somebody did or tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRecord {
    /// Its key, which holds the time.
    pub id: AuditKey,
    /// When it had been done or refused.
    pub at: Timestamp,
    /// Who did it: the identifier of a person, or [`SERVER`].
    pub actor: String,
    /// What.
    pub action: AuditAction,
    /// Which search; `None` if it is about none, or if none was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The title of the search, if the actor may see it; for a database its name and place, for
    /// settings what is in force. At most
    /// [`MAX_DETAIL`] characters.
    pub detail: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: AuditOutcome,
    /// The request, as its answer and the server's log name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What narrows the log. Everything that is set must fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// Only of this actor.
    pub actor: Option<String>,
    /// Only this action.
    pub action: Option<AuditAction>,
    /// Only about this search.
    pub job_id: Option<String>,
}

impl AuditFilter {
    /// Whether a record fits.
    #[must_use]
    pub fn admits(&self, record: &AuditRecord) -> bool {
        let actor = self.actor.as_ref();
        let job = self.job_id.as_ref();
        actor.is_none_or(|actor| *actor == record.actor)
            && self.action.is_none_or(|action| action == record.action)
            && job.is_none_or(|job| record.job_id.as_ref() == Some(job))
    }

    /// Whether everything fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn keys_sort_as_times_do_and_hold_them() {
        let at = |ms, turn| AuditKey::new(Timestamp(ms), turn, 7);
        let early = at(1_700_000_000_000, 0);
        assert!(
            early < at(1_700_000_000_000, 1) && at(1_700_000_000_000, 9) < at(1_700_000_000_001, 0)
        );
        assert!(AuditKey::first_of(Timestamp(1_700_000_000_000)) < early);
        assert_eq!(early.at(), Timestamp(1_700_000_000_000));
        assert_eq!(AuditKey::parse(early.as_str()), Some(early.clone()));
        assert_eq!(AuditKey::new(Timestamp(-5), 0, 0).at(), Timestamp(0));
        assert_eq!(
            AuditKey::new(Timestamp(i64::MAX), u16::MAX, u64::MAX)
                .as_str()
                .len(),
            32
        );
        for bad in [
            "",
            "x",
            &early.as_str().to_uppercase(),
            &format!("{early}0"),
            "ääääääääääääääää",
        ] {
            assert_eq!(AuditKey::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_action_and_outcome_is_read_back() {
        for action in AuditAction::ALL {
            assert_eq!(AuditAction::parse(action.as_str()), Some(action));
        }
        let code = || "not_now".to_owned();
        for outcome in [
            AuditOutcome::Done,
            AuditOutcome::Refused { code: code() },
            AuditOutcome::Failed { code: code() },
        ] {
            let again = AuditOutcome::of(outcome.as_str(), outcome.code().map(str::to_owned));
            assert_eq!(again, Some(outcome));
        }
        assert_eq!(AuditOutcome::of("done", Some(code())), None);
        assert_eq!(AuditOutcome::of("refused", None), None);
    }

    #[test]
    fn a_record_is_one_flat_object_and_a_filter_wants_all_of_it() {
        let record = AuditRecord {
            id: AuditKey::new(Timestamp(1_000), 0, 1),
            at: Timestamp(1_000),
            actor: "local".to_owned(),
            action: AuditAction::Delete,
            job_id: Some("a".to_owned()),
            detail: "genes".to_owned(),
            outcome: AuditOutcome::Refused {
                code: "not_now".to_owned(),
            },
            request_id: None,
        };
        let value = serde_json::to_value(&record).unwrap();
        assert_eq!(value["outcome"], "refused");
        assert_eq!(value["code"], "not_now");
        assert!(value.get("request_id").is_none());
        let filter = AuditFilter {
            actor: Some("local".to_owned()),
            action: Some(AuditAction::Delete),
            job_id: Some("a".to_owned()),
        };
        assert!(filter.admits(&record) && AuditFilter::default().admits(&record));
        for other in [
            AuditFilter {
                actor: Some("loca".to_owned()),
                ..filter.clone()
            },
            AuditFilter {
                action: Some(AuditAction::Submit),
                ..filter.clone()
            },
            AuditFilter {
                job_id: Some("b".to_owned()),
                ..filter.clone()
            },
        ] {
            assert!(!other.admits(&record), "{other:?}");
        }
    }
}
