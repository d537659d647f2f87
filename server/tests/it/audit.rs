//! The audit log through its route and its page.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::support::{Server, long_search, settings, small_search};

impl Server {
    /// The records under some parameters, newest first.
    async fn records(&self, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("/api/audit/log{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()["records"].as_array().unwrap().clone()
    }
}

/// `action outcome` of each, or its code.
fn in_words(records: &[Value]) -> Vec<String> {
    let words = records.iter().map(|record| {
        let outcome = record["code"].as_str().or(record["outcome"].as_str());
        format!(
            "{} {}",
            record["action"].as_str().unwrap(),
            outcome.unwrap()
        )
    });
    words.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_action_of_the_api_and_of_the_forms_leaves_exactly_one_record() {
    let server = Server::start().await;
    let id = server.submit(&long_search()).await;
    let cancelled = server
        .send(super::support::request(
            axum::http::Method::POST,
            &format!("/jobs/{id}/cancel"),
            &[("x-request-id", "the-one")],
            axum::body::Body::empty(),
        ))
        .await;
    assert_eq!(cancelled.status, StatusCode::SEE_OTHER);
    server.finish(&id).await;
    let late = server.post(&format!("/api/blast/jobs/{id}/cancel")).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    server.post(&format!("/jobs/{id}/retry")).await;
    server.cancel(&id).await;
    server.delete(&id).await;
    server.post(&format!("/api/blast/jobs/{id}/restore")).await;
    let bulk = json!({ "action": "retry", "ids": [id, "unknown"] });
    server.post_json("/api/blast/jobs/bulk", &bulk).await;
    // Whoever only looks, or sends what cannot be accepted, does nothing.
    server.get(&format!("/jobs/{id}/delete")).await;
    let refused = server
        .try_submit(&json!({ "program": "blastn" }), None)
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let records = server.records("").await;
    let words = [
        "retry no_such_job",
        "retry done",
        "restore done",
        "delete done",
        "cancel done",
        "retry done",
        "cancel not_now",
        "cancel done",
        "submit done",
        "settings done",
    ];
    assert_eq!(in_words(&records), words);
    assert_eq!(records[7]["request_id"], "the-one");
    assert_eq!(records[6]["request_id"], late.header("x-request-id"));
    assert_eq!(records[0]["request_id"], records[1]["request_id"]);
    let (started, of_people) = records.split_last().unwrap();
    assert!(of_people.iter().all(|record| record["actor"] == "local"));
    assert_eq!(started["actor"], "server");
    let detail = started["detail"].as_str().unwrap();
    assert!(detail.starts_with(&format!("version {}, settings ", env!("CARGO_PKG_VERSION"))));
    assert!(!detail.contains(&server.folder.path().display().to_string()));
    server.cancel(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_paged_by_a_cursor_and_narrowed_by_who_what_and_which() {
    let server = Server::start().await;
    let id = server.submit(&small_search()).await;
    let another = server.submit(&small_search()).await;
    for id in [&id, &another] {
        server.finish(id).await;
        server.delete(id).await;
    }
    let all = server.records("").await;
    assert_eq!(all.len(), 5);
    let mut paged = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = server.get(&format!("/api/audit/log{query}")).await.json();
        paged.extend(page["records"].as_array().unwrap().clone());
        assert_eq!(page["unreadable"], 0);
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("?limit=2&cursor={next}");
        // What is added meanwhile belongs to newer pages.
        server.post(&format!("/api/blast/jobs/{id}/cancel")).await;
    }
    assert_eq!(paged, all);
    let of_job = server.records(&format!("?job={another}")).await;
    assert_eq!(in_words(&of_job), ["delete done", "submit done"]);
    let deleted = server.records("?action=delete&actor=local&job=").await;
    assert_eq!(in_words(&deleted), ["delete done", "delete done"]);
    assert_eq!(
        in_words(&server.records("?actor=server").await),
        ["settings done"]
    );
    assert!(server.records("?actor=nobody").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_make_no_sense_are_named() {
    let server = Server::start().await;
    for (query, words) in [
        ("cursor=x", "cursor must be the next_cursor"),
        ("limit=0", "limit must be from 1 to 500"),
        ("limit=501", "limit must be from 1 to 500"),
        ("action=look", "action must be one of submit, cancel"),
        ("who=me", "there is no parameter \"who\""),
    ] {
        let answer = server.get(&format!("/api/audit/log?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        let body = answer.json();
        assert!(
            body["message"].as_str().unwrap().contains(words),
            "{query}: {body}"
        );
    }
    let page = server.get("/audit?cursor=x").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text().contains("next_cursor of the page before"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_who_did_what_with_links_that_work_without_scripts() {
    let server = Server::start().await;
    let nobody = server.get("/audit?action=delete").await;
    assert!(nobody.text().contains("id=\"no-records\""));
    let id = server.submit(&small_search()).await;
    server.finish(&id).await;
    for _ in 0..101 {
        server.post(&format!("/api/blast/jobs/{id}/cancel")).await;
    }
    server.delete(&id).await;
    let page = server.get("/audit").await;
    assert_eq!(page.status, StatusCode::OK);
    let text = page.text();
    assert_eq!(
        text.matches("<tr>").count(),
        101,
        "a heading and a hundred records"
    );
    for shown in [
        "local (you)",
        "Delete",
        "refused",
        "not_now",
        &format!("href=\"/jobs/{id}\""),
    ] {
        assert!(text.contains(shown), "{shown}");
    }
    assert!(!text.contains("rel=\"first\""));
    let older = text
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next());
    let mut older = older.filter(|link| link.starts_with("/audit?cursor="));
    let last = server.get(older.next().unwrap()).await;
    assert_eq!(last.text().matches("<tr>").count(), 5);
    assert!(last.text().contains("rel=\"first\"") && !last.text().contains("rel=\"next\""));
    assert!(last.text().contains("the server"));
    let narrowed = server.get(&format!("/audit?action=submit&job={id}")).await;
    assert_eq!(narrowed.text().matches("<tr>").count(), 2);
    assert!(
        narrowed
            .text()
            .contains("<option value=\"submit\" selected")
    );
    assert!(server.get("/jobs").await.text().contains("href=\"/audit\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_in_short_tell_starts_apart_without_showing_values() {
    let folder = tempfile::tempdir().unwrap();
    let told = |value: &str, from: &str| {
        let mut settings = settings(folder.path());
        settings.told = vec![
            ("jobs", value.to_owned(), from.to_owned()),
            ("log", "info".to_owned(), "default".to_owned()),
        ];
        settings.in_short()
    };
    assert_eq!(
        told("8", "--jobs"),
        told("8", "ELB_JOBS"),
        "where it was set plays no part"
    );
    assert_ne!(told("8", "--jobs"), told("9", "--jobs"));
    assert!(told("secret", "ELB_JOBS").ends_with(", set: jobs"));
    assert!(!told("secret", "ELB_JOBS").contains("secret"));
    assert!(told("8", "default").ends_with(", all at their defaults"));
}
