//! Each invariant holds of sound stories and finds the story that breaks it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod bites;
mod bites_between;
mod properties;
mod story;

use super::*;
use story::{Story, evidence};

/// Which invariants one job breaks.
fn broken(job: &JobEvidence) -> Vec<Invariant> {
    broken_under(job, &Circumstances::default())
}

fn broken_under(job: &JobEvidence, circumstances: &Circumstances) -> Vec<Invariant> {
    names(check_job(job, circumstances))
}

fn names(violations: Vec<Violation>) -> Vec<Invariant> {
    let mut found: Vec<Invariant> = violations.iter().map(|found| found.invariant).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn sound_stories_break_nothing_however_patient_the_checker_is() {
    let stories = [
        Story::submitted("a", 1_000),
        Story::searching("b", 1_000),
        Story::completed("c", 1_000),
        Story::cancelled("d", 1_000),
        Story::failed("e", 1_000),
        Story::failed("f", 1_000).retried(),
        Story::retried_by_itself("g", 1_000),
        Story::completed("h", 1_000).deleted(),
        Story::completed("i", 1_000).deleted().restored(),
        Story::cancelled_and_deleted("j", 1_000),
        Story::cancelled_and_deleted("k", 1_000).restored(),
        Story::cancelled_and_deleted("l", 1_000)
            .restored()
            .retried(),
    ];
    for story in stories {
        assert_eq!(
            check_job(&story.job, &Circumstances::default()),
            [],
            "{}",
            story.job.job.id
        );
    }
}

#[test]
fn a_violation_is_told_with_its_name_its_job_and_what_is_wrong() {
    let one = Violation::of(Invariant::I3, "job-1", "it had ended");
    assert_eq!(one.to_string(), "I3 job job-1: it had ended");
    let all = Violation {
        invariant: Invariant::I11,
        job: None,
        what: "the line is broken".to_owned(),
    };
    assert_eq!(all.to_string(), "I11: the line is broken");
    for (index, invariant) in Invariant::ALL.into_iter().enumerate() {
        assert_eq!(invariant.as_str(), format!("I{}", index + 1));
    }
}

#[test]
fn everything_together_is_sound_and_broken_parts_are_all_told() {
    let mut all = evidence([
        Story::completed("a", 1_000),
        Story::completed("b", 5_000),
        Story::completed("c", 9_000).deleted(),
    ]);
    all.acknowledged = ["a", "b", "c"]
        .map(|id| Acknowledged {
            id: id.to_owned(),
            key: Some(format!("key-{id}")),
        })
        .to_vec();
    all.listed = Some(vec!["b".to_owned(), "a".to_owned()]);
    assert_eq!(check(&all), []);
    all.jobs[0].job.completed_at = Some(crate::time::Timestamp(99_999));
    all.listed.as_mut().unwrap().push("c".to_owned());
    all.jobs.remove(1);
    let found = names(check(&all));
    assert_eq!(
        found,
        [Invariant::I1, Invariant::I3, Invariant::I7, Invariant::I9]
    );
}
