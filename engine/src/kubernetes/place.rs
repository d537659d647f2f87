//! One namespace of one cluster, as it is seen: its objects, and whether they are as they are now.
//!
//! Owns what was seen last, which stays when the cluster goes away, and the health that is told of it.
//! Never asks the cluster: those who watch write here, everybody else reads.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use elb_core::{
    cluster::{
        Health, Indexes, JobSeen, Moments, PlaceView, PodPhase, PodSeen, ResultsSeen, RunView,
        Verdict, job_of, shard_number, verdict,
    },
    job::Found,
    time::Timestamp,
};
use kube::Client;
use tokio::sync::watch;

use super::{
    JobObject, PodObject,
    pace::Pace,
    shelf::{Kept, Shelf},
    trouble::Trouble,
};
use crate::{
    clock::Clock,
    clusters::{ClusterAddress, Sight},
};

mod copies;
mod told;

use copies::Copies;
use told::{creates_no_pod, is_being_created};

/// What is heard of one kind of object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Feed {
    /// Nothing yet.
    #[default]
    Waiting,
    /// Each change arrives by itself.
    Live,
    /// It is asked for again and again, for this reason.
    Listed(String),
    /// Nothing can be had.
    Away(Trouble),
}

/// The kind of object that an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum About {
    Job,
    Pod,
}

/// What the cluster says of its own accord: what no status of an object tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Warnings {
    /// The last one about each object.
    pub last: HashMap<(About, String), String>,
    /// Whether machines are being added.
    pub scaling: bool,
}

#[derive(Debug)]
struct Inner {
    namespace: String,
    version: Option<String>,
    jobs: Shelf<JobObject>,
    pods: Shelf<PodObject>,
    copies: Copies,
    warnings: Warnings,
    jobs_feed: Feed,
    pods_feed: Feed,
    /// Why it is of no use that it answers.
    trouble: Option<Trouble>,
    health: Health,
    since: Timestamp,
    as_of: Option<Timestamp>,
}

/// A kind of object that is kept, and where.
pub(super) trait Kind: Kept + Sized + Send + 'static {
    /// The word for many of it.
    const MANY: &'static str;
    #[doc(hidden)]
    fn shelf(inner: &mut Contents) -> (&mut Shelf<Self>, &mut Feed);
    /// Writes down what is to be known of it once it is gone.
    #[doc(hidden)]
    fn note(&self, _inner: &mut Contents) {}
}

/// What the kinds reach into.
pub(super) struct Contents(Inner);

impl Kind for JobObject {
    const MANY: &'static str = "jobs";

    fn shelf(inner: &mut Contents) -> (&mut Shelf<Self>, &mut Feed) {
        (&mut inner.0.jobs, &mut inner.0.jobs_feed)
    }
}

impl Kind for PodObject {
    const MANY: &'static str = "pods";

    fn shelf(inner: &mut Contents) -> (&mut Shelf<Self>, &mut Feed) {
        (&mut inner.0.pods, &mut inner.0.pods_feed)
    }

    fn note(&self, inner: &mut Contents) {
        inner.0.copies.note(self);
    }
}

/// A namespace that is watched.
pub(super) struct Place {
    pub address: ClusterAddress,
    /// Requests that were sent.
    pub requests: Arc<AtomicU64>,
    /// How long it is waited for.
    pub pace: Pace,
    clock: Arc<dyn Clock>,
    contents: Mutex<Contents>,
    changes: watch::Sender<u64>,
    client: Mutex<Option<Client>>,
}

/// What is seen of a search that this program has started.
pub(super) struct OwnSight {
    /// Its state.
    pub verdict: Verdict,
    /// Batches that are done: by their Job, or by their pods, which say so before. Where each has a Job of its
    /// own, as many as are.
    pub done: Indexes,
    /// Whether nothing of it goes on, as far as Jobs are there.
    pub all_ended: bool,
}

impl Place {
    /// One that nothing is known of. `changes` goes up with everything that is worth showing.
    pub fn new(
        address: ClusterAddress,
        clock: Arc<dyn Clock>,
        changes: watch::Sender<u64>,
        pace: Pace,
    ) -> Self {
        let inner = Inner {
            namespace: address
                .namespace
                .clone()
                .unwrap_or_else(|| "default".to_owned()),
            version: None,
            jobs: Shelf::default(),
            pods: Shelf::default(),
            copies: Copies::default(),
            warnings: Warnings::default(),
            jobs_feed: Feed::Waiting,
            pods_feed: Feed::Waiting,
            trouble: None,
            health: Health::Connecting,
            since: clock.now(),
            as_of: None,
        };
        Self {
            address,
            requests: Arc::default(),
            pace,
            clock,
            contents: Mutex::new(Contents(inner)),
            changes,
            client: Mutex::default(),
        }
    }

