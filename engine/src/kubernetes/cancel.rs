//! The end of a search on a cluster, when a person asks for it.
//!
//! Owns the proof: Jobs are removed together with their pods, and it is done only once the cluster itself says
//! that none of either is there. Never touches an object of another search.

use std::time::Duration;

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Preconditions},
};
use tokio::time::timeout;

use super::{JobObject, PodObject, RUN_LABEL, place::Place, trouble::Trouble};

/// How many of each are counted at most: it is enough that there are any.
const SOME: u32 = 500;

/// Removes what there is of a search. `Err` says what is still there, and why.
pub(super) async fn cancel(place: &Place, run: &str) -> Result<(), String> {
    let Some((client, namespace)) = place.client() else {
        let reason = place.view().reason;
        return Err(reason.unwrap_or_else(|| "its cluster was not reached yet".to_owned()));
    };
    let of = OfRun {
        jobs: Api::namespaced(client.clone(), &namespace),
        pods: Api::namespaced(client, &namespace),
        run,
        selector: is_label_value(run).then(|| format!("{RUN_LABEL}={run}")),
        // Those without the label are known by their name alone.
        unlabelled: place
            .jobs_of(run)
            .into_iter()
            .filter(|(_, labelled)| !labelled)
            .map(|(name, _)| name)
            .collect(),
        patience: place.pace.long_answer,
    };
    of.remove().await?;
    let began = tokio::time::Instant::now();
    loop {
        let (jobs, pods) = of.left().await?;
        if jobs + pods == 0 {
            return Ok(());
        }
        if began.elapsed() > place.pace.ending {
            return Err(format!(
                "{jobs} of its Jobs and {pods} of its pods are still on the cluster; they were told to end"
            ));
        }
        tokio::time::sleep(place.pace.look).await;
    }
}

/// What there is of a search.
struct OfRun<'a> {
    jobs: Api<Job>,
    pods: Api<Pod>,
    run: &'a str,
    /// By the label, if it can have one.
    selector: Option<String>,
    /// Names of Jobs that have none.
    unlabelled: Vec<String>,
    /// How long one answer may take.
    patience: Duration,
}

impl OfRun<'_> {
    async fn remove(&self) -> Result<(), String> {
        // Foreground: a Job is there for as long as one of its pods is. A policy has to be named: without one
        // the server leaves the pods running.
        let how = DeleteParams::foreground();
        if let Some(selector) = &self.selector {
            let these = ListParams::default().labels(selector);
            self.asked(self.jobs.delete_collection(&how, &these))
                .await?;
        }
        for name in &self.unlabelled {
            let Some(job) = self.asked(self.jobs.get_opt(name)).await? else {
                continue;
            };
            if !self.has(&job) {
                continue;
            }
            // Another may take the name before the request is there.
            let exactly = how.clone().preconditions(Preconditions {
                uid: job.metadata.uid,
                resource_version: None,
            });
            match timeout(self.patience, self.jobs.delete(name, &exactly)).await {
                Ok(Ok(_)) => {}
                Ok(Err(kube::Error::Api(status))) if [404, 409].contains(&status.code) => {}
                Ok(Err(error)) => return Err(words(&error)),
                Err(_) => return Err(Trouble::silent(self.patience).reason),
            }
        }
        Ok(())
    }

    /// How many Jobs and pods there are.
    async fn left(&self) -> Result<(usize, usize), String> {
        let (mut jobs, mut pods) = (0, 0);
        if let Some(selector) = &self.selector {
            let these = ListParams::default().labels(selector).limit(SOME);
            jobs += self
                .asked(self.jobs.list_metadata(&these))
                .await?
                .items
                .len();
            pods += self
                .asked(self.pods.list_metadata(&these))
                .await?
                .items
                .len();
        }
        for name in &self.unlabelled {
            let job = self.asked(self.jobs.get_opt(name)).await?;
            jobs += usize::from(job.is_some_and(|job| self.has(&job)));
            let these = ListParams::default()
                .labels(&format!("job-name={name}"))
                .limit(SOME);
            // The name may be another search's by now, and so may the pods. Those with the label are counted.
            let found = self.asked(self.pods.list(&these)).await?;
            let of_run = |pod: &&Pod| {
                let labels = pod.metadata.labels.as_ref();
                let labelled = labels.is_some_and(|labels| labels.contains_key(RUN_LABEL));
                !labelled && PodObject::of(pod).is_some_and(|pod| pod.run == self.run)
            };
            pods += found.items.iter().filter(of_run).count();
        }
        Ok((jobs, pods))
    }

    fn has(&self, job: &Job) -> bool {
        JobObject::of(job).is_some_and(|job| job.run == self.run)
    }

    async fn asked<T>(
        &self,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, String> {
        match timeout(self.patience, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(words(&error)),
            Err(_) => Err(Trouble::silent(self.patience).reason),
        }
    }
}

/// What stands against it. A right that is missing is another one here than the one to look.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 403 => format!(
            "{}; give this server's account a role with delete and deletecollection on jobs",
            status.message
        ),
        error => Trouble::of(error).reason,
    }
}

/// Whether a selector may name it: letters, digits, `-`, `_` and `.` between letters or digits, at
/// most 63.
fn is_label_value(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let ends = |letter: char| letter.is_ascii_alphanumeric();
    (1..=63).contains(&text.len())
        && text.chars().all(plain)
        && text.starts_with(ends)
        && text.ends_with(ends)
}
