//! Living with other processes on one store: their writes followed, the own leases kept.
//!
//! Owns what happens when this process was silent for too long (stopped, suspended, or cut off from the
//! store): it ends everything that it does for its jobs, and begins anew under another id. Used only
//! when the store is shared.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{DRIVERS_END, Generation, Lifecycle};

/// How long to rest before a store that does not answer is asked again.
const REST: Duration = Duration::from_secs(1);

impl Lifecycle {
    pub(super) async fn follow_others(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.context.jobs.repository().follow_interval());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.context.jobs.follow_others().await {
                Ok(news) => {
                    let own = self.context.jobs.member().id();
                    for stored in news {
                        let holder = &stored.lease.holder;
                        // Ours, changed by another hand; or nobody's, and waiting for somebody.
                        let concerns = *holder == own || holder.is_empty();
                        if concerns && stored.job.phase.is_active() {
                            self.wake(&stored.job.id);
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "the writes of others cannot be followed yet"),
            }
            self.context.logs.refresh();
        }
    }

    pub(super) async fn keep_leases(self: Arc<Self>) {
        let terms = self.context.jobs.member().terms();
        let Some(renewal) = terms.renewal() else {
            return;
        };
        let mut ticks = tokio::time::interval(renewal);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.context.jobs.keep_alive(renewal).await {
                // Jobs whose process has fallen silent, or has ended, are for whoever comes first.
                Ok(true) => self.sweep(),
                Ok(false) => self.begin_anew().await,
                Err(error) => {
                    tracing::warn!(%error, "no sign of life reached the store");
                    if !self.context.jobs.member().is_current() {
                        self.begin_anew().await;
                    }
                }
            }
        }
    }

    /// Ends all that is done for the jobs of this process, and starts again under another id.
    async fn begin_anew(self: &Arc<Self>) {
        tracing::warn!(
            "this process was silent for too long: its searches are stopped here, and go on where another server has taken them over, or here again"
        );
        let old = self.generation();
        old.stop.cancel();
        old.tasks.close();
        // Runs first: a driver that is stuck must not keep them going.
        self.context.executor.shut_down().await;
        if tokio::time::timeout(DRIVERS_END, old.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some work for jobs did not end in time and is broken off");
        }
        self.context.executor.shut_down().await;
        while let Err(error) = self.context.jobs.begin_anew().await {
            tracing::warn!(%error, "the store does not answer; registering again is tried on");
            tokio::time::sleep(REST).await;
        }
        let mut generation = self
            .generation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *generation = Arc::new(Generation::default());
        drop(generation);
        self.sweep();
    }
}
