//! What is seen of clusters: in the API, on the page, in the settings. The clusters are the test's own.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::http::StatusCode;
use elb_core::{
    cluster::{Batches, Health, PlaceView, PodView, ResultsSeen, RunView},
    job::Found,
    phase::Phase,
    time::Timestamp,
};
use elb_engine::{
    JobService,
    audit_log::AuditTrail,
    clock::SystemClock,
    clusters::{Clusters, ResultsPlaces, Sight},
    executor::{Executor, LocalFolders, RunLimits, local::LocalExecutor},
    joblog::JobLogs,
    jobs::Jobs,
    lease::{LeaseTerms, Member},
    lifecycle::{Admission, Context},
    objects::Objects,
    repository::{Repository, SqliteRepository},
    retention::Retention,
    service::ServiceLimits,
    toolkit::Toolkit,
};
use elb_server::api::schema::PlaceBody;
use serde_json::json;
use tokio::sync::{Notify, watch};

use super::support::{PATIENCE, Server};

const SEEN: Timestamp = Timestamp(1_764_000_000_000);

/// Clusters that are as a test says.
pub struct Told {
    places: Mutex<Vec<PlaceView>>,
    revision: watch::Sender<u64>,
}

impl Told {
    pub fn new(places: Vec<PlaceView>) -> Arc<Self> {
        Arc::new(Self {
            places: Mutex::new(places),
            revision: watch::Sender::new(1),
        })
    }

    fn change(&self, change: impl FnOnce(&mut Vec<PlaceView>)) {
        change(&mut self.places.lock().unwrap());
        self.revision.send_modify(|revision| *revision += 1);
    }
}

#[async_trait]
impl Clusters for Told {
    fn places(&self) -> Vec<PlaceView> {
        self.places.lock().unwrap().clone()
    }

    fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    fn see(&self, _: &Found, _: &str, _: Timestamp, _: &ResultsSeen) -> Option<Sight> {
        None
    }

    fn unseen(&self, _: &Found) -> Option<String> {
        None
    }

    async fn cancel(&self, _: &Found, _: &str) -> Result<(), String> {
        Err("nothing can be changed on it".to_owned())
    }
}

/// A server that sees these clusters and has no searches of its own.
async fn server(clusters: &Arc<Told>) -> Server {
    server_with(clusters, |here| here).await
}

/// The same with something put before its executor.
pub async fn server_with(
    clusters: &Arc<Told>,
    before: impl FnOnce(Arc<dyn Executor>) -> Arc<dyn Executor>,
) -> Server {
    server_made(Arc::clone(clusters) as Arc<dyn Clusters>, None, before).await
}

/// The same of any clusters, and of a place of results.
pub async fn server_seeing(
    clusters: Arc<dyn Clusters>,
    results_places: Option<ResultsPlaces>,
) -> Server {
    server_made(clusters, results_places, |here| here).await
}

async fn server_made(
    clusters: Arc<dyn Clusters>,
    results_places: Option<ResultsPlaces>,
    before: impl FnOnce(Arc<dyn Executor>) -> Arc<dyn Executor>,
) -> Server {
    let mut server = Server::start().await;
    let folder = server.folder.path().join("engine");
    std::fs::create_dir_all(folder.join("scratch")).unwrap();
    let clock = Arc::new(SystemClock);
    let toolkit = Toolkit::locate(None).await.unwrap();
    let catalogue = Arc::clone(server.state.service.catalogue());
    let store = SqliteRepository::open(&folder.join("state.sqlite")).unwrap();
    let store: Arc<dyn Repository> = Arc::new(store);
    let audit = AuditTrail::start(Arc::clone(&store).audit_log(), clock.clone(), || 0);
    let member = Member::new(LeaseTerms::Alone, clock.clone());
    let jobs = Jobs::load(store, clock.clone(), member.clone()).await;
    let objects = Objects::in_folder(&folder.join("objects")).unwrap();
    let logs = JobLogs::in_folder(&folder.join("logs"), clock).unwrap();
    let executor = LocalExecutor::new(
        LocalFolders {
            work: folder.join("work"),
        },
        RunLimits {
            processes: 1,
            wall_time: PATIENCE,
            output_bytes: 1_000_000_000,
        },
        toolkit.clone(),
        Arc::clone(&catalogue),
        objects.clone(),
        logs.clone(),
        member,
    );
    let context = Context {
        jobs: Arc::new(jobs.unwrap()),
        executor: before(Arc::new(executor)),
        clusters: Some(clusters),
        results_places,
        external: None,
        admission: Admission::new(1),
        objects,
        logs,
        audit,
        retention: Retention::default(),
        chance: || 0,
        cleaning: Notify::new(),
        sweep: elb_core::poll::RECONCILE_SWEEP,
    };
    let limits = ServiceLimits {
        query_bytes: 1_000_000,
        active_jobs: 10,
        key_life: PATIENCE,
    };
    let scratch = folder.join("scratch");
    server.replace_service(JobService::start(
        context, catalogue, toolkit, limits, scratch,
    ));
    server
}

pub fn place(cluster: &str, health: Health, runs: Vec<RunView>) -> PlaceView {
    PlaceView {
        cluster: cluster.to_owned(),
        namespace: "blast".to_owned(),
        health,
        reason: None,
        since: SEEN,
        as_of: Some(SEEN),
        version: Some("v1.34.2".to_owned()),
        requests: 7,
        runs,
        copies: Vec::new(),
    }
}

