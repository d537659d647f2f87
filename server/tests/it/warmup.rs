//! Databases on nodes, asked of a server whose searches run on this machine: refused in words, everywhere.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use serde_json::json;

use super::support::{Server, request};

const WHICH: [(&str, &str); 3] = [
    ("cluster", "lab"),
    ("namespace", "blast"),
    ("database", "nt"),
];

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cluster_nothing_can_be_warmed_and_the_reason_is_told() {
    let server = Server::start().await;
    let told = server.get("/api/warmup").await.json();
    assert_eq!(told["places"], json!([]));
    let why = told["hindrance"].as_str().unwrap().to_owned();
    assert!(why.contains("ELB_EXECUTOR"), "{why}");
    let which: serde_json::Map<_, _> = WHICH
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let refused = server.post_json("/api/warmup", &which.into()).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.json()["code"], "not_now");
    let gone = "/api/warmup?cluster=lab&namespace=blast&database=nt";
    let refused = server.send(request(Method::DELETE, gone, &[], Body::empty()));
    assert_eq!(refused.await.status, StatusCode::CONFLICT);
    for action in ["/clusters/warm-up", "/clusters/release"] {
        let page = server.post_fields(action, &WHICH).await;
        assert_eq!(page.status, StatusCode::CONFLICT);
        assert!(page.text().contains(&why), "{}", page.text());
    }
    // Whoever wanted it, and that it was refused, is on record.
    let audit = server.get("/api/audit/log?action=warm_up").await.json();
    let records = audit["records"].as_array().unwrap();
    assert_eq!(records.len(), 2, "{audit:#}");
    assert_eq!(records[0]["outcome"], "refused");
    let detail = records[0]["detail"].as_str().unwrap();
    assert!(detail.contains("nt") && detail.contains("lab"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_told() {
    let server = Server::start().await;
    let which = json!({ "cluster": "lab" });
    let missing = server.post_json("/api/warmup", &which).await;
    assert_eq!(missing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(missing.text().contains("namespace"), "{}", missing.text());
    let large = json!({ "cluster": "x".repeat(5_000) });
    let large = server.post_json("/api/warmup", &large).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let unknown = "/api/warmup?cluster=lab&namespace=b&database=nt&force=1";
    let unknown = server.send(request(Method::DELETE, unknown, &[], Body::empty()));
    let unknown = unknown.await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert!(unknown.text().contains("force"), "{}", unknown.text());
}
