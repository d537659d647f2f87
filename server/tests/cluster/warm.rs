//! Databases that are on the node before any search asks for them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    client,
    sequences::genes,
    world::{PATIENCE, Program, World},
};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// Waits until the copies on the nodes are told so.
async fn until(program: &Program, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let began = Instant::now();
    let mut often = tokio::time::interval(Duration::from_millis(100));
    loop {
        often.tick().await;
        let answer = client::get(program.address, "/api/warmup").await.unwrap();
        let told = answer.json();
        let copies = told["places"][0]["copies"].as_array().unwrap().clone();
        if wanted(&copies) {
            return copies;
        }
        assert!(began.elapsed() < PATIENCE, "it never becomes so: {told:#}");
    }
}

fn step<'a>(job: &'a Value, key: &str) -> &'a Value {
    let mut steps = job["steps"].as_array().unwrap().iter();
    steps.find(|step| step["key"] == key).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_brought_before_a_search_and_removed_after_it() {
    let world = World::new().await;
    let program = world.start().await;
    let place = client::get(program.address, "/api/warmup")
        .await
        .unwrap()
        .json();
    let place = &place["places"][0];
    let which = json!({
        "cluster": place["cluster"], "namespace": world.namespace, "database": "genes",
    });
    let body = which.to_string();
    let asked = client::ask(program.address, "POST", "/api/warmup", &JSON, &body);
    let asked = asked.await.unwrap();
    assert_eq!(asked.status, 202, "{}", asked.text());
    let node = asked.json()["nodes"][0]["node"]
        .as_str()
        .unwrap()
        .to_owned();
    let copies = until(&program, |copies| {
        copies.iter().any(|copy| copy["state"] == "ready")
    });
    let copies = copies.await;
    assert_eq!(copies[0]["node"], node.as_str());
    assert!(
        copies[0]["bytes"].as_u64().unwrap() > 100_000,
        "{copies:#?}"
    );

    // Another server sees it from what is on the cluster alone.
    program.kill().await;
    let program = world.start().await;
    until(&program, |copies| {
        copies.len() == 1 && copies[0]["state"] == "ready"
    })
    .await;
    let id = program.submit("blastn", "genes", &genes(0, 5)).await;
    let job = program.complete(&id).await;
    let staging = step(&job, "staging_db");
    assert_eq!(staging["state"], "skipped", "{staging:#}");
    let told = staging.to_string();
    assert!(
        told.contains(&format!("node {node} has it already")),
        "{told}"
    );
    // Its pods found it there.
    let pods = world.kubectl(&[
        "get",
        "pods",
        "-l",
        "app=blast",
        "-o",
        "jsonpath={.items[*].status.initContainerStatuses[0].state.terminated.message}",
    ]);
    assert!(pods.contains(r#""already":true"#), "{pods}");

    let gone = format!(
        "/api/warmup?cluster={}&namespace={}&database=genes",
        place["cluster"].as_str().unwrap(),
        world.namespace
    );
    let asked = client::ask(program.address, "DELETE", &gone, &[], "")
        .await
        .unwrap();
    assert_eq!(asked.status, 202, "{}", asked.text());
    until(&program, <[Value]>::is_empty).await;
    // The next search brings it anew, and that is known.
    let id = program.submit("blastn", "genes", &genes(5, 5)).await;
    let job = program.complete(&id).await;
    let told = step(&job, "staging_db").to_string();
    assert!(told.contains("no node is known"), "{told}");
    let copies = until(&program, |copies| copies.len() == 1).await;
    assert_eq!(copies[0]["state"], "ready");
}
