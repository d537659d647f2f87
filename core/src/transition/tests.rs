//! Sentences about the state machine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::search::{Program, SearchOptions, SearchSpec};
use crate::step::PartKey;

mod properties;

fn queued() -> Job {
    Job::new(
        "job-1".into(),
        "local".into(),
        "a search".into(),
        SearchSpec {
            program: Program::Blastn,
            task: None,
            database: "16S".into(),
            options: SearchOptions::default(),
        },
        Timestamp(1_000),
    )
}

/// A delete that can be undone for a second.
fn deleted_at(at: i64) -> Event {
    Event::Deleted {
        keep_until: Timestamp(at + 1_000),
    }
}

fn enter(job: &Job, phase: Phase, at: i64) -> Job {
    job.apply(&Event::Enter { phase }, Timestamp(at)).unwrap()
}

fn skip(job: &Job, step: Step, at: i64) -> Job {
    let event = Event::Skip {
        step,
        reason: "already there".into(),
    };
    job.apply(&event, Timestamp(at)).unwrap()
}

fn searching() -> Job {
    let mut job = enter(&queued(), Phase::Preparing, 2_000);
    job = enter(&job, Phase::WarmingUp, 2_010);
    job = enter(&job, Phase::Configuring, 2_020);
    job = skip(&job, Step::StagingDb, 2_020);
    job = enter(&job, Phase::Submitting, 2_030);
    job = enter(&job, Phase::Submitted, 2_040);
    enter(&job, Phase::Running, 2_050)
}

fn completed() -> Job {
    let job = enter(&searching(), Phase::ExportingResults, 9_000);
    let event = Event::Completed {
        outcome: Outcome::default(),
    };
    job.apply(&event, Timestamp(9_500)).unwrap()
}

#[test]
fn a_completed_job_has_all_eight_steps_done_or_skipped_with_both_times() {
    let job = completed();
    assert_eq!(job.phase, Phase::Completed);
    assert_eq!(job.completed_at, Some(Timestamp(9_500)));
    for record in &job.steps {
        assert!(record.state.is_passed(), "{:?}", record.key);
        assert!(record.started_at <= record.finished_at && record.started_at.is_some());
    }
}

#[test]
fn a_step_that_took_no_time_is_recorded_all_the_same() {
    let job = skip(
        &enter(
            &enter(&enter(&queued(), Phase::Preparing, 5), Phase::WarmingUp, 5),
            Phase::Configuring,
            5,
        ),
        Step::StagingDb,
        5,
    );
    let record = job.step(Step::StagingDb).unwrap();
    assert_eq!(record.state, StepState::Skipped);
    assert_eq!(record.duration_ms(Timestamp(99)), Some(0));
    assert_eq!(record.reason.as_deref(), Some("already there"));
}

#[test]
fn skipped_and_not_reached_are_never_the_same_after_a_failure() {
    let event = Event::Failed {
        code: ErrorCode::BlastFailed,
        message: "exit 3".into(),
    };
    let job = searching().apply(&event, Timestamp(8_000)).unwrap();
    let states: Vec<StepState> = job.steps.iter().map(|record| record.state).collect();
    assert_eq!(states[Step::StagingDb.index()], StepState::Skipped);
    assert_eq!(states[Step::Running.index()], StepState::Failed);
    assert_eq!(
        states[Step::ExportingResults.index()],
        StepState::NotReached
    );
    assert_eq!(states[Step::Completed.index()], StepState::NotReached);
    assert_eq!(job.error.unwrap().step, Step::Running);
}

#[test]
fn a_step_cannot_be_jumped_over() {
    let job = enter(&queued(), Phase::Preparing, 2_000);
    assert!(
        job.apply(
            &Event::Enter {
                phase: Phase::Running
            },
            Timestamp(3_000)
        )
        .is_err()
    );
}

#[test]
fn a_job_does_not_go_back_to_an_earlier_phase() {
    let job = searching();
    for phase in [Phase::Preparing, Phase::Submitting, Phase::Submitted] {
        assert!(
            job.apply(&Event::Enter { phase }, Timestamp(3_000))
                .is_err()
        );
    }
    let wait = Event::Wait {
        phase: Phase::Queued,
        reason: "again".into(),
    };
    assert!(job.apply(&wait, Timestamp(3_000)).is_err());
}

