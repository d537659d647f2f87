//! When a search on a cluster came to where it is, by the times that its objects bear.
//!
//! Owns which time is whose. One that nobody has written is not made up: then the moment of seeing counts.

use super::{
    ContainerState, RunSeen,
    seen::{BLAST_CONTAINER, EndSeen, Role},
};
use crate::{phase::Phase, time::Timestamp, transition::Event};

/// The moments of a search, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moments {
    /// Its first Job that searches was made.
    pub handed_over: Option<Timestamp>,
    /// BLAST+ began in the first of its pods.
    pub searching: Option<Timestamp>,
    /// The last of its Jobs was done.
    pub searched: Option<Timestamp>,
    /// The first of its Jobs was given up.
    pub given_up: Option<Timestamp>,
}

impl Moments {
    /// Those of what was seen.
    #[must_use]
    pub fn of(run: &RunSeen<'_>) -> Self {
        let blast = || run.jobs.iter().filter(|job| job.role == Role::Blast);
        let since = |kind: &'static str| {
            blast().filter_map(move |job| job.condition(kind).and_then(|found| found.since))
        };
        let containers = run.pods.iter().flat_map(|pod| &pod.containers);
        let containers = containers.filter(|container| container.name == BLAST_CONTAINER);
        let begun = |end: &EndSeen| end.started_at;
        let starts = containers.filter_map(|container| {
            let first = container.last_end.as_ref().and_then(begun);
            first.or(match &container.state {
                ContainerState::Running { since } => *since,
                ContainerState::Ended(end) => begun(end),
                ContainerState::Waiting { .. } => None,
            })
        });
        Self {
            handed_over: blast().map(|job| job.created_at).min(),
            searching: starts.min(),
            searched: since("Complete").max(),
            given_up: since("Failed").min(),
        }
    }

    /// When an event happened that tells of what was seen.
    #[must_use]
    pub const fn when(&self, event: &Event) -> Option<Timestamp> {
        match event {
            Event::Enter {
                phase: Phase::Submitting | Phase::Submitted,
            } => self.handed_over,
            Event::Enter {
                phase: Phase::Running,
            } => self.searching,
            Event::Enter {
                phase: Phase::ResultsPending | Phase::ExportingResults,
            } => self.searched,
            Event::Failed { .. } => self.given_up,
            _ => None,
        }
    }
}
