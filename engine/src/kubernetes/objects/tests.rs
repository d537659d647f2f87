//! Objects in the shapes of ElasticBLAST's templates and of this program, and what is seen in them.

use elb_core::cluster::{ResultsSeen, RunSeen, Verdict, verdict};
use serde_json::{Value, json};

use super::*;

const BEGIN: &str = "2026-11-25T10:00:00Z";

fn begin() -> Timestamp {
    Timestamp(1_795_600_800_000)
}

fn job(value: &Value) -> JobObject {
    JobObject::of(&serde_json::from_value(value.clone()).unwrap()).unwrap()
}

fn pod(value: &Value) -> PodObject {
    PodObject::of(&serde_json::from_value(value.clone()).unwrap()).unwrap()
}

fn variables(pairs: &[(&str, &str)]) -> Value {
    let one = |(name, value): &(&str, &str)| json!({ "name": name, "value": value });
    Value::Array(pairs.iter().map(one).collect())
}

/// One batch on AKS, the database on a volume.
fn of_the_command_line() -> Value {
    let labels = json!({ "app": "blast", "db": "nt", "elb-job-id": "job-0123" });
    json!({
        "metadata": {
            "name": "blastn-batch-nt-job-007-89abcdef", "labels": labels, "creationTimestamp": BEGIN
        },
        "spec": {
            "backoffLimit": 5, "ttlSecondsAfterFinished": 1800, "completionMode": "NonIndexed",
            "completions": 1, "parallelism": 1, "suspend": false,
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "restartPolicy": "OnFailure",
                    "containers": [
                        { "name": "results-export", "env": variables(&[("JOB_NUM", "999"), ("ELB_DB", "x")]) },
                        { "name": "blast", "env": variables(&[
                            ("BLAST_ELB_JOB_ID", "job-0123"), ("JOB_NUM", "007"),
                            ("ELB_BLAST_PROGRAM", "blastn"), ("ELB_DB", "https://a.blob.core.windows.net/db/nt"),
                            ("ELB_RESULTS", "https://a.blob.core.windows.net/results/job-0123")
                        ]) }
                    ]
                }
            }
        },
        "status": { "active": 1, "ready": 1 }
    })
}

#[test]
fn a_job_of_the_command_line_says_what_it_searches() {
    let found = job(&of_the_command_line());
    assert_eq!(found.run, "job-0123");
    let facts = Facts {
        program: Some("blastn"),
        database: Some("https://a.blob.core.windows.net/db/nt".to_owned()),
        results: Some("https://a.blob.core.windows.net/results/job-0123".to_owned()),
        options: None,
        batch: Some("007".to_owned()),
    };
    assert_eq!(found.facts, facts);
    assert_eq!(found.seen.role, Role::Blast);
    assert_eq!(found.seen.created_at, begin());
    assert_eq!((found.seen.completions, found.seen.active), (None, 1));
    assert!(!found.seen.suspended && !found.seen.has_ended());
}

#[test]
fn a_job_without_the_label_is_known_by_its_variable_and_one_without_either_is_none_of_ours() {
    let mut bare = of_the_command_line();
    bare["metadata"]["labels"] = json!({ "app": "blast" });
    bare["metadata"]["name"] = json!("tblastn-batch-pdb-job-000");
    bare["spec"]["template"]["spec"]["containers"][1]["env"] =
        variables(&[("BLAST_ELB_JOB_ID", "job-0123"), ("ELB_DB", "pdb")]);
    let found = job(&bare);
    assert_eq!(found.run, "job-0123");
    assert_eq!(found.facts.program, Some("tblastn"));
    bare["spec"]["template"]["spec"]["containers"] = json!([{ "name": "web" }]);
    let job: Job = serde_json::from_value(bare).unwrap();
    assert_eq!(JobObject::of(&job), None);
}

#[test]
fn an_indexed_job_lists_its_batches_and_its_conditions_in_any_order() {
    let mut indexed = of_the_command_line();
    indexed["spec"]["completionMode"] = json!("Indexed");
    indexed["spec"]["completions"] = json!(12);
    indexed["spec"]["suspend"] = json!(true);
    indexed["status"] = json!({
        "completedIndexes": "0-3,7", "failedIndexes": "5", "conditions": [
            { "type": "SuccessCriteriaMet", "status": "True", "reason": "CompletionsReached" },
            { "type": "Complete", "status": "True", "reason": "CompletionsReached", "lastTransitionTime": BEGIN },
            { "type": "Suspended", "status": "False" }
        ]
    });
    let seen = job(&indexed).seen;
    assert_eq!(seen.completions, Some(12));
    assert_eq!((seen.completed.count(), seen.failed.count()), (5, 1));
    assert!(seen.suspended && seen.is_complete() && seen.failure().is_none());
    assert_eq!(seen.condition("Complete").unwrap().since, Some(begin()));
    assert!(seen.condition("Suspended").is_none());
    assert_eq!(job(&indexed).facts.batch, None);
}