#[test]
fn waiting_is_told_apart_from_working_in_the_time_of_a_step() {
    let mut job = queued();
    job = enter(&job, Phase::Preparing, 4_000);
    job = enter(&job, Phase::WarmingUp, 4_500);
    let record = job.step(Step::Preparing).unwrap();
    assert_eq!(record.waited_ms, 3_000);
    assert_eq!(record.duration_ms(Timestamp(0)), Some(3_500));
}

#[test]
fn a_changed_reason_does_not_restart_the_wait() {
    let wait = |reason: &str| Event::Wait {
        phase: Phase::Queued,
        reason: reason.into(),
    };
    let job = queued().apply(&wait("3 ahead"), Timestamp(2_000)).unwrap();
    let job = job.apply(&wait("2 ahead"), Timestamp(3_000)).unwrap();
    let job = enter(&job, Phase::Preparing, 5_000);
    assert_eq!(job.step(Step::Preparing).unwrap().waited_ms, 4_000);
}

#[test]
fn a_late_writer_cannot_move_a_cancelled_or_deleted_job() {
    let cancelled = searching()
        .apply(&Event::CancelAsked { delete: false }, Timestamp(3_000))
        .unwrap()
        .apply(&Event::CancelObserved, Timestamp(3_100))
        .unwrap();
    assert_eq!(
        cancelled.step(Step::Running).unwrap().state,
        StepState::Cancelled
    );
    let deleted = cancelled
        .apply(&deleted_at(3_200), Timestamp(3_200))
        .unwrap();
    for job in [cancelled, deleted] {
        for phase in Phase::ALL {
            assert!(
                job.apply(&Event::Enter { phase }, Timestamp(4_000))
                    .is_err()
            );
        }
        let event = Event::Completed {
            outcome: Outcome::default(),
        };
        assert!(job.apply(&event, Timestamp(4_000)).is_err());
    }
}

#[test]
fn an_active_job_cannot_become_a_tombstone_without_being_stopped() {
    assert!(
        searching()
            .apply(&deleted_at(3_000), Timestamp(3_000))
            .is_err()
    );
}

#[test]
fn a_retry_is_a_new_attempt_that_keeps_the_old_timeline() {
    let event = Event::Failed {
        code: ErrorCode::DiskFull,
        message: "no space".into(),
    };
    let failed = searching().apply(&event, Timestamp(8_000)).unwrap();
    let job = failed.apply(&Event::RetryAsked, Timestamp(9_000)).unwrap();
    assert_eq!((job.attempt, job.phase), (2, Phase::Queued));
    assert_eq!(job.past_attempts[0].steps, failed.steps);
    assert_eq!(job.error, None);
    assert_eq!(job.completed_at, None);
}

#[test]
fn a_completed_job_carries_no_error_of_an_earlier_attempt() {
    let event = Event::Failed {
        code: ErrorCode::WorkerLost,
        message: "silent".into(),
    };
    let lost = searching().apply(&event, Timestamp(8_000)).unwrap();
    assert_eq!(lost.phase, Phase::WorkerLost);
    let again = lost.apply(&Event::RetryAsked, Timestamp(9_000)).unwrap();
    assert_eq!(again.error, None);
}

#[test]
fn a_delete_that_is_asked_for_while_the_run_is_being_stopped_is_not_forgotten() {
    let stopping = searching()
        .apply(&Event::CancelAsked { delete: false }, Timestamp(3_000))
        .unwrap();
    // Whoever stops the run has seen this row; what he sees comes after the delete.
    let late = stopping
        .apply(&Event::CancelAsked { delete: true }, Timestamp(3_010))
        .unwrap();
    late.apply(&Event::CancelObserved, Timestamp(3_020))
        .unwrap_err();
    let keep_until = Timestamp(9_000);
    let gone = late
        .apply(&Event::CancelledAndDeleted { keep_until }, Timestamp(3_030))
        .unwrap();
    assert_eq!(gone.phase, Phase::Deleted);
}

