//! What observers see: versions, revisions and lists (I4, I7).

use std::collections::{BTreeMap, BTreeSet};

use super::{Evidence, Invariant, JobEvidence, StreamSeen, Violation};
use crate::phase::Phase;

/// I4: the versions of a history strictly increase and none is beyond the row's; its times do not run
/// backwards.
#[must_use]
pub fn versions_increase(job: &JobEvidence) -> Vec<Violation> {
    let mut found = Vec::new();
    for pair in job.history.windows(2) {
        let [earlier, later] = pair else { continue };
        if later.version <= earlier.version {
            found.push(format!(
                "version {} follows version {}",
                later.version, earlier.version
            ));
        }
        if later.at < earlier.at {
            found.push(format!(
                "version {} is of {}, the one before of {}",
                later.version, later.at, earlier.at
            ));
        }
    }
    if let Some(last) = job.history.last() {
        if last.version > job.version {
            found.push(format!(
                "its history has version {}, the row is version {}",
                last.version, job.version
            ));
        }
        if last.at > job.job.updated_at {
            found.push(format!(
                "its history ends at {}, the row last changed at {}",
                last.at, job.job.updated_at
            ));
        }
    }
    found
        .into_iter()
        .map(|what| Violation::of(Invariant::I4, &job.job.id, what))
        .collect()
}

/// I4: the revisions that one reader saw strictly increase, no row of his went back, and whoever is up
/// to date knows each row that he was shown as it is.
#[must_use]
pub fn streams_end_in_the_present(evidence: &Evidence) -> Vec<Violation> {
    let rows: BTreeMap<&str, &JobEvidence> = evidence
        .jobs
        .iter()
        .map(|job| (job.job.id.as_str(), job))
        .collect();
    evidence
        .streams
        .iter()
        .flat_map(|stream| one_stream(stream, &rows))
        .collect()
}

fn one_stream(stream: &StreamSeen, rows: &BTreeMap<&str, &JobEvidence>) -> Vec<Violation> {
    let mut found = Vec::new();
    for pair in stream.changes.windows(2) {
        if let [earlier, later] = pair
            && later.revision <= earlier.revision
        {
            let what = format!("revision {} followed {}", later.revision, earlier.revision);
            found.push(Violation::of(Invariant::I4, &later.job, what));
        }
    }
    let mut known: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    for change in &stream.changes {
        let before = known.insert(&change.job, change.version).flatten();
        if let (Some(before), Some(version)) = (before, change.version)
            && version < before
        {
            let what = format!("version {version} was shown after version {before}");
            found.push(Violation::of(Invariant::I4, &change.job, what));
        }
    }
    for (job, version) in known.into_iter().filter(|_| stream.up_to_date) {
        let present = rows
            .get(job)
            .filter(|row| row.job.phase != Phase::Deleted)
            .map(|row| row.version);
        if version != present {
            let told = |version: Option<u64>| {
                version.map_or("gone".to_owned(), |version| format!("version {version}"))
            };
            let what = format!(
                "a reader was left with {}, it is {}",
                told(version),
                told(present)
            );
            found.push(Violation::of(Invariant::I4, job, what));
        }
    }
    found
}

/// I7: nothing that is deleted or unknown is listed, and nothing twice.
#[must_use]
pub fn tombstones_stay_hidden(evidence: &Evidence) -> Vec<Violation> {
    let shown: BTreeMap<&str, bool> = evidence
        .jobs
        .iter()
        .map(|job| (job.job.id.as_str(), job.job.phase != Phase::Deleted))
        .collect();
    let mut found = Vec::new();
    let mut listed: BTreeSet<&str> = BTreeSet::new();
    for id in evidence.listed.iter().flatten() {
        let what = match shown.get(id.as_str()) {
            None => "it is listed and not in the store",
            Some(false) => "it is deleted and listed",
            Some(true) if listed.contains(id.as_str()) => "it is listed twice",
            Some(true) => {
                listed.insert(id);
                continue;
            }
        };
        found.push(Violation::of(Invariant::I7, id, what));
    }
    found
}