fn a_pod(status: Value) -> Value {
    json!({
        "metadata": {
            "name": "blastn-batch-nt-job-89abcdef-2-x7k2p", "creationTimestamp": BEGIN,
            "labels": {
                "app": "blast", "elb-job-id": "job-0123",
                "batch.kubernetes.io/job-name": "blastn-batch-nt-job-89abcdef",
                "batch.kubernetes.io/job-completion-index": "2"
            }
        },
        "spec": { "nodeName": "node-4", "containers": [{ "name": "blast" }] },
        "status": status
    })
}

#[test]
fn a_pod_that_was_killed_for_memory_says_so() {
    let killed = a_pod(json!({
        "phase": "Failed",
        "initContainerStatuses": [{
            "name": "stage-db", "image": "", "imageID": "", "ready": true, "restartCount": 0,
            "state": { "terminated": { "exitCode": 0, "reason": "Completed" } }
        }],
        "containerStatuses": [{
            "name": "blast", "image": "", "imageID": "", "ready": false, "restartCount": 2,
            "state": { "terminated": {
                "exitCode": 137, "reason": "OOMKilled", "message": "{}", "startedAt": BEGIN, "finishedAt": BEGIN
            } },
            "lastState": { "terminated": { "exitCode": 139, "reason": "Error" } }
        }]
    }));
    let found = pod(&killed);
    let seen = &found.seen;
    assert_eq!(seen.job, "blastn-batch-nt-job-89abcdef");
    assert_eq!((seen.index, seen.phase), (Some(2), PodPhase::Failed));
    assert_eq!(seen.node.as_deref(), Some("node-4"));
    let blast = &seen.containers[1];
    assert!(seen.containers[0].init && !blast.init);
    let ContainerState::Ended(end) = &blast.state else {
        panic!("{blast:?}");
    };
    assert_eq!((end.exit_code, end.reason.as_str()), (137, "OOMKilled"));
    assert_eq!(end.finished_at, Some(begin()));
    assert_eq!(blast.restarts, 2);
    assert_eq!(blast.last_end.as_ref().unwrap().exit_code, 139);
}

#[test]
fn what_stands_against_a_pod_is_read_from_its_conditions_and_containers() {
    let pending = a_pod(json!({
        "phase": "Pending",
        "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/2 nodes are available: 2 Insufficient cpu."
        }]
    }));
    let seen = pod(&pending).seen;
    assert_eq!(
        seen.unschedulable.as_deref(),
        Some("0/2 nodes are available: 2 Insufficient cpu.")
    );
    let drained = a_pod(json!({
        "phase": "Failed", "reason": "Evicted", "message": "low on resource",
        "conditions": [
            { "type": "PodScheduled", "status": "True" },
            { "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI" }
        ]
    }));
    let seen = pod(&drained).seen;
    assert_eq!(seen.disrupted.as_deref(), Some("EvictionByEvictionAPI"));
    assert_eq!(
        (seen.reason.as_str(), seen.message.as_str()),
        ("Evicted", "low on resource")
    );
    assert_eq!(seen.unschedulable, None);
    let mut old = a_pod(json!({ "phase": "Running" }));
    old["metadata"]["labels"] = json!({ "elb-job-id": "job-0123", "job-name": "j" });
    old["metadata"]["annotations"] = json!({ "batch.kubernetes.io/job-completion-index": "3" });
    old["metadata"]["deletionTimestamp"] = json!(BEGIN);
    let seen = pod(&old).seen;
    assert_eq!(
        (seen.job.as_str(), seen.index, seen.deleting),
        ("j", Some(3), true)
    );
}

#[test]
fn recorded_objects_have_the_state_that_they_had() {
    let mut retried = of_the_command_line();
    retried["status"] = json!({ "active": 1, "failed": 2 });
    let image = a_pod(json!({
        "phase": "Pending",
        "containerStatuses": [{
            "name": "blast", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "ImagePullBackOff", "message": "Back-off pulling image" } }
        }]
    }));
    let (jobs, pods) = ([job(&retried).seen], [pod(&image).seen]);
    let told = verdict(&RunSeen {
        jobs: &jobs,
        pods: &pods,
        results: &ResultsSeen::default(),
        blast_jobs: Some(1),
        since: begin(),
        now: begin().plus_ms(5_000),
        scaling: false,
        ours: false,
    });
    assert!(matches!(told, Verdict::HeldUp { .. }), "{told:?}");
}
