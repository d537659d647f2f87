//! Objects in the shape in which ElasticBLAST makes them, as far as whoever reads them needs.

use serde_json::{Value, json};

/// The namespace of the objects, unless it is changed by [`in_namespace`].
pub const NAMESPACE: &str = "default";
/// When they were made.
pub const CREATED: &str = "2026-01-01T00:00:00Z";

/// A Job that searches one batch of queries of a run, not yet begun: two containers, `blast` with the run
/// in its environment and `results-export`, and the labels `app=blast`, `db` and `elb-job-id`.
#[must_use]
pub fn blast_job(run: &str, name: &str) -> Value {
    let labels = json!({"app": "blast", "db": "core-nt", "elb-job-id": run});
    let env = |pairs: &[(&str, &str)]| -> Vec<Value> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect()
    };
    let common = [
        ("JOB_NUM", "000"),
        ("ELB_BLAST_PROGRAM", "blastn"),
        ("ELB_DB", "core_nt"),
        (
            "ELB_RESULTS",
            "https://example.blob.core.windows.net/results",
        ),
        ("RESULTS_DIR", "/shared/results"),
    ];
    let blast = [("BLAST_ELB_JOB_ID", run), ("BLAST_ELB_BATCH_NUM", "0")];
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "labels": labels, "creationTimestamp": CREATED,
        },
        "spec": {
            "backoffLimit": 3, "completions": 1, "parallelism": 1, "ttlSecondsAfterFinished": 1800,
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "OnFailure",
                    "containers": [
                        {"name": "blast", "image": "elb.azurecr.io/ncbi/elb:1.4.0",
                            "env": env(&[blast.as_slice(), &common].concat())},
                        {"name": "results-export", "image": "elb.azurecr.io/ncbi/elb:1.4.0",
                            "env": env(&common)},
                    ],
                    "tolerations": [{"key": "workload", "operator": "Equal", "value": "blast",
                        "effect": "NoSchedule"}],
                    "nodeSelector": {"workload": "blast"},
                },
            },
        },
        "status": {},
    })
}

/// A pod of a Job, in phase Pending.
///
/// # Panics
/// If the Job has no name.
#[must_use]
pub fn pod_of(job: &Value, name: &str) -> Value {
    let owner = job["metadata"]["name"].as_str().unwrap();
    let template = &job["spec"]["template"];
    let mut labels = template["metadata"]["labels"].clone();
    labels["job-name"] = json!(owner);
    labels["batch.kubernetes.io/job-name"] = json!(owner);
    let annotations = template["metadata"]["annotations"].clone();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": job["metadata"]["namespace"], "labels": labels,
            "annotations": annotations, "creationTimestamp": CREATED,
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": owner,
                "uid": job["metadata"]["uid"].as_str().unwrap_or_default(),
                "controller": true, "blockOwnerDeletion": true}],
        },
        "spec": template["spec"],
        "status": {"phase": "Pending"},
    })
}

/// An Event about an object, of type Warning.
#[must_use]
pub fn event_about(object: &Value, name: &str, reason: &str, message: &str) -> Value {
    let metadata = &object["metadata"];
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {
            "name": name, "namespace": metadata["namespace"], "creationTimestamp": CREATED,
        },
        "involvedObject": {
            "apiVersion": object["apiVersion"], "kind": object["kind"], "name": metadata["name"],
            "namespace": metadata["namespace"], "uid": metadata["uid"].as_str().unwrap_or_default(),
        },
        "type": "Warning", "reason": reason, "message": message, "count": 1,
        "firstTimestamp": CREATED, "lastTimestamp": CREATED,
    })
}

/// The object in another namespace.
#[must_use]
pub fn in_namespace(mut object: Value, namespace: &str) -> Value {
    object["metadata"]["namespace"] = json!(namespace);
    object
}

/// The pod in another phase.
#[must_use]
pub fn in_phase(mut pod: Value, phase: &str) -> Value {
    pod["status"]["phase"] = json!(phase);
    pod
}

/// The Job with so many pods that are active, have succeeded, and have failed.
#[must_use]
pub fn with_counts(mut job: Value, active: u32, succeeded: u32, failed: u32) -> Value {
    // A count of nothing is left out.
    let counts = [
        ("active", active),
        ("succeeded", succeeded),
        ("failed", failed),
    ];
    for (name, count) in counts {
        job["status"][name] = json!(Some(count).filter(|count| *count > 0));
    }
    if let Some(status) = job["status"].as_object_mut() {
        status.retain(|_, value| !value.is_null());
    }
    job
}

/// The Job or pod with one more condition that holds.
#[must_use]
pub fn with_condition(mut object: Value, of_type: &str, reason: &str) -> Value {
    let condition = json!({
        "type": of_type, "status": "True", "reason": reason, "message": format!("{reason} in a test"),
        "lastTransitionTime": CREATED,
    });
    let conditions = &mut object["status"]["conditions"];
    match conditions.as_array_mut() {
        Some(conditions) => conditions.push(condition),
        None => *conditions = json!([condition]),
    }
    object
}
