//! What stands against a search on the cluster, and what its row says of it.

use serde_json::json;

use super::{
    sequences::genes,
    world::{World, has_ended, reason},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_had_is_told_and_ended_by_a_cancel() {
    let world = World::new()
        .await
        .set("ELB_RUNNER_IMAGE", "elb-dashboard.test/none:1");
    let program = world.start().await;
    let id = program.submit("blastn", "genes", &genes(20, 2)).await;
    let job = program
        .until(&id, |job| reason(job).contains("elb-dashboard.test/none:1"))
        .await;
    assert_eq!(job["phase"], "waiting_for_capacity", "{job:#}");
    program.post(&format!("/api/blast/jobs/{id}/cancel")).await;
    let job = program.until(&id, has_ended).await;
    assert_eq!(job["phase"], "cancelled", "{job:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_quota_is_waited_for() {
    let world = World::new().await;
    world.create(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "small" },
        "spec": { "hard": { "requests.memory": "100Mi" } },
    }));
    // The controller writes what is used before anybody can compare.
    world.field("resourcequota/small", ".status.hard").await;
    let program = world.start().await;
    let id = program.submit("blastn", "genes", &genes(20, 2)).await;
    let job = program
        .until(&id, |job| job["phase"] == "waiting_for_capacity")
        .await;
    assert!(reason(&job).contains("quota small"), "{job:#}");
    assert!(world.names("jobs", "").is_empty());
    world.kubectl(&["delete", "resourcequota", "small"]);
    program.complete(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slot_of_another_submitter_is_respected() {
    let world = World::new().await;
    let now = "2099-01-01T00:00:00.000000Z";
    let name = format!("elb-blast-submit-{}", world.namespace);
    world.create(&json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": name },
        "spec": {
            "holderIdentity": "elb-openapi-1234", "leaseDurationSeconds": 900,
            "acquireTime": now, "renewTime": now,
        },
    }));
    let program = world.start().await;
    let id = program.submit("blastn", "genes", &genes(20, 2)).await;
    let job = program
        .until(&id, |job| job["phase"] == "waiting_for_submit_slot")
        .await;
    assert!(reason(&job).contains("elb-openapi-1234"), "{job:#}");
    assert!(world.names("jobs", "").is_empty());
    let free = r#"{"spec":{"holderIdentity":null}}"#;
    world.kubectl(&["patch", "lease", &name, "--type=merge", "-p", free]);
    program.complete(&id).await;
    let holder = [
        "get",
        "lease",
        &name,
        "-o",
        "jsonpath={.spec.holderIdentity}",
    ];
    assert_eq!(world.kubectl(&holder), "", "it was given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_memory_is_named() {
    let world = World::new().await.set("ELB_POD_MEMORY", "12Mi");
    let program = world.start().await;
    let id = program.submit("blastn", "genes", &genes(20, 40)).await;
    let job = program.until(&id, has_ended).await;
    assert_eq!(job["phase"], "failed", "{job:#}");
    assert_eq!(job["failure"]["code"], "out_of_memory", "{job:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_taken_away_is_replaced() {
    let world = World::new().await;
    let program = world.start().await;
    let id = program.submit("tblastx", "genes", &genes(0, 8)).await;
    program.until(&id, |job| job["phase"] == "running").await;
    let pods = world.names("pods", &format!("elb-dashboard/job={id}"));
    let pod = pods.first().expect("one of them runs");
    world.kubectl(&["delete", pod, "--wait=false"]);
    program.complete(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_somebody_removes_is_not_waited_for() {
    let world = World::new().await;
    let program = world.start().await;
    let id = program.submit("tblastx", "genes", &genes(0, 200)).await;
    program.until(&id, |job| job["phase"] == "running").await;
    world.kubectl(&["delete", "jobs", "--all", "--cascade=background"]);
    let job = program.until(&id, has_ended).await;
    assert_eq!(job["failure"]["code"], "worker_lost", "{job:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_was_given_up_while_nobody_could_tell_the_cluster_is_ended_later() {
    let world = World::new().await;
    let program = world.start().await;
    let id = program.submit("tblastx", "genes", &genes(0, 200)).await;
    program.until(&id, |job| job["phase"] == "running").await;
    program.post(&format!("/api/blast/jobs/{id}/cancel")).await;
    program.until(&id, has_ended).await;
    // As if its Job had been out of reach then: it is there once more, under the same labels.
    let run = format!("job-{id}-1");
    let labels = json!({ "app": "blast", "elb-job-id": run });
    world.create(&json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": "left-behind", "labels": labels },
        "spec": { "template": { "metadata": { "labels": labels }, "spec": {
            "restartPolicy": "Never",
            "containers": [{ "name": "blast", "image": world.shared.image, "command": ["sleep", "3600"] }],
        } } },
    }));
    let gone = ["wait", "--for=delete", "job/left-behind", "--timeout=120s"];
    world.kubectl(&gone);
    assert_eq!(program.job(&id).await["phase"], "cancelled");
}
