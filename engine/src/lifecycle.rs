//! The lifecycle: one driver a job, that moves it from phase to phase until it has ended.
//!
//! Owns the drivers and their order of admission. A driver looks only at the stored row, at its lease
//! and at what the executor observes, so that it can be dropped at any point and started again: on
//! start every active job gets one. What a driver is about to do is in the row before it does it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

#[cfg(doc)]
use elb_core::poll;
use elb_core::{error_code::ErrorCode, phase::Phase, time::Timestamp, transition::Event};
use futures::FutureExt;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    audit_log::AuditTrail,
    clusters::{Clusters, ResultsPlaces},
    executor::Executor,
    external::ExternalPlane,
    joblog::JobLogs,
    jobs::{ChangeError, Jobs},
    lease::LeaseTerms,
    objects::Objects,
    retention::Retention,
};

mod admission;
mod adoption;
mod driver;
mod external;
mod janitor;
mod lost;
mod others;
pub mod pod_logs;

pub use admission::Admission;

/// How long drivers may take to end at a shutdown before they are left behind: their work is taken up
/// again at the next start all the same.
const DRIVERS_END: Duration = Duration::from_secs(2);

/// What every driver works with.
pub struct Context {
    /// Store and read model.
    pub jobs: Arc<Jobs>,
    /// Runs the searches.
    pub executor: Arc<dyn Executor>,
    /// The clusters that are watched, if there are any.
    pub clusters: Option<Arc<dyn Clusters>>,
    /// Where results of searches that others have started are looked for.
    pub results_places: Option<ResultsPlaces>,
    /// The external plane, if there is one.
    pub external: Option<Arc<dyn ExternalPlane>>,
    /// Whose turn it is.
    pub admission: Admission,
    /// Query, archive, hits.
    pub objects: Objects,
    /// The jobs' logs.
    pub logs: JobLogs,
    /// Who did what.
    pub audit: AuditTrail,
    /// How long what is kept.
    pub retention: Retention,
    /// Any number: spreads retries.
    pub chance: fn() -> u64,
    /// Calls the janitor.
    pub cleaning: Notify,
    /// How often everything is looked at anew, whatever was heard of it meanwhile; see
    /// [`poll::RECONCILE_SWEEP`].
    pub sweep: Duration,
}

