use proptest::prelude::*;

use super::*;
use crate::search::SearchOptions;

const NOON: Timestamp = Timestamp(1_764_158_400_000);

fn listed(status: &str) -> ExternalJob {
    ExternalJob {
        id: "0123456789ab".to_owned(),
        run: None,
        status: ExternalStatus::parse(status),
        program: Some(Program::Blastn),
        database: "nt".to_owned(),
        queue_position: None,
        created_at: Some(NOON),
        started_at: Some(NOON.plus_ms(5_000)),
        updated_at: Some(NOON.plus_ms(9_000)),
    }
}

fn detail(status: &str, phase: &str, done: u32) -> ExternalDetail {
    ExternalDetail {
        status: ExternalStatus::parse(status),
        phase: ExternalPhase::parse(phase),
        batches: Batches {
            done,
            failed: 0,
            total: 3,
        },
        ..ExternalDetail::default()
    }
}

fn found() -> Job {
    let spec = SearchSpec {
        program: Program::Blastn,
        task: None,
        database: "nt".to_owned(),
        options: SearchOptions::default(),
    };
    Job::external(&listed("queued"), spec, "plane.example", NOON)
}

fn tell(job: &Job, listed: &ExternalJob, detail: Option<&ExternalDetail>, at: Timestamp) -> Job {
    let told = Told {
        job: listed,
        detail,
        files: None,
        now: at,
    };
    let mut job = job.clone();
    for event in follow(&job, &told) {
        job = job.apply(&event, told.when(&event).unwrap_or(at)).unwrap();
    }
    job
}

#[test]
fn its_row_is_everybody_s_and_claims_no_step_that_nobody_told() {
    let job = found();
    assert_eq!((job.phase, job.owner.as_str()), (Phase::Submitting, ""));
    let staging = job.step(Step::StagingDb).unwrap();
    assert_eq!(staging.reason.as_deref(), Some(NOT_TOLD));
    assert!(job.followed().unwrap().is_external());
    assert!(!job.can_retry() && job.can_cancel());
}

#[test]
fn its_id_is_the_cluster_s_as_soon_as_it_has_one() {
    let mut job = listed("running");
    assert_eq!(job.row_id(), "0123456789ab");
    job.run = Some("job-1".to_owned());
    assert_eq!(job.row_id(), "job-1");
}

#[test]
fn it_goes_through_every_state_with_its_reasons_and_times() {
    let later = NOON.plus_ms(60_000);
    let mut queued = listed("queued");
    queued.queue_position = Some(3);
    let job = tell(&found(), &queued, None, later);
    assert_eq!(job.phase, Phase::WaitingForCapacity);
    assert_eq!(
        job.waiting_reason(),
        Some("place 3 in the queue of the external plane")
    );
    let job = tell(&job, &listed("dispatching"), None, later);
    assert_eq!(job.phase, Phase::Submitting);
    let mut full = detail("submitting", "waiting_for_capacity", 0);
    full.error = Some("3 of 3 are running".to_owned());
    let job = tell(&job, &listed("submitting"), Some(&full), later);
    assert_eq!(
        job.waiting_reason(),
        Some("the external plane waits for room on its cluster: 3 of 3 are running")
    );
    let pending = detail("running", "pending", 0);
    let job = tell(&job, &listed("running"), Some(&pending), later);
    assert_eq!(job.phase, Phase::Submitted);
    let running = detail("running", "running", 2);
    let job = tell(&job, &listed("running"), Some(&running), later);
    assert_eq!((job.phase, job.progress.batches_done), (Phase::Running, 2));
    let last = detail("running", "finalizing", 3);
    let job = tell(&job, &listed("running"), Some(&last), later);
    assert_eq!(job.phase, Phase::ResultsPending);
    let job = tell(&job, &listed("completed"), None, NOON.plus_ms(200_000));
    assert_eq!(job.phase, Phase::Completed);
    assert!(job.steps.iter().all(|record| record.state.is_passed()));
}

#[test]
fn one_that_ended_long_ago_has_the_times_of_the_service() {
    let job = tell(&found(), &listed("completed"), None, NOON.plus_ms(900_000));
    assert_eq!(job.completed_at, Some(NOON.plus_ms(9_000)));
    let searched = job.step(Step::Running).unwrap();
    assert_eq!(searched.finished_at, Some(NOON.plus_ms(9_000)));
}

