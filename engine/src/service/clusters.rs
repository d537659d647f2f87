//! What is seen of the clusters, for those who look at all of them.

use elb_core::cluster::PlaceView;
use tokio::sync::watch;

use super::JobService;

impl JobService {
    /// Whether any cluster is watched.
    #[must_use]
    pub fn has_clusters(&self) -> bool {
        self.inner.lifecycle.clusters().is_some()
    }

    /// Each namespace that is watched, with its searches. From memory: no cluster is asked, and one that is
    /// away shows what was seen last, with its age and the reason.
    #[must_use]
    pub fn places(&self) -> Vec<PlaceView> {
        let clusters = self.inner.lifecycle.clusters();
        clusters.map_or_else(Vec::new, |clusters| clusters.places())
    }

    /// Goes up whenever [`Self::places`] has something else to say; `None` without clusters.
    #[must_use]
    pub fn places_revision(&self) -> Option<watch::Receiver<u64>> {
        let clusters = self.inner.lifecycle.clusters();
        clusters.map(|clusters| clusters.revision())
    }
}
