//! Signs of life of work that no process and no file of the work folder shows.
//!
//! Owns when each job's results were last moved on by this process. Copying a large archive to a slow
//! store takes long and changes nothing in the work folder; it is at work all the same.

use std::{
    collections::HashMap,
    io::Read,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::lease::Member;

/// The pulse of one job.
#[derive(Clone)]
pub(super) struct Pulse {
    last_ms: Arc<AtomicU64>,
    member: Member,
}

impl Pulse {
    /// Something has moved.
    pub(super) fn beat(&self) {
        let now = u64::try_from(self.member.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now, Ordering::Relaxed);
    }

    fn silent_for(&self) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.member.elapsed().saturating_sub(last)
    }
}

/// A reader that beats with each piece.
pub(super) struct Beating<R> {
    pub(super) inner: R,
    pub(super) pulse: Pulse,
}

impl<R: Read> Read for Beating<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.pulse.beat();
        self.inner.read(buffer)
    }
}

/// The pulses of all jobs at work here.
#[derive(Default)]
pub(super) struct Pulses {
    jobs: Mutex<HashMap<String, Pulse>>,
}

impl Pulses {
    /// A pulse for a job, which beats for the first time.
    pub(super) fn begin(&self, job_id: &str, member: &Member) -> Pulse {
        let pulse = Pulse {
            last_ms: Arc::default(),
            member: member.clone(),
        };
        pulse.beat();
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.insert(job_id.to_owned(), pulse.clone());
        pulse
    }

    /// How long ago a job's results moved on; `None` if nothing of the kind is under way.
    pub(super) fn silent_for(&self, job_id: &str) -> Option<Duration> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.get(job_id).map(Pulse::silent_for)
    }

    /// The job has nothing more to move.
    pub(super) fn end(&self, job_id: &str) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.remove(job_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::ManualClock, lease::LeaseTerms};

    #[test]
    fn a_pulse_is_silent_since_its_last_beat_and_gone_at_its_end() {
        let clock = ManualClock::at(0);
        let member = Member::new(LeaseTerms::Alone, Arc::new(clock.clone()));
        let pulses = Pulses::default();
        assert_eq!(pulses.silent_for("job"), None);
        let pulse = pulses.begin("job", &member);
        clock.pass(Duration::from_secs(700));
        assert_eq!(pulses.silent_for("job"), Some(Duration::from_secs(700)));
        pulse.beat();
        assert_eq!(pulses.silent_for("job"), Some(Duration::ZERO));
        pulses.end("job");
        assert_eq!(pulses.silent_for("job"), None);
    }
}
