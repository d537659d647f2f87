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

use super::{RUN_LABEL, place::Place, trouble::Trouble};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// How long pods may take to end before it is said that they do: their grace period is 30 s unless they say
/// otherwise, and BLAST+ ends at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(250);

/// Removes what there is of a search. `Err` says what is still there, and why.
pub(super) async fn cancel(place: &Place, run: &str) -> Result<(), String> {
    let Some((client, namespace)) = place.client() else {
        let reason = place.view().reason;
        return Err(reason.unwrap_or_else(|| "its cluster was not reached yet".to_owned()));
    };
    let jobs: Api<Job> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    // Those without the label are known by their name alone.
    let unlabelled: Vec<String> = place
        .jobs_of(run)
        .into_iter()
        .filter(|(_, labelled)| !labelled)
        .map(|(name, _)| name)
        .collect();
    let mut selectors: Vec<String> = unlabelled
        .iter()
        .map(|name| format!("job-name={name}"))
        .collect();
    // Foreground: a Job is there for as long as one of its pods is. A policy has to be named: without one
    // the server leaves the pods running.
    let how = DeleteParams::foreground();
    if is_label_value(run) {
        let selector = format!("{RUN_LABEL}={run}");
        let of_run = ListParams::default().labels(&selector);
        asked(jobs.delete_collection(&how, &of_run)).await?;
        selectors.push(selector);
    }
    for name in &unlabelled {
        remove(&jobs, name, run, &how).await?;
    }
    let began = tokio::time::Instant::now();
    loop {
        let (mut jobs_left, mut pods_left) = (0, 0);
        for selector in &selectors {
            let params = ListParams::default().labels(selector).limit(500);
            jobs_left += asked(jobs.list_metadata(&params)).await?.items.len();
            pods_left += asked(pods.list_metadata(&params)).await?.items.len();
        }
        for name in &unlabelled {
            let there = asked(jobs.get_metadata_opt(name)).await?;
            jobs_left += usize::from(there.is_some());
        }
        if jobs_left + pods_left == 0 {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!(
                "{jobs_left} of its Jobs and {pods_left} of its pods are still on the cluster; they were \
                 told to end"
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Removes one Job by name, if it is still this search's: another may have taken its name.
async fn remove(jobs: &Api<Job>, name: &str, run: &str, how: &DeleteParams) -> Result<(), String> {
    let Some(job) = asked(jobs.get_opt(name)).await? else {
        return Ok(());
    };
    if super::JobObject::of(&job).is_none_or(|job| job.run != run) {
        return Ok(());
    }
    let exactly = how.clone().preconditions(Preconditions {
        uid: job.metadata.uid,
        resource_version: None,
    });
    match timeout(ANSWER, jobs.delete(name, &exactly)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if [404, 409].contains(&status.code) => Ok(()),
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Err(Trouble::silent(ANSWER).reason),
    }
}

async fn asked<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, String> {
    match timeout(ANSWER, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Err(Trouble::silent(ANSWER).reason),
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

/// Whether a selector may name it: letters, digits, `-`, `_` and `.`, at most 63.
fn is_label_value(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    (1..=63).contains(&text.len()) && text.chars().all(plain)
}
