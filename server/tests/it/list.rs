//! The jobs list of the API.

use std::{collections::HashSet, io::Read};

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::support::{Server, genes, long_search, protein_search, small_search};

fn ids(page: &Value) -> Vec<String> {
    page["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_the_rows_and_totals_count_every_status() {
    let server = Server::start().await;
    let done = server.complete(&small_search()).await;
    let protein = server.complete(&protein_search()).await;
    let cancelled = server.submit(&long_search()).await;
    server.cancel(&cancelled).await;
    let all = server.get("/api/blast/jobs").await.json();
    assert_eq!(
        ids(&all),
        [cancelled.clone(), protein.clone(), done.clone()]
    );
    assert_eq!(
        all["totals"],
        json!({ "all": 3, "queued": 0, "running": 0, "completed": 2, "failed": 0, "cancelled": 1 })
    );
    for (filter, found) in [
        ("status=completed", vec![&protein, &done]),
        ("program=blastp", vec![&protein]),
        ("database=genes", vec![&cancelled, &done]),
        ("q=PROTEINS", vec![&protein]),
        ("program=blastn&status=cancelled", vec![]),
        ("sort=program&dir=asc", vec![&done, &protein, &cancelled]),
        ("limit=1", vec![&cancelled]),
    ] {
        let page = server
            .get(&format!("/api/blast/jobs?{filter}"))
            .await
            .json();
        assert_eq!(ids(&page).iter().collect::<Vec<_>>(), found, "{filter}");
        if !filter.contains('&') && filter.starts_with("status") {
            assert_eq!(
                page["totals"]["all"], 3,
                "the totals are true under every status"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another_while_searches_are_added() {
    let server = Server::start().await;
    let blocked = json!({ "program": "blastn", "database": "genes", "query": genes(0, 1) });
    let mut first = HashSet::new();
    for _ in 0..7 {
        first.insert(server.submit(&blocked).await);
    }
    let mut seen = Vec::new();
    let mut address = "/api/blast/jobs?limit=3".to_owned();
    loop {
        let page = server.get(&address).await.json();
        seen.extend(ids(&page));
        server.submit(&blocked).await;
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        address = format!("/api/blast/jobs?limit=3&cursor={cursor}");
    }
    assert_eq!(seen.len(), 7, "a row is missing or comes twice");
    assert_eq!(seen.iter().cloned().collect::<HashSet<_>>(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_known_is_not_sent_again_until_it_changes() {
    let server = Server::start().await;
    server.complete(&small_search()).await;
    let first = server.get("/api/blast/jobs").await;
    let etag = first.header("etag").to_owned();
    assert!(
        etag.starts_with('"') && etag.ends_with('"'),
        "a strong tag: {etag}"
    );
    assert_eq!(first.header("cache-control"), "private, no-cache");
    for known in [etag.clone(), format!("\"other\", {etag}")] {
        let again = server
            .get_with("/api/blast/jobs", &[("if-none-match", &known)])
            .await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        assert_eq!(again.header("etag"), etag);
        assert!(again.body.is_empty());
    }
    let other = server
        .get_with("/api/blast/jobs?status=failed", &[("if-none-match", &etag)])
        .await;
    assert_eq!(
        other.status,
        StatusCode::OK,
        "another question has another answer"
    );
    server.submit(&small_search()).await;
    let changed = server
        .get_with("/api/blast/jobs", &[("if-none-match", &etag)])
        .await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(changed.header("etag"), etag);
}

/// A compressed body as it was.
fn unpacked(encoding: &str, bytes: &[u8]) -> String {
    let mut text = String::new();
    match encoding {
        "br" => brotli::Decompressor::new(bytes, 4_096).read_to_string(&mut text),
        "gzip" => flate2::read::GzDecoder::new(bytes).read_to_string(&mut text),
        other => panic!("{other}"),
    }
    .unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn every_encoding_of_a_list_is_the_same_list_under_a_tag_of_its_own() {
    let server = Server::start().await;
    for _ in 0..3 {
        server.complete(&small_search()).await;
    }
    let path = "/api/blast/jobs?limit=2";
    let plain = server.get(path).await;
    assert_eq!(plain.header("content-encoding"), "");
    let mut tags = HashSet::from([plain.header("etag").to_owned()]);
    for encoding in ["br", "gzip"] {
        let accept = ("accept-encoding", encoding);
        let packed = server.get_with(path, &[accept]).await;
        assert_eq!(packed.header("content-encoding"), encoding);
        assert_eq!(packed.header("vary"), "accept-encoding");
        assert!(packed.body.len() < plain.body.len());
        let list: Value = serde_json::from_str(&unpacked(encoding, &packed.body)).unwrap();
        let (mut list, mut whole) = (list, plain.json());
        for list in [&mut list, &mut whole] {
            // The time of the answer is no part of what it is known by.
            assert!(list["as_of"].take().is_string());
        }
        assert_eq!(list, whole);
        let tag = packed.header("etag").to_owned();
        let again = server
            .get_with(path, &[accept, ("if-none-match", &tag)])
            .await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        assert!(tags.insert(tag), "two encodings have one tag");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_at_hand_is_given_until_something_changes_and_no_longer() {
    let server = Server::start().await;
    let path = "/api/blast/jobs";
    let first = server.get(path).await;
    let id = server.submit(&small_search()).await;
    let second = server.get(path).await;
    assert_ne!(first.header("etag"), second.header("etag"));
    assert_eq!(ids(&second.json()), std::slice::from_ref(&id));
    server.finish(&id).await;
    let third = server.get(path).await.json();
    assert_eq!(third["jobs"][0]["status"], "completed");
    assert_eq!(third["revision"], server.state.service.revision());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_makes_no_sense_is_told_what_would() {
    let server = Server::start().await;
    for (query, word) in [
        ("page=2", "page"),
        ("status=done", "status"),
        ("program=blat", "program"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("sort=size", "sort"),
        ("dir=up", "dir"),
        ("cursor=xyz", "cursor"),
    ] {
        let answer = server.get(&format!("/api/blast/jobs?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        let body = answer.json();
        assert_eq!(body["code"], "bad_request");
        assert!(
            body["message"].as_str().unwrap().contains(word),
            "{query}: {body}"
        );
    }
}
