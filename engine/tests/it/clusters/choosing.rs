//! Which of two clusters a search runs on, and that neither waits for the other.

use std::{path::PathBuf, sync::Arc};

use elb_core::{
    cluster::Health, job::Found, phase::Phase, search::Program, step::Step, view::JobDetail,
};
use elb_engine::{
    clock::{Clock, SystemClock, chance},
    clusters::{ClusterAddress, Clusters},
    executor::Executor,
    kubernetes::ClusterSnapshot,
    service::{Caller, ServiceError},
};
use elb_testkit::kube_api::{Kind, KubeApi, objects::NAMESPACE};
use object_store::memory::InMemory;
use serde_json::json;
use tempfile::TempDir;

use super::{
    super::support::{Engine, PATIENCE, Settings, databases, genes, search},
    executing::{executor, objects_in},
    seen::PACE,
};

const NAMES: [&str; 2] = ["one", "two"];
/// Searches at once: fewer than will wait at a cluster.
const PLACES: usize = 2;

/// An engine whose searches run on two clusters.
struct Pair {
    engine: Engine,
    apis: [KubeApi; 2],
    snapshot: Arc<ClusterSnapshot>,
    _folder: TempDir,
}

fn found(cluster: &str) -> Found {
    Found {
        cluster: cluster.to_owned(),
        namespace: NAMESPACE.to_owned(),
    }
}

fn spelled(cluster: &str) -> String {
    format!("{cluster}#{NAMESPACE}")
}

impl Pair {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let apis = [KubeApi::start().await, KubeApi::start().await];
        let address = |(name, api): (&str, &KubeApi)| {
            let kubeconfig: PathBuf = folder.path().join(name);
            api.write_kubeconfig(&kubeconfig, name, NAMESPACE);
            ClusterAddress {
                context: Some(name.to_owned()),
                namespace: None,
                kubeconfig: Some(kubeconfig),
            }
        };
        let addresses: Vec<_> = NAMES.into_iter().zip(&apis).map(address).collect();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let snapshot = ClusterSnapshot::start_with(&addresses, &clock, chance, PACE);
        let store = Arc::new(InMemory::new());
        let objects = objects_in(&store, folder.path(), &clock);
        let there = folder.path().join("there");
        let folders = vec![databases().to_owned()];
        let executor = executor(&there, &snapshot, &objects, folders).await;
        let settings = Settings {
            places: PLACES,
            before: Some(Box::new(move |_| executor as Arc<dyn Executor>)),
            clusters: Some(Arc::clone(&snapshot) as Arc<dyn Clusters>),
            objects: Some(objects),
            ..Settings::default()
        };
        let engine = Engine::start_with(&folder.path().join("here"), settings).await;
        let this = Self {
            engine,
            apis,
            snapshot,
            _folder: folder,
        };
        for name in NAMES {
            this.until_health(name, Health::Live).await;
        }
        this
    }

    async fn until_health(&self, name: &str, health: Health) {
        let mut changes = self.snapshot.revision();
        let is_so = || {
            let places = self.snapshot.places();
            let here = places.iter().find(|place| place.cluster == name);
            here.is_some_and(|place| place.health == health)
        };
        let waiting = changes.wait_for(|_| is_so());
        let so = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(so.is_ok(), "{name} never becomes {health:?}");
    }

    /// Submits a search that shall run there; its id.
    async fn submit(&self, runs_on: &str) -> String {
        let (spec, query) = (search(Program::Blastn), genes(0, 1));
        let submitted = self.engine.submit_to(runs_on, spec, &query, None);
        submitted.await.unwrap().stored.job.id
    }

    async fn until(&self, id: &str, phase: Phase) -> Arc<JobDetail> {
        let so = |job: &JobDetail| job.row.phase == phase;
        self.engine.wait_until(id, so).await
    }

    /// How many Jobs each cluster has.
    fn jobs(&self) -> [usize; 2] {
        let of = |api: &KubeApi| api.all(Kind::Job).len();
        [of(&self.apis[0]), of(&self.apis[1])]
    }
}

