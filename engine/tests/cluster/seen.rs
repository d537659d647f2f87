//! Searches of the ElasticBLAST command line, followed from their first Job to the end of their last.

use std::time::Instant;

use elb_core::{cluster::Health, job::Found, phase::Phase};
use elb_engine::clusters::{ClusterAddress, Clusters};
use serde_json::json;

use super::support::{PATIENCE, Space, Watching, blast_job};

const RUN: &str = "job-0123456789abcdef0123456789abcdef";

/// The name of the only pod of a Job, once it is there.
async fn pod_of(space: &Space, job: &str) -> String {
    let selector = format!("--selector=job-name={job}");
    let told = ["get", "pods", &selector, "-o", "name"];
    space.until_told(&told).await.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_of_the_command_line_is_followed_to_its_end() {
    let space = Space::new();
    let watching = space.watch();
    watching.until(|place| place.health == Health::Live).await;
    assert!(watching.place().runs.is_empty());
    let mut job = blast_job(RUN, 0);
    // No scheduler has a say: that of 1.20 takes back at once that a pod was scheduled.
    job["spec"]["template"]["spec"]["schedulerName"] = json!("nobody");
    space.create(&job);
    let run = watching.run(RUN, |run| run.phase == Phase::Submitted).await;
    assert_eq!(run.program.as_deref(), Some("blastn"));
    assert_eq!(run.database.as_deref(), Some("nt"));
    assert_eq!((run.batches.done, run.batches.total), (0, 1));

    let name = blast_job(RUN, 0)["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let pod = pod_of(&space, &name).await;
    let began = Instant::now();
    space.set_status(
        &pod,
        &json!({
            "phase": "Running",
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [{
                "name": "blast", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"running": {"startedAt": "2026-11-26T00:00:00Z"}},
            }],
        }),
    );
    let written = began.elapsed();
    let run = watching.run(RUN, |run| run.phase == Phase::Running).await;
    println!(
        "a pod's status: written by kubectl in {written:?}, seen {:?} after it was begun",
        began.elapsed()
    );
    assert_eq!(run.pods[0].state, "searching");

    let now = "2026-11-26T00:00:10Z";
    space.set_status(
        &pod,
        &json!({
            "phase": "Succeeded",
            "containerStatuses": [{
                "name": "blast", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": 0, "startedAt": "2026-11-26T00:00:00Z", "finishedAt": now}},
            }],
        }),
    );
    let run = watching
        .run(RUN, |run| run.phase == Phase::ResultsPending)
        .await;
    assert_eq!((run.batches.done, run.batches.total), (1, 1));
    space.kubectl(&["delete", "job", &name], &serde_json::Value::Null);
    watching.until(|place| place.runs.is_empty()).await;
    watching.0.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_allows_no_pod_is_told_in_the_servers_words() {
    let space = Space::new();
    space.create(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}},
    }));
    space.field("resourcequota/none", ".status.hard.pods").await;
    space.create(&blast_job(RUN, 0));
    let watching = space.watch();
    let run = watching.run(RUN, |run| run.reason.is_some()).await;
    assert_eq!(run.phase, Phase::WaitingForCapacity);
    assert!(
        run.reason
            .as_deref()
            .unwrap()
            .contains("exceeded quota: none"),
        "{run:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_to_be_missing_and_a_wrong_token_to_be_refused() {
    let space = Space::new();
    let mut address = ClusterAddress {
        context: Some(space.context()),
        namespace: Some("elb-nowhere".to_owned()),
        kubeconfig: Some(space.cluster.kubeconfig().to_owned()),
    };
    let watching = Watching::start(&address);
    let (place, _) = watching
        .until(|place| place.health == Health::Missing)
        .await;
    assert!(place.reason.unwrap().contains("no namespace elb-nowhere"));

    address.context = Some("elsewhere".to_owned());
    let watching = Watching::start(&address);
    let (place, _) = watching
        .until(|place| place.health == Health::Missing)
        .await;
    assert!(place.reason.unwrap().contains("no context elsewhere"));

    // The same cluster, by a token that it does not know.
    let config = space
        .cluster
        .kubectl(["config", "view", "--raw", "-o", "json"], "")
        .unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["users"][0]["user"] = json!({"token": "wrong"});
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    let watching = Watching::start(&ClusterAddress {
        context: Some(space.context()),
        namespace: Some(space.name.clone()),
        kubeconfig: Some(path),
    });
    let (place, _) = watching
        .until(|place| place.health == Health::Unauthorised)
        .await;
    assert!(place.reason.unwrap().contains("credentials"));
}

/// A Job whose pod is at work for as long as it is let.
fn endless_job(space: &Space, run: &str) -> serde_json::Value {
    let mut job = blast_job(run, 0);
    let pod = &mut job["spec"]["template"]["spec"];
    pod["nodeSelector"] = json!({});
    pod["terminationGracePeriodSeconds"] = json!(1);
    pod["containers"] = json!([{
        "name": "blast", "image": space.cluster.image(), "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", "sleep 3600"],
    }]);
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_every_pod_of_a_search_and_touches_no_other() {
    const OTHER: &str = "job-fedcba9876543210fedcba9876543210";
    let space = Space::new();
    let watching = space.watch();
    for run in [RUN, OTHER] {
        space.create(&endless_job(&space, run));
        watching.run(run, |run| run.phase == Phase::Running).await;
    }
    let found = Found {
        cluster: space.context(),
        namespace: space.name.clone(),
    };
    let began = Instant::now();
    while let Err(said) = watching.0.cancel(&found, RUN).await {
        // The kubelet of 1.20 leaves a pod there for up to a minute and a half.
        let slow = !space.cluster.numbers_batches() && began.elapsed() < PATIENCE * 3;
        assert!(slow && said.contains("they were told to end"), "{said}");
    }
    let left = |run: &str| {
        let selector = format!("elb-job-id={run}");
        let arguments = ["get", "jobs,pods", "-l", &selector, "-o", "name"];
        space.kubectl(&arguments, &serde_json::Value::Null)
    };
    assert_eq!(left(RUN), "");
    assert_eq!(left(OTHER).lines().count(), 2);
    // Once more does no harm.
    watching.0.cancel(&found, RUN).await.unwrap();
}