/// Drivers under one incarnation of this process. When its leases are lost all of them end.
#[derive(Debug, Default)]
struct Generation {
    /// Wakes a job's driver when a person asked for something.
    drivers: Mutex<HashMap<String, Arc<Notify>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The engine's drivers.
pub struct Lifecycle {
    context: Arc<Context>,
    generation: Mutex<Arc<Generation>>,
    silent: lost::Watch,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Lifecycle {
    /// A lifecycle without drivers; [`Self::resume`] starts them.
    #[must_use]
    pub fn new(context: Context) -> Arc<Self> {
        Arc::new(Self {
            context: Arc::new(context),
            generation: Mutex::default(),
            silent: lost::Watch::default(),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        })
    }

    /// What runs searches.
    #[must_use]
    pub fn executor(&self) -> &Arc<dyn Executor> {
        &self.context.executor
    }

    /// The clusters that are watched, if there are any.
    #[must_use]
    pub fn clusters(&self) -> Option<&Arc<dyn Clusters>> {
        self.context.clusters.as_ref()
    }

    /// Where results of searches that others have started are read, if they can be.
    #[must_use]
    pub fn results_places(&self) -> Option<&ResultsPlaces> {
        self.context.results_places.as_ref()
    }

    /// The external plane, if there is one.
    #[must_use]
    pub fn external(&self) -> Option<&Arc<dyn ExternalPlane>> {
        self.context.external.as_ref()
    }

    fn generation(&self) -> Arc<Generation> {
        let generation = self.generation.lock();
        Arc::clone(&generation.unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes up every job that has not ended, oldest first, and looks again at each sweep.
    pub fn resume(self: &Arc<Self>) {
        // All of them at once, before any driver looks: the oldest is first whoever asks first. The
        // driver of a job that another process has gives its place away again.
        self.line_up_all();
        self.sweep();
        self.spawn(|this| async move { this.sweep_again_and_again().await });
        self.spawn(|this| async move { this.clean_again_and_again().await });
        if let Some(clusters) = self.context.clusters.clone() {
            let watched = Arc::clone(&clusters);
            self.spawn(|this| async move { this.keep_pod_logs(watched).await });
            self.spawn(|this| async move { this.adopt_again_and_again(&*clusters).await });
        }
        if let Some(plane) = self.context.external.clone() {
            self.spawn(|this| async move { this.take_in_again_and_again(&*plane).await });
        }
        if let LeaseTerms::Shared { .. } = self.context.jobs.member().terms() {
            self.spawn(|this| async move { this.follow_others().await });
            self.spawn(|this| async move { this.keep_leases().await });
        }
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        task: impl FnOnce(Arc<Self>) -> F,
    ) {
        let shutdown = self.shutdown.clone();
        let task = task(Arc::clone(self));
        self.tasks.spawn(async move {
            tokio::select! {
                () = task => {}
                () = shutdown.cancelled() => {}
            }
        });
    }

    fn line_up_all(&self) {
        let holds = driver::holds_place;
        let admission = &self.context.admission;
        for (created_at, id, phase, later) in self.context.jobs.model().line() {
            if holds(phase) {
                admission.reenter(&id);
            } else if phase == Phase::Queued && !later {
                admission.line_up(created_at, &id);
            }
        }
    }

    /// Keeps a place in the line for a job that is about to be stored, and gives its time of creation:
    /// first come, first served holds from that moment.
    #[must_use]
    pub fn line_up(&self, id: &str) -> Timestamp {
        let clock = self.context.jobs.clock();
        self.context.admission.line_up_now(|| clock.now(), id)
    }

    /// Gives up the place of a job that was not stored, or that will not run.
    pub fn step_out(&self, id: &str) {
        self.context.admission.leave(id);
    }

    async fn sweep_again_and_again(self: Arc<Self>) {
        self.finish_completed().await;
        let mut ticks = tokio::time::interval(self.context.sweep);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for id in self.silent.look(&self.context).await {
                self.wake(&id);
            }
            self.sweep();
        }
    }

    async fn clean_again_and_again(self: Arc<Self>) {
        loop {
            janitor::round(&self.context).await;
            tokio::select! {
                () = self.context.cleaning.notified() => {}
                () = tokio::time::sleep(self.context.sweep) => {}
            }
        }
    }

    fn sweep(self: &Arc<Self>) {
        for id in self.context.jobs.model().active() {
            self.wake(&id);
        }
    }

    /// Removes the work folders of completed and deleted jobs that an engine that was killed has left.
    async fn finish_completed(&self) {
        let model = self.context.jobs.model();
        for id in self.context.executor.left_behind().await {
            if model.phase(&id) == Some(Phase::Completed) || model.is_deleted(&id) {
                driver::end(&self.context, &id).await;
            }
        }
    }

    /// Whether jobs are still taken.
    #[must_use]
    pub fn accepts(&self) -> bool {
        !self.shutdown.is_cancelled()
    }

    /// How long what is kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        self.context.retention
    }

    /// Calls the janitor.
    pub fn clean(&self) {
        self.context.cleaning.notify_one();
    }

    /// Makes sure that the job has a driver, and has it look at the row.
    pub fn wake(self: &Arc<Self>, id: &str) {
        let generation = self.generation();
        if !self.accepts() || generation.stop.is_cancelled() {
            return;
        }
        let mut drivers = generation
            .drivers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = drivers.get(id) {
            driver.notify_one();
            return;
        }
        let changed = Arc::new(Notify::new());
        drivers.insert(id.to_owned(), Arc::clone(&changed));
        drop(drivers);
        let (this, id) = (Arc::clone(self), id.to_owned());
        let tasks = generation.tasks.clone();
        tasks.spawn(async move { this.supervise(generation, id, changed).await });
    }

    /// Runs one driver in a task of its own: its panic is recorded on its job and hits no other.
    async fn supervise(
        self: Arc<Self>,
        generation: Arc<Generation>,
        id: String,
        signal: Arc<Notify>,
    ) {
        let context = Arc::clone(&self.context);
        let (job, changed, stop) = (id.clone(), Arc::clone(&signal), generation.stop.clone());
        let driver =
            tokio::spawn(async move { driver::drive(&context, &job, &changed, &stop).await });
        if let Err(error) = driver.await {
            tracing::error!(job = %id, %error, "the job's driver ended in a panic");
            // In a task as well: what is broken may break this too, and the job must not be left without
            // any driver.
            let (this, job) = (Arc::clone(&self), id.clone());
            let recording =
                tokio::spawn(async move { this.record_panic(&job, &error.to_string()).await });
            if let Err(error) = recording.await {
                tracing::error!(job = %id, %error, "the panic could not be recorded; the next sweep looks again");
            }
        }
        self.context.admission.leave(&id);
        let mut drivers = generation
            .drivers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        drivers.remove(&id);
        drop(drivers);
        // A retry that came while this driver was ending would otherwise wait for the sweep.
        if signal.notified().now_or_never().is_some() {
            self.wake(&id);
        }
    }

    async fn record_panic(&self, id: &str, error: &str) {
        let event = Event::Failed {
            code: ErrorCode::Internal,
            message: format!("a fault of this program ended the job: {error}"),
        };
        let recorded = async {
            let stored = self.context.jobs.get(id).await?;
            if stored.lease.holder == self.context.jobs.member().id() {
                // First what runs, then the row: failed means that nothing of it runs any more.
                if stored.job.followed().is_none()
                    && let Err(error) = self.context.executor.cancel(&stored.job).await
                {
                    tracing::warn!(job = id, %error, "processes of a failed search may be left");
                }
                self.context.jobs.drive(id, &event, &stored.lease).await?;
            }
            Ok::<(), ChangeError>(())
        };
        if let Err(error) = recorded.await {
            tracing::error!(job = id, %error, "the panic could not be recorded");
        }
        driver::end(&self.context, id).await;
    }

    /// Takes no more work, ends every driver and gives the leases back; what they were doing is resumed
    /// at the next start, or by another process.
    pub async fn shut_down(&self) {
        self.shutdown.cancel();
        let generation = self.generation();
        generation.stop.cancel();
        for tasks in [&self.tasks, &generation.tasks] {
            tasks.close();
            if tokio::time::timeout(DRIVERS_END, tasks.wait())
                .await
                .is_err()
            {
                tracing::warn!("some work for jobs did not end in time and is broken off");
            }
        }
        self.context.executor.shut_down().await;
        if let Err(error) = self.context.jobs.leave().await {
            tracing::warn!(%error, "the leases could not be given back; they run out");
        }
    }
}