#[test]
fn a_delete_that_was_asked_for_is_not_weakened_to_a_cancel() {
    let job = searching()
        .apply(&Event::CancelAsked { delete: true }, Timestamp(3_000))
        .unwrap()
        .apply(&Event::CancelAsked { delete: false }, Timestamp(3_001))
        .unwrap();
    assert_eq!(job.intent, Intent::Delete);
}

#[test]
fn a_deleted_job_comes_back_as_it_was_until_its_time_is_over() {
    let before = completed();
    let deleted = before
        .apply(&deleted_at(10_000), Timestamp(10_000))
        .unwrap();
    assert!(deleted.can_restore(Timestamp(10_999)) && !deleted.can_restore(Timestamp(11_000)));
    let back = deleted
        .apply(&Event::RestoreAsked, Timestamp(10_500))
        .unwrap();
    assert_eq!(
        (back.phase, back.completed_at),
        (Phase::Completed, before.completed_at)
    );
    assert_eq!(back.deletion, None);
    let refused = deleted
        .apply(&Event::RestoreAsked, Timestamp(11_000))
        .unwrap_err();
    assert!(refused.why.contains("could be restored until"), "{refused}");
}

#[test]
fn a_delete_of_an_active_job_is_carried_out_in_one_step_and_only_if_asked_for() {
    let asked = |delete| {
        searching()
            .apply(&Event::CancelAsked { delete }, Timestamp(3_000))
            .unwrap()
    };
    let gone = Event::CancelledAndDeleted {
        keep_until: Timestamp(9_000),
    };
    let job = asked(true).apply(&gone, Timestamp(4_000)).unwrap();
    assert_eq!(
        (job.phase, job.completed_at),
        (Phase::Deleted, Some(Timestamp(4_000)))
    );
    assert_eq!(job.deletion.unwrap().was, Phase::Cancelled);
    assert_eq!(job.step(Step::Running).unwrap().state, StepState::Cancelled);
    assert!(asked(false).apply(&gone, Timestamp(4_000)).is_err());
    assert!(searching().apply(&gone, Timestamp(4_000)).is_err());
}

#[test]
fn nothing_is_restored_once_its_objects_are_gone() {
    let deleted = completed()
        .apply(&deleted_at(10_000), Timestamp(10_000))
        .unwrap();
    let gone = deleted
        .apply(&Event::ObjectsRemoved, Timestamp(10_001))
        .unwrap();
    assert!(gone.apply(&Event::RestoreAsked, Timestamp(10_002)).is_err());
    assert!(
        gone.apply(&Event::ObjectsRemoved, Timestamp(10_002))
            .is_err()
    );
}

#[test]
fn a_passing_error_is_retried_three_times_and_then_stays() {
    let planned = |at: i64| Event::RetryPlanned {
        code: ErrorCode::TemporarilyUnavailable,
        message: "no answer".into(),
        not_before: Timestamp(at),
    };
    let mut job = queued();
    for retry in 1..=3 {
        job = enter(&job, Phase::Preparing, 2_000);
        job = job.apply(&planned(9_000), Timestamp(3_000)).unwrap();
        assert_eq!((job.phase, job.attempt), (Phase::Queued, retry + 1));
        assert_eq!(job.not_before, Some(Timestamp(9_000)));
        assert!(job.waiting_reason().unwrap().contains("no answer"));
        let ended = job.past_attempts.last().unwrap();
        assert_eq!(
            ended.error.as_ref().unwrap().code,
            ErrorCode::TemporarilyUnavailable
        );
    }
    job = enter(&job, Phase::Preparing, 9_000);
    assert_eq!(job.not_before, None);
    assert!(job.apply(&planned(9_000), Timestamp(9_001)).is_err());
    let event = Event::Failed {
        code: ErrorCode::TemporarilyUnavailable,
        message: "no answer".into(),
    };
    let failed = job.apply(&event, Timestamp(9_001)).unwrap();
    // Somebody who asks again gets three more.
    let again = failed.apply(&Event::RetryAsked, Timestamp(9_002)).unwrap();
    assert_eq!(again.automatic_retries, 0);
}

