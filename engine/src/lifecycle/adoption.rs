//! Searches that others have started on a cluster, taken into the list.
//!
//! Owns which of them get a row: those that have none, deleted ones included. The row is made once, whichever
//! server is first, and from then on it is driven like any other.

use std::{sync::Arc, time::Duration};

use elb_core::{
    cluster::{PlaceView, RunView, job_of},
    job::{Found, Job},
    phase::Phase,
    search::{Program, SearchOptions, SearchSpec},
};

use super::Lifecycle;
use crate::{clusters::Clusters, repository::Created};

/// The shortest time between two looks: one search is made of many objects, which come one by one.
const LOOK: Duration = Duration::from_millis(200);
/// Of a search whose objects do not name its database.
const NO_DATABASE: &str = "(not known)";

impl Lifecycle {
    pub(super) async fn adopt_again_and_again(self: Arc<Self>, clusters: &dyn Clusters) {
        let mut changes = clusters.revision();
        loop {
            changes.mark_unchanged();
            let mut refused = false;
            for place in clusters.places() {
                for run in &place.runs {
                    refused |= !self.adopt(&place, run).await;
                }
            }
            tokio::time::sleep(LOOK).await;
            tokio::select! {
                _ = changes.changed() => {}
                // What the store did not take is offered again.
                () = tokio::time::sleep(self.context.sweep), if refused => {}
            }
        }
    }

    /// Makes a row for a search unless it has one. `false` if the store does not take it now.
    async fn adopt(self: &Arc<Self>, place: &PlaceView, run: &RunView) -> bool {
        let model = self.context.jobs.model();
        if let Some((job, attempt)) = job_of(&run.id)
            && (model.phase(job).is_some() || model.is_deleted(job))
        {
            self.end_if_unwanted(place, run, job, attempt).await;
            return true;
        }
        if model.phase(&run.id).is_some() || model.is_deleted(&run.id) {
            return true;
        }
        if self.was_deleted_in_plane(&run.id) {
            return true;
        }
        // Names of files and of objects are made of it, and whoever makes pods chooses it.
        if !is_plain(&run.id) {
            return true;
        }
        // Those of ElasticBLAST's programs that this one has no form for are on the page of clusters only.
        let program = run.program.as_deref().and_then(Program::parse);
        let Some(program) = program else {
            return true;
        };
        let spec = SearchSpec {
            program,
            task: None,
            database: short_name(run.database.as_deref().unwrap_or_default()),
            options: SearchOptions::default(),
        };
        let found = Found {
            cluster: place.cluster.clone(),
            namespace: place.namespace.clone(),
        };
        let results = run.results.clone().unwrap_or_default();
        let mut job = Job::found(&run.id, spec, run.created_at, results, found);
        job.database.title.clone_from(&job.spec.database);
        // As they were given, one word each: they are shown and never run.
        let options = run.options.as_deref().unwrap_or_default();
        job.command = options.split_whitespace().map(str::to_owned).collect();
        match self.context.jobs.create(&job, None, "").await {
            Ok(Created::New(_)) => {
                tracing::info!(
                    job = run.id,
                    cluster = place.cluster,
                    namespace = place.namespace,
                    "a search that others have started was found on a cluster"
                );
                self.wake(&run.id);
                true
            }
            // Another server was first, or it was deleted long ago.
            Ok(Created::Existing(_)) => true,
            Err(error) => {
                tracing::warn!(job = run.id, %error, "a search was found on a cluster and cannot be stored yet");
                false
            }
        }
    }

    /// Ends a run of this program that its row does not know any more: the attempt was given up while the
    /// cluster was away, so that nobody could tell the cluster.
    async fn end_if_unwanted(
        self: &Arc<Self>,
        place: &PlaceView,
        run: &RunView,
        job: &str,
        attempt: u32,
    ) {
        let ended = matches!(
            run.phase,
            Phase::Completed | Phase::Failed | Phase::ResultsPending
        );
        if ended || !place.health.is_current() {
            return;
        }
        let model = self.context.jobs.model();
        // One that has completed is done with its results in the store; its Job says so a moment later.
        let wanted = |(phase, now): (Phase, u32)| {
            (phase.is_active() || phase == Phase::Completed) && now <= attempt
        };
        let given_up = !model.phase_and_attempt(job).is_some_and(wanted);
        let Some(clusters) = self.context.clusters.as_ref().filter(|_| given_up) else {
            return;
        };
        tracing::warn!(
            job,
            attempt,
            cluster = place.cluster,
            "an attempt that was given up is still on the cluster; it is ended"
        );
        let found = Found {
            cluster: place.cluster.clone(),
            namespace: place.namespace.clone(),
        };
        if let Err(reason) = clusters.cancel(&found, &run.id).await {
            tracing::warn!(job, attempt, reason, "it is tried again");
        }
    }
}

/// Whether an id is one that ElasticBLAST or this program could have made: such as a label's value may be.
fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=63).contains(&id.len()) && id.bytes().all(plain) && !id.starts_with(['.', '-'])
}

/// The last part of a database's name, which may be the address of its files.
pub(super) fn short_name(database: &str) -> String {
    let last = database.trim_end_matches('/').rsplit('/').next();
    let last = last.filter(|last| !last.is_empty());
    last.unwrap_or(NO_DATABASE).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_leads_elsewhere_is_none() {
        for id in ["job-0123456789abcdef0123456789abcdef", "a.b_c-1"] {
            assert!(is_plain(id), "{id}");
        }
        for id in [
            "",
            "../../etc/x",
            "a/b",
            ".hidden",
            "-x",
            "a\0",
            "é",
            &"x".repeat(64),
        ] {
            assert!(!is_plain(id), "{id}");
        }
    }
}
