//! The pages, as a browser without scripts gets them.

use axum::http::StatusCode;
use elb_server::assets::FINGERPRINT;

use super::support::{Server, genes, long_search, small_search};

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_a_whole_document_with_a_heading_of_its_own() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    for (path, heading) in [
        ("/".to_owned(), "Searches"),
        ("/jobs".to_owned(), "Searches"),
        ("/jobs?status=completed&sort=hits".to_owned(), "Searches"),
        ("/search".to_owned(), "New search"),
        (format!("/search?from={id}"), "New search"),
        (
            "/search?program=blastn&example=genes".to_owned(),
            "New search",
        ),
        ("/databases".to_owned(), "Databases"),
        ("/audit".to_owned(), "Audit log"),
        (format!("/jobs/{id}/delete"), "Delete"),
    ] {
        let page = server.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.is_html(), "{path}");
        let text = page.text();
        let head = text
            .split("<h1")
            .nth(1)
            .unwrap_or_else(|| panic!("{path} has no heading"));
        assert!(
            head.split("</h1>").next().unwrap().contains(heading),
            "{path}"
        );
        assert_eq!(text.matches("<h1").count(), 1, "{path}");
        assert!(
            text.starts_with("<!DOCTYPE html>") && text.contains("</html>"),
            "{path}"
        );
        assert!(
            text.contains(&format!("/pkg/{FINGERPRINT}/elb-dashboard.css")),
            "{path}"
        );
    }
    let moved = server.get("/jobs/").await;
    assert_eq!(
        (moved.status, moved.header("location")),
        (StatusCode::PERMANENT_REDIRECT, "/jobs")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_carry_the_nonce_of_their_own_answer() {
    let server = Server::start().await;
    let mut nonces = Vec::new();
    for path in ["/jobs", "/search", "/nowhere"] {
        let page = server.get(path).await;
        let policy = page.header("content-security-policy");
        let nonce = policy
            .split("'nonce-")
            .nth(1)
            .and_then(|rest| rest.split('\'').next())
            .unwrap();
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        let scripts: Vec<_> = page
            .text()
            .split("<script")
            .skip(1)
            .map(|rest| rest.split('>').next().unwrap())
            .collect();
        assert!(!scripts.is_empty());
        for script in scripts {
            assert!(
                script.contains(&format!("nonce=\"{nonce}\"")),
                "{path}: {script}"
            );
        }
        nonces.push(nonce.to_owned());
    }
    nonces.dedup();
    assert_eq!(nonces.len(), 3, "a nonce counts once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_search_shows_its_steps_first_and_its_results_in_the_end() {
    let server = Server::start().await;
    let long = server.submit(&long_search()).await;
    let running = server.get(&format!("/jobs/{long}")).await;
    assert_eq!(running.status, StatusCode::OK);
    assert!(!running.text().contains("id=\"results\""));
    assert!(running.text().contains("data-delete"));
    server.cancel(&long).await;
    let id = server.complete(&small_search()).await;
    let page = format!("/jobs/{id}");
    for (query, word) in [
        ("", "Descriptions"),
        ("?view=hits&sort=identity&dir=asc&rows=10", "Descriptions"),
        ("?view=graphic", "<svg"),
        ("?view=alignments&query=1", "Sbjct"),
        ("?view=queries", "Queries"),
        (
            "?query=1&q=16S&min_identity=90&max_evalue=1e-5",
            "Descriptions",
        ),
    ] {
        let answer = server.get(&format!("{page}{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
        let results = answer
            .text()
            .split("id=\"results\"")
            .nth(1)
            .unwrap_or_else(|| panic!("{query}: no results"));
        assert!(results.contains(word), "{query} lacks {word}");
        assert!(results.contains("format=csv"), "{query}: downloads");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_makes_no_sense_is_400_and_one_that_leads_nowhere_404() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    for (path, status) in [
        ("/jobs?status=done".to_owned(), StatusCode::BAD_REQUEST),
        ("/?limit=0".to_owned(), StatusCode::BAD_REQUEST),
        (format!("/jobs/{id}?view=all"), StatusCode::BAD_REQUEST),
        (format!("/jobs/{id}?query=x"), StatusCode::BAD_REQUEST),
        (format!("/jobs/{id}?query=2"), StatusCode::NOT_FOUND),
        ("/jobs/unknown".to_owned(), StatusCode::NOT_FOUND),
        ("/jobs/unknown/delete".to_owned(), StatusCode::NOT_FOUND),
        ("/jobs/x/y/z".to_owned(), StatusCode::NOT_FOUND),
        ("/clusterz".to_owned(), StatusCode::NOT_FOUND),
    ] {
        let page = server.get(&path).await;
        assert_eq!(page.status, status, "{path}");
        assert!(page.is_html() && page.text().contains("<h1"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_typed_stands_in_a_page_as_text_alone() {
    let server = Server::start().await;
    let title = "</title><script>alert(1)</script>\"'&";
    let body = serde_json::json!({ "program": "blastn", "database": "genes", "query": genes(0, 1), "title": title });
    let id = server.complete(&body).await;
    for path in [
        "/jobs".to_owned(),
        format!("/jobs/{id}"),
        format!("/jobs/{id}/delete"),
        format!("/search?from={id}"),
    ] {
        let page = server.get(&path).await;
        assert!(!page.text().contains("<script>alert"), "{path}");
        assert!(page.text().contains("&lt;script&gt;alert(1)"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn islands_ask_for_rows_the_part_of_a_search_that_changes_and_builds() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let page = server.get("/jobs?status=completed").await;
    let address = "data-address=\"/api/blast/jobs?status=completed\"";
    assert!(page.text().contains(address), "{}", page.text());
    let rows = server.get("/api/blast/jobs?status=completed").await;
    assert_eq!(rows.json()["jobs"][0]["id"], id.as_str());
    let job = server.get(&format!("/api/ui/job?id={id}")).await.json();
    assert_eq!(job["phase"], "completed");
    let (version, command) = (job["version"].as_u64(), job["command"].as_str());
    assert!(version.is_some_and(|version| version > 0), "{job}");
    assert!(
        command.is_some_and(|command| command.starts_with("blastn ")),
        "{job}"
    );
    let html = job["html"].as_str().unwrap_or_default();
    assert!(html.contains("class=\"badge completed\""), "{html}");
    assert_eq!(
        server.get("/api/ui/job?id=none").await.json(),
        serde_json::Value::Null
    );
    assert_eq!(
        server.get("/api/ui/builds").await.json(),
        serde_json::json!([])
    );
    assert!(server.get("/api/ui/nothing").await.status.is_client_error());
}

/// What a page of the list may weigh on its way, in bytes (ours).
const MOST_OF_A_LIST: usize = 25 * 1_024;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_fifty_searches_is_small_and_has_each_of_them_once() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for number in 0..50 {
        let mut search = long_search();
        search["title"] = format!("genes of sample {number:03}, against the reference").into();
        ids.push(server.submit(&search).await);
    }
    let compressed = [("accept-encoding", "br")];
    let page = server.get_with("/jobs", &compressed).await;
    assert_eq!(page.header("content-encoding"), "br");
    println!("a page of fifty searches: {} bytes", page.body.len());
    assert!(
        page.body.len() <= MOST_OF_A_LIST,
        "{} bytes",
        page.body.len()
    );
    let plain = server.get("/jobs").await;
    for id in &ids {
        assert_eq!(
            plain.text().matches(&format!("data-key=\"{id}\"")).count(),
            1
        );
    }
    // Rows stand in the table alone, not once more in what a script would read.
    let (_, table) = plain.text().split_once("<table").expect("a table");
    let (_, rest) = table.split_once("</table>").expect("its end");
    assert!(!rest.contains("genes of sample"), "rows are sent twice");
    for id in ids {
        server.cancel(&id).await;
    }
}
