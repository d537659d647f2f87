//! The log of a search: in pages, and followed to its end.

use axum::http::StatusCode;
use elb_core::phase::Phase;
use serde_json::Value;

use super::support::{Server, long_search, small_search};

fn numbers(page: &Value) -> Vec<u64> {
    page["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["number"].as_u64().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_in_pages_without_a_gap() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let path = format!("/api/blast/jobs/{id}/logs");
    let whole = server.get(&path).await.json();
    let all = numbers(&whole);
    assert!(all.len() > 3, "{whole}");
    assert_eq!(whole["next_after"], Value::Null);
    let mut paged = Vec::new();
    let mut address = format!("{path}?limit=2");
    loop {
        let page = server.get(&address).await.json();
        paged.extend(numbers(&page));
        let Some(after) = page["next_after"].as_u64() else {
            break;
        };
        address = format!("{path}?limit=2&after={after}");
    }
    assert_eq!(paged, all);
    for bad in ["limit=0", "limit=2001", "after=-1", "lines=3"] {
        let answer = server.get(&format!("{path}?{bad}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "bad_request"),
            "{bad}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_followed_goes_on_where_the_reader_stopped_and_ends_with_the_search() {
    let server = Server::start().await;
    let id = server.submit(&small_search()).await;
    let path = format!("/api/blast/jobs/{id}/logs");
    let mut early = server.follow(&path, &[]).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(early.next_named().await.unwrap());
    }
    drop(early);
    let last = seen.last().unwrap().id.clone();
    // The address of the first connection is used again, as browsers do: the header wins.
    let mut later = server
        .follow(&format!("{path}?after=0"), &[("last-event-id", &last)])
        .await;
    while let Some(event) = later.next_named().await {
        seen.push(event);
    }
    let end = seen.pop().unwrap();
    assert_eq!(end.name, "end");
    assert!(seen.iter().all(|event| event.name == "line"));
    let followed: Vec<u64> = seen.iter().map(|event| event.number()).collect();
    assert_eq!(followed, (1..=followed.len() as u64).collect::<Vec<_>>());
    assert_eq!(
        numbers(&server.get(&path).await.json()),
        followed,
        "a line is missing"
    );
    assert!(!server.finish(&id).await.row.phase.is_active());
}

#[tokio::test(flavor = "multi_thread")]
async fn following_a_log_ends_when_the_search_is_deleted() {
    let server = Server::start().await;
    let id = server.submit(&long_search()).await;
    server
        .wait_until(&id, |job| job.row.phase == Phase::Running)
        .await;
    let mut log = server
        .follow(&format!("/api/blast/jobs/{id}/logs"), &[])
        .await;
    assert_eq!(log.next_named().await.unwrap().number(), 1);
    server.delete(&id).await;
    let mut last = None;
    while let Some(event) = log.next_named().await {
        last = Some(event);
    }
    assert_eq!(last.unwrap().name, "end");
}

#[tokio::test(flavor = "multi_thread")]
async fn following_a_log_ends_with_a_goodbye_and_no_end_of_the_search_when_the_server_stops() {
    let server = Server::start().await;
    let id = server.submit(&long_search()).await;
    server
        .wait_until(&id, |job| job.row.phase == Phase::Running)
        .await;
    let mut log = server
        .follow(&format!("/api/blast/jobs/{id}/logs"), &[])
        .await;
    log.next_named().await.unwrap();
    server.state.stopping.cancel();
    let mut names = Vec::new();
    while let Some(event) = log.next_named().await {
        names.push(event.name);
    }
    assert_eq!(names.pop().as_deref(), Some("bye"));
    assert!(
        names.iter().all(|name| name == "line"),
        "the search has not ended: {names:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_is_an_error_and_not_an_empty_log() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let file = server.folder.path().join(format!("data/logs/{id}.jsonl"));
    std::fs::remove_file(&file).unwrap();
    // A folder in its place can be opened, but not read.
    std::fs::create_dir(&file).unwrap();
    let path = format!("/api/blast/jobs/{id}/logs");
    let answer = server.get(&path).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, "internal")
    );
    assert!(
        server.follow(&path, &[]).await.breaks_off().await,
        "a log that fails must not seem to end"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_event_id_that_is_none_is_refused() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let headers = [("accept", "text/event-stream"), ("last-event-id", "abc")];
    let answer = server
        .get_with(&format!("/api/blast/jobs/{id}/logs"), &headers)
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::BAD_REQUEST, "bad_request")
    );
}
