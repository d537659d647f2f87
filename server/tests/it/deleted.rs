//! Deleted searches: what still tells of them, and how they come back.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;

use super::support::{Server, genes, long_search, small_search};

const DELETED: &str = "/api/blast/jobs/deleted";

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_search_is_gone_until_it_is_restored_and_then_as_it_was() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let job = format!("/api/blast/jobs/{id}");
    let before = server.get(&job).await.json();
    let table = server.get(&format!("{job}/results?format=6")).await;
    let early = server.post(&format!("{job}/restore")).await;
    assert_eq!(
        (early.status, early.code().as_str()),
        (StatusCode::CONFLICT, "not_now")
    );
    server.delete(&id).await;

    let gone = server.get(&job).await;
    assert_eq!(
        (gone.status, gone.code().as_str()),
        (StatusCode::NOT_FOUND, "no_such_job")
    );
    let list = server.get(DELETED).await.json();
    assert_eq!(
        (&list["total"], &list["jobs"][0]["id"]),
        (&json!(1), &json!(id))
    );
    assert_eq!(list["jobs"][0]["was"], "completed");
    let until = list["jobs"][0]["keep_until"].as_str().unwrap();
    let message = gone.json()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains(until) && message.contains(&format!("POST {job}/restore")),
        "{message}"
    );

    let restored = server.post(&format!("{job}/restore")).await;
    assert_eq!(restored.status, StatusCode::OK);
    let mut after = restored.json();
    assert_ne!(after["version"], before["version"]);
    after["version"] = before["version"].clone();
    assert_eq!(after, before);
    let again = server.get(&format!("{job}/results?format=6")).await;
    assert_eq!(again.body, table.body);
    assert_eq!(
        server.get(DELETED).await.json(),
        json!({ "jobs": [], "total": 0 })
    );
    let history = server.get(&format!("{job}/history?limit=2")).await.json();
    assert_eq!(history["entries"][0]["actor"], "local");
    assert_eq!(history["entries"][1]["phase"], "deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_deleted_ones_is_bounded_and_tells_how_many_there_are() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let id = server.complete(&small_search()).await;
        server.delete(&id).await;
        ids.push(id);
    }
    let list = server.get(&format!("{DELETED}?limit=2")).await.json();
    assert_eq!(list["total"], 3);
    let shown: Vec<_> = list["jobs"].as_array().unwrap().iter().collect();
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0]["id"], ids[2], "the last deleted first");
    for bad in ["limit=0", "limit=501", "x=1"] {
        let answer = server.get(&format!("{DELETED}?{bad}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_offers_to_undo_a_delete_and_leads_back_to_where_it_was() {
    let server = Server::start().await;
    let title = "to be <deleted>";
    let body =
        json!({ "program": "blastn", "database": "genes", "query": genes(0, 1), "title": title });
    let id = server.complete(&body).await;
    let fields = [("back", "list"), ("list", "?status=completed")];
    let deleted = server
        .post_fields(&format!("/jobs/{id}/delete"), &fields)
        .await;
    assert_eq!(
        deleted.header("location"),
        format!("/jobs?status=completed&deleted={id}")
    );
    let page = server.follow_redirect(&deleted).await;
    let text = page.text();
    assert!(text.contains("to be &lt;deleted&gt;") && text.contains("Undo is possible until"));
    assert!(text.contains(&format!("action=\"/jobs/{id}/restore\"")));
    assert!(text.contains("value=\"?status=completed\""), "{text}");
    let undone = server
        .post_fields(&format!("/jobs/{id}/restore"), &fields)
        .await;
    assert_eq!(
        undone.header("location"),
        format!("/jobs?status=completed&restored={id}")
    );
    let page = server.follow_redirect(&undone).await;
    assert!(page.text().contains("Restored"));
    assert!(page.text().contains(&format!("data-key=\"{id}\"")));
    let old = server.get(&format!("/jobs?deleted={id}")).await;
    assert!(
        !old.text().contains("Undo is possible"),
        "there is nothing to undo any more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_runs_can_be_had_back_after_its_delete() {
    let server = Server::start().await;
    let id = server.submit(&long_search()).await;
    let deleted = server.post(&format!("/jobs/{id}/delete")).await;
    server.follow_redirect(&deleted).await;
    server.wait_until_gone(&id).await;
    let page = server.follow_redirect(&deleted).await;
    assert!(page.text().contains("Undo is possible until"));
    let restored = server.post(&format!("/jobs/{id}/restore")).await;
    assert_eq!(restored.header("location"), format!("/jobs/{id}"));
    let page = server.follow_redirect(&restored).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Cancelled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_a_deleted_search_is_410_and_offers_to_restore_it() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let empty = server.get("/jobs/deleted").await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(empty.text().contains("Nothing to restore") && empty.text().contains("7 days"));
    assert!(
        server
            .get("/jobs")
            .await
            .text()
            .contains("href=\"/jobs/deleted\"")
    );
    server.delete(&id).await;
    let restore = format!("action=\"/jobs/{id}/restore\"");
    for part in ["", "/history", "/delete"] {
        let page = server.get(&format!("/jobs/{id}{part}")).await;
        assert_eq!(page.status, StatusCode::GONE, "{part}");
        assert!(
            page.is_html() && page.text().contains("This search was deleted"),
            "{part}"
        );
        assert!(page.text().contains(&restore), "{part}");
    }
    let list = server.get("/jobs/deleted").await;
    assert!(list.text().contains(&restore));
    let back = server
        .post_fields(&format!("/jobs/{id}/restore"), &[("back", "deleted")])
        .await;
    assert_eq!(
        back.header("location"),
        format!("/jobs/deleted?restored={id}")
    );
    let page = server.follow_redirect(&back).await;
    assert!(page.text().contains("Restored") && page.text().contains("Nothing to restore"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_over_is_told_by_api_and_pages() {
    let server = Server::start_with(|_, settings| {
        settings.retention.deleted = Duration::ZERO;
    })
    .await;
    let id = server.complete(&small_search()).await;
    for path in ["/jobs".to_owned(), format!("/jobs/{id}/delete")] {
        let page = server.get(&path).await;
        let text = page.text();
        assert!(
            text.contains("at once and for good") && !text.contains("can be restored for"),
            "{path}"
        );
    }
    let deleted = server.post(&format!("/jobs/{id}/delete")).await;
    let page = server.follow_redirect(&deleted).await;
    assert!(page.text().contains("cannot be restored") && !page.text().contains("Undo"));
    assert_eq!(server.get(DELETED).await.json()["total"], 0);
    let late = server.post(&format!("/api/blast/jobs/{id}/restore")).await;
    assert_eq!(
        (late.status, late.code().as_str()),
        (StatusCode::CONFLICT, "not_now")
    );
    assert_eq!(
        server.get(&format!("/jobs/{id}")).await.status,
        StatusCode::NOT_FOUND
    );
    assert!(
        server
            .get("/jobs/deleted")
            .await
            .text()
            .contains("keep_deleted is 0")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_say_how_long_what_is_kept() {
    let server = Server::start_with(|_, settings| {
        settings.retention.jobs = Some(Duration::from_secs(30 * 86_400));
        settings.retention.deleted = Duration::from_secs(36 * 3_600);
        settings.retention.history = Some(Duration::from_secs(90));
    })
    .await;
    let running = server.submit(&long_search()).await;
    let page = server.get(&format!("/jobs/{running}")).await;
    assert!(page.text().contains("for 30 days after its end"));
    server.cancel(&running).await;
    let id = server.complete(&small_search()).await;
    let job = server.finish(&id).await;
    let until = server
        .state
        .service
        .retention()
        .deleted_at(&job.row)
        .unwrap();
    let page = server.get(&format!("/jobs/{id}")).await;
    assert!(
        page.text().contains(&until.rfc3339()),
        "{}",
        until.rfc3339()
    );
    let asked = server.get(&format!("/jobs/{id}/delete")).await;
    assert!(asked.text().contains("can be restored for 36 hours"));
    let history = server.get(&format!("/jobs/{id}/history")).await;
    assert!(history.text().contains("kept for 90 seconds"));
}
