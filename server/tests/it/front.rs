//! What is answered before the routes is answered as behind them.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use tower::ServiceExt;

use super::{
    answer::Answer,
    metrics::samples,
    support::{Server, request, small_search},
};

const LIST: &str = "/api/blast/jobs?limit=5";

/// The answer of the routes alone.
async fn behind(server: &Server, method: &Method, headers: &[(&str, &str)]) -> Answer {
    let routes = elb_server::router::routes(server.state.clone());
    let request = request(method.clone(), LIST, headers, Body::empty());
    sent(Answer::of(routes.oneshot(request).await.unwrap()).await)
}

async fn before(server: &Server, method: &Method, headers: &[(&str, &str)]) -> Answer {
    let request = request(method.clone(), LIST, headers, Body::empty());
    sent(server.send(request).await)
}

/// The answer as a connection sends it.
fn sent(mut answer: Answer) -> Answer {
    if answer.status == StatusCode::NOT_MODIFIED {
        answer.headers.remove("content-length");
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_of_a_list_the_answer_is_that_of_the_routes() {
    let server = Server::start().await;
    server.complete(&small_search()).await;
    let mut unchanged = 0;
    for encoding in ["identity", "gzip", "br"] {
        let accept = ("accept-encoding", encoding);
        let first = server.get_with(LIST, &[accept]).await;
        let etag = first.header("etag").to_owned();
        for known in [etag.as_str(), "\"other\"", "", "*"] {
            for host in ["localhost", "example.org"] {
                for method in [Method::GET, Method::HEAD, Method::DELETE, Method::POST] {
                    let headers = [
                        accept,
                        ("host", host),
                        ("if-none-match", known),
                        ("x-request-id", "mine"),
                    ];
                    let here = before(&server, &method, &headers).await;
                    let there = behind(&server, &method, &headers).await;
                    let what = format!("{method} {encoding} {known} {host}");
                    assert_eq!(here.status, there.status, "{what}");
                    assert_eq!(here.headers, there.headers, "{what}");
                    assert_eq!(here.header("x-request-id"), "mine", "{what}");
                    unchanged += usize::from(here.status == StatusCode::NOT_MODIFIED);
                }
            }
        }
    }
    // GET and HEAD of the mark, in three encodings.
    assert_eq!(unchanged, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_measured_as_one_of_its_route_and_every_request_has_an_identifier_of_its_own() {
    let server = Server::start().await;
    let etag = server.get(LIST).await.header("etag").to_owned();
    let headers = [("host", "localhost"), ("if-none-match", etag.as_str())];
    let first = before(&server, &Method::GET, &headers).await;
    let second = before(&server, &Method::GET, &headers).await;
    let third = behind(&server, &Method::GET, &headers).await;
    let ids = [&first, &second, &third].map(|answer| answer.header("x-request-id").to_owned());
    assert!(ids.iter().all(|id| id.len() == 32), "{ids:?}");
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    let measured = server.get("/metrics").await;
    let name = "elb_http_request_duration_seconds_count{method=\"GET\",route=\"/api/blast/jobs\",status=\"304\"}";
    assert_eq!(samples(measured.text())[name], 3.0);
}
