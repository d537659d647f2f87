//! The external plane, as people and programs see it: on pages, in the API, in the settings. The plane is a
//! stand-in.

use axum::http::StatusCode;
use elb_core::external::PlaneHealth;
use elb_engine::external::Token;
use elb_server::{
    api::schema::{FileBody, PlaneStateBody},
    settings::ExternalPlane as Named,
};
use elb_testkit::{
    ExternalPlane,
    external_plane::{Fault, TOKEN},
};
use serde_json::json;

use super::{
    running::{ends, program},
    support::Server,
};

/// A server that knows the plane, and has heard of it or not as the case is.
async fn server(plane: &ExternalPlane, health: PlaneHealth) -> Server {
    let named = Named {
        base: plane.url(),
        token: Token::Given(TOKEN.to_owned()),
    };
    let server = Server::start_with(|_, settings| settings.external_plane = Some(named)).await;
    let mut changes = server.state.service.external_revision().unwrap();
    while server.state.service.external().unwrap().health != health {
        changes.changed().await.unwrap();
    }
    server
}

async fn appears(server: &Server, id: &str, ended: bool) {
    let (service, caller) = (&server.state.service, server.state.caller());
    let mut changes = service.subscribe();
    while !service
        .detail(&caller, id)
        .is_ok_and(|job| !ended || !job.row.phase.is_active())
    {
        changes.recv().await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_one_nothing_is_said_of_it() {
    let server = Server::start().await;
    let answer = server.get("/api/monitor/external").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["plane"], json!(null));
    for path in ["/jobs", "/clusters"] {
        let page = server.get(path).await;
        assert!(!page.text().to_lowercase().contains("external plane"));
    }
    let metrics = server.get("/metrics").await;
    assert!(!metrics.text().contains("external-plane"));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_searches_are_listed_and_their_files_are_passed_on_without_its_token() {
    let plane = ExternalPlane::start().await;
    let content = "<script>alert(1)</script>\n".repeat(20_000);
    plane.put(
        "0123456789ab",
        json!({"status": "completed", "elb_job_id": "job-1",
        "updated_at": "2025-11-26T12:09:00Z"}),
    );
    plane.put_files(
        "0123456789ab",
        &[("result-001", "merged <1>.xml", &content)],
    );
    let server = server(&plane, PlaneHealth::Connected).await;
    appears(&server, "job-1", true).await;

    let files = server.get("/api/blast/jobs/job-1/files").await;
    assert_eq!(files.status, StatusCode::OK);
    let read: Vec<FileBody> = serde_json::from_value(files.json()["files"].clone()).unwrap();
    assert_eq!(read[0].name, "merged__1_.xml");
    assert_eq!(read[0].size, Some(content.len() as u64));
    let path = "/api/blast/jobs/job-1/files/result-001";
    let file = server.get(path).await;
    assert_eq!(file.text(), content);
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"merged__1_.xml\""
    );
    let page = server.get("/jobs/job-1").await;
    assert_eq!(page.status, StatusCode::OK);
    let text = page.text();
    for words in [
        path,
        "merged__1_.xml",
        "the external plane 127.0.0.1:",
        "started there by somebody else",
        "not told by the external plane",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    for id in ["job-1", "0123456789ab"] {
        let none = server
            .get(&format!("/api/blast/jobs/{id}/files/result-002"))
            .await;
        assert!(none.status.is_client_error());
    }
    // The id that it had before it was on its cluster leads to it.
    let moved = server.get("/jobs/0123456789ab").await;
    assert_eq!(moved.status, StatusCode::NOT_FOUND);
    assert!(
        moved.text().contains("href=\"/jobs/job-1\""),
        "{}",
        moved.text()
    );

    let answer = server.get("/api/monitor/external").await.json();
    let read: PlaneStateBody = serde_json::from_value(answer["plane"].clone()).unwrap();
    assert_eq!((read.health.as_str(), read.jobs), ("connected", 1));
    assert_eq!(read.name, plane.host());
    assert_eq!(serde_json::to_value(read).unwrap(), answer["plane"]);
    let metrics = server.get("/metrics").await;
    let metrics = metrics.text();
    let line = "elb_upstream_breaker{dependency=\"external-plane\",state=\"closed\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    // Each cache tells what it did: somebody was the first to ask for the files.
    let fetched = "elb_cache_lookups_total{cache=\"external_files\",outcome=\"fetched\"} ";
    let mut lines = metrics.lines();
    let fetched = lines.find_map(|line| line.strip_prefix(fetched));
    assert_ne!(fetched, Some("0"));
    assert!(fetched.is_some(), "{metrics}");
    let evicted = "elb_cache_evicted_total{cache=\"result_files\"} 0";
    assert!(metrics.contains(evicted), "{metrics}");
    for path in [
        "/jobs",
        "/jobs/job-1",
        "/clusters",
        "/api/monitor/external",
        "/api/blast/jobs",
    ] {
        let answer = server.get(path).await;
        assert!(
            answer.status.is_success() && !answer.text().contains(TOKEN),
            "{path}"
        );
    }
    let clusters = server.get("/clusters").await;
    assert!(clusters.text().contains("Connected"), "{}", clusters.text());
    let jobs = server.get("/jobs").await;
    assert!(!jobs.text().contains("plane-away"));
    assert!(jobs.text().contains("href=\"/clusters\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_away_everything_is_answered_and_says_so() {
    let plane = ExternalPlane::start().await;
    plane.fail("/v1/jobs", Fault::Status(500, None));
    let server = server(&plane, PlaneHealth::Degraded).await;
    for path in ["/jobs", "/clusters"] {
        let page = server.get(path).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(
            page.text().contains("status 500: as the test says"),
            "{}",
            page.text()
        );
    }
    assert!(
        server
            .get("/jobs")
            .await
            .text()
            .contains("id=\"plane-away\"")
    );
    let answer = server.get("/api/monitor/external").await.json();
    assert_eq!(answer["plane"]["health"], "degraded");
    assert_eq!(answer["plane"]["as_of"], json!(null));
    assert_eq!(server.get("/api/blast/jobs").await.status, StatusCode::OK);
    // Searches of this server need it for nothing.
    let ready = server.get("/api/health/ready").await;
    assert_eq!(ready.status, StatusCode::OK, "{}", ready.text());
    let refused = server.get("/api/blast/jobs/none/files").await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    // None of it has asked the plane.
    assert_eq!(plane.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plane_that_does_not_accept_the_token_is_told_apart() {
    let plane = ExternalPlane::start().await;
    plane.require_token("another");
    let server = server(&plane, PlaneHealth::Unauthorised).await;
    let page = server.get("/clusters").await;
    for words in ["Access denied", "ELB_EXTERNAL_PLANE_TOKEN_FILE"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
}

#[tokio::test]
async fn its_token_is_not_told_and_an_address_that_gives_it_away_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let started = async |address: &str| {
        let mut command = program();
        command
            .env("ELB_DATA_DIR", folder.path().join("data"))
            .env("ELB_BLAST_BIN", folder.path())
            .env("ELB_LISTEN", "127.0.0.1:0")
            .env("ELB_EXTERNAL_PLANE", address)
            .env("ELB_EXTERNAL_PLANE_TOKEN", "a-secret-token");
        ends(command).await
    };
    let (success, out, err) = started("https://plane.example").await;
    assert!(!success && err.contains("blastn is not in"), "{err}");
    assert!(out.contains("https://plane.example"), "{out}");
    assert!(!out.contains("a-secret-token") && !err.contains("a-secret-token"));
    let (success, out, err) = started("http://plane.example").await;
    assert!(
        !success && err.contains("must begin with https://"),
        "{err}"
    );
    assert!(!out.contains("a-secret-token") && !err.contains("a-secret-token"));
}
