//! Searches that are handed to a cluster: what is made there, once, whatever the cluster answers.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use elb_core::{
    cluster::{BatchDone, BatchFile},
    error_code::ErrorCode,
    job::Job,
    phase::Phase,
    search::Program,
    time::Timestamp,
};
use elb_engine::{
    breaker::Breaker,
    clock::{Clock, SystemClock},
    databases::{Catalogue, CatalogueConfig},
    executor::{Door, Executor, LocalFolders, Observation, RunLimits, local::LocalExecutor},
    joblog::JobLogs,
    kubernetes::{
        ClusterSnapshot,
        executor::{ClusterExecutor, ClusterParts, NodeDatabases, PodSettings},
    },
    lease::{LeaseTerms, Member},
    objects::{Kind as ObjectKind, Objects},
    toolkit::Toolkit,
};
use elb_testkit::kube_api::{
    Fault, Kind, KubeApi, Route,
    objects::{NAMESPACE, in_namespace, with_condition},
};
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory};
use serde_json::{Value, json};

use super::{
    super::support::{genes, search},
    seen::{CLUSTER, PACE, Seen},
};

const JOB: &str = "019936f2-5a4c-7c3e-9a5b-0123456789ab";
const QUERIES: usize = 40;

/// An executor, a cluster, and a search that is about to be handed over.
pub struct Scene {
    pub seen: Seen,
    pub executor: Arc<ClusterExecutor>,
    pub store: Arc<InMemory>,
    pub job: Job,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        Self::on(KubeApi::start().await).await
    }

    async fn on(api: KubeApi) -> Self {
        let store = Arc::new(InMemory::new());
        Self::over(api, &store, store.clone(), How::default()).await
    }

    /// One whose executor sees the store as `shown`.
    pub async fn over(
        api: KubeApi,
        store: &Arc<InMemory>,
        shown: Arc<dyn ObjectStore>,
        how: How,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let seen = Seen::of(api, PACE);
        seen.until_live().await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let breaker = Breaker::new("objects", Arc::clone(&clock));
        let objects = Objects::elsewhere(shown, breaker, folder.path().join("copies"), 1);
        let made = made_with(folder.path(), &seen.snapshot, &objects, Vec::new(), how);
        let (executor, _) = made.await;
        let query = genes(0, QUERIES);
        let put = objects.put(JOB, ObjectKind::Query, 1, query.as_bytes());
        put.await.unwrap();
        let spec = search(Program::Blastn);
        let mut job = Job::new(
            JOB.to_owned(),
            "me".to_owned(),
            "genes".to_owned(),
            spec,
            Timestamp(0),
        );
        job.database.version = "blob-0123456789abcdef".to_owned();
        executor.prepare(&job).await.unwrap();
        let plan = executor.plan(&job).await.unwrap();
        assert!(plan.progress.batches_total > 1);
        job.place = plan.place;
        job.progress = plan.progress;
        Self {
            seen,
            executor,
            store: Arc::clone(store),
            job,
            _folder: folder,
        }
    }

    /// What there is of a kind on the cluster.
    pub fn there(&self, kind: Kind) -> Vec<Value> {
        self.seen.api.all(kind)
    }

    pub async fn hand_over(&self) -> Door {
        match self.executor.knock(&self.job).await.unwrap() {
            Door::Open => self.executor.submit(&self.job).await.unwrap().door,
            shut => shut,
        }
    }

    /// What a pod leaves that has searched a batch.
    async fn store_results(&self, batches: u32) {
        for batch in 0..batches {
            let file = |name: &str| BatchFile {
                name: name.to_owned(),
                bytes: 1,
                sha256: String::new(),
            };
            let done = BatchDone {
                batch,
                archive: file("archive-x.asn"),
                table: Some(file("hits-x.tsv")),
                warnings: vec!["few".to_owned()],
            };
            let key = format!("jobs/{JOB}/run/batch/{batch:05}/done.json");
            let json = done.to_json().unwrap();
            self.store.put(&key.into(), json.into()).await.unwrap();
        }
    }

    /// Looks until it is so.
    async fn until(&self, so: impl Fn(&Observation) -> bool) -> Observation {
        let looking = async {
            let mut seen = 0;
            loop {
                let (now, observation) = self.executor.observe(&self.job, seen).await;
                if so(&observation) {
                    return observation;
                }
                seen = now;
            }
        };
        tokio::time::timeout(super::super::support::PATIENCE, looking)
            .await
            .expect("it is never seen so")
    }
}

