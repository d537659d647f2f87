//! Searches of the ElasticBLAST command line, followed from their first Job to the end of their last.

use std::time::Instant;

use elb_core::{cluster::Health, phase::Phase};
use elb_engine::clusters::ClusterAddress;
use serde_json::json;

use super::support::{Space, Watching, blast_job};

const RUN: &str = "job-0123456789abcdef0123456789abcdef";

/// The name of the only pod of a Job, once it is there.
fn pod_of(space: &Space, job: &str) -> String {
    let selector = format!("job-name={job}");
    let arguments = [
        "wait",
        "--for=create",
        "pod",
        "-l",
        &selector,
        "--timeout=60s",
        "-o",
        "name",
    ];
    space
        .kubectl(&arguments, &serde_json::Value::Null)
        .trim()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_of_the_command_line_is_followed_to_its_end() {
    let space = Space::new();
    let watching = space.watch();
    watching.until(|place| place.health == Health::Live).await;
    assert!(watching.place().runs.is_empty());
    space.create(&blast_job(RUN, 0));
    let run = watching.run(RUN, |run| run.phase == Phase::Submitted).await;
    assert_eq!(run.program.as_deref(), Some("blastn"));
    assert_eq!(run.database.as_deref(), Some("nt"));
    assert_eq!((run.batches.done, run.batches.total), (0, 1));

    // No node has the label that it asks for, or there is no node at all.
    let name = blast_job(RUN, 0)["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let pod = pod_of(&space, &name);
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
    let filled = [
        "wait",
        "--for=jsonpath={.status.hard.pods}=0",
        "resourcequota/none",
        "--timeout=60s",
    ];
    space.kubectl(&filled, &serde_json::Value::Null);
    space.create(&blast_job(RUN, 0));
    let watching = space.watch();
    let run = watching.run(RUN, |run| run.reason.is_some()).await;
    assert_eq!(run.phase, Phase::Submitted);
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
