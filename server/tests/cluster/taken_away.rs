//! Nodes, the API server and this program's own rights are taken away in the middle of a search, and given back.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    sequences::genes,
    world::{Apart, Program, World, alone, apart, has_ended, reason, shared},
};

/// The service account of a program that is not the cluster's administrator.
const ACCOUNT: &str = "dashboard";
/// How long the API server is away.
const OUTAGE: Duration = Duration::from_secs(60);

/// The HSPs that a search finds on this machine alone.
async fn expected(folder: &Path, program: &str, query: &str) -> String {
    let here = alone(folder).await;
    let id = here.submit(program, "genes", query).await;
    here.complete(&id).await;
    here.hsps(&id).await
}

/// The pods of a search, by name.
fn pods(world: &World, id: &str) -> BTreeSet<String> {
    let names = world.names("pods", &format!("elb-dashboard/job={id}"));
    names.into_iter().collect()
}

/// Waits for a good end of a search that was made once and has found what it was to find.
async fn ends_well(world: &World, program: &Program, id: &str, expected: &str) {
    let job = program.complete(id).await;
    world.made_once(&job);
    assert_eq!(program.hsps(id).await, expected);
}

/// A node that takes no more pods, until this is dropped.
struct Cordoned<'a>(&'a World, String);

impl<'a> Cordoned<'a> {
    fn only_node(world: &'a World) -> Self {
        let node = world.kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"]);
        world.kubectl(&["cordon", &node]);
        Self(world, node)
    }
}

impl Drop for Cordoned<'_> {
    fn drop(&mut self) {
        self.0.try_kubectl(&["uncordon", &self.1]).ok();
    }
}