fn search(id: &str) -> RunView {
    RunView {
        id: id.to_owned(),
        program: Some("blastn".to_owned()),
        database: None,
        results: Some("https://lab/results".to_owned()),
        options: None,
        phase: Phase::Running,
        reason: Some("a <reason>".to_owned()),
        batches: Batches {
            done: 2,
            failed: 1,
            total: 5,
        },
        created_at: SEEN,
        pods: vec![PodView {
            name: "pod-1".to_owned(),
            batch: Some(0),
            node: None,
            state: "searching".to_owned(),
            note: None,
            started_at: Some(SEEN),
            finished_at: None,
            restarts: 0,
        }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_clusters_there_is_no_link_and_the_page_says_how_to_name_one() {
    let server = Server::start().await;
    let answer = server.get("/api/monitor/clusters").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["clusters"], json!([]));
    let jobs = server.get("/jobs").await;
    assert!(!jobs.text().contains("href=\"/clusters\""));
    let page = server.get("/clusters").await;
    assert_eq!(page.status, StatusCode::OK);
    for words in ["No cluster is watched", "ELB_CLUSTERS", "ELB_KUBECONFIG"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    assert!(!page.text().contains("id=\"clusters\""));
    let mark = server.get("/api/ui/clusters?now=").await;
    assert_eq!(mark.json(), json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_what_is_seen_until_something_else_is() {
    let away = PlaceView {
        reason: Some("it does not answer".to_owned()),
        as_of: None,
        version: None,
        ..place("away", Health::Unreachable, Vec::new())
    };
    let told = Told::new(vec![place("lab", Health::Live, vec![search("s-1")]), away]);
    let server = server(&told).await;
    let answer = server.get("/api/monitor/clusters").await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = answer.json();
    assert!(body["as_of"].as_str().unwrap().ends_with('Z'), "{body}");
    let lab = &body["clusters"][0];
    assert_eq!(lab["as_of"], "2025-11-24T16:00:00.000Z");
    assert_eq!(lab["health"], "live");
    let run = &lab["runs"][0];
    assert_eq!(
        run["batches"],
        json!({ "done": 2, "failed": 1, "total": 5 })
    );
    assert_eq!(run["phase"], "running");
    assert_eq!(run["pods"][0]["batch"], 0);
    assert_eq!(body["clusters"][1]["reason"], "it does not answer");
    assert!(body["clusters"][1]["as_of"].is_null());
    // The document describes each field, and no other.
    let read: Vec<PlaceBody> = serde_json::from_value(body["clusters"].clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), body["clusters"]);

    let etag = answer.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() > 2, "{etag}");
    let known = [("if-none-match", etag.as_str())];
    let same = server.get_with("/api/monitor/clusters", &known).await;
    assert_eq!(same.status, StatusCode::NOT_MODIFIED);
    assert_eq!(same.header("etag"), etag);
    assert!(same.body.is_empty());
    told.change(|places| places[0].runs[0].batches.done = 3);
    let other = server.get_with("/api/monitor/clusters", &known).await;
    assert_eq!(other.status, StatusCode::OK);
    assert_ne!(other.header("etag"), etag);
    assert_eq!(other.json()["clusters"][0]["runs"][0]["batches"]["done"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_each_cluster_and_its_mark_changes_with_what_is_seen() {
    let told = Told::new(vec![
        place("lab <1>", Health::Live, vec![search("s-1")]),
        place("off", Health::Stopped, vec![search("s-1")]),
        place("idle", Health::Listed, Vec::new()),
    ]);
    let server = server(&told).await;
    let jobs = server.get("/jobs").await;
    assert!(
        jobs.text().contains("href=\"/clusters\""),
        "{}",
        jobs.text()
    );
    let page = server.get("/clusters").await;
    assert_eq!(page.status, StatusCode::OK);
    let text = page.text();
    for words in [
        "lab &lt;1&gt;",
        "v1.34.2",
        "a &lt;reason&gt;",
        "Frozen. ",
        "No searches on this cluster.",
        "pod-1",
        "id=\"run-0-s-1\"",
        "id=\"run-1-s-1\"",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let mark = server.get("/api/ui/clusters?now=").await.json();
    let mark = mark.as_str().unwrap().to_owned();
    assert!(
        text.contains(&format!("data-mark=\"{mark}\"")),
        "{mark}: {text}"
    );
    assert_eq!(
        server.get("/api/ui/clusters?now=").await.json(),
        json!(mark)
    );
    told.change(|places| places[2].runs.push(search("new-one")));
    let next = server.get("/api/ui/clusters?now=").await.json();
    assert_ne!(next, json!(mark));
    assert!(server.get("/clusters").await.text().contains("new-one"));
    // Another start may come to the same revision, but never to the same mark.
    told.revision.send_replace(1);
    told.change(|places| places[0].since = Timestamp(SEEN.0 + 1));
    assert_ne!(server.get("/api/ui/clusters?now=").await.json(), next);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_of_others_has_a_page_that_says_where_it_was_found_and_promises_nothing() {
    let told = Told::new(vec![place("lab", Health::Live, vec![search("job-1")])]);
    let server = server(&told).await;
    let mut changes = server.state.service.subscribe();
    let caller = server.state.caller();
    while server.state.service.detail(&caller, "job-1").is_err() {
        changes.recv().await.ok();
    }
    let page = server.get("/jobs/job-1").await;
    assert_eq!(page.status, StatusCode::OK);
    let text = page.text();
    assert!(text.contains("Found on") && text.contains("started there by somebody else"));
    assert!(!text.contains("/api/blast/jobs/job-1/query"));
    let query = server.get("/api/blast/jobs/job-1/query").await;
    assert!(query.status.is_client_error(), "{}", query.status);
    assert!(query.text().contains("is not kept here"));
}
