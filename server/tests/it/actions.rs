//! One search: read, cancelled, tried again, deleted; its history and its query.

use axum::http::StatusCode;
use elb_core::phase::Phase;
use elb_engine::service::{Caller, Submission};
use serde_json::Value;

use super::support::{Server, genes, long_search, small_search};

const UNKNOWN: &str = "01a00000-0000-7000-8000-000000000000";

/// A search of somebody else.
async fn anothers(server: &Server) -> String {
    let service = &server.state.service;
    let query = service
        .receive_query(
            genes(0, 1).as_bytes(),
            elb_core::molecule::Molecule::Nucleotide,
        )
        .await
        .unwrap();
    let spec = elb_core::search::SearchSpec {
        program: elb_core::search::Program::Blastn,
        task: None,
        database: "genes".to_owned(),
        options: elb_core::search::SearchOptions::default(),
    };
    let caller = Caller {
        id: "another".to_owned(),
        name: "another user".to_owned(),
    };
    let submission = Submission {
        runs_on: String::new(),
        spec,
        title: String::new(),
        query,
        key: None,
    };
    service
        .submit(&caller, submission)
        .await
        .unwrap()
        .stored
        .job
        .id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_or_anothers_is_not_there_whatever_is_asked() {
    let server = Server::start().await;
    let another = anothers(&server).await;
    for id in [UNKNOWN, another.as_str(), "..%2F..", "x"] {
        let job = format!("/api/blast/jobs/{id}");
        let mut answers = vec![server.delete(id).await];
        for action in ["cancel", "retry", "restore"] {
            answers.push(server.post(&format!("{job}/{action}")).await);
        }
        for part in [
            "",
            "/history",
            "/logs",
            "/query",
            "/results?format=6",
            "/results?format=csv",
        ] {
            answers.push(server.get(&format!("{job}{part}")).await);
        }
        answers.push(
            server
                .get_with(&format!("{job}/logs"), &[("accept", "text/event-stream")])
                .await,
        );
        for answer in answers {
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text());
            assert_eq!(answer.code(), "no_such_job");
        }
        let history = server.get(&format!("/jobs/{id}/history")).await;
        assert_eq!(history.status, StatusCode::NOT_FOUND);
        for action in ["cancel", "retry", "delete", "restore"] {
            let page = server.post(&format!("/jobs/{id}/{action}")).await;
            assert_eq!(page.status, StatusCode::NOT_FOUND);
            assert!(page.is_html(), "{action}");
            assert!(page.text().contains(page.header("x-request-id")));
        }
    }
    assert_eq!(
        server.get("/api/blast/jobs").await.json()["totals"]["all"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_search_is_cancelled_tried_again_and_deleted() {
    let server = Server::start().await;
    let id = server.submit(&long_search()).await;
    server
        .wait_until(&id, |job| job.row.phase == Phase::Running)
        .await;
    let job = format!("/api/blast/jobs/{id}");
    let early = server.post(&format!("{job}/retry")).await;
    assert_eq!(
        (early.status, early.code().as_str()),
        (StatusCode::CONFLICT, "not_now")
    );
    let asked = server.post(&format!("{job}/cancel")).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED);
    assert_eq!(asked.json()["id"], id.as_str());
    assert_eq!(server.finish(&id).await.row.phase, Phase::Cancelled);
    let late = server.post(&format!("{job}/cancel")).await;
    assert_eq!(
        (late.status, late.code().as_str()),
        (StatusCode::CONFLICT, "not_now")
    );
    let again = server.post(&format!("{job}/retry")).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert_eq!(again.json()["attempt"], 2);
    // One that only waits could be gone before the answer is.
    server
        .wait_until(&id, |job| job.row.phase == Phase::Running)
        .await;
    let deleted = server.delete(&id).await;
    assert_eq!(
        deleted.status,
        StatusCode::ACCEPTED,
        "what runs is cancelled first"
    );
    server.wait_until_gone(&id).await;
    assert_eq!(server.get(&job).await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.delete(&id).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_has_ended_is_deleted_at_once() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let answer = server.delete(&id).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.body.is_empty());
    assert_eq!(
        server.get("/api/blast/jobs").await.json()["totals"]["all"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_without_scripts_lead_back_to_where_they_stand() {
    let server = Server::start().await;
    let id = server.submit(&long_search()).await;
    let page = format!("/jobs/{id}");
    let cancelled = server.post(&format!("{page}/cancel")).await;
    assert_eq!(
        (cancelled.status, cancelled.header("location")),
        (StatusCode::SEE_OTHER, page.as_str())
    );
    server.finish(&id).await;
    let twice = server.post(&format!("{page}/cancel")).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    assert!(
        twice.is_html() && twice.text().contains("/jobs"),
        "a way back: {}",
        twice.text()
    );
    let again = server.post(&format!("{page}/retry")).await;
    assert_eq!(
        (again.status, again.header("location")),
        (StatusCode::SEE_OTHER, page.as_str())
    );
    let deleted = server.post(&format!("{page}/delete")).await;
    assert_eq!(
        (deleted.status, deleted.header("location")),
        (
            StatusCode::SEE_OTHER,
            format!("/jobs?deleted={id}").as_str()
        )
    );
    server.wait_until_gone(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_read_in_pages_newest_first_and_without_a_gap() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let path = format!("/api/blast/jobs/{id}/history");
    let versions = |page: &Value| -> Vec<u64> {
        page["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["version"].as_u64().unwrap())
            .collect()
    };
    let whole = server.get(&path).await.json();
    let all = versions(&whole);
    assert!(
        all.len() > 5 && all.is_sorted_by(|left, right| left > right),
        "{all:?}"
    );
    assert_eq!(whole["entries"][0]["phase"], "completed");
    assert_eq!(whole["next_before"], Value::Null, "this was the last page");
    let mut paged = Vec::new();
    let mut address = format!("{path}?limit=3");
    loop {
        let page = server.get(&address).await.json();
        paged.extend(versions(&page));
        let Some(before) = page["next_before"].as_u64() else {
            break;
        };
        address = format!("{path}?limit=3&before={before}");
    }
    assert_eq!(paged, all);
    for bad in ["limit=0", "limit=501", "limit=x", "before=x", "after=1"] {
        let answer = server.get(&format!("{path}?{bad}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(answer.code(), "bad_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_is_downloaded_as_it_was_stored() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let answer = server.get(&format!("/api/blast/jobs/{id}/query")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.header("content-disposition"),
        format!("attachment; filename=\"{id}-query.fasta\"")
    );
    assert_eq!(
        answer.header("content-length"),
        answer.body.len().to_string()
    );
    let joined = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(joined(answer.text()), joined(&genes(0, 2)));
}
