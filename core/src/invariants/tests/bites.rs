//! What one job can break, and that it is found.

use super::{
    super::{Circumstances, Invariant, JobEvidence, LeaseSeen, ObjectKind, ends_are_final},
    broken, broken_under,
    story::{ENGINE, KEPT_MS, PERSON, Story},
};
use crate::{
    job::{Deletion, Intent},
    phase::Phase,
    step::{Step, StepState},
    time::Timestamp,
};

/// A server has driven the store for long, and it is so late.
fn driven(now: i64) -> Circumstances {
    Circumstances {
        now: Timestamp(now),
        driven_since: Some(Timestamp(0)),
        ..Circumstances::default()
    }
}

fn changed(story: Story, change: impl FnOnce(&mut JobEvidence)) -> Vec<Invariant> {
    let mut job = story.job;
    change(&mut job);
    broken(&job)
}

#[test]
fn i1_a_history_without_its_begin_is_found_unless_retention_took_it() {
    let mut job = Story::completed("a", 1_000).job;
    job.history.remove(0);
    assert_eq!(broken(&job), [Invariant::I1]);
    let kept = |now| Circumstances {
        now: Timestamp(now),
        keep_history_ms: Some(10_000),
        ..Circumstances::default()
    };
    assert_eq!(broken_under(&job, &kept(10_000)), [Invariant::I1]);
    assert_eq!(broken_under(&job, &kept(11_001)), []);
    job.history.clear();
    assert_eq!(broken_under(&job, &kept(11_001)), []);
    assert_eq!(broken(&job), [Invariant::I1]);
}

#[test]
fn i2_a_writer_of_an_older_epoch_is_found() {
    let late = changed(Story::completed("a", 1_000), |job| job.history[3].epoch = 2);
    assert_eq!(late, [Invariant::I2]);
    let behind = changed(Story::completed("a", 1_000), |job| job.epoch = 0);
    assert_eq!(behind, [Invariant::I2]);
    let taken_over = changed(Story::completed("a", 1_000), |job| {
        job.history
            .iter_mut()
            .skip(4)
            .for_each(|entry| entry.epoch = 2);
        job.epoch = 2;
    });
    assert_eq!(taken_over, []);
}

#[test]
fn i3_whatever_moves_an_ended_job_by_itself_is_found() {
    let wrong = [
        Story::completed("late report", 1_000).forged(Phase::Running, 1, ENGINE),
        Story::cancelled("resurrected", 1_000).forged(Phase::Completed, 1, ENGINE),
        Story::failed("nobody asked", 1_000).forged(Phase::Queued, 2, ENGINE),
        Story::completed("done already", 1_000).forged(Phase::Queued, 2, PERSON),
        Story::failed("left out", 1_000).forged(Phase::Queued, 3, PERSON),
        Story::failed("not the queue", 1_000).forged(Phase::Running, 2, PERSON),
        Story::failed("back", 1_000)
            .retried()
            .forged(Phase::Failed, 1, ENGINE),
        Story::cancelling("taken back", 1_000).forged(Phase::Running, 1, ENGINE),
        Story::cancelling("tried again", 1_000).forged(Phase::Queued, 2, ENGINE),
        Story::searching("not stopped", 1_000).forged(Phase::Deleted, 1, PERSON),
        Story::completed("undead", 1_000)
            .deleted()
            .forged(Phase::Completed, 1, ENGINE),
        Story::completed("another", 1_000)
            .deleted()
            .forged(Phase::Failed, 1, PERSON),
        Story::completed("goes on", 1_000)
            .deleted()
            .forged(Phase::Running, 1, PERSON),
    ];
    for story in wrong {
        let id = &story.job.job.id;
        let told = ends_are_final(&story.job)
            .into_iter()
            .filter(|found| found.what.contains("follows"))
            .count();
        assert_eq!(told, 1, "{id}");
    }
}

