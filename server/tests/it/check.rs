//! `elb-dashboard check` as an operator runs it: beside a server, after its end, on a damaged store.

use std::{fs, path::Path};

use rustix::process::Signal;
use serde_json::json;

use super::{
    running::{Running, outcome, program},
    support::genes,
};

/// Runs the command; its exit code, what it found, and what it complained of.
async fn check(data: &Path) -> (i32, String, String) {
    let mut command = program();
    command.arg("check").arg("--data-dir").arg(data);
    let (status, out, err) = outcome(command).await;
    (status.code().unwrap(), out, err)
}

/// A server on which one search has completed, and its id.
async fn with_one_search(data: &Path) -> (Running, String) {
    let server = Running::start(data).await;
    let search = json!({ "program": "blastn", "database": "few_genes", "query": genes(0, 1) });
    let id = server.submit(&search).await;
    let job = format!("/api/blast/jobs/{id}");
    server
        .wait_until(&job, |job| job["status"] == "completed")
        .await;
    (server, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_store_is_found_sound_beside_a_server_and_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (server, _) = with_one_search(&data).await;
    let (code, out, err) = check(&data).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.starts_with("1 search, ") && out.ends_with("checked: nothing is wrong\n"),
        "{out}"
    );
    assert!(out.contains(" 3 objects"), "{out}");
    assert!(server.ask_to_stop(Signal::TERM).await.success());

    let before = fs::read(data.join("state.sqlite")).unwrap();
    let (code, out, err) = check(&data).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("no server is seen to run"), "{out}");
    assert_eq!(
        fs::read(data.join("state.sqlite")).unwrap(),
        before,
        "it only reads"
    );
    // What it left beside the file is in nobody's way.
    Running::start(&data).await.ask_to_stop(Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_in_a_line_with_the_search_that_lost_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (server, id) = with_one_search(&data).await;
    server.ask_to_stop(Signal::TERM).await;
    fs::remove_file(data.join("objects/jobs").join(&id).join("hits.sqlite")).unwrap();
    let (code, out, err) = check(&data).await;
    assert_eq!(code, 1, "{out}{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert_eq!(
        lines[0],
        format!("I12 job {id}: its index of hits is not there")
    );
    assert!(lines[1].contains("1 violation"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_a_store_or_a_senseless_setting_cannot_be_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = check(folder.path()).await;
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("--data-dir"), "{err}");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing is made"
    );
    let mut command = program();
    command.env("ELB_KEEP_JOBS", "soon").arg("check");
    let (status, _, err) = outcome(command).await;
    assert_eq!(status.code(), Some(2));
    assert!(err.contains("keep_jobs"), "{err}");
}
