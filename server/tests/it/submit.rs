//! Submitting through the API.

use axum::http::StatusCode;
use elb_engine::service::Caller;
use serde_json::json;

use super::support::{Server, genes, long_search, proteins, small_search};

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_stored_before_it_is_acknowledged_and_then_runs_to_its_end() {
    let server = Server::start().await;
    let answer = server.try_submit(&small_search(), None).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let body = answer.json();
    let id = body["job_id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/api/blast/jobs/{id}"));
    assert_eq!(answer.header("idempotent-replayed"), "");
    assert_eq!(body["location"], format!("/jobs/{id}"));
    assert_eq!(body["replayed"], false);
    assert_eq!(body["job"]["id"], id);
    let found = server.get(answer.header("location")).await;
    assert_eq!(found.status, StatusCode::OK);
    let job = server.finish(id).await;
    assert!(job.outcome.is_some(), "{:?}", job.failure);
    let found = server.get(answer.header("location")).await.json();
    assert_eq!(found["status"], "completed");
    assert_eq!(found["steps"].as_array().unwrap().len(), 8);
    assert!(found["hits"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_title_and_task_are_taken_over_into_the_command() {
    let server = Server::start().await;
    let body = json!({
        "program": "blastn", "task": "blastn", "database": "genes", "query": genes(0, 1), "title": "  With options ",
        "options": { "evalue": 1e-20, "max_target_seqs": "7", "word_size": null }
    });
    let id = server.submit(&body).await;
    let job = server.finish(&id).await;
    assert_eq!(job.row.title, "With options");
    let command = job.command.join(" ");
    assert!(
        command.contains("-task blastn")
            && command.contains("-evalue 1e-20")
            && command.contains("-max_target_seqs 7"),
        "{command}"
    );
    assert!(!command.contains("word_size"), "{command}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_is_told_at_once() {
    let server = Server::start().await;
    let body = json!({
        "program": "blastn", "task": "blastx-fast", "database": "nowhere", "query": ">a\nACGT\n>a\nAC!GT\n>c\n",
        "title": "x".repeat(201), "options": { "evalue": -1, "matrix": "BLOSUM62", "strange": 1 }
    });
    let answer = server.try_submit(&body, None).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.code(), "invalid");
    let problems = answer.problems();
    for field in [
        "task: ",
        "database: ",
        "evalue: ",
        "matrix: ",
        "strange: ",
        "title: ",
        "query: line 3",
        "query: line 4",
        "query: line 5",
    ] {
        assert!(
            problems.iter().any(|problem| problem.starts_with(field)),
            "{field}: {problems:#?}"
        );
    }
    let mut once = problems.clone();
    once.sort();
    once.dedup();
    assert_eq!(
        once.len(),
        problems.len(),
        "a problem is told twice: {problems:#?}"
    );
    assert_eq!(
        server.get("/api/blast/jobs").await.json()["totals"]["all"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_program_is_told_without_problems_that_only_follow_from_it() {
    let server = Server::start().await;
    let body = json!({ "program": "blastq", "database": "proteins", "query": proteins(0, 1), "options": { "matrix": "BLOSUM62" } });
    let problems = server.try_submit(&body, None).await.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("program: "));
    let body = json!({ "program": "blastq", "database": "nowhere", "query": "x", "options": { "evalue": "x" } });
    let problems = server.try_submit(&body, None).await.problems();
    let fields: Vec<_> = problems
        .iter()
        .map(|problem| problem.split(':').next().unwrap())
        .collect();
    assert_eq!(fields, ["program", "evalue", "database"], "{problems:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_over_the_limit_is_one_of_the_problems() {
    let server = Server::start_with(|_, settings| settings.max_query = 1_000).await;
    let body = json!({ "program": "blastn", "database": "nowhere", "query": genes(0, 2) });
    let answer = server.try_submit(&body, None).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problems = answer.problems();
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with("database: ")),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with("query: ") && problem.contains("larger than")),
        "{problems:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_larger_than_any_query_may_be_is_413() {
    let server = Server::start_with(|_, settings| settings.max_query = 1_000).await;
    let body = json!({ "program": "blastn", "database": "genes", "query": "A".repeat(1_100_000) });
    let answer = server.try_submit(&body, None).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.code(), "too_large");
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_understood_says_what_is_wrong_with_it() {
    let server = Server::start().await;
    for (body, word) in [
        ("{", "EOF"),
        ("[]", "struct SubmitBody"),
        ("{\"program\":\"blastn\"}", "database"),
        (
            "{\"program\":\"blastn\",\"database\":\"genes\",\"query\":\">a\\nA\",\"shell\":\"x\"}",
            "shell",
        ),
    ] {
        let request = super::support::request(
            axum::http::Method::POST,
            "/api/blast/jobs",
            &[("content-type", "application/json")],
            axum::body::Body::from(body),
        );
        let answer = server.send(request).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let problems = answer.problems();
        assert!(
            problems[0].starts_with("body: ") && problems[0].contains(word),
            "{problems:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_sent_twenty_times_at_once_makes_one_search() {
    let server = Server::start().await;
    let body = small_search();
    let sending = (0..20).map(|_| server.try_submit(&body, Some("the-key")));
    let answers = futures::future::join_all(sending).await;
    let ids: std::collections::HashSet<String> = answers
        .iter()
        .map(|answer| answer.json()["job_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == StatusCode::ACCEPTED)
    );
    let replayed = answers
        .iter()
        .filter(|answer| answer.header("idempotent-replayed") == "true")
        .count();
    assert_eq!(replayed, 19);
    assert_eq!(
        server.get("/api/blast/jobs").await.json()["totals"]["all"],
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_cannot_be_used_for_another_search() {
    let server = Server::start().await;
    server.try_submit(&small_search(), Some("k")).await;
    let other = json!({ "program": "blastn", "database": "genes", "query": genes(5, 1) });
    let answer = server.try_submit(&other, Some("k")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.code(), "idempotency_key_reused");
    let answer = server
        .try_submit(&small_search(), Some(&"k".repeat(201)))
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.problems()[0].starts_with("idempotency_key: "),
        "{:?}",
        answer.problems()
    );
    assert_eq!(
        server.get("/api/blast/jobs").await.json()["totals"]["all"],
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_as_many_searches_as_it_takes_says_so() {
    let server = Server::start_with(|_, settings| settings.max_active = 1).await;
    let id = server.submit(&long_search()).await;
    let answer = server.try_submit(&small_search(), None).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.code(), "broker_unavailable");
    server.cancel(&id).await;
    server.submit(&small_search()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_submitted_or_tried_again_while_the_server_stops() {
    let server = Server::start().await;
    let id = server.submit(&long_search()).await;
    server.cancel(&id).await;
    server.state.service.shut_down().await;
    let answer = server.try_submit(&small_search(), None).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.code(), "broker_unavailable");
    let again = server.post(&format!("/api/blast/jobs/{id}/retry")).await;
    assert_eq!(again.status, StatusCode::SERVICE_UNAVAILABLE);
    let rows = server
        .state
        .service
        .list(&Caller::local(), &elb_core::list::ListQuery::default());
    assert!(
        rows.jobs.iter().all(|row| !row.phase.is_active()),
        "a search seems to wait though nobody will run it"
    );
}
