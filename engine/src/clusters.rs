//! The port to clusters: what is seen of them, without asking anybody.
//!
//! Owns the contract: every answer comes from memory, also when a cluster is away, and says how old it is.
//! Whoever watches them stands behind it.

use std::path::PathBuf;

use async_trait::async_trait;
use elb_core::{
    cluster::{Moments, PlaceView, ResultsSeen, Verdict},
    job::Found,
    time::Timestamp,
};
use tokio::sync::watch;

mod logs;
mod results;

pub use logs::{ContainerRun, LogPart, LogPieces, PodLogError, PodLogs, RunState};
pub(crate) use results::unpacked;
pub use results::{Arrangement, BlobPlace, Listing, Open, ResultFile, ResultsPlaces};

/// Where a cluster is, as the settings name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClusterAddress {
    /// A context of the kubeconfig; `None` is the cluster that this program itself runs in.
    pub context: Option<String>,
    /// The namespace; `None` is the context's own, or `default`.
    pub namespace: Option<String>,
    /// The kubeconfig; `None` looks where `kubectl` does: `KUBECONFIG`, then `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
}

/// The name of the cluster that this program itself runs in, where others have that of their context.
pub const IN_CLUSTER: &str = "in-cluster";

impl ClusterAddress {
    /// The cluster's name on pages and in the API.
    #[must_use]
    pub fn name(&self) -> &str {
        self.context.as_deref().unwrap_or(IN_CLUSTER)
    }
}

/// The state of a search, and when it came to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Its state.
    pub verdict: Verdict,
    /// The times that its objects bear.
    pub moments: Moments,
}

/// Clusters, as they are seen now.
#[async_trait]
pub trait Clusters: Send + Sync {
    /// Each namespace that is watched, in the order of the settings, with its searches.
    fn places(&self) -> Vec<PlaceView>;
    /// Goes up whenever [`Self::places`] has something else to say.
    fn revision(&self) -> watch::Receiver<u64>;
    /// Something else than the clusters has changed what readers of [`Self::places`] are shown: that a search
    /// of this program has ended.
    fn touch(&self) {}
    /// The state of a search that is known since then, by its id on the cluster and by what lies in the place
    /// of its results; `None` while that cluster is not seen as it is now.
    fn see(
        &self,
        place: &Found,
        run: &str,
        since: Timestamp,
        results: &ResultsSeen,
    ) -> Option<Sight>;
    /// Why that cluster is not seen as it is, in words; `None` while it is, and while nothing was heard of it yet.
    fn unseen(&self, place: &Found) -> Option<String>;
    /// Ends a search: removes its Jobs, and returns once neither they nor any of its pods are there.
    ///
    /// # Errors
    /// Why something is still there; it can be asked again.
    async fn cancel(&self, place: &Found, run: &str) -> Result<(), String>;
    /// The logs of containers, where they can be read.
    fn pod_logs(&self) -> Option<&dyn PodLogs> {
        None
    }
}
