//! The objects of a search: an anchor that owns them, and the Job or Jobs that search.
//!
//! Owns every field of them, and nothing else: what is made here depends on the row and the settings alone, so
//! that making them again gives the same. No shell; arguments are arrays, and none of them is a person's text.

use std::collections::BTreeSet;

use elb_core::{
    cluster::{BLAST_CONTAINER, CopyState, CopyView, STAGE_CONTAINER, run_of, shard_name},
    database::Shard,
    hits::TABULAR_FIELDS,
    job::Job,
    search::{self, place},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    super::objects::{DATABASES_VOLUME, RUN_LABEL},
    pods::{NodeDatabases, PodSettings},
};
use crate::objects::RunObjects;

/// Who has made an object.
pub(super) const MANAGER: &str = "elb-dashboard";
/// The label that tells who has made an object.
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The annotation with the digest of what was asked for.
pub(super) const DIGEST: &str = "elb-dashboard/spec-sha256";
/// Where databases are in a pod.
pub const DATABASES: &str = "/blast/db";
/// Where a pod keeps files of its own.
const WORK: &str = "/work";
/// Whom the pods run as, unless they must be root: a number that belongs to nobody (distroless' nonroot).
const USER: u32 = 65_532;
/// How often a batch is tried again after an error that may pass (ELASTICBLAST §4.4).
const TRIES_AGAIN: u32 = 2;
/// How long a pod has to end by itself, in seconds: BLAST+ ends at once.
const GRACE: u32 = 15;
/// The label of pods that need the same shard of a database on their node.
const COPY_LABEL: &str = "elb-dashboard/copy";
/// The longest short name of a database within a Job's name: with the longest program, the digest and a
/// batch's number it fits the 63 characters of a host name.
const MAX_SHORT_NAME: usize = 23;
/// How much a pod may write beside the database.
const WORK_SIZE: &str = "20Gi";

/// How batches become Jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One Indexed Job.
    Indexed,
    /// A Job for each batch, for servers that know no other or not all of what is asked of it.
    PerBatch,
}

/// An attempt of a search, as it is to be on the cluster.
pub(super) struct Template<'a> {
    pub job: &'a Job,
    pub pods: &'a PodSettings,
    pub run: &'a RunObjects,
    pub batches: u32,
    /// The parts of the database that are searched one by one; empty if it is searched whole.
    pub shards: &'a [Shard],
    /// Copies of databases that nodes are known to have: pods of a shard are best placed there.
    pub copies: &'a [CopyView],
}

/// What one Job is to do.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// A part of the database, with its number.
    shard: Option<(usize, Shard)>,
    /// One batch; otherwise all of them.
    batch: Option<u32>,
}

