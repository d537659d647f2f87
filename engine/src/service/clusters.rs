//! What is seen of the clusters, for those who look at all of them.

use elb_core::{
    cluster::{PlaceView, job_of},
    phase::Status,
};
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
    ///
    /// How a search of this program has ended is said by its row: the cluster does not know whether its results
    /// were brought here.
    #[must_use]
    pub fn places(&self) -> Vec<PlaceView> {
        let clusters = self.inner.lifecycle.clusters();
        let mut places = clusters.map_or_else(Vec::new, |clusters| clusters.places());
        let model = self.inner.jobs.model();
        for run in places.iter_mut().flat_map(|place| &mut place.runs) {
            let own = job_of(&run.id);
            let row = own.and_then(|(job, of)| Some((model.phase_and_attempt(job)?, of)));
            if let Some(((phase, attempt), of)) = row
                && attempt == of
                && !phase.is_active()
            {
                run.phase = phase;
                run.reason = run
                    .reason
                    .take()
                    .filter(|_| phase.status() == Status::Failed);
            }
        }
        places
    }

    /// Goes up whenever [`Self::places`] has something else to say; `None` without clusters.
    #[must_use]
    pub fn places_revision(&self) -> Option<watch::Receiver<u64>> {
        let clusters = self.inner.lifecycle.clusters();
        clusters.map(|clusters| clusters.revision())
    }
}