#[test]
fn an_error_that_stays_is_not_retried_by_itself() {
    for code in ErrorCode::ALL
        .into_iter()
        .filter(|code| !code.retries_by_itself())
    {
        let event = Event::RetryPlanned {
            code,
            message: "x".into(),
            not_before: Timestamp(9_000),
        };
        assert!(
            searching().apply(&event, Timestamp(3_000)).is_err(),
            "{code:?}"
        );
    }
}

#[test]
fn waiting_in_turns_for_two_things_does_not_move_their_deadlines() {
    let wait = |phase: Phase| Event::Wait {
        phase,
        reason: "not there".into(),
    };
    let mut job = enter(
        &enter(&queued(), Phase::Preparing, 2_000),
        Phase::WarmingUp,
        2_000,
    );
    job = job
        .apply(&wait(Phase::WaitingForDatabase), Timestamp(3_000))
        .unwrap();
    let first = job.deadline().unwrap();
    job = job
        .apply(&wait(Phase::WaitingForCapacity), Timestamp(4_000))
        .unwrap();
    assert!(job.deadline().unwrap() > first);
    job = job
        .apply(&wait(Phase::WaitingForDatabase), Timestamp(5_000))
        .unwrap();
    assert_eq!(job.deadline(), Some(first));
}

#[test]
fn a_cancel_that_is_hindered_says_why_until_it_is_carried_out() {
    let job = searching()
        .apply(&Event::CancelAsked { delete: false }, Timestamp(3_000))
        .unwrap();
    let hindered = Event::CancelHindered {
        reason: "the process does not end".into(),
    };
    let job = job.apply(&hindered, Timestamp(3_001)).unwrap();
    assert_eq!(job.hindrance.as_deref(), Some("the process does not end"));
    let job = job.apply(&Event::CancelObserved, Timestamp(3_002)).unwrap();
    assert_eq!(job.hindrance, None);
    assert!(searching().apply(&hindered, Timestamp(3_000)).is_err());
}

#[test]
fn what_cannot_be_seen_is_told_since_when_and_not_beyond_the_end() {
    let away = |reason: &str| Event::OutOfSight {
        reason: reason.into(),
    };
    let job = searching()
        .apply(&away("silent"), Timestamp(3_000))
        .unwrap();
    let job = job.apply(&away("refused"), Timestamp(3_500)).unwrap();
    let unseen = job.unseen.clone().unwrap();
    assert_eq!(
        (unseen.since, unseen.reason.as_str()),
        (Timestamp(3_000), "refused")
    );
    assert_eq!(job.phase, Phase::Running);
    let seen = job.apply(&Event::InSight, Timestamp(4_000)).unwrap();
    assert_eq!(seen.unseen, None);
    let failed = Event::Failed {
        code: ErrorCode::WorkerLost,
        message: "gone".into(),
    };
    let ended = job.apply(&failed, Timestamp(4_000)).unwrap();
    assert_eq!(ended.unseen, None);
    assert!(ended.apply(&away("silent"), Timestamp(5_000)).is_err());
}

#[test]
fn parts_belong_to_a_step_that_has_begun() {
    let part = StepPart {
        key: PartKey::Anchor,
        started_at: Timestamp(2_000),
        finished_at: Timestamp(2_010),
        skipped: None,
    };
    let parts = |step| Event::Parts {
        step,
        parts: vec![part.clone()],
    };
    let job = searching();
    let told = job
        .apply(&parts(Step::Submitting), Timestamp(3_000))
        .unwrap();
    let record = told.step(Step::Submitting).unwrap();
    assert_eq!(record.parts, std::slice::from_ref(&part));
    let early = job.apply(&parts(Step::ExportingResults), Timestamp(3_000));
    assert!(early.is_err());
}