#[test]
fn i3_a_row_that_tells_another_story_than_its_history_is_found() {
    let found = changed(Story::completed("moved end", 1_000), |job| {
        job.job.completed_at = Some(Timestamp(50_000));
    });
    assert_eq!(found, [Invariant::I3, Invariant::I9]);
    let found = changed(Story::completed("lost entry", 1_000), |job| {
        job.history.pop();
    });
    assert!(found.contains(&Invariant::I3), "{found:?}");
    let found = changed(Story::failed("no reason", 1_000), |job| {
        job.job.error = None
    });
    assert_eq!(found, [Invariant::I3]);
    let found = changed(Story::completed("no outcome", 1_000), |job| {
        job.job.outcome = None
    });
    assert_eq!(found, [Invariant::I3]);
    let found = changed(Story::completed("half deleted", 1_000).deleted(), |job| {
        job.job.phase = Phase::Completed;
        job.job.intent = Intent::Run;
    });
    assert_eq!(found, [Invariant::I3]);
    let found = changed(Story::searching("ended and going on", 1_000), |job| {
        job.job.completed_at = Some(job.job.updated_at);
    });
    assert!(found.contains(&Invariant::I3), "{found:?}");
}

#[test]
fn i4_versions_and_times_that_go_back_or_beyond_the_row_are_found() {
    let found = changed(Story::completed("a", 1_000), |job| {
        job.history[3].version = 3
    });
    assert_eq!(found, [Invariant::I4]);
    let found = changed(Story::completed("a", 1_000), |job| job.version = 4);
    assert_eq!(found, [Invariant::I4]);
    let found = changed(Story::searching("a", 1_000), |job| {
        job.history[2].at = Timestamp(1_001);
    });
    assert_eq!(found, [Invariant::I4]);
    let found = changed(Story::searching("a", 1_000), |job| {
        job.job.updated_at = Timestamp(1_001);
    });
    assert_eq!(found, [Invariant::I4]);
}

#[test]
fn i5_steps_that_overlap_jump_or_stay_open_are_found() {
    let step = |step: Step| step.index();
    let found = changed(Story::completed("overlap", 1_000), |job| {
        job.job.steps[step(Step::Running)].started_at = Some(Timestamp(1_001));
    });
    assert_eq!(found, [Invariant::I5]);
    let found = changed(Story::completed("backwards", 1_000), |job| {
        job.job.steps[step(Step::Preparing)].finished_at = Some(Timestamp(900));
        job.job.steps[step(Step::Preparing)].waited_ms = 0;
    });
    assert!(found.contains(&Invariant::I5), "{found:?}");
    let found = changed(Story::completed("open", 1_000), |job| {
        job.job.steps[step(Step::Completed)].state = StepState::Active;
    });
    assert_eq!(found, [Invariant::I5]);
    let found = changed(Story::completed("jumped", 1_000), |job| {
        let record = &mut job.job.steps[step(Step::WarmingUp)];
        *record = crate::step::StepRecord::not_reached(Step::WarmingUp);
    });
    assert!(found.contains(&Invariant::I5), "{found:?}");
    let found = changed(Story::submitted("wait", 1_000), |job| {
        job.job.steps[0].waiting_since = None;
    });
    assert_eq!(found, [Invariant::I5]);
    let found = changed(Story::searching("seven", 1_000), |job| {
        job.job.steps.pop();
    });
    assert_eq!(found, [Invariant::I5]);
}

#[test]
fn i6_results_written_after_a_cancel_are_found() {
    let mut story = Story::cancelled("a", 1_000);
    story.now += 1_500;
    story.store(ObjectKind::Hits);
    assert_eq!(broken(&story.job), [], "within the slack");
    story.now += 1_000;
    story.store(ObjectKind::Archive);
    assert_eq!(broken(&story.job), [Invariant::I6]);
    let mut deleted = Story::cancelled_and_deleted("b", 1_000);
    deleted.now += 2_500;
    deleted.store(ObjectKind::Hits);
    assert_eq!(broken(&deleted.job), [Invariant::I6]);
    let mut completed = Story::completed("c", 1_000);
    completed.now += 9_000;
    completed.store(ObjectKind::Query);
    assert_eq!(broken(&completed.job), []);
}

