//! What a submission needs before its Jobs are made: side by side, each told, and nothing of an earlier attempt left.

use std::sync::Arc;

use elb_core::{cluster::run_of, step::PartKey};
use elb_engine::executor::{Door, Executor};
use elb_testkit::kube_api::{Kind, KubeApi};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, limit::LimitStore, memory::InMemory, path::Path};

use super::executing::{How, Scene};

/// Names of the queries that pods will find.
async fn queries(store: &InMemory) -> Vec<String> {
    let all: Vec<_> = store.list(None).try_collect().await.unwrap();
    let names = all.into_iter().map(|object| object.location.to_string());
    names.filter(|name| name.contains("/run/query/")).collect()
}

/// A store that lets one request in at a time, so that whoever reads from it holds up all others.
async fn narrow(store: &Arc<InMemory>, at_once: bool) -> (Scene, Arc<LimitStore<Arc<InMemory>>>) {
    let narrow = Arc::new(LimitStore::new(Arc::clone(store), 1));
    let api = KubeApi::start().await;
    let how = How {
        at_once,
        ..How::default()
    };
    let scene = Scene::over(api, store, narrow.clone(), how).await;
    (scene, narrow)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_preparation_is_told_with_its_times_and_why_there_was_nothing_to_do() {
    let scene = Scene::over(
        KubeApi::start().await,
        &Arc::default(),
        Arc::new(InMemory::new()),
        How::default(),
    )
    .await;
    assert_eq!(scene.executor.knock(&scene.job).await.unwrap(), Door::Open);
    let handed = scene.executor.submit(&scene.job).await.unwrap();
    let told: Vec<_> = handed
        .parts
        .iter()
        .map(|part| (part.key, part.skipped.as_deref()))
        .collect();
    let expected = [
        (PartKey::EarlierAttempts, Some("this is the first attempt")),
        (PartKey::Queries, None),
        (PartKey::Anchor, None),
    ];
    assert_eq!(told, expected);
    assert!(
        handed
            .parts
            .iter()
            .all(|part| part.finished_at >= part.started_at && part.started_at.0 > 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_anchor_does_not_wait_for_the_query_unless_an_operator_wants_it_so() {
    for at_once in [true, false] {
        let store = Arc::new(InMemory::new());
        let (mut scene, narrow) = narrow(&store, at_once).await;
        assert!(
            queries(&store).await.is_empty(),
            "nothing is stored before the submission"
        );
        let other = Path::from("other");
        store.put(&other, "held".into()).await.unwrap();
        let held = narrow.get(&other).await.unwrap();
        let (executor, job) = (Arc::clone(&scene.executor), scene.job.clone());
        let submission = tokio::spawn(async move { executor.submit(&job).await });
        if at_once {
            let anchored = |api: &KubeApi| !api.all(Kind::ConfigMap).is_empty();
            scene.seen.api.wait_for("the anchor", anchored).await;
            assert!(scene.there(Kind::Job).is_empty(), "a Job before its query");
        } else {
            // The slot is taken just before; what comes next is the query.
            scene
                .seen
                .api
                .wait_for("the slot", |api| !api.all(Kind::Lease).is_empty())
                .await;
            assert!(scene.there(Kind::ConfigMap).is_empty());
        }
        assert!(queries(&store).await.is_empty());
        drop(held);
        let handed = submission.await.unwrap().unwrap();
        assert_eq!(handed.door, Door::Open);
        let batches = scene.job.progress.batches_total as usize;
        assert_eq!(queries(&store).await.len(), batches);
        assert_eq!(scene.there(Kind::Job).len(), 1);
        // Another attempt removes what this one has left.
        let first = scene.there(Kind::ConfigMap).remove(0)["metadata"]["name"].clone();
        scene.job.attempt = 2;
        scene.seen.until_runs(&[&run_of(&scene.job.id, 1)]).await;
        let handed = scene.executor.submit(&scene.job).await.unwrap();
        assert_eq!(handed.parts[0].skipped, None);
        let anchors = scene.there(Kind::ConfigMap);
        assert_eq!(anchors.len(), 1);
        assert_ne!(anchors[0]["metadata"]["name"], first);
    }
}
