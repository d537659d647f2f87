//! What this program depends on, looked at one by one.
//!
//! Owns which of it is needed: without that nothing can be searched or shown. A database or an old search that
//! cannot be read is worth a line, and so is an old list, a record that waits for the store or a cluster that is
//! away; the rest can be used.

use std::path::Path;

use elb_core::{search::Program, text, text::counted};

use super::JobService;
use crate::{
    audit_log::Backlog,
    breaker::{BreakerReport, BreakerState},
    toolkit::{Tool, Toolkit},
};

/// Free space below which a search is likely to fail, in bytes (ours).
const LITTLE_SPACE: u64 = 1_000_000_000;

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at; of several of a kind, which.
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// Whether the server is of use without it.
    pub needed: bool,
    /// What was seen.
    pub note: String,
}

impl Check {
    fn needed(name: &str, ok: bool, note: String) -> Self {
        Self {
            name: name.to_owned(),
            ok,
            needed: true,
            note,
        }
    }

    fn told(name: &str, ok: bool, note: String) -> Self {
        Self {
            needed: false,
            ..Self::needed(name, ok, note)
        }
    }
}

impl JobService {
    /// Looks at everything, BLAST+ and the store anew; `data` is the folder with the server's own files.
    pub async fn checks(&self, data: &Path) -> Vec<Check> {
        let store = match self.check_store().await {
            Ok(()) => Check::needed("store", true, "answers".to_owned()),
            Err(error) => Check::needed("store", false, error.to_string()),
        };
        let blast = blast(self.toolkit()).await;
        let databases = self.catalogue().list();
        let broken = databases
            .iter()
            .filter(|database| database.problem.is_some())
            .count();
        let note = format!("{} found, {broken} of them cannot be read", databases.len());
        let databases = Check::told("databases", broken == 0, note);
        let unreadable = self.unreadable_jobs();
        let note =
            format!("{unreadable} of the stored ones cannot be read and are missing from the list");
        let searches = Check::told("searches", unreadable == 0, note);
        let fresh = self.freshness();
        let at = fresh.as_of.on_screen();
        let list = match fresh.stale {
            None => Check::told("list", true, format!("as of {at}")),
            Some(reason) => Check::told("list", false, format!("as of {at}: {reason}")),
        };
        let audit = audit(&self.audit_backlog());
        let mut checks = vec![store, blast, disk(data), databases, searches, list, audit];
        checks.extend(self.breakers().into_iter().map(breaker));
        checks.extend(self.places().into_iter().map(|place| {
            let name = format!("cluster {}, namespace {}", place.cluster, place.namespace);
            let mut note = place.health.as_str().to_owned();
            if let Some(reason) = place.reason {
                note.push_str(": ");
                note.push_str(&reason);
            }
            Check::told(&name, place.health.is_current(), note)
        }));
        checks
    }
}

/// A dependency that is left alone for a moment when it does not answer.
fn breaker(report: BreakerReport) -> Check {
    let mut note = format!(
        "breaker {}; {} calls answered, {} not, {} held back",
        report.state.as_str(),
        report.answered,
        report.failed,
        report.held_back
    );
    if let Some((at, reason)) = report.last_failure {
        note.push_str(&format!("; last failure {}: {reason}", at.on_screen()));
    }
    Check::needed(report.name, report.state == BreakerState::Closed, note)
}

fn audit(backlog: &Backlog) -> Check {
    let mut notes = Vec::new();
    if let Some(trouble) = &backlog.trouble {
        let records = counted(backlog.waiting as u64, "record", "records");
        notes.push(format!(
            "{records} could not be stored yet; they are kept in memory and tried again ({trouble})"
        ));
    }
    if backlog.lost > 0 {
        let records = counted(backlog.lost, "record", "records");
        notes.push(format!(
            "{records} could not be kept since the start; the server's log names each"
        ));
    }
    let ok = notes.is_empty();
    if ok {
        notes.push("every record is stored".to_owned());
    }
    Check::told("audit", ok, notes.join("; "))
}

/// Asks BLAST+ anew: it may have been removed or replaced since the start.
async fn blast(toolkit: &Toolkit) -> Check {
    let tool = Tool::of_program(Program::Blastn);
    let mut command = toolkit.command(tool);
    command.arg("-version");
    match toolkit.ask(command, tool).await {
        Ok(_) => {
            let note = format!("BLAST+ {} at the start, and it answers", toolkit.version());
            Check::needed("blast", true, note)
        }
        Err(error) => Check::needed("blast", false, error.to_string()),
    }
}

fn disk(data: &Path) -> Check {
    match rustix::fs::statvfs(data) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let note = format!("{} free in {}", text::bytes(free), data.display());
            Check::needed("disk", free >= LITTLE_SPACE, note)
        }
        Err(error) => Check::needed("disk", false, format!("{}: {error}", data.display())),
    }
}