/// What draining a node does to a pod.
fn evict(world: &World, pod: &str) {
    let name = pod.strip_prefix("pod/").unwrap();
    // Since 1.22 it is no longer a draft.
    let draft = !world.shared.cluster.numbers_batches();
    let eviction = json!({
        "apiVersion": if draft { "policy/v1beta1" } else { "policy/v1" }, "kind": "Eviction",
        "metadata": { "name": name, "namespace": world.namespace },
    });
    let path = format!(
        "/api/v1/namespaces/{}/pods/{name}/eviction",
        world.namespace
    );
    let arguments = ["create", "--raw", &path, "-f", "-"];
    let evicted = world
        .shared
        .cluster
        .kubectl(arguments, &eviction.to_string());
    evicted.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_whose_node_is_drained_goes_on_when_there_is_one_again() {
    let Apart {
        shared,
        turn: _turn,
    } = apart().await;
    let (world, query) = (World::on(shared), genes(0, 8));
    let folder = tempfile::tempdir().unwrap();
    let expected = expected(folder.path(), "tblastx", &query).await;
    let program = world.start().await;
    let id = program.submit("tblastx", "genes", &query).await;
    program.until(&id, |job| job["phase"] == "running").await;
    let node = Cordoned::only_node(&world);
    let before = pods(&world, &id);
    assert!(!before.is_empty());
    let evicting = async {
        for pod in &before {
            evict(&world, pod);
        }
    };
    // Each pod that was evicted says so for as long as it is there, on servers that write why a pod is disrupted.
    let told = async {
        if shared.cluster.numbers_batches() {
            let evicted = |place: &Value| notes(place).contains("EvictionByEvictionAPI");
            println!("{}", notes(&program.until_place(evicted).await));
        }
    };
    tokio::join!(told, evicting);
    let job = program
        .until(&id, |job| reason(job).contains("unschedulable"))
        .await;
    assert_eq!(job["phase"], "waiting_for_capacity", "{job:#}");
    drop(node);
    ends_well(&world, &program, &id, &expected).await;
    assert!(
        !pods(&world, &id).is_subset(&before),
        "others came in their stead"
    );
}

/// What is told of the pods of all searches.
fn notes(place: &Value) -> String {
    let runs = place["runs"].as_array().into_iter().flatten();
    let pods = runs.flat_map(|run| run["pods"].as_array().into_iter().flatten());
    let notes = pods.filter_map(|pod| pod["note"].as_str());
    notes.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_outlives_an_api_server_that_falls_silent_for_a_minute() {
    let Apart {
        shared,
        turn: _turn,
    } = apart().await;
    let (world, query) = (World::on(shared), genes(0, 16));
    let folder = tempfile::tempdir().unwrap();
    let expected = expected(folder.path(), "tblastx", &query).await;
    let program = world.start().await;
    let id = program.submit("tblastx", "genes", &query).await;
    program.until(&id, |job| job["phase"] == "running").await;
    let stopped = shared.cluster.stop_api_server();
    let began = Instant::now();
    let away = |place: &Value| place["health"] == "unreachable";
    let place = program.until_place(away).await;
    println!("told after {:?}: {}", began.elapsed(), place["reason"]);
    let words = place["reason"].as_str().unwrap();
    assert!(words.contains("has not answered"), "{words}");
    // What comes meanwhile waits, and says for what.
    let other = program.submit("blastn", "genes", &genes(20, 2)).await;
    let job = program
        .until(&other, |job| job["phase"] == "waiting_for_capacity")
        .await;
    assert!(reason(&job).contains("asked again and again"), "{job:#}");
    program
        .until_place(|place| away(place) && began.elapsed() >= OUTAGE)
        .await;
    let job = program.job(&id).await;
    assert!(!has_ended(&job), "{job:#}");
    let log = super::client::get(program.address, &format!("/api/blast/jobs/{id}/logs")).await;
    let log = log.unwrap().text();
    assert!(log.contains("cannot be seen (unreachable)"), "{log}");
    drop(stopped);
    program.until_place(|place| place["health"] == "live").await;
    println!(
        "seen again {:?} after it had fallen silent",
        began.elapsed()
    );
    ends_well(&world, &program, &id, &expected).await;
    world.made_once(&program.complete(&other).await);
}

/// An account of the cluster, with the rights that docs/KUBERNETES.md lists, and a kubeconfig that is its own.
struct Account<'a> {
    world: &'a World,
    kubeconfig: std::path::PathBuf,
}

impl Account<'_> {
    fn rights(&self) {
        let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({ "apiGroups": [group], "resources": resources, "verbs": verbs });
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": ACCOUNT },
            "rules": [
                rule("batch", &["jobs"], &["get", "list", "watch", "create", "patch", "delete", "deletecollection"]),
                rule("", &["pods"], &["get", "list", "watch"]),
                rule("", &["pods/log"], &["get"]),
                rule("", &["events"], &["list"]),
                rule("", &["configmaps"], &["get", "list", "create", "patch", "delete"]),
                rule("coordination.k8s.io", &["leases"], &["get", "create", "update"]),
                rule("", &["resourcequotas"], &["list"]),
            ],
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": ACCOUNT },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT },
            "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT }],
        });
        self.world.create(&role);
        self.world.create(&binding);
    }

    /// Makes it, and writes a token of it into the kubeconfig.
    fn exists(&self) {
        self.world.kubectl(&["create", "serviceaccount", ACCOUNT]);
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{ACCOUNT}/token",
            self.world.namespace
        );
        let request =
            json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
        let cluster = self.world.shared.cluster;
        let asked = cluster.kubectl(["create", "--raw", &path, "-f", "-"], &request.to_string());
        let told: Value = serde_json::from_str(&asked.unwrap()).unwrap();
        let token = told["status"]["token"].as_str().unwrap();
        let view = [
            "config",
            "view",
            "--raw",
            "--minify",
            "--flatten",
            "-o",
            "json",
        ];
        let mut config: Value = serde_json::from_str(&self.world.kubectl(&view)).unwrap();
        config["users"][0]["user"] = json!({ "token": token });
        std::fs::write(&self.kubeconfig, config.to_string()).unwrap();
    }

    /// Every token of it is worth nothing from now on.
    fn is_removed(&self) {
        self.world.kubectl(&["delete", "serviceaccount", ACCOUNT]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_waits_while_the_account_of_this_program_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let query = genes(0, 16);
    let expected = expected(folder.path(), "tblastx", &query).await;
    let kubeconfig = folder.path().join("kubeconfig");
    let world = World::on(shared().await).set("ELB_KUBECONFIG", kubeconfig.to_str().unwrap());
    let account = Account {
        world: &world,
        kubeconfig,
    };
    account.rights();
    account.exists();
    let program = world.start().await;
    let id = program.submit("tblastx", "genes", &query).await;
    program.until(&id, |job| job["phase"] == "running").await;
    account.is_removed();
    let began = Instant::now();
    let place = program
        .until_place(|place| place["health"] == "unauthorised")
        .await;
    println!("told after {:?}: {}", began.elapsed(), place["reason"]);
    let words = place["reason"].as_str().unwrap();
    assert!(words.contains("credentials"), "{words}");
    let other = program.submit("blastn", "genes", &genes(20, 2)).await;
    let job = program
        .until(&other, |job| reason(job).contains("credentials"))
        .await;
    assert_eq!(job["phase"], "waiting_for_capacity", "{job:#}");
    assert!(!has_ended(&program.job(&id).await));
    account.exists();
    program.until_place(|place| place["health"] == "live").await;
    ends_well(&world, &program, &id, &expected).await;
    world.made_once(&program.complete(&other).await);
}
