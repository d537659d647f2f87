//! What is left on the clusters and nobody needs any more.
//!
//! Owns the anchors of searches whose Jobs are gone, and Jobs whose time after their end nobody has set: a search
//! that has ended has the cluster remove them, unless this server could not say so then.

use std::{sync::Weak, time::Duration};

use elb_core::cluster::job_of;

use super::{
    ClusterExecutor, KEPT_WHEN_DONE,
    hand_over::{Refusal, Writer},
};

/// How often what nobody needs any more is looked for.
const TIDY: Duration = Duration::from_secs(600);
/// How old an anchor without Jobs is before it is removed, in seconds: it is made before them.
const ORPHAN_AGE_S: i64 = 3_600;

/// How long Jobs of ours stay after their end that nobody has given a time, in milliseconds (ours): long after the
/// end of any outage that one goes home for.
const FORGOTTEN_MS: u64 = 7 * 86_400_000;

/// Looks for as long as the executor is used.
pub(super) async fn again_and_again(executor: Weak<ClusterExecutor>) {
    loop {
        tokio::time::sleep(TIDY).await;
        let Some(executor) = executor.upgrade() else {
            return;
        };
        executor.tidy().await;
    }
}

impl ClusterExecutor {
    /// Removes what nobody needs any more.
    async fn tidy(&self) {
        let now = self.parts.clock.now();
        for place in self.parts.clusters.all() {
            let tidied = async {
                if !place.view().health.is_current() {
                    return Ok(());
                }
                let writer = Writer::new(place)?;
                for run in place.ended_for(FORGOTTEN_MS) {
                    writer.keep_for(&run, KEPT_WHEN_DONE).await?;
                }
                for (name, run, age) in writer.anchors(now.0).await? {
                    let orphan = age > ORPHAN_AGE_S && place.jobs_of(&run).is_empty();
                    if orphan && job_of(&run).is_some() {
                        writer.drop_anchor(&name).await?;
                    }
                }
                Ok(())
            };
            if let Err(Refusal::Later(reason)) = tidied.await {
                tracing::warn!(
                    reason,
                    "what is no longer needed on the cluster stays for now"
                );
            }
        }
    }
}
