//! Copies of databases on nodes apart from any search: a Job for each node, which brings one or removes it.
//!
//! Owns these Jobs. They are the only record of what was asked for: whoever watches the cluster sees them, and
//! what became of them. A Job that has brought a copy stays as long as the copy is to; one that has removed it
//! goes by itself. Every Job has a deadline.

use std::collections::BTreeMap;

use async_trait::async_trait;
use elb_core::{
    cluster::{CopyState, CopyView, RELEASE_CONTAINER, STAGE_CONTAINER, Work},
    database::Shard,
    job::{Found, Job as Search},
};
use k8s_openapi::api::{batch::v1::Job, core::v1::Node};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    super::{
        objects::{COPIES_APP, DATABASES_VOLUME, NODE},
        place::Place,
    },
    ClusterExecutor, DATABASES_IN_PODS, NodeDatabases, PodSettings,
    hand_over::{Refusal, Writer, typed},
    template::{self, MANAGED_BY, MANAGER, merge, short_digest, short_name},
};
use crate::warmup::{Asked, Warmup, WarmupError};

/// The annotation with the database's name.
const DATABASE: &str = "elb-dashboard/db";
/// How long a transfer may take, in seconds (ELASTICBLAST §1.4).
const DEADLINE: u64 = 3_600;
/// How long a Job stays that has removed a copy, in seconds (ours): as long as pods of searches may that tell
/// of the copy.
const KEPT: u32 = 86_400;
/// What a transfer is given: its parts of 8 MiB are all that it holds.
const CPU: &str = "100m";
const MEMORY: &str = "512Mi";
/// The most nodes that are warmed (ours): beyond it a Job for each of them is no way to do it.
const MAX_NODES: u32 = 500;

impl From<Refusal> for WarmupError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Later(reason) => Self::Away(reason),
            Refusal::Never(error) => Self::Away(error.message),
        }
    }
}

/// A Job for one copy.
struct CopyJob<'a> {
    pods: &'a PodSettings,
    database: &'a str,
    version: String,
    /// Sequences and letters of the whole database, if this is a shard.
    whole: Option<(u64, u64)>,
    node: &'a str,
    work: Work,
}

impl CopyJob<'_> {
    /// Another one each time: one of the name may be on its way out.
    fn name(&self) -> String {
        let (word, _, _) = self.words();
        let id = uuid::Uuid::new_v4().simple().to_string();
        let mark: String = id.chars().take(6).collect();
        let digest = short_digest(self.node);
        format!("{word}-{}-{digest}-{mark}", short_name(self.database))
    }

    /// What it is called, its container, and the runner's command.
    const fn words(&self) -> (&'static str, &'static str, &'static str) {
        match self.work {
            Work::Release => ("release", RELEASE_CONTAINER, "release"),
            Work::Stage | Work::Run => ("warm", STAGE_CONTAINER, "stage"),
        }
    }

    fn object(&self) -> Value {
        let (_, container, command) = self.words();
        let labels = json!({
            "app": COPIES_APP,
            "db": short_name(self.database),
            MANAGED_BY: MANAGER,
            "app.kubernetes.io/part-of": MANAGER,
        });
        let annotations = json!({ NODE: self.node, DATABASE: self.database });
        let pods = self.pods;
        let mut told = vec![
            ("ELB_DB", self.database.to_owned()),
            ("ELB_DB_VERSION", self.version.clone()),
            ("ELB_DB_ROOT", DATABASES_IN_PODS.to_owned()),
            (
                "ELB_DB_SOURCE",
                format!("{}/{}", pods.source, self.database),
            ),
        ];
        if let Some((sequences, letters)) = self.whole {
            told.push(("ELB_DB_SEQUENCES", sequences.to_string()));
            told.push(("ELB_DB_LETTERS", letters.to_string()));
        }
        told.extend(template::access(pods));
        let container = json!({
            "name": container,
            "image": pods.image,
            "command": ["elb-runner", command],
            "env": template::variables(told),
            "resources": {
                "requests": { "cpu": CPU, "memory": MEMORY },
                "limits": { "memory": MEMORY },
            },
            "securityContext": template::security(true),
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [{ "name": DATABASES_VOLUME, "mountPath": DATABASES_IN_PODS }],
        });
        let mut spec = template::pod_spec(pods);
        merge(
            &mut spec,
            json!({
                "containers": [container],
                "volumes": [template::databases(pods)],
                // As a DaemonSet says it: the scheduler still looks whether there is room.
                "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{ "matchFields": [
                        { "key": "metadata.name", "operator": "In", "values": [self.node] },
                    ] }],
                } } },
            }),
        );
        let mut pod_labels = labels.clone();
        merge(&mut pod_labels, template::identity_label(pods));
        let mut job = json!({
            "backoffLimit": 2,
            "activeDeadlineSeconds": DEADLINE,
            "template": {
                "metadata": { "labels": pod_labels, "annotations": annotations },
                "spec": spec,
            },
        });
        if self.work == Work::Release {
            merge(&mut job, json!({ "ttlSecondsAfterFinished": KEPT }));
        }
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": { "name": self.name(), "labels": labels, "annotations": annotations },
            "spec": job,
        })
    }
}

