//! What a Prometheus server is told.

use std::collections::{HashMap, HashSet};

use axum::http::StatusCode;

use super::support::{Server, genes};

/// The samples of a text in the format of Prometheus, by name with labels. Every line is what the format
/// allows, every name is described before its first sample, and no sample is there twice.
pub fn samples(text: &str) -> HashMap<String, f64> {
    let (mut types, mut samples) = (HashMap::new(), HashMap::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let new = types.insert(name.to_owned(), kind.to_owned()).is_none();
            assert!(new, "{name} is described twice");
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let name = sample.split('{').next().unwrap();
        let described = ["", "_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|ending| name.strip_suffix(ending))
            .any(|name| types.contains_key(name));
        assert!(described, "{line}");
        let new = samples.insert(sample.to_owned(), value).is_none();
        assert!(new, "{sample} is there twice");
    }
    samples
}

async fn measured(server: &Server) -> HashMap<String, f64> {
    let answer = server.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    samples(answer.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route_and_searches_by_what_became_of_them() {
    let server = Server::start().await;
    let body =
        serde_json::json!({ "program": "blastn", "database": "few_genes", "query": genes(0, 1) });
    let id = server.complete(&body).await;
    server.get(&format!("/jobs/{id}")).await;
    for n in 0..20 {
        let missing = server.get(&format!("/jobs/{n}")).await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
        server.get(&format!("/no/such/address/{n}")).await;
    }
    let samples = measured(&server).await;
    let requests = |method: &str, route: &str, status: u16| {
        let name = "elb_http_request_duration_seconds_count";
        let key = format!("{name}{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}");
        samples.get(&key).copied()
    };
    assert_eq!(requests("POST", "/api/blast/jobs", 202), Some(1.0));
    assert_eq!(requests("GET", "/jobs/{id}", 200), Some(1.0));
    assert_eq!(requests("GET", "/jobs/{id}", 404), Some(20.0));
    assert_eq!(requests("GET", "none", 404), Some(20.0));
    assert_eq!(samples["elb_jobs{status=\"completed\"}"], 1.0);
    assert_eq!(samples["elb_jobs{status=\"failed\"}"], 0.0);
    assert_eq!(samples["elb_active_jobs{phase=\"running\"}"], 0.0);
    // Each step of the search is measured once; what was skipped took no time.
    let steps = |step: &str| {
        let name = "elb_step_duration_seconds_count";
        let key = format!("{name}{{step=\"{step}\",outcome=\"done\"}}");
        samples.get(&key).copied()
    };
    for step in ["preparing", "running", "exporting_results", "completed"] {
        assert_eq!(steps(step), Some(1.0), "{step}");
    }
    assert_eq!(steps("staging_db"), None);
    let revision = server.state.service.revision();
    #[expect(clippy::cast_precision_loss, reason = "a handful of changes")]
    let revision = revision as f64;
    assert_eq!(samples["elb_list_revision"], revision);
    assert_eq!(samples["elb_list_stale"], 0.0);
    assert!(samples["elb_process_resident_memory_bytes"] > 1e6);
    // Nothing in it grows with what is asked for.
    let routes: HashSet<&str> = samples
        .keys()
        .filter_map(|key| key.split_once("route=\"")?.1.split_once('"'))
        .map(|(route, _)| route)
        .collect();
    assert!(
        !routes.iter().any(|route| route.contains(&id)),
        "{routes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_the_stream_is_counted_while_it_reads() {
    let server = Server::start().await;
    assert_eq!(measured(&server).await["elb_event_readers"], 0.0);
    let mut stream = server.follow("/api/blast/events", &[]).await;
    stream.next().await;
    let samples = measured(&server).await;
    assert_eq!(samples["elb_event_readers"], 1.0);
    assert_eq!(samples["elb_requests_at_work{kind=\"streams\"}"], 1.0);
    drop(stream);
    let ends = async {
        while measured(&server).await["elb_event_readers"] > 0.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::support::PATIENCE, ends)
        .await
        .expect("the reader is counted for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_open_metrics_gets_them() {
    let server = Server::start().await;
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let answer = server.get_with("/metrics", &[("accept", accept)]).await;
    assert_eq!(
        answer.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(answer.text().ends_with("# EOF\n"), "{}", answer.text());
}
