//! The databases in an object store: on the page, in the API, and not in the search form.

use std::sync::Arc;

use axum::http::StatusCode;
use elb_engine::{breaker::Breaker, clock::SystemClock, databases::blob::BlobDatabases};
use elb_server::api::schema::RemoteListBody;
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory};
use serde_json::json;

use super::support::{Server, genes};

const URL: &str = "az://account/container/blast-db";

fn attach(server: &Server, store: Arc<dyn ObjectStore>) {
    let databases = BlobDatabases::new(
        store,
        Breaker::new("shelf", Arc::new(SystemClock)),
        "blast-db".into(),
        URL.to_owned(),
        Arc::new(SystemClock),
    );
    server.state.service.catalogue().attach_blob(databases);
}

async fn shelf(texts: &[(&str, &str)]) -> Arc<dyn ObjectStore> {
    let store = InMemory::new();
    for (path, text) in texts {
        let text = (*text).to_owned();
        store.put(&(*path).into(), text.into()).await.unwrap();
    }
    Arc::new(store)
}

const METADATA: &str = r#"{
    "dbname": "nt", "dbtype": "Nucleotide", "description": "All <of> nt",
    "number-of-letters": 5222, "number-of-sequences": 4, "number-of-volumes": 1,
    "last-updated": "2026-01-04T17:57:00", "bytes-to-cache": 1478,
    "files": ["nt.nhr", "nt.nin", "nt.nsq", "nt.nto"]
}"#;

#[tokio::test(flavor = "multi_thread")]
async fn they_are_a_group_of_their_own_and_no_search_is_offered_them() {
    let server = Server::start().await;
    let page = server.get("/databases").await;
    assert!(!page.text().contains("In the object store"));
    assert!(server.get("/api/blast/databases").await.json()["blob"].is_null());

    let store = shelf(&[
        ("blast-db/nt/nt-nucl-metadata.json", METADATA),
        ("blast-db/nt/nt.nhr", "x"),
        ("blast-db/nt/nt.nin", "x"),
        ("blast-db/nt/nt.nsq", "x"),
        ("blast-db/swissprot/swissprot.phr", "x"),
        ("blast-db/swissprot/swissprot.pin", "x"),
        ("blast-db/swissprot/swissprot.psq", "x"),
        ("blast-db/else/where", "x"),
    ])
    .await;
    attach(&server, store);
    let answer = server.get("/api/blast/databases").await.json();
    assert_eq!(answer["databases"][0]["source"], "local");
    let blob = &answer["blob"];
    assert_eq!(blob["url"], URL);
    assert!(blob["as_of"].is_string() && blob["problem"].is_null());
    assert_eq!(blob["ignored"], json!(["else"]));
    assert_eq!(
        blob["databases"][0]["readiness"],
        json!({ "state": "not_ready", "reason": "1 of 4 files is missing: nt.nto" })
    );
    assert_eq!(blob["databases"][1]["readiness"]["state"], "ready");
    assert!(blob["databases"][1]["sequences"].is_null());
    let read: RemoteListBody = serde_json::from_value(blob.clone()).unwrap();
    assert_eq!(read.databases.len(), 2);

    let page = server.get("/databases").await;
    let text = page.text();
    for words in [
        "In the object store",
        URL,
        "All &lt;of&gt; nt",
        "Not ready: 1 of 4 files is missing: nt.nto",
        "It has no metadata object",
        "Folders without a database: ",
        "cannot use these",
    ] {
        assert!(text.contains(words), "{words} is not on the page: {text}");
    }
    let form = server.get("/search").await;
    assert!(!form.text().contains("swissprot"));
    let search = json!({ "program": "blastp", "database": "swissprot", "query": genes(0, 1) });
    let refused = server.try_submit(&search, None).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_without_databases_says_so() {
    let server = Server::start().await;
    attach(&server, shelf(&[]).await);
    let page = server.get("/databases").await;
    assert!(page.text().contains("There are no databases."));
}

#[cfg(feature = "azure")]
#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_may_not_be_read_is_an_error_and_not_empty() {
    use elb_testkit::{Behaviour, FaultProxy, azurite};
    use object_store::azure::MicrosoftAzureBuilder;

    let server = Server::start().await;
    // Nothing is behind the proxy: it answers by itself.
    let upstream = format!("http://127.0.0.1:1/{}", azurite::ACCOUNT);
    let proxy = FaultProxy::before(&upstream).await;
    proxy.set(Behaviour::Answer {
        status: 403,
        retry_after: None,
    });
    let store = MicrosoftAzureBuilder::new()
        .with_account(azurite::ACCOUNT)
        .with_access_key(azurite::KEY)
        .with_container_name("container")
        .with_endpoint(proxy.instead_of(&upstream))
        .with_allow_http(true)
        .build()
        .unwrap();
    attach(&server, Arc::new(store));
    let answer = server.get("/api/blast/databases").await;
    assert_eq!(answer.status, StatusCode::OK);
    let blob = &answer.json()["blob"];
    assert!(blob["as_of"].is_null());
    let role = "Storage Blob Data Reader";
    let problem = blob["problem"].as_str().unwrap();
    assert!(problem.contains(role), "{problem}");
    let page = server.get("/databases").await;
    let text = page.text();
    assert!(text.contains("The databases cannot be listed: "), "{text}");
    assert!(text.contains(role) && text.contains(r#"role="alert""#));
    assert!(!text.contains("There are no databases."));
}
