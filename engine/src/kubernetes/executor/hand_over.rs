//! Making the objects of a search on its cluster.
//!
//! Owns the order: the anchor, then the Jobs held back, and only then their release. Every call can be made again
//! after a crash at any point: what is there already is looked at, and nothing is made twice.

use std::time::Duration;

use elb_core::error_code::ErrorCode;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{batch::v1::Job, core::v1::ConfigMap};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    super::{
        objects::RUN_LABEL,
        place::Place,
        trouble::{Trouble, right_to},
    },
    template::{DIGEST, MANAGED_BY, MANAGER, Shape, Template},
};
use crate::{
    crash::{self, Point},
    executor::{Door, ExecutorError},
};

/// Jobs that are made at once, where each batch has its own.
const AT_ONCE: usize = 8;

/// Why something is not done on a cluster.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It may be done later: the cluster is away, refuses for now, or somebody has to give a right.
    Later(String),
    /// It will never be done.
    Never(ExecutorError),
}

impl Refusal {
    fn broken(message: impl Into<String>) -> Self {
        Self::Never(ExecutorError::new(ErrorCode::Internal, message))
    }

    /// What the driver is told.
    pub fn into_door(self) -> Result<Door, ExecutorError> {
        match self {
            Self::Later(reason) => Ok(Door::NoRoom(reason)),
            Self::Never(error) => Err(error),
        }
    }
}

/// A cluster that is written to.
pub(super) struct Writer {
    pub client: Client,
    pub namespace: String,
    cluster: String,
    patience: Duration,
}

impl Writer {
    /// For a namespace that is watched.
    pub fn new(place: &Place) -> Result<Self, Refusal> {
        let cluster = place.address.name().to_owned();
        let Some((client, namespace)) = place.client() else {
            let reason = place.view().reason;
            let reason = reason.unwrap_or_else(|| "it was not reached yet".to_owned());
            return Err(Refusal::Later(format!("cluster {cluster}: {reason}")));
        };
        Ok(Self {
            client,
            namespace,
            cluster,
            patience: place.pace.long_answer,
        })
    }

    /// Objects of one kind.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// An answer; `Ok(None)` if there is no such object (404), or one of that name is there (409).
    pub async fn asked<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<Option<T>, Refusal> {
        let cluster = &self.cluster;
        match timeout(self.patience, call).await {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 && is_namespace(&status) => {
                Err(Refusal::Later(format!(
                    "cluster {cluster}: {}",
                    status.message
                )))
            }
            Ok(Err(kube::Error::Api(status))) if [404, 409].contains(&status.code) => Ok(None),
            Ok(Err(kube::Error::Api(status))) if [400, 422].contains(&status.code) => {
                Err(Refusal::broken(format!(
                    "cluster {cluster} refuses what this program makes ({what}): {}",
                    status.message
                )))
            }
            Ok(Err(error)) => {
                let reason = right_to(&error, what).unwrap_or_else(|| Trouble::of(&error).reason);
                Err(Refusal::Later(format!("cluster {cluster}: {reason}")))
            }
            Err(_) => {
                let reason = Trouble::silent(self.patience).reason;
                Err(Refusal::Later(format!("cluster {cluster}: {reason}")))
            }
        }
    }

    /// The same of what must be there.
    async fn had<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Refusal> {
        let answer = self.asked(what, call).await?;
        answer.ok_or_else(|| {
            Refusal::Later(format!(
                "cluster {}: something else has changed what was to be changed ({what}); it is tried again",
                self.cluster
            ))
        })
    }

    /// Makes the object that owns the others, or brings it up to date; its uid.
    pub async fn anchor(&self, template: &Template<'_>) -> Result<String, Refusal> {
        let anchor = template.anchor();
        let (anchors, name) = (self.api::<ConfigMap>(), template.anchor_name());
        let applied = PatchParams::apply(MANAGER).force();
        let patch = Patch::Apply(&anchor);
        let anchor = self
            .had("patch configmaps", anchors.patch(&name, &applied, &patch))
            .await?;
        Ok(anchor.metadata.uid.unwrap_or_default())
    }

    /// Makes the Jobs that are not there, and lets them run. `owner` is the anchor's uid.
    pub async fn hand_over(&self, template: &Template<'_>, owner: &str) -> Result<Shape, Refusal> {
        let shape = self.shape(template, owner).await?;
        let made = template.jobs(shape, owner).into_iter();
        futures::stream::iter(made.map(|job| self.make(template, job)))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        crash::point(Point::AfterJobs);
        let names = template.job_names(shape).into_iter();
        futures::stream::iter(names.map(|name| self.release(name)))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        crash::point(Point::AfterRelease);
        Ok(shape)
    }

