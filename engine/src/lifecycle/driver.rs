//! The driver of one job: reads the row, does what its phase asks for, writes what came of it.
//!
//! Owns the loop: every turn starts from the stored row and from the lease under which this process
//! may drive it; every write carries that lease. A cancel wakes the driver in the middle of whatever it
//! waits for, and so does the loss of the job to another process or to its end.

use std::time::Duration;

use elb_core::{
    error_code::ErrorCode,
    job::Job,
    phase::{Phase, Status},
    poll, text,
    time::Timestamp,
    transition::Event,
    view::LogLevel,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::{
    crash::{self, Point},
    executor::ExecutorError,
    jobs::{ChangeError, Held},
    objects::Kind,
    repository::{Lease, RepositoryError, Stored},
};

mod external;
mod followed;
mod slot;
mod turn;

pub(super) use turn::holds_place;

/// How long a driver rests when the store does not answer.
const STORE_REST: Duration = Duration::from_secs(1);
/// The longest rest before a driver looks at the clock again: it may have been set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Turns that the row refuses one after the other before the job is given up.
const MAX_REFUSED: u32 = 8;

/// Why a turn of the loop ended early.
enum Halt {
    /// The row moved under the driver; look again.
    Again,
    /// The store does not answer; rest and look again.
    Store(RepositoryError),
    /// The job has failed.
    Failed(ExecutorError),
}

impl From<ChangeError> for Halt {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Illegal(_) => Self::Again,
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<RepositoryError> for Halt {
    fn from(error: RepositoryError) -> Self {
        Self::Store(error)
    }
}

impl From<ExecutorError> for Halt {
    fn from(error: ExecutorError) -> Self {
        Self::Failed(error)
    }
}

/// A job in the hands of this process.
struct Driver<'a> {
    context: &'a Context,
    lease: Lease,
}

/// Drives the job until it has ended, another process has it, or `stop` asks for its end.
pub(super) async fn drive(context: &Context, id: &str, changed: &Notify, stop: &CancellationToken) {
    let mut refused = 0_u32;
    loop {
        let stored = match context.jobs.hold(id).await {
            Ok(Held::Ours(stored)) => stored,
            Ok(Held::Ended(stored)) => return finish(context, &stored.job).await,
            Ok(Held::Others) => {
                // Nothing of it may go on here, and nothing that runs elsewhere may be touched.
                context.executor.let_go(id).await;
                context.admission.leave(id);
                return;
            }
            Err(RepositoryError::Missing(_)) => return context.admission.leave(id),
            Err(error) => {
                tracing::warn!(job = id, %error, "the job's row cannot be read");
                tokio::select! {
                    () = tokio::time::sleep(STORE_REST) => continue,
                    () = stop.cancelled() => return,
                }
            }
        };
        let driver = Driver {
            context,
            lease: stored.lease.clone(),
        };
        if let Some(error) = overdue(&stored.job, context.jobs.clock().now()) {
            driver.fail(&stored.job, &error).await;
            continue;
        }
        crash::point(Point::BeforeTurn);
        let Some(turn) = interruptible(&driver, &stored, changed, stop).await else {
            if stop.is_cancelled() {
                return;
            }
            continue;
        };
        crash::point(Point::AfterTurn);
        match turn {
            Ok(()) => refused = 0,
            Err(Halt::Again) => {
                refused += 1;
                if refused > MAX_REFUSED {
                    let phase = stored.job.phase.as_str();
                    let message = format!("the job cannot go on from {phase}");
                    let error = ExecutorError::new(ErrorCode::Internal, message);
                    driver.fail(&stored.job, &error).await;
                }
            }
            Err(Halt::Failed(error)) => driver.fail(&stored.job, &error).await,
            // Another process has it now: the next look says so.
            Err(Halt::Store(RepositoryError::Fenced { .. })) => {}
            Err(Halt::Store(error)) => {
                tracing::warn!(job = id, %error, "the job's row cannot be written");
                tokio::select! {
                    () = tokio::time::sleep(STORE_REST) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }
}

/// The failure of a job that has waited past its deadline. One that is only followed waits as long as its
/// cluster says.
fn overdue(job: &Job, now: Timestamp) -> Option<ExecutorError> {
    if job.followed().is_some() {
        return None;
    }
    let deadline = job.deadline().filter(|deadline| now >= *deadline)?;
    let limit = poll::wait_limit(job.phase).map_or(0, |limit| limit.as_millis());
    let limit = text::duration(u64::try_from(limit).unwrap_or(u64::MAX));
    let code = match job.phase {
        Phase::WaitingForSubmitSlot => ErrorCode::BlastSubmitLockBusy,
        _ => ErrorCode::WaitedTooLong,
    };
    let message = format!(
        "it waited until {}, longer than the {limit} that this wait may take; last reason: {}",
        deadline.on_screen(),
        job.waiting_reason().unwrap_or("none")
    );
    Some(ExecutorError::new(code, message))
}

/// One turn, given up (`None`) when the engine stops, when a person has asked for the job's end, or
/// when it has ended by another hand. Any other wake-up changes nothing: the driver is at work.
async fn interruptible(
    driver: &Driver<'_>,
    stored: &Stored,
    changed: &Notify,
    stop: &CancellationToken,
) -> Option<Result<(), Halt>> {
    let work = driver.turn(&stored.job);
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            () = changed.notified() => {
                let phase = driver.context.jobs.model().phase(&stored.job.id);
                let ended = !phase.is_some_and(Phase::is_active);
                let asked = phase == Some(Phase::Cancelling) && stored.job.phase != Phase::Cancelling;
                if ended || asked {
                    return None;
                }
            }
            outcome = &mut work => return Some(outcome),
        }
    }
}

impl Driver<'_> {
    /// Ends the attempt with an error: for good, or until the next one begins by itself. The last word
    /// of a log stands in it before the job has ended: whoever follows the log reads to the end of the
    /// job and no further.
    async fn fail(&self, job: &Job, error: &ExecutorError) {
        let (code, message) = (error.code, error.message.clone());
        let again = job.phase != Phase::Cancelling && job.retries_by_itself(code);
        let event = if again {
            let chance = (self.context.chance)();
            let pause = poll::retry_pause(job.automatic_retries, chance);
            let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
            let not_before = self.context.jobs.clock().now().plus_ms(pause);
            let line = format!(
                "failed: {message}; tried again by itself, not before {}",
                not_before.on_screen()
            );
            self.log(job, LogLevel::Warning, line);
            if let Err(error) = self.context.executor.cancel(job).await {
                tracing::warn!(job = %job.id, %error, "processes of the failed attempt may be left");
            }
            crash::point(Point::BeforeRetry);
            self.leave_slot(job).await;
            self.context.admission.leave(&job.id);
            Event::RetryPlanned {
                code,
                message,
                not_before,
            }
        } else {
            self.log(job, LogLevel::Error, format!("failed: {message}"));
            Event::Failed { code, message }
        };
        match self.context.jobs.drive(&job.id, &event, &self.lease).await {
            // Illegal: a person was quicker. Fenced: another process has it.
            Ok(_)
            | Err(ChangeError::Illegal(_) | ChangeError::Store(RepositoryError::Fenced { .. })) => {
            }
            Err(ChangeError::Store(error)) => {
                // The next turn of the loop reads the row again and meets the same failure.
                tracing::warn!(job = %job.id, %error, "the failure cannot be recorded yet");
                tokio::time::sleep(STORE_REST).await;
            }
        }
    }

    async fn change(&self, job: &Job, event: &Event) -> Result<Stored, Halt> {
        Ok(self.context.jobs.drive(&job.id, event, &self.lease).await?)
    }

    fn log(&self, job: &Job, level: LogLevel, line: String) {
        self.context
            .logs
            .append(&job.id, job.current_step(), level, &[line]);
    }

    /// Rests until `then`, or a while: the clock may be set meanwhile.
    async fn rest_until(&self, then: Timestamp) {
        let left = then.since(self.context.jobs.clock().now());
        tokio::time::sleep(Duration::from_millis(left).min(LOOK_AGAIN)).await;
    }
}

/// What remains to be done for a job that ended by another hand than its driver's.
pub(super) async fn end(context: &Context, id: &str) {
    match context.jobs.get(id).await {
        Ok(stored) if !stored.job.phase.is_active() => finish(context, &stored.job).await,
        Ok(_) => {}
        Err(error) => tracing::warn!(job = id, %error, "the job's row cannot be read"),
    }
}

/// Puts the log of an attempt that has ended beside its results, if they are elsewhere: other servers, and
/// one that begins with an empty disk, read it there.
async fn keep_log(context: &Context, job: &Job) {
    if !context.objects.are_elsewhere() || job.phase == Phase::Deleted {
        return;
    }
    let Some(path) = context.logs.file(&job.id) else {
        return;
    };
    let kept = async {
        let file = tokio::fs::File::open(path).await?;
        let put = context.objects.put(&job.id, Kind::Log, job.attempt, file);
        put.await.map_err(std::io::Error::other)
    };
    if let Err(error) = kept.await {
        tracing::warn!(job = %job.id, %error, "the log stays on this server alone");
    }
}

/// What remains when a job has ended: a failed one may have processes left, and the work folder is of
/// no more use once it has completed. Query and results of a deleted one wait for the janitor.
async fn finish(context: &Context, job: &Job) {
    crash::point(Point::BeforeFinish);
    if job.followed().is_some() {
        // What is on the cluster belongs to who put it there.
        return finish_followed(context, job);
    }
    if let Some(clusters) = context.clusters.as_ref().filter(|_| job.place.is_some()) {
        clusters.touch();
    }
    if job.phase.status() == Status::Failed
        && let Err(error) = context.executor.cancel(job).await
    {
        tracing::warn!(job = %job.id, %error, "processes of a failed search may be left");
    }
    if let Some(slot) = context.executor.submit_slot(job)
        && let Err(error) = context.jobs.leave_slot(&slot, &job.id).await
    {
        // The slot of a job that has ended is free for the next one all the same.
        tracing::warn!(job = %job.id, slot, %error, "the submit slot cannot be given back");
    }
    context.admission.leave(&job.id);
    keep_log(context, job).await;
    let removable = matches!(job.phase, Phase::Completed | Phase::Deleted);
    if removable {
        crash::point(Point::BeforeCleanup);
        if let Err(error) = context.executor.cleanup(&job.id).await {
            tracing::warn!(job = %job.id, %error, "the work folder cannot be removed");
        }
        crash::point(Point::AfterCleanup);
    }
    if job.phase == Phase::Deleted {
        context.cleaning.notify_one();
    }
}

/// The same of one that was only followed: nothing of it is on this machine.
fn finish_followed(context: &Context, job: &Job) {
    context.admission.leave(&job.id);
    if job.phase == Phase::Deleted {
        context.cleaning.notify_one();
    }
}