impl ClusterExecutor {
    /// The place, if databases stay on its nodes.
    fn kept_at(&self, found: &Found) -> Result<&Place, WarmupError> {
        if let Some(hindrance) = self.hindrance() {
            return Err(WarmupError::Refused(hindrance));
        }
        self.parts.clusters.find(found).ok_or_else(|| {
            WarmupError::Missing(format!(
                "there is no cluster {} with namespace {} in the settings (ELB_CLUSTERS)",
                found.cluster, found.namespace
            ))
        })
    }

    /// The nodes that searches may use now.
    async fn nodes(&self, writer: &Writer) -> Result<Vec<String>, WarmupError> {
        let mut these = ListParams::default().limit(MAX_NODES);
        if let Some((key, value)) = &self.parts.pods.nodes {
            these = these.labels(&format!("{key}={value}"));
        }
        let nodes: Api<Node> = Api::all(writer.client.clone());
        let nodes = writer.asked("list nodes", nodes.list(&these)).await?;
        let nodes = nodes.map_or_else(Vec::new, |nodes| nodes.items);
        let names = nodes.into_iter().filter(is_usable);
        let names: Vec<String> = names.filter_map(|node| node.metadata.name).collect();
        if names.is_empty() {
            return Err(WarmupError::Refused(
                "no node is there that searches may use: databases can be brought once one is"
                    .to_owned(),
            ));
        }
        Ok(names)
    }

    /// Makes a Job for the copy, in place of those that were made for it before.
    async fn ask(
        &self,
        writer: &Writer,
        job: &CopyJob<'_>,
        before: &[JobThere],
    ) -> Result<(), Refusal> {
        let jobs: Api<Job> = writer.api();
        let with_pods = DeleteParams::background();
        let of_copy = |known: &&JobThere| known.database == job.database && known.node == job.node;
        for known in before.iter().filter(of_copy) {
            let gone = jobs.delete(&known.name, &with_pods);
            writer.asked("delete jobs", gone).await?;
        }
        let made = typed(job.object())?;
        let how = PostParams {
            dry_run: false,
            field_manager: Some(MANAGER.to_owned()),
        };
        let made = jobs.create(&how, &made);
        writer.asked("create jobs", made).await.map(|_| ())
    }

