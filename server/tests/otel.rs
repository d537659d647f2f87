//! Traces of the program itself, as a collector receives them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

#[path = "it/client.rs"]
#[allow(dead_code, reason = "shared with others")]
mod client;
#[path = "otel/collector.rs"]
mod collector;
#[path = "otel/proto.rs"]
mod proto;
#[path = "it/running.rs"]
#[allow(dead_code, reason = "shared with others")]
mod running;
#[path = "it/sequences.rs"]
#[allow(dead_code, reason = "shared with others")]
mod sequences;

/// What the modules of the other tests look for here.
mod support {
    pub use super::{client::Raw, sequences::databases};

    /// How long a test waits for what must happen; far above what it takes.
    pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);
}

use client::Raw;
use collector::Collector;
use elb_testkit::Azurite;
use proto::Span;
use running::{Running, program};
use rustix::process::Signal;
use sequences::genes;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
/// OpenTelemetry's numbers.
const INTERNAL: u64 = 1;
const SERVER: u64 = 2;
const CLIENT: u64 = 3;
const ERROR: u64 = 2;

async fn server(data: &std::path::Path, settings: &[(&str, &str)]) -> Running {
    Running::start_with(data, program(), settings).await
}

fn small() -> Value {
    json!({ "program": "blastn", "database": "few_genes", "query": genes(0, 1) })
}

