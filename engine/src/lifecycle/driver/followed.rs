//! What a driver does for a search that somebody else has started on a cluster.
//!
//! Owns nothing but the row: it tells what is seen, and touches the search only when a person asks for its
//! end. While the cluster is not seen as it is, the row stays as it is.

use std::time::Duration;

use elb_core::{
    cluster::follow,
    job::{Found, Job},
    phase::Phase,
    poll,
    view::LogLevel,
};

use super::{Driver, Halt};

/// The shortest time between two looks: a cluster under load tells of many changes a second, and a reader
/// sees no difference.
const LOOK: Duration = Duration::from_millis(100);

impl Driver<'_> {
    pub(super) async fn follow(&self, job: &Job, place: &Found) -> Result<(), Halt> {
        let run = job.imported.as_ref().map_or("", |imported| &imported.id);
        let Some(clusters) = &self.context.clusters else {
            return self.without_cluster(job, place).await;
        };
        if job.phase == Phase::Cancelling {
            return match clusters.cancel(place, run).await {
                Ok(()) => self.stopped(job).await,
                Err(reason) => self.hindered(job, reason).await,
            };
        }
        let mut changes = clusters.revision();
        let mut known = job.clone();
        loop {
            changes.mark_unchanged();
            if let Some(verdict) = clusters.verdict(place, run, known.created_at) {
                for event in follow(&known, &verdict) {
                    known = self.change(&known, &event).await?.job;
                }
                if let Some(error) = &known.error {
                    self.log(
                        &known,
                        LogLevel::Error,
                        format!("failed: {}", error.message),
                    );
                }
            }
            if !known.phase.is_active() {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
            tokio::select! {
                // An error would mean that the watch is gone, and this program with it.
                _ = changes.changed() => {}
                // Some states come by time alone.
                () = tokio::time::sleep(poll::JOB_STEADY) => {}
            }
        }
    }

    /// The settings name no cluster any more.
    async fn without_cluster(&self, job: &Job, place: &Found) -> Result<(), Halt> {
        if job.phase == Phase::Cancelling {
            let reason = format!(
                "its cluster {} is no longer in the settings (ELB_CLUSTERS)",
                place.cluster
            );
            return self.hindered(job, reason).await;
        }
        tokio::time::sleep(poll::RECONCILE_SWEEP).await;
        Ok(())
    }
}
