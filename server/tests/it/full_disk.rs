//! The disk is full: for the store, for queries, for results. Nothing is lost, and it is said.
//!
//! The server lives on a small disk of its own, made for it in a namespace that ends with it.

use std::{fs, io::Write, path::PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    running::{Running, program},
    support::{Raw, eventually, genes},
};

/// A server whose data folder is a disk of a few megabytes.
struct OnSmallDisk {
    server: Running,
    /// The disk as this process sees it.
    disk: PathBuf,
    _folder: TempDir,
}

impl OnSmallDisk {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let plain = program();
        let mut command = tokio::process::Command::new("unshare");
        command
            .args(["--map-root-user", "--mount", "--", "/bin/sh", "-ec"])
            .arg("mount -t tmpfs -o size=24m tmpfs \"$0\"; exec \"$@\"")
            .arg(&data)
            .arg(plain.as_std().get_program())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::inherit())
            .kill_on_drop(true);
        let server = Running::start_with(&data, command, &[]).await;
        let disk = PathBuf::from(format!("/proc/{}/root", server.id()))
            .join(data.strip_prefix("/").unwrap());
        Self {
            server,
            disk,
            _folder: folder,
        }
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut filler = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.disk.join("filler"))
            .unwrap();
        let mut piece = 1 << 20;
        while piece > 0 {
            if filler.write_all(&vec![0; piece]).is_err() {
                piece /= 2;
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.disk.join("filler")).unwrap();
    }

    /// The status of a submission, and its answer.
    async fn submit(&self, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let mut raw = Raw::connect(self.server.address).await;
        let head = format!(
            "POST /api/blast/jobs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        raw.send((head + &body).as_bytes()).await;
        let answer = raw.read_all().await;
        let status = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap())
    }

    async fn totals(&self) -> Value {
        self.server.get("/api/blast/jobs").await["totals"].clone()
    }

    fn queries(&self) -> usize {
        let jobs = fs::read_dir(self.disk.join("objects/jobs"));
        jobs.map_or(0, |jobs| {
            jobs.flatten()
                .filter(|job| fs::read_dir(job.path()).unwrap().next().is_some())
                .count()
        })
    }
}

fn small() -> Value {
    json!({ "program": "blastn", "database": "few_genes", "query": genes(0, 2) })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_to_a_full_disk_is_refused_and_leaves_nothing_and_works_once_there_is_room() {
    let small_disk = OnSmallDisk::start().await;
    let (status, first) = small_disk.submit(&small()).await;
    assert_eq!(status, 202, "{first:#}");
    let first = first["job_id"].as_str().unwrap().to_owned();
    let path = format!("/api/blast/jobs/{first}");
    small_disk
        .server
        .wait_until(&path, |job| job["status"] == "completed")
        .await;
    // Its work folder is removed once it has completed, which would make room.
    let work = small_disk.disk.join("work").join(&first);
    eventually("its work folder is removed", || !work.exists()).await;
    small_disk.fill();
    for _ in 0..3 {
        let (status, refused) = small_disk.submit(&small()).await;
        assert!((500..600).contains(&status), "{status} {refused:#}");
        let message = refused["message"].as_str().unwrap();
        assert!(message.len() > 20, "{message}");
        assert_eq!(small_disk.totals().await["all"], 1);
        assert_eq!(small_disk.queries(), 1);
    }
    small_disk.free();
    let (status, second) = small_disk.submit(&small()).await;
    assert_eq!(status, 202, "{second:#}");
    let path = format!("/api/blast/jobs/{}", second["job_id"].as_str().unwrap());
    small_disk
        .server
        .wait_until(&path, |job| job["status"] == "completed")
        .await;
    assert!(small_disk.server.ask_to_stop(Signal::TERM).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_whose_results_find_no_room_fails_with_that_reason_and_a_retry_collects_them() {
    let small_disk = OnSmallDisk::start().await;
    // A few megabytes of results.
    let body = json!({
        "program": "blastn", "database": "genes", "query": genes(0, 20),
        "options": { "max_target_seqs": 20 }
    });
    let (status, job) = small_disk.submit(&body).await;
    assert_eq!(status, 202, "{job:#}");
    let id = job["job_id"].as_str().unwrap().to_owned();
    let path = format!("/api/blast/jobs/{id}");
    let at_work = |job: &Value| job["started_at"].is_string();
    small_disk.server.wait_until(&path, at_work).await;
    small_disk.fill();
    // The row itself may find no room: then nothing is written until there is some.
    let fills = async {
        loop {
            let job = small_disk.server.get(&path).await;
            if job["status"] != "running" && job["status"] != "queued" {
                return;
            }
            small_disk.fill();
        }
    };
    let patience = std::time::Duration::from_secs(10);
    let _ended_meanwhile = tokio::time::timeout(patience, fills).await;
    small_disk.free();
    let ended = |job: &Value| job["status"] != "running" && job["status"] != "queued";
    let job = small_disk.server.wait_until(&path, ended).await;
    if job["status"] == "failed" {
        assert_eq!(job["failure"]["code"], "disk_full", "{job:#}");
        assert!(
            job["failure"]["remedy"]
                .as_str()
                .unwrap()
                .contains("disk space"),
            "{job:#}"
        );
        small_disk.server.post(&format!("{path}/retry")).await;
    }
    let done = |job: &Value| job["status"] == "completed";
    let job = small_disk.server.wait_until(&path, done).await;
    assert!(job["hits"].as_u64().unwrap() > 0);
    assert!(small_disk.server.ask_to_stop(Signal::TERM).await.success());
}
