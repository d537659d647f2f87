//! A cluster that is watched, with waits that are short.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use elb_core::{
    cluster::{Health, PlaceView},
    job::Found,
    time::Timestamp,
};
use elb_engine::{
    clock::{Clock, chance},
    clusters::{ClusterAddress, Clusters},
    kubernetes::{ClusterSnapshot, Pace},
};
use elb_testkit::kube_api::{
    Kind, KubeApi, Route,
    objects::{NAMESPACE, blast_job, pod_of},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use super::super::support::PATIENCE;

/// The name of the context.
pub const CLUSTER: &str = "elb";
pub const RUN: &str = "job-0123456789abcdef";

/// Short waits. Those for an answer are far above what one takes, for what must not be noticed.
pub const PACE: Pace = Pace {
    answer: Duration::from_secs(20),
    long_answer: Duration::from_secs(20),
    connect_again: Duration::from_millis(100),
    pause: Duration::from_millis(10),
    longest_pause: Duration::from_millis(100),
    steady: Duration::from_secs(3_600),
    without_watch: Duration::from_secs(3_600),
    beat: Duration::from_millis(20),
    busy: Duration::from_millis(20),
    idle: Duration::from_millis(20),
    ending: Duration::from_millis(200),
    look: Duration::from_millis(10),
    progress: Duration::from_millis(20),
};

/// A clock on which no two moments are the same: a state that was left and entered again began later.
#[derive(Debug, Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// The stand-in, and what is seen of it.
pub struct Seen {
    pub api: KubeApi,
    pub snapshot: Arc<ClusterSnapshot>,
    folder: TempDir,
}

impl Seen {
    pub async fn start(pace: Pace) -> Self {
        Self::of(KubeApi::start().await, pace)
    }

    /// Watches what there is already.
    pub fn of(api: KubeApi, pace: Pace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        api.write_kubeconfig(&path, CLUSTER, NAMESPACE);
        Self {
            api,
            snapshot: watched(path, pace),
            folder,
        }
    }

    /// One that is live.
    pub async fn live(pace: Pace) -> Self {
        let seen = Self::start(pace).await;
        seen.until_live().await;
        seen
    }

    /// Replaces text in the kubeconfig.
    pub fn edit_kubeconfig(&self, from: &str, to: &str) {
        let path = self.folder.path().join("kubeconfig");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    pub fn place(&self) -> PlaceView {
        self.snapshot.places().remove(0)
    }

    pub async fn until(&self, so: impl Fn(&PlaceView) -> bool) -> PlaceView {
        until(&self.snapshot, so).await
    }

    pub async fn until_live(&self) -> PlaceView {
        self.until_health(Health::Live).await
    }

    pub async fn until_health(&self, health: Health) -> PlaceView {
        self.until(|place| place.health == health).await
    }

    /// Waits until exactly these searches are seen.
    pub async fn until_runs(&self, runs: &[&str]) -> PlaceView {
        self.until(|place| names(place) == runs).await
    }

    /// Waits until so many more requests came that do this.
    pub async fn asked(&self, route: Route, kind: impl Into<Option<Kind>>, more: usize) {
        let kind = kind.into();
        let wanted = self.api.count(route, kind) + more;
        let what = format!("{more} more requests: {route:?} {kind:?}");
        self.api
            .wait_for(&what, |api| api.count(route, kind) >= wanted)
            .await;
    }

    /// Waits until both kinds are watched.
    pub async fn watched(&self) {
        let both = |api: &KubeApi| [Kind::Job, Kind::Pod].map(|kind| api.watchers(kind)) == [1, 1];
        self.api.wait_for("two watches", both).await;
    }

    /// A search with one Job.
    pub fn put(&self, run: &str) -> Value {
        let job = job(run);
        self.api.put(Kind::Job, job.clone());
        job
    }

    pub fn remove(&self, run: &str) {
        let name = job(run)["metadata"]["name"].as_str().unwrap().to_owned();
        assert!(self.api.remove(Kind::Job, NAMESPACE, &name));
    }

    pub async fn cancel(&self, run: &str) -> Result<(), String> {
        self.snapshot.cancel(&found(), run).await
    }
}

/// A snapshot of the cluster of a kubeconfig.
pub fn watched(kubeconfig: PathBuf, pace: Pace) -> Arc<ClusterSnapshot> {
    let address = ClusterAddress {
        context: Some(CLUSTER.to_owned()),
        namespace: None,
        kubeconfig: Some(kubeconfig),
    };
    let clock: Arc<dyn Clock> = Arc::new(Ticking::default());
    ClusterSnapshot::start_with(&[address], &clock, chance, pace)
}

/// Waits until what is seen is so.
pub async fn until(snapshot: &ClusterSnapshot, so: impl Fn(&PlaceView) -> bool) -> PlaceView {
    let began = Instant::now();
    let mut changes = snapshot.revision();
    loop {
        let place = snapshot.places().remove(0);
        if so(&place) {
            return place;
        }
        let left = PATIENCE.saturating_sub(began.elapsed());
        let changed = timeout(left, changes.changed()).await;
        assert!(changed.is_ok(), "it is never seen so: {place:#?}");
    }
}

pub fn names(place: &PlaceView) -> Vec<&str> {
    let mut names: Vec<&str> = place.runs.iter().map(|run| run.id.as_str()).collect();
    names.sort_unstable();
    names
}

pub fn found() -> Found {
    Found {
        cluster: CLUSTER.to_owned(),
        namespace: NAMESPACE.to_owned(),
    }
}

/// The only Job of a search.
pub fn job(run: &str) -> Value {
    blast_job(run, &format!("blastn-batch-nt-{run}"))
}

/// The only pod of that.
pub fn pod(run: &str) -> Value {
    pod_of(&job(run), &format!("blastn-batch-nt-{run}-x"))
}
