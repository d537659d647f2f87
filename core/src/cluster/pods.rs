//! What pods say of a search: at work, held up, or how they ended.

use super::report::Report;
use super::seen::{BLAST_CONTAINER, ContainerState, EndSeen, PodPhase, PodSeen};
use crate::{
    error_code::ErrorCode,
    exit::{self, RUNNER_BAD_COPY, RUNNER_CONFIGURATION, RUNNER_TRY_AGAIN},
    time::Timestamp,
};

/// Reasons for which a container is not started, and will not be without somebody's help.
const CANNOT_START: [&str; 9] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

/// Why a pod is not at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeldUp {
    /// Since when.
    pub since: Timestamp,
    /// What stands against it.
    pub reason: String,
    /// Whether more machines could help: then it may wait longer.
    pub for_room: bool,
}

impl PodSeen {
    /// Whether it is not at its end.
    pub(super) const fn is_active(&self) -> bool {
        matches!(self.phase, PodPhase::Pending | PodPhase::Running)
    }

    fn runs(&self, chosen: impl Fn(&str, bool) -> bool) -> bool {
        let mut containers = self.containers.iter();
        containers.any(|container| {
            matches!(container.state, ContainerState::Running { .. })
                && chosen(&container.name, container.init)
        })
    }

    /// Whether BLAST+ is at work in it.
    pub(super) fn is_searching(&self) -> bool {
        self.is_active() && self.runs(|name, init| !init && name == BLAST_CONTAINER)
    }

    /// Whether BLAST+ has ended well in it. The Job of the pod says so a moment later.
    #[must_use]
    pub fn has_searched(&self) -> bool {
        let mut containers = self.containers.iter();
        containers.any(|container| {
            container.name == BLAST_CONTAINER
                && matches!(&container.state, ContainerState::Ended(end) if end.exit_code == 0)
        })
    }

    /// Whether what comes before BLAST+ is at work in it: the database or the query is brought.
    pub(super) fn is_staging(&self) -> bool {
        self.is_active() && self.runs(|_, init| init)
    }

    /// Why it is not at work, if something stands against it.
    pub(super) fn held_up(&self) -> Option<HeldUp> {
        if !self.is_active() || self.deleting {
            return None;
        }
        if let Some(message) = &self.unschedulable {
            return Some(HeldUp {
                since: self.created_at,
                reason: format!("no node takes pod {}: {message}", self.name),
                for_room: true,
            });
        }
        self.containers.iter().find_map(|container| {
            let ContainerState::Waiting { reason, message } = &container.state else {
                return None;
            };
            let failed_mount = reason == "ContainerCreating" && !message.is_empty();
            if !CANNOT_START.contains(&reason.as_str()) && !failed_mount {
                return None;
            }
            let ended = container.last_end.as_ref().and_then(|end| end.finished_at);
            Some(HeldUp {
                since: ended.unwrap_or(self.created_at),
                reason: format!(
                    "container {} of pod {} is not started: {reason}{}{message}",
                    container.name,
                    self.name,
                    if message.is_empty() { "" } else { ": " }
                ),
                for_room: false,
            })
        })
    }

    /// The end of a container that ended with an error, BLAST+'s before others'.
    fn bad_end(&self) -> Option<(&str, &EndSeen)> {
        let ends = self.containers.iter().filter_map(|container| {
            let end = match &container.state {
                ContainerState::Ended(end) => Some(end),
                _ => container.last_end.as_ref(),
            };
            end.filter(|end| end.exit_code != 0)
                .map(|end| (container.name.as_str(), end))
        });
        let ends: Vec<(&str, &EndSeen)> = ends.collect();
        let blast = ends.iter().find(|(name, _)| *name == BLAST_CONTAINER);
        blast.or(ends.first()).copied()
    }

    /// What it says of why its Job was given up.
    pub(super) fn failure(&self) -> Option<(ErrorCode, String)> {
        let place = self.node.as_deref().unwrap_or("no node");
        let told = |what: &str| format!("{what} (pod {}, {place})", self.name);
        if self.phase == PodPhase::Failed && self.reason == "Evicted" {
            let code = match self.message.to_lowercase() {
                text if text.contains("memory") => ErrorCode::OutOfMemory,
                text if text.contains("ephemeral") || text.contains("disk") => ErrorCode::DiskFull,
                _ => ErrorCode::TemporarilyUnavailable,
            };
            return Some((
                code,
                told(&format!("the node gave it up: {}", self.message)),
            ));
        }
        if let Some(reason) = &self.disrupted {
            let what = format!("the cluster took its node away ({reason})");
            return Some((ErrorCode::TemporarilyUnavailable, told(&what)));
        }
        if self.reason == "DeadlineExceeded" {
            return Some((
                ErrorCode::TimeLimit,
                told("the pod was at work for longer than it may"),
            ));
        }
        let (container, end) = self.bad_end()?;
        let (code, what) = if end.reason == "OOMKilled" {
            (
                ErrorCode::OutOfMemory,
                "it used more memory than its container may".to_owned(),
            )
        } else {
            meaning(end.exit_code)
        };
        // The runner's last word is a report, and its error is what has to be told of it.
        let report = Report::parse(&end.message).and_then(|report| report.error);
        let words = report.as_deref().unwrap_or(&end.message).trim();
        let what = if words.is_empty() {
            format!("{container}: {what}")
        } else {
            format!("{container}: {what}: {words}")
        };
        Some((code, told(&what)))
    }
}

/// What the exit code of a container means: the runner's own codes, and BLAST+'s.
fn meaning(exit_code: i32) -> (ErrorCode, String) {
    match exit_code {
        RUNNER_TRY_AGAIN => (
            ErrorCode::TemporarilyUnavailable,
            "a transfer did not come to its end".to_owned(),
        ),
        RUNNER_BAD_COPY => (
            ErrorCode::DatabaseUnreadable,
            "the copy of the database is not as it must be".to_owned(),
        ),
        RUNNER_CONFIGURATION => (
            ErrorCode::Internal,
            "it was not given what it needs".to_owned(),
        ),
        code => exit::of_code(code),
    }
}
