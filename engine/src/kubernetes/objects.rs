//! Jobs and pods of searches, reduced to what this program needs to know.
//!
//! Owns how a search is recognised: by its label, or by the variable that every BLAST container is given,
//! which is all that ElasticBLAST's Jobs on GKE have. Whole objects are never kept: a cluster may have
//! thousands of them.

use std::collections::BTreeMap;

use elb_core::{
    cluster::{
        BLAST_CONTAINER, ConditionSeen, ContainerSeen, ContainerState, CopyOf, EndSeen, Indexes,
        JobSeen, PodPhase, PodSeen, RELEASE_CONTAINER, Role, STAGE_CONTAINER, Work,
    },
    time::Timestamp,
};
use k8s_openapi::{
    api::{
        batch::v1::{Job, JobStatus},
        core::v1::{
            Container, ContainerState as State, ContainerStateTerminated, ContainerStatus, Pod,
            PodCondition, PodSpec, PodStatus,
        },
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;

/// The label of every object of a search.
pub const RUN_LABEL: &str = "elb-job-id";
/// The label `app` of what brings databases to nodes, or removes them there, apart from any search. Not
/// ElasticBLAST's `elb-db-warmup`: its command line would look for the copies where they are not.
pub const COPIES_APP: &str = "elb-databases";
/// Stands for the search that such objects belong to: no label can have this value.
pub(super) const COPIES: &str = "*copies";
/// The annotation with the node that such an object is for.
pub(super) const NODE: &str = "elb-dashboard/node";
/// The volume of a pod with the node's copies of databases.
pub(super) const DATABASES_VOLUME: &str = "databases";
/// The label with an object's role.
const ROLE_LABEL: &str = "app";
/// The label with the database, or its short form.
const DATABASE_LABEL: &str = "db";
/// The variable with the search's id.
const RUN_VARIABLE: &str = "BLAST_ELB_JOB_ID";
/// Labels by which the controller says which Job a pod is of; the second is what servers before 1.27 write.
const JOB_LABELS: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];
/// Label and annotation with the number of a pod's batch.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The programs that ElasticBLAST runs; this program submits five of them.
pub const PROGRAMS: [&str; 8] = [
    "blastp",
    "blastn",
    "blastx",
    "psiblast",
    "rpsblast",
    "rpstblastn",
    "tblastn",
    "tblastx",
];

/// What an object says of its search, beside its state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Which program searches, one of [`PROGRAMS`].
    pub program: Option<&'static str>,
    /// The database as it was asked for, or its short form.
    pub database: Option<String>,
    /// Where the results go.
    pub results: Option<String>,
    /// BLAST+'s options as they were given.
    pub options: Option<String>,
    /// The batch that a Job searches, of those that search one.
    pub batch: Option<String>,
}

/// A Job of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobObject {
    /// The search's id.
    pub run: String,
    /// Whether a label says so; ElasticBLAST's Jobs on GKE have only the variable.
    pub labelled: bool,
    /// Its state.
    pub seen: JobSeen,
    /// What else it says.
    pub facts: Facts,
    /// The copy that it is for, if it is for one and no search.
    pub copy: Option<CopyOf>,
}

/// A pod of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodObject {
    /// The search's id.
    pub run: String,
    /// Its state.
    pub seen: PodSeen,
    /// The copy of a database that it brings to its node, or removes there.
    pub copy: Option<CopyOf>,
}

