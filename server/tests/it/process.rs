//! The program itself: settings, start, lock, and a clean end.

use std::{net::SocketAddr, path::Path, process::Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};

use super::support::{PATIENCE, Raw, databases, genes};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elb-dashboard"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The server as a process of its own.
struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    async fn start(data: &Path) -> Self {
        let mut command = program();
        command
            .arg("--data-dir")
            .arg(data)
            .arg("--databases")
            .arg(databases());
        let mut child = command
            .args(["--listen", "127.0.0.1:0", "--examples", "false"])
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("the program ends before it listens");
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.trim().parse().unwrap();
            }
        };
        // Read on, so that the program never waits for its reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, address }
    }

    async fn ask(&self, request: String) -> Value {
        let mut raw = Raw::connect(self.address).await;
        raw.send(request.as_bytes()).await;
        let answer = raw.read_all().await;
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    async fn get(&self, path: &str) -> Value {
        self.ask(format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        ))
        .await
    }

    async fn submit(&self, body: &Value) -> String {
        let body = body.to_string();
        let head = format!(
            "POST /api/blast/jobs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.ask(head + &body).await["job_id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    async fn ask_to_stop(mut self, signal: Signal) -> std::process::ExitStatus {
        kill_process(Pid::from_child_id(self.id()), signal).unwrap();
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("the program does not end")
            .unwrap()
    }
}

trait FromChild {
    fn from_child_id(id: u32) -> Pid;
}

impl FromChild for Pid {
    fn from_child_id(id: u32) -> Pid {
        Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
    }
}

/// Runs the program to its end; what it wrote to both.
async fn ends(mut command: Command) -> (bool, String, String) {
    let mut child = command.spawn().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let waiting = async {
        let (one, other) = tokio::join!(
            stdout.read_to_string(&mut out),
            stderr.read_to_string(&mut err)
        );
        one.unwrap();
        other.unwrap();
        child.wait().await.unwrap().success()
    };
    let success = tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("the program does not end");
    (success, out, err)
}

/// The program with settings that let it come no further than to tell them.
fn telling(folder: &Path) -> Command {
    let mut command = program();
    command
        .env("ELB_DATA_DIR", folder.join("data"))
        .env("ELB_BLAST_BIN", folder)
        .env("ELB_LISTEN", "127.0.0.1:0");
    command.env("ELB_LOG_FORMAT", "json");
    command
}

/// Value and source of a setting, as the program tells it at the start.
fn told(out: &str, name: &str) -> (String, String) {
    let lines = out
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fields = lines
        .map(|line| line["fields"].clone())
        .find(|fields| fields["setting"] == name);
    let fields = fields.unwrap_or_else(|| panic!("{name} is not told: {out}"));
    (
        fields["value"].as_str().unwrap().to_owned(),
        fields["from"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn a_flag_wins_over_the_environment_which_wins_over_the_file_which_wins_over_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(
        &file,
        "jobs = 3\nsearches = 4\nmax_active = 5\nexamples = false\n",
    )
    .unwrap();
    let file = file.display().to_string();
    let mut command = telling(folder.path());
    command
        .env("ELB_CONFIG", &file)
        .env("ELB_JOBS", "6")
        .env("ELB_SEARCHES", "7")
        .args(["--jobs", "8"]);
    let (success, out, err) = ends(command).await;
    assert!(!success && err.contains("blastn is not in"), "{err}");
    let pair = |value: &str, from: &str| (value.to_owned(), from.to_owned());
    assert_eq!(told(&out, "jobs"), pair("8", "--jobs"));
    assert_eq!(told(&out, "searches"), pair("7", "ELB_SEARCHES"));
    assert_eq!(told(&out, "max_active"), pair("5", &file));
    assert_eq!(told(&out, "examples"), pair("false", &file));
    assert_eq!(told(&out, "max_query"), pair("100MB", "default"));
}

#[tokio::test]
async fn a_value_that_is_set_to_nothing_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, "databases = \"/somewhere\"\njobs = 3\n").unwrap();
    let mut command = telling(folder.path());
    command.arg("--config").arg(&file).env("ELB_DATABASES", "");
    let (_, out, _) = ends(command).await;
    assert_eq!(
        told(&out, "databases"),
        (String::new(), "ELB_DATABASES".to_owned())
    );
    let mut command = telling(folder.path());
    command.arg("--config").arg(&file).env("ELB_JOBS", "");
    let (success, _, err) = ends(command).await;
    assert!(
        !success && err.contains("jobs (ELB_JOBS) is \"\": it must be a whole number"),
        "{err}"
    );
}

#[tokio::test]
async fn a_setting_that_makes_no_sense_is_named_with_its_source_and_what_it_must_be() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value, words) in [
        (
            "ELB_LISTEN",
            "localhost",
            "listen (ELB_LISTEN) is \"localhost\": it must be an address with a port",
        ),
        (
            "ELB_EXAMPLES",
            "maybe",
            "examples (ELB_EXAMPLES) is \"maybe\": it must be true or false",
        ),
        (
            "ELB_SEARCHES",
            "0",
            "searches (ELB_SEARCHES) is \"0\": it must be a whole number from 1",
        ),
        (
            "ELB_WALL_TIME",
            "soon",
            "wall_time (ELB_WALL_TIME) is \"soon\": it must be a time such as",
        ),
        (
            "ELB_MAX_QUERY",
            "0",
            "max_query (ELB_MAX_QUERY) is \"0\": it must be a size such as",
        ),
        (
            "ELB_KEY_LIFE",
            "1",
            "key_life (ELB_KEY_LIFE) is \"1\": it must be a time such as",
        ),
        (
            "ELB_LOG_FORMAT",
            "xml",
            "log_format (ELB_LOG_FORMAT) is \"xml\": it must be text or json",
        ),
        (
            "ELB_LOG",
            "x=y=z",
            "log (ELB_LOG) is \"x=y=z\": it must be a filter such as",
        ),
        (
            "ELB_DATA_DIR",
            "",
            "data_dir (ELB_DATA_DIR) is \"\": it must name a folder",
        ),
        (
            "ELB_LISTEN",
            "0.0.0.0:3000",
            "which other machines can reach",
        ),
        ("ELB_LISTEN", "[::]:3000", "ssh -L 3000:127.0.0.1:3000"),
        (
            "ELB_CONFIG",
            "/nowhere/settings.toml",
            "the settings file /nowhere/settings.toml: it cannot be read",
        ),
    ] {
        let mut command = telling(folder.path());
        command.env(name, value);
        let (success, _, err) = ends(command).await;
        assert!(
            !success && err.starts_with("elb-dashboard cannot run: ") && err.contains(words),
            "{name}={value}: {err}"
        );
    }
    for (text, words) in [
        (
            "job = 3\n",
            "there is no setting \"job\"; there are listen, data_dir",
        ),
        ("jobs = \n", "settings.toml"),
        (
            "databases = [\"/a\", \"/b\"]\n",
            "databases must be text in quotes",
        ),
        ("wall_time = 3.5\n", "wall_time must be text in quotes"),
    ] {
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, text).unwrap();
        let mut command = telling(folder.path());
        command.arg("--config").arg(&file);
        let (success, _, err) = ends(command).await;
        assert!(
            !success && err.contains("settings.toml") && err.contains(words),
            "{text}: {err}"
        );
    }
}

