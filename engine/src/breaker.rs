//! A breaker: what does not answer is left alone for a moment, and its state can be seen.
//!
//! Owns, for one dependency, whether calls are let through and what became of the last ones. After a few
//! failures in a row calls fail at once, with the reason of the last one, until a single probe gets an
//! answer. A refusal is an answer: only silence and overload count.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use elb_core::time::Timestamp;

use crate::clock::Clock;

/// Failures in a row after which calls are held back (ours: more than one call's own tries).
const TOLERATED: u32 = 4;
/// How long they are held back before one is let through as a probe: short, so that an outage's end is
/// noticed within seconds (ours).
const PAUSE: Duration = Duration::from_secs(2);
/// How long a probe may take before another one is let through.
const PROBE: Duration = Duration::from_secs(15);

/// What a breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// One call, to see whether an answer comes.
    Probing,
    /// Nothing, for a moment.
    Open,
}

impl BreakerState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Probing => "probing",
            Self::Open => "open",
        }
    }
}

/// A breaker as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerReport {
    /// The dependency.
    pub name: &'static str,
    /// What is let through.
    pub state: BreakerState,
    /// When an answer last came.
    pub last_answer: Option<Timestamp>,
    /// When none came last, and why.
    pub last_failure: Option<(Timestamp, String)>,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that were not.
    pub failed: u64,
    /// Calls that were held back.
    pub held_back: u64,
}

#[derive(Debug, Default)]
struct Inner {
    in_a_row: u32,
    /// Until when calls are held back, on the clock that cannot be set.
    until: Option<Duration>,
    last_answer: Option<Timestamp>,
    last_failure: Option<(Timestamp, String)>,
    answered: u64,
    failed: u64,
    held_back: u64,
}

/// The breaker of one dependency. Clones are the same breaker.
#[derive(Clone)]
pub struct Breaker {
    name: &'static str,
    clock: Arc<dyn Clock>,
    inner: Arc<Mutex<Inner>>,
}

impl std::fmt::Debug for Breaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Breaker")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(name: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self {
            name,
            clock,
            inner: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call may go out.
    ///
    /// # Errors
    /// Why not: the last failure.
    pub fn admit(&self) -> Result<(), String> {
        let now = self.clock.elapsed();
        let mut inner = self.lock();
        match inner.until {
            Some(until) if now < until => {
                inner.held_back += 1;
                let reason = inner
                    .last_failure
                    .as_ref()
                    .map_or("", |(_, reason)| reason.as_str());
                Err(reason.to_owned())
            }
            Some(_) => {
                // This call is the probe; others wait for what becomes of it.
                inner.until = Some(now + PROBE);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// An answer came, whatever it says.
    pub fn answered(&self) {
        let now = self.clock.now();
        let mut inner = self.lock();
        if inner.until.take().is_some() {
            tracing::info!(dependency = self.name, "answers again");
        }
        inner.in_a_row = 0;
        inner.answered += 1;
        inner.last_answer = Some(now);
    }

    /// No answer came, or the dependency is overloaded; `rest` is how long it asked to be left alone.
    pub fn failed(&self, reason: &str, rest: Option<Duration>) {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let mut inner = self.lock();
        inner.in_a_row = inner.in_a_row.saturating_add(1);
        inner.failed += 1;
        inner.last_failure = Some((now, reason.to_owned()));
        if inner.in_a_row < TOLERATED && inner.until.is_none() {
            return;
        }
        if inner.in_a_row == TOLERATED {
            tracing::warn!(
                dependency = self.name,
                reason,
                "does not answer; calls are held back for a moment"
            );
        }
        inner.until = Some(elapsed + rest.unwrap_or(PAUSE).max(PAUSE).min(PROBE));
    }

    /// As it is shown.
    #[must_use]
    pub fn report(&self) -> BreakerReport {
        let now = self.clock.elapsed();
        let inner = self.lock();
        let state = match inner.until {
            None => BreakerState::Closed,
            Some(until) if now < until => BreakerState::Open,
            Some(_) => BreakerState::Probing,
        };
        BreakerReport {
            name: self.name,
            state,
            last_answer: inner.last_answer,
            last_failure: inner.last_failure.clone(),
            answered: inner.answered,
            failed: inner.failed,
            held_back: inner.held_back,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::clock::ManualClock;

    fn broken() -> (ManualClock, Breaker) {
        let clock = ManualClock::at(0);
        let breaker = Breaker::new("tables", Arc::new(clock.clone()));
        for _ in 0..TOLERATED {
            breaker.admit().unwrap();
            breaker.failed("no connection", None);
        }
        (clock, breaker)
    }

    #[test]
    fn a_few_failures_in_a_row_open_it_and_the_reason_is_told() {
        let (_, breaker) = broken();
        assert_eq!(breaker.admit(), Err("no connection".to_owned()));
        let report = breaker.report();
        assert_eq!(report.state, BreakerState::Open);
        assert_eq!((report.failed, report.held_back), (u64::from(TOLERATED), 1));
    }

    #[test]
    fn an_answer_between_failures_keeps_it_closed() {
        let breaker = Breaker::new("tables", Arc::new(ManualClock::at(0)));
        for _ in 0..TOLERATED * 3 {
            breaker.failed("slow", None);
            breaker.answered();
        }
        assert_eq!(breaker.report().state, BreakerState::Closed);
    }

    #[test]
    fn one_probe_goes_out_at_a_time_and_its_answer_closes_it() {
        let (clock, breaker) = broken();
        clock.pass(PAUSE);
        assert_eq!(breaker.report().state, BreakerState::Probing);
        breaker.admit().unwrap();
        breaker.admit().unwrap_err();
        breaker.failed("no connection", None);
        breaker.admit().unwrap_err();
        clock.pass(PAUSE);
        breaker.admit().unwrap();
        breaker.answered();
        breaker.admit().unwrap();
        breaker.admit().unwrap();
        assert_eq!(breaker.report().state, BreakerState::Closed);
    }

    #[test]
    fn a_probe_that_never_ends_does_not_close_the_way_for_good() {
        let (clock, breaker) = broken();
        clock.pass(PAUSE);
        breaker.admit().unwrap();
        clock.pass(PROBE);
        breaker.admit().unwrap();
    }

    #[test]
    fn a_dependency_that_asks_for_rest_gets_it() {
        let (clock, breaker) = broken();
        clock.pass(PAUSE);
        breaker.admit().unwrap();
        breaker.failed("throttled", Some(Duration::from_secs(10)));
        clock.pass(Duration::from_secs(9));
        breaker.admit().unwrap_err();
        clock.pass(Duration::from_secs(1));
        breaker.admit().unwrap();
    }
}
