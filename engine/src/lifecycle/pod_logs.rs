//! Logs of containers, kept when these have ended: a cluster forgets them with their pods.
//!
//! Owns what of them is still to be read, and when. Beside the drivers: no search waits for its logs or fails
//! with them. What is kept already is asked of the store, so that neither a restart nor another server keeps
//! one twice. A log that was seen and could not be read is kept as such, with the reason.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use elb_core::{
    cluster::{LogOf, job_of},
    job::Found,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Context, Lifecycle};
use crate::{
    clusters::{Clusters, ContainerRun, PodLogs, RunState},
    lease::LeaseTerms,
    objects::ObjectError,
    read_model::ReadModel,
    repository::RepositoryError,
};

mod reading;

pub use reading::MOST;
use reading::{Failure, Task, keep};

/// The most logs that are kept of one search: those of a thousand batches with two containers each, and as
/// many tries again.
pub const LOGS_OF_A_SEARCH: usize = 4_000;
/// Logs that are read at once: their memory is so many times [`MOST`].
const AT_ONCE: usize = 16;
/// The shortest time between two looks: a pod that was told to end may be gone a second later.
const LOOK: Duration = Duration::from_millis(200);
/// The first pause after a log could not be read or kept; doubled with each further time.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is doubled: up to about four minutes.
const DOUBLINGS: u32 = 8;
/// How long a server waits for the one that drives a search to keep its logs.
const OTHERS_FIRST: Duration = Duration::from_secs(10);

/// What has been done for the logs of one search, or of one attempt of it.
struct Search {
    /// Whose row it has.
    job: String,
    place: Found,
    /// Whether another server drives it, which keeps its logs too.
    elsewhere: bool,
    /// Those of which nothing is to be done any more.
    done: BTreeSet<LogOf>,
    /// The others that were seen.
    open: BTreeMap<LogOf, Open>,
    /// What was said in the server's log, so that it is said once.
    said: Option<String>,
}

/// A log that is not kept yet.
struct Open {
    /// As it was seen last.
    run: ContainerRun,
    /// Whether it is not seen any more.
    gone: bool,
    /// Whether it is being read.
    busy: bool,
    tries: u32,
    not_before: Duration,
    /// Why it could not be read the last time.
    reason: Option<String>,
}

impl Open {
    /// Whether there is something to do for it, in whatever time.
    const fn is_due(&self) -> bool {
        let ends = self.run.ending && matches!(self.run.state, RunState::Running { .. });
        !self.busy && (self.gone || ends || self.run.has_ended())
    }

    /// What is soonest gone comes first; for what is gone there is time.
    const fn urgency(&self) -> u8 {
        match (self.gone, self.run.ending) {
            (false, true) => 0,
            (false, false) => 1,
            (true, _) => 2,
        }
    }
}

impl Lifecycle {
    pub(super) async fn keep_pod_logs(self: Arc<Self>, clusters: Arc<dyn Clusters>) {
        let Some(logs) = clusters.pod_logs() else {
            return;
        };
        let mut changes = clusters.revision();
        let mut keeper = Keeper {
            context: &self.context,
            searches: HashMap::new(),
            refused: HashMap::new(),
        };
        let mut readings = JoinSet::new();
        loop {
            changes.mark_unchanged();
            keeper.look(logs).await;
            loop {
                while readings.len() < AT_ONCE
                    && let Some(task) = keeper.next()
                {
                    let (context, clusters) = (Arc::clone(&self.context), Arc::clone(&clusters));
                    readings.spawn(async move {
                        let outcome = keep(&context, &*clusters, &task).await;
                        (task, outcome)
                    });
                }
                let wake = async {
                    sleep(LOOK).await;
                    tokio::select! {
                        _ = changes.changed() => {}
                        () = sleep(keeper.pause()) => {}
                    }
                };
                tokio::select! {
                    Some(done) = readings.join_next() => match done {
                        Ok((task, outcome)) => keeper.settle(&task, outcome),
                        Err(error) => tracing::error!(%error, "a log was not kept, by a fault of this program"),
                    },
                    () = wake => break,
                }
            }
        }
    }
}

/// What is to be kept.
struct Keeper<'a> {
    context: &'a Context,
    searches: HashMap<String, Search>,
    /// Searches of which the store could not say what is kept: how often, and when it is asked again.
    refused: HashMap<String, (u32, Duration)>,
}

