//! How pods are made: what an operator decides about them.

use elb_core::text;

use super::quantity;

/// Where the copies of databases are kept on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeDatabases {
    /// In this folder of the node, for the pods of all searches.
    Folder(String),
    /// In the pod itself, brought anew for each.
    Pod,
}

/// What an operator decides about the pods of searches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSettings {
    /// The image with BLAST+ and the runner.
    pub image: String,
    /// Processors of a pod, as Kubernetes writes them: `2`, `500m`.
    pub cpu: String,
    /// Memory of a pod, likewise: `4Gi`.
    pub memory: String,
    /// Whether each batch gets a Job of its own, as the ElasticBLAST command line makes them, also where the cluster
    /// could number the batches of one.
    pub job_per_batch: bool,
    /// Pods of a search at once.
    pub parallel: u32,
    /// A label that nodes must have, and whose taint is tolerated.
    pub nodes: Option<(String, String)>,
    /// The service account of the pods, which signs for the stores by workload identity.
    pub account: Option<String>,
    /// Where the copies of databases are kept.
    pub databases: NodeDatabases,
    /// The most bytes of a database that a pod searches; a larger one is searched in shards of its volumes.
    pub shard_bytes: Option<u64>,
    /// Where pods ask Azure Blob Storage, if that is not the usual place.
    pub endpoint: Option<String>,
    /// An emulator's key, which is no secret.
    pub key: Option<String>,
    /// Address of the databases' folder: `az://ACCOUNT/CONTAINER/FOLDER`.
    pub source: String,
    /// Address of the objects: `az://ACCOUNT/CONTAINER`.
    pub objects: String,
    /// How long a search may take, in seconds.
    pub deadline_s: u64,
}

impl PodSettings {
    /// Whether Kubernetes would take them.
    ///
    /// # Errors
    /// The first that makes no sense, as `NAME WHY`.
    pub fn check(&self) -> Result<(), String> {
        if self.image.is_empty() || self.image.contains(char::is_whitespace) {
            return Err("runner_image must name an image with BLAST+ and elb-runner".to_owned());
        }
        if quantity::milli(&self.cpu).is_none_or(|milli| milli == 0) {
            return Err(format!(
                "pod_cpu must be processors as Kubernetes writes them, such as 2 or 500m, not {}",
                self.cpu
            ));
        }
        if quantity::bytes(&self.memory).is_none_or(|bytes| bytes == 0) {
            return Err(format!(
                "pod_memory must be memory as Kubernetes writes it, such as 4Gi, not {}",
                self.memory
            ));
        }
        if let NodeDatabases::Folder(folder) = &self.databases
            && (!folder.starts_with('/') || folder.split('/').any(|part| part == ".."))
        {
            return Err(format!(
                "pod_databases must be a folder of the nodes, or pod, not {folder}"
            ));
        }
        Ok(())
    }

    /// What a pod needs, in words.
    pub(super) fn needs(&self) -> String {
        let memory = quantity::bytes(&self.memory).map_or_else(|| self.memory.clone(), text::bytes);
        format!("{} processors and {memory}", self.cpu)
    }
}
