//! A running server in a folder of its own, and one helper per user action.

use std::{path::Path, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use elb_core::view::JobDetail;
use elb_engine::JobService;
use elb_engine::retention::Retention;
use elb_engine::service::Caller;
use elb_server::{
    AppState, Front,
    api::events::News,
    lock::DataLock,
    settings::{AzureSettings, ExecutorKind, LogFormat, ObjectsAddress, Settings, StoreAddress},
    wiring::{self, Started},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt;

pub use super::{
    answer::Answer,
    client::{Form, Raw, Stream},
    fixtures::{
        databases, faulty_toolkit, genes, long_search, make_database, protein_search, proteins,
        search_form, small_search,
    },
};

/// How long a test waits for what must happen; far above what it takes.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// What a fresh machine would use, but for folders, examples and port.
pub fn settings(data: &Path) -> Settings {
    Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: data.to_owned(),
        store: StoreAddress::Sqlite(None),
        azure: AzureSettings::identity("auto"),
        objects: ObjectsAddress::Folder(None),
        databases_blob: None,
        objects_cache: 2_000_000_000,
        databases: vec![databases().to_owned()],
        clusters: Vec::new(),
        executor: ExecutorKind::Local,
        external_plane: None,
        examples: false,
        blast_bin: None,
        jobs: 2,
        searches: 2,
        wall_time: Duration::from_secs(600),
        max_output: 1_000_000_000,
        max_query: 10_000_000,
        max_database: 1_000_000,
        max_active: 100,
        key_life: Duration::from_secs(86_400),
        retention: Retention::default(),
        shared: false,
        lease_life: Duration::from_secs(20),
        log: "info".to_owned(),
        log_format: LogFormat::Text,
        told: Vec::new(),
    }
}

/// The server, and the folder that goes with it.
pub struct Server {
    pub state: AppState,
    pub folder: TempDir,
    router: Front,
    _locks: Vec<DataLock>,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    /// Starts with settings that differ; the folder is the test's own.
    pub async fn start_with(change: impl FnOnce(&Path, &mut Settings)) -> Self {
        Self::start_prepared(change, |_| {}).await
    }

    /// Starts with a state that differs as well.
    pub async fn start_prepared(
        change: impl FnOnce(&Path, &mut Settings),
        prepare: impl FnOnce(&mut AppState),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder.path().join("data"));
        change(folder.path(), &mut settings);
        let Started { mut state, locks } = wiring::start(&settings).await.unwrap();
        prepare(&mut state);
        Self {
            router: elb_server::router(state.clone()),
            state,
            folder,
            _locks: locks,
        }
    }

    /// Puts another engine behind the same routes.
    pub fn replace_service(&mut self, service: JobService) {
        self.state.news = News::start(&service);
        self.state.service = service;
        self.router = elb_server::router(self.state.clone());
    }

    /// Serves on a real port as well, for what depends on the connection; ends with the server.
    pub async fn listen(&self) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (router, stopping) = (self.router.clone(), self.state.stopping.clone());
        tokio::spawn(elb_server::serve::serve(listener, router, stopping));
        address
    }

    /// Sends a request to the router and gives the answer as it begins.
    pub async fn open(&self, mut request: Request<Body>) -> axum::response::Response {
        request
            .headers_mut()
            .entry(header::HOST)
            .or_insert("localhost:3000".parse().unwrap());
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends a request and waits for the whole answer.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(self.open(request).await).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, &[], Body::empty()))
            .await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request(Method::GET, path, headers, Body::empty()))
            .await
    }

    /// Sends a form without files, as a browser does without scripts.
    pub async fn post_fields(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send(request(
            Method::POST,
            path,
            &headers,
            Body::from(body.finish()),
        ))
        .await
    }

    /// Sends JSON.
    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.send(request(
            Method::POST,
            path,
            &headers,
            Body::from(body.to_string()),
        ))
        .await
    }

    /// The page that a redirect leads to.
    pub async fn follow_redirect(&self, answer: &Answer) -> Answer {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        self.get(answer.header("location")).await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.send(request(Method::POST, path, &[], Body::empty()))
            .await
    }

    pub async fn delete(&self, id: &str) -> Answer {
        self.send(request(
            Method::DELETE,
            &format!("/api/blast/jobs/{id}"),
            &[],
            Body::empty(),
        ))
        .await
    }

    /// Sends a form as a browser does without scripts.
    pub async fn send_form(&self, path: &str, form: Form) -> Answer {
        let (kind, body) = form.finish();
        self.send(request(
            Method::POST,
            path,
            &[("content-type", &kind)],
            Body::from(body),
        ))
        .await
    }

    /// Sends a form as an island does.
    pub async fn send_form_for_json(&self, path: &str, form: Form) -> Answer {
        let (kind, body) = form.finish();
        let headers = [
            ("content-type", kind.as_str()),
            ("accept", "application/json"),
        ];
        self.send(request(Method::POST, path, &headers, Body::from(body)))
            .await
    }

    /// Submits through the API, whatever comes of it.
    pub async fn try_submit(&self, body: &Value, key: Option<&str>) -> Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        self.send(request(
            Method::POST,
            "/api/blast/jobs",
            &headers,
            Body::from(body.to_string()),
        ))
        .await
    }

    /// Submits a search that is acceptable; its id.
    pub async fn submit(&self, body: &Value) -> String {
        let answer = self.try_submit(body, None).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        answer.json()["job_id"].as_str().unwrap().to_owned()
    }

    /// Waits until the job is as wanted, or shows how far it came.
    pub async fn wait_until(
        &self,
        id: &str,
        wanted: impl Fn(&JobDetail) -> bool,
    ) -> Arc<JobDetail> {
        let look = || self.state.service.detail(&Caller::local(), id).unwrap();
        let mut changes = self.state.service.subscribe();
        let waiting = async {
            loop {
                let job = look();
                if wanted(&job) {
                    return job;
                }
                changes.recv().await.ok();
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(job) => job,
            Err(_) => panic!("the job stays at {:?}", look()),
        }
    }

    /// Waits until the job has left the list.
    pub async fn wait_until_gone(&self, id: &str) {
        let mut changes = self.state.service.subscribe();
        let waiting = async {
            while self.state.service.detail(&Caller::local(), id).is_ok() {
                changes.recv().await.ok();
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("the job stays listed");
    }

    pub async fn finish(&self, id: &str) -> Arc<JobDetail> {
        self.wait_until(id, |job| !job.row.phase.is_active()).await
    }

    /// Submits a search and waits for its results.
    pub async fn complete(&self, body: &Value) -> String {
        let id = self.submit(body).await;
        let job = self.finish(&id).await;
        assert_eq!(
            job.row.phase,
            elb_core::phase::Phase::Completed,
            "{:?}",
            job.failure
        );
        id
    }

    /// Asks for the end of a search and waits until it has stopped.
    pub async fn cancel(&self, id: &str) {
        let answer = self.post(&format!("/api/blast/jobs/{id}/cancel")).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        self.finish(id).await;
    }

    /// Waits for the databases to be as wanted.
    pub async fn databases_until(
        &self,
        wanted: impl Fn(&elb_engine::databases::Catalogue) -> bool,
    ) {
        let catalogue = self.state.service.catalogue();
        let mut changes = catalogue.watch();
        let waiting = async {
            while !wanted(catalogue) {
                changes.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(
            waited.is_ok(),
            "the databases stay as they are: {:?}",
            catalogue.builds()
        );
    }

    /// Opens a stream of server-sent events.
    pub async fn follow(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut all = vec![("accept", "text/event-stream")];
        all.extend(headers);
        let answer = self
            .open(request(Method::GET, path, &all, Body::empty()))
            .await;
        assert_eq!(answer.status(), StatusCode::OK);
        Stream::of(answer)
    }
}

pub fn request(method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body).unwrap()
}

/// Lets the others go on until the world is as wanted.
pub async fn eventually(what: &str, wanted: impl Fn() -> bool) {
    let waiting = async {
        while !wanted() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "it never came to this: {what}");
}
