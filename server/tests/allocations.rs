//! How often memory is taken for an answer of the list: a number that says whether somebody has begun to make
//! anew what is at hand, or what nobody asked for. Counted, not timed, so that it is the same everywhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

use std::path::Path;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use elb_core::{
    job::{Job, Outcome},
    phase::Phase,
    search::{Program, SearchOptions, SearchSpec},
    time::Timestamp,
    view::HistoryEntry,
};
use elb_engine::repository::{Repository, SqliteRepository};
use elb_server::{
    Front,
    settings::{Flags, Settings},
    wiring::{self, Started},
};
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// An answer that is at hand, from the request to the last byte. Measured: 92.
const AT_HAND: u64 = 100;
/// That it has not changed, which is said before the routes. Measured: 16.
const UNCHANGED: u64 = 20;
/// An answer of 50 rows that is not at hand: rows are shared, and the times in them are most of it. Measured: 591.
const NEW: u64 = 650;

const PATH: &str = "/api/blast/jobs?limit=50";

/// Stores jobs that have ended.
async fn stored(data: &Path, count: usize) {
    std::fs::create_dir_all(data).unwrap();
    let store = SqliteRepository::open(&data.join("state.sqlite")).unwrap();
    for number in 0..count {
        let at = Timestamp(1_700_000_000_000 + i64::try_from(number).unwrap());
        let spec = SearchSpec {
            program: Program::Blastn,
            task: None,
            database: "genes".to_owned(),
            options: SearchOptions::default(),
        };
        let title = format!("search {number}");
        let job = Job {
            phase: Phase::Completed,
            started_at: Some(at),
            completed_at: Some(at),
            outcome: Some(Outcome::default()),
            ..Job::new(format!("job-{number}"), "local".to_owned(), title, spec, at)
        };
        let entry = HistoryEntry {
            version: 1,
            at,
            attempt: 1,
            phase: job.phase,
            note: "submitted".to_owned(),
            actor: "local".to_owned(),
            epoch: 1,
        };
        store.create(&job, None, &entry, "test").await.unwrap();
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    bytes: usize,
    /// How often memory was taken for it.
    taken: u64,
}

/// Asks, on this thread alone.
fn ask(runtime: &Runtime, router: &Front, path: &str, known: Option<&str>) -> Answer {
    let mut request = Request::get(path).header(header::HOST, "localhost");
    if let Some(known) = known {
        request = request.header(header::IF_NONE_MATCH, known);
    }
    let request = request.body(Body::empty()).unwrap();
    let router = router.clone();
    let mut answer = None;
    let counted = allocation_counter::measure(|| {
        answer = Some(runtime.block_on(async {
            let answer = router.oneshot(request).await.unwrap();
            let (head, body) = answer.into_parts();
            (head, to_bytes(body, 1_000_000).await.unwrap().len())
        }));
    });
    let (head, bytes) = answer.unwrap();
    Answer {
        status: head.status,
        headers: head.headers,
        bytes,
        taken: counted.count_total,
    }
}

fn measured(count: usize) -> [u64; 3] {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let started = runtime.block_on(async {
        stored(&data, count).await;
        let flags = ["test", "--examples", "false", "--data-dir"].map(str::to_owned);
        let flags = flags.into_iter().chain([data.display().to_string()]);
        let flags = <Flags as clap::Parser>::parse_from(flags);
        let settings = Settings::from_flags(flags, &|_| None).unwrap();
        wiring::start(&settings).await.unwrap()
    });
    let Started { state, locks } = started;
    let router = elb_server::router(state.clone());
    let first = ask(&runtime, &router, PATH, None);
    assert_eq!(first.status, StatusCode::OK);
    let tag = first.headers[header::ETAG].to_str().unwrap();
    let at_hand = ask(&runtime, &router, PATH, None);
    assert_eq!(
        (at_hand.status, at_hand.bytes),
        (StatusCode::OK, first.bytes)
    );
    let unchanged = ask(&runtime, &router, PATH, Some(tag));
    assert_eq!(
        (unchanged.status, unchanged.bytes),
        (StatusCode::NOT_MODIFIED, 0)
    );
    // Another question, with as many rows.
    let new = ask(
        &runtime,
        &router,
        "/api/blast/jobs?limit=50&status=completed",
        None,
    );
    assert_eq!(new.status, StatusCode::OK);
    runtime.block_on(state.service.shut_down());
    drop(locks);
    [at_hand.taken, unchanged.taken, new.taken]
}

#[test]
fn a_list_takes_memory_no_more_often_than_its_budget_however_many_jobs_there_are() {
    for count in [50, 500] {
        let [at_hand, unchanged, new] = measured(count);
        println!("{count} jobs: at hand {at_hand}, unchanged {unchanged}, new {new}");
        assert!(at_hand <= AT_HAND, "{count} jobs, at hand: {at_hand}");
        assert!(
            unchanged <= UNCHANGED,
            "{count} jobs, unchanged: {unchanged}"
        );
        assert!(new <= NEW, "{count} jobs, not at hand: {new}");
    }
}
