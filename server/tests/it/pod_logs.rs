//! The logs of a search's containers: in the API, followed, and on the page. The cluster is a stand-in.

use axum::http::StatusCode;
use elb_engine::clusters::ClusterAddress;
use elb_server::api::schema::PodLogBody;
use elb_testkit::kube_api::{
    Fault, Kind, KubeApi, Route,
    objects::{NAMESPACE, blast_job, pod_of},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::support::{PATIENCE, Server};

const RUN: &str = "job-0123456789abcdef";
const POD: &str = "blastn-batch-nt-x";
const PODS: &str = "/api/blast/jobs/job-0123456789abcdef/pods";
const LOG: &str = "/api/blast/jobs/job-0123456789abcdef/pods/blastn-batch-nt-x/blast/0/logs";
const PAGE: &str = "/jobs/job-0123456789abcdef?log=blastn-batch-nt-x/blast/0";

fn job() -> Value {
    blast_job(RUN, "blastn-batch-nt")
}

fn pod(phase: &str, state: &Value) -> Value {
    let mut pod = pod_of(&job(), POD);
    pod["status"] = json!({"phase": phase, "containerStatuses": [{
        "name": "blast", "image": "elb", "imageID": "", "ready": false, "restartCount": 0,
        "state": state,
    }]});
    pod
}

fn at_work() -> Value {
    pod(
        "Running",
        &json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
    )
}

fn ended() -> Value {
    pod(
        "Failed",
        &json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
    )
}

/// A server that watches the stand-in, once the search there has a row.
async fn server(api: &KubeApi) -> Server {
    let server = Server::start_with(|folder, settings| {
        let kubeconfig = folder.join("kubeconfig");
        api.write_kubeconfig(&kubeconfig, "lab", NAMESPACE);
        settings.clusters = vec![ClusterAddress {
            context: Some("lab".to_owned()),
            namespace: None,
            kubeconfig: Some(kubeconfig),
        }];
    })
    .await;
    let mut changes = server.state.service.subscribe();
    let caller = server.state.caller();
    while server.state.service.detail(&caller, RUN).is_err() {
        changes.recv().await.ok();
    }
    server
}

/// A stand-in with a search whose pod is at work, and a server that watches it.
async fn with_search(lines: &[&str]) -> (KubeApi, Server) {
    let api = KubeApi::start().await;
    api.put(Kind::Job, job());
    api.put(Kind::Pod, at_work());
    api.say(POD, "blast", lines);
    let server = server(&api).await;
    until(&server, |logs| logs.as_array().unwrap().len() == 1).await;
    (api, server)
}

/// Waits until the list of logs is so.
async fn until(server: &Server, so: impl Fn(&Value) -> bool) -> Value {
    let waiting = async {
        loop {
            let logs = server.get(PODS).await.json()["logs"].clone();
            if so(&logs) {
                return logs;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("the logs stay so")
}

async fn shown(server: &Server, page: &str) -> String {
    server.get(page).await.text().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_without_pods_has_no_logs_of_pods_and_its_page_offers_none() {
    let server = Server::start().await;
    let id = server.complete(&super::support::small_search()).await;
    let list = server.get(&format!("/api/blast/jobs/{id}/pods")).await;
    assert_eq!(list.json(), json!({"logs": []}));
    let page = server.get(&format!("/jobs/{id}")).await;
    assert!(!page.text().contains("log-of"));
    for (path, status, code) in [
        (
            "unknown/pods".to_owned(),
            StatusCode::NOT_FOUND,
            "no_such_job",
        ),
        (
            format!("{id}/pods/p/blast/0/logs"),
            StatusCode::NOT_FOUND,
            "no_such_log",
        ),
        (
            format!("{id}/pods/P/blast/0/logs"),
            StatusCode::BAD_REQUEST,
            "bad_request",
        ),
        (
            format!("{id}/pods/p/blast/0/logs?last=0"),
            StatusCode::BAD_REQUEST,
            "bad_request",
        ),
        (
            format!("{id}/pods/p/blast/0/logs?x=0"),
            StatusCode::BAD_REQUEST,
            "bad_request",
        ),
    ] {
        let answer = server.get(&format!("/api/blast/jobs/{path}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_listed_and_read_from_the_cluster_and_then_from_what_is_kept() {
    let lines = [
        "2026-01-01T00:00:01Z one",
        "2026-01-01T00:00:02Z Error: <two>",
    ];
    let (api, server) = with_search(&lines).await;
    let body = server.get(PODS).await.json()["logs"].clone();
    let log = &body[0];
    assert_eq!(log["log"], format!("{POD}/blast/0"));
    assert_eq!(
        (&log["state"], &log["kept"]),
        (&json!("running"), &json!(false))
    );
    // The document describes each field, and no other.
    let read: Vec<PodLogBody> = serde_json::from_value(body.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), body);
    let text = server.get(LOG).await;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(text.text(), lines.join("\n") + "\n");
    let last = server.get(&format!("{LOG}?last=1")).await;
    assert_eq!(last.text(), format!("{}\n", lines[1]));

    let page = server.get(PAGE).await;
    assert_eq!(page.status, StatusCode::OK);
    let html = page.text();
    for words in [
        "Error: &lt;two&gt;",
        "blast of blastn-batch-nt-x: running",
        "id=\"log-of\"",
        &format!("data-follow=\"{LOG}?after=\""),
        "selected",
    ] {
        assert!(html.contains(words), "{words}: {html}");
    }
    // The search's own log is shown where none is chosen.
    let own = shown(&server, &format!("/jobs/{RUN}")).await;
    assert!(!own.contains("Error: &lt;two&gt;") && own.contains("id=\"log-of\""));
    let cut = shown(&server, &format!("{PAGE}&lines=1")).await;
    assert!(cut.contains("Only the last line is shown") && cut.contains("lines=10000#logs"));

    api.put(Kind::Pod, ended());
    let logs = until(&server, |logs| logs[0]["kept"] == true).await;
    assert_eq!(logs[0]["exit_code"], 137);
    assert!(api.remove(Kind::Pod, NAMESPACE, POD));
    until(&server, |logs| logs[0]["reason"] == Value::Null).await;
    assert_eq!(server.get(LOG).await.text(), lines.join("\n") + "\n");
    let html = shown(&server, PAGE).await;
    assert!(html.contains("Error: &lt;two&gt;") && html.contains("ended with 137"));
    assert!(
        !html.contains("data-follow=\""),
        "nothing more comes: {html}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_without_a_gap_to_the_end_of_its_container() {
    let (api, server) = with_search(&["2026-01-01T00:00:01Z one"]).await;
    let mut early = server.follow(LOG, &[]).await;
    let one = early.next_named().await.unwrap();
    assert_eq!(
        (one.name.as_str(), &one.json()["text"]),
        ("line", &json!("one"))
    );
    drop(early);
    // In the same moment as the last one.
    let more = ["2026-01-01T00:00:01Z two", "2026-01-01T00:00:02Z three"];
    api.say(POD, "blast", &more);
    let mut later = server.follow(&format!("{LOG}?after={}", one.id), &[]).await;
    let two = later.next_named().await.unwrap();
    assert_eq!(
        (&two.json()["text"], &two.json()["number"]),
        (&json!("two"), &json!(2))
    );
    drop(later);
    let header = [("last-event-id", two.id.as_str())];
    let mut last = server
        .follow(&format!("{LOG}?after={}", one.id), &header)
        .await;
    assert_eq!(last.next_named().await.unwrap().json()["text"], "three");
    api.put(Kind::Pod, ended());
    api.end_log(POD, "blast");
    assert_eq!(last.next_named().await.unwrap().name, "end");
    assert_eq!(last.next_named().await, None);
    let header = [("accept", "text/event-stream"), ("last-event-id", "x")];
    let answer = server.get_with(LOG, &header).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn following_ends_with_a_goodbye_when_the_server_stops() {
    let (_api, server) = with_search(&["2026-01-01T00:00:01Z one"]).await;
    let mut log = server.follow(LOG, &[]).await;
    assert_eq!(log.next_named().await.unwrap().name, "line");
    server.state.stopping.cancel();
    assert_eq!(log.next_named().await.unwrap().name, "bye");
    assert_eq!(log.next_named().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_against_it_is_told_on_the_page_and_by_the_api() {
    let (api, server) = with_search(&["2026-01-01T00:00:01Z one"]).await;
    api.fail(Fault::new(Route::Log, Kind::Pod, 403));
    let refused = server.get(LOG).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "cluster_unavailable")
    );
    assert!(
        refused.text().contains("get on pods/log"),
        "{}",
        refused.text()
    );
    let page = server.get(PAGE).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("get on pods/log") && page.text().contains("id=\"log-of\""));
    let strange = shown(&server, &format!("/jobs/{RUN}?log=..")).await;
    assert!(strange.contains(".. is no name of a log"), "{strange}");
    api.clear_faults();
    // A container that waits has a page too, which begins when it does.
    let waiting = json!({"waiting": {"reason": "PodInitializing"}});
    api.put(Kind::Pod, pod("Pending", &waiting));
    until(&server, |logs| logs[0]["state"] == "waiting").await;
    assert_eq!(server.get(LOG).await.code(), "not_started");
    let page = shown(&server, PAGE).await;
    assert!(page.contains("data-follow=\""), "{page}");
}