    /// Asks for the same of all copies that do not stand so.
    async fn ask_all(
        &self,
        place: &Place,
        jobs: Vec<(CopyJob<'_>, Option<CopyState>)>,
    ) -> Result<Vec<Asked>, WarmupError> {
        let writer = Writer::new(place)?;
        // Of the cluster itself: one that was only just made may not be seen yet, and would stay.
        let before = jobs_there(&writer).await?;
        let mut asked = Vec::new();
        for (job, already) in jobs {
            if already.is_none() {
                self.ask(&writer, &job, &before).await?;
            }
            let node = job.node.to_owned();
            asked.push(Asked { node, already });
        }
        Ok(asked)
    }

    /// Why nothing has to be brought before pods are: what is known of copies on the nodes.
    pub(super) fn staging(&self, job: &Search) -> String {
        if let Some(hindrance) = self.hindrance() {
            return hindrance;
        }
        let (database, version) = (&job.spec.database, &job.database.version);
        let found = job.place.as_ref();
        let place = found.and_then(|found| self.parts.clusters.find(found));
        let copies = place.map_or_else(Vec::new, Place::copies);
        if !job.shards.is_empty() {
            let there = |shard: &&Shard| {
                let version = shard.of_version(version);
                copies.iter().any(|copy| {
                    copy.database == *database
                        && copy.version == version
                        && copy.state == CopyState::Ready
                })
            };
            let count = job.shards.iter().filter(there).count();
            return format!(
                "it is searched in {} shards, of which {count} are known to be on a node; the first pod of a shard on any other node brings it",
                job.shards.len()
            );
        }
        let there = |copy: &&CopyView| {
            copy.database == *database && copy.version == *version && copy.state == CopyState::Ready
        };
        let nodes: Vec<&str> = copies
            .iter()
            .filter(there)
            .map(|copy| copy.node.as_str())
            .collect();
        match nodes.as_slice() {
            [] => "no node is known to have the database yet: the first pod on each brings it"
                .to_owned(),
            [one] => format!("node {one} has it already; the first pod on any other brings it"),
            [one, other] => {
                format!(
                    "nodes {one} and {other} have it already; the first pod on any other brings it"
                )
            }
            [one, other, more @ ..] => format!(
                "nodes {one}, {other} and {} more have it already; the first pod on any other brings it",
                more.len()
            ),
        }
    }
}

/// A Job for a copy, as it is on the cluster.
struct JobThere {
    name: String,
    database: String,
    node: String,
}

/// All of them.
async fn jobs_there(writer: &Writer) -> Result<Vec<JobThere>, Refusal> {
    let these = ListParams::default().labels(&format!("app={COPIES_APP},{MANAGED_BY}={MANAGER}"));
    let jobs: Api<Job> = writer.api();
    let found = writer
        .asked("list jobs", jobs.list_metadata(&these))
        .await?;
    let found = found.map_or_else(Vec::new, |found| found.items);
    let there = found.into_iter().filter_map(|job| {
        let mut told = job.metadata.annotations?;
        Some(JobThere {
            name: job.metadata.name?,
            database: told.remove(DATABASE)?,
            node: told.remove(NODE)?,
        })
    });
    Ok(there.collect())
}

/// A node, the version that it is to have, and how that stands if it has it or will.
type Share<'a> = (&'a str, String, Option<CopyState>);

/// What each node is to have: the whole database, or one of its shards, all of them on as many nodes as others. A node
/// that has one, or on its way, keeps it.
fn shared_out<'a>(
    nodes: &'a [String],
    wanted: &[String],
    database: &str,
    copies: &[CopyView],
) -> Result<Vec<Share<'a>>, WarmupError> {
    if nodes.len() < wanted.len() {
        return Err(WarmupError::Refused(format!(
            "{database} is searched in {} shards (ELB_POD_SHARD), and there are {} nodes for them: pods bring those that they search",
            wanted.len(),
            nodes.len()
        )));
    }
    let known = |node: &str| {
        copies.iter().find(|copy| {
            let there = [CopyState::Ready, CopyState::Bringing, CopyState::Waiting];
            copy.database == database
                && copy.node == node
                && wanted.contains(&copy.version)
                && there.contains(&copy.state)
        })
    };
    let mut on_nodes: BTreeMap<&str, usize> =
        wanted.iter().map(|version| (version.as_str(), 0)).collect();
    for copy in nodes.iter().filter_map(|node| known(node)) {
        *on_nodes.entry(&copy.version).or_default() += 1;
    }
    let mut shared = Vec::new();
    for node in nodes {
        if let Some(copy) = known(node) {
            shared.push((node.as_str(), copy.version.clone(), Some(copy.state)));
        } else if let Some((version, count)) = on_nodes.iter_mut().min_by_key(|(_, count)| **count)
        {
            *count += 1;
            shared.push((node.as_str(), (*version).to_owned(), None));
        }
    }
    Ok(shared)
}

/// Whether pods may come to a node.
fn is_usable(node: &Node) -> bool {
    let closed = node.spec.as_ref().and_then(|spec| spec.unschedulable);
    let status = node.status.as_ref();
    let mut conditions = status
        .and_then(|status| status.conditions.as_ref())
        .into_iter()
        .flatten();
    let ready = conditions.any(|one| one.type_ == "Ready" && one.status == "True");
    ready && !closed.unwrap_or(false) && node.metadata.deletion_timestamp.is_none()
}

#[async_trait]
impl Warmup for ClusterExecutor {
    fn hindrance(&self) -> Option<String> {
        (self.parts.pods.databases == NodeDatabases::Pod).then(|| {
            "each pod brings the database for itself: nodes keep none (ELB_POD_DATABASES)"
                .to_owned()
        })
    }