#[test]
fn i8_a_step_of_no_time_without_times_or_history_is_found() {
    let staging = Step::StagingDb.index();
    let sound = Story::completed("a", 1_000);
    let record = sound.job.job.steps[staging].clone();
    assert_eq!(record.started_at, record.finished_at, "it took no time");
    let found = changed(sound.clone(), |job| {
        job.job.steps[staging].finished_at = None
    });
    assert!(found.contains(&Invariant::I8), "{found:?}");
    for phase in [
        Phase::WarmingUp,
        Phase::Submitting,
        Phase::Running,
        Phase::ExportingResults,
    ] {
        let found = changed(sound.clone(), |job| {
            job.history.retain(|entry| entry.phase != phase);
        });
        assert_eq!(found, [Invariant::I8], "{phase:?}");
    }
}

#[test]
fn i9_time_that_belongs_to_no_step_is_found() {
    let found = changed(Story::completed("gap", 1_000), |job| {
        let record = &mut job.job.steps[Step::Running.index()];
        record.started_at = record.finished_at;
    });
    assert_eq!(found, [Invariant::I9]);
    let found = changed(Story::failed("late begin", 1_000), |job| {
        job.job.created_at = Timestamp(900);
    });
    assert_eq!(found, [Invariant::I9]);
    let found = changed(Story::failed("more wait than time", 1_000), |job| {
        job.job.steps[0].waited_ms = 21;
    });
    assert_eq!(found, [Invariant::I9]);
    let found = changed(Story::failed("ended twice", 1_000).retried(), |job| {
        let steps = &mut job.job.past_attempts[0].steps;
        let last = &mut steps[Step::Running.index()];
        last.finished_at = last.finished_at.map(|end| end.plus_ms(-1));
    });
    assert_eq!(found, [Invariant::I9]);
}

/// The lease of a process that lives, or that is gone.
fn held(registered: bool) -> Option<LeaseSeen> {
    Some(LeaseSeen {
        holder: "process".to_owned(),
        registered,
    })
}

#[test]
fn i10_a_job_that_nobody_drives_is_found_once_it_should_have_been() {
    let mut job = Story::searching("a", 1_000).job;
    let at = job.job.updated_at.0;
    assert_eq!(broken_under(&job, &driven(at + 120_000)), []);
    assert_eq!(broken_under(&job, &driven(at + 120_001)), [Invariant::I10]);
    job.lease = held(false);
    assert_eq!(broken_under(&job, &driven(at + 120_001)), [Invariant::I10]);
    // A server that has just started has not had the time, and one that is off cannot.
    let young = Circumstances {
        driven_since: Some(Timestamp(at + 100_000)),
        ..driven(at + 120_001)
    };
    assert_eq!(broken_under(&job, &young), []);
    let off = Circumstances {
        driven_since: None,
        ..driven(at + 120_001)
    };
    assert_eq!(broken_under(&job, &off), []);
    job.lease = held(true);
    assert_eq!(broken_under(&job, &driven(at + 120_001)), []);
}

#[test]
fn i10_a_wait_past_its_deadline_or_without_one_is_found() {
    let mut job = Story::submitted("a", 1_000).job;
    let deadline = job.job.deadline().unwrap().0;
    job.lease = held(true);
    assert_eq!(broken_under(&job, &driven(deadline + 120_000)), []);
    assert_eq!(
        broken_under(&job, &driven(deadline + 120_001)),
        [Invariant::I10]
    );
    job.job.deadlines.clear();
    assert_eq!(broken(&job), [Invariant::I10]);
}

#[test]
fn i10_a_cancel_or_delete_that_is_not_carried_out_is_found() {
    let mut job = Story::cancelling("a", 1_000).job;
    let at = job.job.updated_at.0;
    job.lease = held(true);
    assert_eq!(broken_under(&job, &driven(at + 120_001)), [Invariant::I10]);
    job.job.hindrance = Some("the process does not end".to_owned());
    assert_eq!(broken_under(&job, &driven(at + 120_001)), []);
    job.job.intent = Intent::Run;
    assert_eq!(broken(&job), [Invariant::I10]);

    let mut half = Story::cancelled("b", 1_000).job;
    half.job.intent = Intent::Delete;
    assert_eq!(broken(&half), [], "nobody has had the time");
    assert_eq!(broken_under(&half, &driven(200_000)), [Invariant::I10]);
    let found = changed(Story::searching("c", 1_000), |job| {
        job.job.intent = Intent::Cancel;
    });
    assert_eq!(found, [Invariant::I10]);
}

