//! What several jobs, or a job and its observers, can break, and that it is found.

use super::{
    super::{
        Acknowledged, ChangeSeen, Circumstances, Evidence, Execution, Invariant, Leftover,
        QueueSpan, StreamSeen, Violation, acknowledged_is_kept, nothing_is_left_over,
        one_execution_at_a_time, queue_is_first_come_first_served, streams_end_in_the_present,
        tombstones_stay_hidden,
    },
    story::{ENGINE, Story, evidence},
};
use crate::{phase::Phase, time::Timestamp};

fn told(violations: &[Violation]) -> Vec<(Invariant, &str)> {
    violations
        .iter()
        .map(|found| (found.invariant, found.job.as_deref().unwrap_or_default()))
        .collect()
}

fn acknowledged(id: &str, key: &str) -> Acknowledged {
    Acknowledged {
        id: id.to_owned(),
        key: Some(key.to_owned()),
    }
}

#[test]
fn i1_a_job_that_is_lost_doubled_or_in_no_list_is_found() {
    let mut all = evidence([Story::completed("a", 1_000), Story::failed("b", 2_000)]);
    all.acknowledged = vec![
        acknowledged("a", "1"),
        acknowledged("a", "1"),
        acknowledged("b", "2"),
    ];
    all.listed = Some(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(acknowledged_is_kept(&all), []);
    all.acknowledged.push(acknowledged("c", "3"));
    assert_eq!(told(&acknowledged_is_kept(&all)), [(Invariant::I1, "c")]);
    all.acknowledged.pop();
    all.acknowledged.push(acknowledged("b", "1"));
    assert_eq!(told(&acknowledged_is_kept(&all)), [(Invariant::I1, "b")]);
    all.acknowledged.pop();
    all.listed = Some(vec!["a".to_owned()]);
    assert_eq!(told(&acknowledged_is_kept(&all)), [(Invariant::I1, "b")]);
    all.listed = None;
    all.jobs.push(Story::completed("a", 1_000).job);
    assert_eq!(told(&acknowledged_is_kept(&all)), [(Invariant::I1, "a")]);
}

fn execution(batch: &str, run: u64, from: i64, until: Option<i64>) -> Execution {
    Execution {
        job: "a".to_owned(),
        run,
        batch: batch.to_owned(),
        started_at: Timestamp(from),
        ended_at: until.map(Timestamp),
    }
}

#[test]
fn i2_two_live_executions_of_one_job_are_found() {
    let sound = [
        execution("batch_000", 1, 0, Some(10)),
        execution("batch_001", 1, 2, Some(9)),
        execution("batch_000", 1, 10, Some(15)),
        execution("batch_000", 2, 15, None),
        Execution {
            job: "b".to_owned(),
            ..execution("batch_000", 1, 0, None)
        },
    ];
    assert_eq!(one_execution_at_a_time(&sound), []);
    let twice = [
        execution("batch_000", 1, 0, Some(10)),
        execution("batch_000", 1, 9, Some(15)),
    ];
    assert_eq!(
        told(&one_execution_at_a_time(&twice)),
        [(Invariant::I2, "a")]
    );
    let overlapping_runs = [
        execution("batch_000", 1, 0, None),
        execution("batch_001", 2, 50, Some(60)),
    ];
    assert_eq!(
        told(&one_execution_at_a_time(&overlapping_runs)),
        [(Invariant::I2, "a")]
    );
}

fn stream(changes: &[(u64, &str, Option<u64>)], up_to_date: bool) -> StreamSeen {
    let changes = changes.iter().map(|(revision, job, version)| ChangeSeen {
        revision: *revision,
        job: (*job).to_owned(),
        version: *version,
    });
    StreamSeen {
        changes: changes.collect(),
        up_to_date,
    }
}

#[test]
fn i4_a_reader_who_is_led_back_or_left_behind_is_found() {
    let jobs = evidence([
        Story::completed("a", 1_000),
        Story::completed("b", 1_000).deleted(),
    ]);
    let version = jobs.jobs[0].version;
    let seen = |stream: StreamSeen| {
        let evidence = Evidence {
            streams: vec![stream],
            ..jobs.clone()
        };
        let found = streams_end_in_the_present(&evidence);
        found
            .iter()
            .map(|found| found.job.clone().unwrap())
            .collect::<Vec<_>>()
    };
    let present = [
        (1, "a", Some(2)),
        (5, "b", Some(3)),
        (6, "a", Some(version)),
        (9, "b", None),
    ];
    assert!(seen(stream(&present, true)).is_empty());
    assert_eq!(
        seen(stream(&present[..3], true)),
        ["b"],
        "it still sees a deleted job"
    );
    assert!(seen(stream(&present[..3], false)).is_empty());
    assert_eq!(
        seen(stream(&present[..1], true)),
        ["a"],
        "it missed the end"
    );
    assert_eq!(
        seen(stream(&[(2, "a", Some(2)), (2, "a", Some(3))], false)),
        ["a"]
    );
    assert_eq!(
        seen(stream(&[(2, "a", Some(4)), (3, "a", Some(3))], false)),
        ["a"]
    );
    assert!(seen(stream(&[(2, "a", Some(4)), (3, "a", Some(4))], false)).is_empty());
}

#[test]
fn i7_a_tombstone_or_a_stranger_in_a_list_is_found() {
    let mut all = evidence([
        Story::completed("a", 1_000),
        Story::completed("b", 1_000).deleted(),
        Story::completed("c", 1_000).deleted().restored(),
    ]);
    let mut listed = |ids: &[&str]| {
        all.listed = Some(ids.iter().map(|id| (*id).to_owned()).collect());
        tombstones_stay_hidden(&all)
    };
    assert_eq!(listed(&["a", "c"]), []);
    assert_eq!(told(&listed(&["a", "b"])), [(Invariant::I7, "b")]);
    assert_eq!(told(&listed(&["a", "x"])), [(Invariant::I7, "x")]);
    assert_eq!(told(&listed(&["a", "c", "a"])), [(Invariant::I7, "a")]);
}

#[test]
fn i10_objects_without_a_row_are_found_when_nobody_removes_them() {
    let left = [Leftover {
        id: "a".to_owned(),
        modified_at: Timestamp(1_000),
    }];
    let at = |now| Circumstances {
        now: Timestamp(now),
        driven_since: Some(Timestamp(0)),
        ..Circumstances::default()
    };
    assert_eq!(nothing_is_left_over(&left, &at(90_001_000)), []);
    let found = nothing_is_left_over(&left, &at(90_001_001));
    assert_eq!(told(&found), [(Invariant::I10, "a")]);
    assert_eq!(nothing_is_left_over(&left, &Circumstances::default()), []);
}

fn span(job: &str, from: i64, left: Option<i64>) -> QueueSpan {
    QueueSpan {
        job: job.to_owned(),
        from: Timestamp(from),
        left: left.map(Timestamp),
    }
}

#[test]
fn i11_a_job_that_passes_another_in_the_line_is_found() {
    let passed = |spans: &[QueueSpan]| {
        let found = queue_is_first_come_first_served(spans, 100);
        found
            .iter()
            .map(|found| found.job.clone().unwrap())
            .collect::<Vec<_>>()
    };
    let first = span("a", 0, Some(5_000));
    assert!(passed(&[first.clone(), span("b", 1_000, Some(6_000))]).is_empty());
    assert_eq!(
        passed(&[first.clone(), span("b", 1_000, Some(4_000))]),
        ["b"]
    );
    assert_eq!(
        passed(&[span("a", 0, None), span("b", 1_000, Some(4_000))]),
        ["b"]
    );
    assert_eq!(
        passed(&[span("b", 1_000, Some(4_000)), span("a", 0, None)]),
        ["b"]
    );
    // Close calls are none.
    assert!(passed(&[first.clone(), span("b", 1_000, Some(4_950))]).is_empty());
    assert!(passed(&[first, span("b", 50, Some(90))]).is_empty());
    assert!(passed(&[span("b", 0, Some(4_000)), span("a", 0, None)]).is_empty());
}

#[test]
fn i11_only_first_attempts_that_started_count() {
    let of = |story: Story| QueueSpan::of(&story.job);
    let started = of(Story::searching("a", 1_000)).unwrap();
    assert_eq!(
        (started.from, started.left),
        (Timestamp(1_000), Some(Timestamp(1_010)))
    );
    assert_eq!(
        of(Story::submitted("b", 1_000)),
        Some(span("b", 1_000, None))
    );
    let retried = of(Story::failed("c", 1_000).retried()).unwrap();
    assert_eq!(retried.left, Some(Timestamp(1_010)), "its first attempt");
    let given_up = Story::submitted("d", 1_000).forged(Phase::Cancelling, 1, "local");
    assert_eq!(of(given_up), None);
    let refused = Story::submitted("e", 1_000).forged(Phase::BrokerUnavailable, 1, ENGINE);
    assert_eq!(of(refused), None);
    let mut forgotten = Story::searching("f", 1_000);
    forgotten.job.history.drain(..2);
    assert_eq!(of(forgotten), None);
}
