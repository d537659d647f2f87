//! Keeping: what was acknowledged stays, and nothing goes before its time (I1, I12).

use std::collections::{BTreeMap, BTreeSet};

use super::{Circumstances, Evidence, Invariant, JobEvidence, ObjectKind, Violation};
use crate::phase::Phase;

/// I1: every acknowledged job is there exactly once, one key made one job, and a job that is no
/// tombstone is listed.
#[must_use]
pub fn acknowledged_is_kept(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for job in &evidence.jobs {
        *rows.entry(&job.job.id).or_default() += 1;
    }
    for (id, count) in rows.iter().filter(|(_, count)| **count > 1) {
        let what = format!("it has {count} rows");
        found.push(Violation::of(Invariant::I1, id, what));
    }
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    for submission in &evidence.acknowledged {
        let id = submission.id.as_str();
        if !rows.contains_key(id) {
            let what = "it was acknowledged and is not in the store";
            found.push(Violation::of(Invariant::I1, id, what));
        }
        if let Some(key) = submission.key.as_deref() {
            let first = *keys.entry(key).or_insert(id);
            if first != id {
                let what = format!("the key {key} had made job {first} already");
                found.push(Violation::of(Invariant::I1, id, what));
            }
        }
    }
    if let Some(listed) = &evidence.listed {
        let listed: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
        let shown = |job: &&JobEvidence| job.job.phase != Phase::Deleted;
        let missing = evidence
            .jobs
            .iter()
            .filter(shown)
            .filter(|job| !listed.contains(job.job.id.as_str()));
        found.extend(
            missing.map(|job| Violation::of(Invariant::I1, &job.job.id, "it is in no list")),
        );
    }
    found
}

/// I1: the history begins with the submission, unless retention has taken that entry.
#[must_use]
pub fn begins_are_recorded(job: &JobEvidence, circumstances: &Circumstances) -> Vec<Violation> {
    if job.history.first().is_some_and(|first| first.version == 1) {
        return Vec::new();
    }
    // The oldest entry that could be missing, were nothing wrong.
    let taken = circumstances
        .keep_history_ms
        .is_some_and(|kept| job.job.created_at.plus_ms(kept) < circumstances.now);
    if taken {
        return Vec::new();
    }
    let what = "its history does not begin with the submission";
    vec![Violation::of(Invariant::I1, &job.job.id, what)]
}

/// I12: the engine deletes nothing that nobody asked it to delete, and removes no object before its
/// time: of a tombstone while it can be restored, of any other job as long as it is there.
#[must_use]
pub fn nothing_is_removed_early(
    job: &JobEvidence,
    circumstances: &Circumstances,
) -> Vec<Violation> {
    let mut found = unasked_deletes(job, circumstances);
    let deletion = job.job.deletion;
    if let Some((removed, until)) =
        deletion.and_then(|kept| Some((kept.removed_at?, kept.keep_until)))
    {
        if removed < until {
            found.push(format!(
                "it was to be kept until {until} and was removed at {removed}"
            ));
        }
    } else if job.job.imported.is_none() && (job.job.phase != Phase::Deleted || deletion.is_some())
    {
        found.extend(missing_objects(job));
    }
    found
        .into_iter()
        .map(|what| Violation::of(Invariant::I12, &job.job.id, what))
        .collect()
}

fn unasked_deletes(job: &JobEvidence, circumstances: &Circumstances) -> Vec<String> {
    let mut found = Vec::new();
    for pair in job.history.windows(2) {
        let [earlier, later] = pair else { continue };
        let deleted = earlier.phase != Phase::Deleted && later.phase == Phase::Deleted;
        if !deleted || !later.actor.is_empty() {
            continue;
        }
        // A delete of an active job is carried out by the engine, once the job has stopped.
        let asked = job
            .entries_of(later.attempt)
            .any(|entry| entry.phase == Phase::Cancelling && !entry.actor.is_empty());
        let ended = job.end_of(later.attempt).map_or(earlier.at, |end| end.at);
        let over = circumstances
            .keep_jobs_ms
            .is_some_and(|kept| ended.plus_ms(kept) <= later.at);
        if !asked && !over {
            found.push(format!(
                "it was deleted at {} and nobody had asked",
                later.at
            ));
        }
    }
    if job.job.phase == Phase::Deleted && job.job.deletion.is_none() {
        found.push("its tombstone does not say until when it is kept".to_owned());
    }
    found
}

fn missing_objects(job: &JobEvidence) -> Vec<String> {
    let Some(objects) = &job.objects else {
        return Vec::new();
    };
    let needed: &[ObjectKind] = if job.phase_kept() == Phase::Completed {
        &[ObjectKind::Query, ObjectKind::Archive, ObjectKind::Hits]
    } else {
        &[ObjectKind::Query]
    };
    let missing = needed
        .iter()
        .filter(|kind| !objects.iter().any(|object| object.kind == **kind));
    missing
        .map(|kind| format!("its {} is not there", kind.label()))
        .collect()
}
