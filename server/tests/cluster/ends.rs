//! Searches that nothing stands against.

use super::{
    sequences::{genes, proteins},
    world::{World, alone, has_ended},
};

#[tokio::test(flavor = "multi_thread")]
async fn results_of_pods_are_those_of_this_machine() {
    let world = World::new().await;
    let there = world.start().await;
    let folder = tempfile::tempdir().unwrap();
    let here = alone(folder.path()).await;
    for (program, database, query) in [
        ("blastn", "genes", genes(20, 30)),
        ("blastp", "proteins", proteins(600, 60)),
    ] {
        let id = there.submit(program, database, &query).await;
        let same = here.submit(program, database, &query).await;
        let job = there.complete(&id).await;
        here.complete(&same).await;
        let batches = job["progress"]["batches_total"].as_u64().unwrap();
        assert!(batches > 1, "{job:#}");
        assert_eq!(job["place"]["namespace"], world.namespace.as_str());
        world.made_once(&job);
        let hsps = there.hsps(&id).await;
        assert!(hsps.lines().count() > 20, "{hsps}");
        assert_eq!(hsps, here.hsps(&same).await, "{program}");
        // What BLAST+ would write from the database is refused with a reason.
        let path = format!("/api/blast/jobs/{id}/results?format=5");
        let refused = super::client::get(there.address, &path).await.unwrap();
        assert!(!refused.is_success());
        assert!(
            refused.text().contains("not on this server"),
            "{}",
            refused.text()
        );
        println!("{program} in pods: {}", spans(&job));
    }
    // Nothing is left but what goes by itself.
    assert!(world.names("pods", "status.phase=Running").is_empty());
}

/// How long each step took.
fn spans(job: &serde_json::Value) -> String {
    let at = |step: &serde_json::Value, field: &str| {
        elb_core::time::Timestamp::parse(step[field].as_str()?).map(|at| at.0)
    };
    let steps = job["steps"].as_array().unwrap();
    let told = steps.iter().filter_map(|step| {
        let took = at(step, "finished_at")? - at(step, "started_at")?;
        Some(format!("{} {took} ms", step["key"].as_str()?))
    });
    told.collect::<Vec<_>>().join(", ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_search_is_gone_from_the_cluster_before_it_is_called_so() {
    let world = World::new().await;
    let program = world.start().await;
    let id = program.submit("tblastx", "genes", &genes(0, 200)).await;
    program.until(&id, |job| job["phase"] == "running").await;
    program.post(&format!("/api/blast/jobs/{id}/cancel")).await;
    let job = program.until(&id, has_ended).await;
    assert_eq!(job["phase"], "cancelled", "{job:#}");
    for kind in ["jobs", "pods"] {
        assert_eq!(world.names(kind, ""), Vec::<String>::new());
    }
    // Another attempt of it searches anew.
    program.post(&format!("/api/blast/jobs/{id}/retry")).await;
    program.until(&id, |job| job["phase"] == "running").await;
    program.post(&format!("/api/blast/jobs/{id}/cancel")).await;
    program.until(&id, has_ended).await;
}
