//! The quick way through the list against the one that looks at every row.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use elb_core::{
    job::Job,
    search::{Program, SearchOptions, SearchSpec},
};
use proptest::prelude::*;

use super::*;

const PHASES: [Phase; 6] = [
    Phase::Queued,
    Phase::Running,
    Phase::Completed,
    Phase::Failed,
    Phase::Cancelled,
    Phase::Deleted,
];
const OWNERS: [&str; 3] = ["", "mine", "another's"];

fn stored(number: u8, created: u8, owner: usize, phase: usize, version: u64) -> Stored {
    let at = Timestamp(i64::from(created) * 1_000);
    let phase = PHASES[phase % PHASES.len()];
    let job = Job {
        phase,
        deletion: (phase == Phase::Deleted).then_some(Deletion {
            at,
            was: Phase::Completed,
            keep_until: at,
            removed_at: None,
        }),
        ..Job::new(
            format!("job-{number:03}"),
            OWNERS[owner % OWNERS.len()].to_owned(),
            format!("title {number}"),
            SearchSpec {
                program: Program::Blastn,
                task: None,
                database: "genes".to_owned(),
                options: SearchOptions::default(),
            },
            at,
        )
    };
    Stored {
        job,
        version,
        lease: crate::repository::Lease::default(),
    }
}

fn ids(found: &Found<'_>) -> Vec<String> {
    found.rows.iter().map(|row| row.id.clone()).collect()
}

proptest! {
    #[test]
    fn both_ways_give_the_same_pages_and_totals(
        jobs in prop::collection::vec((0_u8..8, 0_usize..3, prop::collection::vec(0_usize..6, 1..4)), 0..40),
        status in prop::option::of(0_usize..5),
        descending: bool,
        limit in 1_usize..7,
    ) {
        let model = ReadModel::default();
        for (number, (created, owner, phases)) in jobs.iter().enumerate() {
            for (version, phase) in phases.iter().enumerate() {
                model.apply(&stored(number as u8, *created, *owner, *phase, version as u64 + 1));
            }
        }
        let state = model.read();
        let mut query = ListQuery {
            status: status.map(|index| Status::LISTED[index]),
            descending,
            limit,
            ..ListQuery::default()
        };
        loop {
            let quick = state.page_by_time("mine", &query);
            let whole = state.page_of_all("mine", &query);
            prop_assert_eq!(ids(&quick), ids(&whole));
            prop_assert_eq!(quick.totals, whole.totals);
            prop_assert_eq!(quick.more, whole.more);
            prop_assert_eq!(quick.continued, whole.continued);
            let Some(last) = quick.rows.last().filter(|_| quick.more) else {
                break;
            };
            query.cursor = Some(Cursor::at(last));
        }
    }

    #[test]
    fn an_older_version_of_a_row_changes_nothing(first in 0_usize..6, second in 0_usize..6) {
        let model = ReadModel::default();
        model.apply(&stored(1, 1, 1, first, 5));
        let before = model.revision();
        model.apply(&stored(1, 1, 1, second, 4));
        prop_assert_eq!(model.revision(), before);
        let listed = model.list("mine", &ListQuery::default(), Timestamp(0)).totals.all;
        prop_assert_eq!(listed, u64::from(PHASES[first] != Phase::Deleted));
    }
}
