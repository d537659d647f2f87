//! The jobs list of the API.

use std::collections::HashSet;

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
