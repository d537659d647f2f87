//! Files of results: listed, passed on piece by piece, and never a part for the whole.

use elb_core::phase::Phase;
use elb_engine::{
    external::ExternalPlane as _,
    service::{Caller, FilesNow, ServiceError},
};
use elb_testkit::{ExternalPlane, external_plane::Fault};
use futures::StreamExt;
use serde_json::json;

use super::{client, quick, rows::engine};
use crate::{found::appears, support::text_of};

const FILES: [(&str, &str, &str); 2] = [
    ("result-001", "merged.xml", "<xml>the whole of it</xml>"),
    ("result-002", "batch 1.out", "hits"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_completed_when_its_files_can_be_had_and_they_are_passed_on() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    plane.put("a", json!({"status": "running"}));
    let engine = engine(folder.path(), &plane, None).await;
    appears(&engine, "a").await;
    // As of now, since it has just ended.
    let now = engine.service.now().rfc3339();
    plane.put("a", json!({"status": "completed", "updated_at": now}));
    engine
        .wait_until("a", |job| job.row.phase == Phase::ResultsPending)
        .await;
    let me = Caller::local();
    let refused = engine.service.external_files(&me, "a").await;
    assert!(matches!(refused, Err(ServiceError::NoResults(why)) if why.contains("yet")));
    plane.put_files("a", &FILES);
    let job = engine.complete("a").await;
    let files = engine.service.external_files(&me, "a").await.unwrap();
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["merged.xml", "batch_1.out"]);
    // They are known by now.
    let shown = engine.service.external_files_now(&job);
    assert_eq!(shown, Some(FilesNow::Known(files)));
    let file = engine.service.external_file(&me, "a", "result-001");
    let file = file.await.unwrap();
    assert_eq!(
        (file.size, file.file_name.as_str()),
        (Some(26), "merged.xml")
    );
    assert_eq!(file.media_type, "application/octet-stream");
    assert_eq!(text_of(file).await, FILES[0].2);
    for wrong in ["result-003", "../a", ""] {
        let refused = engine.service.external_file(&me, "a", wrong).await;
        assert!(
            matches!(refused, Err(ServiceError::NoResults(_))),
            "{wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_breaks_off_ends_in_an_error() {
    let plane = ExternalPlane::start().await;
    plane.put("a", json!({}));
    plane.put_files("a", &FILES);
    let client = client(&plane, quick());
    plane.fail("/files/", Fault::Cut);
    let mut opened = client.open("a", "result-001").await.unwrap();
    let mut last = Ok(bytes::Bytes::new());
    while let Some(piece) = opened.pieces.next().await {
        last = piece;
    }
    assert!(last.unwrap_err().to_string().contains("broke off"));
    plane.clear_faults();
    plane.fail("/files/", Fault::Status(500, None));
    assert!(client.open("a", "result-001").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_known_yet_are_asked_for_and_nobody_waits() {
    let plane = ExternalPlane::start().await;
    plane.put("a", json!({}));
    plane.put_files("a", &FILES);
    let client = client(&plane, elb_engine::external::Pace::default());
    plane.fail("/elastic-blast/", Fault::Silence);
    assert_eq!(client.files_now("a"), None);
    plane
        .wait_for("the request", |plane| {
            plane.count("GET", "/elastic-blast/") == 1
        })
        .await;
    assert_eq!(client.files_now("a"), None);
    plane.clear_faults();
    assert_eq!(client.files("a").await.unwrap().len(), 2);
    assert!(client.files_now("a").is_some_and(|files| files.is_ok()));
    assert_eq!(plane.count("GET", "/elastic-blast/"), 1);
}
