//! How long steps took, and which attempts have ended, told once each by the process that wrote their end.
//!
//! Those of searches of others are not told: nobody here saw them begin.

use std::{fmt, sync::OnceLock};

use elb_core::{
    job::Job,
    step::{Step, StepState},
};

/// Is told a step, how it ended, and how long it took, in ms.
pub type StepObserver = Box<dyn Fn(Step, StepState, u64) + Send + Sync>;

/// Is told a job whose attempt has ended.
pub type AttemptObserver = Box<dyn Fn(&Job) + Send + Sync>;

/// Whom to tell.
#[derive(Default)]
pub(super) struct StepTimes {
    steps: OnceLock<StepObserver>,
    attempts: OnceLock<AttemptObserver>,
}

impl fmt::Debug for StepTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepTimes")
            .field("steps", &self.steps.get().is_some())
            .field("attempts", &self.attempts.get().is_some())
            .finish()
    }
}

impl StepTimes {
    pub fn watch(&self, observer: StepObserver) {
        // Another one would count everything twice.
        let _ = self.steps.set(observer);
    }

    pub fn watch_attempts(&self, observer: AttemptObserver) {
        let _ = self.attempts.set(observer);
    }

    /// Tells what has ended between two states of a job: steps, and then the attempt.
    pub fn tell(&self, before: &Job, after: &Job) {
        if after.followed().is_some() {
            return;
        }
        self.tell_steps(before, after);
        let ended = before.phase.is_active() && !after.phase.is_active();
        if let Some(observer) = self.attempts.get().filter(|_| ended) {
            observer(after);
        }
    }

    fn tell_steps(&self, before: &Job, after: &Job) {
        let Some(observer) = self.steps.get() else {
            return;
        };
        let same_attempt = before.attempt == after.attempt;
        for (step, (was, is)) in Step::ALL.iter().zip(before.steps.iter().zip(&after.steps)) {
            let known = same_attempt && was.finished_at.is_some();
            let worked = !matches!(is.state, StepState::NotReached | StepState::Skipped);
            if let (false, true, Some(began), Some(ended)) =
                (known, worked, is.started_at, is.finished_at)
            {
                observer(*step, is.state, ended.since(began));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use elb_core::{
        phase::Phase,
        search::{Program, SearchOptions, SearchSpec},
        time::Timestamp,
        transition::Event,
    };

    use super::*;

    #[test]
    fn each_step_is_told_once_when_it_ends() {
        let told: Arc<Mutex<Vec<(Step, StepState, u64)>>> = Arc::default();
        let times = StepTimes::default();
        let sink = Arc::clone(&told);
        times.watch(Box::new(move |step, state, ms| {
            sink.lock().unwrap().push((step, state, ms));
        }));
        let ended: Arc<AtomicUsize> = Arc::default();
        let count = Arc::clone(&ended);
        times.watch_attempts(Box::new(move |job| {
            assert_eq!(job.phase, Phase::Failed);
            count.fetch_add(1, Ordering::Relaxed);
        }));
        let spec = SearchSpec {
            program: Program::Blastn,
            task: None,
            database: "genes".to_owned(),
            options: SearchOptions::default(),
        };
        let title = "t".to_owned();
        let mut job = Job::new(
            "j".to_owned(),
            "me".to_owned(),
            title,
            spec,
            Timestamp(1_000),
        );
        let mut enter = |event: Event, at: i64| {
            let next = job.apply(&event, Timestamp(at)).unwrap();
            times.tell(&job, &next);
            job = next;
        };
        enter(
            Event::Enter {
                phase: Phase::Preparing,
            },
            1_500,
        );
        assert!(told.lock().unwrap().is_empty());
        enter(
            Event::Enter {
                phase: Phase::WarmingUp,
            },
            2_000,
        );
        let first = told.lock().unwrap().clone();
        assert_eq!(first.len(), 1, "{first:?}");
        assert_eq!((first[0].0, first[0].1), (Step::Preparing, StepState::Done));
        assert_eq!(ended.load(Ordering::Relaxed), 0);
        let message = "x".to_owned();
        let code = elb_core::error_code::ErrorCode::Internal;
        enter(Event::Failed { code, message }, 2_250);
        assert_eq!(ended.load(Ordering::Relaxed), 1, "the attempt, once");
        let all = told.lock().unwrap().clone();
        assert_eq!(all[1..], [(Step::WarmingUp, StepState::Failed, 250)]);
    }
}
