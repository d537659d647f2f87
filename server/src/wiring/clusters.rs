//! Watching the clusters of the settings, and looking for the results of searches there.

use std::sync::Arc;

use elb_engine::{
    clusters::{Clusters, ResultsPlaces},
    databases::Catalogue,
    executor::{Executor, local::LocalExecutor},
    joblog::JobLogs,
    objects::Objects,
};

use super::{StartError, objects::Connections};
use crate::settings::Settings;

/// What runs searches, and what is seen of clusters, if the settings name any.
pub(super) struct Running {
    pub executor: Arc<dyn Executor>,
    pub clusters: Option<Arc<dyn Clusters>>,
}

/// What the executor needs of the rest.
pub(super) struct Parts {
    pub local: LocalExecutor,
    pub catalogue: Arc<Catalogue>,
    pub objects: Objects,
    pub logs: JobLogs,
}

/// Begins to watch the clusters, and takes the executor of the settings. Waits for no cluster.
///
/// # Errors
/// What pods could not be made with.
#[cfg(feature = "kubernetes")]
pub(super) fn running(settings: &Settings, parts: Parts) -> Result<Running, StartError> {
    use elb_engine::{
        clock::{Clock, SystemClock, chance},
        kubernetes::{
            ClusterSnapshot,
            executor::{ClusterExecutor, ClusterParts, NodeDatabases, PodSettings},
        },
    };

    use crate::settings::ExecutorKind;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let watched = (!settings.clusters.is_empty())
        .then(|| ClusterSnapshot::start(&settings.clusters, &clock, chance));
    let ExecutorKind::Kubernetes(pods) = &settings.executor else {
        return Ok(Running {
            executor: Arc::new(parts.local),
            clusters: watched.map(|watched| watched as Arc<dyn Clusters>),
        });
    };
    let pods = (**pods).clone();
    let at_once = pods.at_once;
    let pods = PodSettings {
        image: pods.image,
        cpu: pods.cpu,
        memory: pods.memory,
        parallel: u32::try_from(pods.parallel).unwrap_or(u32::MAX),
        nodes: pods.nodes,
        account: pods.account,
        databases: pods
            .databases
            .map_or(NodeDatabases::Pod, NodeDatabases::Folder),
        shard_bytes: pods.shard_bytes,
        job_per_batch: pods.job_per_batch,
        endpoint: pods.endpoint,
        key: pods.key.map(|key| key.0),
        source: pods.source,
        objects: pods.objects,
        deadline_s: settings.wall_time.as_secs().max(1),
    };
    let clusters = watched.ok_or_else(|| StartError::Pods("there is no cluster".to_owned()))?;
    let executor = ClusterExecutor::start(ClusterParts {
        local: parts.local,
        clusters: Arc::clone(&clusters),
        pods,
        at_once,
        catalogue: parts.catalogue,
        objects: parts.objects,
        logs: parts.logs,
        clock,
    });
    Ok(Running {
        executor: executor.map_err(StartError::Pods)?,
        clusters: Some(clusters),
    })
}

/// Without the feature the settings refuse to name any.
#[cfg(not(feature = "kubernetes"))]
pub(super) fn running(_settings: &Settings, parts: Parts) -> Result<Running, StartError> {
    drop((parts.catalogue, parts.objects, parts.logs));
    Ok(Running {
        executor: Arc::new(parts.local),
        clusters: None,
    })
}

/// Where databases are in the pods of searches, if searches run in pods.
#[cfg(feature = "kubernetes")]
pub(super) fn databases_in_pods(settings: &Settings) -> Option<&'static std::path::Path> {
    use elb_engine::kubernetes::executor::DATABASES_IN_PODS;

    let elsewhere = settings.executor != crate::settings::ExecutorKind::Local;
    elsewhere.then(|| std::path::Path::new(DATABASES_IN_PODS))
}

/// Without the feature they run here.
#[cfg(not(feature = "kubernetes"))]
pub(super) const fn databases_in_pods(_settings: &Settings) -> Option<&'static std::path::Path> {
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