    /// Whom to ask, and in which namespace; `None` as long as no client could be made.
    pub fn client(&self) -> Option<(Client, String)> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let namespace = self.lock().0.namespace.clone();
        client.clone().map(|client| (client, namespace))
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and tells it if it shows.
    fn change(&self, change: impl FnOnce(&mut Contents) -> bool) {
        let now = self.clock.now();
        let mut contents = self.lock();
        let before = (contents.0.health, contents.0.reason());
        let changed = change(&mut contents);
        let health = contents.0.judge();
        if health != contents.0.health {
            contents.0.health = health;
            contents.0.since = now;
        }
        let moved = before != (contents.0.health, contents.0.reason());
        if moved && let Some(reason) = contents.0.reason() {
            tracing::warn!(
                cluster = self.address.name(),
                namespace = contents.0.namespace,
                health = contents.0.health.as_str(),
                reason,
                "the cluster is not seen as it is"
            );
        } else if moved {
            tracing::info!(
                cluster = self.address.name(),
                namespace = contents.0.namespace,
                health = contents.0.health.as_str(),
                "the cluster is seen"
            );
        }
        drop(contents);
        if changed || moved {
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    /// A client was made for this namespace; nothing was asked yet.
    pub fn connected(&self, client: &Client, namespace: &str) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        self.change(|contents| {
            let changed = contents.0.namespace != namespace;
            namespace.clone_into(&mut contents.0.namespace);
            changed
        });
    }

    /// It has answered that it is there.
    pub fn heard(&self, version: Option<String>) {
        let now = self.clock.now();
        self.change(|contents| {
            contents.0.trouble = None;
            // Where changes arrive by themselves, none has until now.
            if contents.0.judge() == Health::Live {
                contents.0.as_of = Some(now);
            }
            let changed = version.is_some() && contents.0.version != version;
            if changed {
                contents.0.version = version;
            }
            changed
        });
    }

    /// It answers, which is of no use.
    pub fn troubled(&self, trouble: Trouble) {
        self.change(|contents| {
            contents.0.trouble = Some(trouble);
            false
        });
    }

    /// It cannot be asked: nothing is heard of anything, until each kind is heard of again.
    pub fn lost(&self, trouble: &Trouble) {
        self.change(|contents| {
            let inner = &mut contents.0;
            inner.trouble = None;
            for feed in [&mut inner.jobs_feed, &mut inner.pods_feed] {
                // That nothing came within another time is no news.
                let known = matches!(feed, Feed::Away(known) if known.health == trouble.health);
                if !known || trouble.health != Health::Unreachable {
                    *feed = Feed::Away(trouble.clone());
                }
            }
            false
        });
    }

    /// Everything of a kind, as of now, and how it is heard of, if that is another way than before.
    pub fn listed<T: Kind>(&self, objects: Vec<T>, feed: Option<Feed>) {
        let now = self.clock.now();
        self.change(|contents| {
            contents.0.as_of = Some(now);
            for object in &objects {
                object.note(contents);
            }
            let (shelf, known) = T::shelf(contents);
            if let Some(feed) = feed {
                *known = feed;
            }
            // Where it is asked for, that it was is worth showing: how old it is counts then.
            let asked_for = matches!(known, Feed::Listed(_));
            shelf.replace(objects) || asked_for
        });
    }

    /// An object was made or has changed.
    pub fn put<T: Kind>(&self, object: T) {
        let now = self.clock.now();
        self.change(|contents| {
            contents.0.as_of = Some(now);
            object.note(contents);
            T::shelf(contents).0.put(object)
        });
    }

    /// An object is gone.
    pub fn take<T: Kind>(&self, name: &str) {
        let now = self.clock.now();
        self.change(|contents| {
            contents.0.as_of = Some(now);
            T::shelf(contents).0.take(name)
        });
    }

    /// How a kind is heard of from now on.
    pub fn feed<T: Kind>(&self, feed: Feed) {
        self.change(|contents| {
            *T::shelf(contents).1 = feed;
            false
        });
    }

    /// Whether nothing can be had of a kind.
    pub fn is_away<T: Kind>(&self) -> bool {
        matches!(T::shelf(&mut self.lock()).1, Feed::Away(_))
    }

    /// What the cluster has said of its objects.
    pub fn warned(&self, warnings: Warnings) {
        self.change(|contents| {
            let changed = contents.0.warnings != warnings;
            contents.0.warnings = warnings;
            changed
        });
    }

    /// Whether something stands still that only the cluster's events can explain, and whether it waits for
    /// machines.
    pub fn puzzles(&self) -> (bool, bool) {
        let contents = self.lock();
        let jobs = contents.0.jobs.iter().any(|job| creates_no_pod(&job.seen));
        let pods = || contents.0.pods.iter().map(|pod| &pod.seen);
        let room = pods().any(|pod| pod.phase == PodPhase::Pending && pod.unschedulable.is_some());
        (jobs || pods().any(is_being_created), room)
    }

    /// Whether anything is under way.
    pub fn is_busy(&self) -> bool {
        let contents = self.lock();
        contents.0.jobs.iter().any(|job| !job.seen.has_ended())
    }

    /// What a row names it by.
    pub fn found(&self) -> Found {
        Found {
            cluster: self.address.name().to_owned(),
            namespace: self.lock().0.namespace.clone(),
        }
    }

    /// The state of a search that is known since then; `None` while nobody can say.
    pub fn see(&self, run: &str, since: Timestamp, results: &ResultsSeen) -> Option<Sight> {
        let now = self.clock.now();
        let contents = self.lock();
        let inner = &contents.0;
        let current = inner.health.is_current();
        current.then(|| {
            let mut told = inner.told(run);
            let marked = told.results.success;
            told.results = results.clone();
            told.results.success |= marked;
            let seen = told.seen(since, now, inner.warnings.scaling);
            Sight {
                verdict: verdict(&seen),
                moments: Moments::of(&seen),
            }
        })
    }

    /// Whether nothing was heard of it yet.
    pub fn is_connecting(&self) -> bool {
        self.lock().0.health == Health::Connecting
    }

    /// Why it is not seen as it is, in words; `None` while it is.
    pub fn why_unseen(&self) -> Option<String> {
        let contents = self.lock();
        let health = contents.0.health;
        (!health.is_current()).then(|| {
            let reason = contents.0.reason();
            format!(
                "cluster {} cannot be seen ({}): {}",
                self.address.name(),
                health.as_str(),
                reason.unwrap_or_else(|| "it was not heard yet".to_owned())
            )
        })
    }

    /// The state of a search that this program has started, in so many batches of its query against so many shards
    /// of its database (0: the whole); `None` while nobody can say.
    pub fn see_own(&self, run: &str, batches: u32, shards: u32) -> Option<OwnSight> {
        let now = self.clock.now();
        let contents = self.lock();
        let inner = &contents.0;
        inner.health.is_current().then(|| {
            let told = inner.told(run);
            let indexed = told.jobs.iter().any(|job| job.completions.is_some());
            let each = if indexed { 1 } else { batches };
            let jobs = each.saturating_mul(shards.max(1)) as usize;
            // Batches of a shard are numbered after those of the shards before it.
            let before = |job: &str| {
                let shard = shard_number(job).filter(|_| shards > 0);
                shard.unwrap_or(0).saturating_mul(batches)
            };
            let mut seen = told.seen(now, now, inner.warnings.scaling);
            seen.blast_jobs = Some(jobs);
            seen.ours = true;
            let done = indexed.then(|| {
                let jobs = told.jobs.iter();
                let none = Indexes::default();
                jobs.fold(none, |done, job| {
                    done.and(&job.completed, before(&job.name))
                })
            });
            OwnSight {
                verdict: verdict(&seen),
                done: match done {
                    Some(done) => {
                        let searched = told.pods.iter().filter(|pod| pod.has_searched());
                        done.with(
                            searched.filter_map(|pod| {
                                Some(pod.index?.saturating_add(before(&pod.job)))
                            }),
                        )
                    }
                    None => Indexes::below(seen.batches().done),
                },
                all_ended: told.jobs.iter().all(JobSeen::has_ended),
            }
        })
    }

    /// Names of a search's Jobs, and whether each has the search's label.
    pub fn jobs_of(&self, run: &str) -> Vec<(String, bool)> {
        let contents = self.lock();
        let jobs = contents.0.jobs.of_run(run);
        jobs.map(|job| (job.seen.name.clone(), job.labelled))
            .collect()
    }

    /// Runs of this program whose Jobs have all ended for so long, in milliseconds.
    pub fn ended_for(&self, ms: u64) -> Vec<String> {
        let now = self.clock.now();
        let contents = self.lock();
        let jobs = &contents.0.jobs;
        let ended = |job: &JobSeen| {
            let condition = job.condition("Complete").or_else(|| job.failure());
            let since = condition.and_then(|condition| condition.since);
            since.is_some_and(|since| now.since(since) > ms)
        };
        let ours = jobs.runs().filter(|run| job_of(run).is_some());
        let ours = ours.filter(|run| jobs.of_run(run).all(|job| ended(&job.seen)));
        ours.map(str::to_owned).collect()
    }

    /// The searches that have pods.
    pub fn with_pods(&self) -> Vec<(Found, String)> {
        let found = self.found();
        let contents = self.lock();
        let runs = contents.0.pods.runs();
        runs.map(|run| (found.clone(), run.to_owned())).collect()
    }

    /// The pods of a search, oldest first.
    pub fn pods_of(&self, run: &str) -> Vec<PodSeen> {
        self.lock().0.told(run).pods
    }

    /// As it is shown.
    pub fn view(&self) -> PlaceView {
        let now = self.clock.now();
        let contents = self.lock();
        let inner = &contents.0;
        let names: BTreeSet<&str> = inner.jobs.runs().chain(inner.pods.runs()).collect();
        let mut runs: Vec<RunView> = names.iter().map(|run| inner.run(run, now)).collect();
        runs.sort_by(|one, other| {
            let newest = other.created_at.cmp(&one.created_at);
            newest.then_with(|| one.id.cmp(&other.id))
        });
        PlaceView {
            cluster: self.address.name().to_owned(),
            namespace: inner.namespace.clone(),
            health: inner.health,
            reason: inner.reason(),
            since: inner.since,
            as_of: inner.as_of,
            version: inner.version.clone(),
            requests: self.requests.load(Ordering::Relaxed),
            runs,
            copies: inner.copies_seen(),
        }
    }
}
