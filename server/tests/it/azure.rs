//! The server with its state in a table: outages, restarts, and two that see each other's writes.

use std::path::Path;

use elb_testkit::{Azurite, Behaviour, FaultProxy, entities};
use serde_json::{Value, json};

use super::{
    metrics::samples,
    running::{Running, ends, outcome, program},
    support::{Raw, genes},
    two_servers::{assert_sound, completed, history, running_search},
};

/// A table of the emulator that nobody else uses, as a setting.
pub fn fresh_store() -> String {
    store_at(Azurite::shared().table_url())
}

fn store_at(url: &str) -> String {
    format!("azure-tables:{url}/t{}", uuid::Uuid::new_v4().simple())
}

async fn server(data: &Path, store: &str) -> Running {
    Running::start_with(data, program(), &[("ELB_STORE", store)]).await
}

fn small() -> Value {
    json!({ "program": "blastn", "database": "few_genes", "query": genes(0, 1) })
}

/// The store is away in this way while a search runs; the words that the list must then show.
async fn outage(behaviour: Behaviour, words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let proxy = FaultProxy::before(Azurite::shared().table_url()).await;
    let store = store_at(&proxy.instead_of(Azurite::shared().table_url()));
    let server = server(folder.path(), &store).await;
    let id = running_search(&server).await;
    proxy.set(behaviour);
    // At first it may say no more than that the store takes long.
    let told = |list: &Value| {
        list["stale"]
            .as_str()
            .is_some_and(|why| why.contains(words))
    };
    let list = server.wait_until("/api/blast/jobs", told).await;
    assert_eq!(list["totals"]["all"], 1, "rows are still shown");
    assert_eq!(list["jobs"][0]["id"], id.as_str());
    let refused = server.try_submit(&small()).await;
    assert_eq!(refused["code"], "store_unavailable", "{refused}");
    let ready = server.get("/api/health/ready").await;
    let checks = ready["checks"].as_array().unwrap();
    let check = |name: &str| {
        checks
            .iter()
            .find(|check| check["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(check("list")["ok"], false);
    assert!(
        check("store")["note"].as_str().unwrap().contains(words),
        "{ready:#}"
    );
    let measured = samples(&server.text("/metrics").await);
    assert_eq!(measured["elb_list_stale"], 1.0);
    assert!(measured["elb_list_age_seconds"] > 10.0);
    let calls = |outcome: &str| {
        let labels = format!("dependency=\"table storage\",outcome=\"{outcome}\"");
        measured[&format!("elb_upstream_calls_total{{{labels}}}")]
    };
    // A refusal is an answer; silence and overload are none, and hold the next calls back.
    let refuses = words.contains("Contributor");
    assert!(calls("answered") > 0.0);
    assert_eq!(calls("failed") > 0.0, !refuses, "{measured:#?}");
    assert_eq!(calls("held_back") > 0.0, !refuses, "{measured:#?}");
    proxy.set(Behaviour::Pass);
    server
        .wait_until("/api/blast/jobs", |list| list["stale"].is_null())
        .await;
    completed(&server, &id).await;
    assert_sound(&history(&server, &id).await);
    let list = server.get("/api/blast/jobs").await;
    assert_eq!(
        list["totals"]["all"], 1,
        "what was refused has left nothing: {list:#}"
    );
    let next = server.submit(&small()).await;
    completed(&server, &next).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_away_the_list_is_shown_with_its_age_and_the_search_goes_on() {
    outage(Behaviour::Cut, "table storage does not answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_hangs_the_same_holds() {
    outage(Behaviour::HalfOpen, "no answer within").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_slow_the_same_holds() {
    let slow = Behaviour::Slow(std::time::Duration::from_secs(5));
    outage(slow, "table storage does not answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_rights_are_missing_the_role_is_named() {
    let refused = Behaviour::Answer {
        status: 403,
        retry_after: None,
    };
    outage(refused, "Storage Table Data Contributor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_throttles_the_same_holds() {
    let busy = Behaviour::Answer {
        status: 503,
        retry_after: Some(1),
    };
    outage(busy, "503").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_takes_its_searches_up_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = fresh_store();
    // Nobody could take them over within the test.
    let settings = [("ELB_STORE", store.as_str()), ("ELB_LEASE_LIFE", "60m")];
    let first = Running::start_with(folder.path(), program(), &settings).await;
    let id = running_search(&first).await;
    first.kill().await;
    let second = Running::start_with(folder.path(), program(), &settings).await;
    completed(&second, &id).await;
    assert_sound(&history(&second, &id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_writes_the_other_one_shows() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let store = fresh_store();
    let one = server(folders[0].path(), &store).await;
    let other = server(folders[1].path(), &store).await;
    let begin = std::time::Instant::now();
    let id = one.submit(&small()).await;
    let job = format!("/api/blast/jobs/{id}");
    other.wait_until(&job, |job| job["phase"].is_string()).await;
    // It is told or looks each second: nobody waits for the sweep of every minute.
    let seen = begin.elapsed();
    assert!(seen.as_secs() < 30, "{seen:?}");
    completed(&one, &id).await;
    completed(&other, &id).await;
    let third = server(folders[0].path().join("third").as_path(), &store).await;
    let lists = [
        one.get("/api/blast/jobs").await,
        third.get("/api/blast/jobs").await,
    ];
    assert_eq!(lists[0]["jobs"], lists[1]["jobs"]);
    // Deleted on one, gone on the other.
    one.delete(&job).await;
    other
        .wait_until("/api/blast/jobs", |list| list["totals"]["all"] == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_from_the_file_to_a_table_and_searches_go_on_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = fresh_store();
    let first = Running::start(folder.path()).await;
    let done = first.submit(&small()).await;
    completed(&first, &done).await;
    let id = running_search(&first).await;
    let migrate = |folder: &Path| {
        let mut command = program();
        command.arg("migrate").arg("--data-dir").arg(folder);
        command.args(["--from", "sqlite:", "--to", &store]);
        command
    };
    let (status, _, err) = outcome(migrate(folder.path())).await;
    assert_eq!(status.code(), Some(2), "{err}");
    assert!(err.contains("stop it first"), "{err}");
    first.kill().await;
    let (success, out, err) = ends(migrate(folder.path())).await;
    assert!(success && out.contains("everything is there"), "{out}{err}");
    assert!(out.contains("2 moved, 0 were there"), "{out}");
    let (success, out, _) = ends(migrate(folder.path())).await;
    assert!(success && out.contains("0 moved, 2 were there"), "{out}");
    let settings = [("ELB_STORE", store.as_str()), ("ELB_LEASE_LIFE", "8s")];
    let second = Running::start_with(folder.path(), program(), &settings).await;
    // A table is told to be in use by the signs of life in it.
    let mut back = program();
    back.arg("migrate").arg("--data-dir").arg(folder.path());
    let elsewhere = format!(
        "sqlite:{}",
        folder.path().join("work/other.sqlite").display()
    );
    back.args(["--from", &store, "--to", &elsewhere]);
    let (status, _, err) = outcome(back).await;
    assert_eq!(status.code(), Some(2), "{err}");
    assert!(err.contains("stop it first"), "{err}");
    completed(&second, &id).await;
    completed(&second, &done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_of_the_original_are_imported_and_shown_with_where_their_results_are() {
    let original = Azurite::start();
    let url = original.table_url();
    for table in ["jobstate", "jobhistory"] {
        entities::make_table(url, table).await;
    }
    let put = async |id: &str, status: &str, payload: &str| {
        let row = json!({
            "PartitionKey": id, "RowKey": "current", "type": "blast", "status": status, "phase": status,
            "owner_oid": "oid", "created_at": "2026-06-01T10:00:00+00:00", "schema_version": 2,
            "updated_at": "2026-06-01T10:30:00+00:00", "job_title": id, "program": "blastn",
            "db": "core_nt", "storage_account": "lab", "payload_json": payload,
        });
        entities::put(url, "jobstate", id, "current", &row.to_string()).await;
    };
    put("done", "completed", "{}").await;
    put("broken", "completed", "{").await;
    let folder = tempfile::tempdir().unwrap();
    // No server has been started there yet.
    let data = folder.path().join("not/there/yet");
    let import = |from: &str| {
        let mut command = program();
        command.arg("import").arg("--data-dir").arg(&data);
        command.args(["--from-original", from, "--to", "sqlite:"]);
        command
    };
    let from = format!("azure-tables:{url}");
    let (status, _, err) = outcome(import(&format!("{from}/jobstate"))).await;
    assert_eq!(status.code(), Some(2), "{err}");
    assert!(err.contains("without a table"), "{err}");
    let (status, out, err) = outcome(import(&from)).await;
    assert_eq!(status.code(), Some(1), "{out}{err}");
    assert!(
        out.contains("1 search imported") && out.contains("broken cannot be imported"),
        "{out}"
    );
    put("broken", "failed", "{}").await;
    let (status, out, err) = outcome(import(&from)).await;
    assert_eq!(status.code(), Some(0), "{out}{err}");
    assert!(
        out.contains("1 were there") && out.contains("everything is there"),
        "{out}"
    );
    let server = Running::start(data.as_path()).await;
    let list = server.get("/api/blast/jobs").await;
    assert_eq!(
        (&list["totals"]["completed"], &list["totals"]["failed"]),
        (&json!(1), &json!(1))
    );
    let job = server.get("/api/blast/jobs/done").await;
    assert_eq!(job["imported"]["results"], "lab/results/done/");
    assert_eq!(job["can_retry"], false);
    let mut page = Raw::connect(server.address).await;
    page.get("/jobs/done").await;
    page.read_until("lab/results/done/").await;
    let mut check = program();
    check.arg("check").arg("--data-dir").arg(data.as_path());
    let (sound, out, err) = ends(check).await;
    assert!(sound && out.contains("2 searches"), "{out}{err}");
    // A server is there now.
    let (status, _, err) = outcome(import(&from)).await;
    assert_eq!(status.code(), Some(2), "{err}");
    assert!(err.contains("stop it first"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_a_request_says_what_it_cost_upstream() {
    let folder = tempfile::tempdir().unwrap();
    let store = fresh_store();
    let settings = [
        ("ELB_STORE", store.as_str()),
        ("ELB_LOG", "info,elb_server::guard=debug"),
        ("ELB_LOG_FORMAT", "json"),
    ];
    let server = Running::start_with(folder.path(), program(), &settings).await;
    server.submit(&small()).await;
    server.get("/api/blast/jobs").await;
    let line = |method: &'static str| {
        let server = &server;
        async move {
            let of_it = |line: &Value| {
                line["fields"]["message"] == "answered"
                    && line["span"]["method"] == method
                    && line["span"]["path"] == "/api/blast/jobs"
            };
            server.logged(of_it).await
        }
    };
    // It is stored before it is answered, in a table.
    let submission = line("POST").await;
    assert_eq!(
        (&submission["level"], &submission["fields"]["status"]),
        (&json!("INFO"), &json!(202))
    );
    assert!(
        submission["fields"]["upstream_calls"].as_u64().unwrap() >= 1,
        "{submission}"
    );
    assert!(
        submission["fields"]["upstream_ms"].as_f64().unwrap() > 0.0,
        "{submission}"
    );
    assert!(submission["span"]["id"].is_string(), "{submission}");
    // A list comes from memory.
    let list = line("GET").await;
    assert_eq!(
        (&list["level"], &list["fields"]["status"]),
        (&json!("DEBUG"), &json!(200))
    );
    assert_eq!(list["fields"]["upstream_calls"], 0, "{list}");
}
