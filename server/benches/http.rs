//! What readers wait for over HTTP: the list against an answer of the same bytes that nobody has to make, by number
//! of jobs, of active ones and of connections; pages; the event stream with many readers; memory.
//!
//! The server is a process of its own (this program again), which has its jobs in memory as they are after a start;
//! none of them runs. Both share the machine, so that ratios count. Everything that is compared is measured in turns.
//! `cargo bench --package elb-server --bench http -- lists` (or `events`) is one half of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::time::Duration;

#[path = "http/load.rs"]
mod load;
#[path = "http/readers.rs"]
mod readers;
#[path = "http/serve.rs"]
mod serve;

use load::{Load, Target};
use serve::Served;

/// Numbers of jobs, and of those among them that have not ended.
const SIZES: [usize; 3] = [500, 10_000, 50_000];
const ACTIVE: [usize; 3] = [0, 50, 500];
/// Jobs of the questions that look at many rows.
const MANY: usize = 100_000;
/// Connections of most measurements, and the others of one.
const USUAL: usize = 16;
const OTHERS: [usize; 2] = [1, 64];
/// Turns of a comparison, and how long each of its parts lasts.
const TURNS: usize = 3;
const LASTS: Duration = Duration::from_millis(700);
/// Readers of the event stream, and changes that they are told.
const READERS: usize = 2_000;
const CHANGES: usize = 50;
/// Rows of the list: as a page asks for them, and as many as there are in one answer.
const ROWS: [usize; 2] = [50, 200];

/// The list.
fn list(rows: usize) -> String {
    format!("/api/blast/jobs?limit={rows}")
}

fn main() {
    if let Some(wanted) = serve::wanted() {
        serve::serve(wanted);
        return;
    }
    readers::allow_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let named = |part: &str| std::env::args().any(|argument| argument == part);
    let all = !named("lists") && !named("events");
    runtime.block_on(async {
        if all || named("lists") {
            lists().await;
        }
        if all || named("events") {
            events().await;
        }
    });
}

fn head(first: &str) {
    println!(
        "{first:<44} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "list/s", "static/s", "ratio", "304 ratio", "p50 ms", "p99 ms"
    );
}

async fn lists() {
    let (mut small, mut of_size) = (0.0, Vec::new());
    let mut resident = Vec::new();
    head(&format!("list of {} rows", ROWS[0]));
    for size in SIZES {
        for active in ACTIVE.into_iter().filter(|active| *active <= size) {
            let served = Served::start(size, active).await;
            if active == 0 {
                resident.push((size, served.resident()));
            }
            let what = format!("{size} jobs, {active} active, {USUAL} connections");
            let rate = compared(&served, ROWS[0], &what, USUAL).await;
            if active == ACTIVE[1] {
                if size == SIZES[0] {
                    small = rate;
                }
                of_size.push((size, small / rate));
            }
            if size == SIZES[1] && active == ACTIVE[1] {
                for connections in OTHERS {
                    let what = format!("{size} jobs, {active} active, {connections} connections");
                    compared(&served, ROWS[0], &what, connections).await;
                }
                let what = format!("{size} jobs, {} rows, {USUAL} connections", ROWS[1]);
                compared(&served, ROWS[1], &what, USUAL).await;
            }
        }
    }
    others(&Served::start(MANY, ACTIVE[2]).await).await;
    for (size, ratio) in of_size {
        println!(
            "time of a list of {size} jobs to one of {}: {ratio:.2}",
            SIZES[0]
        );
    }
    for (size, bytes) in resident {
        println!("memory with {size} jobs: {:.1} MB", bytes as f64 / 1e6);
    }
}

/// A line; answers per second of the list.
async fn compared(served: &Served, rows: usize, what: &str, connections: usize) -> f64 {
    let path = list(rows);
    let etag = load::etag(served.address, &path).await;
    let list = Target::of(&path);
    let fixed = Target::of(&serve::same(rows));
    let known = Target::of(&path).knowing(&etag);
    let mut loads = [Load::default(), Load::default(), Load::default()];
    for _ in 0..TURNS {
        for (load, target) in loads.iter_mut().zip([&list, &fixed, &known]) {
            load.add(load::run(served.address, target, connections, LASTS).await);
        }
    }
    let [list, fixed, known] = &loads;
    println!(
        "{what:<44} {:>9.0} {:>9.0} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
        list.per_second(),
        fixed.per_second(),
        list.per_second() / fixed.per_second(),
        known.per_second() / list.per_second(),
        list.percentile(50),
        list.percentile(99)
    );
    list.per_second()
}

/// What else is asked of many jobs.
async fn others(served: &Served) {
    println!(
        "\n{:<44} {:>9} {:>9} {:>9}",
        format!("beside it, {MANY} jobs"),
        "per s",
        "p50 ms",
        "p99 ms"
    );
    // Each question is a new one, so that none is answered from what was made for another.
    for (what, path) in [
        (
            "filter: failed",
            "/api/blast/jobs?limit=50&status=failed&cursor=9999999999999.x{n}",
        ),
        (
            "filter: database",
            "/api/blast/jobs?limit=50&database=database_3&cursor=9999999999999.x{n}",
        ),
        (
            "search in titles, few found",
            "/api/blast/jobs?limit=50&q=9{n}1",
        ),
        (
            "search in titles, all found",
            "/api/blast/jobs?limit=50&q=search&cursor=9999999999999.x{n}",
        ),
        (
            "search in titles, none found",
            "/api/blast/jobs?limit=50&q=nothing-has-this-{n}",
        ),
        (
            "by title",
            "/api/blast/jobs?limit=50&sort=title&cursor=1.x{n}",
        ),
        (
            "by runtime",
            "/api/blast/jobs?limit=50&sort=runtime&cursor=1.x{n}",
        ),
        ("page of the list, rendered", "/jobs"),
        ("page of the list, rendered, brotli", "/jobs#br"),
    ] {
        let target = match path.strip_suffix("#br") {
            Some(path) => Target::of(path).compressed(),
            None => Target::of(path),
        };
        let mut load = Load::default();
        for _ in 0..TURNS {
            load.add(load::run(served.address, &target, USUAL, LASTS).await);
        }
        println!(
            "{what:<44} {:>9.0} {:>9.2} {:>9.2}   {} bytes",
            load.per_second(),
            load.percentile(50),
            load.percentile(99),
            load.bytes
        );
    }
    println!();
}

async fn events() {
    let served = Served::start(SIZES[0], 0).await;
    let before = served.resident();
    let readers = readers::Readers::open(served.address, READERS).await;
    let each = served.resident().saturating_sub(before) as f64 / READERS as f64;
    println!(
        "\nevent stream, {READERS} readers: {:.1} KB of memory each",
        each / 1e3
    );
    let told = readers.told(served.address, CHANGES).await;
    println!(
        "a change until it is with a reader, {CHANGES} changes: p50 {:.1} ms, p99 {:.1} ms; with the last of all p50 {:.1} ms",
        told.percentile(50),
        told.percentile(99),
        told.last(50)
    );
}
