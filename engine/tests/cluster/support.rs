//! A namespace, objects in it in the shapes of ElasticBLAST, and what is seen of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use elb_core::cluster::{PlaceView, RunView};
use elb_engine::{
    clock::{SystemClock, chance},
    clusters::{ClusterAddress, Clusters},
    kubernetes::ClusterSnapshot,
};
use elb_testkit::Cluster;
use serde_json::{Value, json};

/// How long anything may take to be seen. What it takes is measured, not tested.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often a test looks that waits for what nothing tells of.
const LOOK: Duration = Duration::from_millis(50);

/// A namespace of a cluster.
pub struct Space {
    pub cluster: &'static Cluster,
    pub name: String,
}

impl Space {
    /// A new one on the cluster that all tests share.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let space = Self {
            cluster: Cluster::shared(),
            name: format!("elb-engine-{}-{number}", std::process::id()),
        };
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space.name}});
        space.kubectl(&["create", "-f", "-"], &object);
        space
    }

    pub fn kubectl(&self, arguments: &[&str], input: &Value) -> String {
        let input = input.to_string();
        self.cluster
            .kubectl(["-n", &self.name].iter().chain(arguments), &input)
            .unwrap()
    }

    pub fn create(&self, object: &Value) {
        self.kubectl(&["create", "-f", "-"], object);
    }

    /// Writes an object's status, as its controller or a kubelet would.
    pub fn set_status(&self, object: &str, status: &Value) {
        let (kind, name) = object.split_once('/').unwrap();
        let group = if kind == "job" { "apis/batch" } else { "api" };
        let path = format!("/{group}/v1/namespaces/{}/{kind}s/{name}/status", self.name);
        // Written whole, with the version that was read, since old clients know no patch of a status: if the cluster
        // has written in between, what it wrote is read and taken along.
        loop {
            let whole = self.kubectl(&["get", object, "-o", "json"], &Value::Null);
            let mut whole: Value = serde_json::from_str(&whole).unwrap();
            let fields = status.as_object().unwrap().clone();
            match whole["status"].as_object_mut() {
                Some(known) => known.extend(fields),
                None => whole["status"] = Value::Object(fields),
            }
            let arguments = ["replace", "--raw", &path, "-f", "-"];
            match self.cluster.kubectl(arguments, &whole.to_string()) {
                Ok(_) => return,
                Err(said) => assert!(said.contains("the object has been modified"), "{said}"),
            }
        }
    }

    /// Waits until a field of an object is there: a controller writes it.
    pub async fn field(&self, object: &str, path: &str) {
        let path = format!("jsonpath={{{path}}}");
        self.until_told(&["get", object, "-o", &path]).await;
    }

    /// Asks until there is an answer that is not empty.
    pub async fn until_told(&self, arguments: &[&str]) -> String {
        let began = Instant::now();
        let mut often = tokio::time::interval(LOOK);
        loop {
            let told = self.kubectl(arguments, &Value::Null);
            if !told.is_empty() {
                return told;
            }
            assert!(began.elapsed() < PATIENCE, "never told: {arguments:?}");
            often.tick().await;
        }
    }

    /// The name of the context of its kubeconfig.
    pub fn context(&self) -> String {
        let context = self
            .cluster
            .kubectl(["config", "current-context"], "")
            .unwrap();
        context.trim().to_owned()
    }

    /// Watches this namespace.
    pub fn watch(&self) -> Watching {
        Watching::start(&ClusterAddress {
            context: Some(self.context()),
            namespace: Some(self.name.clone()),
            kubeconfig: Some(self.cluster.kubeconfig().to_owned()),
        })
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let arguments = ["delete", "namespace", &self.name, "--wait=false"];
        self.cluster.kubectl(arguments, "").ok();
    }
}

/// A snapshot of one namespace.
pub struct Watching(pub Arc<ClusterSnapshot>);

impl Watching {
    pub fn start(address: &ClusterAddress) -> Self {
        let clock: Arc<dyn elb_engine::clock::Clock> = Arc::new(SystemClock);
        Self(ClusterSnapshot::start(
            std::slice::from_ref(address),
            &clock,
            chance,
        ))
    }

    pub fn place(&self) -> PlaceView {
        self.0.places().remove(0)
    }

    /// Waits until what is seen is so, and says how long it took.
    pub async fn until(&self, so: impl Fn(&PlaceView) -> bool) -> (PlaceView, Duration) {
        let began = Instant::now();
        let mut changes = self.0.revision();
        loop {
            let place = self.place();
            if so(&place) {
                return (place, began.elapsed());
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            let changed = tokio::time::timeout(left, changes.changed()).await;
            assert!(changed.is_ok(), "it is never seen so: {place:#?}");
        }
    }

    /// The same of one search.
    pub async fn run(&self, id: &str, so: impl Fn(&RunView) -> bool) -> RunView {
        let of = |place: &PlaceView| place.runs.iter().find(|run| run.id == id).cloned();
        let (place, _) = self
            .until(|place| of(place).is_some_and(|run| so(&run)))
            .await;
        of(&place).unwrap()
    }
}

/// A Job that searches, as ElasticBLAST's template for AKS with local disks makes it.
pub fn blast_job(run: &str, number: u32) -> Value {
    let short = &run[run.len() - 8..];
    let labels = json!({"app": "blast", "db": "nt", "elb-job-id": run});
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": format!("blastn-batch-nt-job-{number:03}-{short}"), "labels": labels},
        "spec": {
            "backoffLimit": 3,
            "ttlSecondsAfterFinished": 1800,
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "Never",
                    "nodeSelector": {"workload": "blast"},
                    "containers": [
                        {
                            "name": "blast", "image": "elb-dashboard.test/none:1",
                            "env": [
                                {"name": "BLAST_ELB_JOB_ID", "value": run},
                                {"name": "JOB_NUM", "value": format!("{number:03}")},
                                {"name": "ELB_BLAST_PROGRAM", "value": "blastn"},
                                {"name": "ELB_DB", "value": "nt"},
                                {"name": "ELB_RESULTS", "value": "https://elb.blob.core.windows.net/results/1"},
                            ],
                        },
                        {"name": "results-export", "image": "elb-dashboard.test/none:1"},
                    ],
                },
            },
        },
    })
}
