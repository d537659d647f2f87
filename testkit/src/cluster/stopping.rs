//! An API server that is there and does not answer, as one that hangs or whose network swallows everything.
//!
//! Its process is stopped and goes on later. Whoever asks it meanwhile waits; nodes and pods go on by
//! themselves.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::Cluster;

/// A stopped API server; it goes on when this is dropped.
#[derive(Debug)]
pub struct Stopped {
    process: Pid,
}

impl Cluster {
    /// Stops its API server. Only for a test that has the cluster for itself.
    ///
    /// # Panics
    /// If it is not a cluster of ours, or cannot be stopped.
    #[must_use]
    pub fn stop_api_server(&self) -> Stopped {
        let child = self.child.as_ref();
        let (child, _) =
            child.expect("the API server of a cluster that KUBECONFIG names is not ours to stop");
        let process = api_server_of(child.id()).expect("the cluster has no API server");
        kill_process(process, Signal::STOP).expect("a process of ours");
        Stopped { process }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Gone with its cluster, it needs nothing any more.
        kill_process(self.process, Signal::CONT).ok();
    }
}

/// The process of the API server: a child of the one that runs the cluster.
fn api_server_of(parent: u32) -> Option<Pid> {
    let processes = fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let command = fs::read(entry.path().join("cmdline")).ok()?;
        let mut words = command.split(|byte| *byte == 0);
        let is_it = words.any(|word| word == b"kube-apiserver");
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        let its = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        let ours = its.trim().parse() == Ok(parent);
        Pid::from_raw(process).filter(|_| is_it && ours)
    })
}
