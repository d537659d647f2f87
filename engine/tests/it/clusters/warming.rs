//! Databases on nodes: what is asked of the cluster for them, and what is told of them.

use std::{path::Path, sync::Arc};

use elb_core::{
    cluster::{CopyState, CopyView, Report, StageProgress, Work},
    job::{Found, Job},
    search::Program,
    time::Timestamp,
};
use elb_engine::{
    breaker::Breaker,
    clock::{Clock, SystemClock},
    databases::{
        Catalogue,
        blob::{BlobDatabases, Key},
    },
    executor::{Executor, Readiness},
    kubernetes::{
        COPIES_APP,
        executor::{ClusterExecutor, NodeDatabases},
    },
    warmup::WarmupError,
};
use elb_testkit::kube_api::{
    Kind, KubeApi,
    objects::{NAMESPACE, pod_of},
};
use object_store::{ObjectStoreExt, memory::InMemory};
use serde_json::{Value, json};

use super::{
    super::support::search,
    executing::executor_with,
    seen::{CLUSTER, PACE, Seen, until},
};

const DATABASE: &str = "genes";

struct Scene {
    seen: Seen,
    executor: Arc<ClusterExecutor>,
    catalogue: Arc<Catalogue>,
    store: Arc<InMemory>,
    _folder: tempfile::TempDir,
}

fn place() -> Found {
    Found {
        cluster: CLUSTER.to_owned(),
        namespace: NAMESPACE.to_owned(),
    }
}

impl Scene {
    /// With nodes that everybody may look at.
    async fn new(databases: NodeDatabases) -> Self {
        let scene = Self::without_nodes(databases).await;
        let nodes = [("n1", true), ("n2", true), ("n3", false)];
        scene.seen.api.set_nodes(&nodes);
        scene
    }

    /// Where nobody may look at nodes.
    async fn without_nodes(databases: NodeDatabases) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let seen = Seen::of(KubeApi::start().await, PACE);
        seen.until_live().await;
        let store = Arc::new(InMemory::new());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (executor, _, catalogue) =
            executor_with(folder.path(), &seen, &store, &clock, databases).await;
        for ending in ["nin", "nhr", "nsq"] {
            let key = Key::from(format!("blast-db/{DATABASE}/{DATABASE}.{ending}"));
            store.put(&key, "xx".into()).await.unwrap();
        }
        catalogue.attach_blob(BlobDatabases::new(
            store.clone(),
            Breaker::new("databases", Arc::clone(&clock)),
            Key::from("blast-db"),
            "az://lab/data/blast-db".to_owned(),
            clock,
        ));
        catalogue.search_elsewhere(Path::new("/blast/db")).await;
        Self {
            seen,
            executor,
            catalogue,
            store,
            _folder: folder,
        }
    }

    fn version(&self) -> String {
        self.catalogue.version_now(DATABASE).unwrap()
    }

    /// The nodes, each with how its copy stood already.
    async fn warm(&self) -> Vec<(String, Option<CopyState>)> {
        let warmup = self.executor.warmup().unwrap();
        let asked = warmup.warm(&place(), DATABASE).await.unwrap().into_iter();
        asked.map(|asked| (asked.node, asked.already)).collect()
    }

    async fn release(&self) -> Vec<(String, Option<CopyState>)> {
        let warmup = self.executor.warmup().unwrap();
        let asked = warmup.release(&place(), DATABASE).await.unwrap();
        let asked = asked.into_iter();
        asked.map(|asked| (asked.node, asked.already)).collect()
    }

    /// The Jobs for copies, by node.
    fn jobs(&self) -> Vec<(String, Value)> {
        let jobs = self.seen.api.all(Kind::Job).into_iter();
        let mut jobs: Vec<_> = jobs.map(|job| (node_of(&job).to_owned(), job)).collect();
        jobs.sort_by(|one, other| one.0.cmp(&other.0));
        jobs
    }

    /// Waits until copies are told so.
    async fn until(&self, so: impl Fn(&[CopyView]) -> bool) -> Vec<CopyView> {
        until(&self.seen.snapshot, |place| so(&place.copies))
            .await
            .copies
    }

    /// Has the pod of a Job come to something.
    fn pod(&self, job: &Value, state: Value) {
        let name = format!("{}-x", job["metadata"]["name"].as_str().unwrap());
        let mut pod = pod_of(job, &name);
        let container = &job["spec"]["template"]["spec"]["containers"][0]["name"];
        pod["spec"]["nodeName"] = json!(node_of(job));
        let running = state.get("running").is_some();
        pod["status"]["phase"] = json!(if running { "Running" } else { "Succeeded" });
        pod["status"]["containerStatuses"] =
            json!([{ "name": container, "restartCount": 0, "state": state }]);
        self.seen.api.put(Kind::Pod, pod);
    }

    /// Has it end well, at a second of the minute before anything else was made.
    fn end(&self, job: &Value, work: Work, bytes: u64, second: u32) {
        let mut report = Report::new(work);
        report.bytes = bytes;
        let at = format!("2025-12-31T23:59:{second:02}Z");
        let state = json!({ "terminated": {
            "exitCode": 0, "finishedAt": at, "message": report.to_message(),
        } });
        self.pod(job, state);
    }
}

