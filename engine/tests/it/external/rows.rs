//! Rows of searches that the external plane runs: everybody's, followed forward, ended when asked.

use std::{path::Path, sync::Arc, time::Duration};

use elb_core::{error_code::ErrorCode, phase::Phase, poll, step::Step, step::StepState};
use elb_engine::{
    clusters::Clusters,
    external::ExternalPlane as _,
    service::{Caller, ServiceError},
};
use elb_testkit::{ExternalPlane, external_plane::Fault};
use serde_json::json;

use super::{client, client_with, quick};
use crate::{
    found::{Told, appears},
    support::{Engine, Settings, ShiftedClock},
};

/// An engine that knows the plane, and perhaps sees a cluster.
pub async fn engine(folder: &Path, plane: &ExternalPlane, told: Option<&Arc<Told>>) -> Engine {
    let settings = Settings {
        places: 1,
        active_jobs: 1,
        clusters: told.map(|told| Arc::clone(told) as Arc<dyn Clusters>),
        external: Some(client(plane, quick())),
        ..Settings::default()
    };
    Engine::start_with(folder, settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_of_the_plane_is_everybody_s_and_goes_as_it_is_told() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    plane.put(
        "a",
        json!({"queue_position": 2, "db": "https://x/db/core_nt"}),
    );
    let engine = engine(folder.path(), &plane, None).await;
    appears(&engine, "a").await;
    let waits = |reason: &str, part: &str| reason.contains(part);
    let job = engine
        .wait_until("a", |job| {
            let reason = job.row.reason.as_deref().unwrap_or_default();
            waits(reason, "place 2 in the queue")
        })
        .await;
    assert_eq!(
        (job.owner.as_str(), job.row.database.as_str()),
        ("", "core_nt")
    );
    assert!(job.can_cancel && !job.can_retry);
    plane.put(
        "a",
        json!({"status": "running", "started_at": "2025-11-26T12:05:00Z"}),
    );
    plane.put_detail(
        "a",
        json!({"phase": "running", "kubernetes": {"summary": {"total": 4, "succeeded": 1}}}),
    );
    let job = engine
        .wait_until("a", |job| job.row.progress.batches_done == 1)
        .await;
    assert_eq!(
        (job.row.phase, job.row.progress.batches_total),
        (Phase::Running, 4)
    );
    assert_eq!(job.steps[Step::StagingDb.index()].state, StepState::Skipped);
    // Ended long ago by its own word, so nobody has to look for its files.
    plane.put(
        "a",
        json!({"status": "completed", "updated_at": "2025-11-26T12:09:00Z"}),
    );
    engine.complete("a").await;
    assert_eq!(plane.count("DELETE", ""), 0);
    let history = engine.history("a").await;
    let first = &history.last().unwrap().note;
    assert_eq!(
        first,
        &format!("found in the external plane {}", plane.host())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_list_never_moves_one_back_that_has_ended() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    plane.put(
        "a",
        json!({"status": "completed", "updated_at": "2025-11-26T12:09:00Z"}),
    );
    let engine = engine(folder.path(), &plane, None).await;
    appears(&engine, "a").await;
    let ended = engine.complete("a").await;
    for status in ["running", "queued", "failed", "no such word"] {
        plane.put("a", json!({"status": status}));
        let looks = plane.count("GET", "/v1/jobs");
        plane
            .wait_for("three more looks", |plane| {
                plane.count("GET", "/v1/jobs") > looks + 3
            })
            .await;
    }
    assert_eq!(engine.job("a"), ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_has_its_own_words_and_one_that_others_stopped_is_cancelled() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    plane.put("bad", json!({"status": "failed"}));
    plane.put_detail(
        "bad",
        json!({"phase": "blast_failed", "error": "BLAST Database error: no alias"}),
    );
    plane.put("stopped", json!({"status": "running"}));
    plane.put("dumb", json!({"status": "failed"}));
    plane.fail("/dumb/status", Fault::Status(500, None));
    plane.put("other", json!({"program": "psiblast"}));
    let engine = engine(folder.path(), &plane, None).await;
    for id in ["bad", "stopped", "dumb"] {
        appears(&engine, id).await;
    }
    let failure = engine.finish("bad").await.failure.clone().unwrap();
    assert_eq!(failure.error.code, ErrorCode::BlastFailed);
    assert!(failure.error.message.contains("no alias"));
    plane.put("stopped", json!({"status": "cancelled"}));
    assert_eq!(engine.finish("stopped").await.row.phase, Phase::Cancelled);
    let failure = engine.finish("dumb").await.failure.clone().unwrap();
    assert!(failure.error.message.contains("does not say why"));
    // There is no form for it here.
    assert!(engine.service.detail(&Caller::local(), "other").is_err());
    assert_eq!(plane.count("DELETE", ""), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_plane_is_away_rows_stay_also_over_a_restart() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    plane.put("a", json!({"status": "running"}));
    let first = engine(folder.path(), &plane, None).await;
    appears(&first, "a").await;
    first
        .wait_until("a", |job| job.row.phase == Phase::Running)
        .await;
    first.service.shut_down().await;
    plane.put(
        "a",
        json!({"status": "completed", "updated_at": "2025-11-26T12:09:00Z"}),
    );
    plane.fail("/v1/jobs", Fault::Silence);
    let again = engine(folder.path(), &plane, None).await;
    plane
        .wait_for("a look in vain", |plane| plane.count("GET", "/v1/jobs") > 1)
        .await;
    // The list is answered all the same.
    assert_eq!(again.job("a").row.phase, Phase::Running);
    plane.clear_faults();
    again.complete("a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_is_done_when_the_plane_says_that_nothing_of_it_runs() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    plane.put("a", json!({"status": "running"}));
    plane.set_stubborn("a", true);
    let engine = engine(folder.path(), &plane, None).await;
    appears(&engine, "a").await;
    engine.service.cancel(&Caller::local(), "a").await.unwrap();
    engine
        .wait_until("a", |job| {
            let reason = job.row.reason.as_deref().unwrap_or_default();
            reason.contains("told to stop it, and it has not ended there yet")
        })
        .await;
    plane.set_stubborn("a", false);
    let job = engine.finish("a").await;
    assert_eq!(job.row.phase, Phase::Cancelled);
    assert_eq!(plane.status_of("a").as_deref(), Some("cancelled"));
    // Without the token nothing is claimed.
    plane.put("b", json!({"status": "running"}));
    appears(&engine, "b").await;
    plane.fail("/v1/jobs/b", Fault::Status(403, None));
    engine.service.cancel(&Caller::local(), "b").await.unwrap();
    engine
        .wait_until("b", |job| {
            let reason = job.row.reason.as_deref().unwrap_or_default();
            reason.contains("it forbids this")
        })
        .await;
    assert_eq!(plane.count("DELETE", "/b"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_one_does_not_come_back_whatever_the_list_says() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    plane.put(
        "a",
        json!({"status": "completed", "updated_at": "2025-11-26T12:09:00Z"}),
    );
    let first = engine(folder.path(), &plane, None).await;
    appears(&first, "a").await;
    first.complete("a").await;
    let me = Caller::local();
    first.service.delete(&me, "a").await.unwrap();
    first.service.shut_down().await;
    plane.put("a", json!({"elb_job_id": "job-1", "status": "running"}));
    let again = engine(folder.path(), &plane, None).await;
    plane.put("b", json!({}));
    appears(&again, "b").await;
    for id in ["a", "job-1"] {
        let gone = again.service.detail(&me, id);
        assert!(matches!(gone, Err(ServiceError::NoSuchJob(_))), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_plane_forgets_is_lost_only_after_a_while() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    plane.put("a", json!({"status": "running"}));
    let clock = ShiftedClock::default();
    let settings = Settings {
        clock: Arc::new(clock.clone()),
        external: Some(client_with(&plane, quick(), Arc::new(clock.clone()))),
        ..Settings::default()
    };
    let engine = Engine::start_with(folder.path(), settings).await;
    appears(&engine, "a").await;
    engine
        .wait_until("a", |job| job.row.phase == Phase::Running)
        .await;
    plane.forget("a");
    let asked = plane.count("GET", "/a/status");
    plane
        .wait_for("questions about it", |plane| {
            plane.count("GET", "/a/status") > asked + 2
        })
        .await;
    assert_eq!(engine.job("a").row.phase, Phase::Running);
    clock.pass(poll::SILENCE_LIMIT + Duration::from_secs(1));
    let job = engine.finish("a").await;
    assert_eq!(job.row.phase, Phase::WorkerLost);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_another_plane_are_left_alone() {
    let (plane, other) = (ExternalPlane::start().await, ExternalPlane::start().await);
    let folder = tempfile::tempdir().unwrap();
    plane.put("a", json!({"status": "running"}));
    let first = engine(folder.path(), &plane, None).await;
    appears(&first, "a").await;
    first
        .wait_until("a", |job| job.row.phase == Phase::Running)
        .await;
    first.service.shut_down().await;
    other.put("a", json!({"status": "failed"}));
    other.put("b", json!({}));
    let again = engine(folder.path(), &other, None).await;
    appears(&again, "b").await;
    again.service.cancel(&Caller::local(), "a").await.unwrap();
    let job = again
        .wait_until("a", |job| {
            job.row
                .reason
                .as_deref()
                .is_some_and(|why| why.contains("ELB_EXTERNAL_PLANE"))
        })
        .await;
    assert_eq!(job.row.phase, Phase::Cancelling);
    assert_eq!(other.count("DELETE", ""), 0);
    assert_eq!(other.count("GET", "/a/status"), 0);
    assert_eq!(client(&other, quick()).name(), other.host());
}
