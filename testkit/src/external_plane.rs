//! A stand-in for the external plane: elb-openapi, the service before ElasticBLAST's command line.
//!
//! Owns its jobs and the ways in which it and the way to it fail, switched while clients are connected. Its
//! list comes in pages, newest first, with cursors made of time and id. It runs nothing: a job is as a test
//! says, and a deleted one is cancelled. It speaks plain HTTP.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

mod speech;

/// The token that it accepts from the start.
pub const TOKEN: &str = "token-of-the-plane";
/// How long [`ExternalPlane::wait_for`] waits; far above what anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A way to fail, of every request whose path holds a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It answers with this status, these seconds in `retry-after`, and an error in its words.
    Status(u16, Option<u32>),
    /// It does not answer until the fault is over.
    Silence,
    /// It announces the whole body, sends half of it, and closes the connection.
    Cut,
    /// It answers with something that is no JSON.
    Garbage,
    /// It leads to this address.
    Redirect(String),
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// For example `GET`.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// The token that came with it.
    pub token: Option<String>,
}

/// A job, with everything that is told of it.
#[derive(Debug, Clone, Default)]
struct Job {
    /// As it is in the list.
    row: Value,
    /// What its status has besides.
    detail: Value,
    files: Vec<(String, String, String)>,
    /// Whether it goes on although it was told to stop.
    stubborn: bool,
}

struct State {
    jobs: BTreeMap<String, Job>,
    asked: Vec<Asked>,
    faults: Vec<(String, Fault)>,
    token: String,
}

struct Shared {
    state: Mutex<State>,
    /// Sends whenever a request came, or something has changed.
    changed: watch::Sender<()>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        self.changed.send_replace(());
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        let state = self.state();
        let mut faults = state.faults.iter();
        faults
            .find(|(part, _)| path.contains(part.as_str()))
            .map(|(_, fault)| fault.clone())
    }
}

/// The stand-in; it ends, with all its connections, when it is dropped.
pub struct ExternalPlane {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl fmt::Debug for ExternalPlane {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ExternalPlane")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl ExternalPlane {
    /// Starts one on a free port, without any job.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                jobs: BTreeMap::new(),
                asked: Vec::new(),
                faults: Vec::new(),
                token: TOKEN.to_owned(),
            }),
            changed: watch::Sender::new(()),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// `http://ADDRESS:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `ADDRESS:PORT`.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut self.shared.state());
        self.shared.tick();
        outcome
    }

    /// Makes a job or changes what the list has of it: the fields of `row` take the place of those that it had.
    ///
    /// # Panics
    /// If `row` is no object.
    pub fn put(&self, id: &str, row: Value) {
        self.with(|state| {
            let fresh = || Job {
                row: json!({
                    "job_id": id, "status": "queued", "mode": "B", "program": "blastn", "db": "nt",
                    "cluster_name": "lab", "priority": 50, "created_at": "2025-11-26T12:00:00Z",
                }),
                detail: json!({}),
                ..Job::default()
            };
            let job = state.jobs.entry(id.to_owned()).or_insert_with(fresh);
            for (name, value) in row.as_object().unwrap() {
                job.row[name] = value.clone();
            }
        });
    }

    /// Says what its status has besides what the list has.
    ///
    /// # Panics
    /// If there is no such job.
    pub fn put_detail(&self, id: &str, detail: Value) {
        self.with(|state| state.jobs.get_mut(id).unwrap().detail = detail);
    }

    /// Says which files of results it has: id, name and content of each.
    ///
    /// # Panics
    /// If there is no such job.
    pub fn put_files(&self, id: &str, files: &[(&str, &str, &str)]) {
        let owned = files.iter().map(|(id, name, content)| {
            ((*id).to_owned(), (*name).to_owned(), (*content).to_owned())
        });
        let owned = owned.collect();
        self.with(|state| state.jobs.get_mut(id).unwrap().files = owned);
    }

    /// Whether it goes on although it was told to stop.
    ///
    /// # Panics
    /// If there is no such job.
    pub fn set_stubborn(&self, id: &str, stubborn: bool) {
        self.with(|state| state.jobs.get_mut(id).unwrap().stubborn = stubborn);
    }

    /// Forgets a job.
    pub fn forget(&self, id: &str) {
        self.with(|state| state.jobs.remove(id));
    }

    /// The status that a job has in the list.
    #[must_use]
    pub fn status_of(&self, id: &str) -> Option<String> {
        let state = self.shared.state();
        let status = state.jobs.get(id)?.row["status"].as_str();
        status.map(str::to_owned)
    }

    /// The one token that is accepted from now on.
    pub fn require_token(&self, token: &str) {
        self.with(|state| token.clone_into(&mut state.token));
    }

    /// Fails requests whose path holds `part` from now on; the first fault that fits counts.
    pub fn fail(&self, part: &str, fault: Fault) {
        self.with(|state| state.faults.push((part.to_owned(), fault)));
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.with(|state| state.faults.clear());
    }

    /// The requests that have come, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state().asked.clone()
    }

    /// How many requests have come with this method, whose path holds `part`.
    #[must_use]
    pub fn count(&self, method: &str, part: &str) -> usize {
        let state = self.shared.state();
        let fits = |asked: &&Asked| asked.method == method && asked.path.contains(part);
        state.asked.iter().filter(fits).count()
    }

    /// Waits until something holds, which is looked at again whenever a request comes or something changes.
    ///
    /// # Panics
    /// If that takes longer than a minute; `what` says what was waited for.
    pub async fn wait_for(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        let waited = timeout(PATIENCE, async {
            while !holds(self) {
                changed.changed().await.unwrap();
            }
        });
        if waited.await.is_err() {
            panic!(
                "waited {PATIENCE:?} in vain for {what}; what came: {:#?}",
                self.asked()
            );
        }
    }
}

impl Drop for ExternalPlane {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(speech::serve(client, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
