//! A node's folders, a small database, and one helper per thing that a pod does.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use elb_core::cluster::Report;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a test waits for what must happen; far above what it takes.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A node, with the store's folder beside it.
pub struct World {
    folder: TempDir,
    /// Where reports go, a new one for each pod.
    reports: std::cell::Cell<u32>,
}

/// A pod at work.
pub struct Pod {
    child: Child,
    lines: Receiver<String>,
    said: String,
    report: PathBuf,
}

/// How a pod ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub report: Option<Report>,
}

impl Ended {
    pub fn report(&self) -> &Report {
        self.report
            .as_ref()
            .unwrap_or_else(|| panic!("no report: {self:?}"))
    }

    /// It ended with this code, and its report says the same.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.report().exit, code);
        assert_eq!(self.report().error.is_some(), code != 0, "{self:?}");
        self
    }

    pub fn error(&self) -> &str {
        self.report().error.as_deref().unwrap_or_default()
    }
}

/// Waits until something holds.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

/// Letters that look random and are the same every time.
pub fn letters(seed: u64, count: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ["A", "C", "G", "T"][(state >> 33) as usize % 4]
    };
    (0..count).map(|_| next()).collect()
}

/// Files of a folder by name, with their content.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    found.sort();
    found
}

impl World {
    /// A node with nothing on it, and a database in the store: 20 sequences of 600 bases.
    pub fn new() -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            reports: std::cell::Cell::new(0),
        };
        for folder in [world.source(), world.path("queries"), world.path("work")] {
            fs::create_dir_all(folder).unwrap();
        }
        world.make_database(20);
        world
    }

    /// Makes the database in the store, in place of the one that is there.
    pub fn make_database(&self, sequences: u64) {
        self.make_with(sequences, &[]);
    }

    /// The same in volumes of at most 1,000 bytes.
    pub fn make_volumes(&self, sequences: u64) {
        fs::remove_dir_all(self.source()).unwrap();
        fs::create_dir_all(self.source()).unwrap();
        self.make_with(sequences, &["-max_file_sz", "1000B"]);
    }

    fn make_with(&self, sequences: u64, more: &[&str]) {
        let mut fasta = String::new();
        for number in 1..=sequences {
            writeln!(fasta, ">s{number}\n{}", letters(number, 600)).unwrap();
        }
        let input = self.path("tiny.fa");
        fs::write(&input, fasta).unwrap();
        let made = Command::new("makeblastdb")
            .args(["-dbtype", "nucl", "-title", "tiny", "-in"])
            .arg(&input)
            .arg("-out")
            .arg(self.source().join("tiny"))
            .args(more)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The database in the store.
    pub fn source(&self) -> PathBuf {
        self.path("store/tiny")
    }

    /// The folder of the database's versions on the node.
    pub fn home(&self) -> PathBuf {
        self.path("node/tiny")
    }

    /// The database on the node.
    pub fn copy(&self) -> PathBuf {
        self.home().join("v1")
    }

    /// The folder of a batch's results in the store.
    pub fn results(&self, batch: u32) -> PathBuf {
        self.path(&format!("batches/{batch:05}"))
    }

    /// Puts a batch's query into the store: parts of three sequences of the database.
    pub fn put_query(&self, batch: u32) {
        let mut fasta = String::new();
        for number in 1..=3 {
            let letters = letters(number + u64::from(batch), 600);
            writeln!(fasta, ">q{number}\n{}", &letters[100..400]).unwrap();
        }
        self.put_query_text(batch, &fasta);
    }

    pub fn put_query_text(&self, batch: u32, fasta: &str) {
        fs::write(self.path(&format!("queries/{batch:05}.fa")), fasta).unwrap();
    }

    /// Names in the folder of versions that are neither the version nor one of its locks.
    pub fn leftovers(&self) -> Vec<String> {
        let entries = fs::read_dir(self.home()).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| !["v1", ".v1.lock", ".v1.use"].contains(&name.as_str()))
            .collect()
    }

    /// A pod with nothing but its report's file set.
    pub fn bare(&self) -> Command {
        self.reports.set(self.reports.get() + 1);
        let mut command = Command::new(env!("CARGO_BIN_EXE_elb-runner"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env(
                "ELB_REPORT",
                self.path(&format!("report-{}", self.reports.get())),
            );
        command
    }

    /// A pod that stages the database.
    pub fn stager(&self) -> Command {
        let mut command = self.bare();
        command
            .arg("stage")
            .env(
                "ELB_DB_SOURCE",
                format!("file://{}", self.source().display()),
            )
            .env("ELB_DB_ROOT", self.path("node"))
            .env("ELB_DB", "tiny")
            .env("ELB_DB_VERSION", "v1")
            .env("ELB_RETRY_FOR", "1");
        command
    }

    /// A pod that removes the database.
    pub fn remover(&self) -> Command {
        let mut command = self.bare();
        command
            .arg("release")
            .env("ELB_DB_ROOT", self.path("node"))
            .env("ELB_DB", "tiny")
            .env("ELB_RETRY_FOR", "0");
        command
    }

    /// A pod that searches a batch with a command.
    pub fn searcher(&self, batch: u32, words: &[&str]) -> Command {
        let mut command = self.bare();
        let place = |end: &str| format!("file://{}{end}", self.folder.path().display());
        command
            .env("JOB_COMPLETION_INDEX", batch.to_string())
            .env("ELB_QUERY", place("/queries/{batch}.fa"))
            .env("ELB_BATCH_RESULTS", place("/batches/{batch}"))
            .env("ELB_WORK_DIR", self.path("work"))
            .env("ELB_DB_ROOT", self.path("node"))
            .env("ELB_DB", "tiny")
            .env("ELB_DB_VERSION", "v1")
            .env("ELB_RETRY_FOR", "1")
            .args(["run", "--"])
            .args(words);
        command
    }

    pub fn stage(&self) -> Ended {
        Pod::start(self.stager()).end()
    }

    pub fn search(&self, batch: u32, words: &[&str]) -> Ended {
        Pod::start(self.searcher(batch, words)).end()
    }
}

/// The command of an ordinary search.
pub const BLASTN: [&str; 9] = [
    "blastn", "-db", "{db}", "-query", "{query}", "-out", "{out}", "-outfmt", "11",
];

impl Pod {
    pub fn start(mut command: Command) -> Self {
        let report = command
            .get_envs()
            .find(|(name, _)| *name == "ELB_REPORT")
            .and_then(|(_, value)| value.map(PathBuf::from))
            .unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                tell.send(line).ok();
            }
        });
        Self {
            child,
            lines,
            said: String::new(),
            report,
        }
    }

    /// Waits for a line with these words.
    pub fn until_it_says(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said.contains(words) {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("never said {words}: {}", self.said));
            self.said.push_str(&line);
            self.said.push('\n');
        }
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let mut stderr = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        let status = self.child.wait().unwrap();
        for line in self.lines.iter() {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        let report = fs::read_to_string(&self.report).ok();
        Ended {
            code: status.code(),
            stdout: self.said,
            stderr,
            report: report.map(|report| {
                assert!(report.len() <= 4_096, "{report}");
                Report::parse(&report).unwrap_or_else(|| panic!("no report: {report}"))
            }),
        }
    }
}
