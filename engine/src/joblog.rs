//! The log of each job: one line a fact, numbered, appended, followed.
//!
//! Owns the files under `logs/` and the signal that wakes those who follow. A reader gets lines by
//! number, so that whoever was away continues where he stopped. A job's log is bounded: past the
//! limit one last line says so.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use elb_core::{
    step::Step,
    text,
    view::{LogLevel, LogLine},
};
use tokio::sync::watch;

use crate::clock::Clock;

/// The most lines that a job's log holds.
pub const MAX_LINES: u64 = 20_000;
/// The longest line, in characters.
const MAX_LINE: usize = 2_000;

/// The logs of all jobs.
#[derive(Clone)]
pub struct JobLogs {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    open: Arc<Mutex<HashMap<String, Arc<watch::Sender<u64>>>>>,
}

fn count_lines(path: &Path) -> u64 {
    std::fs::File::open(path).map_or(0, |file| BufReader::new(file).lines().count() as u64)
}

/// A crash may have cut the last line short: the next one must not be glued to it.
fn end_last_line(path: &Path) {
    let Ok(mut file) = std::fs::OpenOptions::new()
        .read(true)
        .append(true)
        .open(path)
    else {
        return;
    };
    let mut last = [b'\n'];
    let found = file
        .seek(std::io::SeekFrom::End(-1))
        .and_then(|_| file.read_exact(&mut last));
    if found.is_ok() && last != [b'\n'] {
        // An error shows again with the line that is to be written.
        let _ = file.write_all(b"\n");
    }
}

impl JobLogs {
    /// Logs as files under `folder`, which is made if needed.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn in_folder(folder: &Path, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            clock,
            open: Arc::default(),
        })
    }

    fn path(&self, job: &str) -> PathBuf {
        self.folder.join(format!("{job}.jsonl"))
    }

    fn counter(&self, job: &str) -> Arc<watch::Sender<u64>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = open.entry(job.to_owned());
        Arc::clone(entry.or_insert_with(|| {
            end_last_line(&self.path(job));
            Arc::new(watch::channel(count_lines(&self.path(job))).0)
        }))
    }

    /// Appends lines. A log that cannot be written is reported on the server's own log and does not
    /// stop the job.
    pub fn append(&self, job: &str, step: Step, level: LogLevel, texts: &[String]) {
        if texts.is_empty() {
            return;
        }
        let counter = self.counter(job);
        let at = self.clock.now();
        let outcome = counter.send_if_modified(|lines| {
            let mut written = String::new();
            for line in texts.iter().flat_map(|text| text.lines()) {
                if *lines >= MAX_LINES {
                    break;
                }
                *lines += 1;
                let text = if *lines == MAX_LINES {
                    "the log is full; later lines are left out".to_owned()
                } else {
                    text::cap(line, MAX_LINE)
                };
                let line = LogLine {
                    number: *lines,
                    at,
                    step,
                    level,
                    text,
                };
                if let Ok(json) = serde_json::to_string(&line) {
                    written.push_str(&json);
                    written.push('\n');
                }
            }
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.path(job));
            if let Err(error) = file.and_then(|mut file| file.write_all(written.as_bytes())) {
                tracing::error!(job, %error, "the job's log cannot be written");
            }
            !written.is_empty()
        });
        if !outcome {
            tracing::debug!(job, "the job's log is full");
        }
    }

    /// Ids of all jobs that have a log.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn jobs(&self) -> std::io::Result<Vec<String>> {
        let mut jobs = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name().into_string();
            jobs.extend(
                name.ok()
                    .and_then(|name| Some(name.strip_suffix(".jsonl")?.to_owned())),
            );
        }
        Ok(jobs)
    }

    /// Counts the lines of followed logs anew: other processes write to them too.
    pub fn refresh(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for (job, counter) in open
            .iter()
            .filter(|(_, counter)| counter.receiver_count() > 0)
        {
            let lines = count_lines(&self.path(job));
            counter.send_if_modified(|known| {
                let more = lines > *known;
                *known = lines.max(*known);
                more
            });
        }
    }

    /// The file of a job's log; `None` if this server has none.
    #[must_use]
    pub fn file(&self, job: &str) -> Option<PathBuf> {
        let path = self.path(job);
        // One that cannot be looked at is there: whoever reads it is told why it cannot be read.
        let there = path.try_exists().unwrap_or(true);
        there.then_some(path)
    }

    /// Up to `limit` lines after number `after`, of the file of a log. One that is not there has none.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn read(path: &Path, after: u64, limit: usize) -> std::io::Result<Vec<LogLine>> {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        let mut lines = Vec::new();
        let numbered = BufReader::new(file).lines().zip(1..).skip(skip).take(limit);
        for (line, number) in numbered {
            // A line cut short by a crash is not a line. Its number is its place: two processes that
            // have written one after the other cannot count the same.
            if let Ok(line) = serde_json::from_str::<LogLine>(&line?) {
                lines.push(LogLine { number, ..line });
            }
        }
        Ok(lines)
    }

    /// The number of the newest line, and every change of it.
    #[must_use]
    pub fn follow(&self, job: &str) -> watch::Receiver<u64> {
        self.counter(job).subscribe()
    }

    /// Removes a job's log; one that is gone already is no error.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn remove(&self, job: &str) -> std::io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(job);
        match std::fs::remove_file(self.path(job)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
