//! The processes of BLAST+ as the machine shows them: who is searched twice, and what is left.
//!
//! Looks at the table of processes from outside, many times a second, and notes which batch of which
//! job is at work. A process is noted from its first to its last sighting, so that what is called an
//! overlap was one.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use elb_core::{invariants::Execution, time::Timestamp};

use super::now_ms;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// Whom a process belongs to whose own parent has died.
const INIT: u64 = 1;

/// A thread that looks.
pub struct Watch {
    /// Dropped, it ends the thread.
    over: Sender<()>,
    thread: JoinHandle<Vec<Execution>>,
}

/// Who is at work.
struct Sighting {
    process: u64,
    /// When it was started, in ticks of the kernel: numbers of processes are used again.
    started: u64,
    parent: u64,
    job: String,
    /// The file of the batch.
    batch: String,
}

impl Watch {
    /// Watches the searches of a data folder.
    pub fn over(data: PathBuf) -> Self {
        let (over, ended) = channel();
        let thread = thread::spawn(move || watch(&data, &ended));
        Self { over, thread }
    }

    /// Everything that was seen.
    pub fn end(self) -> Vec<Execution> {
        drop(self.over);
        self.thread.join().unwrap()
    }
}

fn watch(data: &Path, over: &Receiver<()>) -> Vec<Execution> {
    let mut known: HashMap<(u64, u64), usize> = HashMap::new();
    let mut seen: Vec<Execution> = Vec::new();
    // The last server that was seen at work for each job.
    let mut runs: HashMap<String, u64> = HashMap::new();
    while over.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        let now = Timestamp(now_ms());
        for mut sighting in sightings(data) {
            // First seen after its server had died, it belongs to that server's run all the same.
            match runs.get(&sighting.job) {
                Some(last) if sighting.parent == INIT => sighting.parent = *last,
                _ => _ = runs.insert(sighting.job.clone(), sighting.parent),
            }
            let index = *known
                .entry((sighting.process, sighting.started))
                .or_insert_with(|| {
                    seen.push(Execution {
                        job: sighting.job,
                        run: sighting.parent,
                        batch: sighting.batch,
                        started_at: now,
                        ended_at: Some(now),
                    });
                    seen.len() - 1
                });
            seen[index].ended_at = Some(now);
        }
    }
    seen
}

/// Processes that search in the work folders right now.
fn sightings(data: &Path) -> Vec<Sighting> {
    let work = format!("{}/", data.join("work").display());
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let process: u64 = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let tool = line.split('\0').next()?.rsplit('/').next()?;
            // The formatter works on a folder of its own try.
            if !tool.contains("blast") || tool.contains("formatter") {
                return None;
            }
            let query = line.split('\0').find(|part| part.starts_with(&work))?;
            let (job, _) = query.strip_prefix(&work)?.split_once('/')?;
            let (parent, started) = parent_and_start(process)?;
            Some(Sighting {
                process,
                started,
                parent,
                job: job.to_owned(),
                batch: query.rsplit('/').next()?.to_owned(),
            })
        })
        .collect()
}

/// The server that started a process, and when; one whose server has died belongs to process 1.
fn parent_and_start(process: u64) -> Option<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // "32 (name) S 1 …"; the name may hold anything. The start is the 22nd word of all.
    let words: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    Some((words.get(1)?.parse().ok()?, words.get(19)?.parse().ok()?))
}

/// What is at work in the folder although nothing should be.
pub fn left(data: &Path) -> Vec<String> {
    let found = sightings(data).into_iter();
    found
        .map(|sighting| format!("process {} of job {}", sighting.process, sighting.job))
        .collect()
}