/// A request that is a part of somebody's trace.
fn traced(head: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{head} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntraceparent: 00-{TRACE}-{CALLER}-01\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn named(name: &'static str) -> impl Fn(&Span) -> bool {
    move |span| span.name == name
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_a_span_in_the_trace_of_who_asks_and_its_calls_are_inside() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    let table = format!(
        "azure-tables:{}/t{}",
        Azurite::shared().table_url(),
        uuid::Uuid::new_v4().simple()
    );
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url().as_str()),
        ("OTEL_SERVICE_NAME", "lab"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("ELB_STORE", table.as_str()),
        // What is logged says nothing of what is traced.
        ("ELB_LOG", "error"),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let settings: Vec<_> = settings.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let server = server(folder.path(), &settings).await;

    let submit = traced("POST /api/blast/jobs", &small().to_string());
    let id = server.ask(submit).await["job_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let submitted = collector.span(named("POST /api/blast/jobs")).await;
    assert_eq!(
        (submitted.trace.as_str(), submitted.parent.as_str()),
        (TRACE, CALLER)
    );
    assert_eq!((submitted.kind, submitted.status), (SERVER, 0));
    assert_eq!(submitted.service, "lab");
    let attributes = &submitted.attributes;
    assert_eq!(attributes["http.request.method"], "POST");
    assert_eq!(attributes["http.route"], "/api/blast/jobs");
    assert_eq!(attributes["http.response.status_code"], 202);
    assert!(attributes["elb.upstream.calls"].as_i64().unwrap() > 0);
    assert!(attributes["elb.upstream.ms"].as_f64().unwrap() > 0.0);
    assert!(!attributes["elb.request.id"].as_str().unwrap().is_empty());
    let call = collector
        .span(|span| span.name == "upstream" && span.parent == submitted.id)
        .await;
    assert_eq!((call.trace.as_str(), call.kind), (TRACE, CLIENT));
    assert!(submitted.begin <= call.begin && call.end <= submitted.end);

    // The name is that of the route, whatever is asked for; nobody's trace is one of its own.
    let missing = server.get("/api/blast/jobs/not-there").await;
    assert_eq!(missing["code"], "no_such_job", "{missing}");
    let missing = collector.span(named("GET /api/blast/jobs/{id}")).await;
    assert_eq!(missing.parent, "");
    assert_ne!(missing.trace, TRACE);
    assert_eq!(missing.attributes["http.response.status_code"], 404);
    assert_eq!(missing.attributes["url.path"], "/api/blast/jobs/not-there");
    server
        .wait_until(&format!("/api/blast/jobs/{id}"), |job| {
            job["status"] == "completed"
        })
        .await;
    let alone = |span: &Span| span.name == "upstream" && span.parent.is_empty();
    assert!(
        !collector.all().iter().any(alone),
        "calls that no request waits for are no traces"
    );
    assert!(server.ask_to_stop(Signal::TERM).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_a_trace_with_its_steps_and_what_is_left_is_sent_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    let url = format!("{}/v1/traces", collector.url());
    let settings = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url.as_str()),
        // Nothing is sent before the end.
        ("OTEL_BSP_SCHEDULE_DELAY", "86400000"),
    ];
    let server = server(folder.path(), &settings).await;
    // Told, not asked for: each question is a span, and a machine that asks often enough fills a batch, which goes
    // before the end.
    let mut events = Raw::connect(server.address).await;
    events.get("/api/blast/events").await;
    events.read_until(": connected").await;
    let id = server.submit(&small()).await;
    events.read_until(r#""status":"completed""#).await;
    let bad = json!({ "program": "tblastx", "database": "genes", "query": genes(0, 300) });
    let stopped = server.submit(&bad).await;
    server
        .post(&format!("/api/blast/jobs/{stopped}/cancel"))
        .await;
    events.read_until(r#""status":"cancelled""#).await;
    assert_eq!(collector.all().len(), 0);
    assert!(server.ask_to_stop(Signal::TERM).await.success());

    let of = |id: &str| {
        let root = collector
            .all()
            .into_iter()
            .find(|span| span.name == "search" && span.attributes["elb.job.id"] == id);
        root.expect("an attempt that has ended is traced")
    };
    let root = of(&id);
    assert_eq!((root.kind, root.parent.as_str()), (INTERNAL, ""));
    assert_eq!(root.service, "elb-dashboard");
    assert_eq!(root.attributes["elb.job.attempt"], 1);
    assert_eq!(root.attributes["elb.job.phase"], "completed");
    assert_eq!(root.attributes["elb.job.program"], "blastn");
    assert_eq!(root.attributes["elb.job.database"], "few_genes");
    let spans = collector.all();
    let steps: Vec<&Span> = spans.iter().filter(|span| span.parent == root.id).collect();
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    for name in ["preparing", "submitting", "running", "exporting_results"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    for step in steps {
        assert_eq!(step.trace, root.trace);
        assert_eq!(step.attributes["elb.job.id"], id.as_str());
        assert_eq!(step.attributes["elb.job.attempt"], 1);
        assert_eq!(step.attributes["elb.step"], step.name.as_str());
        assert_eq!(step.attributes["elb.step.state"], "done");
        assert!(root.begin <= step.begin && step.begin <= step.end && step.end <= root.end);
    }
    let stopped = of(&stopped);
    assert_ne!(stopped.trace, root.trace);
    assert_eq!(stopped.attributes["elb.job.phase"], "cancelled");
    assert_ne!(stopped.status, ERROR);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    // Connections are taken by the system, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        // Full at once.
        ("OTEL_BSP_MAX_QUEUE_SIZE", "8"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
        // Whoever waited for a batch would take longer than anybody is patient.
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
    ];
    let server = server(folder.path(), &settings).await;
    let all = async {
        for _ in 0..300 {
            assert_eq!(server.get("/api/health").await["status"], "ok");
        }
        let id = server.submit(&small()).await;
        let path = format!("/api/blast/jobs/{id}");
        server
            .wait_until(&path, |job| job["status"] == "completed")
            .await;
        assert!(server.ask_to_stop(Signal::TERM).await.success());
    };
    let in_time = tokio::time::timeout(support::PATIENCE, all).await;
    assert!(in_time.is_ok(), "something waits for the collector");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_told_once_and_its_return_too() {
    let folder = tempfile::tempdir().unwrap();
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = away.local_addr().unwrap();
    drop(away);
    let url = format!("http://{address}");
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    let server = server(folder.path(), &settings).await;
    let count = |words: &str| {
        let log = server.log();
        log.iter().filter(|line| line.contains(words)).count()
    };
    let logged = |words: &'static str| {
        let server = &server;
        async move {
            while !server.log().iter().any(|line| line.contains(words)) {
                server.get("/api/health").await;
            }
        }
    };
    let lost = "traces cannot be exported and are lost";
    tokio::time::timeout(support::PATIENCE, logged(lost))
        .await
        .expect("it is not told that the collector is away");
    assert_eq!(count("this OTLP protocol is not spoken here"), 1);
    for _ in 0..200 {
        server.get("/api/health").await;
    }
    let _collector = Collector::at(address).await;
    tokio::time::timeout(support::PATIENCE, logged("traces are exported again"))
        .await
        .expect("it is not told that the collector is back");
    assert_eq!(count(lost), 1, "{:#?}", server.log());
    assert!(server.ask_to_stop(Signal::TERM).await.success());
}
