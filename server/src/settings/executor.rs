//! Where searches run, as settings; and how their pods are made, if that is on clusters.
//!
//! Owns what must be set together: pods read and write an object store, so that folders of this machine are of
//! no use to them.

use clap::Args;
use elb_engine::clusters::ClusterAddress;

use super::{
    AzureAuth, AzureSettings, BlobFolder, ObjectsAddress, SettingsError,
    sources::{Chosen, Sources},
    value,
};

/// Settings of the pods of searches.
#[derive(Debug, Args)]
pub(super) struct PodFlags {
    /// Image of the pods of searches, with BLAST+ and elb-runner [default: none].
    #[arg(long, env = "ELB_RUNNER_IMAGE", value_name = "IMAGE")]
    runner_image: Option<String>,
    /// Processors of a pod, as Kubernetes writes them [default: 1].
    #[arg(long, env = "ELB_POD_CPU", value_name = "AMOUNT")]
    pod_cpu: Option<String>,
    /// Memory of a pod, as Kubernetes writes it [default: 4Gi].
    #[arg(long, env = "ELB_POD_MEMORY", value_name = "AMOUNT")]
    pod_memory: Option<String>,
    /// Jobs of a search: auto for one that has all its batches where the cluster can, per-batch for one each, as the
    /// ElasticBLAST command line makes them [default: auto].
    #[arg(long, env = "ELB_POD_JOBS", value_name = "HOW")]
    pod_jobs: Option<String>,
    /// Pods of a search at once [default: 10].
    #[arg(long, env = "ELB_POD_PARALLEL", value_name = "NUMBER")]
    pod_parallel: Option<String>,
    /// Label that the nodes of searches have, KEY=VALUE; a taint of the same name is tolerated
    /// [default: any node].
    #[arg(long, env = "ELB_POD_NODES", value_name = "LABEL")]
    pod_nodes: Option<String>,
    /// Service account of the pods, with workload identity for the object store [default: the namespace's
    /// own, and the identity of the nodes].
    #[arg(long, env = "ELB_POD_ACCOUNT", value_name = "NAME")]
    pod_account: Option<String>,
    /// Folder of the nodes in which databases are kept, or pod to bring them anew for each pod
    /// [default: /workspace/blast].
    #[arg(long, env = "ELB_POD_DATABASES", value_name = "FOLDER")]
    pod_databases: Option<String>,
    /// The most of a database that one pod searches: a larger one is searched in shards of its volumes, each on
    /// nodes of its own where there are enough [default: none, every database is searched whole].
    #[arg(long, env = "ELB_POD_SHARD", value_name = "SIZE")]
    pod_shard: Option<String>,
    /// Where pods ask Azure Blob Storage, if they reach it by another address than this server
    /// [default: as this server].
    #[arg(long, env = "ELB_POD_BLOB_ENDPOINT", value_name = "URL")]
    pod_blob_endpoint: Option<String>,
    /// Whether a submission clears earlier attempts away, makes its anchor and stores its query all at once
    /// [default: true].
    #[arg(long, env = "ELB_PARALLEL_WARM_REUSE", value_name = "YES/NO")]
    parallel_warm_reuse: Option<String>,
}

/// How the pods of searches are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSettings {
    /// The image.
    pub image: String,
    /// Processors of a pod.
    pub cpu: String,
    /// Memory of a pod.
    pub memory: String,
    /// Whether each batch gets a Job of its own.
    pub job_per_batch: bool,
    /// Pods of a search at once.
    pub parallel: usize,
    /// Label of the nodes.
    pub nodes: Option<(String, String)>,
    /// Service account.
    pub account: Option<String>,
    /// Folder of the nodes for databases; `None` is the pod itself.
    pub databases: Option<String>,
    /// The most bytes of a database that a pod searches.
    pub shard_bytes: Option<u64>,
    /// Where pods ask the store, if it is not the usual place.
    pub endpoint: Option<String>,
    /// An emulator's key.
    pub key: Option<EmulatorKey>,
    /// Address of the databases.
    pub source: String,
    /// Address of the objects.
    pub objects: String,
    /// Whether the preparations of a submission are made at once.
    pub at_once: bool,
}

/// A key that is no secret, and is not printed all the same.
#[derive(Clone, PartialEq, Eq)]
pub struct EmulatorKey(pub String);

impl std::fmt::Debug for EmulatorKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("…")
    }
}

/// Where searches run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutorKind {
    /// On this machine.
    Local,
    /// On the clusters that are watched.
    Kubernetes(Box<PodSettings>),
}

