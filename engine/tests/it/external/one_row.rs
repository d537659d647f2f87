//! One search, seen by the plane and on a cluster: one row, whoever sees it first.

use std::{path::Path, sync::Arc};

use elb_core::{
    cluster::{Batches, Verdict},
    invariants::Circumstances,
    list::ListQuery,
    phase::Phase,
};
use elb_engine::{
    audit::audit,
    clock::{Clock, SystemClock},
    objects::Objects,
    repository::SqliteRepository,
    service::{Caller, ServiceError},
};
use elb_testkit::ExternalPlane;
use serde_json::json;

use super::rows::engine;
use crate::{
    found::{Told, appears},
    support::{Engine, eventually},
};

const RUN: &str = "job-0123456789abcdef0123456789abcdef";

fn rows(engine: &Engine) -> Vec<String> {
    let page = engine.service.list(&Caller::local(), &ListQuery::default());
    let mut ids: Vec<String> = page.jobs.iter().map(|row| row.id.clone()).collect();
    ids.sort();
    ids
}

/// Waits until the list is these rows.
async fn listed(engine: &Engine, wanted: &[&str]) {
    eventually(&format!("{wanted:?}"), || rows(engine) == wanted).await;
}

/// Lets the plane be looked at a few times more.
async fn looks(plane: &ExternalPlane) {
    let before = plane.count("GET", "/v1/jobs");
    plane
        .wait_for("more looks", |plane| {
            plane.count("GET", "/v1/jobs") > before + 4
        })
        .await;
}

/// Holds what is stored against the invariants.
async fn is_sound(engine: Engine, folder: &Path) {
    engine.service.shut_down().await;
    let store = SqliteRepository::open(&folder.join("state.sqlite")).unwrap();
    let objects = Objects::in_folder(&folder.join("objects")).unwrap();
    let mut found = Vec::new();
    let circumstances = Circumstances {
        now: SystemClock.now(),
        ..Circumstances::default()
    };
    let take = |violation| found.push(violation);
    let looked = audit(&store, &objects, &circumstances, take).await.unwrap();
    assert!(looked.jobs > 0 && found.is_empty(), "{found:#?}");
}