#[tokio::test]
async fn help_documents_every_setting_with_its_variable_and_default() {
    let mut command = program();
    command.arg("--help");
    let (success, out, _) = ends(command).await;
    assert!(success);
    for name in [
        "config",
        "listen",
        "data-dir",
        "databases",
        "examples",
        "blast-bin",
        "jobs",
        "searches",
        "wall-time",
        "max-output",
        "max-query",
        "max-database",
        "max-active",
        "key-life",
        "log",
        "log-format",
    ] {
        let variable = format!("ELB_{}", name.replace('-', "_").to_uppercase());
        assert!(
            out.contains(&format!("--{name} ")) && out.contains(&variable),
            "{name}: {out}"
        );
    }
    assert_eq!(out.matches("[default: ").count(), 15, "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_program_on_the_same_folder_is_told_which_one_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = Running::start(&data).await;
    let mut command = program();
    command
        .arg("--data-dir")
        .arg(&data)
        .args(["--listen", "127.0.0.1:0"]);
    let (success, _, err) = ends(command).await;
    assert!(!success, "{err}");
    assert!(
        err.contains(&format!(
            "another elb-dashboard (process {}) uses the data folder",
            first.id()
        )),
        "{err}"
    );
    assert!(err.contains("ELB_DATA_DIR"), "{err}");
    assert!(first.ask_to_stop(Signal::INT).await.success());
    // The folder is free again.
    Running::start(&data).await.ask_to_stop(Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start(&folder.path().join("one")).await;
    let mut command = program();
    command
        .arg("--data-dir")
        .arg(folder.path().join("two"))
        .args(["--listen", &first.address.to_string()]);
    let (success, _, err) = ends(command).await;
    assert!(
        !success && err.contains(&first.address.to_string()) && err.contains("ELB_LISTEN"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_to_stop_ends_its_streams_and_takes_its_searches_up_at_the_next_start()
 {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = Running::start(&data).await;
    let id = first
        .submit(&json!({ "program": "tblastx", "database": "few_genes", "query": genes(0, 60) }))
        .await;
    let mut events = Raw::connect(first.address).await;
    events.get("/api/blast/events").await;
    events.read_until(": connected").await;
    let mut follow = Raw::connect(first.address).await;
    let head = format!(
        "GET /api/blast/jobs/{id}/logs HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
    );
    follow.send(head.as_bytes()).await;
    follow.read_until("\"step\":\"running\"").await;
    assert!(first.ask_to_stop(Signal::TERM).await.success());
    let rest = events.read_all().await;
    assert!(
        rest.ends_with("0\r\n\r\n"),
        "the stream ends properly: {rest}"
    );
    assert!(
        !follow.read_all().await.contains("event: end"),
        "the search has not ended"
    );

    let second = Running::start(&data).await;
    let mut follow = Raw::connect(second.address).await;
    follow.send(head.as_bytes()).await;
    follow.read_until("event: end").await;
    let job = second.get(&format!("/api/blast/jobs/{id}")).await;
    assert_eq!(
        (job["status"].as_str(), job["attempt"].as_u64()),
        (Some("completed"), Some(1)),
        "{job:#}"
    );
    assert!(second.ask_to_stop(Signal::TERM).await.success());
}
