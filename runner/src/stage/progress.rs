//! How far the download is, for a person who reads the pod's log.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use elb_core::cluster::StageProgress;
use tokio::time::Instant;

use crate::say;

/// How often it is told (ours): as often as somebody who looks at the cluster's page is shown it.
const EVERY: Duration = Duration::from_secs(2);

/// Bytes done of all.
#[derive(Debug)]
pub struct Progress {
    what: String,
    total: u64,
    done: AtomicU64,
    begun: Instant,
}

impl Progress {
    /// Nothing done yet.
    pub fn new(what: String, total: u64) -> Self {
        Self {
            what,
            total,
            done: AtomicU64::new(0),
            begun: Instant::now(),
        }
    }

    /// So many bytes more.
    pub fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Does the work, and tells how far it is every few seconds.
    pub async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(EVERY) => say::line(&self.line()),
            }
        }
    }

    /// How far it is.
    pub fn line(&self) -> String {
        let done = self.done.load(Ordering::Relaxed);
        let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let speed = done.saturating_mul(1_000) / ms.max(1);
        let total = self.total;
        StageProgress { done, total }.line(&self.what, speed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_tells_how_far_and_how_fast() {
        let progress = Progress::new("core_nt 1".to_owned(), 4_000_000);
        progress.add(1_000_000);
        tokio::time::advance(Duration::from_secs(2)).await;
        let expected = "core_nt 1: 1.0 MB of 4.0 MB (25 %), 500 kB per second [1000000/4000000]";
        assert_eq!(progress.line(), expected);
    }
}
