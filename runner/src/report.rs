//! Where the report goes, and what it tells of the use of the machine.

use std::{fmt, fs::OpenOptions, io, io::Write, path::PathBuf};

use elb_core::cluster::Report;
use nix::sys::{
    resource::{Usage, UsageWho, getrusage},
    time::{TimeVal, TimeValLike},
};

/// Where Kubernetes looks for the termination message if a container says nothing else.
const USUAL: &str = "/dev/termination-log";

/// Where the report goes.
#[derive(Debug, Clone)]
pub struct Target {
    path: PathBuf,
    /// Whether it was named; the usual one is made by the kubelet, and elsewhere it is not wanted.
    named: bool,
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(out)
    }
}

impl Target {
    /// The named file, else the usual one.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self {
            named: path.is_some(),
            path: path.unwrap_or_else(|| PathBuf::from(USUAL)),
        }
    }

    /// Writes it. The file is written in place: the kubelet has mounted this one.
    pub fn write(&self, report: &Report) -> io::Result<()> {
        if !self.named && !self.path.exists() {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        options.write(true).truncate(true).create(self.named);
        options
            .open(&self.path)?
            .write_all(report.to_message().as_bytes())
    }
}

/// Adds what this process and those that it started and waited for have used.
pub fn add_usage(report: &mut Report) {
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let Ok(usage) = getrusage(who) else {
            continue;
        };
        report.user_ms += ms(usage.user_time());
        report.system_ms += ms(usage.system_time());
        report.max_rss_kb = report.max_rss_kb.max(rss_kb(&usage));
    }
}

fn ms(time: TimeVal) -> u64 {
    u64::try_from(time.num_milliseconds()).unwrap_or(0)
}

/// Linux counts in kB of 1,024 bytes (getrusage(2)).
fn rss_kb(usage: &Usage) -> u64 {
    u64::try_from(usage.max_rss()).unwrap_or(0)
}
