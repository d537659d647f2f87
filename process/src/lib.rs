//! Child processes, the same for searches on this machine and in a pod.
//!
//! Owns how one is started (clean environment, no input, a process group of its own), how its error
//! output is kept within bounds, and how it is ended (SIGTERM to the group, two seconds, SIGKILL). A process
//! never outlives its handle. What its exit code means stands in `elb_core::exit`.

use std::{
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::{
    process::{Child, Command},
    task::JoinHandle,
};

mod output;

pub use output::both_ends;

/// How long a process may take to end by itself before it is killed.
pub const GRACE: Duration = Duration::from_secs(2);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A process to be: clean environment, no input, a process group of its own, ended with its handle.
#[must_use]
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("LANG", "C")
        // BLAST+ would report how it is used to NCBI.
        .env("BLAST_USAGE_REPORT", "false")
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    // Where the taxonomy files are found.
    if let Some(path) = std::env::var_os("BLASTDB") {
        command.env("BLASTDB", path);
    }
    command
}

/// How a process ended, and what it said.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// Its error output, both ends of it.
    pub stderr: String,
}

/// A process at work, the leader of its group.
#[derive(Debug)]
pub struct Started {
    child: Child,
    leader: Option<Pid>,
    stderr: JoinHandle<String>,
}

impl Started {
    /// Starts it. Its output goes nowhere; of its error output at most `cap` bytes are kept.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(mut command: Command, cap: usize) -> io::Result<Self> {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let leader = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).unwrap_or(0)));
        let stderr = child.stderr.take();
        let stderr = tokio::spawn(async move {
            match stderr {
                Some(stderr) => both_ends(stderr, cap).await,
                None => String::new(),
            }
        });
        Ok(Self {
            child,
            leader,
            stderr,
        })
    }

    /// Waits for its end; `None` if `halt` came first, and then nothing of its group is left.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub async fn end(mut self, halt: impl Future<Output = ()>) -> io::Result<Option<Ended>> {
        let status = tokio::select! {
            status = self.child.wait() => status?,
            () = halt => {
                if let Some(leader) = self.leader {
                    // Waiting at the same time reaps the process, so that the group is seen to be gone.
                    let (_, _) = tokio::join!(stop_group(leader), self.child.wait());
                }
                return Ok(None);
            }
        };
        let stderr = self.stderr.await.unwrap_or_default();
        Ok(Some(Ended { status, stderr }))
    }
}

/// Asks the group to end, then makes it.
async fn stop_group(leader: Pid) {
    // An error says that the group is gone already.
    let _ = kill_process_group(leader, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        if test_kill_process_group(leader).is_err() {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let _ = kill_process_group(leader, Signal::KILL);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = command(Path::new("/bin/sh"));
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_process_that_ends_is_told_with_its_words() {
        let started = Started::start(shell("echo words >&2; exit 3"), 1_000).unwrap();
        let ended = started.end(std::future::pending()).await.unwrap().unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert_eq!(ended.stderr, "words\n");
    }

    #[tokio::test]
    async fn a_stopped_group_is_gone_even_if_it_does_not_want_to() {
        let stubborn = "trap '' TERM; sleep 1000 & while :; do sleep 1000; done";
        let started = Started::start(shell(stubborn), 1_000).unwrap();
        let leader = started.leader.unwrap();
        let ended = started.end(std::future::ready(())).await.unwrap();
        assert!(ended.is_none());
        // Killed orphans are reaped by whoever adopts them, a moment later.
        let deadline = Instant::now() + Duration::from_secs(60);
        while test_kill_process_group(leader).is_ok() {
            assert!(Instant::now() < deadline, "the group is still there");
            tokio::task::yield_now().await;
        }
    }
}
