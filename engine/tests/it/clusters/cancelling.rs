//! The end of a search on a cluster.

use elb_core::cluster::Health;
use elb_engine::kubernetes::Pace;
use elb_testkit::kube_api::{
    Deletion, Fault, Kind, KubeApi, Route,
    objects::{NAMESPACE, blast_job, pod_of},
};
use serde_json::Value;

use super::{
    super::support::PATIENCE,
    seen::{PACE, RUN, Seen, job, names, pod},
};

/// Without the label, as ElasticBLAST's are on GKE.
fn unlabelled(mut object: Value) -> Value {
    for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
        if let Some(labels) = object.pointer_mut(labels) {
            labels.as_object_mut().unwrap().remove("elb-job-id");
        }
    }
    object
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn foreground(object: &Value) -> Deletion {
    Deletion {
        kind: Kind::Job,
        namespace: NAMESPACE.to_owned(),
        name: name(object).to_owned(),
        propagation: Some("Foreground".to_owned()),
    }
}

/// What a kubelet and the garbage collector do, once it was looked for pods after the deletion.
async fn ends_its_pod(api: &KubeApi, run: &str, field: &str) {
    let looked = |api: &KubeApi| {
        let calls = api.requests();
        let mut calls = calls.iter().filter(|call| {
            call.kind == Some(Kind::Pod)
                && call.route == Route::List
                && call
                    .field("labelSelector")
                    .is_some_and(|s| s.starts_with(field))
        });
        calls.nth(1).is_some()
    };
    api.wait_for("two looks for pods", looked).await;
    assert!(api.remove(Kind::Pod, NAMESPACE, name(&pod(run))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_ended_with_its_pods_and_no_other_is_touched() {
    let api = KubeApi::start().await;
    for run in [RUN, "another"] {
        api.put(Kind::Job, job(run));
        api.put(Kind::Pod, pod(run));
    }
    let pace = Pace {
        ending: PATIENCE,
        ..PACE
    };
    let seen = Seen::of(api, pace);
    seen.until_live().await;
    let (ended, ()) = tokio::join!(
        seen.cancel(RUN),
        ends_its_pod(&seen.api, RUN, "elb-job-id=")
    );
    assert_eq!(ended, Ok(()));
    assert_eq!(seen.api.deletions(), [foreground(&job(RUN))]);
    seen.until_runs(&["another"]).await;
    // What is not there any more has ended.
    assert_eq!(seen.cancel(RUN).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_there_is_told() {
    let api = KubeApi::start().await;
    api.put(Kind::Job, job(RUN));
    api.put(Kind::Pod, pod(RUN));
    let seen = Seen::of(api, PACE);
    seen.until_live().await;
    let still = seen.cancel(RUN).await.unwrap_err();
    assert!(
        still.contains("0 of its Jobs and 1 of its pods are still"),
        "{still}"
    );
    // It can be asked again.
    assert!(seen.api.remove(Kind::Pod, NAMESPACE, name(&pod(RUN))));
    assert_eq!(seen.cancel(RUN).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_told_and_nothing_is_gone() {
    for object in [job(RUN), unlabelled(job(RUN))] {
        let api = KubeApi::start().await;
        api.put(Kind::Job, object);
        let seen = Seen::of(api, PACE);
        seen.until_live().await;
        seen.api.fail(Fault::new(Route::Other, Kind::Job, 403));
        let refused = seen.cancel(RUN).await.unwrap_err();
        assert!(
            refused.contains("delete and deletecollection on jobs"),
            "{refused}"
        );
        assert_eq!(seen.api.deletions(), []);
        assert_eq!(names(&seen.place()), [RUN]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_without_labels_is_ended_by_the_names_of_its_jobs() {
    let api = KubeApi::start().await;
    api.put(Kind::Job, unlabelled(job(RUN)));
    api.put(Kind::Pod, unlabelled(pod(RUN)));
    let pace = Pace {
        ending: PATIENCE,
        ..PACE
    };
    let seen = Seen::of(api, pace);
    seen.until_live().await;
    let (ended, ()) = tokio::join!(seen.cancel(RUN), ends_its_pod(&seen.api, RUN, "job-name="));
    assert_eq!(ended, Ok(()));
    assert_eq!(seen.api.deletions(), [foreground(&job(RUN))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_took_the_name_is_another_searchs_and_stays() {
    // By its name alone: this is no value of a label.
    let run = "my search";
    let name = "blastn-batch-nt-000";
    let api = KubeApi::start().await;
    api.put(Kind::Job, unlabelled(blast_job(run, name)));
    let seen = Seen::of(api, PACE);
    seen.until_live().await;
    // Nothing is heard of what happens now.
    seen.api.fail(Fault::new(Route::Both, Kind::Job, 503));
    seen.api.end_watches();
    seen.until_health(Health::Unreachable).await;
    for theirs in [
        blast_job("another", name),
        unlabelled(blast_job("another", name)),
    ] {
        assert!(seen.api.remove(Kind::Job, NAMESPACE, name));
        seen.api.put(Kind::Job, theirs.clone());
        seen.api.put(Kind::Pod, pod_of(&theirs, "their-pod"));
        assert_eq!(seen.cancel(run).await, Ok(()));
        assert_eq!(seen.api.deletions(), []);
        assert!(seen.api.get(Kind::Job, NAMESPACE, name).is_some());
    }
    // Where it is still its own, it is deleted.
    seen.api.put(Kind::Job, unlabelled(blast_job(run, name)));
    assert_eq!(seen.cancel(run).await, Ok(()));
    assert_eq!(seen.api.deletions().len(), 1);
}
