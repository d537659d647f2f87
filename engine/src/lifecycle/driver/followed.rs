//! What a driver does for a search that somebody else has started on a cluster.
//!
//! Owns nothing but the row: it tells what is seen, and touches the search only when a person asks for its
//! end. While the cluster is not seen as it is, the row stays as it is.

use std::time::Duration;

use elb_core::{
    cluster::{ResultsSeen, Verdict, follow},
    job::{Found, Job},
    phase::Phase,
    poll,
    transition::Event,
    view::LogLevel,
};

use super::{Driver, Halt};
use crate::clusters::Sight;

/// The shortest time between two looks: a cluster under load tells of many changes a second, and a reader
/// sees no difference.
const LOOK: Duration = Duration::from_millis(100);

impl Driver<'_> {
    pub(super) async fn follow(&self, job: &Job, place: &Found) -> Result<(), Halt> {
        if place.is_external() {
            return self.follow_external(job, place).await;
        }
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
        let mut results = ResultsSeen::default();
        let mut look_again = Duration::ZERO;
        // Whether the results were looked for after the last of its objects had gone: what was seen of them
        // before says nothing of how it ended.
        let mut looked_since_gone = false;
        loop {
            changes.mark_unchanged();
            let sight = clusters.see(place, run, known.created_at, &results);
            if sight.is_some() {
                known = self.in_sight(&known).await?;
            } else if let Some(reason) = clusters.unseen(place) {
                known = self.out_of_sight(&known, reason).await?;
            }
            if let Some(sight) = &sight {
                let lost = sight.verdict == Verdict::Lost;
                looked_since_gone &= lost;
                // Whether it is lost is said by who has looked.
                if !lost || looked_since_gone {
                    known = self.tell(&known, sight).await?;
                }
                let asks = lost || matches!(sight.verdict, Verdict::ResultsPending(_));
                // Only now: while it runs, what lies there says nothing that the cluster does not say.
                if asks && known.phase.is_active() && self.elapsed() >= look_again {
                    let looked = match self.look_at_results(&known, run).await {
                        Ok(seen) => {
                            results = seen;
                            looked_since_gone = lost;
                            true
                        }
                        Err(text) => {
                            known = self.warned(&known, text).await?;
                            false
                        }
                    };
                    // Changes come more often than it would be looked for.
                    let rest = if looked {
                        poll::JOB_STEADY
                    } else {
                        poll::CLUSTER_IDLE
                    };
                    look_again = self.elapsed() + rest;
                    if looked {
                        continue;
                    }
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

    /// Brings the row to what was seen, with the times that the objects bear.
    async fn tell(&self, job: &Job, sight: &Sight) -> Result<Job, Halt> {
        let mut known = job.clone();
        for event in follow(job, &sight.verdict) {
            let at = sight.moments.when(&event);
            let jobs = &self.context.jobs;
            known = jobs.drive_at(&job.id, &event, &self.lease, at).await?.job;
        }
        if let Some(error) = &known.error {
            self.log(
                &known,
                LogLevel::Error,
                format!("failed: {}", error.message),
            );
        }
        Ok(known)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.context.jobs.clock().elapsed()
    }

    /// What lies where its results are put; nothing is known of it without an access to look.
    async fn look_at_results(&self, job: &Job, run: &str) -> Result<ResultsSeen, String> {
        let Some(places) = &self.context.results_places else {
            return Ok(ResultsSeen::default());
        };
        let imported = job.imported.as_ref();
        let address = imported.map_or("", |imported| imported.results.as_str());
        if address.is_empty() {
            return Ok(ResultsSeen::default());
        }
        places.look(address, run).await
    }

    /// Says it once.
    async fn warned(&self, job: &Job, text: String) -> Result<Job, Halt> {
        if job.warnings.contains(&text) {
            return Ok(job.clone());
        }
        Ok(self.change(job, &Event::Warned { text }).await?.job)
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