/// What the pods depend on beside their own settings.
pub(super) struct Surroundings<'a> {
    pub clusters: &'a [ClusterAddress],
    pub objects: &'a ObjectsAddress,
    pub databases: Option<&'a BlobFolder>,
    pub azure: &'a AzureSettings,
}

impl Surroundings<'_> {
    pub fn read(
        &self,
        executor: &Chosen,
        flags: PodFlags,
        sources: &mut Sources,
    ) -> Result<ExecutorKind, SettingsError> {
        let image = sources.take("runner_image", flags.runner_image, "");
        let cpu = sources.take("pod_cpu", flags.pod_cpu, "1");
        let memory = sources.take("pod_memory", flags.pod_memory, "4Gi");
        let parallel = sources.take("pod_parallel", flags.pod_parallel, "10");
        let jobs = sources.take("pod_jobs", flags.pod_jobs, "auto");
        let nodes = sources.take("pod_nodes", flags.pod_nodes, "");
        let account = sources.take("pod_account", flags.pod_account, "");
        let databases = sources.take("pod_databases", flags.pod_databases, "/workspace/blast");
        let shard = sources.take("pod_shard", flags.pod_shard, "none");
        let endpoint = sources.take("pod_blob_endpoint", flags.pod_blob_endpoint, "");
        let at_once = sources.take("parallel_warm_reuse", flags.parallel_warm_reuse, "true");
        let on_clusters = executor.read(|text| match text {
            "local" => Ok(false),
            "kubernetes" => Ok(true),
            _ => Err("must be local or kubernetes".to_owned()),
        })?;
        if !on_clusters {
            return Ok(ExecutorKind::Local);
        }
        let needs = |what: &str| {
            SettingsError::Dangerous(format!("executor is kubernetes, which needs {what}"))
        };
        if self.clusters.is_empty() {
            return Err(needs("a cluster: set ELB_CLUSTERS=CONTEXT#NAMESPACE"));
        }
        let ObjectsAddress::AzureBlobs {
            account: store,
            container,
            endpoint: ours,
        } = self.objects
        else {
            return Err(needs(
                "objects that pods reach: set ELB_OBJECTS=az://ACCOUNT/CONTAINER",
            ));
        };
        let Some(folder) = self.databases else {
            return Err(needs(
                "databases that pods reach: set ELB_DATABASES_BLOB=az://ACCOUNT/CONTAINER/FOLDER",
            ));
        };
        if image.text.is_empty() {
            return Err(needs(
                "an image with BLAST+ and elb-runner: set ELB_RUNNER_IMAGE",
            ));
        }
        if folder.account != *store {
            return Err(needs(
                "databases and objects in one storage account: pods sign for one",
            ));
        }
        let usual = format!("https://{store}.blob.core.windows.net");
        let told = Some(endpoint.text.clone()).filter(|text| !text.is_empty());
        let reached = told.unwrap_or_else(|| ours.clone());
        let key = match self.azure.access_to_objects(self.objects)? {
            AzureAuth::Identity(_) => None,
            AzureAuth::Key(key) if self.objects.is_emulator() => Some(EmulatorKey(key)),
            AzureAuth::Key(_) => {
                return Err(needs(
                    "an identity: the key of a storage account is not given to pods. Set ELB_AZURE_AUTH=auto",
                ));
            }
        };
        if key.is_none() && !reached.starts_with("https://") {
            return Err(needs(
                "pod_blob_endpoint to begin with https://: tokens are sent over nothing else",
            ));
        }
        let source = folder.url();
        let pods = PodSettings {
            image: image.text.clone(),
            cpu: cpu.text.clone(),
            memory: memory.text.clone(),
            job_per_batch: jobs.read(|text| match text {
                "auto" => Ok(false),
                "per-batch" => Ok(true),
                _ => Err("must be auto or per-batch".to_owned()),
            })?,
            parallel: parallel.read(value::count)?,
            nodes: nodes.read(label)?,
            account: Some(account.text.clone()).filter(|text| !text.is_empty()),
            databases: Some(databases.text.clone()).filter(|text| text != "pod"),
            shard_bytes: shard.read(|text| match text {
                "none" => Ok(None),
                text => value::size(text).map(Some),
            })?,
            endpoint: Some(reached).filter(|reached| *reached != usual),
            key,
            source: source.trim_end_matches('/').to_owned(),
            objects: format!("az://{store}/{container}"),
            at_once: at_once.read(value::yes_no)?,
        };
        Ok(ExecutorKind::Kubernetes(Box::new(pods)))
    }
}

fn label(text: &str) -> Result<Option<(String, String)>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => {
            Ok(Some((key.to_owned(), value.to_owned())))
        }
        _ => Err("must be KEY=VALUE, a label that nodes have".to_owned()),
    }
}