impl Template<'_> {
    /// The search's id on the cluster.
    pub fn id(&self) -> String {
        run_of(&self.job.id, self.job.attempt)
    }

    fn digest(&self) -> String {
        short_digest(&self.id())
    }

    /// The name of the anchor.
    pub fn anchor_name(&self) -> String {
        anchor_name(&self.id())
    }

    /// The name of an Indexed Job, and what those of single batches begin with.
    fn job_name(&self, shard: Option<(usize, Shard)>) -> String {
        let program = self.job.spec.program.as_str();
        let searched = match shard {
            Some((number, _)) => shard_name(number),
            None => short_name(&self.job.spec.database),
        };
        format!("{program}-batch-{searched}-job-{}", self.digest())
    }

    /// What each of its Jobs is to do.
    fn shares(&self, shape: Shape) -> impl Iterator<Item = Share> {
        let whole = self.shards.is_empty().then_some(None);
        let shards = self
            .shards
            .iter()
            .copied()
            .enumerate()
            .map(Some)
            .chain(whole);
        let batches = match shape {
            Shape::Indexed => vec![None],
            Shape::PerBatch => (0..self.batches).map(Some).collect(),
        };
        shards.flat_map(move |shard| {
            let batches = batches.clone().into_iter();
            batches.map(move |batch| Share { shard, batch })
        })
    }

    fn name_of(&self, share: Share) -> String {
        let name = self.job_name(share.shard);
        share
            .batch
            .map_or_else(|| name.clone(), |batch| of_batch(&name, batch))
    }

    /// The names of its Jobs.
    pub fn job_names(&self, shape: Shape) -> Vec<String> {
        self.shares(shape)
            .map(|share| self.name_of(share))
            .collect()
    }

    fn labels(&self) -> Value {
        json!({
            "app": "blast",
            RUN_LABEL: self.id(),
            "db": short_name(&self.job.spec.database),
            MANAGED_BY: MANAGER,
            "app.kubernetes.io/part-of": MANAGER,
            "elb-dashboard/job": self.job.id,
        })
    }

    /// Where its results go, for people and for whoever reads Jobs.
    pub fn results(&self) -> String {
        format!("{}/{}", self.pods.objects, self.run.folder())
    }

    /// The object that owns the others: with it they go.
    pub fn anchor(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": self.anchor_name(), "labels": self.labels() },
            "data": {
                "job": self.job.id,
                "attempt": self.job.attempt.to_string(),
                "title": self.job.title,
                "results": self.results(),
            },
        })
    }

    /// The Jobs, held back. `owner` is the anchor's uid.
    pub fn jobs(&self, shape: Shape, owner: &str) -> Vec<Value> {
        let shares = self.shares(shape);
        shares.map(|share| self.of_job(share, owner)).collect()
    }

    fn of_job(&self, share: Share, owner: &str) -> Value {
        let batch = share.batch;
        let mut labels = self.labels();
        merge(&mut labels, shard_label(share));
        let mut spec = json!({
            "suspend": true,
            "activeDeadlineSeconds": self.pods.deadline_s,
            "template": self.pod(share),
        });
        let indexed = json!({
            "completionMode": "Indexed",
            "completions": self.batches,
            "parallelism": self.batches.min(self.pods.parallel).max(1),
            "backoffLimitPerIndex": TRIES_AGAIN,
            // Half of a result is of no use to anybody: it ends with the first batch that is given up.
            "maxFailedIndexes": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": failures(),
        });
        let single = json!({ "completions": 1, "parallelism": 1, "backoffLimit": TRIES_AGAIN });
        merge(&mut spec, if batch.is_none() { indexed } else { single });
        // Where pods are best placed is another thing each time, and no other search.
        let mut same = spec.clone();
        if let Some(pod) = same
            .pointer_mut("/template/spec")
            .and_then(Value::as_object_mut)
        {
            pod.remove("affinity");
        }
        let what = json!([&same, &labels]).to_string();
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": self.name_of(share),
                "labels": labels,
                "annotations": {
                    DIGEST: hex(&Sha256::digest(what.as_bytes())),
                    "elb-dashboard/program": self.job.spec.program.as_str(),
                    "elb-dashboard/db": self.job.spec.database,
                    "elb-dashboard/batches": self.batches.to_string(),
                    "elb-dashboard/results": self.results(),
                },
                "ownerReferences": [{
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "name": self.anchor_name(),
                    "uid": owner,
                }],
            },
            "spec": spec,
        })
    }

    fn pod(&self, share: Share) -> Value {
        let mut labels = self.labels();
        merge(&mut labels, identity_label(self.pods));
        merge(&mut labels, shard_label(share));
        let mut spec = pod_spec(self.pods);
        merge(
            &mut spec,
            json!({
                "initContainers": [self.container(STAGE_CONTAINER, &["elb-runner", "stage"], share, false)],
                "containers": [self.searching(share)],
                "volumes": [
                    databases(self.pods),
                    { "name": "work", "emptyDir": { "sizeLimit": WORK_SIZE } },
                ],
            }),
        );
        if let Some((key, value)) = &self.pods.nodes {
            merge(&mut spec, json!({ "nodeSelector": { key: value } }));
        }
        if let Some((_, shard)) = share.shard {
            merge(&mut labels, json!({ COPY_LABEL: self.copy(shard) }));
            merge(&mut spec, json!({ "affinity": self.affinity(shard) }));
        }
        json!({ "metadata": { "labels": labels }, "spec": spec })
    }

    /// The copy of a shard on a node, as the value of a label.
    fn copy(&self, shard: Shard) -> String {
        let version = shard.of_version(&self.job.database.version);
        short_digest(&format!("{} {version}", self.job.spec.database))
    }

    /// Where pods of a shard are best placed: on nodes that are known to have it, else where others of the same shard
    /// are, which bring it there, and apart from those of other shards, which need the room.
    fn affinity(&self, shard: Shard) -> Value {
        let copy = self.copy(shard);
        let beside = |weight: u32, operator: &str| {
            let these = json!([
                { "key": COPY_LABEL, "operator": operator, "values": [&copy] },
                { "key": COPY_LABEL, "operator": "Exists" },
            ]);
            json!({ "preferredDuringSchedulingIgnoredDuringExecution": [{
                "weight": weight,
                "podAffinityTerm": {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": { "matchExpressions": these },
                },
            }] })
        };
        let mut affinity = json!({
            "podAffinity": beside(80, "In"),
            "podAntiAffinity": beside(40, "NotIn"),
        });
        let version = shard.of_version(&self.job.database.version);
        let has = |known: &&CopyView| {
            known.database == self.job.spec.database
                && known.version == version
                && known.state == CopyState::Ready
        };
        let nodes = self
            .copies
            .iter()
            .filter(has)
            .map(|known| known.node.as_str());
        let nodes: BTreeSet<&str> = nodes.collect();
        if !nodes.is_empty() {
            let terms = nodes.into_iter().map(|node| {
                let named = json!([{ "key": "metadata.name", "operator": "In", "values": [node] }]);
                json!({ "weight": 100, "preference": { "matchFields": named } })
            });
            let terms: Vec<Value> = terms.collect();
            merge(
                &mut affinity,
                json!({ "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": terms } }),
            );
        }
        affinity
    }

    fn searching(&self, share: Share) -> Value {
        let command = ["elb-runner", "run"];
        let mut container = self.container(BLAST_CONTAINER, &command, share, true);
        let mut args = vec!["--".to_owned()];
        args.extend(command_of(self.job));
        args.push("--then".to_owned());
        args.extend(formatter_of(self.job));
        let args: Vec<String> = args.iter().map(|word| literal(word)).collect();
        merge(&mut container, json!({ "args": args }));
        container
    }

    /// A container of the runner. `reads_only`: it has no business with the node's copies but to read them.
    fn container(&self, name: &str, command: &[&str], share: Share, reads_only: bool) -> Value {
        let resources = json!({ "cpu": self.pods.cpu, "memory": self.pods.memory });
        let on_node = matches!(self.pods.databases, NodeDatabases::Folder(_));
        json!({
            "name": name,
            "image": self.pods.image,
            "command": command,
            "env": self.environment(share),
            "resources": { "requests": resources, "limits": { "memory": self.pods.memory } },
            "securityContext": security(on_node && !reads_only),
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [
                { "name": DATABASES_VOLUME, "mountPath": DATABASES, "readOnly": on_node && reads_only },
                { "name": "work", "mountPath": WORK },
            ],
        })
    }

    fn environment(&self, share: Share) -> Vec<Value> {
        let (job, pods) = (self.job, self.pods);
        let shard = share.shard.map(|(_, shard)| shard);
        let version = &job.database.version;
        let run = self.run.of_shard(shard);
        let results = self.results();
        let at = |name: &str| format!("{results}/{name}");
        let options = search::display_command(&command_of(job));
        let mut told = vec![
            ("BLAST_ELB_JOB_ID", self.id()),
            ("BLAST_USAGE_REPORT", "false".to_owned()),
            ("ELB_BLAST_PROGRAM", job.spec.program.as_str().to_owned()),
            ("ELB_BLAST_OPTIONS", options),
            ("ELB_DB", job.spec.database.clone()),
            (
                "ELB_DB_VERSION",
                shard.map_or_else(|| version.clone(), |shard| shard.of_version(version)),
            ),
            ("ELB_DB_ROOT", DATABASES.to_owned()),
            (
                "ELB_DB_SOURCE",
                format!("{}/{}", pods.source, job.spec.database),
            ),
            ("ELB_RESULTS", results.clone()),
            ("ELB_QUERY", at(RunObjects::query_name())),
            ("ELB_BATCH_RESULTS", at(&run.results_name())),
            ("ELB_WORK_DIR", WORK.to_owned()),
            ("TMPDIR", WORK.to_owned()),
        ];
        told.extend(access(pods));
        if shard.is_some() {
            // What the E-values of a shard are computed with is the whole.
            told.push(("ELB_DB_SEQUENCES", job.database.sequences.to_string()));
            told.push(("ELB_DB_LETTERS", job.database.letters.to_string()));
        }
        if let Some(batch) = share.batch {
            // Where the controller numbers pods, it sets the first of them itself.
            told.push(("JOB_COMPLETION_INDEX", batch.to_string()));
            told.push(("JOB_NUM", format!("{batch:03}")));
        }
        variables(told)
    }
}

