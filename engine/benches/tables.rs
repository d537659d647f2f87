//! What the distance to Azure Table Storage costs: against the emulator, over lines of different length.
//!
//! The emulator answers slower than the service, and from this machine: what counts is how times grow with
//! the line and with the number of jobs. It looks through everything that it holds for each answer, so that
//! large tables are made by the benchmark itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark"
)]

#[path = "../tests/it/many_jobs.rs"]
mod many_jobs;
#[path = "table.rs"]
mod table;

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use elb_core::{
    job::Job, list::ListQuery, phase::Phase, time::Timestamp, transition::Event, view::HistoryEntry,
};
use elb_engine::{
    azure::tables::{Access, TablesConfig},
    clock::SystemClock,
    jobs::Jobs,
    lease::{LeaseTerms, Member},
    repository::{AzureRepository, Created, IdempotencyKey, Repository, Stored},
};
use elb_testkit::{
    Azurite, Behaviour, FaultProxy,
    azurite::{ACCOUNT, KEY},
};
use table::{line, median, ms, rounds};

/// Times of each operation over each line.
const ROUNDS: u64 = 21;
/// Round trips of the lines, in milliseconds: in this machine, to a region nearby, to one far away.
const LINES: [u64; 3] = [0, 20, 60];
/// Numbers of jobs, each ten times the one before and the same in each partition.
const SIZES: [u64; 3] = [504, 5_000, 50_000];

fn queued(number: u64) -> Job {
    let id = uuid::Uuid::from_u64_pair(0x0193_0000_0000_7000, number);
    many_jobs::job(id.to_string(), number, Phase::Queued)
}

fn entry(job: &Job, version: u64) -> HistoryEntry {
    HistoryEntry {
        version,
        at: job.created_at,
        attempt: 1,
        phase: job.phase,
        note: String::new(),
        actor: "local".to_owned(),
        epoch: 1,
    }
}

async fn open(config: &TablesConfig) -> AzureRepository {
    let clock = Arc::new(SystemClock);
    AzureRepository::connect(config, clock).await.unwrap()
}

/// The table by way of the proxy.
async fn behind(proxy: &FaultProxy, config: &TablesConfig) -> AzureRepository {
    let config = TablesConfig {
        endpoint: proxy.instead_of(&config.endpoint),
        ..config.clone()
    };
    open(&config).await
}

/// Times of one kind of operation, and the requests of one.
#[derive(Default)]
struct Operation {
    times: Vec<Duration>,
    requests: usize,
}

/// A store behind a line, whose operations are measured.
struct Line {
    proxy: FaultProxy,
    store: AzureRepository,
    round_trip: Duration,
}

impl Line {
    async fn to(config: &TablesConfig, milliseconds: u64) -> Self {
        let proxy = FaultProxy::before(&config.endpoint).await;
        let round_trip = Duration::from_millis(milliseconds);
        let store = behind(&proxy, config).await;
        if milliseconds > 0 {
            proxy.set(Behaviour::RoundTrip(round_trip));
        }
        Self {
            proxy,
            store,
            round_trip,
        }
    }

    async fn timed<T>(&self, operation: &mut Operation, work: impl Future<Output = T>) -> T {
        self.proxy.take_requests();
        let begin = Instant::now();
        let outcome = work.await;
        operation.times.push(begin.elapsed());
        let seen = self.proxy.take_requests();
        // Bells ring beside the work that they tell of.
        operation.requests = seen
            .iter()
            .filter(|seen| !seen.target.contains("writers"))
            .count();
        outcome
    }

    async fn create(&self, job: &Job, key: Option<&IdempotencyKey>) -> Stored {
        let created = self.store.create(job, key, &entry(job, 1), "bench").await;
        match created.unwrap() {
            Created::New(stored) => stored,
            Created::Existing(_) => panic!("{} is there", job.id),
        }
    }

    async fn step(&self, stored: &Stored, event: &Event) -> Stored {
        let job = stored
            .job
            .apply(event, Timestamp(1_800_000_000_000))
            .unwrap();
        let entry = entry(&job, stored.version + 1);
        let update = self.store.update(&job, stored.version, None, Some(&entry));
        update.await.unwrap()
    }
}

