//! Rows of several ages of the original as jobs, held against the invariants.

use elb_core::{
    error_code::ErrorCode,
    invariants::{Circumstances, JobEvidence, check_job},
    phase::Phase,
    step::StepState,
};
use proptest::{prelude::*, sample::select};
use serde_json::json;

use super::*;

fn foreign(value: Value) -> Foreign {
    value.as_object().unwrap().clone()
}

fn rules() -> Rules {
    Rules {
        owner: Some("local".to_owned()),
        unfinished_as_lost: true,
    }
}

fn sound(kept: &Kept) {
    let mut history = kept.history.clone();
    history.reverse();
    let evidence = JobEvidence {
        job: kept.stored.job.clone(),
        version: kept.stored.version,
        epoch: 0,
        lease: None,
        history,
        objects: Some(Vec::new()),
    };
    let found = check_job(&evidence, &Circumstances::default());
    assert!(found.is_empty(), "{found:#?}\n{:#?}", kept.stored.job);
    assert!(!kept.stored.job.phase.is_active());
    assert!(!kept.stored.job.can_retry());
}

fn completed() -> Foreign {
    foreign(json!({
        "PartitionKey": "3f0c7c7e-0d3c-4b7e-9f39-0d1f2c3b4a59", "RowKey": "current",
        "type": "blast", "status": "completed", "phase": "completed", "schema_version": 2,
        "owner_oid": "oid", "owner_upn": "ann@example.org", "tenant_id": "tenant",
        "created_at": "2026-06-01T10:00:00+00:00", "updated_at": "2026-06-03T00:00:00+00:00",
        "job_title": "spike", "program": "blastn", "db": "core_nt", "query_label": "q1.fa",
        "error_code": "worker_lost", "storage_account": "lab", "results_prefix": "2026/06/01/x/",
        "brand_new_column": 7,
        "payload_json": json!({"_progress": {"steps": {
            "preparing": {"status": "completed", "completed_at": "2026-06-01T10:00:05+00:00"},
            "staging_db": {"status": "skipped", "skip_reason": "warm", "completed_at": "2026-06-01T10:00:06+00:00"},
            "running": {"status": "completed", "started_at": "2026-06-01T10:01:00+00:00", "completed_at": "2026-06-01T10:09:00+00:00"},
        }}}).to_string(),
    }))
}

#[test]
fn a_completed_search_keeps_its_times_and_everything_that_has_no_place() {
    let entry = foreign(
        json!({"PartitionKey": "x", "RowKey": "1780308600000-aaaaaaaa", "event": "completed",
        "ts": "2026-06-01T10:10:00+00:00", "payload_json": "{\"status\":\"completed\",\"phase\":\"completed\"}"}),
    );
    let kept = job_of(&completed(), &[entry], &rules()).unwrap();
    sound(&kept);
    let job = &kept.stored.job;
    assert_eq!(
        (job.phase, job.title.as_str(), job.owner.as_str()),
        (Phase::Completed, "spike", "local")
    );
    // Not when a later write touched the row.
    assert_eq!(job.completed_at, parse_time("2026-06-01T10:10:00Z"));
    assert_eq!(job.started_at, parse_time("2026-06-01T10:01:00Z"));
    assert_eq!((&job.error, job.outcome), (&None, None));
    let imported = job.imported.as_ref().unwrap();
    assert_eq!(imported.results, "lab/results/2026/06/01/x/");
    let state = |step: Step| {
        (
            job.steps[step.index()].state,
            job.steps[step.index()].reason.as_deref(),
        )
    };
    assert_eq!(state(Step::StagingDb), (StepState::Skipped, Some("warm")));
    assert_eq!(state(Step::Running).0, StepState::Done);
    assert!(state(Step::Configuring).1.unwrap().contains("not recorded"));
    let notes: String = kept
        .history
        .iter()
        .map(|entry| entry.note.as_str())
        .collect();
    for word in [
        "ann@example.org",
        "tenant",
        "brand_new_column",
        "worker_lost",
        "_progress",
    ] {
        assert!(notes.contains(word), "{word}: {notes}");
    }
}

#[test]
fn the_oldest_rows_lack_most_columns() {
    let row = foreign(json!({
        "PartitionKey": "a b/../c", "RowKey": "current", "type": "blast", "status": "failed",
        "phase": "submit_failed", "owner_oid": "oid", "task_id": "t", "error_code": "terminal_az_login_failed",
        "created_at": "2026-05-14T10:00:00+00:00", "updated_at": "2026-05-14T10:01:00+00:00",
        "payload_json": "{\"program\":\"blastp\",\"db\":\"az://lab/blast-db/nr/nr\",\"error\":\"no login\"}",
    }));
    let kept = job_of(&row, &[], &Rules::default()).unwrap();
    sound(&kept);
    let job = &kept.stored.job;
    assert!(
        job.id.starts_with("original-") && job.id.len() <= MAX_ID,
        "{}",
        job.id
    );
    assert_eq!(job.imported.as_ref().unwrap().id, "a b/../c");
    assert_eq!(
        (job.title.as_str(), job.owner.as_str()),
        ("blastp against nr", "oid")
    );
    let error = job.error.as_ref().unwrap();
    assert_eq!(
        (error.code, error.step),
        (ErrorCode::TemporarilyUnavailable, Step::Submitting)
    );
    assert_eq!(error.message, "terminal_az_login_failed: no login");
}