#[test]
fn it_is_completed_when_its_files_can_be_listed_or_will_not_be_any_more() {
    let done = listed("completed");
    let after = |files: Option<bool>, ms: i64| {
        let now = NOON.plus_ms(9_000 + ms);
        let told = Told {
            job: &done,
            detail: None,
            files,
            now,
        };
        let events = follow(&found(), &told);
        (
            told.needs_files(),
            events.contains(&Event::CompletedElsewhere),
        )
    };
    assert_eq!(after(None, 1_000), (true, false));
    assert_eq!(after(Some(false), 1_000), (true, false));
    assert_eq!(after(Some(true), 1_000), (true, true));
    assert_eq!(after(None, 120_000), (false, true));
    assert_eq!(after(Some(false), 599_000), (false, false));
    assert_eq!(after(Some(false), 600_000), (false, true));
}

#[test]
fn a_failure_is_told_in_its_words_and_a_stop_is_none() {
    let mut failed = detail("failed", "blast_failed", 1);
    failed.error = Some("BLAST Database error".to_owned());
    let job = tell(
        &found(),
        &listed("failed"),
        Some(&failed),
        NOON.plus_ms(99_000),
    );
    let error = job.error.unwrap();
    assert_eq!(error.code, ErrorCode::BlastFailed);
    assert!(error.message.ends_with(": BLAST Database error"));
    let stuck = detail("failed", "stuck_cancelled", 1);
    let job = tell(
        &found(),
        &listed("failed"),
        Some(&stuck),
        NOON.plus_ms(99_000),
    );
    assert_eq!(job.error.unwrap().code, ErrorCode::WaitedTooLong);
    let job = tell(&found(), &listed("cancelled"), None, NOON.plus_ms(99_000));
    assert_eq!((job.phase, job.error), (Phase::Cancelled, None));
}

#[test]
fn an_older_answer_does_not_take_back_what_the_list_says_and_the_other_way_round() {
    let old = detail("running", "running", 1);
    let job = tell(
        &found(),
        &listed("completed"),
        Some(&old),
        NOON.plus_ms(900_000),
    );
    assert_eq!(job.phase, Phase::Completed);
    let new = detail("completed", "completed", 3);
    let told = Told {
        job: &listed("running"),
        detail: Some(&new),
        files: Some(true),
        now: NOON,
    };
    assert_eq!(told.status(), Some(ExternalStatus::Completed));
}

const WORDS: [&str; 9] = [
    "queued",
    "dispatching",
    "submitting",
    "running",
    "completed",
    "failed",
    "cancelled",
    "",
    "no such word",
];
const PHASES: [&str; 11] = [
    "submitted",
    "pending",
    "running",
    "finalizing",
    "completed",
    "waiting_for_capacity",
    "recovered",
    "submit_failed",
    "blast_failed",
    "stuck_cancelled",
    "nonsense",
];

prop_compose! {
    fn any_time()(ms in -100_000_i64..1_000_000, there in any::<bool>()) -> Option<Timestamp> {
        there.then(|| NOON.plus_ms(ms))
    }
}

prop_compose! {
    fn any_listed()(
        word in 0..WORDS.len(), place in proptest::option::of(0_u64..9),
        created_at in any_time(), started_at in any_time(), updated_at in any_time(),
    ) -> ExternalJob {
        ExternalJob {
            queue_position: place, created_at, started_at, updated_at,
            ..listed(WORDS[word])
        }
    }
}

prop_compose! {
    fn any_detail()(
        word in 0..WORDS.len(), phase in 0..PHASES.len(), done in 0_u32..9, total in 0_u32..9,
        error in proptest::option::of("[ab]"),
    ) -> ExternalDetail {
        let batches = Batches { done, failed: 0, total };
        ExternalDetail { error, batches, ..detail(WORDS[word], PHASES[phase], 0) }
    }
}

type Look = (ExternalJob, Option<ExternalDetail>, Option<bool>, i64);

fn any_look() -> impl Strategy<Value = Look> {
    let detail = proptest::option::of(any_detail());
    let files = proptest::option::of(any::<bool>());
    (any_listed(), detail, files, 0_i64..1_000_000)
}

proptest! {
    #[test]
    fn whatever_is_told_in_whatever_order_only_moves_a_row_forward_and_an_end_for_good(
        looks in proptest::collection::vec(any_look(), 0..14),
    ) {
        let mut job = found();
        for (listed, detail, files, ms) in &looks {
            let now = NOON.plus_ms(*ms);
            let told = Told { job: listed, detail: detail.as_ref(), files: *files, now };
            let before = job.clone();
            for event in follow(&job, &told) {
                // Every event is one that the row can take.
                job = job.apply(&event, told.when(&event).unwrap_or(now).min(now)).unwrap();
            }
            if !before.phase.is_active() {
                prop_assert_eq!(&job, &before);
            }
            prop_assert!(job.current_step() >= before.current_step());
            prop_assert!(job.progress.batches_done >= before.progress.batches_done);
            prop_assert!(job.updated_at >= before.updated_at);
            // Told once more it has nothing to say.
            prop_assert_eq!(follow(&job, &told), []);
        }
    }
}
