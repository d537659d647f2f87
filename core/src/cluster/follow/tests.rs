use proptest::prelude::*;

use super::*;
use crate::{
    cluster::Failure,
    job::Found,
    search::{Program, SearchOptions, SearchSpec},
    step::StepState,
    time::Timestamp,
};

const NOON: Timestamp = Timestamp(1_764_158_400_000);

fn found() -> Job {
    let spec = SearchSpec {
        program: Program::Blastn,
        task: None,
        database: "nt".to_owned(),
        options: SearchOptions::default(),
    };
    let place = Found {
        cluster: "aks".to_owned(),
        namespace: "default".to_owned(),
    };
    Job::found("job-1", spec, NOON, "https://there/1".to_owned(), place)
}

fn batches(done: u32, total: u32) -> Batches {
    Batches {
        done,
        failed: 0,
        total,
    }
}

/// The job after each of the verdicts, a second apart.
fn after(verdicts: &[Verdict]) -> Job {
    let mut job = found();
    for (second, verdict) in (1_i64..).zip(verdicts) {
        for event in follow(&job, verdict) {
            job = job.apply(&event, NOON.plus_ms(second * 1_000)).unwrap();
        }
    }
    job
}

#[test]
fn a_search_is_followed_through_every_step_to_its_end() {
    let job = found();
    assert_eq!((job.phase, job.owner.as_str()), (Phase::StagingDb, ""));
    assert_eq!(
        job.step(Step::Configuring).unwrap().state,
        StepState::Skipped
    );
    let job = after(&[
        Verdict::Staging,
        Verdict::Accepted,
        Verdict::Searching(batches(0, 3)),
        Verdict::Searching(batches(2, 3)),
    ]);
    assert_eq!((job.phase, job.progress.percent()), (Phase::Running, 66));
    let job = after(&[
        Verdict::Searching(batches(2, 3)),
        Verdict::ResultsPending(batches(3, 3)),
        Verdict::Completed(batches(3, 3)),
    ]);
    assert_eq!((job.phase, job.outcome), (Phase::Completed, None));
    assert!(job.steps.iter().all(|record| record.state.is_passed()));
}

#[test]
fn one_that_had_ended_when_it_was_found_has_a_whole_timeline() {
    let job = after(&[Verdict::Completed(batches(2, 2))]);
    assert_eq!(job.phase, Phase::Completed);
    assert!(job.steps.iter().all(|record| record.finished_at.is_some()));
}

#[test]
fn what_was_seen_before_is_no_event_and_what_lies_behind_no_step_back() {
    let running = after(&[Verdict::Searching(batches(1, 2))]);
    for verdict in [
        Verdict::Searching(batches(1, 2)),
        Verdict::Staging,
        Verdict::Accepted,
        Verdict::Unseen,
        // Jobs that have ended are removed.
        Verdict::Searching(batches(0, 1)),
    ] {
        assert_eq!(follow(&running, &verdict), [], "{verdict:?}");
    }
}

#[test]
fn a_wait_has_its_reason_and_ends_where_it_began() {
    let held_up = |reason: &str| Verdict::HeldUp {
        reason: reason.to_owned(),
        since: NOON,
    };
    let waiting = after(&[Verdict::Accepted, held_up("no room")]);
    assert_eq!(waiting.phase, Phase::WaitingForCapacity);
    assert_eq!(waiting.waiting_reason(), Some("no room"));
    assert_eq!(follow(&waiting, &held_up("no room")), []);
    let on = after(&[Verdict::Accepted, held_up("no room"), Verdict::Staging]);
    assert_eq!(on.phase, Phase::Submitted);
    let on = after(&[
        Verdict::Searching(batches(1, 2)),
        held_up("no room"),
        Verdict::Searching(batches(1, 2)),
    ]);
    assert_eq!(on.phase, Phase::Running);
}

#[test]
fn one_that_is_gone_without_a_word_says_where_its_results_would_be() {
    let job = after(&[Verdict::Searching(batches(1, 2)), Verdict::Lost]);
    assert_eq!(job.phase, Phase::WorkerLost);
    let message = job.error.unwrap().message;
    assert!(
        message.contains("1 of 2") && message.contains("https://there/1"),
        "{message}"
    );
}

#[test]
fn nothing_moves_one_that_is_being_cancelled_or_has_ended() {
    let asked = Event::CancelAsked { delete: false };
    let cancelling = found().apply(&asked, NOON).unwrap();
    let ended = after(&[Verdict::Completed(batches(1, 1))]);
    for job in [cancelling, ended] {
        assert_eq!(follow(&job, &Verdict::Searching(batches(0, 1))), []);
        assert_eq!(follow(&job, &Verdict::Lost), []);
    }
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    let some = || (0_u32..4, 1_u32..4).prop_map(|(done, total)| batches(done.min(total), total));
    let failed = Verdict::Failed(Failure {
        code: ErrorCode::OutOfMemory,
        message: "too much".to_owned(),
        partial: false,
    });
    prop_oneof![
        Just(Verdict::Unseen),
        Just(Verdict::Suspended),
        "[ab]".prop_map(|reason| Verdict::HeldUp {
            reason,
            since: NOON
        }),
        Just(Verdict::Accepted),
        Just(Verdict::Staging),
        some().prop_map(Verdict::Searching),
        some().prop_map(Verdict::ResultsPending),
        some().prop_map(Verdict::Completed),
        Just(failed),
        Just(Verdict::Lost),
    ]
}

proptest! {
    #[test]
    fn whatever_is_seen_in_whatever_order_is_told_without_a_refusal(
        verdicts in proptest::collection::vec(any_verdict(), 0..12),
    ) {
        let job = after(&verdicts);
        // Told once more it has nothing to say.
        if let Some(last) = verdicts.last() {
            prop_assert_eq!(follow(&job, last), []);
        }
    }
}