#[test]
fn a_tombstone_stays_one_and_keeps_nothing_of_what_was_searched() {
    let mut row = completed();
    row.insert("status".to_owned(), json!("deleted"));
    row.insert("phase".to_owned(), json!("deleted"));
    row.insert("payload_json".to_owned(), json!("{secret"));
    let entry = foreign(
        json!({"PartitionKey": "x", "RowKey": "1780308600000-a", "event": "completed",
        "payload_json": "{\"status\":\"failed\"}"}),
    );
    let kept = job_of(&row, &[entry], &rules()).unwrap();
    sound(&kept);
    let deletion = kept.stored.job.deletion.unwrap();
    assert_eq!(
        (deletion.was, deletion.removed_at),
        (Phase::Failed, Some(deletion.at))
    );
    let now = deletion.at;
    assert!(!kept.stored.job.can_restore(now));
    assert!(
        !kept
            .history
            .iter()
            .any(|entry| entry.note.contains("secret"))
    );
}

#[test]
fn what_has_not_ended_is_left_out_or_lost_and_never_runs() {
    for (status, phase) in [
        ("queued", "queued"),
        ("running", "running"),
        ("reducing", ""),
    ] {
        let mut row = completed();
        row.insert("status".to_owned(), json!(status));
        row.insert("phase".to_owned(), json!(phase));
        let strict = Rules {
            unfinished_as_lost: false,
            ..rules()
        };
        let why = job_of(&row, &[], &strict).unwrap_err();
        assert!(
            matches!(&why, Why::Unfinished { .. }) && !why.is_settled(),
            "{why}"
        );
        let kept = job_of(&row, &[], &rules()).unwrap();
        sound(&kept);
        assert_eq!(kept.stored.job.phase, Phase::WorkerLost);
    }
}

#[test]
fn broken_rows_and_rows_of_others_are_told_apart() {
    let with = |name: &str, value: Value| {
        let mut row = completed();
        row.insert(name.to_owned(), value);
        job_of(&row, &[], &rules()).unwrap_err()
    };
    for (name, value, word) in [
        ("payload_json", json!("{"), "payload_json"),
        ("status", json!(5), "status is 5"),
        ("status", json!("melted"), "melted"),
        ("created_at", json!("soon"), "created_at"),
        ("created_at", json!(""), "when it was created"),
        ("program", json!("blast"), "\"blast\""),
    ] {
        let why = with(name, value);
        assert!(
            matches!(&why, Why::Broken(_)) && why.to_string().contains(word),
            "{why}"
        );
    }
    assert_eq!(
        with("type", json!("warmup")),
        Why::NotASearch("warmup".to_owned())
    );
    assert_eq!(
        with("RowKey", json!("lock")),
        Why::NotAJob("lock".to_owned())
    );
}

proptest! {
    /// Whatever words and times a row has: it is refused, or it is a job that has ended and breaks no rule.
    #[test]
    fn every_row_is_a_sound_job_or_none(
        status in select(&["queued", "pending", "running", "reducing", "completed", "failed", "cancelled", "deleted", "x", ""][..]),
        phase in select(&["", "queued", "warmup_ready", "staging_db", "submit_failed", "running", "results_pending",
            "worker_lost", "broker_unavailable", "completed", "cancelled", "deleted", "strange"][..]),
        code in "[a-z_ ]{0,12}",
        seconds in -5_000_i64..5_000,
        times in proptest::collection::vec((0_usize..8, -100_i64..1_000, any::<bool>()), 0..8),
    ) {
        let base = parse_time("2026-06-01T10:00:00Z").unwrap();
        let mut steps = Foreign::new();
        for (step, at, skipped) in times {
            let status = if skipped { "skipped" } else { "completed" };
            let at = base.plus_ms(at * 1_000).rfc3339();
            steps.insert(Step::ALL[step].as_str().to_owned(), json!({"status": status, "completed_at": at, "started_at": at}));
        }
        let mut row = completed();
        row.insert("status".to_owned(), json!(status));
        row.insert("phase".to_owned(), json!(phase));
        row.insert("error_code".to_owned(), json!(code));
        row.insert("updated_at".to_owned(), json!(base.plus_ms(seconds * 1_000).rfc3339()));
        row.insert("payload_json".to_owned(), json!(json!({"_progress": {"steps": steps}}).to_string()));
        match job_of(&row, &[], &rules()) {
            Ok(kept) => sound(&kept),
            Err(why) => prop_assert!(matches!(why, Why::Broken(_)), "{}", why),
        }
    }
}