impl Keeper<'_> {
    fn elapsed(&self) -> Duration {
        self.context.jobs.clock().elapsed()
    }

    /// Takes in what is seen now.
    async fn look(&mut self, logs: &dyn PodLogs) {
        let seen = logs.searches();
        let context = self.context;
        let model = context.jobs.model();
        // Of a search without a row, or of one that was deleted, nothing is kept.
        self.searches
            .retain(|_, search| model.phase(&search.job).is_some());
        let names: BTreeSet<&str> = seen.iter().map(|(_, run)| run.as_str()).collect();
        self.refused.retain(|run, _| names.contains(run.as_str()));
        for (place, run) in &seen {
            let Some(job) = row_of(model, run) else {
                continue;
            };
            if !self.knows(place, run, job).await {
                continue;
            }
            let now = self.elapsed();
            if let Some(search) = self.searches.get_mut(run)
                && search.place == *place
            {
                search.see(logs.runs(place, run), now);
            }
        }
        let there: BTreeSet<(&str, &str, &str)> =
            seen.iter().map(|(place, run)| named(place, run)).collect();
        for (run, search) in &mut self.searches {
            if !there.contains(&named(&search.place, run)) {
                search.lose(&BTreeSet::new());
            }
        }
        self.searches
            .retain(|run, search| names.contains(run.as_str()) || !search.open.is_empty());
    }

    /// Whether it is known what is kept of a search, and that it is this one's row.
    async fn knows(&mut self, place: &Found, run: &str, job: &str) -> bool {
        if self.searches.contains_key(run) {
            return true;
        }
        let now = self.elapsed();
        let tries = match self.refused.get(run) {
            Some((_, not_before)) if now < *not_before => return false,
            Some((tries, _)) => *tries,
            None => 0,
        };
        match self.begin(place, job).await {
            Ok(search) => {
                self.refused.remove(run);
                self.searches.insert(run.to_owned(), search);
                true
            }
            Err(reason) => {
                if tries == 0 {
                    tracing::warn!(job, reason, "the logs of its pods are not kept yet");
                }
                let again = now + pause(tries);
                self.refused.insert(run.to_owned(), (tries + 1, again));
                false
            }
        }
    }

    async fn begin(&self, place: &Found, job: &str) -> Result<Search, String> {
        let words = |error: RepositoryError| error.to_string();
        let stored = self.context.jobs.get(job).await.map_err(words)?;
        let kept = self.context.objects.pod_logs(job).await;
        let kept = kept.map_err(|error: ObjectError| error.to_string())?;
        let member = self.context.jobs.member();
        let shared = matches!(member.terms(), LeaseTerms::Shared { .. });
        Ok(Search {
            // One of the same name elsewhere is another search.
            place: stored.job.followed().unwrap_or(place).clone(),
            job: job.to_owned(),
            elsewhere: shared && stored.lease.holder != member.id(),
            done: kept.into_iter().map(|kept| kept.log).collect(),
            open: BTreeMap::new(),
            said: None,
        })
    }

    /// What is to be read next, if it is time for anything.
    fn next(&mut self) -> Option<Task> {
        let now = self.elapsed();
        let all = self.searches.iter_mut().flat_map(|(run, search)| {
            let whose = (run, &search.job, &search.place, search.elsewhere);
            search.open.values_mut().map(move |open| (whose, open))
        });
        let due = all.filter(|(_, open)| open.is_due() && open.not_before <= now);
        let (whose, open) = due.min_by_key(|(_, open)| open.urgency())?;
        let (search, job, place, elsewhere) = whose;
        open.busy = true;
        Some(Task {
            search: search.clone(),
            job: job.clone(),
            place: place.clone(),
            run: open.run.clone(),
            gone: open.gone,
            reason: open.reason.clone(),
            elsewhere,
        })
    }

    /// How long nothing has to be done if nothing changes.
    fn pause(&self) -> Duration {
        let now = self.elapsed();
        let open = self.searches.values().flat_map(|one| one.open.values());
        let waiting = open
            .filter(|open| open.is_due())
            .map(|open| open.not_before);
        let refused = self.refused.values().map(|(_, not_before)| *not_before);
        let next = waiting.chain(refused).min();
        next.map_or(self.context.sweep, |next| next.saturating_sub(now))
    }

    fn settle(&mut self, task: &Task, outcome: Result<(), Failure>) {
        let now = self.elapsed();
        let Some(search) = self.searches.get_mut(&task.search) else {
            return;
        };
        match outcome {
            Ok(()) => {
                search.open.remove(&task.run.log);
                search.done.insert(task.run.log.clone());
            }
            Err(Failure(reason)) => {
                search.say(&reason);
                if let Some(open) = search.open.get_mut(&task.run.log) {
                    open.busy = false;
                    open.not_before = now + pause(open.tries);
                    open.tries += 1;
                    open.reason = Some(reason);
                }
            }
        }
    }
}

impl Search {
    fn see(&mut self, runs: Vec<ContainerRun>, now: Duration) {
        let names: BTreeSet<LogOf> = runs.iter().map(|run| run.log.clone()).collect();
        for run in runs {
            if self.done.contains(&run.log) {
                continue;
            }
            if let Some(open) = self.open.get_mut(&run.log) {
                (open.run, open.gone) = (run, false);
                continue;
            }
            if self.done.len() + self.open.len() >= LOGS_OF_A_SEARCH {
                self.say("it has too many; those of later pods are not kept");
                continue;
            }
            let first = if self.elsewhere {
                OTHERS_FIRST
            } else {
                Duration::ZERO
            };
            let open = Open {
                gone: false,
                busy: false,
                tries: 0,
                not_before: now + first,
                reason: None,
                run,
            };
            self.open.insert(open.run.log.clone(), open);
        }
        self.lose(&names);
    }

    /// All but these are not there any more. What was never started has said nothing.
    fn lose(&mut self, seen: &BTreeSet<LogOf>) {
        self.open.retain(|log, open| {
            open.gone = !seen.contains(log);
            open.busy || !open.gone || open.run.state != RunState::Waiting
        });
    }

    fn say(&mut self, reason: &str) {
        let job = &self.job;
        if self.said.as_deref() != Some(reason) {
            tracing::warn!(job, reason, "a log of one of its pods is not kept yet");
            self.said = Some(reason.to_owned());
        }
    }
}

/// The row of a search that is seen: that of its name, or the one of which it is an attempt.
fn row_of<'a>(model: &ReadModel, run: &'a str) -> Option<&'a str> {
    let has_row = |job: &&str| model.phase(job).is_some();
    let own = || job_of(run).map(|(job, _)| job).filter(has_row);
    Some(run).filter(has_row).or_else(own)
}

fn named<'a>(place: &'a Found, run: &'a str) -> (&'a str, &'a str, &'a str) {
    (run, &place.cluster, &place.namespace)
}

fn pause(tries: u32) -> Duration {
    PAUSE * (1 << tries.min(DOUBLINGS))
}
