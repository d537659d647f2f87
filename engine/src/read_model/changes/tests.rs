//! Readers that fall behind, come back, and may not see everything.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use elb_core::{
    job::Job,
    search::{Program, SearchOptions, SearchSpec},
    time::Timestamp,
};
use futures::FutureExt;

use super::*;
use crate::{
    read_model::DELTA_RING,
    repository::{Lease, Stored},
};

/// A change of a job.
fn change(model: &ReadModel, id: &str, owner: &str, version: u64) {
    let spec = SearchSpec {
        program: Program::Blastn,
        task: None,
        database: "genes".to_owned(),
        options: SearchOptions::default(),
    };
    let job = Job::new(
        id.to_owned(),
        owner.to_owned(),
        String::new(),
        spec,
        Timestamp(0),
    );
    model.apply(&Stored {
        job,
        version,
        lease: Lease::default(),
    });
}

fn follow(model: &Arc<ReadModel>, caller: &str, seen: Option<u64>) -> Changes {
    Changes::after(Arc::clone(model), caller.to_owned(), seen, None)
}

/// What a reader is told without waiting: revisions of rows, snapshots as negative ones.
fn told(changes: &mut Changes) -> Vec<i64> {
    let mut told = Vec::new();
    while let Some(next) = changes.next().now_or_never() {
        told.push(match next.unwrap() {
            Change::Row(delta) => i64::try_from(delta.revision).unwrap(),
            Change::Snapshot(revision) => -i64::try_from(revision).unwrap(),
        });
    }
    told
}

#[test]
fn each_caller_is_told_of_his_own_and_of_the_shared_jobs_alone() {
    let model = Arc::new(ReadModel::default());
    let (mut one, mut other) = (follow(&model, "one", None), follow(&model, "other", None));
    for (version, owner) in ["one", "other", "", "one"].into_iter().enumerate() {
        change(&model, &format!("{owner}-{version}"), owner, 1);
    }
    assert_eq!(told(&mut one), [1, 3, 4]);
    assert_eq!(told(&mut other), [2, 3]);
    // The same of what was missed.
    assert_eq!(told(&mut follow(&model, "one", Some(1))), [3, 4]);
    assert_eq!(told(&mut follow(&model, "other", Some(0))), [2, 3]);
}

#[test]
fn a_reader_that_is_too_slow_is_told_once_to_ask_for_the_list_and_then_only_what_is_newer() {
    let model = Arc::new(ReadModel::default());
    let mut slow = follow(&model, "", None);
    let much = DELTA_RING as u64 + 10;
    for version in 1..=much {
        change(&model, "a", "", version);
    }
    let newest = i64::try_from(much).unwrap();
    assert_eq!(told(&mut slow), [-newest]);
    change(&model, "a", "", much + 1);
    assert_eq!(told(&mut slow), [newest + 1]);
}

#[test]
fn a_revision_that_is_too_old_or_of_another_server_leads_to_a_snapshot() {
    let model = Arc::new(ReadModel::starting_at(1_000));
    for seen in [0, 999, 1_001, u64::MAX] {
        assert_eq!(
            told(&mut follow(&model, "", Some(seen))),
            [-1_000],
            "{seen}"
        );
    }
    assert_eq!(
        told(&mut follow(&model, "", Some(1_000))),
        Vec::<i64>::new()
    );
    for version in 1..=DELTA_RING as u64 + 1 {
        change(&model, "a", "", version);
    }
    let newest = 1_000 + DELTA_RING as i64 + 1;
    assert_eq!(told(&mut follow(&model, "", Some(1_000))), [-newest]);
    let all = told(&mut follow(&model, "", Some(1_001)));
    assert_eq!(all, (1_002..=newest).collect::<Vec<i64>>());
}

#[test]
fn a_change_is_written_once_for_all_readers() {
    let model = Arc::new(ReadModel::default());
    let mut readers = [follow(&model, "", None), follow(&model, "", None)];
    change(&model, "a", "", 1);
    let mut written = 0;
    for reader in &mut readers {
        let Some(Some(Change::Row(delta))) = reader.next().now_or_never() else {
            panic!("nothing is told");
        };
        let bytes = delta.encoded(|_| {
            written += 1;
            Some(bytes::Bytes::from_static(b"a"))
        });
        assert_eq!(bytes.unwrap(), "a");
    }
    assert_eq!(written, 1);
}

#[test]
fn one_job_can_be_followed_alone() {
    let model = Arc::new(ReadModel::default());
    let mut one = Changes::after(
        Arc::clone(&model),
        String::new(),
        None,
        Some("b".to_owned()),
    );
    for (id, version) in [("a", 1), ("b", 1), ("a", 2), ("b", 2)] {
        change(&model, id, "", version);
    }
    assert_eq!(told(&mut one), [2, 4]);
}