fn node_of(job: &Value) -> &str {
    let node = &job["metadata"]["annotations"]["elb-dashboard/node"];
    node.as_str().unwrap()
}

fn folder() -> NodeDatabases {
    NodeDatabases::Folder("/var/lib/blast".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_brought_to_every_usable_node_once_and_its_bytes_are_told() {
    let scene = Scene::new(folder()).await;
    let begun = |node: &str| (node.to_owned(), None);
    assert_eq!(scene.warm().await, [begun("n1"), begun("n2")]);
    let jobs = scene.jobs();
    assert_eq!(jobs.len(), 2);
    for (node, job) in &jobs {
        assert_eq!(job["metadata"]["labels"]["app"], COPIES_APP);
        let spec = &job["spec"]["template"]["spec"];
        let container = &spec["containers"][0];
        assert_eq!(container["command"], json!(["elb-runner", "stage"]));
        assert!(job["spec"]["activeDeadlineSeconds"].is_u64(), "{job:#}");
        assert_eq!(spec["automountServiceAccountToken"], false);
        let terms =
            &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let wanted = &terms["nodeSelectorTerms"][0]["matchFields"][0]["values"];
        assert_eq!(*wanted, json!([node]));
        assert_eq!(spec["volumes"][0]["hostPath"]["path"], "/var/lib/blast");
    }
    // They are no searches.
    let told = scene.until(|copies| copies.len() == 2).await;
    assert!(told.iter().all(|copy| copy.state == CopyState::Waiting));
    assert_eq!(scene.seen.place().runs, []);
    // One is on its way, as its log tells; the other has come.
    scene.pod(
        &jobs[0].1,
        json!({ "running": { "startedAt": "2026-01-01T00:00:01Z" } }),
    );
    let (done, total) = (3_000, 9_000);
    let line = StageProgress { done, total }.line("genes", 1);
    let pod = format!("{}-x", jobs[0].1["metadata"]["name"].as_str().unwrap());
    let line = format!("2026-01-01T00:00:02Z {line}");
    scene.seen.api.say(&pod, "stage-db", &[&line]);
    scene.end(&jobs[1].1, Work::Stage, 9_000, 2);
    let told = scene.until(|copies| copies[0].bytes_total.is_some() && copies[1].bytes.is_some());
    let told = told.await;
    assert_eq!(
        (told[0].state, told[0].bytes),
        (CopyState::Bringing, Some(3_000))
    );
    assert_eq!(
        (told[1].state, told[1].bytes),
        (CopyState::Ready, Some(9_000))
    );
    assert_eq!(told[1].version, scene.version());
    // Asked again: nothing is begun, until another node is there.
    let known = [
        ("n1".to_owned(), Some(CopyState::Bringing)),
        ("n2".to_owned(), Some(CopyState::Ready)),
    ];
    assert_eq!(scene.warm().await, known);
    assert_eq!(scene.jobs().len(), 2);
    scene.seen.api.set_nodes(&[("n2", true), ("n3", true)]);
    assert_eq!(scene.warm().await, [known[1].clone(), begun("n3")]);
    assert_eq!(scene.jobs().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_database_is_gone_once_its_node_says_so() {
    let scene = Scene::new(folder()).await;
    let warmup = scene.executor.warmup().unwrap();
    let nothing = warmup.release(&place(), DATABASE).await.unwrap_err();
    assert!(matches!(nothing, WarmupError::Refused(_)), "{nothing}");
    scene.seen.api.set_nodes(&[("n1", true)]);
    scene.warm().await;
    scene.end(&scene.jobs()[0].1, Work::Stage, 9, 1);
    scene
        .until(|copies| copies.len() == 1 && copies[0].state == CopyState::Ready)
        .await;
    assert_eq!(scene.release().await, [("n1".to_owned(), None)]);
    let jobs = scene.jobs();
    assert_eq!(jobs.len(), 1, "the Job that brought it goes");
    let command = &jobs[0].1["spec"]["template"]["spec"]["containers"][0]["command"];
    assert_eq!(*command, json!(["elb-runner", "release"]));
    assert!(jobs[0].1["spec"]["ttlSecondsAfterFinished"].is_u64());
    scene
        .until(|copies| copies[0].state == CopyState::Releasing)
        .await;
    let known = ("n1".to_owned(), Some(CopyState::Releasing));
    assert_eq!(scene.release().await, [known]);
    scene.end(&jobs[0].1, Work::Release, 9, 2);
    scene.until(<[CopyView]>::is_empty).await;
    // It can be brought again.
    assert_eq!(scene.warm().await, [("n1".to_owned(), None)]);
    scene.until(|copies| copies.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_step_of_staging_names_the_nodes_that_have_the_database() {
    let scene = Scene::new(folder()).await;
    let spec = search(Program::Blastn);
    let title = "genes".to_owned();
    let mut job = Job::new("j".to_owned(), "me".to_owned(), title, spec, Timestamp(0));
    job.spec.database = DATABASE.to_owned();
    job.database.version = scene.version();
    job.place = Some(place());
    let told = async || match scene.executor.stage(&job).await.unwrap() {
        Readiness::Unneeded(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert!(told().await.contains("no node is known to have"));
    scene.warm().await;
    scene.end(&scene.jobs()[1].1, Work::Stage, 9, 1);
    scene
        .until(|copies| copies.iter().any(|copy| copy.state == CopyState::Ready))
        .await;
    assert!(told().await.starts_with("node n2 has it already"));
    // Another version is none.
    let key = Key::from(format!("blast-db/{DATABASE}/{DATABASE}.nsq"));
    scene.store.put(&key, "another".into()).await.unwrap();
    job.database.version = "blob-another".to_owned();
    let told = scene.executor.stage(&job).await.unwrap();
    assert!(
        matches!(&told, Readiness::Unneeded(why) if why.contains("no node")),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_or_is_not_allowed_is_told_in_words() {
    let scene = Scene::new(folder()).await;
    let warmup = scene.executor.warmup().unwrap();
    let unknown = warmup.warm(&place(), "other").await.unwrap_err();
    assert!(
        matches!(&unknown, WarmupError::Missing(why) if why.contains("other")),
        "{unknown}"
    );
    let mut elsewhere = place();
    elsewhere.cluster = "nowhere".to_owned();
    let unknown = warmup.warm(&elsewhere, DATABASE).await.unwrap_err();
    assert!(
        matches!(&unknown, WarmupError::Missing(why) if why.contains("nowhere")),
        "{unknown}"
    );
    scene.seen.api.set_nodes(&[("n1", false)]);
    let none = warmup.warm(&place(), DATABASE).await.unwrap_err();
    assert!(
        matches!(&none, WarmupError::Refused(why) if why.contains("no node")),
        "{none}"
    );
    assert_eq!(scene.jobs(), []);

    let scene = Scene::new(NodeDatabases::Pod).await;
    let warmup = scene.executor.warmup().unwrap();
    assert!(warmup.hindrance().is_some());
    for refused in [
        warmup.warm(&place(), DATABASE).await,
        warmup.release(&place(), DATABASE).await,
    ] {
        let refused = refused.unwrap_err();
        assert!(
            refused.to_string().contains("ELB_POD_DATABASES"),
            "{refused}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_look_at_nodes_is_told_which_right_is_missing() {
    let scene = Scene::without_nodes(folder()).await;
    let warmup = scene.executor.warmup().unwrap();
    let refused = warmup.warm(&place(), DATABASE).await.unwrap_err();
    let WarmupError::Away(why) = &refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("nodes"), "{why}");
    assert_eq!(scene.seen.place().copies, []);
}