    async fn warm(&self, found: &Found, database: &str) -> Result<Vec<Asked>, WarmupError> {
        let place = self.kept_at(found)?;
        let version = self.parts.catalogue.version_now(database).ok_or_else(|| {
            match self.parts.catalogue.elsewhere_problem() {
                Some(problem) => {
                    WarmupError::Away(format!("the databases cannot be looked at: {problem}"))
                }
                None => WarmupError::Missing(format!(
                    "there is no database {database} in {}",
                    self.parts.pods.source
                )),
            }
        })?;
        let nodes = self.nodes(&Writer::new(place)?).await?;
        let pods = &self.parts.pods;
        let catalogue = &self.parts.catalogue;
        let shards = match pods.shard_bytes {
            Some(most) => catalogue.shards(database, &version, most),
            None => Vec::new(),
        };
        let whole = catalogue.get(database);
        let whole = whole.map(|whole| (whole.sequences, whole.letters));
        let wanted = if shards.is_empty() {
            vec![version]
        } else {
            shards
                .iter()
                .map(|shard| shard.of_version(&version))
                .collect()
        };
        let copies = place.copies();
        let jobs = shared_out(&nodes, &wanted, database, &copies)?.into_iter();
        let jobs = jobs.map(|(node, version, already)| {
            let job = CopyJob {
                pods,
                database,
                version,
                whole: whole.filter(|_| !shards.is_empty()),
                node,
                work: Work::Stage,
            };
            (job, already)
        });
        self.ask_all(place, jobs.collect()).await
    }

    async fn release(&self, found: &Found, database: &str) -> Result<Vec<Asked>, WarmupError> {
        let place = self.kept_at(found)?;
        let copies = place.copies();
        let ours = copies.iter().filter(|copy| copy.database == database);
        let jobs = ours.map(|copy| {
            let job = CopyJob {
                pods: &self.parts.pods,
                database,
                version: copy.version.clone(),
                whole: None,
                node: &copy.node,
                work: Work::Release,
            };
            let releasing = copy.state == CopyState::Releasing;
            (job, releasing.then_some(CopyState::Releasing))
        });
        let jobs: Vec<_> = jobs.collect();
        if jobs.is_empty() {
            return Err(WarmupError::Refused(format!(
                "no node of cluster {} is known to have the database {database}",
                found.cluster
            )));
        }
        tracing::info!(
            database,
            nodes = jobs.len(),
            "a database is removed from nodes"
        );
        self.ask_all(place, jobs).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use elb_core::time::Timestamp;

    use super::*;

    fn copy(node: &str, version: &str) -> CopyView {
        CopyView {
            node: node.to_owned(),
            database: "nt".to_owned(),
            version: version.to_owned(),
            state: CopyState::Ready,
            reason: None,
            bytes: None,
            bytes_total: None,
            since: Timestamp(0),
        }
    }

    #[test]
    fn shards_are_shared_out_evenly_and_what_is_there_stays() {
        let nodes = ["a", "b", "c", "d", "e"].map(str::to_owned);
        let wanted = ["v1.v0-1", "v1.v2-3"].map(str::to_owned);
        // An older one, and one of another node, say nothing.
        let copies = [
            copy("a", "v1.v2-3"),
            copy("b", "v0.v0-1"),
            copy("x", "v1.v0-1"),
        ];
        let shared = shared_out(&nodes, &wanted, "nt", &copies).unwrap();
        let told: Vec<(&str, &str, bool)> = shared
            .iter()
            .map(|(node, version, already)| (*node, version.as_str(), already.is_some()))
            .collect();
        let [first, second] = ["v1.v0-1", "v1.v2-3"];
        assert_eq!(
            told,
            [
                ("a", second, true),
                ("b", first, false),
                ("c", first, false),
                ("d", second, false),
                ("e", first, false)
            ]
        );
        let refused = shared_out(&nodes[..1], &wanted, "nt", &[]).unwrap_err();
        assert!(refused.to_string().contains("2 shards"), "{refused}");
        let whole = shared_out(&nodes, &wanted[..1], "nt", &[]).unwrap();
        assert!(whole.len() == 5 && whole.iter().all(|(_, version, _)| version == first));
    }
}
