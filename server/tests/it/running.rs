//! The program as a process of its own.

use std::{
    net::SocketAddr,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};

use super::support::{PATIENCE, Raw, databases};

/// The program with nothing in its environment.
pub fn program() -> Command {
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

/// Lines of the log that are shown to whoever has to understand a failure.
const LOG_LINES: usize = 30;

/// The server as a process of its own.
pub struct Running {
    child: Child,
    pub address: SocketAddr,
    /// What it logged.
    log: Arc<Mutex<Vec<String>>>,
}

impl Running {
    pub async fn start(data: &Path) -> Self {
        Self::start_with(data, program(), &[]).await
    }

    /// Starts it with further settings; `command` is the program, or another one that leads to it.
    pub async fn start_with(data: &Path, mut command: Command, settings: &[(&str, &str)]) -> Self {
        command
            .arg("--data-dir")
            .arg(data)
            .arg("--databases")
            .arg(databases())
            .args(["--listen", "127.0.0.1:0", "--examples", "false"]);
        command.envs(settings.iter().copied());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut before = Vec::new();
        let address = loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("the program ends before it listens");
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.trim().parse().unwrap();
            }
            before.push(line);
        };
        // Read on, so that the program never waits for its reader.
        let log = Arc::new(Mutex::new(before));
        let all = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                all.lock().unwrap().push(line);
            }
        });
        Self {
            child,
            address,
            log,
        }
    }

    /// The first line of a log in JSON that is as wanted, once it is there.
    #[cfg(feature = "azure")]
    pub async fn logged(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let found = self.log.lock().unwrap().iter().find_map(|line| {
                    let line = serde_json::from_str(line).ok()?;
                    wanted(&line).then_some(line)
                });
                if let Some(line) = found {
                    return line;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, looking)
            .await
            .expect("it is not in the log")
    }

    async fn body(&self, request: String) -> String {
        let mut raw = Raw::connect(self.address).await;
        raw.send(request.as_bytes()).await;
        let answer = raw.read_all().await;
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    pub async fn ask(&self, request: String) -> Value {
        let body = self.body(request).await;
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    pub async fn get(&self, path: &str) -> Value {
        let body = self.text(path).await;
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    pub async fn text(&self, path: &str) -> String {
        self.body(format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        ))
        .await
    }

    pub async fn post(&self, path: &str) -> Value {
        self.ask(format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        ))
        .await
    }

    /// Deletes what is at this path.
    #[cfg(feature = "azure")]
    pub async fn delete(&self, path: &str) {
        let mut raw = Raw::connect(self.address).await;
        let request =
            format!("DELETE {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        raw.send(request.as_bytes()).await;
        let answer = raw.read_all().await;
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }

    /// Ends it at once, without a word.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Submits, and gives the answer whatever it is.
    pub async fn try_submit(&self, body: &Value) -> Value {
        let body = body.to_string();
        let head = format!(
            "POST /api/blast/jobs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.ask(head + &body).await
    }

    pub async fn submit(&self, body: &Value) -> String {
        let answer = self.try_submit(body).await;
        let id = answer["job_id"].as_str();
        id.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Submits as a client does that is told to come back while the store does not answer.
    pub async fn submit_again_and_again(&self, body: &Value) -> String {
        let submitting = async {
            loop {
                let answer = self.try_submit(body).await;
                if let Some(id) = answer["job_id"].as_str() {
                    return id.to_owned();
                }
                assert_eq!(answer["code"], "store_unavailable", "{answer}");
                tokio::task::yield_now().await;
            }
        };
        let submitted = tokio::time::timeout(PATIENCE, submitting).await;
        submitted.expect("the store does not come back")
    }

    /// Sends a signal, and does not wait for what comes of it.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child_id(self.id()), signal).unwrap();
    }

    /// Asks again and again until the answer is as wanted.
    pub async fn wait_until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let answer = self.get(path).await;
                if wanted(&answer) {
                    return answer;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(answer) => answer,
            Err(_) => {
                let now = self.get(path).await;
                let log = self.log();
                let last = log.len().saturating_sub(LOG_LINES);
                panic!("{path} stays at {now:#}\n{:#?}", &log[last..])
            }
        }
    }

    /// All lines that it has logged.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub async fn ask_to_stop(mut self, signal: Signal) -> ExitStatus {
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

/// Runs the program to its end: whether it succeeded, and what it wrote to both.
pub async fn ends(command: Command) -> (bool, String, String) {
    let (status, out, err) = outcome(command).await;
    (status.success(), out, err)
}

/// Runs the program to its end: how it ended, and what it wrote to both.
pub async fn outcome(mut command: Command) -> (ExitStatus, String, String) {
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
        child.wait().await.unwrap()
    };
    let status = tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("the program does not end");
    (status, out, err)
}
