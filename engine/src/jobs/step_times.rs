//! How long steps took, told once each by the process that wrote their end.
//!
//! Steps of searches of others are not told: nobody here saw them begin.

use std::{fmt, sync::OnceLock};

use elb_core::{
    job::Job,
    step::{Step, StepState},
};

/// Is told a step, how it ended, and how long it took, in ms.
pub type StepObserver = Box<dyn Fn(Step, StepState, u64) + Send + Sync>;

/// Whom to tell.
#[derive(Default)]
pub(super) struct StepTimes(OnceLock<StepObserver>);

impl fmt::Debug for StepTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StepTimes")
            .field(&self.0.get().is_some())
            .finish()
    }
}

impl StepTimes {
    pub fn watch(&self, observer: StepObserver) {
        // Another one would count everything twice.
        let _ = self.0.set(observer);
    }

    /// Tells the steps that have ended between two states of a job.
    pub fn tell(&self, before: &Job, after: &Job) {
        let Some(observer) = self.0.get().filter(|_| after.followed().is_none()) else {
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
    use std::sync::{Arc, Mutex};

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
        let message = "x".to_owned();
        let code = elb_core::error_code::ErrorCode::Internal;
        enter(Event::Failed { code, message }, 2_250);
        let all = told.lock().unwrap().clone();
        assert_eq!(all[1..], [(Step::WarmingUp, StepState::Failed, 250)]);
    }
}