/// Every phase that can be reached, as a job.
fn in_every_phase() -> Vec<Job> {
    let wait = |job: &Job, phase: Phase| {
        let reason = "because".into();
        job.apply(&Event::Wait { phase, reason }, Timestamp(2_015))
            .unwrap()
    };
    let fail = |code: ErrorCode| {
        let message = "x".into();
        searching()
            .apply(&Event::Failed { code, message }, Timestamp(8_000))
            .unwrap()
    };
    let preparing = enter(&queued(), Phase::Preparing, 2_000);
    let warming = enter(&preparing, Phase::WarmingUp, 2_010);
    let configuring = enter(&warming, Phase::Configuring, 2_020);
    let staging = enter(&configuring, Phase::StagingDb, 2_025);
    let submitting = enter(&staging, Phase::Submitting, 2_030);
    let submitted = enter(&submitting, Phase::Submitted, 2_040);
    let pending = enter(&searching(), Phase::ResultsPending, 2_050);
    let cancelling = searching()
        .apply(&Event::CancelAsked { delete: false }, Timestamp(3_000))
        .unwrap();
    let cancelled = cancelling
        .apply(&Event::CancelObserved, Timestamp(3_001))
        .unwrap();
    vec![
        queued(),
        wait(&warming, Phase::WaitingForDatabase),
        wait(&warming, Phase::WaitingForWarmup),
        wait(&staging, Phase::WaitingForCapacity),
        wait(&staging, Phase::WaitingForSubmitSlot),
        enter(&pending, Phase::ExportingResults, 2_060),
        preparing,
        warming,
        configuring,
        staging,
        submitting,
        submitted,
        searching(),
        pending,
        completed(),
        fail(ErrorCode::BlastFailed),
        fail(ErrorCode::BrokerUnavailable),
        fail(ErrorCode::WorkerLost),
        cancelling,
        cancelled
            .apply(&deleted_at(3_002), Timestamp(3_002))
            .unwrap(),
        cancelled,
    ]
}

#[test]
fn every_action_of_a_person_in_every_phase_is_done_or_refused_as_written_here() {
    let jobs = in_every_phase();
    let mut phases: Vec<Phase> = jobs.iter().map(|job| job.phase).collect();
    phases.sort_unstable();
    phases.dedup();
    assert_eq!(phases.len(), Phase::ALL.len(), "a phase is missing here");
    for job in jobs {
        let phase = job.phase;
        let after = |event: &Event| {
            job.apply(event, Timestamp(10_000))
                .map(|job| job.phase)
                .ok()
        };
        let asked = |delete| after(&Event::CancelAsked { delete });
        let active = phase.is_active();
        assert_eq!(
            asked(false),
            active.then_some(Phase::Cancelling),
            "cancel in {phase:?}"
        );
        assert_eq!(
            asked(true),
            active.then_some(Phase::Cancelling),
            "cancel and delete in {phase:?}"
        );
        let deletable = !active && phase != Phase::Deleted;
        assert_eq!(
            after(&deleted_at(10_000)),
            deletable.then_some(Phase::Deleted),
            "delete in {phase:?}"
        );
        let failed = phase.status() == crate::phase::Status::Failed;
        let retryable = failed || phase == Phase::Cancelled;
        assert_eq!(
            after(&Event::RetryAsked),
            retryable.then_some(Phase::Queued),
            "retry in {phase:?}"
        );
        let back = job
            .apply(&Event::RestoreAsked, Timestamp(3_500))
            .map(|job| job.phase)
            .ok();
        assert_eq!(
            back,
            (phase == Phase::Deleted).then_some(Phase::Cancelled),
            "restore in {phase:?}"
        );
    }
}

#[test]
fn the_cluster_that_was_chosen_lasts_over_attempts_and_is_missing_from_older_rows() {
    let chosen = Found {
        cluster: "lab".into(),
        namespace: "blast".into(),
    };
    let job = Job {
        place: Some(chosen.clone()),
        wanted_place: Some(chosen.clone()),
        ..enter(&queued(), Phase::Preparing, 2_000)
    };
    let failed = Event::Failed {
        code: ErrorCode::Internal,
        message: "broken".into(),
    };
    let job = job.apply(&failed, Timestamp(3_000)).unwrap();
    let job = job.apply(&Event::RetryAsked, Timestamp(4_000)).unwrap();
    assert_eq!((&job.place, &job.wanted_place), (&None, &Some(chosen)));
    assert_eq!(
        job.runs_on().map(Found::spelled).as_deref(),
        Some("lab#blast")
    );
    let mut row = serde_json::to_value(&job).unwrap();
    row.as_object_mut().unwrap().remove("wanted_place").unwrap();
    let older: Job = serde_json::from_value(row).unwrap();
    assert_eq!(older.wanted_place, None);
    assert_eq!(older.runs_on(), None);
}