fn lease(holder: Option<&str>) -> serde_json::Value {
    let now = "2099-01-01T00:00:00.000000Z";
    json!({
        "metadata": { "name": format!("elb-blast-submit-{NAMESPACE}"), "namespace": NAMESPACE },
        "spec": {
            "holderIdentity": holder, "leaseDurationSeconds": 900, "acquireTime": now, "renewTime": now,
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_for_a_cluster_whose_slot_is_held_keep_none_from_another_one() {
    let pair = Pair::start().await;
    pair.apis[0].put(Kind::Lease, lease(Some("elb-openapi-1")));
    // As many as may run at once, and one more.
    let mut held = Vec::new();
    for _ in 0..=PLACES {
        held.push(pair.submit(&spelled("one")).await);
    }
    let told = |job: &JobDetail| {
        let reason = job.row.reason.as_deref().unwrap_or_default();
        reason.contains("elb-openapi-1") && job.row.phase == Phase::WaitingForSubmitSlot
    };
    let first = pair.engine.wait_until(&held[0], told).await;
    assert_eq!(first.row.runs_on, Some(spelled("one")));
    let elsewhere = pair.submit(&spelled("two")).await;
    let job = pair.until(&elsewhere, Phase::Submitted).await;
    assert_eq!(job.place, Some(found("two")));
    assert_eq!(pair.jobs(), [0, 1]);
    for id in &held {
        let job = pair.engine.job(id);
        assert!(job.row.phase.is_active() && job.wanted_place == Some(found("one")));
    }
    // The slot is given back: they go where they were to go, and not past the limit of all.
    pair.apis[0].put(Kind::Lease, lease(None));
    let job = pair.until(&held[0], Phase::Submitted).await;
    assert_eq!(job.place, Some(found("one")));
    // Another attempt goes there too, although the first cluster can be used.
    let (service, me) = (&pair.engine.service, Caller::local());
    service.cancel(&me, &elsewhere).await.unwrap();
    pair.until(&elsewhere, Phase::Cancelled).await;
    service.cancel(&me, &held[0]).await.unwrap();
    pair.until(&held[0], Phase::Cancelled).await;
    service.retry(&me, &elsewhere).await.unwrap();
    let again = |job: &JobDetail| job.row.attempt == 2 && job.place.is_some();
    let job = pair.engine.wait_until(&elsewhere, again).await;
    assert_eq!(job.place, Some(found("two")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chosen_cluster_that_is_away_is_waited_for_and_any_is_one_that_is_there() {
    let pair = Pair::start().await;
    pair.apis[1].refuse().await;
    pair.until_health("two", Health::Unreachable).await;
    let mut waiting = Vec::new();
    for _ in 0..=PLACES {
        waiting.push(pair.submit(&spelled("two")).await);
    }
    let job = pair.until(&waiting[0], Phase::WaitingForCapacity).await;
    let reason = job.row.reason.clone().unwrap_or_default();
    assert!(reason.contains("cluster two"), "{reason}");
    assert_eq!(job.place, Some(found("two")));
    let any = pair.submit("any").await;
    let job = pair.until(&any, Phase::Submitted).await;
    assert_eq!(
        (job.place.clone(), &job.wanted_place),
        (Some(found("one")), &None)
    );
    assert_eq!(pair.jobs(), [1, 0], "nothing goes elsewhere without a word");
    let stored = pair.engine.service.detail(&Caller::local(), &waiting[0]);
    assert_eq!(stored.unwrap().row.phase, Phase::WaitingForCapacity);
    pair.apis[1].accept_again().await;
    let job = pair.until(&waiting[0], Phase::Submitted).await;
    assert_eq!(job.place, Some(found("two")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_row_of_a_search_says_while_its_cluster_cannot_be_seen() {
    let pair = Pair::start().await;
    let id = pair.submit(&spelled("one")).await;
    let job = pair.until(&id, Phase::Submitted).await;
    assert_eq!(job.row.unseen, None);
    let submitting = &job.steps[Step::Submitting.index()];
    assert_eq!(submitting.parts.len(), 3, "{submitting:?}");
    pair.apis[0].refuse().await;
    let job = pair
        .engine
        .wait_until(&id, |job| job.row.unseen.is_some())
        .await;
    assert_eq!(job.row.phase, Phase::Submitted, "what was seen last stays");
    let note = job.row.state_note().unwrap();
    assert!(
        note.starts_with("not seen since ") && note.contains("cluster one"),
        "{note}"
    );
    pair.apis[0].accept_again().await;
    let seen = |job: &JobDetail| job.row.unseen.is_none();
    let job = pair.engine.wait_until(&id, seen).await;
    assert_eq!(job.row.phase, Phase::Submitted);
    let me = Caller::local();
    let history = pair.engine.service.history(&me, &id, None, 50);
    let notes: Vec<String> = history
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.note)
        .collect();
    let said = |what: &str| notes.iter().filter(|note| note.starts_with(what)).count();
    assert_eq!(
        (said("it cannot be seen: "), said("seen again, after ")),
        (1, 1),
        "{notes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_nobody_knows_is_refused_by_name_and_the_choice_is_part_of_the_key() {
    let pair = Pair::start().await;
    let spec = || search(Program::Blastn);
    let submit = async |runs_on: &str, key| {
        let query = genes(0, 1);
        pair.engine.submit_to(runs_on, spec(), &query, key).await
    };
    for wrong in ["three#blast", "one", "one#elsewhere", "two #x"] {
        match submit(wrong, None).await {
            Err(ServiceError::Invalid(problems)) => {
                assert_eq!(problems.len(), 1, "{problems:?}");
                assert_eq!(problems[0].field, "runs_on");
                for known in NAMES {
                    assert!(
                        problems[0].message.contains(&spelled(known)),
                        "{problems:?}"
                    );
                }
            }
            other => panic!("{wrong}: {other:?}"),
        }
    }
    let first = submit(&spelled("two"), Some("k")).await.unwrap();
    let again = submit(&format!(" {} ", spelled("two")), Some("k")).await;
    let again = again.unwrap();
    assert!(again.replayed && again.stored.job.id == first.stored.job.id);
    for other in ["any", "", &spelled("one")] {
        let refused = submit(other, Some("k")).await;
        assert!(
            matches!(refused, Err(ServiceError::KeyReused)),
            "{refused:?}"
        );
    }
    let any = submit("any", Some("j")).await.unwrap();
    let none = submit("", Some("j")).await.unwrap();
    assert!(none.replayed && any.stored.job.id == none.stored.job.id);
}
