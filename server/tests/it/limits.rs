//! Places for requests of each kind: a kind that is full says so at once and starves no other.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use elb_server::limits::{Limits, Places, Settings};
use futures::future::join_all;
use serde_json::json;

use super::support::{Raw, Server, genes, request, search_form, small_search};

/// A server with so few places.
async fn limited(change: impl FnOnce(&mut Settings)) -> Server {
    let mut settings = Settings::default();
    change(&mut settings);
    Server::start_prepared(
        |_, _| {},
        |state| state.limits = Arc::new(Limits::new(settings)),
    )
    .await
}

const fn places(at_once: usize) -> Places {
    Places {
        at_once,
        patience: Duration::from_millis(1),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_without_places_is_refused_with_when_to_come_back_and_the_others_go_on() {
    let server = limited(|settings| {
        settings.pages = places(0);
        settings.submissions = places(0);
    })
    .await;
    let page = server.get("/jobs").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.is_html() && page.text().contains("Try again in a while"));
    assert_eq!(page.header("retry-after"), "5");
    let search = server.try_submit(&small_search(), None).await;
    assert_eq!(
        (search.status, search.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "busy")
    );
    assert_eq!(search.header("retry-after"), "5");
    assert_eq!(search.json()["request_id"], search.header("x-request-id"));
    let form = search_form().field("query", &genes(0, 1));
    let form = server.send_form_for_json("/search", form).await;
    assert_eq!(form.status, StatusCode::SERVICE_UNAVAILABLE);
    for free in [
        "/api/blast/jobs",
        "/api/health",
        "/api/health/ready",
        "/favicon.svg",
    ] {
        assert_eq!(server.get(free).await.status, StatusCode::OK, "{free}");
    }
    assert_eq!(
        server.get("/api/blast/jobs").await.json()["totals"]["all"],
        0,
        "nothing was stored"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_holds_its_place_until_it_is_closed() {
    let server = limited(|settings| {
        settings.streams = Places {
            at_once: 2,
            patience: Duration::ZERO,
        };
    })
    .await;
    let id = server.complete(&small_search()).await;
    let log = format!("/api/blast/jobs/{id}/logs");
    let mut first = server.follow("/api/blast/events", &[]).await;
    first.next().await.unwrap();
    let second = server.follow("/api/blast/events", &[]).await;
    for full in ["/api/blast/events", log.as_str()] {
        let answer = server
            .get_with(full, &[("accept", "text/event-stream")])
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            "{full}"
        );
    }
    assert_eq!(
        server.get(&log).await.status,
        StatusCode::OK,
        "reading it is no stream"
    );
    drop(second);
    let mut third = server.follow("/api/blast/events", &[]).await;
    assert_eq!(third.next().await.unwrap().comment, "connected");
    drop((first, third));
    let mut log = server.follow(&log, &[]).await;
    while log.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_stands_still_keeps_its_place_and_no_page_waits_for_it() {
    let server = limited(|settings| settings.submissions = places(1)).await;
    let mut slow = Raw::connect(server.listen().await).await;
    let head = "POST /api/blast/jobs HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n";
    slow.send(head.as_bytes()).await;
    // Asked for when the handler reads: by then it has its place.
    slow.read_until("100 Continue").await;
    let second = server.try_submit(&small_search(), None).await;
    assert_eq!(second.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.get("/search").await.status, StatusCode::OK);
    slow.send(&[b' '; 100]).await;
    slow.read_until("HTTP/1.1 422").await;
    server.submit(&small_search()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_read_whole_share_a_bounded_memory() {
    let server = limited(|settings| {
        settings.submissions = places(16);
        settings.body_bytes = 64 * 1_024;
    })
    .await;
    let mut slow = Raw::connect(server.listen().await).await;
    let head = "POST /api/blast/jobs HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n";
    slow.send(head.as_bytes()).await;
    slow.read_until("100 Continue").await;
    let second = server.try_submit(&small_search(), None).await;
    assert_eq!(
        (second.status, second.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "busy")
    );
    slow.send(&[b' '; 100]).await;
    slow.read_until("HTTP/1.1 422").await;
    // One that is larger than all of it has it alone.
    let long = json!({ "program": "blastn", "database": "genes", "query": genes(0, 60) });
    assert!(long.to_string().len() > 64 * 1_024);
    server.submit(&long).await;
}

/// Searches of the burst.
const BURST: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_answered_while_five_hundred_searches_are_submitted_at_once() {
    let server = Server::start_with(|_, settings| settings.max_active = 2 * BURST).await;
    let query = genes(0, 1);
    let submissions = (0..BURST).map(|number| {
        let title = format!("number {number}");
        let body =
            json!({ "program": "blastn", "database": "few_genes", "query": query, "title": title });
        let server = &server;
        async move { server.try_submit(&body, None).await }
    });
    let ended = std::sync::atomic::AtomicBool::new(false);
    let burst = async {
        let answers = join_all(submissions).await;
        ended.store(true, std::sync::atomic::Ordering::SeqCst);
        answers
    };
    let reading = async {
        let mut pages = 0;
        while !ended.load(std::sync::atomic::Ordering::SeqCst) {
            for path in [
                "/jobs",
                "/search",
                "/jobs/deleted",
                "/api/blast/jobs",
                "/databases",
            ] {
                let open = server
                    .open(request(Method::GET, path, &[], Body::empty()))
                    .await;
                let answer = super::answer::Answer::of(open).await;
                assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
                pages += 1;
            }
        }
        pages
    };
    let (answers, pages) = tokio::join!(burst, reading);
    assert!(pages > 0);
    let accepted = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::ACCEPTED)
        .count();
    for answer in &answers {
        let refused = answer.status == StatusCode::SERVICE_UNAVAILABLE;
        assert!(
            answer.status == StatusCode::ACCEPTED || refused,
            "{}",
            answer.text()
        );
        assert_eq!(refused, !answer.header("retry-after").is_empty());
    }
    let list = server.get("/api/blast/jobs").await.json();
    assert_eq!(
        list["totals"]["all"].as_u64(),
        Some(accepted as u64),
        "what was accepted is stored, and nothing else"
    );
    assert!(accepted > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_full_says_when_to_come_back() {
    let server = Server::start_with(|_, settings| settings.max_active = 1).await;
    server.submit(&super::support::long_search()).await;
    let second = server.try_submit(&small_search(), None).await;
    assert_eq!(
        (second.status, second.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "broker_unavailable")
    );
    assert_eq!(second.header("retry-after"), "5");
}
