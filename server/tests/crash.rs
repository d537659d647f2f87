//! The crash harness: the program itself is killed again and again under real work, and loses nothing.
//!
//! A real SQLite file or a table of the emulator, real BLAST+, real searches. Each life of the server ends by SIGKILL: at a named
//! point between two side effects, or at a random time. A client goes on as a client does: what was not
//! acknowledged is sent again under the same key. In the end everything that was acknowledged must be
//! there once and as asked, every result equal to that of an undisturbed run, and no invariant broken.
//!
//! `ELB_CRASH_KILLS` sets the number of kills (default 50), `ELB_CRASH_SEED` repeats a run's choices.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]
#![cfg(debug_assertions)]

#[path = "crash/chance.rs"]
mod chance;
#[path = "crash/client.rs"]
mod client;
#[path = "crash/follower.rs"]
mod follower;
#[path = "crash/kinds.rs"]
mod kinds;
#[path = "crash/life.rs"]
mod life;
#[path = "crash/processes.rs"]
mod processes;
#[path = "crash/report.rs"]
mod report;
#[path = "it/sequences.rs"]
mod sequences;
#[path = "crash/verdict.rs"]
mod verdict;
#[path = "crash/workload.rs"]
mod workload;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use elb_engine::crash::Point;

use chance::Chance;
use life::{End, Setting};
use report::Report;
use workload::World;

/// How long anything that must happen may take; far above what it takes.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// Kills, unless the environment says otherwise.
const KILLS: usize = 50;
/// Of the kills, how many of ten are at named points.
const AT_POINTS: usize = 8;
/// How many lives a point is given to be reached, for each kill that is wanted there.
const TRIES: usize = 4;
/// The longest wait for a kill at random, from the start of the process, in milliseconds.
const RANDOM_MS: u64 = 900;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// One run at a time: they would be in each other's way.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_loses_doubles_or_freezes_a_search() {
    let _turn = TURN.lock().await;
    run("sqlite:".to_owned()).await;
}

#[cfg(feature = "azure")]
#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_with_the_state_in_a_table() {
    let _turn = TURN.lock().await;
    let url = elb_testkit::Azurite::shared().table_url();
    run(format!(
        "azure-tables:{url}/crash{}",
        uuid::Uuid::new_v4().simple()
    ))
    .await;
}

async fn run(store: String) {
    let kills = number("ELB_CRASH_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    let seed = number("ELB_CRASH_SEED").unwrap_or_else(|| now_ms().unsigned_abs());
    println!("{kills} kills, ELB_CRASH_SEED={seed}");
    let chance = Chance::new(seed);
    let setting = Setting::make(store);
    let expected = kinds::undisturbed(&setting).await;
    let world = World::new(chance.clone());
    let watch = processes::Watch::over(setting.data());
    let mut report = Report::default();

    // In turns, so that each point meets what all the others have left behind.
    let each = kills * AT_POINTS / 10 / points().count();
    for _ in 0..each {
        for point in points() {
            kill_at(&setting, &world, &chance, &mut report, point).await;
        }
    }
    for _ in 0..TRIES {
        for point in points() {
            if report.at(point) < each {
                kill_at(&setting, &world, &chance, &mut report, point).await;
            }
        }
    }
    while report.kills() < kills {
        let after = Duration::from_millis(chance.below(RANDOM_MS));
        let end = life::live(&setting, &world, None, after).await;
        report.add(None, end);
    }

    let settled = verdict::settle(&setting, &world).await;
    let executions = watch.end();
    println!("{}", report.table(&settled));
    verdict::judge(&setting, &world, &expected, settled, executions).await;
    for point in points() {
        let there = report.at(point);
        assert!(there >= each, "only {there} kills at {}", point.as_str());
    }
}

/// Those that searches on this machine pass.
fn points() -> impl Iterator<Item = Point> {
    Point::ALL
        .into_iter()
        .filter(|point| !point.needs_cluster())
}

/// Lives until the server has been killed at the point.
async fn kill_at(
    setting: &Setting,
    world: &World,
    chance: &Chance,
    report: &mut Report,
    point: Point,
) {
    for _ in 0..TRIES {
        let passing = 1 + chance.below(workload::passings(point));
        let target = Some((point, passing));
        let end = life::live(setting, world, target, life::LONGEST).await;
        report.add(Some(point), end);
        if end == End::ByItself {
            return;
        }
    }
}
