//! What the engine and this server have in hand at the moment of the question.
//!
//! Owns the counts that are made anew for each question; what is registered here lives no longer.

use std::sync::atomic::AtomicU64;

use elb_core::phase::Status;
use elb_engine::{
    breaker::{BreakerReport, BreakerState},
    cache::CacheReport,
};
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::state::AppState;

/// States of a breaker, each a line of its own.
const STATES: [BreakerState; 3] = [
    BreakerState::Closed,
    BreakerState::Probing,
    BreakerState::Open,
];

type Labels = Vec<(&'static str, &'static str)>;
type Number = Gauge<f64, AtomicU64>;
type Numbers = Family<Labels, Number>;
type Counts = Family<Labels, Counter>;

/// Adds what is in hand.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and sizes stay far below 2^53"
)]
pub fn register(registry: &mut Registry, state: &AppState) {
    let load = state.service.load();

    let jobs = Numbers::default();
    for status in Status::LISTED {
        set(
            &jobs,
            &[("status", status.as_str())],
            load.totals.of(status) as f64,
        );
    }
    registry.register("jobs", "Listed searches of everyone, by status", jobs);
    let active = Numbers::default();
    for (phase, count) in &load.phases {
        set(&active, &[("phase", phase.as_str())], *count as f64);
    }
    registry.register(
        "active_jobs",
        "Searches that have not ended, by phase",
        active,
    );
    one(
        registry,
        "unreadable_jobs",
        "Stored searches that cannot be read and are missing from the list",
        load.unreadable as f64,
    );
    one(
        registry,
        "list_revision",
        "Revision of the list: one more with each change",
        load.revision as f64,
    );
    one(
        registry,
        "list_stale",
        "1 if the list is older than a list may be, because the store is away",
        f64::from(u8::from(load.fresh.stale.is_some())),
    );
    one_of(
        registry,
        "list_age",
        "How long ago every write of any server was known to be in the list",
        Unit::Seconds,
        load.age_ms as f64 / 1_000.0,
    );
    one(
        registry,
        "event_readers",
        "Readers of the event stream",
        load.readers as f64,
    );
    breakers(registry, &load.breakers);
    caches(registry, &load.caches);

    let backlog = state.service.audit_backlog();
    one(
        registry,
        "audit_waiting",
        "Records of the audit log that could not be stored yet",
        backlog.waiting as f64,
    );
    let lost = Counter::<u64>::default();
    lost.inc_by(backlog.lost);
    registry.register(
        "audit_lost",
        "Records of the audit log that could not be kept",
        lost,
    );

    let (taken, places) = (Numbers::default(), Numbers::default());
    for kind in state.limits.in_use() {
        set(&taken, &[("kind", kind.name)], kind.taken as f64);
        set(&places, &[("kind", kind.name)], kind.places as f64);
    }
    registry.register(
        "requests_at_work",
        "Requests that are being answered, by kind",
        taken,
    );
    registry.register(
        "request_places",
        "Requests that are answered at once at most, by kind",
        places,
    );

    if let Some(process) = Process::read() {
        one_of(
            registry,
            "process_resident_memory",
            "Memory of this process",
            Unit::Bytes,
            process.resident_bytes as f64,
        );
        one(
            registry,
            "process_open_fds",
            "Open files and connections of this process",
            process.open_files as f64,
        );
    }
}

fn breakers(registry: &mut Registry, reports: &[BreakerReport]) {
    let (states, calls) = (Numbers::default(), Counts::default());
    for report in reports {
        for state in STATES {
            let labels = [("dependency", report.name), ("state", state.as_str())];
            set(&states, &labels, f64::from(u8::from(state == report.state)));
        }
        let outcomes = [
            ("answered", report.answered),
            ("failed", report.failed),
            ("held_back", report.held_back),
        ];
        for (outcome, count) in outcomes {
            let labels = vec![("dependency", report.name), ("outcome", outcome)];
            calls.get_or_create(&labels).inc_by(count);
        }
    }
    registry.register(
        "upstream_breaker",
        "1 for the state that the breaker of a dependency is in",
        states,
    );
    registry.register(
        "upstream_calls",
        "Calls to a dependency, by what became of them",
        calls,
    );
}

fn caches(registry: &mut Registry, reports: &[CacheReport]) {
    let (lookups, fetches, evicted) = (Counts::default(), Counts::default(), Counts::default());
    for CacheReport { name, statistics } in reports {
        let tell = |counts: &Counts, outcome, count| {
            let labels = vec![("cache", *name), ("outcome", outcome)];
            counts.get_or_create(&labels).inc_by(count);
        };
        for (outcome, count) in [
            ("hit", statistics.hits),
            ("fetched", statistics.misses),
            ("waited", statistics.waits),
            ("old_given", statistics.old_given),
            ("failure_given", statistics.failures_given),
            ("gave_up", statistics.gave_up),
            ("busy", statistics.busy),
        ] {
            tell(&lookups, outcome, count);
        }
        for (outcome, count) in [
            ("failed", statistics.failures),
            ("dead_leader", statistics.dead_leaders),
            ("superseded", statistics.superseded),
        ] {
            tell(&fetches, outcome, count);
        }
        let labels = vec![("cache", *name)];
        evicted.get_or_create(&labels).inc_by(statistics.evicted);
    }
    registry.register(
        "cache_lookups",
        "Questions to what is kept of others' answers, by how they were answered",
        lookups,
    );
    registry.register(
        "cache_fetches_lost",
        "Fetches of a cache that brought nothing, by what became of them",
        fetches,
    );
    registry.register(
        "cache_evicted",
        "Answers that were forgotten because there were too many",
        evicted,
    );
}

fn set(numbers: &Numbers, labels: &[(&'static str, &'static str)], value: f64) {
    numbers.get_or_create(&labels.to_vec()).set(value);
}

fn one(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let number = Number::default();
    number.set(value);
    registry.register(name, help, number);
}

fn one_of(registry: &mut Registry, name: &str, help: &str, unit: Unit, value: f64) {
    let number = Number::default();
    number.set(value);
    registry.register_with_unit(name, help, unit, number);
}

/// What the kernel says of this process.
struct Process {
    resident_bytes: u64,
    open_files: usize,
}

impl Process {
    /// `None` where the kernel does not tell it in this way.
    fn read() -> Option<Self> {
        let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
        let resident: u64 = pages.split_ascii_whitespace().nth(1)?.parse().ok()?;
        let page = u64::try_from(rustix::param::page_size()).ok()?;
        let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
        Some(Self {
            resident_bytes: resident * page,
            // One of them is the folder that is being read.
            open_files: open.saturating_sub(1),
        })
    }
}
