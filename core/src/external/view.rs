//! The external plane as it is shown: whether it can be asked, and the files of a search there.

use super::{Deserialize, Serialize, Timestamp};

/// Whether the external plane can be asked. Each is something else to do about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaneHealth {
    /// Nothing was heard yet since this server was started.
    Connecting,
    /// It answers.
    Connected,
    /// It does not answer, or nothing that can be read; it is asked again by itself.
    Degraded,
    /// It does not accept the token.
    Unauthorised,
}

impl PlaneHealth {
    /// The key of the interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Degraded => "degraded",
            Self::Unauthorised => "unauthorised",
        }
    }
}

/// The external plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaneView {
    /// Its host.
    pub name: String,
    /// Whether it can be asked.
    pub health: PlaneHealth,
    /// What stands against that, and what to do.
    pub reason: Option<String>,
    /// Since when its health is what it is.
    pub since: Timestamp,
    /// When its list was asked for that is known here, if one ever was.
    pub as_of: Option<Timestamp>,
    /// Searches in that list.
    pub jobs: u64,
    /// Whether it has more that were not asked for, since there are too many.
    pub more: bool,
    /// Rows of the list that could not be read and were left out.
    pub unreadable: u64,
    /// Requests that were sent to it since this server was started.
    pub requests: u64,
}

/// A file with results of a search there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalFile {
    /// Its id there.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its format, if told.
    pub format: Option<String>,
    /// Its size in bytes, if told.
    pub size: Option<u64>,
}
