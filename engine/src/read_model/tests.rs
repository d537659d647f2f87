//! Pages of the list against a list that is filtered, sorted and cut in the plainest way.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::cmp::Ordering;

use elb_core::{
    job::{Deletion, Job, Outcome},
    list::{Cursor, SortKey, Totals},
    phase::Status,
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
const TITLES: [&str; 4] = ["genes of Mus", "Genes of mus", "Ärger", "x"];
const DATABASES: [&str; 3] = ["genes", "Proteins", "x/y"];

/// What a job of these tests is like, as places in the lists above.
#[derive(Debug, Clone)]
struct Like {
    created: u8,
    owner: usize,
    title: usize,
    database: usize,
    program: usize,
    /// One for each version of the row.
    phases: Vec<usize>,
    ran: Option<u8>,
}

fn like() -> impl Strategy<Value = Like> {
    let what = (0..TITLES.len(), 0..DATABASES.len(), 0_usize..2);
    let phases = prop::collection::vec(0..PHASES.len(), 1..4);
    (
        0_u8..8,
        0..OWNERS.len(),
        what,
        phases,
        prop::option::of(0_u8..4),
    )
        .prop_map(
            |(created, owner, (title, database, program), phases, ran)| Like {
                created,
                owner,
                title,
                database,
                program,
                phases,
                ran,
            },
        )
}

fn stored(number: usize, like: &Like, phase: usize, version: u64) -> Stored {
    let at = Timestamp(i64::from(like.created) * 1_000);
    let phase = PHASES[phase];
    // Each version has other figures, so that a row changes its place.
    let ran = like
        .ran
        .map(|ran| i64::from(ran) + i64::try_from(version % 3).unwrap());
    let job = Job {
        phase,
        deletion: (phase == Phase::Deleted).then_some(Deletion {
            at,
            was: Phase::Completed,
            keep_until: at,
            removed_at: None,
        }),
        started_at: ran.map(|_| at),
        completed_at: ran.map(|ran| Timestamp(at.0 + ran)),
        outcome: ran.map(|ran| Outcome {
            hits: ran.unsigned_abs(),
            ..Outcome::default()
        }),
        ..Job::new(
            format!("job-{number:03}"),
            OWNERS[like.owner].to_owned(),
            TITLES[like.title].to_owned(),
            SearchSpec {
                program: Program::ALL[like.program],
                task: None,
                database: DATABASES[like.database].to_owned(),
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

fn model_of(jobs: &[Like]) -> ReadModel {
    model_asked(jobs, usize::MAX, &ListQuery::default())
}

/// One that was asked a question in between, before its change of that number.
fn model_asked(jobs: &[Like], when: usize, query: &ListQuery) -> ReadModel {
    let model = ReadModel::default();
    let versions = 1..=jobs.iter().map(|like| like.phases.len()).max().unwrap_or(0);
    let changes = versions.flat_map(|version| {
        let jobs = jobs.iter().enumerate();
        jobs.filter_map(move |(number, like)| {
            let phase = like.phases.get(version - 1)?;
            Some(stored(number, like, *phase, version as u64))
        })
    });
    for (number, change) in changes.enumerate() {
        if number == when {
            let _ = model.list("mine", query, Timestamp(0));
        }
        model.apply(&change);
    }
    model
}

/// Every row that a caller may see, in the order of the question, under its filters but the status.
fn plainly(jobs: &[Like], query: &ListQuery) -> Vec<JobRow> {
    let last = jobs.iter().enumerate().map(|(number, like)| {
        let versions = like.phases.len();
        stored(number, like, like.phases[versions - 1], versions as u64)
    });
    let mut rows: Vec<JobRow> = last
        .filter(|stored| stored.job.deletion.is_none() && stored.job.owner != "another's")
        .map(|stored| JobRow::of(&stored.job, stored.version))
        .filter(|row| query.program.is_none_or(|program| program == row.program))
        .filter(|row| {
            let database = query.database.as_ref();
            database.is_none_or(|database| *database == row.database)
        })
        .filter(|row| {
            let program = row.program.as_str();
            let texts = [&*row.title, &row.id, &row.database, program].map(str::to_lowercase);
            let mut words = query.search.split_whitespace();
            words.all(|word| texts.iter().any(|text| text.contains(&word.to_lowercase())))
        })
        .collect();
    rows.sort_by(|left, right| {
        let newest = |left: &JobRow, right: &JobRow| {
            (right.created_at, &right.id).cmp(&(left.created_at, &left.id))
        };
        by_column(left, right, query).then_with(|| newest(left, right))
    });
    rows
}

fn by_column(left: &JobRow, right: &JobRow, query: &ListQuery) -> Ordering {
    // Where a value may be missing, those without one come last in both directions.
    let missing = |left: Option<u64>, right: Option<u64>| match (left, right) {
        (Some(left), Some(right)) if query.descending => right.cmp(&left),
        (Some(left), Some(right)) => left.cmp(&right),
        (left, right) => right.is_some().cmp(&left.is_some()),
    };
    let place = |row: &JobRow| Status::LISTED.iter().position(|each| *each == row.status);
    let ran = |row: &JobRow| {
        row.run_ms(row.created_at)
            .filter(|_| row.completed_at.is_some())
    };
    let ordering = match query.sort {
        SortKey::Created => (left.created_at, &left.id).cmp(&(right.created_at, &right.id)),
        SortKey::Title => left.title.to_lowercase().cmp(&right.title.to_lowercase()),
        SortKey::Program => left.program.as_str().cmp(right.program.as_str()),
        SortKey::Database => left.database.cmp(&right.database),
        SortKey::Status => place(left).cmp(&place(right)),
        SortKey::Runtime => return missing(ran(left), ran(right)),
        SortKey::Hits => return missing(left.hits, right.hits),
    };
    if query.descending {
        ordering.reverse()
    } else {
        ordering
    }
}

fn question() -> impl Strategy<Value = ListQuery> {
    let searches = [
        "",
        "",
        "mus",
        "mu",
        "MUS genes",
        "genes mus genes",
        "job-00",
        "är",
        "blastp x",
        "absent",
    ];
    let databases = DATABASES.map(str::to_owned).to_vec();
    let narrowed = (
        prop::option::of(prop::sample::select(Status::LISTED.to_vec())),
        prop::option::of(prop::sample::select(Program::ALL[..3].to_vec())),
        prop::option::of(prop::sample::select(databases)),
        prop::sample::select(searches.to_vec()),
    );
    let sort = prop::sample::select(SortKey::ALL.to_vec());
    (narrowed, sort, any::<bool>(), 1_usize..7).prop_map(
        |((status, program, database, search), sort, descending, limit)| ListQuery {
            status,
            program,
            database,
            search: search.to_owned(),
            sort,
            descending,
            cursor: None,
            limit,
        },
    )
}

proptest! {
    #[test]
    fn pages_one_after_the_other_are_the_plain_list(
        jobs in prop::collection::vec(like(), 0..40),
        mut query in question(),
        asked in 0_usize..80,
    ) {
        let model = model_asked(&jobs, asked, &query);
        let mut rows = plainly(&jobs, &query);
        let mut totals = Totals::default();
        for row in &rows {
            totals.add(row.status, 1);
        }
        rows.retain(|row| query.status.is_none_or(|status| status == row.status));
        let mut begin = 0;
        loop {
            let page = model.list("mine", &query, Timestamp(0)).into_owned();
            let end = rows.len().min(begin + query.limit);
            prop_assert_eq!(&page.jobs, &rows[begin..end]);
            prop_assert_eq!(page.totals, totals);
            prop_assert_eq!(page.continued, begin > 0);
            prop_assert_eq!(page.next_cursor.is_some(), end < rows.len());
            let Some(cursor) = page.next_cursor else {
                break;
            };
            query.cursor = Some(cursor.parse().unwrap());
            begin = end;
        }
    }

    #[test]
    fn a_page_by_time_goes_on_where_its_cursor_stood_although_that_row_has_gone(
        jobs in prop::collection::vec(like(), 1..40),
        gone in 0_usize..40,
        search in prop::sample::select(vec!["", "genes"]),
        descending: bool,
    ) {
        let model = model_of(&jobs);
        let gone = gone % jobs.len();
        let like = &jobs[gone];
        let cursor = Cursor::at(&JobRow::of(&stored(gone, like, 0, 1).job, 1));
        let removed = Like { phases: [like.phases.clone(), vec![5]].concat(), ..like.clone() };
        model.apply(&stored(gone, &removed, 5, removed.phases.len() as u64));
        let mut jobs = jobs.clone();
        jobs[gone] = removed;
        let query = ListQuery { search: search.to_owned(), descending, ..ListQuery::default() };
        let mut rows = plainly(&jobs, &query);
        let all = rows.len();
        rows.retain(|row| {
            let (here, there) = ((row.created_at, &row.id), (cursor.created_at, &cursor.id));
            if descending { here < there } else { here > there }
        });
        let query = ListQuery { cursor: Some(cursor), ..query };
        let page = model.list("mine", &query, Timestamp(0)).into_owned();
        prop_assert_eq!(&page.jobs, &rows);
        prop_assert_eq!(page.continued, rows.len() < all);
    }

    #[test]
    fn the_databases_of_the_filter_are_those_of_the_rows(jobs in prop::collection::vec(like(), 0..20)) {
        let rows = plainly(&jobs, &ListQuery::default());
        let mut names: Vec<String> = rows.into_iter().map(|row| row.database).collect();
        names.sort();
        names.dedup();
        prop_assert_eq!(model_of(&jobs).databases("mine"), names);
    }

    #[test]
    fn an_older_version_of_a_row_changes_nothing(like in like(), first in 0_usize..6, second in 0_usize..6) {
        let like = Like { owner: 1, ..like };
        let model = ReadModel::default();
        model.apply(&stored(1, &like, first, 5));
        let before = model.revision();
        model.apply(&stored(1, &like, second, 4));
        prop_assert_eq!(model.revision(), before);
        let listed = model.list("mine", &ListQuery::default(), Timestamp(0)).totals.all;
        prop_assert_eq!(listed, u64::from(PHASES[first] != Phase::Deleted));
    }
}

fn plain(created: u8) -> Like {
    Like {
        created,
        owner: 1,
        title: 0,
        database: 0,
        program: 0,
        phases: vec![2],
        ran: None,
    }
}

fn searched(model: &ReadModel, words: &str) -> ListPage<Arc<JobRow>> {
    let query = ListQuery {
        search: words.to_owned(),
        ..ListQuery::default()
    };
    model.list("mine", &query, Timestamp(0))
}

fn counted(model: &ReadModel) -> u64 {
    let all = model.list("mine", &ListQuery::default(), Timestamp(0));
    all.totals.all
}

#[test]
fn a_search_is_true_however_many_changes_it_has_missed() {
    let model = ReadModel::default();
    for missed in [
        0,
        1,
        DELTA_RING - 1,
        DELTA_RING,
        DELTA_RING + 1,
        2 * DELTA_RING + 7,
    ] {
        let before = usize::try_from(counted(&model)).unwrap();
        for number in before..before + missed {
            model.apply(&stored(number, &plain(0), 2, 1));
        }
        let found = searched(&model, "job-");
        assert_eq!(found.totals.all, counted(&model));
        assert_eq!(found.revision, model.revision());
    }
}

#[test]
fn a_search_follows_a_job_through_changes_and_out_of_the_list() {
    let model = ReadModel::default();
    let like = plain(0);
    model.apply(&stored(1, &like, 0, 1));
    assert_eq!(searched(&model, "mus").jobs[0].status, Status::Queued);
    model.apply(&stored(1, &like, 1, 2));
    assert_eq!(searched(&model, "mus").jobs[0].status, Status::Running);
    let other = Like {
        title: 3,
        ..like.clone()
    };
    model.apply(&stored(1, &other, 2, 3));
    assert!(searched(&model, "mus").jobs.is_empty());
    assert_eq!(searched(&model, "x").jobs.len(), 1);
    model.apply(&stored(1, &like, 2, 4));
    assert_eq!(searched(&model, "mus").jobs.len(), 1);
    assert!(searched(&model, "x").jobs.is_empty());
    model.apply(&stored(1, &like, 5, 5));
    assert!(searched(&model, "mus").jobs.is_empty());
    // Its number is given to another one.
    model.apply(&stored(2, &other, 2, 1));
    assert!(searched(&model, "genes of mus job-001").jobs.is_empty());
    assert_eq!(searched(&model, "job-002").jobs.len(), 1);
}

#[test]
fn searches_are_kept_as_long_as_others_are_not_asked_more_recently() {
    let model = ReadModel::default();
    for number in 0..30 {
        model.apply(&stored(number, &plain(0), 2, 1));
    }
    for number in 0..1_000 {
        let found = searched(&model, &format!("job-{number:03}"));
        assert_eq!(found.totals.all, u64::from(number < 30));
    }
    assert_eq!(model.searches.words().len(), 64);
    // The same words in any order are one search.
    searched(&model, "genes mus");
    searched(&model, "job-950");
    searched(&model, "Mus genes mus");
    assert_eq!(
        model.searches.words()[..3],
        ["genes mus", "job-950", "job-999"]
    );
}

#[test]
fn a_search_that_finds_many_has_the_pages_of_one_that_finds_few() {
    let like = |number: usize| Like {
        created: (number % 7) as u8,
        owner: number % 3,
        title: number % 2,
        database: number % 3,
        program: number / 2 % 2,
        phases: vec![number % 5],
        ran: Some((number % 4) as u8),
    };
    let jobs: Vec<Like> = (0..4_000).map(like).collect();
    let model = model_of(&jobs);
    for sort in SortKey::ALL {
        for descending in [true, false] {
            for (database, status) in [
                (None, None),
                (Some("genes".to_owned()), None),
                (None, Some(Status::Failed)),
                (Some("Proteins".to_owned()), Some(Status::Running)),
            ] {
                let mut query = ListQuery {
                    search: "genes mus".to_owned(),
                    sort,
                    descending,
                    database,
                    status,
                    limit: 190,
                    ..ListQuery::default()
                };
                let mut rows = plainly(&jobs, &query);
                assert!(rows.len() > 500);
                rows.retain(|row| status.is_none_or(|status| status == row.status));
                let mut begin = 0;
                loop {
                    let page = model.list("mine", &query, Timestamp(0)).into_owned();
                    let end = rows.len().min(begin + query.limit);
                    assert_eq!(page.jobs, rows[begin..end], "{query:?}");
                    assert_eq!(page.continued, begin > 0);
                    let Some(cursor) = page.next_cursor else {
                        break;
                    };
                    query.cursor = Some(cursor.parse().unwrap());
                    begin = end;
                }
                assert!(begin + query.limit >= rows.len());
            }
        }
    }
}

#[test]
fn every_answer_is_of_its_revision_while_jobs_are_written() {
    const JOBS: usize = 3_000;
    let model = ReadModel::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..JOBS {
                model.apply(&stored(number, &plain(0), 2, 1));
            }
        });
        for words in ["mus", "", "job-1", "o"] {
            let model = &model;
            scope.spawn(move || {
                let orders = SortKey::ALL
                    .into_iter()
                    .flat_map(|sort| [(sort, true), (sort, false)]);
                for (sort, descending) in orders.cycle() {
                    let query = ListQuery {
                        search: words.to_owned(),
                        sort,
                        descending,
                        limit: 1,
                        ..ListQuery::default()
                    };
                    let page = model.list("mine", &query, Timestamp(0));
                    // Each change has added one job, in the order of their numbers.
                    let there = 0..usize::try_from(page.revision).unwrap();
                    let found = there.filter(|number| {
                        format!("job-{number:03}").contains(words) || words == "mus"
                    });
                    assert_eq!(page.totals.all, found.count() as u64, "{query:?}");
                    if page.revision == JOBS as u64 {
                        break;
                    }
                }
            });
        }
    });
}
