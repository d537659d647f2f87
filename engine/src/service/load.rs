//! What the engine has in hand at this moment, for those who watch over it.
//!
//! Counts only, from memory: no store is asked, and nothing says whose a search is.

use elb_core::{list::Totals, phase::Phase};

use super::JobService;
use crate::{
    breaker::BreakerReport, cache::CacheReport, databases::blob::BlobDatabases, jobs::Freshness,
};

/// Counts of one moment.
#[derive(Debug, Clone)]
pub struct Load {
    /// Listed searches of everyone, by status.
    pub totals: Totals,
    /// Searches that are not at their end, by phase; every active phase has its line.
    pub phases: Vec<(Phase, u64)>,
    /// Revision of the list.
    pub revision: u64,
    /// Who follows the list's changes.
    pub readers: usize,
    /// How old the list may be.
    pub fresh: Freshness,
    /// How old it may be, in milliseconds.
    pub age_ms: u64,
    /// Stored searches that cannot be read.
    pub unreadable: usize,
    /// What can be away.
    pub breakers: Vec<BreakerReport>,
    /// What is kept of what others said.
    pub caches: Vec<CacheReport>,
}

impl JobService {
    /// What is in hand at this moment.
    #[must_use]
    pub fn load(&self) -> Load {
        let model = self.inner.jobs.model();
        let fresh = self.freshness();
        Load {
            totals: model.totals(),
            phases: model.phases(),
            revision: model.revision(),
            readers: model.readers(),
            age_ms: self.now().since(fresh.as_of),
            fresh,
            unreadable: self.unreadable_jobs(),
            breakers: self
                .breakers()
                .into_iter()
                .chain(self.external_report())
                .collect(),
            caches: self.caches(),
        }
    }
    fn caches(&self) -> Vec<CacheReport> {
        let inner = &self.inner;
        let databases = inner.catalogue.blob().map(BlobDatabases::caches);
        let plane = inner.lifecycle.external().map(|plane| plane.caches());
        let databases = databases.into_iter().flatten();
        let plane = plane.into_iter().flatten();
        databases
            .chain(plane)
            .chain([inner.found.cache()])
            .collect()
    }
}
