use serde_json::{Value, json};

use super::*;

/// Namespaces of this run: two runs may use one cluster of `KUBECONFIG`.
fn namespace(purpose: &str) -> String {
    let name = format!("elb-testkit-{purpose}-{}", std::process::id());
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    Cluster::shared()
        .kubectl(["create", "-f", "-"], &object.to_string())
        .unwrap();
    name
}

/// Not waited for: a namespace takes as long to go as its pods take to end.
fn forget(namespace: &str) {
    Cluster::shared()
        .kubectl(["delete", "namespace", namespace, "--wait=false"], "")
        .unwrap();
}

fn asked(arguments: &[&str], input: &Value) -> Value {
    let answer = Cluster::shared()
        .kubectl(arguments, &input.to_string())
        .unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn the_server_says_which_kubernetes_it_is() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/cluster.sh");
    let cluster = Cluster::shared();
    // It is built by now, or found not to be possible.
    let which = Command::new(script).arg("which").output().unwrap();
    let old = cluster.child.is_some() && which.stdout == b"debian\n";
    assert_eq!(cluster.numbers_batches(), !old);
}

#[test]
fn a_job_keeps_the_fields_that_old_servers_drop() {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "kept", "namespace": "default"},
        "spec": {
            "completionMode": "Indexed", "completions": 3, "parallelism": 2, "suspend": true,
            "backoffLimitPerIndex": 2, "maxFailedIndexes": 1, "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": [{
                "action": "FailIndex",
                "onExitCodes": {"containerName": "blast", "operator": "In", "values": [1, 4]},
            }]},
            "template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "blast", "image": "elb-dashboard.test/none:1"}],
            }},
        },
    });
    // An old client would refuse what the server drops.
    let create = "create --validate=false --dry-run=server -o json -f -";
    let answer = asked(&create.split(' ').collect::<Vec<_>>(), &job);
    assert_eq!(answer["spec"]["completions"], 3);
    let kept = Cluster::shared().numbers_batches();
    for field in [
        "completionMode",
        "suspend",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
        "podReplacementPolicy",
        "podFailurePolicy",
    ] {
        let wanted = if kept {
            &job["spec"][field]
        } else {
            &Value::Null
        };
        assert_eq!(answer["spec"][field], *wanted, "{field}");
    }
}

#[test]
fn a_field_that_does_not_exist_is_refused() {
    let wrong = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "wrong", "namespace": "default"}, "dataa": {},
    });
    let answer = Cluster::shared().kubectl(
        ["create", "--dry-run=server", "--validate=true", "-f", "-"],
        &wrong.to_string(),
    );
    let said = answer.unwrap_err();
    assert!(said.contains("unknown field \"dataa\""), "{said}");
}

#[test]
fn a_search_in_a_pod_finds_what_it_looks_for() {
    const SEARCH: &str = "set -e
        cd /tmp
        printf '>subject\\nACGTTGCAAGGCTTAACCGGATCGATTACGCTAGCTAGGATCCTTAGC\\n' > subject.fa
        printf '>query\\nAAGGCTTAACCGGATCGATTACGCTAGC\\n' > query.fa
        makeblastdb -in subject.fa -dbtype nucl -out db > makeblastdb.log
        blastn -query query.fa -db db -outfmt '6 qseqid sseqid pident length'";
    let cluster = Cluster::shared();
    let image = cluster.image();
    let namespace = namespace("pod");
    let in_it = |arguments: &[&str], input: &str| {
        let all = ["--namespace", &namespace].into_iter();
        let all = all.chain(arguments.iter().copied());
        cluster.kubectl(all, input).unwrap()
    };
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "search"},
        "spec": {
            "completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimit": 0,
            "template": {"spec": {
                "restartPolicy": "Never", "automountServiceAccountToken": false,
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532},
                "containers": [{"name": "blast", "image": image, "command": ["sh", "-c", SEARCH],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}}],
            }},
        },
    });
    in_it(&["create", "--validate=false", "-f", "-"], &job.to_string());
    // Bounded: what has not ended by then makes kubectl fail.
    in_it(
        &[
            "wait",
            "job/search",
            "--for=condition=Complete",
            "--timeout=180s",
        ],
        "",
    );
    let pods: Value = serde_json::from_str(&in_it(
        &["get", "pods", "-l", "job-name=search", "-o", "json"],
        "",
    ))
    .unwrap();
    let pods = pods["items"].as_array().unwrap();
    assert_eq!(pods.len(), 2);
    for pod in pods {
        let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!(ended["exitCode"], 0, "{ended}");
        let logs = in_it(&["logs", pod["metadata"]["name"].as_str().unwrap()], "");
        assert_eq!(logs.trim(), "query\tsubject\t100.000\t28");
    }
    forget(&namespace);
}

#[test]
fn a_pod_reaches_what_the_test_serves() {
    use std::{io::Read, net::TcpListener};
    let cluster = Cluster::shared();
    let (image, host) = (cluster.image(), cluster.host());
    let namespace = namespace("reach");
    let listener = TcpListener::bind((host, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let read = stream.read(&mut request).unwrap();
        stream
            .write_all(b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello")
            .unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "reach", "namespace": namespace},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "automountServiceAccountToken": false,
            "containers": [{"name": "it", "image": image, "command": ["wget", "-q", "-O", "-", url]}],
        }}},
    });
    cluster
        .kubectl(["create", "-f", "-"], &job.to_string())
        .unwrap();
    let told = |arguments: &[&str]| {
        let all = ["--namespace", &namespace].into_iter();
        let all = all.chain(arguments.iter().copied());
        cluster.kubectl(all, "")
    };
    told(&[
        "wait",
        "job/reach",
        "--for=condition=Complete",
        "--timeout=120s",
    ])
    .unwrap();
    assert_eq!(told(&["logs", "job/reach"]).unwrap(), "hello");
    assert!(answering.join().unwrap().starts_with("GET / HTTP/1.1\r\n"));
    forget(&namespace);
}

#[test]
fn one_without_nodes_ends_when_nobody_holds_its_input_any_more() {
    let mut cluster = Cluster::control_plane_only();
    let folder = cluster.kubeconfig().parent().unwrap().to_owned();
    let nodes = cluster.kubectl(["get", "nodes", "-o", "name"], "").unwrap();
    assert_eq!(nodes, "");
    // What the system does with the pipe of a process that was killed.
    let (mut child, alive) = cluster.child.take().unwrap();
    drop(alive);
    assert!(child.wait().unwrap().success());
    assert!(!folder.exists());
}
