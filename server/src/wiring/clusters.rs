//! Watching the clusters of the settings, and looking for the results of searches there.

use std::sync::Arc;

use elb_engine::clusters::{Clusters, ResultsPlaces};

use super::objects::Connections;
use crate::settings::Settings;

/// What is seen of the clusters, if the settings name any. Waits for none of them.
#[cfg(feature = "kubernetes")]
pub(super) fn watched(settings: &Settings) -> Option<Arc<dyn Clusters>> {
    use elb_engine::{
        clock::{Clock, SystemClock, chance},
        kubernetes::ClusterSnapshot,
    };

    if settings.clusters.is_empty() {
        return None;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let snapshot = ClusterSnapshot::start(&settings.clusters, &clock, chance);
    Some(snapshot)
}

/// Without the feature the settings refuse to name any.
#[cfg(not(feature = "kubernetes"))]
pub(super) fn watched(_settings: &Settings) -> Option<Arc<dyn Clusters>> {
    None
}

/// Where results of searches that others have started are looked for; nothing is asked yet.
#[cfg(feature = "azure")]
pub(super) fn results_places(
    settings: &Settings,
    connections: &Connections,
) -> Option<ResultsPlaces> {
    use elb_engine::{
        clock::SystemClock,
        objects::blobs::{BlobAccess, to_read},
    };

    use crate::settings::{AzureAuth, BlobFolder};
    if settings.clusters.is_empty() {
        return None;
    }
    let azure = settings.azure.clone();
    let clock = Arc::new(SystemClock);
    let client = connections.results_client();
    Some(ResultsPlaces::new(Box::new(move |place| {
        let folder = BlobFolder {
            endpoint: place.endpoint.clone(),
            account: place.account.clone(),
            container: place.container.clone(),
            prefix: place.folder.clone(),
        };
        let access = azure.access_to_databases(&folder);
        let access = match access.map_err(|error| error.to_string())? {
            AzureAuth::Key(key) => BlobAccess::Key(key),
            AzureAuth::Identity(name) => {
                let credential = super::store::credential(&name, clock.clone());
                BlobAccess::Identity(credential.map_err(|error| error.to_string())?)
            }
        };
        let store = to_read(
            &folder.account,
            &folder.container,
            &folder.endpoint,
            &access,
            &client,
        );
        store.map_err(|error| error.to_string())
    })))
}

/// Without Azure there is no place that could be looked at.
#[cfg(not(feature = "azure"))]
pub(super) const fn results_places(
    _settings: &Settings,
    _connections: &Connections,
) -> Option<ResultsPlaces> {
    None
}
