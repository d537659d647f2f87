//! Islands: the small parts of a page that come to life in the browser.
//!
//! Each names what it needs and hands over to `browser`; it draws nothing. No island holds what a page
//! shows: that is in the page already, drawn by the server, and need not be drawn once more.

#![allow(
    missing_docs,
    reason = "the macro makes structs of documented parameters"
)]

use leptos::prelude::*;

/// Called once by the entry point: without a use of this crate the linker would leave the islands out.
pub const fn register() {}

/// Runs in the browser only.
macro_rules! wake {
    ($($call:tt)*) => {
        #[cfg(all(feature = "hydrate", target_arch = "wasm32"))]
        crate::browser::$($call)*;
    };
}

pub mod clock {
    //! Times in the reader's zone, and durations that tick.
    use super::*;

    /// Rewrites `time[data-local]` and ticks `[data-since]` once a second.
    #[island]
    pub fn Clock() -> impl IntoView {
        wake!(clock::start());
    }
}

pub mod theme {
    //! Light, dark, or as the system says.
    use super::*;

    /// Brings the switch of colours (`#theme`) to life.
    #[island]
    pub fn Theme() -> impl IntoView {
        wake!(theme::start());
    }
}

pub mod keys {
    //! Keyboard shortcuts.
    use super::*;

    /// Listens for the keys, and for the button of their list (`#show-keys`).
    #[island]
    pub fn Keys() -> impl IntoView {
        wake!(keys::start());
    }
}

pub mod live {
    //! What changes by itself. What an island must know stands in attributes of the element that it
    //! follows: properties of islands are JSON, whose reader would weigh a tenth of the browser half.
    use super::*;

    /// Keeps the rows of the jobs list (`#jobs-part`) as they are on the server.
    #[island]
    pub fn JobsLive() -> impl IntoView {
        wake!(jobs_live::start());
    }

    /// Keeps the state and the timeline of one job (`#job-status`) as they are on the server.
    #[island]
    pub fn JobLive() -> impl IntoView {
        wake!(job_live::start());
    }

    /// Searches, copies and follows the log of a job (`#log`).
    #[island]
    pub fn LogLive() -> impl IntoView {
        wake!(log_live::start());
    }

    /// Looks again while databases are being made (`#builds`).
    #[island]
    pub fn BuildsLive() -> impl IntoView {
        wake!(builds_live::start());
    }

    /// Keeps what is seen of the clusters (`#clusters`) as the server sees it.
    #[island]
    pub fn ClustersLive() -> impl IntoView {
        wake!(clusters_live::start());
    }
}

pub mod forms {
    //! Forms that check as one types and send with progress.
    use super::*;

    /// The search form (`#search-form`): checks, shows the command, keeps a draft, sends once.
    #[island]
    pub fn SearchForm() -> impl IntoView {
        wake!(search_form::start());
    }

    /// The upload of a database: detects the molecule, sends with progress.
    #[island]
    pub fn DatabaseForm() -> impl IntoView {
        wake!(database_form::start());
    }

    /// Buttons that copy, and the dialog that asks before something is deleted.
    #[island]
    pub fn PageTools() -> impl IntoView {
        wake!(tools::start());
    }
}
