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
        let mut results = ResultsSeen::default();
        let (mut refused, mut look_again) = (false, Duration::ZERO);
        loop {
            changes.mark_unchanged();
            let mut sight = clusters.see(place, run, known.created_at, &results);
            let asks_for_results = sight.as_ref().is_some_and(|sight| {
                matches!(sight.verdict, Verdict::ResultsPending(_) | Verdict::Lost)
            });
            // Only now: while it runs, what lies there says nothing that the cluster does not say.
            if asks_for_results && self.context.jobs.clock().elapsed() >= look_again {
                match self.look_at_results(&known, run).await {
                    Ok(seen) => {
                        results = seen;
                        refused = false;
                        sight = clusters.see(place, run, known.created_at, &results);
                    }
                    Err(text) => {
                        known = self.warned(&known, text).await?;
                        refused = true;
                    }
                }
                // Changes come more often than it would be looked for.
                let rest = if refused {
                    poll::CLUSTER_IDLE
                } else {
                    poll::JOB_STEADY
                };
                look_again = self.context.jobs.clock().elapsed() + rest;
            }
            // Whether it is lost cannot be said by who cannot look.
            let sight = sight.filter(|sight| !(refused && sight.verdict == Verdict::Lost));
            if let Some(sight) = sight {
                for event in follow(&known, &sight.verdict) {
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
