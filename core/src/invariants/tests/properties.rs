//! Whatever happens to a job through `Job::apply` breaks nothing.

use proptest::prelude::*;

use super::{
    super::{Circumstances, check_job},
    story::{ENGINE, PERSON, Story},
};
use crate::{
    error_code::ErrorCode,
    job::{Outcome, Progress},
    phase::Phase,
    step::Step,
    time::Timestamp,
    transition::Event,
};

/// An event, and whether it is a person's wish; phases are mostly the next ones, so that jobs get far.
fn any_event() -> impl Strategy<Value = (Event, &'static str)> {
    let phase = || prop::sample::select(Phase::ALL.to_vec());
    let engine = |event: Event| (event, ENGINE);
    let person = |event: Event| (event, PERSON);
    prop_oneof![
        8 => phase().prop_map(move |phase| engine(Event::Enter { phase })),
        3 => phase().prop_map(move |phase| engine(Event::Wait { phase, reason: "because".to_owned() })),
        3 => prop::sample::select(Step::ALL.to_vec()).prop_map(move |step| {
            engine(Event::Skip { step, reason: "not needed".to_owned() })
        }),
        1 => (0_u32..5).prop_map(move |done| engine(Event::Progressed {
            progress: Progress { batches_done: done, batches_total: 4, letters_done: done.into(), letters_total: 4 },
        })),
        2 => Just(engine(Event::Completed { outcome: Outcome::default() })),
        1 => prop::sample::select(ErrorCode::ALL.to_vec()).prop_map(move |code| {
            engine(Event::Failed { code, message: "x".to_owned() })
        }),
        1 => Just(engine(Event::RetryPlanned {
            code: ErrorCode::TemporarilyUnavailable,
            message: "x".to_owned(),
            not_before: Timestamp(2_000),
        })),
        1 => any::<bool>().prop_map(move |delete| person(Event::CancelAsked { delete })),
        2 => Just(engine(Event::CancelObserved)),
        2 => Just(engine(Event::CancelledAndDeleted { keep_until: Timestamp(0) })),
        1 => Just(engine(Event::CancelHindered { reason: "still there".to_owned() })),
        2 => Just(person(Event::RetryAsked)),
        1 => Just(person(Event::Deleted { keep_until: Timestamp(0) })),
        2 => Just(person(Event::RestoreAsked)),
        1 => Just(engine(Event::ObjectsRemoved)),
        1 => Just(engine(Event::OutOfSight { reason: "away".to_owned() })),
        1 => Just(engine(Event::InSight)),
        1 => Just(engine(Event::Noted { note: "taken over".to_owned() })),
        1 => Just(engine(Event::Warned { text: "w".to_owned() })),
    ]
}

/// The way through the phases, on which random events are strewn.
const WAY: [Phase; 7] = [
    Phase::Preparing,
    Phase::WarmingUp,
    Phase::Configuring,
    Phase::StagingDb,
    Phase::Submitting,
    Phase::Running,
    Phase::ExportingResults,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_sequence_of_events_breaks_an_invariant(
        events in prop::collection::vec((any_event(), any::<bool>(), -20_i64..50), 0..80),
        kept_ms in 0_i64..200,
    ) {
        let mut story = Story::submitted("job-1", 1_000);
        for ((event, actor), forward, step) in events {
            // The machine's clock may go back.
            story.now += step;
            if forward {
                let next = WAY.iter().find(|phase| {
                    story.job.job.apply(&Event::Enter { phase: **phase }, Timestamp(story.now)).is_ok()
                });
                if let Some(phase) = next {
                    story.try_event(&Event::Enter { phase: *phase }, ENGINE).unwrap();
                }
            }
            let event = match event {
                Event::Deleted { .. } => Event::Deleted { keep_until: Timestamp(story.now + kept_ms) },
                Event::CancelledAndDeleted { .. } => Event::CancelledAndDeleted { keep_until: Timestamp(story.now + kept_ms) },
                other => other,
            };
            // The engine removes objects only when their time is over.
            let early = story.job.job.deletion.is_some_and(|kept| kept.keep_until.0 > story.now);
            if !(early && event == Event::ObjectsRemoved) {
                let _ = story.try_event(&event, actor);
            }
            if forward && story.now % 7 == 0 {
                // Another process takes the job over.
                story.job.epoch += 1;
            }
            let circumstances = Circumstances { now: Timestamp(story.now), ..Circumstances::default() };
            prop_assert_eq!(check_job(&story.job, &circumstances), [], "after {:?}", event);
        }
    }
}
