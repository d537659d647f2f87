//! One life of the server: started, put to work, killed.

use std::{
    fs::{self, File, OpenOptions},
    io,
    net::SocketAddr,
    os::unix::{fs::symlink, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Mutex,
    time::Duration,
};

use elb_engine::crash::Point;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{
    PATIENCE,
    client::{self, Answer},
    now_ms,
    sequences::databases,
    workload::World,
};

/// How long a life lasts at most if its point is not reached.
pub const LONGEST: Duration = Duration::from_secs(15);
/// How long a server may take to end when asked to (issue: at most 10 s).
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// The program that is a file of our own, which can be kept from starting.
const FAULTY_TOOL: &str = "blastx";

/// Folders, and what was noted over all lives.
pub struct Setting {
    folder: TempDir,
    tools: PathBuf,
    /// Where the state is, as a setting.
    store: String,
    /// When each server was started.
    starts: Mutex<Vec<i64>>,
}

impl Setting {
    /// Folders of their own; the state is where the setting says.
    pub fn make(store: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tools = folder.path().join("tools");
        fs::create_dir(&tools).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let real = std::env::split_paths(&path)
            .find(|folder| folder.join("blastn").is_file())
            .unwrap();
        for name in [
            "blastn",
            "blastp",
            "tblastn",
            "tblastx",
            "blast_formatter",
            "blastdbcmd",
            "makeblastdb",
        ] {
            symlink(real.join(name), tools.join(name)).unwrap();
        }
        fs::copy(real.join(FAULTY_TOOL), tools.join(FAULTY_TOOL)).unwrap();
        Self {
            folder,
            tools,
            store,
            starts: Mutex::default(),
        }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn store(&self) -> &str {
        &self.store
    }

    pub fn starts(&self) -> Vec<i64> {
        self.starts.lock().unwrap().clone()
    }

    /// Keeps the faulty program from starting for as long as the value lives: a file that is open for
    /// writing cannot be executed, which passes. Nor can it be opened so while it runs, for a server that
    /// has died just now: then its end is waited for.
    pub async fn fault(&self) -> File {
        let path = self.tools.join(FAULTY_TOOL);
        loop {
            match OpenOptions::new().append(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                    tokio::task::yield_now().await;
                }
                opened => return opened.unwrap(),
            }
        }
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_elb-dashboard"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    fn log(&self) -> File {
        let path = self.folder.path().join("server.log");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap()
    }

    /// The end of what the servers have logged, for whoever has to understand a failure.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Starts a program on a folder.
    fn spawn(&self, data: &Path, target: Option<(Point, u64)>) -> Child {
        let mut command = self.program();
        command.arg("--data-dir").arg(data);
        command.arg("--databases").arg(databases());
        command.arg("--blast-bin").arg(&self.tools);
        command.args(["--listen", "127.0.0.1:0", "--examples", "false"]);
        // The undisturbed run has a store of its own.
        if data == self.data() {
            command.args(["--store", &self.store]);
        }
        command.args(["--jobs", "2", "--searches", "2", "--keep-deleted", "2s"]);
        if let Some((point, passing)) = target {
            command.env("ELB_CRASH_AT", format!("{}:{passing}", point.as_str()));
        }
        command.stdout(Stdio::piped()).stderr(self.log());
        command.spawn().unwrap()
    }

    /// Waits until it listens; `None` if it dies before.
    async fn listening(&self, child: &mut Child) -> Option<SocketAddr> {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut log = self.log();
        while let Ok(Some(line)) = lines.next_line().await {
            writeln(&mut log, &line);
            if let Some(address) = line.strip_prefix("listening on http://") {
                // Read on, so that the program never waits for its reader.
                tokio::spawn(async move {
                    while let Ok(Some(line)) = lines.next_line().await {
                        writeln(&mut log, &line);
                    }
                });
                return Some(address.trim().parse().unwrap());
            }
        }
        None
    }

    async fn start(&self, data: &Path) -> Running {
        let mut child = self.spawn(data, None);
        let address = self.listening(&mut child).await;
        let address = address.unwrap_or_else(|| panic!("it does not start:\n{}", self.log_tail()));
        Running { child, address }
    }

    /// A server of its own, which nobody kills.
    pub async fn reference(&self) -> Running {
        self.start(&self.folder.path().join("reference")).await
    }

    /// A server on the folder of the kills that is let live.
    pub async fn last(&self) -> Running {
        self.starts.lock().unwrap().push(now_ms());
        self.start(&self.data()).await
    }

    /// `elb-dashboard check` on the folder of the kills: its exit code and what it told.
    pub async fn check(&self) -> (Option<i32>, String) {
        let mut command = self.program();
        command.arg("check").arg("--data-dir").arg(self.data());
        command.args(["--store", &self.store]);
        let output = tokio::time::timeout(PATIENCE, command.output())
            .await
            .unwrap()
            .unwrap();
        let told = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&told).into_owned(),
        )
    }
}

fn writeln(log: &mut File, line: &str) {
    use io::Write;
    writeln!(log, "{line}").unwrap();
}

/// A server at work.
pub struct Running {
    child: Child,
    pub address: SocketAddr,
}

impl Running {
    pub async fn submit(&self, body: &Value, key: &str) -> io::Result<Answer> {
        submit(self.address, body, key).await
    }

    /// Reads a search's log to its end, which is the search's.
    pub async fn follow_to_end(&self, id: &str) {
        let path = format!("/api/blast/jobs/{id}/logs");
        let following = client::follow(self.address, &path, None, |line| line != "event: end");
        tokio::time::timeout(PATIENCE, following)
            .await
            .unwrap_or_else(|_| panic!("job {id} does not end"))
            .unwrap();
    }

    /// Ends it as an operator does.
    pub async fn stop(mut self) {
        kill(&self.child, Signal::TERM);
        let ended = tokio::time::timeout(ENDS_WITHIN, self.child.wait()).await;
        let status = ended
            .expect("the server does not end when asked to")
            .unwrap();
        assert!(status.success(), "{status}");
    }
}

pub async fn submit(address: SocketAddr, body: &Value, key: &str) -> io::Result<Answer> {
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    client::ask(
        address,
        "POST",
        "/api/blast/jobs",
        &headers,
        &body.to_string(),
    )
    .await
}

fn kill(child: &Child, signal: Signal) {
    let id = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).unwrap()));
    if let Some(id) = id {
        // An error says that it is gone already.
        let _ = kill_process(id, signal);
    }
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At the point that it was told.
    ByItself,
    /// Killed from outside.
    Killed,
}

/// Starts a server, puts it to work, and sees it die: by itself, or after `most`.
pub async fn live(
    setting: &Setting,
    world: &World,
    target: Option<(Point, u64)>,
    most: Duration,
) -> End {
    setting.starts.lock().unwrap().push(now_ms());
    let mut child = setting.spawn(&setting.data(), target);
    let point = target.map(|(point, _)| point);
    let working = async {
        if let Some(address) = setting.listening(&mut child).await {
            let _fault = match point {
                Some(Point::BeforeRetry) => Some(setting.fault().await),
                _ => None,
            };
            tokio::select! {
                _ = child.wait() => {}
                () = world.work(address, point) => {}
            }
        }
    };
    let died = tokio::time::timeout(most, working).await.is_ok();
    // One that has died by itself cannot be killed any more.
    kill(&child, Signal::KILL);
    let status = child.wait().await.unwrap();
    let killed = status.signal() == Some(Signal::KILL.as_raw());
    assert!(killed, "it ended with {status}:\n{}", setting.log_tail());
    if died { End::ByItself } else { End::Killed }
}
