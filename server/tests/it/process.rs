//! The program itself: start, lock, and a clean end.

use rustix::process::Signal;
use serde_json::json;

use super::{
    running::{Running, ends, program},
    support::{Raw, genes, search_form},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_program_on_the_same_folder_is_told_which_one_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = Running::start(&data).await;
    let mut command = program();
    command
        .arg("--data-dir")
        .arg(&data)
        .args(["--listen", "127.0.0.1:0"]);
    let (success, _, err) = ends(command).await;
    assert!(!success, "{err}");
    assert!(
        err.contains(&format!(
            "another elb-dashboard (process {}) uses the data folder",
            first.id()
        )),
        "{err}"
    );
    assert!(err.contains("ELB_DATA_DIR"), "{err}");
    assert!(first.ask_to_stop(Signal::INT).await.success());
    // The folder is free again.
    Running::start(&data).await.ask_to_stop(Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start(&folder.path().join("one")).await;
    let mut command = program();
    command
        .arg("--data-dir")
        .arg(folder.path().join("two"))
        .args(["--listen", &first.address.to_string()]);
    let (success, _, err) = ends(command).await;
    assert!(
        !success && err.contains(&first.address.to_string()) && err.contains("ELB_LISTEN"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_to_stop_ends_its_streams_and_takes_its_searches_up_at_the_next_start()
 {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = Running::start(&data).await;
    let id = first
        .submit(&json!({ "program": "tblastx", "database": "few_genes", "query": genes(0, 80) }))
        .await;
    let mut events = Raw::connect(first.address).await;
    events.get("/api/blast/events").await;
    events.read_until(": connected").await;
    let mut follow = Raw::connect(first.address).await;
    let head = format!(
        "GET /api/blast/jobs/{id}/logs HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
    );
    follow.send(head.as_bytes()).await;
    follow.read_until("\"step\":\"running\"").await;
    assert!(first.ask_to_stop(Signal::TERM).await.success());
    let rest = events.read_all().await;
    assert!(
        rest.contains("event: bye") && rest.ends_with("0\r\n\r\n"),
        "the stream says goodbye and ends properly: {rest}"
    );
    let log = follow.read_all().await;
    assert!(
        log.contains("event: bye") && !log.contains("event: end"),
        "the search has not ended: {log}"
    );

    let second = Running::start(&data).await;
    let mut follow = Raw::connect(second.address).await;
    follow.send(head.as_bytes()).await;
    follow.read_until("event: end").await;
    let job = second.get(&format!("/api/blast/jobs/{id}")).await;
    assert_eq!(
        (job["status"].as_str(), job["attempt"].as_u64()),
        (Some("completed"), Some(1)),
        "{job:#}"
    );
    assert!(second.ask_to_stop(Signal::TERM).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_to_stop_has_ended_within_ten_seconds_whatever_its_clients_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(&folder.path().join("data")).await;
    let query = genes(0, 300);
    let search = json!({ "program": "tblastx", "database": "genes", "query": query });
    let id = server.submit(&search).await;
    let mut log = Raw::connect(server.address).await;
    let head = format!(
        "GET /api/blast/jobs/{id}/logs HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
    );
    log.send(head.as_bytes()).await;
    log.read_until("\"step\":\"running\"").await;
    // A page that is open and not read from.
    let mut events = Raw::connect(server.address).await;
    events.get("/api/blast/events").await;
    events.read_until(": connected").await;
    // Uploads that have begun and do not go on: one of a query, one of JSON.
    let (kind, part) = search_form().broken_off("file", "slow.fa", b">slow\nACGT");
    let mut form = Raw::connect(server.address).await;
    let head = format!(
        "POST /search HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: 1000000\r\n\r\n"
    );
    form.send(head.as_bytes()).await;
    form.send(&part).await;
    let mut json = Raw::connect(server.address).await;
    let head = "POST /api/blast/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n{";
    json.send(head.as_bytes()).await;
    server.get("/api/blast/jobs").await;

    let asked = std::time::Instant::now();
    assert!(server.ask_to_stop(Signal::TERM).await.success());
    let took = asked.elapsed();
    assert!(
        took < std::time::Duration::from_secs(10),
        "it took {took:?}"
    );
    assert!(events.read_all().await.contains("event: bye"));
}