/// Objects in a store, with their copies in a folder.
pub fn objects_in(store: &Arc<InMemory>, folder: &Path, clock: &Arc<dyn Clock>) -> Objects {
    let breaker = Breaker::new("objects", Arc::clone(clock));
    Objects::elsewhere(store.clone(), breaker, folder.join("copies"), 1)
}

/// An executor for these clusters, which knows the databases of these folders.
pub async fn executor(
    folder: &Path,
    clusters: &Arc<ClusterSnapshot>,
    objects: &Objects,
    folders: Vec<PathBuf>,
) -> Arc<ClusterExecutor> {
    let how = How::default();
    made_with(folder, clusters, objects, folders, how).await.0
}

/// One with copies of databases kept somewhere.
pub async fn executor_with(
    folder: &Path,
    seen: &Seen,
    store: &Arc<InMemory>,
    clock: &Arc<dyn Clock>,
    databases: NodeDatabases,
) -> (Arc<ClusterExecutor>, Objects, Arc<Catalogue>) {
    let objects = objects_in(store, folder, clock);
    let how = How {
        databases,
        ..How::default()
    };
    let made = made_with(folder, &seen.snapshot, &objects, Vec::new(), how);
    let (executor, catalogue) = made.await;
    (executor, objects, catalogue)
}

/// What an operator has decided.
pub struct How {
    pub databases: NodeDatabases,
    pub at_once: bool,
    pub job_per_batch: bool,
}

impl Default for How {
    fn default() -> Self {
        Self {
            databases: NodeDatabases::Pod,
            at_once: true,
            job_per_batch: false,
        }
    }
}