/// What every pod has, whatever it is for.
pub(super) fn pod_spec(pods: &PodSettings) -> Value {
    let mut spec = json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "terminationGracePeriodSeconds": GRACE,
        "enableServiceLinks": false,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
    });
    if let Some(account) = &pods.account {
        merge(&mut spec, json!({ "serviceAccountName": account }));
    }
    if let Some((key, value)) = &pods.nodes {
        let toleration = json!({ "key": key, "operator": "Equal", "value": value });
        merge(&mut spec, json!({ "tolerations": [toleration] }));
    }
    spec
}

/// The label that the webhook of workload identity looks for, if there is one.
pub(super) fn identity_label(pods: &PodSettings) -> Value {
    match &pods.account {
        Some(_) => json!({ "azure.workload.identity/use": "true" }),
        None => json!({}),
    }
}

/// The volume with the databases.
pub(super) fn databases(pods: &PodSettings) -> Value {
    match &pods.databases {
        NodeDatabases::Folder(folder) => json!({
            "name": DATABASES_VOLUME,
            "hostPath": { "path": folder, "type": "DirectoryOrCreate" },
        }),
        NodeDatabases::Pod => json!({ "name": DATABASES_VOLUME, "emptyDir": {} }),
    }
}

/// What a container may do. `writes_node`: a folder of the node is root's; no capability is needed to write
/// there.
pub(super) fn security(writes_node: bool) -> Value {
    let mut security = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": { "drop": ["ALL"] },
    });
    if writes_node {
        merge(
            &mut security,
            json!({ "runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false }),
        );
    }
    security
}

/// How the stores are reached, if not in the usual way.
pub(super) fn access(pods: &PodSettings) -> impl Iterator<Item = (&'static str, String)> {
    let endpoint = pods.endpoint.clone();
    let endpoint = endpoint.map(|url| ("ELB_AZURE_BLOB_ENDPOINT", url));
    let key = pods.key.clone().map(|key| ("ELB_AZURE_KEY", key));
    endpoint.into_iter().chain(key)
}

/// Variables of a container.
pub(super) fn variables(told: Vec<(&'static str, String)>) -> Vec<Value> {
    let variables = told.into_iter();
    variables
        .map(|(name, value)| json!({ "name": name, "value": literal(&value) }))
        .collect()
}

/// The command of a batch, with places for what differs.
pub(super) fn command_of(job: &Job) -> Vec<String> {
    let paths = search::RunPaths {
        database: place::DATABASE,
        query: place::QUERY,
        out: place::OUT,
    };
    search::argv(&job.spec, &paths)
}

/// The command that makes the table of hits of the archive.
fn formatter_of(job: &Job) -> Vec<String> {
    let mut words: Vec<String> = [
        "blast_formatter",
        "-archive",
        place::OUT,
        "-out",
        place::TABLE,
    ]
    .map(str::to_owned)
    .into();
    words.extend(["-outfmt".to_owned(), format!("6 {TABULAR_FIELDS}")]);
    if let Some(most) = job.spec.options.max_target_seqs {
        words.extend(["-max_target_seqs".to_owned(), most.to_string()]);
    }
    words
}

/// What ends a search at once, what counts, and what does not (ELASTICBLAST §4.5).
fn failures() -> Value {
    let blast = |codes: &[i32]| json!({ "containerName": BLAST_CONTAINER, "operator": "In", "values": codes });
    json!({
        "rules": [
            {
                "action": "Ignore",
                "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }],
            },
            { "action": "FailJob", "onExitCodes": blast(&[2, 78]) },
            {
                "action": "FailJob",
                "onExitCodes": { "containerName": STAGE_CONTAINER, "operator": "In", "values": [78] },
            },
            { "action": "FailIndex", "onExitCodes": blast(&[1, 4, 137, 255]) },
            { "action": "Count", "onExitCodes": { "operator": "In", "values": [3, 75, 76, 134, 139, 143] } },
        ],
    })
}

/// The label with a shard's number (ELASTICBLAST §4.4).
fn shard_label(share: Share) -> Value {
    match share.shard {
        Some((number, _)) => json!({ "shard": number.to_string() }),
        None => json!({}),
    }
}

fn of_batch(name: &str, batch: u32) -> String {
    format!("{name}-{batch:05}")
}

/// Kubernetes puts variables in for `$(NAME)`; two dollars stand for one.
fn literal(text: &str) -> String {
    text.replace("$(", "$$(")
}

/// Puts the fields of `more` into `object`.
pub(super) fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

/// A database's name as part of other names: small letters, digits and dashes between them.
pub(super) fn short_name(database: &str) -> String {
    let plain: String = database
        .to_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let plain = plain.trim_matches('-');
    if !plain.is_empty() && plain.len() <= MAX_SHORT_NAME {
        return plain.to_owned();
    }
    let digest: String = short_digest(database).chars().take(6).collect();
    let kept: String = plain.chars().take(MAX_SHORT_NAME - 7).collect();
    format!("{}-{digest}", kept.trim_matches('-'))
        .trim_matches('-')
        .to_owned()
}

/// The name of the anchor of a run, by the run's id on the cluster.
pub(super) fn anchor_name(run: &str) -> String {
    format!("elbr-{}", short_digest(run))
}

/// Twelve hexadecimal digits.
pub(super) fn short_digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
        .chars()
        .take(12)
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