/// Submissions, transitions, pages of history over each line.
async fn over_each_line(config: &TablesConfig) {
    let mut number = 0;
    let mut lines = Vec::new();
    for milliseconds in LINES {
        lines.push(Line::to(config, milliseconds).await);
    }
    let mut measured: Vec<[Operation; 4]> = lines.iter().map(|_| Default::default()).collect();
    for round in 0..=ROUNDS {
        for (line, measured) in lines.iter().zip(&mut measured) {
            let [plain, keyed, step, history] = measured;
            if round == 1 {
                // The first round made the connections.
                for operation in [&mut *plain, keyed, step, history] {
                    operation.times.clear();
                }
            }
            let preparing = Event::Enter {
                phase: Phase::Preparing,
            };
            let fresh = queued(number);
            let stored = line.timed(plain, line.create(&fresh, None)).await;
            line.timed(step, line.step(&stored, &preparing)).await;
            line.timed(history, line.store.history(&fresh.id, None, 50))
                .await
                .unwrap();
            let other = queued(number + 1);
            let key = IdempotencyKey {
                owner: "local".to_owned(),
                key: number.to_string(),
                expires_at: Timestamp(i64::MAX),
            };
            line.timed(keyed, line.create(&other, Some(&key))).await;
            number += 2;
        }
    }
    let names = [
        "submit",
        "submit with a key",
        "transition",
        "page of history",
    ];
    for (index, name) in names.into_iter().enumerate() {
        let mut base = Duration::ZERO;
        for (line_of, measured) in lines.iter().zip(&mut measured) {
            let operation = &mut measured[index];
            let time = median(&mut operation.times);
            let round_trip = line_of.round_trip;
            if round_trip.is_zero() {
                base = time;
            }
            let trips = time.saturating_sub(base).as_secs_f64() / round_trip.as_secs_f64();
            let trips = if round_trip.is_zero() {
                String::new()
            } else {
                format!(", {trips:.1} trips")
            };
            line(
                &format!(
                    "{name}, round trip of {} ms ({} requests)",
                    round_trip.as_millis(),
                    operation.requests
                ),
                &format!("{}{trips}", ms(time)),
            );
        }
    }
}

/// How long a server takes to have every row in memory, and what a list costs it then. The rows are made
/// by the test: what is measured is the server's own work and the line.
async fn start_with(config: &TablesConfig, size: u64) {
    let service = FaultProxy::before(&config.endpoint).await;
    many_jobs::hold(&service, size / many_jobs::PARTITIONS);
    let config = TablesConfig {
        endpoint: service.instead_of(&config.endpoint),
        ..config.clone()
    };
    for milliseconds in LINES {
        let over = Line::to(&config, milliseconds).await;
        over.proxy.take_requests();
        let (clock, store) = (Arc::new(SystemClock), Arc::new(over.store));
        let life = Duration::from_secs(120);
        let member = Member::new(LeaseTerms::Shared { life }, clock.clone());
        let begin = Instant::now();
        let jobs = Jobs::load(store, clock, member).await.unwrap();
        let time = begin.elapsed();
        let requests = over.proxy.take_requests().len();
        line(
            &format!(
                "start with {size} jobs, round trip of {milliseconds} ms ({requests} requests)"
            ),
            &ms(time),
        );
        let query = ListQuery::default();
        let now = Timestamp(1_800_000_000_000);
        let listed = rounds(101, || {
            black_box(jobs.model().list("local", &query, now));
        });
        let requests = over.proxy.take_requests().len();
        line(
            &format!("list: newest 50 of {size}, the same line ({requests} requests)"),
            &ms(listed),
        );
    }
}

#[tokio::main]
async fn main() {
    let config = TablesConfig {
        endpoint: Azurite::shared().table_url().to_owned(),
        account: ACCOUNT.to_owned(),
        table: format!("bench{}", uuid::Uuid::new_v4().simple()),
        access: Access::Key(KEY.to_owned()),
    };
    over_each_line(&config).await;
    for size in SIZES {
        start_with(&config, size).await;
    }
}
