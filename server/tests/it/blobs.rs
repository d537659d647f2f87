//! A whole search whose objects are in the emulator of Azure Blob Storage.

use elb_testkit::{Azurite, azurite::ACCOUNT};

use super::{
    azure::fresh_store,
    fixtures::small_search,
    running::{Running, program},
    support::Raw,
    two_servers::completed,
};

async fn answer(server: &Running, what: &str) -> String {
    let mut raw = Raw::connect(server.address).await;
    let request = format!("{what} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    raw.send(request.as_bytes()).await;
    raw.read_all().await
}

async fn text(server: &Running, path: &str) -> String {
    answer(server, &format!("GET {path}")).await
}

#[tokio::test]
async fn a_search_is_run_read_downloaded_and_deleted_with_its_objects_in_azure() {
    let folder = tempfile::tempdir().unwrap();
    let objects = format!("az://{ACCOUNT}/c{}", uuid::Uuid::new_v4().simple());
    let settings = [
        ("ELB_OBJECTS", objects.as_str()),
        ("ELB_AZURE_BLOB_ENDPOINT", Azurite::shared().blob_url()),
        ("ELB_KEEP_DELETED", "0"),
    ];
    let server = Running::start_with(folder.path(), program(), &settings).await;
    let id = server.submit(&small_search()).await;
    let path = format!("/api/blast/jobs/{id}");
    let job = server
        .wait_until(&path, |job| {
            job["status"] != "running" && job["status"] != "queued"
        })
        .await;
    assert_eq!(job["status"], "completed", "{job:#}");
    let table = text(&server, &format!("{path}/results?format=6")).await;
    assert!(
        table.starts_with("HTTP/1.1 200") && table.lines().count() > 10,
        "{table}"
    );
    let pairwise = text(&server, &format!("{path}/results?format=0")).await;
    assert!(pairwise.contains("Sequences producing significant alignments"));
    let archive = text(&server, &format!("{path}/results?format=11")).await;
    assert!(archive.contains("Blast4-archive"));
    let csv = text(&server, &format!("{path}/results?format=csv")).await;
    assert!(csv.starts_with("HTTP/1.1 200"), "{csv}");
    // Nothing of it is in the usual folder.
    assert!(!folder.path().join("objects").exists());
    let deleted = answer(&server, &format!("DELETE {path}")).await;
    assert!(deleted.starts_with("HTTP/1.1 204"), "{deleted}");
    server
        .wait_until(&path, |job| job["code"] == "no_such_job")
        .await;
}

#[tokio::test]
async fn the_log_of_a_search_outlives_the_disk_of_the_server_that_ran_it() {
    let objects = format!("az://{ACCOUNT}/c{}", uuid::Uuid::new_v4().simple());
    let store = fresh_store();
    let settings = [
        ("ELB_STORE", store.as_str()),
        ("ELB_OBJECTS", objects.as_str()),
        ("ELB_AZURE_BLOB_ENDPOINT", Azurite::shared().blob_url()),
    ];
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start_with(folder.path(), program(), &settings).await;
    let id = first.submit(&small_search()).await;
    completed(&first, &id).await;
    let path = format!("/api/blast/jobs/{id}/logs");
    let log = first.get(&path).await;
    assert!(!log["lines"].as_array().unwrap().is_empty());
    let elsewhere = tempfile::tempdir().unwrap();
    let second = Running::start_with(elsewhere.path(), program(), &settings).await;
    second.wait_until(&path, |kept| *kept == log).await;
    // The same by following.
    let mut raw = Raw::connect(second.address).await;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: text/event-stream\r\n\r\n"
    );
    raw.send(request.as_bytes()).await;
    let followed = raw.read_all().await;
    let lines = followed.matches("event: line").count();
    assert_eq!(lines, log["lines"].as_array().unwrap().len(), "{followed}");
}
