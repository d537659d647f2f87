//! Properties of the state machine over any sequence of events.

use proptest::prelude::*;

use super::*;

fn any_phase() -> impl Strategy<Value = Phase> {
    prop::sample::select(Phase::ALL.to_vec())
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => any_phase().prop_map(|phase| Event::Enter { phase }),
        2 => any_phase().prop_map(|phase| Event::Wait { phase, reason: "because".into() }),
        2 => prop::sample::select(Step::ALL.to_vec())
            .prop_map(|step| Event::Skip { step, reason: "not needed".into() }),
        1 => (0_u32..5).prop_map(|done| Event::Progressed {
            progress: Progress { batches_done: done, batches_total: 4, letters_done: done.into(), letters_total: 4 },
        }),
        1 => Just(Event::Completed { outcome: Outcome::default() }),
        1 => Just(Event::Failed { code: ErrorCode::Internal, message: "x".into() }),
        1 => any::<bool>().prop_map(|delete| Event::CancelAsked { delete }),
        1 => Just(Event::CancelObserved),
        1 => Just(Event::RetryAsked),
        1 => Just(deleted_at(1_030)),
        1 => Just(Event::CancelledAndDeleted { keep_until: Timestamp(2_000) }),
        1 => Just(Event::RestoreAsked),
        1 => Just(Event::ObjectsRemoved),
        1 => Just(Event::CancelHindered { reason: "still there".into() }),
        1 => Just(Event::OutOfSight { reason: "away".into() }),
        1 => Just(Event::InSight),
        1 => Just(Event::Parts { step: Step::Submitting, parts: Vec::new() }),
        1 => Just(Event::Noted { note: "taken over".into() }),
        1 => Just(Event::RetryPlanned {
            code: ErrorCode::TemporarilyUnavailable,
            message: "x".into(),
            not_before: Timestamp(2_000),
        }),
        1 => Just(Event::Warned { text: "w".into() }),
    ]
}

/// What must hold of every job that any sequence of events can produce.
fn assert_sound(job: &Job) {
    let open: Vec<&StepRecord> = job
        .steps
        .iter()
        .filter(|record| record.state.is_open())
        .collect();
    assert!(open.len() <= 1, "two steps are open");
    assert_eq!(job.steps.len(), 8);
    if !job.phase.is_active() {
        assert!(open.is_empty(), "an end with an open step");
    }
    if !job.phase.is_active() && job.phase != Phase::Deleted {
        assert!(job.completed_at.is_some());
    }
    assert_eq!(
        job.error.is_some() && job.phase != Phase::Deleted,
        job.phase.status() == crate::phase::Status::Failed
    );
    let mut reached_end = false;
    let mut last = Timestamp(0);
    for record in &job.steps {
        assert_eq!(
            record.started_at.is_some(),
            record.state != StepState::NotReached
        );
        if let (Some(start), Some(end)) = (record.started_at, record.finished_at) {
            assert!(start <= end && start >= last, "steps overlap");
            last = end;
        }
        if reached_end {
            assert_eq!(
                record.state,
                StepState::NotReached,
                "a step after the last reached one"
            );
        }
        reached_end = reached_end || !record.state.is_passed();
    }
}

proptest! {
    #[test]
    fn no_sequence_of_events_breaks_a_job(events in prop::collection::vec((any_event(), 0_i64..50), 0..60)) {
        let mut job = queued();
        let mut now = 1_000;
        for (event, step) in events {
            now += step;
            let before = job.clone();
            if let Ok(next) = job.apply(&event, Timestamp(now)) {
                let by_a_person = matches!(
                    event,
                    Event::RetryAsked | Event::Deleted { .. } | Event::RestoreAsked | Event::ObjectsRemoved
                );
                prop_assert!(before.phase.is_active() || by_a_person, "an end was left by {event:?}");
                job = next;
            }
            assert_sound(&job);
        }
    }

    #[test]
    fn a_job_without_an_error_can_always_be_cancelled_and_then_deleted(events in prop::collection::vec(any_event(), 0..30)) {
        let mut job = queued();
        for event in events {
            job = job.apply(&event, Timestamp(2_000)).unwrap_or(job);
        }
        if job.phase.is_active() {
            job = job.apply(&Event::CancelAsked { delete: true }, Timestamp(3_000)).unwrap();
            let gone = Event::CancelledAndDeleted { keep_until: Timestamp(9_000) };
            job = job.apply(&gone, Timestamp(3_000)).unwrap();
        }
        if job.phase != Phase::Deleted {
            job = job.apply(&deleted_at(3_000), Timestamp(3_000)).unwrap();
        }
        prop_assert_eq!(job.phase, Phase::Deleted);
    }
}
