//! Time, injected: the engine asks a [`Clock`] and never the machine.
//!
//! Owns the system's clock and one for tests that moves only when it is told to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use elb_core::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970, UTC. It can be set, forwards and backwards.
    fn now(&self) -> Timestamp;
    /// Time since some fixed point, on a clock that no one can set and that goes on while the machine
    /// is suspended. What has lasted how long is measured on it.
    fn elapsed(&self) -> Duration;
}

/// Any number, from the machine's randomness.
#[must_use]
pub fn chance() -> u64 {
    // The lower half of a random UUID: 62 of its 64 bits are random.
    uuid::Uuid::new_v4().as_u64_pair().1
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
        let ms = elapsed.map_or(0, |elapsed| elapsed.as_millis());
        Timestamp(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        Duration::new(seconds, nanos)
    }
}

/// A clock for tests: stands still until moved.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    ms: Arc<AtomicI64>,
    elapsed_ms: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock that shows `ms` milliseconds since 1970.
    #[must_use]
    pub fn at(ms: i64) -> Self {
        Self {
            ms: Arc::new(AtomicI64::new(ms)),
            elapsed_ms: Arc::default(),
        }
    }

    /// Sets the clock forwards or backwards; no time has passed.
    pub fn set_by(&self, ms: i64) {
        self.ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.elapsed_ms.fetch_add(ms, Ordering::SeqCst);
        self.set_by(i64::try_from(ms).unwrap_or(i64::MAX));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.ms.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms.load(Ordering::SeqCst))
    }
}
