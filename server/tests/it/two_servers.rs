//! Two servers on one store: one is killed, paused, or asked to stop, and the other goes on. The store is
//! the file of the data folder that they share, or a table.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    running::{Running, program},
    support::genes,
};

/// Both share the folder; one that is silent for two seconds loses its searches.
const SHARED: [(&str, &str); 2] = [("ELB_SHARED", "true"), ("ELB_LEASE_LIFE", "2s")];

async fn server(data: &Path) -> Running {
    server_with(data, "sqlite:").await
}

async fn server_with(data: &Path, store: &str) -> Running {
    let mut settings = SHARED.to_vec();
    settings.push(("ELB_STORE", store));
    Running::start_with(data, program(), &settings).await
}

/// A search of several batches that takes a while; its id, once the first batch is at work.
pub async fn running_search(server: &Running) -> String {
    let body = json!({ "program": "tblastx", "database": "few_genes", "query": genes(0, 120) });
    let id = server.submit(&body).await;
    let job = format!("/api/blast/jobs/{id}");
    server
        .wait_until(&job, |job| job["phase"] == "running")
        .await;
    id
}

pub async fn history(server: &Running, id: &str) -> Vec<Value> {
    let page = server
        .get(&format!("/api/blast/jobs/{id}/history?limit=500"))
        .await;
    page["entries"].as_array().unwrap().clone()
}

pub async fn completed(server: &Running, id: &str) -> Value {
    let job = format!("/api/blast/jobs/{id}");
    let ended = |job: &Value| !matches!(job["status"].as_str(), Some("queued" | "running") | None);
    let job = server.wait_until(&job, ended).await;
    assert_eq!(job["status"], "completed", "{job:#}");
    assert_eq!(job["attempt"], 1);
    job
}

/// Versions go up by one writer after the other, epochs never down, and the run was begun once.
pub fn assert_sound(history: &[Value]) {
    let numbers = |name: &str| -> Vec<u64> {
        let entries = history.iter().rev();
        entries.map(|entry| entry[name].as_u64().unwrap()).collect()
    };
    assert!(numbers("version").is_sorted_by(|one, next| one < next));
    assert!(numbers("epoch").is_sorted(), "{history:#?}");
    for phase in ["submitted", "completed"] {
        let times = history.iter().filter(|entry| entry["phase"] == phase);
        // A takeover is an entry of its own in the phase that it finds.
        let entered =
            times.filter(|entry| !entry["note"].as_str().unwrap().starts_with("taken over"));
        assert_eq!(entered.count(), 1, "{phase}: {history:#?}");
    }
}

async fn log(server: &Running, id: &str) -> Vec<String> {
    let page = server
        .get(&format!("/api/blast/jobs/{id}/logs?limit=2000"))
        .await;
    let lines = page["lines"].as_array().unwrap();
    lines
        .iter()
        .map(|line| line["text"].as_str().unwrap().to_owned())
        .collect()
}

/// How often each batch was finished.
fn finished(log: &[String]) -> Vec<usize> {
    let mut counts = std::collections::BTreeMap::new();
    for line in log.iter().filter(|line| line.contains(": done in ")) {
        let batch = line.split(": done in ").next().unwrap().to_owned();
        *counts.entry(batch).or_default() += 1;
    }
    counts.into_values().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_loses_its_search_and_writes_nothing_when_it_wakes_up() {
    pause_one("sqlite:").await;
}

#[cfg(feature = "azure")]
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_loses_its_search_with_a_table_too() {
    pause_one(&super::azure::fresh_store()).await;
}

async fn pause_one(store: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let one = server_with(&data, store).await;
    let other = server_with(&data, store).await;
    let id = running_search(&one).await;
    one.signal(Signal::STOP);
    completed(&other, &id).await;
    let before = history(&other, &id).await;
    assert!(before.iter().any(|entry| {
        entry["note"] == "taken over from another server process, which has fallen silent"
    }));
    one.signal(Signal::CONT);
    // It takes part again, and sees the same. What it had asked the store has come too late, for which it may
    // take the store to be away for a moment.
    let again = one
        .submit_again_and_again(
            &json!({ "program": "blastn", "database": "few_genes", "query": genes(0, 1) }),
        )
        .await;
    completed(&one, &again).await;
    completed(&one, &id).await;
    let after = history(&one, &id).await;
    assert_eq!(after, before, "the one that woke up has written");
    assert_sound(&after);
    assert!(
        finished(&log(&other, &id).await)
            .iter()
            .all(|times| *times == 1)
    );
    for server in [one, other] {
        assert!(server.ask_to_stop(Signal::TERM).await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_of_a_server_that_is_killed_goes_on_at_the_other_one() {
    kill_one("sqlite:").await;
}

#[cfg(feature = "azure")]
#[tokio::test(flavor = "multi_thread")]
async fn the_search_of_a_server_that_is_killed_goes_on_at_the_other_one_with_a_table() {
    kill_one(&super::azure::fresh_store()).await;
}

async fn kill_one(store: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let one = server_with(&data, store).await;
    let other = server_with(&data, store).await;
    let id = running_search(&one).await;
    one.kill().await;
    completed(&other, &id).await;
    let history = history(&other, &id).await;
    assert_sound(&history);
    assert!(
        finished(&log(&other, &id).await)
            .iter()
            .all(|times| *times == 1)
    );
    // A new one finds everything as it is.
    let third = server_with(&data, store).await;
    completed(&third, &id).await;
    for server in [other, third] {
        assert!(server.ask_to_stop(Signal::TERM).await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_alone_and_one_that_shares_never_have_the_folder_together() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let alone = Running::start(&data).await;
    let mut command = program();
    command
        .arg("--data-dir")
        .arg(&data)
        .args(["--listen", "127.0.0.1:0", "--shared", "true"]);
    let (success, _, err) = super::running::ends(command).await;
    assert!(!success && err.contains("ELB_SHARED"), "{err}");
    assert!(alone.ask_to_stop(Signal::TERM).await.success());
    let shared = server(&data).await;
    let mut command = program();
    command
        .arg("--data-dir")
        .arg(&data)
        .args(["--listen", "127.0.0.1:0"]);
    let (success, _, err) = super::running::ends(command).await;
    assert!(!success && err.contains("ELB_SHARED"), "{err}");
    assert!(shared.ask_to_stop(Signal::TERM).await.success());
}