    /// What the server keeps of an Indexed Job: one that does not know a field drops it without a word.
    async fn shape(&self, template: &Template<'_>, owner: &str) -> Result<Shape, Refusal> {
        if template.pods.job_per_batch {
            return Ok(Shape::PerBatch);
        }
        let Some(job) = template.jobs(Shape::Indexed, owner).into_iter().next() else {
            return Ok(Shape::PerBatch);
        };
        let job = typed(job)?;
        let dry = PostParams {
            dry_run: true,
            field_manager: Some(MANAGER.to_owned()),
        };
        let kept = self
            .asked("create jobs", self.api::<Job>().create(&dry, &job))
            .await?;
        // One of the name is there: it was made before.
        let Some(kept) = kept else {
            return Ok(Shape::Indexed);
        };
        let spec = kept.spec.unwrap_or_default();
        let whole = spec.completion_mode.as_deref() == Some("Indexed")
            && spec.suspend == Some(true)
            && spec.pod_failure_policy.is_some()
            && spec.backoff_limit_per_index.is_some();
        Ok(if whole {
            Shape::Indexed
        } else {
            Shape::PerBatch
        })
    }

    /// Makes a Job unless it is there.
    async fn make(&self, template: &Template<'_>, job: Value) -> Result<(), Refusal> {
        let job = typed(job)?;
        let name = job.metadata.name.clone().unwrap_or_default();
        let (jobs, how) = (
            self.api::<Job>(),
            PostParams {
                dry_run: false,
                field_manager: Some(MANAGER.to_owned()),
            },
        );
        if self
            .asked("create jobs", jobs.create(&how, &job))
            .await?
            .is_some()
        {
            return Ok(());
        }
        let there = self.had("get jobs", jobs.get(&name)).await?;
        let run = there
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(RUN_LABEL));
        if run != Some(&template.id()) {
            return Err(Refusal::broken(format!(
                "a Job {name} of another search is on cluster {}; try the search again, it gets another name",
                self.cluster
            )));
        }
        let digest = |job: &Job| job.metadata.annotations.as_ref()?.get(DIGEST).cloned();
        if digest(&there) != digest(&job) {
            tracing::info!(
                job = name,
                "the Job was made with other settings than those in force now; it runs as it was made"
            );
        }
        Ok(())
    }

    async fn release(&self, name: String) -> Result<(), Refusal> {
        let go = Patch::Merge(json!({ "spec": { "suspend": false } }));
        let jobs = self.api::<Job>();
        self.had(
            "patch jobs",
            jobs.patch(&name, &PatchParams::default(), &go),
        )
        .await
        .map(|_| ())
    }

    /// Whether any of its Jobs is there, asked of the cluster itself.
    pub async fn is_there(&self, run: &str) -> Result<bool, Refusal> {
        let these = ListParams::default()
            .labels(&format!("{RUN_LABEL}={run}"))
            .limit(1);
        let jobs = self.api::<Job>();
        let found = self.had("list jobs", jobs.list_metadata(&these)).await?;
        Ok(!found.items.is_empty())
    }

    /// Removes the anchor, and with it whatever it owns.
    pub async fn drop_anchor(&self, name: &str) -> Result<(), Refusal> {
        let anchors = self.api::<ConfigMap>();
        self.asked(
            "delete configmaps",
            anchors.delete(name, &DeleteParams::background()),
        )
        .await
        .map(|_| ())
    }

    /// Lets the cluster remove Jobs so long after their end.
    pub async fn keep_for(&self, run: &str, seconds: u32) -> Result<(), Refusal> {
        let these = ListParams::default().labels(&format!("{RUN_LABEL}={run}"));
        let jobs = self.api::<Job>();
        let found = self.had("list jobs", jobs.list_metadata(&these)).await?;
        let shorter = json!({ "spec": { "ttlSecondsAfterFinished": seconds } });
        for job in found.items {
            let name = job.metadata.name.unwrap_or_default();
            let patch = Patch::Merge(&shorter);
            self.asked(
                "patch jobs",
                jobs.patch(&name, &PatchParams::default(), &patch),
            )
            .await?;
        }
        Ok(())
    }

    /// Anchors of this program: name, the search's id, and how old each is in seconds.
    pub async fn anchors(&self, now_ms: i64) -> Result<Vec<(String, String, i64)>, Refusal> {
        let these = ListParams::default().labels(&format!("{MANAGED_BY}={MANAGER},{RUN_LABEL}"));
        let anchors = self.api::<ConfigMap>();
        let found = self
            .had("list configmaps", anchors.list_metadata(&these))
            .await?;
        let told = found.items.into_iter().filter_map(|anchor| {
            let meta = anchor.metadata;
            let made = meta.creation_timestamp?.0.as_millisecond();
            let run = meta.labels?.remove(RUN_LABEL)?;
            Some((meta.name?, run, (now_ms - made) / 1_000))
        });
        Ok(told.collect())
    }
}

/// Whether it is the namespace that is not there.
fn is_namespace(status: &kube::core::Status) -> bool {
    let kind = status.details.as_ref().map(|details| details.kind.as_str());
    kind == Some("namespaces")
}

pub(super) fn typed(job: Value) -> Result<Job, Refusal> {
    serde_json::from_value(job).map_err(|error| Refusal::broken(format!("a Job is none: {error}")))
}
