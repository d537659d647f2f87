//! The lifecycle: one driver a job, that moves it from phase to phase until it has ended.
//!
//! Owns the drivers and their order of admission. A driver looks only at the stored row and at what
//! the executor observes, so that it can be dropped at any point and started again: on start every
//! active job gets one. What a driver is about to do is in the row before it does it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use elb_core::{error_code::ErrorCode, phase::Phase, poll, transition::Event};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    executor::Executor,
    joblog::JobLogs,
    jobs::{ENGINE, Jobs},
    objects::Objects,
};

mod admission;
mod driver;

pub use admission::Admission;

/// What every driver works with.
pub struct Context {
    /// Store and read model.
    pub jobs: Arc<Jobs>,
    /// Runs the searches.
    pub executor: Arc<dyn Executor>,
    /// Whose turn it is.
    pub admission: Admission,
    /// Query, archive, hits.
    pub objects: Objects,
    /// The jobs' logs.
    pub logs: JobLogs,
}

/// The engine's drivers.
pub struct Lifecycle {
    context: Arc<Context>,
    /// Wakes a job's driver when a person asked for something.
    drivers: Mutex<HashMap<String, Arc<tokio::sync::Notify>>>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Lifecycle {
    /// A lifecycle without drivers; [`Self::resume`] starts them.
    #[must_use]
    pub fn new(context: Context) -> Arc<Self> {
        Arc::new(Self {
            context: Arc::new(context),
            drivers: Mutex::default(),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        })
    }

    /// Takes up every job that has not ended, oldest first, and looks again at each sweep.
    pub fn resume(self: &Arc<Self>) {
        self.sweep();
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            this.finish_ended().await;
            let mut ticks = tokio::time::interval(poll::RECONCILE_SWEEP);
            loop {
                tokio::select! {
                    _ = ticks.tick() => this.sweep(),
                    () = this.shutdown.cancelled() => return,
                }
            }
        });
    }

    fn sweep(self: &Arc<Self>) {
        for id in self.context.jobs.model().active() {
            self.wake(&id);
        }
    }

    /// Ends what an engine that was killed had begun for jobs at their end: work folders of completed
    /// ones, and everything of deleted ones.
    async fn finish_ended(&self) {
        let model = self.context.jobs.model();
        let ended = |id: &String| {
            model.is_deleted(id)
                || model
                    .phase(id)
                    .is_some_and(|phase| phase == Phase::Completed)
        };
        let mut ids = self.context.executor.left_behind().await;
        ids.retain(ended);
        match self.context.objects.jobs() {
            Ok(jobs) => ids.extend(jobs.into_iter().filter(|id| model.is_deleted(id))),
            Err(error) => tracing::warn!(%error, "the objects cannot be listed"),
        }
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            driver::end(&self.context, &id).await;
        }
    }

    /// Whether jobs are still taken.
    #[must_use]
    pub fn accepts(&self) -> bool {
        !self.shutdown.is_cancelled()
    }

    /// Makes sure that the job has a driver, and has it look at the row.
    pub fn wake(self: &Arc<Self>, id: &str) {
        if !self.accepts() {
            return;
        }
        let mut drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = drivers.get(id) {
            driver.notify_one();
            return;
        }
        let changed = Arc::new(tokio::sync::Notify::new());
        drivers.insert(id.to_owned(), Arc::clone(&changed));
        drop(drivers);
        let (this, id) = (Arc::clone(self), id.to_owned());
        self.tasks
            .spawn(async move { this.supervise(id, changed).await });
    }

    /// Runs one driver in a task of its own: its panic is recorded on its job and hits no other.
    async fn supervise(self: Arc<Self>, id: String, changed: Arc<tokio::sync::Notify>) {
        let context = Arc::clone(&self.context);
        let (job, signal, stop) = (id.clone(), changed, self.shutdown.clone());
        let driver =
            tokio::spawn(async move { driver::drive(&context, &job, &signal, &stop).await });
        if let Err(error) = driver.await {
            tracing::error!(job = %id, %error, "the job's driver ended in a panic");
            let event = Event::Failed {
                code: ErrorCode::Internal,
                message: format!("a fault of this program ended the job: {error}"),
            };
            if let Err(error) = self.context.jobs.change(&id, &event, ENGINE).await {
                tracing::error!(job = %id, %error, "the panic could not be recorded");
            }
            driver::end(&self.context, &id).await;
        }
        self.context.admission.leave(&id);
        let mut drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner);
        drivers.remove(&id);
        drop(drivers);
        // A retry that came while this driver was ending would otherwise wait for the sweep.
        let active = self.context.jobs.model().active();
        if active.contains(&id) {
            self.wake(&id);
        }
    }

    /// Takes no more work and ends every driver; what they were doing is resumed at the next start.
    pub async fn shut_down(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.context.executor.shut_down().await;
    }
}