impl JobObject {
    /// The part of a Job that is needed; `None` if it belongs to no search.
    #[must_use]
    pub fn of(job: &Job) -> Option<Self> {
        let spec = job.spec.as_ref()?;
        let pod = spec.template.spec.as_ref();
        let run = run_of(&job.metadata, pod)?;
        let labels = job.metadata.labels.as_ref();
        let role = label(labels, ROLE_LABEL).map_or(Role::Other, Role::of_label);
        let name = job.metadata.name.clone()?;
        let status = job.status.clone().unwrap_or_default();
        let indexed = spec.completion_mode.as_deref() == Some("Indexed");
        let completions = spec.completions.filter(|_| indexed);
        let environment = pod.map(environment).unwrap_or_default();
        let variable = |name: &str| environment.get(name).map(|value| (*value).to_owned());
        // The name of a Job that searches begins with the program too.
        let told = environment.get("ELB_BLAST_PROGRAM").copied();
        let program = told.or_else(|| Some(name.split_once('-')?.0));
        let program = PROGRAMS.into_iter().find(|known| program == Some(known));
        let facts = Facts {
            program,
            database: variable("ELB_DB")
                .or_else(|| label(labels, DATABASE_LABEL).map(ToOwned::to_owned)),
            results: variable("ELB_RESULTS"),
            options: variable("ELB_BLAST_OPTIONS"),
            batch: variable("JOB_NUM").filter(|_| !indexed),
        };
        let seen = JobSeen {
            name,
            role,
            created_at: created(&job.metadata),
            suspended: spec.suspend.unwrap_or(false),
            completions: completions.and_then(|count| u32::try_from(count).ok()),
            completed: indexes(status.completed_indexes.as_deref()),
            failed: indexes(status.failed_indexes.as_deref()),
            active: status
                .active
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(0),
            conditions: conditions(&status),
            held_up: None,
        };
        let labelled = label(labels, RUN_LABEL).is_some();
        let copy = pod.filter(|_| run == COPIES);
        let copy = copy.and_then(|pod| copy_of(&job.metadata, pod));
        Some(Self {
            run,
            labelled,
            seen,
            facts,
            copy,
        })
    }
}

impl PodObject {
    /// The part of a pod that is needed; `None` if it belongs to no search.
    #[must_use]
    pub fn of(pod: &Pod) -> Option<Self> {
        let run = run_of(&pod.metadata, pod.spec.as_ref())?;
        let (meta, spec) = (&pod.metadata, pod.spec.as_ref());
        let status = pod.status.clone().unwrap_or_default();
        let labels = meta.labels.as_ref();
        let job = JOB_LABELS
            .iter()
            .find_map(|name| label(labels, name))
            .unwrap_or_default()
            .to_owned();
        let index = label(labels, INDEX).or_else(|| label(meta.annotations.as_ref(), INDEX));
        let condition = |kind: &str| {
            let mut found = status.conditions.iter().flatten();
            found.find(|condition| condition.type_ == kind).cloned()
        };
        let seen = PodSeen {
            name: meta.name.clone()?,
            job,
            index: index.and_then(|index| index.parse().ok()),
            created_at: created(meta),
            node: spec.and_then(|spec| spec.node_name.clone()),
            phase: phase(&status),
            deleting: meta.deletion_timestamp.is_some(),
            reason: status.reason.clone().unwrap_or_default(),
            message: status.message.clone().unwrap_or_default(),
            unschedulable: condition("PodScheduled").and_then(unschedulable),
            disrupted: condition("DisruptionTarget")
                .filter(|condition| condition.status == "True")
                .map(|condition| condition.reason.unwrap_or_default()),
            containers: containers(&status),
        };
        let copy = spec.and_then(|spec| copy_of(meta, spec));
        Some(Self { run, seen, copy })
    }
}

fn label<'a>(labels: Option<&'a BTreeMap<String, String>>, name: &str) -> Option<&'a str> {
    labels?.get(name).map(String::as_str)
}

fn run_of(meta: &ObjectMeta, spec: Option<&PodSpec>) -> Option<String> {
    if label(meta.labels.as_ref(), ROLE_LABEL) == Some(COPIES_APP) {
        return Some(COPIES.to_owned());
    }
    let labelled = label(meta.labels.as_ref(), RUN_LABEL);
    let named = || environment(spec?).get(RUN_VARIABLE).copied();
    let run = labelled.or_else(named)?;
    (!run.is_empty()).then(|| run.to_owned())
}

/// The copy that a pod brings or removes: one in a folder of its node, which others find there after it.
fn copy_of(meta: &ObjectMeta, spec: &PodSpec) -> Option<CopyOf> {
    let mut volumes = spec.volumes.iter().flatten();
    let kept = volumes.any(|one| one.name == DATABASES_VOLUME && one.host_path.is_some());
    let first = spec.init_containers.iter().flatten();
    let mut containers = first.chain(&spec.containers);
    let (container, work) = containers.find_map(|one| match one.name.as_str() {
        STAGE_CONTAINER => Some((one, Work::Stage)),
        RELEASE_CONTAINER => Some((one, Work::Release)),
        _ => None,
    })?;
    let variable = |name: &str| {
        let mut found = container.env.iter().flatten();
        found.find(|one| one.name == name)?.value.clone()
    };
    let copy = CopyOf {
        database: variable("ELB_DB")?,
        version: variable("ELB_DB_VERSION")?,
        work,
        asked: label(meta.annotations.as_ref(), NODE).map(ToOwned::to_owned),
    };
    kept.then_some(copy)
}

