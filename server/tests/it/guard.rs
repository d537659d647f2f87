//! What every request must pass and every answer carries.

use axum::{
    Router,
    body::Body,
    http::{Method, StatusCode},
    routing::get,
};
use elb_server::{AppState, router::layered};
use tower::ServiceExt;

use super::support::{Answer, Server, request};

async fn of(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    server
        .send(request(method, path, headers, Body::empty()))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_of_the_api_has_a_code_a_message_and_the_request() {
    let server = Server::start().await;
    for (method, path, status, code) in [
        (Method::GET, "/api", 404, "no_such_route"),
        (Method::GET, "/api/", 404, "no_such_route"),
        (Method::GET, "/api/nothing", 404, "no_such_route"),
        (Method::POST, "/api/blast/nothing", 404, "no_such_route"),
        (Method::PUT, "/api/blast/jobs", 405, "method_not_allowed"),
        (Method::POST, "/api/health", 405, "method_not_allowed"),
        (Method::GET, "/api/blast/jobs/x", 404, "no_such_job"),
        (Method::GET, "/api/blast/jobs?x=1", 400, "bad_request"),
        (Method::POST, "/api/blast/jobs", 422, "invalid"),
        (
            Method::GET,
            "/api/blast/databases/example",
            400,
            "bad_request",
        ),
        (
            Method::GET,
            "/api/blast/databases/example?name=x",
            404,
            "no_such_database",
        ),
    ] {
        let answer = of(&server, method, path, &[]).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        let body = answer.json();
        assert_eq!(body["code"], code, "{path}");
        assert!(!body["message"].as_str().unwrap().is_empty());
        assert_eq!(body["request_id"], answer.header("x-request-id"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_of_a_page_is_a_page() {
    let server = Server::start().await;
    for (method, path, status) in [
        (Method::GET, "/nowhere", 404),
        (Method::GET, "/apiary", 404),
        (Method::POST, "/nowhere", 404),
        (Method::DELETE, "/jobs", 405),
        (Method::GET, "/jobs/x", 404),
        (Method::GET, "/jobs?status=x", 400),
        (Method::POST, "/jobs/x/delete", 404),
        (Method::POST, "/search", 400),
        (Method::POST, "/databases", 400),
        (Method::POST, "/databases/delete", 415),
    ] {
        let answer = of(&server, method.clone(), path, &[]).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert!(
            answer.is_html() && answer.text().contains("<h1"),
            "{method} {path}: {}",
            answer.text()
        );
        let for_island = of(
            &server,
            method.clone(),
            path,
            &[("accept", "application/json")],
        )
        .await;
        assert_eq!(for_island.status.as_u16(), status, "{method} {path}");
        assert_eq!(
            for_island.json()["request_id"],
            for_island.header("x-request-id"),
            "{method} {path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_error_like_any_other() {
    async fn broken() -> &'static str {
        panic!("on purpose")
    }
    let server = Server::start().await;
    let routes: Router<AppState> = Router::new()
        .route("/api/broken", get(broken))
        .route("/broken", get(broken));
    let router = layered(routes).with_state(server.state.clone());
    for (path, page) in [("/api/broken", false), ("/broken", true)] {
        let answer = router
            .clone()
            .oneshot(request(
                Method::GET,
                path,
                &[("host", "localhost")],
                Body::empty(),
            ))
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let id = answer.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX)
            .await
            .unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains(&id) && !text.contains("on purpose"), "{text}");
        assert_eq!(text.contains("<h1"), page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identifier_of_a_request_is_taken_over_if_it_is_plain_and_made_otherwise() {
    let server = Server::start().await;
    let given = server
        .get_with("/api/me", &[("x-request-id", "trace-1.a_B")])
        .await;
    assert_eq!(given.header("x-request-id"), "trace-1.a_B");
    let long = "x".repeat(65);
    for odd in ["", "a b", "<x>", long.as_str()] {
        let answer = server
            .get_with("/api/nothing", &[("x-request-id", odd)])
            .await;
        let made = answer.header("x-request-id");
        assert!(made.len() == 32 && made != odd, "{made}");
        assert_eq!(answer.json()["request_id"], made);
    }
    let (one, other) = (server.get("/api/me").await, server.get("/api/me").await);
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_security_headers() {
    let server = Server::start().await;
    let css = format!("/pkg/{}/elb-dashboard.css", elb_server::assets::FINGERPRINT);
    for path in [
        "/",
        "/search",
        "/nowhere",
        "/api/me",
        "/api/nothing",
        "/api/openapi.json",
        css.as_str(),
        "/favicon.svg",
        "/jobs/",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(
            answer.header("cross-origin-opener-policy"),
            "same-origin",
            "{path}"
        );
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            "same-origin",
            "{path}"
        );
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!answer.header("cache-control").is_empty(), "{path}");
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_only_under_the_names_of_this_machine() {
    let server = Server::start().await;
    for own in ["localhost:3000", "127.0.0.1:3000", "[::1]:3000"] {
        assert_eq!(
            server.get_with("/api/me", &[("host", own)]).await.status,
            StatusCode::OK,
            "{own}"
        );
    }
    for foreign in ["example.org", "localhost.example.org", "10.0.0.1:3000"] {
        let answer = server.get_with("/api/me", &[("host", foreign)]).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::MISDIRECTED_REQUEST, "unknown_host"),
            "{foreign}"
        );
        let page = server.get_with("/jobs", &[("host", foreign)]).await;
        assert_eq!(page.status, StatusCode::MISDIRECTED_REQUEST);
        assert!(
            page.is_html() && page.text().contains("127.0.0.1"),
            "{}",
            page.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_sites_page_asks_for_is_not_carried_out() {
    let server = Server::start().await;
    let path = "/api/blast/jobs/x/cancel";
    for foreign in [
        ("origin", "https://example.org"),
        ("origin", "null"),
        ("origin", "http://localhost:4000"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let answer = of(&server, Method::POST, path, &[foreign]).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::FORBIDDEN, "foreign_site"),
            "{foreign:?}"
        );
        let page = of(&server, Method::POST, "/jobs/x/cancel", &[foreign]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(page.is_html());
        let read = of(&server, Method::GET, "/api/me", &[foreign]).await;
        assert_eq!(
            read.status,
            StatusCode::OK,
            "a link from another site may be followed"
        );
    }
    for own in [
        ("origin", "http://localhost:3000"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
    ] {
        let answer = of(&server, Method::POST, path, &[own]).await;
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "it gets as far as the search: {own:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_the_process_and_each_dependency() {
    let server = Server::start().await;
    let up = server.get("/api/health").await;
    assert_eq!(
        (up.status, up.json()["status"].as_str()),
        (StatusCode::OK, Some("ok"))
    );
    let ready = server.get("/api/health/ready").await;
    let body = ready.json();
    assert_eq!(
        ready.status == StatusCode::OK,
        body["ready"].as_bool().unwrap()
    );
    let names: Vec<_> = body["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "store",
            "blast",
            "disk",
            "databases",
            "searches",
            "list",
            "audit"
        ]
    );
    assert!(
        body["checks"][0]["ok"].as_bool().unwrap() && body["checks"][1]["ok"].as_bool().unwrap()
    );
    // The same for people.
    let page = server.get("/health").await;
    assert_eq!(page.status, ready.status);
    for words in ["<h1>Health</h1>", "answers", "audit"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_blast_has_gone_is_not_ready_and_says_why() {
    let server = Server::start_with(|folder, settings| {
        settings.blast_bin = Some(super::support::faulty_toolkit(folder, "blastn"));
    })
    .await;
    std::fs::remove_file(server.folder.path().join("tools/blastn")).unwrap();
    let ready = server.get("/api/health/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    let body = ready.json();
    assert_eq!(
        (body["ready"].as_bool(), body["checks"][1]["ok"].as_bool()),
        (Some(false), Some(false)),
        "{body}"
    );
    assert!(
        body["checks"][1]["note"]
            .as_str()
            .unwrap()
            .contains("blastn")
    );
    let page = server.get("/health").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        page.text().contains("1 thing is missing"),
        "{}",
        page.text()
    );
}
