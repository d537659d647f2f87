//! The clusters that are watched, and the tasks that watch them.
//!
//! Owns one task a namespace, which connects, hears of Jobs and pods, and looks now and then whether the
//! cluster is there at all. Readers are answered from memory; no cluster can make them wait or fail.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use elb_core::{
    cluster::{Health, PlaceView, ResultsSeen},
    job::Found,
    time::Timestamp,
};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Namespace, Pod},
};
use kube::{Api, Client, api::ListParams};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    JobObject, PodObject,
    cancel::cancel,
    connect::{Connection, connect},
    pace::Pace,
    place::{About, Place, Warnings},
    progress,
    trouble::Trouble,
    watching::{Watched, hear},
};
use crate::{
    clock::Clock,
    clusters::{ClusterAddress, Clusters, PodLogs, Sight},
};

/// The most events that are looked at.
const EVENTS: u32 = 500;

impl Watched for Job {
    type Kept = JobObject;

    fn reduce(&self) -> Option<JobObject> {
        JobObject::of(self)
    }
}

impl Watched for Pod {
    type Kept = PodObject;

    fn reduce(&self) -> Option<PodObject> {
        PodObject::of(self)
    }
}

/// What is seen of all clusters of the settings.
pub struct ClusterSnapshot {
    places: Vec<Arc<Place>>,
    changes: watch::Sender<u64>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl ClusterSnapshot {
    /// Begins to watch. Waits for nothing: a cluster that does not answer is shown as one.
    #[must_use]
    pub fn start(
        addresses: &[ClusterAddress],
        clock: &Arc<dyn Clock>,
        chance: fn() -> u64,
    ) -> Arc<Self> {
        Self::start_with(addresses, clock, chance, Pace::default())
    }

    /// The same with other waits.
    #[must_use]
    pub fn start_with(
        addresses: &[ClusterAddress],
        clock: &Arc<dyn Clock>,
        chance: fn() -> u64,
        pace: Pace,
    ) -> Arc<Self> {
        let changes = watch::Sender::new(0);
        let place = |address: &ClusterAddress| {
            let place = Place::new(address.clone(), Arc::clone(clock), changes.clone(), pace);
            Arc::new(place)
        };
        let places: Vec<Arc<Place>> = addresses.iter().map(place).collect();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        for place in &places {
            let (place, stop) = (Arc::clone(place), stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = keep_watching(&place, chance) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        Arc::new(Self {
            places,
            changes,
            tasks,
            stop,
        })
    }

    /// Ends all watches.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for ClusterSnapshot {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[async_trait]
impl Clusters for ClusterSnapshot {
    fn places(&self) -> Vec<PlaceView> {
        self.places.iter().map(|place| place.view()).collect()
    }

    fn revision(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn touch(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn see(
        &self,
        found: &Found,
        run: &str,
        since: Timestamp,
        results: &ResultsSeen,
    ) -> Option<Sight> {
        self.find(found)?.see(run, since, results)
    }

    fn unseen(&self, found: &Found) -> Option<String> {
        let place = self.find(found).filter(|place| !place.is_connecting())?;
        place.why_unseen()
    }

    async fn cancel(&self, found: &Found, run: &str) -> Result<(), String> {
        match self.find(found) {
            Some(place) => cancel(place, run).await,
            None => Err(format!(
                "cluster {}, namespace {} is not in the settings (ELB_CLUSTERS)",
                found.cluster, found.namespace
            )),
        }
    }

    fn pod_logs(&self) -> Option<&dyn PodLogs> {
        Some(self)
    }
}

impl ClusterSnapshot {
    /// The namespaces that are watched, in the order of the settings.
    pub(super) fn all(&self) -> &[Arc<Place>] {
        &self.places
    }

    pub(super) fn find(&self, found: &Found) -> Option<&Place> {
        let place = self.places.iter().find(|place| place.found() == *found);
        place.map(|place| &**place)
    }
}

/// Never ends.
async fn keep_watching(place: &Place, chance: fn() -> u64) {
    loop {
        match connect(&place.address, &place.requests).await {
            Ok(connection) => {
                place.connected(&connection.client, &connection.namespace);
                watch_until_broken(place, connection, chance).await;
            }
            Err(trouble) => {
                place.lost(&trouble);
                sleep(place.pace.connect_again).await;
            }
        }
    }
}

/// Ends when everything has to be begun anew, with a new client.
async fn watch_until_broken(place: &Place, connection: Connection, chance: fn() -> u64) {
    let Connection { client, namespace } = connection;
    let jobs: Api<Job> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    tokio::select! {
        _ = hear(place, jobs, chance) => {}
        _ = hear(place, pods, chance) => {}
        () = beat(place, &client, &namespace) => {}
        () = progress::follow(place, &client, &namespace) => {}
    }
}

/// Looks again and again whether the cluster is there. Ends when it is back after it was not: a watch that
/// was begun before may have lost its connection without a word.
async fn beat(place: &Place, client: &Client, namespace: &str) {
    let mut whole = Whole {
        client,
        namespace,
        may_read_namespace: true,
        version: None,
    };
    let pace = place.pace;
    let mut away = false;
    loop {
        let answer = timeout(pace.answer, whole.ask()).await;
        let mut asked = None;
        match answer.unwrap_or_else(|_| Err(Trouble::silent(pace.answer))) {
            Ok(()) => {
                place.heard(whole.version.clone());
                if away {
                    return;
                }
            }
            // There is somebody who answers; the watches tell for themselves how they fare.
            Err(trouble) if trouble.busy => asked = trouble.retry_after,
            Err(trouble) if trouble.health == Health::Missing => place.troubled(trouble),
            Err(trouble) => {
                away = true;
                place.lost(&trouble);
                if trouble.health == Health::Unauthorised {
                    sleep(pace.connect_again).await;
                    return;
                }
                asked = trouble.retry_after;
            }
        }
        if !away {
            look_at_events(place, client, namespace).await;
        }
        let next = if away { pace.connect_again } else { pace.beat };
        sleep(next.max(asked.unwrap_or_default())).await;
    }
}

/// The cluster as a whole.
struct Whole<'a> {
    client: &'a Client,
    namespace: &'a str,
    may_read_namespace: bool,
    version: Option<String>,
}

impl Whole<'_> {
    async fn ask(&mut self) -> Result<(), Trouble> {
        if self.version.is_none() || !self.may_read_namespace {
            match self.client.apiserver_version().await {
                Ok(info) => self.version = Some(info.git_version),
                // Everybody may ask for it, unless that was taken away; it is no part of what is needed.
                Err(kube::Error::Api(status)) if status.code == 403 => {}
                Err(error) => return Err(Trouble::of(&error)),
            }
        }
        if !self.may_read_namespace {
            return Ok(());
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match namespaces.get(self.namespace).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                // It is no part of the rights that are needed.
                self.may_read_namespace = false;
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Err(Trouble::new(
                Health::Missing,
                format!(
                    "the cluster has no namespace {}; create it, or name another one in the settings",
                    self.namespace
                ),
            )),
            Err(error) => Err(Trouble::of(&error)),
        }
    }
}

/// Asks for the events of what stands still for a reason that no object tells. Nothing stands still: nothing
/// is asked.
async fn look_at_events(place: &Place, client: &Client, namespace: &str) {
    let (puzzled, short_of_room) = place.puzzles();
    let mut warnings = Warnings::default();
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let list = async |fields: &str| {
        let params = ListParams::default().fields(fields).limit(EVENTS);
        match timeout(place.pace.answer, events.list(&params)).await {
            Ok(Ok(list)) => list.items,
            Ok(Err(error)) => {
                tracing::debug!(cluster = place.address.name(), %error, "its events cannot be read");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    };
    if puzzled {
        warnings.last = told_of(list("type=Warning").await);
    }
    if short_of_room {
        warnings.scaling = !list("reason=TriggeredScaleUp").await.is_empty();
    }
    place.warned(warnings);
}

/// The last warning about each object.
fn told_of(mut events: Vec<Event>) -> HashMap<(About, String), String> {
    events.sort_by_key(|event| {
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        last.or(event.event_time.as_ref().map(|time| time.0))
    });
    let mut last = HashMap::new();
    for event in events {
        let about = match event.involved_object.kind.as_deref() {
            Some("Job") => About::Job,
            Some("Pod") => About::Pod,
            _ => continue,
        };
        if let (Some(name), Some(message)) = (event.involved_object.name, event.message) {
            last.insert((about, name), message);
        }
    }
    last
}
