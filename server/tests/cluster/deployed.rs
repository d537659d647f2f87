//! The program in a pod, with the manifests of `deploy/` and the rights that they give, and no others.

use std::path::Path;

use elb_testkit::azurite::ACCOUNT;

use super::{
    sequences::genes,
    world::{PATIENCE, Program, World, has_ended},
};

/// The manifests, as whoever deploys it applies them.
const MANIFESTS: [&str; 5] = ["accounts", "nodes", "settings", "network", "deployment"];

/// What belongs to no namespace, and would stay.
struct OfNodes<'a>(&'a World, String);

impl Drop for OfNodes<'_> {
    fn drop(&mut self) {
        let OfNodes(world, name) = self;
        let kinds = "clusterrole,clusterrolebinding";
        world.try_kubectl(&["delete", kinds, name]).ok();
    }
}

fn manifest(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../deploy/{name}.yaml"));
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_in_the_cluster_with_the_rights_of_its_manifests() {
    let world = World::new().await;
    let image = world.shared.dashboard_image().await;
    let at_host = world
        .shared
        .azurite
        .blob_url_at(world.shared.cluster.host());
    let of_nodes = OfNodes(&world, format!("{}-nodes", world.namespace));
    for name in MANIFESTS {
        let text = manifest(name)
            .replace("az://ACCOUNT/searches", &format!("az://{ACCOUNT}/deployed"))
            .replace(
                "az://ACCOUNT/blast-db",
                &format!("az://{ACCOUNT}/data/blast-db"),
            );
        let text = match name {
            "settings" => {
                let more = format!(
                    "  ELB_AZURE_BLOB_ENDPOINT: {at_host}\n  ELB_POD_CPU: 250m\n  ELB_POD_MEMORY: 512Mi\n  ELB_POD_DATABASES: /tmp/{}\n",
                    world.namespace
                );
                text.replace("_IMAGE: IMAGE", &format!("_IMAGE: {}", world.shared.image)) + &more
            }
            "nodes" => text
                .replace(
                    "name: elb-dashboard-nodes",
                    &format!("name: {}", of_nodes.1),
                )
                .replace(
                    "namespace: NAMESPACE",
                    &format!("namespace: {}", world.namespace),
                ),
            // The test cluster makes no volumes.
            "deployment" => text
                .replace("image: IMAGE", &format!("image: {image}"))
                .replace(
                    "persistentVolumeClaim: { claimName: elb-dashboard }",
                    "emptyDir: {}",
                ),
            _ => text,
        };
        world.apply(&text);
    }
    let seconds = PATIENCE.as_secs();
    let ready = format!("--timeout={seconds}s");
    if let Err(said) = world.try_kubectl(&["rollout", "status", "deployment/elb-dashboard", &ready])
    {
        let pods = world.kubectl(&["describe", "pods"]);
        let log = world.try_kubectl(&["logs", "deployment/elb-dashboard"]);
        panic!("{said}\n{pods}\n{log:?}");
    }
    let program = Program::forwarded(&world).await;
    let id = program.submit("blastn", "genes", &genes(20, 3)).await;
    let job = program.until(&id, has_ended).await;
    assert_eq!(job["phase"], "completed", "{job:#}");
    assert_eq!(job["place"]["cluster"], "in-cluster");
    // Warming up needs to know the nodes.
    let which = serde_json::json!({
        "cluster": "in-cluster", "namespace": world.namespace, "database": "proteins",
    });
    let headers = [("content-type", "application/json")];
    let body = which.to_string();
    let asked = super::client::ask(program.address, "POST", "/api/warmup", &headers, &body);
    let asked = asked.await.unwrap();
    assert_eq!(asked.status, 202, "{}", asked.text());
    // Cancel needs other rights than a submission.
    let id = program.submit("tblastx", "genes", &genes(0, 200)).await;
    program.until(&id, |job| job["phase"] == "running").await;
    program.post(&format!("/api/blast/jobs/{id}/cancel")).await;
    let job = program.until(&id, has_ended).await;
    assert_eq!(job["phase"], "cancelled", "{job:#}");
}
