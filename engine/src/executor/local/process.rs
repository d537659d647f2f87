//! Processes of a run that are found again after a crash.
//!
//! Owns how the ones that a killed server left behind are recognised: their command line names the job's
//! work folder, which nobody else's does. Never ends a process by its name. How a process is started and
//! stopped stands in `elb_process`.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use elb_core::error_code::ErrorCode;
use rustix::process::{Pid, Signal, kill_process};

use crate::executor::ExecutorError;

/// How often a killed process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a killed process may take to be gone; longer means that the kernel holds it.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// Ends every process whose command line names `folder`, and waits until none is left.
pub(super) async fn end_leftovers(folder: &Path) -> Result<(), ExecutorError> {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        let left = processes_naming(folder);
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let message = format!("{} processes of an earlier run do not end", left.len());
            return Err(ExecutorError::new(ErrorCode::Internal, message));
        }
        for pid in left {
            // An error says that it is gone already.
            let _ = kill_process(pid, Signal::KILL);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How many BLAST+ processes name `folder` in their command line.
pub(super) fn count(folder: &Path) -> usize {
    processes_naming(folder).len()
}

fn processes_naming(folder: &Path) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let needle = folder.as_os_str().as_encoded_bytes();
    let own = rustix::process::getpid();
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(Pid::from_raw)
        .filter(|pid| *pid != own)
        .filter(|pid| {
            let path = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
            // A zombie has an empty command line, so that it does not count as left.
            fs::read(path).is_ok_and(|line| is_blast(&line) && contains(&line, needle))
        })
        .collect()
}

/// Whether a command line (parts ended by NUL) is one of BLAST+'s programs: an editor that somebody
/// opened on a file in the folder is none of ours.
fn is_blast(line: &[u8]) -> bool {
    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = program
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or_default();
    contains(name, b"blast")
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty()
        && haystack
            .windows(needle.len())
            .any(|window| window == needle)
}
