//! A stand-in for a Kubernetes API server, for a client that lists and watches.
//!
//! Owns Jobs, Pods and Events with one rising resource version, the logs of containers, and the ways in which such a server and
//! the way to it fail, switched while clients are connected. It keeps to what a server promises: no watch
//! misses a change, and a list in pages is of one moment. It runs nothing, and nothing changes by itself:
//! pods of a deleted job stay until they are removed. What it does not know, it refuses. It speaks plain
//! HTTP: [`Authority::before`](crate::tls::Authority::before) adds TLS.

use std::{
    collections::BTreeSet,
    fmt,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{sync::watch, time::timeout};

mod door;
mod failing;
mod kind;
mod logs;
pub mod objects;
mod select;
mod speech;
mod status;
mod store;
#[cfg(test)]
mod tests;
mod watching;
mod writing;

use door::{Door, bound, opened};
pub use kind::{Kind, Route};
pub use status::Fault;
use store::Store;

/// The token that is in its kubeconfigs.
pub const TOKEN: &str = "token-of-the-test";
/// How long [`KubeApi::wait_for`] waits; far above what anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// For example `GET`.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// What goes after `Bearer` in its `authorization`, if it has that.
    pub token: Option<String>,
    /// The kind of objects that it is about.
    pub kind: Option<Kind>,
    /// What it does with them.
    pub route: Route,
}

impl Call {
    /// A parameter's value.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// An object that was deleted by a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The `propagationPolicy`, if one was given.
    pub propagation: Option<String>,
}

/// What all connections share.
struct Shared {
    state: Mutex<State>,
    /// Sends whenever something that can be asked for has changed.
    changed: watch::Sender<()>,
    silent: watch::Sender<bool>,
    /// Sends when open watches are cut.
    cuts: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    store: Store,
    calls: Vec<Call>,
    deletions: Vec<Deletion>,
    faults: Vec<Fault>,
    /// The one token that is accepted.
    demanded: Option<String>,
    watch_forbidden: bool,
    /// Fields of a Job that are dropped without a word, as an old server does.
    unknown_fields: Vec<&'static str>,
    /// How many writes are carried out and then answered with an error.
    lost_answers: usize,
    logs: logs::Logs,
    /// Namespaces that do not exist. All others do.
    missing: BTreeSet<String>,
    /// The nodes, and whether each is ready; `None` if nobody may look at them.
    nodes: Option<Vec<(String, bool)>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets those who wait for a change look again.
    fn tick(&self) {
        self.changed.send_replace(());
    }
}

/// The stand-in; it ends, with all its connections, when it is dropped.
pub struct KubeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// `None` while it is being opened or closed.
    door: tokio::sync::Mutex<Option<Door>>,
}

impl fmt::Debug for KubeApi {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("KubeApi")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Starting and reaching it.
impl KubeApi {
    /// Starts one on a free port. It has no objects, and every namespace.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start() -> Self {
        let socket = bound(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = socket.local_addr().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
            silent: watch::Sender::new(false),
            cuts: watch::Sender::new(()),
        });
        let door = opened(socket, &shared);
        Self {
            address,
            shared,
            door: tokio::sync::Mutex::new(Some(door)),
        }
    }

    /// `http://ADDRESS:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Writes a kubeconfig whose one and current context leads here, with [`TOKEN`].
    ///
    /// # Panics
    /// If that fails.
    pub fn write_kubeconfig(&self, path: &Path, context: &str, namespace: &str) {
        // JSON is YAML, with the quotes where they must be.
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": context,
            "clusters": [{"name": "stand-in", "cluster": {"server": self.url()}}],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "contexts": [{"name": context, "context":
                {"cluster": "stand-in", "user": "test", "namespace": namespace}}],
        });
        std::fs::write(path, format!("{config:#}\n")).unwrap();
    }
}

/// What is in it.
impl KubeApi {
    /// Makes or replaces an object, and tells the open watches. Gives its new resource version. A missing
    /// `uid` is made up, or kept from the object that is replaced.
    ///
    /// # Panics
    /// If it has no `metadata.name` or no `metadata.namespace`.
    pub fn put(&self, kind: Kind, object: Value) -> u64 {
        self.put_many(kind, [object])
    }

    /// The same with many, each with a version of its own, and nothing in between. Gives the last version.
    ///
    /// # Panics
    /// As [`Self::put`].
    pub fn put_many(&self, kind: Kind, objects: impl IntoIterator<Item = Value>) -> u64 {
        self.with(|state| {
            for object in objects {
                state.store.put(kind, object);
            }
            state.store.version()
        })
    }

    /// Removes an object, and tells the open watches. Whether there was one.
    pub fn remove(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.with(|state| state.store.remove(kind, namespace, name).is_some())
    }

    /// An object as it is.
    #[must_use]
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Value> {
        let state = self.shared.state();
        let found = state.store.get(kind, namespace, name);
        found.map(|object| Value::clone(object))
    }

    /// All objects of a kind as they are, in the order of lists.
    #[must_use]
    pub fn all(&self, kind: Kind) -> Vec<Value> {
        let state = self.shared.state();
        state.store.all(kind).map(Value::clone).collect()
    }

    /// The newest resource version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shared.state().store.version()
    }

    /// Says whether a namespace exists: each does until this is called. Its objects stay.
    pub fn set_namespace(&self, name: &str, exists: bool) {
        self.with(|state| {
            if exists {
                state.missing.remove(name);
            } else {
                state.missing.insert(name.to_owned());
            }
        });
    }

    /// Lets everybody look at the nodes, each with whether it is ready; until then nobody may.
    pub fn set_nodes(&self, nodes: &[(&str, bool)]) {
        let nodes = nodes.iter();
        let nodes = nodes.map(|(name, ready)| ((*name).to_owned(), *ready));
        self.with(|state| state.nodes = Some(nodes.collect()));
    }

    /// Does something to the state, then lets those look who wait for a change.
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut self.shared.state());
        self.shared.tick();
        outcome
    }
}

/// What came.
impl KubeApi {
    /// The requests that have come, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// The requests that have come, which are forgotten.
    pub fn take_requests(&self) -> Vec<Call> {
        std::mem::take(&mut self.shared.state().calls)
    }

    /// How many requests have come that do this with this kind (`None`: with whatever it be).
    #[must_use]
    pub fn count(&self, route: Route, kind: impl Into<Option<Kind>>) -> usize {
        let kind = kind.into();
        let state = self.shared.state();
        let counted = state.calls.iter().filter(|call| {
            route.covers(call.route) && kind.is_none_or(|kind| call.kind == Some(kind))
        });
        counted.count()
    }

    /// How many watches of a kind are open now.
    #[must_use]
    pub fn watchers(&self, kind: Kind) -> usize {
        self.shared.state().store.watching(kind)
    }

    /// What was deleted by requests, in order.
    #[must_use]
    pub fn deletions(&self) -> Vec<Deletion> {
        self.shared.state().deletions.clone()
    }

    /// Waits until something holds, which is looked at again whenever a request comes or is answered, a
    /// watch begins or ends, or an object changes.
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
                self.requests()
            );
        }
    }
}

impl Drop for KubeApi {
    fn drop(&mut self) {
        if let Some(Door::Open { accepting, .. }) = self.door.get_mut() {
            accepting.abort();
        }
    }
}