fn searching() -> Verdict {
    Verdict::Searching(Batches {
        done: 1,
        failed: 0,
        total: 3,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_cluster_shows_first_keeps_its_row() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    let told = Told::new();
    told.see(RUN, searching());
    let engine = engine(folder.path(), &plane, Some(&told)).await;
    appears(&engine, RUN).await;
    plane.put("a", json!({"status": "running", "elb_job_id": RUN}));
    looks(&plane).await;
    assert_eq!(rows(&engine), [RUN]);
    // It is followed where it was found, and the plane may have its files all the same.
    let job = engine.job(RUN);
    let place = job.imported.clone().unwrap().found.unwrap();
    assert_eq!(place.cluster, "aks");
    plane.put_files("a", &[("result-001", "x", "y")]);
    let files = engine.service.external_files(&Caller::local(), RUN).await;
    assert_eq!(files.unwrap().len(), 1);
    is_sound(engine, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_plane_shows_first_with_its_id_keeps_its_row() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    let told = Told::new();
    plane.put("a", json!({"status": "running", "elb_job_id": RUN}));
    let engine = engine(folder.path(), &plane, Some(&told)).await;
    appears(&engine, RUN).await;
    told.see(RUN, searching());
    looks(&plane).await;
    assert_eq!(rows(&engine), [RUN]);
    assert!(
        engine
            .job(RUN)
            .imported
            .clone()
            .unwrap()
            .found
            .unwrap()
            .is_external()
    );
    is_sound(engine, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_gets_its_id_later_moves_to_it_and_goes_on() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    let told = Told::new();
    plane.put("a", json!({"status": "queued"}));
    let engine = engine(folder.path(), &plane, Some(&told)).await;
    appears(&engine, "a").await;
    assert_eq!(engine.service.moved_to("a"), None);
    plane.put("a", json!({"status": "running", "elb_job_id": RUN}));
    listed(&engine, &[RUN]).await;
    told.see(RUN, searching());
    engine
        .wait_until(RUN, |job| job.row.phase == Phase::Running)
        .await;
    looks(&plane).await;
    assert_eq!(rows(&engine), [RUN]);
    // Its old address leads to it, and the old row is gone for good.
    assert_eq!(engine.service.moved_to("a").as_deref(), Some(RUN));
    let me = Caller::local();
    assert!(engine.service.restore(&me, "a").await.is_err());
    assert!(engine.service.deleted_job(&me, "a").is_none());
    // That was no end of the search.
    assert_eq!(plane.count("DELETE", ""), 0);
    // A list that misses the id again takes nothing back.
    plane.put("a", json!({"elb_job_id": null}));
    looks(&plane).await;
    assert_eq!(rows(&engine), [RUN]);
    plane.put(
        "a",
        json!({"status": "completed", "updated_at": "2025-11-26T12:09:00Z"}),
    );
    engine.complete(RUN).await;
    is_sound(engine, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_cluster_shows_before_the_plane_says_its_id_is_shown_once_in_the_end() {
    for ended in [false, true] {
        let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
        let told = Told::new();
        plane.put("a", json!({"status": "submitting"}));
        let engine = engine(folder.path(), &plane, Some(&told)).await;
        appears(&engine, "a").await;
        told.see(RUN, searching());
        appears(&engine, RUN).await;
        if ended {
            plane.put("a", json!({"status": "failed"}));
            engine.finish("a").await;
        }
        assert_eq!(rows(&engine), ["a", RUN]);
        plane.put("a", json!({"elb_job_id": RUN}));
        listed(&engine, &[RUN]).await;
        assert_eq!(engine.job(RUN).row.phase, Phase::Running);
        assert_eq!(plane.count("DELETE", ""), 0);
        assert!(told.cancelled.lock().unwrap().is_empty());
        // Nor does it come back with the next start.
        engine.service.shut_down().await;
        let again = self::engine(folder.path(), &plane, Some(&told)).await;
        looks(&plane).await;
        assert_eq!(rows(&again), [RUN]);
        is_sound(again, folder.path()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_shall_end_before_it_has_its_id_ends_and_gets_no_other_row() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    plane.put("a", json!({"status": "submitting"}));
    plane.set_stubborn("a", true);
    let engine = engine(folder.path(), &plane, None).await;
    appears(&engine, "a").await;
    let me = Caller::local();
    engine.service.cancel(&me, "a").await.unwrap();
    plane.put("a", json!({"status": "running", "elb_job_id": RUN}));
    looks(&plane).await;
    plane.set_stubborn("a", false);
    let job = engine.finish("a").await;
    assert_eq!(job.row.phase, Phase::Cancelled);
    assert!(plane.count("DELETE", "/v1/jobs/a") > 0);
    looks(&plane).await;
    assert_eq!(rows(&engine), ["a"]);
    let none = engine.service.detail(&me, RUN);
    assert!(matches!(none, Err(ServiceError::NoSuchJob(_))));
    is_sound(engine, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_a_list_that_misses_the_id_doubles_nothing() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    plane.put("a", json!({"status": "queued"}));
    let first = engine(folder.path(), &plane, None).await;
    appears(&first, "a").await;
    plane.put("a", json!({"status": "running", "elb_job_id": RUN}));
    listed(&first, &[RUN]).await;
    first.service.shut_down().await;
    plane.put("a", json!({"elb_job_id": null}));
    let again = engine(folder.path(), &plane, None).await;
    looks(&plane).await;
    assert_eq!(rows(&again), [RUN]);
    is_sound(again, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_deleted_does_not_come_back_on_the_cluster() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    let told = Told::new();
    plane.put("a", json!({"status": "failed"}));
    let engine = engine(folder.path(), &plane, Some(&told)).await;
    appears(&engine, "a").await;
    engine.finish("a").await;
    engine.service.delete(&Caller::local(), "a").await.unwrap();
    plane.put("a", json!({"elb_job_id": RUN}));
    looks(&plane).await;
    told.see(RUN, searching());
    // Seen by the same look.
    told.see("job-other", searching());
    appears(&engine, "job-other").await;
    looks(&plane).await;
    assert_eq!(rows(&engine), ["job-other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_the_plane_keep_every_rule_of_the_store() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    plane.put(
        "done",
        json!({"status": "completed", "updated_at": "2025-11-26T12:09:00Z"}),
    );
    plane.put("bad", json!({"status": "failed"}));
    plane.put("stopped", json!({"status": "cancelled"}));
    plane.put("waits", json!({"status": "queued"}));
    let engine = engine(folder.path(), &plane, None).await;
    for id in ["done", "bad", "stopped"] {
        appears(&engine, id).await;
        engine.finish(id).await;
    }
    appears(&engine, "waits").await;
    let engine = Arc::new(engine);
    engine
        .service
        .cancel(&Caller::local(), "waits")
        .await
        .unwrap();
    engine.finish("waits").await;
    is_sound(Arc::try_unwrap(engine).ok().unwrap(), folder.path()).await;
}