async fn made_with(
    folder: &Path,
    clusters: &Arc<ClusterSnapshot>,
    objects: &Objects,
    folders: Vec<PathBuf>,
    how: How,
) -> (Arc<ClusterExecutor>, Arc<Catalogue>) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let toolkit = Toolkit::locate(None).await.unwrap();
    let config = CatalogueConfig {
        own: folder.join("databases"),
        folders,
        max_upload_bytes: 1,
        examples: false,
    };
    let catalogue = Catalogue::open(config, toolkit.clone(), Arc::clone(&clock))
        .await
        .unwrap();
    let logs = JobLogs::in_folder(&folder.join("logs"), Arc::clone(&clock)).unwrap();
    let local = LocalExecutor::new(
        LocalFolders {
            work: folder.join("work"),
        },
        RunLimits {
            processes: 2,
            wall_time: Duration::from_secs(600),
            output_bytes: 1_000_000_000,
        },
        toolkit,
        Arc::clone(&catalogue),
        objects.clone(),
        logs.clone(),
        Member::new(LeaseTerms::Alone, Arc::clone(&clock)),
    );
    let pods = PodSettings {
        image: "lab/blast:1".to_owned(),
        cpu: "1".to_owned(),
        memory: "1Gi".to_owned(),
        parallel: 2,
        nodes: None,
        account: None,
        databases: how.databases,
        shard_bytes: None,
        job_per_batch: how.job_per_batch,
        endpoint: None,
        key: None,
        source: "az://lab/data/blast-db".to_owned(),
        objects: "az://lab/searches".to_owned(),
        deadline_s: 600,
    };
    let executor = ClusterExecutor::start(ClusterParts {
        local,
        clusters: Arc::clone(clusters),
        pods,
        at_once: how.at_once,
        catalogue: Arc::clone(&catalogue),
        objects: objects.clone(),
        logs,
        clock,
    });
    (executor.unwrap(), catalogue)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_made_once_however_often_it_is_handed_over() {
    let scene = Scene::new().await;
    scene.seen.api.take_requests();
    assert_eq!(scene.hand_over().await, Door::Open);
    let asked = scene.seen.api.take_requests();
    // The watches ask for themselves.
    let watched = |path: &str| path == "/version" || path.ends_with(NAMESPACE);
    let ours = asked.iter().filter(|call| {
        let event = call.kind == Some(Kind::Event);
        !(watched(&call.path) || event || call.route == Route::Watch)
    });
    let ours: Vec<String> = ours
        .map(|call| format!("{} {}", call.method, call.path))
        .collect();
    println!("{} requests of a submission: {ours:#?}", ours.len());
    assert!(ours.len() <= 14, "{ours:#?}");
    assert_eq!(scene.hand_over().await, Door::Open);
    let jobs = scene.there(Kind::Job);
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0]["spec"]["suspend"], false);
    let anchors = scene.there(Kind::ConfigMap);
    assert_eq!(anchors.len(), 1);
    let owner = &jobs[0]["metadata"]["ownerReferences"][0]["uid"];
    assert_eq!(*owner, anchors[0]["metadata"]["uid"]);
    let lease = &scene.there(Kind::Lease)[0];
    assert!(lease["spec"]["holderIdentity"].is_null(), "{lease:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_and_servers_that_refuse_for_a_while_double_nothing() {
    let scene = Scene::new().await;
    // Each write is carried out and said to have failed, one after the other.
    let mut doors = Vec::new();
    for _ in 0..12 {
        scene.seen.api.lose_answers(1);
        doors.push(scene.hand_over().await);
    }
    scene.seen.api.lose_answers(0);
    assert!(matches!(doors[0], Door::NoRoom(_)), "{doors:?}");
    for (kind, status) in [(Kind::ConfigMap, 503), (Kind::Job, 500), (Kind::Lease, 429)] {
        scene
            .seen
            .api
            .fail(Fault::new(Route::Other, kind, status).times(1));
        let door = scene.hand_over().await;
        assert!(matches!(door, Door::NoRoom(_)), "{kind:?}: {door:?}");
    }
    assert_eq!(scene.hand_over().await, Door::Open);
    assert_eq!(scene.there(Kind::Job).len(), 1);
    assert_eq!(scene.there(Kind::ConfigMap).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_named_and_waited_for() {
    let scene = Scene::new().await;
    scene
        .seen
        .api
        .fail(Fault::new(Route::Other, Kind::ConfigMap, 403).times(1));
    match scene.hand_over().await {
        Door::NoRoom(reason) => assert!(reason.contains("patch configmaps"), "{reason}"),
        door => panic!("{door:?}"),
    }
    assert_eq!(scene.hand_over().await, Door::Open);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_will_never_take_is_no_wait() {
    let scene = Scene::new().await;
    scene
        .seen
        .api
        .fail(Fault::new(Route::Other, Kind::Job, 422));
    assert_eq!(scene.executor.knock(&scene.job).await.unwrap(), Door::Open);
    let refused = scene.executor.submit(&scene.job).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Internal);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_server_gets_a_job_for_each_batch_and_all_of_them_count() {
    let api = KubeApi::start().await;
    api.be_old();
    let scene = Scene::on(api).await;
    let batches = scene.job.progress.batches_total;
    assert_eq!(scene.hand_over().await, Door::Open);
    assert_eq!(scene.hand_over().await, Door::Open);
    let jobs = scene.there(Kind::Job);
    assert_eq!(jobs.len(), batches as usize);
    for job in &jobs {
        assert!(job["spec"]["completionMode"].is_null());
    }
    // One of them is done: the search is not.
    let done = with_condition(jobs[0].clone(), "Complete", "CompletionsReached");
    scene.seen.api.put(Kind::Job, in_namespace(done, NAMESPACE));
    let observation = scene
        .until(|seen| matches!(seen, Observation::Running { .. }))
        .await;
    match observation {
        Observation::Running { progress, .. } => assert_eq!(progress.batches_done, 1),
        other => panic!("{other:?}"),
    }
    for job in &jobs[1..] {
        let done = with_condition(job.clone(), "Complete", "CompletionsReached");
        scene.seen.api.put(Kind::Job, in_namespace(done, NAMESPACE));
    }
    scene.store_results(batches).await;
    scene
        .until(|seen| matches!(seen, Observation::Succeeded { .. }))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_for_each_batch_can_be_asked_for() {
    let store = Arc::new(InMemory::new());
    let how = How {
        job_per_batch: true,
        ..How::default()
    };
    let scene = Scene::over(KubeApi::start().await, &store, store.clone(), how).await;
    assert_eq!(scene.hand_over().await, Door::Open);
    let jobs = scene.there(Kind::Job);
    assert_eq!(jobs.len(), scene.job.progress.batches_total as usize);
    assert!(jobs.iter().all(|job| job["spec"]["completions"] == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_has_no_time_after_its_end_until_the_row_knows_that_end() {
    let mut scene = Scene::new().await;
    assert_eq!(scene.hand_over().await, Door::Open);
    let job = scene.there(Kind::Job).remove(0);
    assert!(job["spec"]["ttlSecondsAfterFinished"].is_null());
    let failed = with_condition(job, "Failed", "BackoffLimitExceeded");
    scene
        .seen
        .api
        .put(Kind::Job, in_namespace(failed, NAMESPACE));
    scene
        .until(|seen| matches!(seen, Observation::Failed(_)))
        .await;
    // As the driver does once the row has it.
    scene.job.phase = Phase::Failed;
    scene.executor.cancel(&scene.job).await.unwrap();
    let job = scene.there(Kind::Job).remove(0);
    assert_eq!(job["spec"]["ttlSecondsAfterFinished"], 86_400);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_submitter_is_waited_for_until_it_gives_back_or_falls_silent() {
    let scene = Scene::new().await;
    let lease = |renewed: &str| {
        json!({
            "metadata": { "name": format!("elb-blast-submit-{NAMESPACE}"), "namespace": NAMESPACE },
            "spec": {
                "holderIdentity": "elb-openapi-1", "leaseDurationSeconds": 900,
                "acquireTime": renewed, "renewTime": renewed,
            },
        })
    };
    scene
        .seen
        .api
        .put(Kind::Lease, lease("2099-01-01T00:00:00.000000Z"));
    match scene.hand_over().await {
        Door::Held(reason) => assert!(reason.contains("elb-openapi-1"), "{reason}"),
        door => panic!("{door:?}"),
    }
    assert!(scene.there(Kind::Job).is_empty());
    scene
        .seen
        .api
        .put(Kind::Lease, lease("2020-01-01T00:00:00.000000Z"));
    assert_eq!(scene.hand_over().await, Door::Open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_is_told_before_anything_is_made() {
    let scene = Scene::new().await;
    let quota = |used: &str| {
        json!({
            "metadata": { "name": "lab", "namespace": NAMESPACE },
            "status": { "hard": { "requests.memory": "4Gi" }, "used": { "requests.memory": used } },
        })
    };
    scene.seen.api.put(Kind::ResourceQuota, quota("3500Mi"));
    match scene.hand_over().await {
        Door::NoRoom(reason) => assert!(reason.contains("quota lab"), "{reason}"),
        door => panic!("{door:?}"),
    }
    assert!(scene.there(Kind::Job).is_empty());
    scene.seen.api.put(Kind::ResourceQuota, quota("3Gi"));
    assert_eq!(scene.hand_over().await, Door::Open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_whose_job_is_gone_ends_by_what_its_results_tell() {
    let scene = Scene::new().await;
    assert_eq!(scene.hand_over().await, Door::Open);
    let job = scene.there(Kind::Job).remove(0);
    assert!(scene.seen.api.remove(Kind::Job, NAMESPACE, name(&job)));
    let failed = scene
        .until(|seen| matches!(seen, Observation::Failed(_)))
        .await;
    match failed {
        Observation::Failed(error) => assert_eq!(error.code, ErrorCode::WorkerLost),
        other => panic!("{other:?}"),
    }
    scene.store_results(scene.job.progress.batches_total).await;
    let (_, seen) = scene.executor.observe(&scene.job, 0).await;
    match seen {
        Observation::Succeeded { warnings, .. } => assert_eq!(warnings, ["few"]),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_away_is_no_end() {
    let scene = Scene::new().await;
    assert_eq!(scene.hand_over().await, Door::Open);
    scene
        .until(|seen| matches!(seen, Observation::Accepted))
        .await;
    scene.seen.api.refuse().await;
    let unseen = scene
        .until(|seen| matches!(seen, Observation::Unseen(_)))
        .await;
    match unseen {
        Observation::Unseen(reason) => assert!(reason.contains(CLUSTER), "{reason}"),
        other => panic!("{other:?}"),
    }
    let stopped = scene.executor.cancel(&scene.job).await.unwrap_err();
    assert_eq!(stopped.code, ErrorCode::TemporarilyUnavailable);
    scene.seen.api.accept_again().await;
    scene
        .until(|seen| matches!(seen, Observation::Accepted))
        .await;
    scene.executor.cancel(&scene.job).await.unwrap();
    assert!(scene.there(Kind::Job).is_empty() && scene.there(Kind::ConfigMap).is_empty());
    assert!(
        scene
            .seen
            .api
            .deletions()
            .iter()
            .any(|deletion| deletion.kind == Kind::Job)
    );
}
