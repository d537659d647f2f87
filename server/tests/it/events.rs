//! The event stream.

use std::collections::{HashMap, hash_map::Entry};

use axum::http::StatusCode;
use elb_engine::read_model::DELTA_RING;

use super::support::{Server, long_search, request, small_search};

const EVENTS: &str = "/api/blast/events";

/// Changes rows until a reader that has not read for so long must have lost some.
async fn change_much(server: &Server) {
    let id = server.submit(&long_search()).await;
    let begin = server.state.service.revision();
    server.cancel(&id).await;
    while server.state.service.revision() < begin + DELTA_RING as u64 + 2 {
        server.post(&format!("/api/blast/jobs/{id}/retry")).await;
        server.cancel(&id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_greeted_at_once_and_then_told_every_change_in_order() {
    let server = Server::start().await;
    let open = server
        .open(request(
            axum::http::Method::GET,
            EVENTS,
            &[],
            axum::body::Body::empty(),
        ))
        .await;
    assert_eq!(open.headers()["x-accel-buffering"], "no");
    assert_eq!(open.headers()["cache-control"], "no-store, no-transform");
    let mut events = super::support::Stream::of(open);
    let greeting = events.next().await.unwrap();
    assert_eq!(
        (greeting.comment.as_str(), greeting.data.as_str()),
        ("connected", "")
    );
    let pause: u64 = greeting.retry.parse().unwrap();
    assert!((2_000..4_000).contains(&pause), "{pause}");
    let begin = server.state.service.revision();
    let id = server.submit(&small_search()).await;
    let mut expected = begin;
    loop {
        let event = events.next_named().await.unwrap();
        let row = event.json();
        expected += 1;
        assert_eq!((event.name.as_str(), event.number()), ("row", expected));
        assert_eq!(
            (row["revision"].as_u64(), row["id"].as_str()),
            (Some(expected), Some(id.as_str()))
        );
        if row["row"]["status"] == "completed" {
            break;
        }
    }
    server.delete(&id).await;
    let gone = events.next_named().await.unwrap();
    assert_eq!(gone.number(), expected + 1);
    assert!(gone.json()["row"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_gets_what_it_missed_and_nothing_twice() {
    let server = Server::start().await;
    let begin = server.state.service.revision();
    server.complete(&small_search()).await;
    let end = server.state.service.revision();
    let middle = begin + 2;
    for (path, headers) in [
        (format!("{EVENTS}?after={middle}"), vec![]),
        (
            EVENTS.to_owned(),
            vec![("last-event-id", middle.to_string())],
        ),
        // The address is that of the first connection; the header is newer.
        (
            format!("{EVENTS}?after={begin}"),
            vec![("last-event-id", middle.to_string())],
        ),
    ] {
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut events = server.follow(&path, &headers).await;
        for revision in middle + 1..=end {
            let event = events.next_named().await.unwrap();
            assert_eq!((event.name.as_str(), event.number()), ("row", revision));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_is_not_known_is_answered_with_a_snapshot() {
    let server = Server::start().await;
    server.complete(&small_search()).await;
    let now = server.state.service.revision();
    let later = (now + 5).to_string();
    for unknown in ["1", later.as_str(), "18446744073709551615", "abc"] {
        let mut events = server.follow(EVENTS, &[("last-event-id", unknown)]).await;
        let event = events.next_named().await.unwrap();
        assert_eq!(
            (event.name.as_str(), event.number()),
            ("snapshot", now),
            "{unknown}"
        );
        assert_eq!(event.json(), serde_json::json!({ "revision": now }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_can_hear_of_one_search_alone() {
    let server = Server::start().await;
    let begin = server.state.service.revision();
    server.complete(&small_search()).await;
    let id = server.complete(&small_search()).await;
    let end = server.state.service.revision();
    let mut events = server
        .follow(&format!("{EVENTS}?after={begin}&job={id}"), &[])
        .await;
    loop {
        let event = events.next_named().await.unwrap();
        assert_eq!(event.json()["id"], id.as_str());
        if event.number() == end {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_lags_or_was_away_too_long_gets_a_snapshot_and_goes_on_from_there() {
    let server = Server::start().await;
    let begin = server.state.service.revision();
    let mut lagging = server.follow(EVENTS, &[]).await;
    lagging.next().await.unwrap();
    change_much(&server).await;
    let mut late = server
        .follow(EVENTS, &[("last-event-id", &begin.to_string())])
        .await;
    for events in [&mut lagging, &mut late] {
        let snapshot = events.next_named().await.unwrap();
        assert_eq!(
            (snapshot.name.as_str(), snapshot.number()),
            ("snapshot", server.state.service.revision())
        );
    }
    let mut told = server.state.service.revision();
    server.complete(&small_search()).await;
    let end = server.state.service.revision();
    while told < end {
        for events in [&mut lagging, &mut late] {
            let event = events.next_named().await.unwrap();
            assert_eq!(
                (event.name.as_str(), event.number()),
                ("row", told + 1),
                "each change once, in order"
            );
        }
        told += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_says_goodbye_and_ends_when_the_server_stops() {
    let server = Server::start().await;
    let mut events = server.follow(EVENTS, &[]).await;
    events.next().await.unwrap();
    server.state.stopping.cancel();
    let bye = events.next().await.unwrap();
    assert_eq!(bye.name, "bye");
    let pause: u64 = bye.retry.parse().unwrap();
    assert!(
        (3_000..6_000).contains(&pause),
        "when to come back: {pause}"
    );
    assert_eq!(bye.id, "", "the last change that was seen stays the last");
    assert!(bye.json()["reason"].as_str().unwrap().contains("stopping"));
    assert_eq!(events.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_makes_no_sense_is_refused() {
    let server = Server::start().await;
    for bad in ["after=x", "since=3"] {
        let answer = server.get(&format!("{EVENTS}?{bad}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "bad_request"),
            "{bad}"
        );
    }
}

/// The events of a stream that was cut: those whose end has arrived. What comes after the last empty line is
/// none yet, as browsers have it.
fn dispatched(bytes: &[u8]) -> Vec<u64> {
    let text = String::from_utf8_lossy(bytes);
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    let ids = whole.lines().filter_map(|line| line.strip_prefix("id: "));
    ids.map(|id| id.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_cut_at_any_byte_is_taken_up_with_every_change_once() {
    let server = Server::start().await;
    let begin = server.state.service.revision();
    server.complete(&small_search()).await;
    let end = server.state.service.revision();
    let from_begin = format!("{EVENTS}?after={begin}");
    let mut whole = server.follow(&from_begin, &[]).await;
    let last = format!("id: {end}\n");
    let bytes = whole.read_until(|text| {
        let last = text.find(&last);
        last.is_some_and(|at| text[at..].contains("\n\n"))
    });
    let bytes = bytes.await.into_bytes();
    let all: Vec<u64> = (begin + 1..=end).collect();
    assert_eq!(dispatched(&bytes), all);
    // Every byte is a cut; what the server is asked for then depends on the last event alone.
    let mut taken_up = HashMap::new();
    for cut in 0..=bytes.len() {
        let seen = dispatched(&bytes[..cut]);
        let id = seen.last().copied();
        if let Entry::Vacant(first) = taken_up.entry(id) {
            let named = id.map(|id| id.to_string());
            let headers: Vec<_> = named
                .iter()
                .map(|id| ("last-event-id", id.as_str()))
                .collect();
            let mut again = server.follow(&from_begin, &headers).await;
            let mut rest = Vec::new();
            while rest.last().or(id.as_ref()) != Some(&end) {
                rest.push(again.next_named().await.unwrap().number());
            }
            first.insert(rest);
        }
        let both: Vec<u64> = seen.iter().chain(&taken_up[&id]).copied().collect();
        assert_eq!(both, all, "cut after {cut} bytes");
    }
    assert_eq!(taken_up.len(), all.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_to_a_server_that_was_started_again_is_told_to_ask_for_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let start = || Server::start_with(|_, settings| settings.data_dir.clone_from(&data));
    let server = start().await;
    let id = server.complete(&small_search()).await;
    let seen = server.state.service.revision();
    server.state.service.shut_down().await;
    drop(server);
    let server = start().await;
    let now = server.state.service.revision();
    assert!(now > seen, "revisions go on");
    let seen = seen.to_string();
    let mut events = server.follow(EVENTS, &[("last-event-id", &seen)]).await;
    let first = events.next_named().await.unwrap();
    assert_eq!((first.name.as_str(), first.number()), ("snapshot", now));
    let list = server.get("/api/blast/jobs").await.json();
    assert_eq!(list["jobs"][0]["id"], id.as_str());
    assert_eq!(
        list["revision"], now,
        "the list is what the snapshot promised"
    );
    // What it is told afterwards follows on that.
    server.submit(&small_search()).await;
    assert_eq!(events.next_named().await.unwrap().number(), now + 1);
}