/// The literal variables of the containers, those of BLAST+ before others'.
fn environment(spec: &PodSpec) -> BTreeMap<&str, &str> {
    let of = |container: &Container| container.name == BLAST_CONTAINER;
    let blast = spec.containers.iter().filter(|one| of(one));
    let others = spec.containers.iter().filter(|one| !of(one));
    let mut found = BTreeMap::new();
    for variable in blast.chain(others).flat_map(|one| one.env.iter().flatten()) {
        if let Some(value) = &variable.value {
            found
                .entry(variable.name.as_str())
                .or_insert(value.as_str());
        }
    }
    found
}

fn timestamp(time: &Time) -> Timestamp {
    Timestamp(time.0.as_millisecond())
}

/// An object that was just created on this side has no time yet.
fn created(meta: &ObjectMeta) -> Timestamp {
    let time = meta.creation_timestamp.as_ref();
    time.map_or(Timestamp(0), timestamp)
}

fn indexes(text: Option<&str>) -> Indexes {
    let text = text.unwrap_or_default();
    Indexes::parse(text).unwrap_or_else(|| {
        tracing::warn!(text, "a Job's list of batches cannot be read");
        Indexes::default()
    })
}

fn conditions(status: &JobStatus) -> Vec<ConditionSeen> {
    let conditions = status.conditions.iter().flatten();
    let seen = conditions.map(|condition| ConditionSeen {
        kind: condition.type_.clone(),
        holds: condition.status == "True",
        reason: condition.reason.clone().unwrap_or_default(),
        message: condition.message.clone().unwrap_or_default(),
        since: condition.last_transition_time.as_ref().map(timestamp),
    });
    seen.collect()
}

fn phase(status: &PodStatus) -> PodPhase {
    match status.phase.as_deref() {
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        Some("Unknown") => PodPhase::Unknown,
        _ => PodPhase::Pending,
    }
}

fn unschedulable(condition: PodCondition) -> Option<String> {
    let unschedulable =
        condition.status == "False" && condition.reason.as_deref() == Some("Unschedulable");
    unschedulable.then(|| condition.message.unwrap_or_default())
}

fn containers(status: &PodStatus) -> Vec<ContainerSeen> {
    let first = status.init_container_statuses.iter().flatten();
    let first = first.map(|status| (status, true));
    let others = status.container_statuses.iter().flatten();
    let others = others.map(|status| (status, false));
    first
        .chain(others)
        .map(|(status, init)| container(status, init))
        .collect()
}

fn container(status: &ContainerStatus, init: bool) -> ContainerSeen {
    let last = status.last_state.as_ref();
    ContainerSeen {
        name: status.name.clone(),
        init,
        state: state(status.state.as_ref()),
        restarts: u32::try_from(status.restart_count).unwrap_or(0),
        last_end: last.and_then(|state| state.terminated.as_ref()).map(end),
    }
}

fn state(state: Option<&State>) -> ContainerState {
    let waiting = || ContainerState::Waiting {
        reason: String::new(),
        message: String::new(),
    };
    let Some(state) = state else {
        return waiting();
    };
    if let Some(terminated) = &state.terminated {
        return ContainerState::Ended(end(terminated));
    }
    if let Some(running) = &state.running {
        return ContainerState::Running {
            since: running.started_at.as_ref().map(timestamp),
        };
    }
    state
        .waiting
        .as_ref()
        .map_or_else(waiting, |waiting| ContainerState::Waiting {
            reason: waiting.reason.clone().unwrap_or_default(),
            message: waiting.message.clone().unwrap_or_default(),
        })
}

fn end(terminated: &ContainerStateTerminated) -> EndSeen {
    EndSeen {
        exit_code: terminated.exit_code,
        reason: terminated.reason.clone().unwrap_or_default(),
        message: terminated.message.clone().unwrap_or_default(),
        started_at: terminated.started_at.as_ref().map(timestamp),
        finished_at: terminated.finished_at.as_ref().map(timestamp),
    }
}