#[test]
fn i10_an_active_job_is_found_when_all_work_should_be_over() {
    let settled = Circumstances {
        settled: true,
        ..Circumstances::default()
    };
    let job = Story::searching("a", 1_000).job;
    assert_eq!(broken_under(&job, &settled), [Invariant::I10]);
    assert_eq!(broken_under(&Story::failed("b", 1_000).job, &settled), []);
}

#[test]
fn i10_objects_that_outlive_their_tombstone_are_found() {
    let kept = Story::completed("a", 1_000).deleted();
    let over = kept.now + KEPT_MS;
    assert_eq!(broken_under(&kept.job, &driven(over + 3_500_000)), []);
    assert_eq!(
        broken_under(&kept.job, &driven(over + 3_700_000)),
        [Invariant::I10]
    );
    let mut removed = kept.removed();
    assert_eq!(broken_under(&removed.job, &driven(over + 3_700_000)), []);
    removed.store(ObjectKind::Query);
    let at = removed.now;
    assert_eq!(broken_under(&removed.job, &driven(at + 120_000)), []);
    assert_eq!(
        broken_under(&removed.job, &driven(at + 120_001)),
        [Invariant::I10]
    );
}

#[test]
fn i12_what_goes_before_its_time_is_found() {
    let drop_of = |kind: ObjectKind| {
        move |job: &mut JobEvidence| {
            job.objects
                .as_mut()
                .unwrap()
                .retain(|object| object.kind != kind);
        }
    };
    for kind in [ObjectKind::Query, ObjectKind::Archive, ObjectKind::Hits] {
        let found = changed(Story::completed("a", 1_000), drop_of(kind));
        assert_eq!(found, [Invariant::I12], "{kind:?}");
        let found = changed(Story::completed("b", 1_000).deleted(), drop_of(kind));
        assert_eq!(found, [Invariant::I12], "{kind:?} of a tombstone");
    }
    let found = changed(Story::submitted("c", 1_000), drop_of(ObjectKind::Query));
    assert_eq!(found, [Invariant::I12]);
    let found = changed(Story::completed("d", 1_000).deleted().removed(), |job| {
        job.job.deletion.as_mut().unwrap().removed_at = Some(Timestamp(2_000));
    });
    assert_eq!(found, [Invariant::I12]);
    assert_eq!(
        changed(Story::completed("e", 1_000).deleted().removed(), |_| {}),
        []
    );
}

#[test]
fn i12_a_delete_that_nobody_asked_for_is_found_unless_retention_did() {
    let mut job = Story::completed("a", 1_000).deleted().job;
    let deleted_at = job.history.last().unwrap().at;
    let ended_at = job.job.completed_at.unwrap();
    job.history.last_mut().unwrap().actor = String::new();
    assert_eq!(broken(&job), [Invariant::I12]);
    let kept = |ms: i64| Circumstances {
        keep_jobs_ms: Some(ms),
        ..Circumstances::default()
    };
    let age = i64::try_from(deleted_at.since(ended_at)).unwrap();
    assert_eq!(broken_under(&job, &kept(age)), []);
    assert_eq!(broken_under(&job, &kept(age + 1)), [Invariant::I12]);
    let found = changed(Story::completed("b", 1_000).deleted(), |job| {
        job.job.deletion = None;
    });
    assert_eq!(found, [Invariant::I12]);
}

#[test]
fn a_tombstone_of_the_first_schema_does_not_know_what_it_was_and_breaks_nothing() {
    let found = changed(Story::completed("a", 1_000).deleted(), |job| {
        let at = job.job.updated_at;
        job.job.deletion = Some(Deletion {
            at,
            was: Phase::Cancelled,
            keep_until: at,
            removed_at: Some(at),
        });
        job.objects = Some(Vec::new());
    });
    assert_eq!(found, []);
}
