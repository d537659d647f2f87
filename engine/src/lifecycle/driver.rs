//! The driver of one job: reads the row, does what its phase asks for, writes what came of it.
//!
//! Owns the order of steps. Total over all phases; each turn of the loop starts from the stored row.
//! A cancel wakes the driver in the middle of whatever it waits for.

use elb_core::{
    error_code::ErrorCode,
    job::{Intent, Job},
    phase::{Phase, Status},
    step::Step,
    text,
    transition::Event,
    view::LogLevel,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Context, admission::Turn};
use crate::{
    executor::{ExecutorError, Observation, Readiness},
    jobs::{ChangeError, ENGINE},
    repository::{RepositoryError, Stored},
};

/// How long a driver rests when the store does not answer.
const STORE_REST: std::time::Duration = std::time::Duration::from_secs(1);

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
            ChangeError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ExecutorError> for Halt {
    fn from(error: ExecutorError) -> Self {
        Self::Failed(error)
    }
}

/// Drives the job until it has ended or the engine shuts down.
pub(super) async fn drive(context: &Context, id: &str, changed: &Notify, stop: &CancellationToken) {
    let mut illegal_turns = 0_u32;
    loop {
        let stored = match context.jobs.get(id).await {
            Ok(stored) => stored,
            Err(RepositoryError::Missing(_)) => return,
            Err(error) => {
                tracing::warn!(job = id, %error, "the job's row cannot be read");
                tokio::select! {
                    () = tokio::time::sleep(STORE_REST) => continue,
                    () = stop.cancelled() => return,
                }
            }
        };
        if !stored.job.phase.is_active() {
            finish(context, &stored.job).await;
            return;
        }
        let Some(turn) = interruptible(context, &stored, changed, stop).await else {
            if stop.is_cancelled() {
                return;
            }
            continue;
        };
        match turn {
            Ok(()) => illegal_turns = 0,
            Err(Halt::Again) => {
                illegal_turns += 1;
                if illegal_turns > 8 {
                    record_failure(
                        context,
                        &stored.job,
                        &ExecutorError::new(
                            ErrorCode::Internal,
                            format!("the job cannot go on from {}", stored.job.phase.as_str()),
                        ),
                    )
                    .await;
                }
            }
            Err(Halt::Failed(error)) => record_failure(context, &stored.job, &error).await,
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

/// One turn, given up (`None`) when the engine stops or a person has asked for the job's end. Any
/// other wake-up finds the driver at work already and changes nothing.
async fn interruptible(
    context: &Context,
    stored: &Stored,
    changed: &Notify,
    stop: &CancellationToken,
) -> Option<Result<(), Halt>> {
    let work = turn(context, stored);
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            () = changed.notified() => {
                let asked = context.jobs.model().phase(&stored.job.id) == Some(Phase::Cancelling);
                if asked && stored.job.phase != Phase::Cancelling {
                    return None;
                }
            }
            outcome = &mut work => return Some(outcome),
        }
    }
}

/// Records a failure. The last word of a log stands in it before the job has ended: whoever follows the
/// log reads to the end of the job and no further.
async fn record_failure(context: &Context, job: &Job, error: &ExecutorError) {
    let line = format!("failed: {}", error.message);
    log(context, job, LogLevel::Error, line);
    let event = Event::Failed {
        code: error.code,
        message: error.message.clone(),
    };
    if let Err(error) = context.jobs.change(&job.id, &event, ENGINE).await {
        // The next turn of the loop reads the row again and meets the same failure.
        tracing::warn!(job = %job.id, %error, "the failure cannot be recorded yet");
    }
}

fn log(context: &Context, job: &Job, level: LogLevel, line: String) {
    context
        .logs
        .append(&job.id, job.current_step(), level, &[line]);
}

/// What remains to be done for a job that a fault of this program has ended.
pub(super) async fn end(context: &Context, id: &str) {
    match context.jobs.get(id).await {
        Ok(stored) if !stored.job.phase.is_active() => finish(context, &stored.job).await,
        Ok(_) => {}
        Err(error) => tracing::warn!(job = id, %error, "the job's row cannot be read"),
    }
}

/// What remains when a job has ended: a failed one may have processes left, and the work folder is of
/// no more use once it has completed.
async fn finish(context: &Context, job: &Job) {
    if job.phase.status() == Status::Failed
        && let Err(error) = context.executor.cancel(job).await
    {
        tracing::warn!(job = %job.id, %error, "processes of a failed search may be left");
    }
    context.admission.leave(&job.id);
    let removable = matches!(job.phase, Phase::Completed | Phase::Deleted);
    if removable && let Err(error) = context.executor.cleanup(&job.id).await {
        tracing::warn!(job = %job.id, %error, "the work folder cannot be removed");
    }
    if job.phase == Phase::Deleted {
        if let Err(error) = context.objects.remove_all(&job.id).await {
            tracing::warn!(job = %job.id, %error, "the objects cannot be removed");
        }
        if let Err(error) = context.logs.remove(&job.id) {
            tracing::warn!(job = %job.id, %error, "the log cannot be removed");
        }
    }
}

async fn turn(context: &Context, stored: &Stored) -> Result<(), Halt> {
    let job = &stored.job;
    if job.phase != Phase::Queued && job.phase != Phase::Cancelling {
        context.admission.reenter(&job.id);
    }
    match job.phase {
        Phase::Queued => queued(context, job).await,
        Phase::Preparing => {
            context.executor.prepare(job).await?;
            enter(context, job, Phase::WarmingUp).await
        }
        Phase::WarmingUp | Phase::WaitingForDatabase | Phase::WaitingForWarmup => {
            warm_up(context, job).await
        }
        Phase::Configuring => configure(context, job).await,
        Phase::StagingDb => stage(context, job).await,
        Phase::WaitingForCapacity | Phase::WaitingForSubmitSlot => {
            enter(context, job, Phase::Submitting).await
        }
        Phase::Submitting => {
            context.executor.submit(job).await?;
            enter(context, job, Phase::Submitted).await
        }
        Phase::Submitted | Phase::Running => watch(context, job).await,
        Phase::ResultsPending => enter(context, job, Phase::ExportingResults).await,
        Phase::ExportingResults => {
            let outcome = context.executor.export(job).await?;
            change(context, job, &Event::Completed { outcome }).await
        }
        Phase::Cancelling => cancel(context, job).await,
        Phase::Completed
        | Phase::Failed
        | Phase::BrokerUnavailable
        | Phase::WorkerLost
        | Phase::Cancelled
        | Phase::Deleted => Ok(()),
    }
}

async fn change(context: &Context, job: &Job, event: &Event) -> Result<(), Halt> {
    if let Event::Completed { .. } = event {
        let line = "the results can be read".to_owned();
        log(context, job, LogLevel::Info, line);
    }
    context.jobs.change(&job.id, event, ENGINE).await?;
    Ok(())
}

async fn enter(context: &Context, job: &Job, phase: Phase) -> Result<(), Halt> {
    change(context, job, &Event::Enter { phase }).await
}

async fn queued(context: &Context, job: &Job) -> Result<(), Halt> {
    let mut moved = context.admission.watch();
    moved.mark_unchanged();
    match context.admission.try_enter(job.created_at, &job.id) {
        Turn::Yours => enter(context, job, Phase::Preparing).await,
        Turn::Wait { ahead, running } => {
            let reason = waiting_line(ahead, running);
            if job.waiting_reason() != Some(reason.as_str()) {
                let wait = Event::Wait {
                    phase: Phase::Queued,
                    reason,
                };
                return change(context, job, &wait).await;
            }
            // An error would mean that the line is gone, and the engine with it.
            let _ = moved.changed().await;
            Ok(())
        }
    }
}

fn waiting_line(ahead: usize, running: usize) -> String {
    let ahead = ahead as u64;
    let running = text::counted(running as u64, "search is", "searches are");
    if ahead == 0 {
        format!("next in line; {running} running")
    } else {
        format!("{} in line; {running} running", text::ordinal(ahead + 1))
    }
}

async fn warm_up(context: &Context, job: &Job) -> Result<(), Halt> {
    match context.executor.warm_up(job).await? {
        Readiness::Done => enter(context, job, Phase::Configuring).await,
        Readiness::Unneeded(reason) => {
            change(
                context,
                job,
                &Event::Skip {
                    step: Step::WarmingUp,
                    reason,
                },
            )
            .await?;
            enter(context, job, Phase::Configuring).await
        }
        Readiness::Waiting(reason) => wait(context, job, Phase::WaitingForDatabase, reason).await,
    }
}

async fn configure(context: &Context, job: &Job) -> Result<(), Halt> {
    let plan = context.executor.plan(job).await?;
    log(
        context,
        job,
        LogLevel::Command,
        elb_core::search::display_command(&plan.command),
    );
    let planned = Event::Planned {
        command: plan.command,
        // The attempt is part of it: an executor that sees an old run can tell it from the new one.
        run_id: format!("{}-{}", job.id, job.attempt),
        blast_version: plan.blast_version,
        progress: plan.progress,
    };
    let stored = context.jobs.change(&job.id, &planned, ENGINE).await?;
    stage(context, &stored.job).await
}

async fn stage(context: &Context, job: &Job) -> Result<(), Halt> {
    match context.executor.stage(job).await? {
        Readiness::Done => enter(context, job, Phase::Submitting).await,
        Readiness::Unneeded(reason) => {
            change(
                context,
                job,
                &Event::Skip {
                    step: Step::StagingDb,
                    reason,
                },
            )
            .await?;
            enter(context, job, Phase::Submitting).await
        }
        Readiness::Waiting(reason) => wait(context, job, Phase::WaitingForDatabase, reason).await,
    }
}

/// Shows why the job stands still, then rests until something may have changed.
async fn wait(context: &Context, job: &Job, phase: Phase, reason: String) -> Result<(), Halt> {
    if job.phase != phase || job.waiting_reason() != Some(reason.as_str()) {
        change(context, job, &Event::Wait { phase, reason }).await?;
    }
    tokio::time::sleep(elb_core::poll::JOB_STEADY).await;
    Ok(())
}

/// Follows the run until it has ended, one observation after the other.
async fn watch(context: &Context, job: &Job) -> Result<(), Halt> {
    let mut seen = 0;
    let mut phase = job.phase;
    let mut known = job.clone();
    loop {
        let (changes, observation) = context.executor.observe(job, seen).await;
        seen = changes;
        match observation {
            Observation::Accepted => {}
            Observation::Gone => {
                context.executor.submit(job).await?;
                known = plan_again(context, &known).await?;
                seen = 0;
            }
            Observation::Running { progress, warnings } => {
                if phase != Phase::Running {
                    enter(context, job, Phase::Running).await?;
                    phase = Phase::Running;
                }
                known = note(context, &known, progress, warnings).await?;
            }
            Observation::Succeeded { progress, warnings } => {
                if phase != Phase::Running {
                    enter(context, job, Phase::Running).await?;
                }
                note(context, &known, progress, warnings).await?;
                return enter(context, job, Phase::ExportingResults).await;
            }
            Observation::Failed(error) => return Err(Halt::Failed(error)),
        }
    }
}

/// Writes the plan down anew if less is done than the row says: the work folder was lost, and its
/// batches are searched once more.
async fn plan_again(context: &Context, known: &Job) -> Result<Job, Halt> {
    let plan = context.executor.plan(known).await?;
    let same = plan.progress.batches_total == known.progress.batches_total;
    if same && plan.progress.letters_done >= known.progress.letters_done {
        return Ok(known.clone());
    }
    let planned = Event::Planned {
        command: plan.command,
        run_id: format!("{}-{}", known.id, known.attempt),
        blast_version: plan.blast_version,
        progress: plan.progress,
    };
    let stored = context.jobs.change(&known.id, &planned, ENGINE).await?;
    Ok(stored.job)
}

/// Records what is new in an observation; nothing new is no write.
async fn note(
    context: &Context,
    known: &Job,
    progress: elb_core::job::Progress,
    warnings: Vec<String>,
) -> Result<Job, Halt> {
    let mut job = known.clone();
    for text in warnings {
        if !job.warnings.contains(&text) {
            let stored = context
                .jobs
                .change(&job.id, &Event::Warned { text }, ENGINE)
                .await?;
            job = stored.job;
        }
    }
    if progress != job.progress {
        let stored = context
            .jobs
            .change(&job.id, &Event::Progressed { progress }, ENGINE)
            .await?;
        job = stored.job;
    }
    Ok(job)
}

async fn cancel(context: &Context, job: &Job) -> Result<(), Halt> {
    if let Err(error) = context.executor.cancel(job).await {
        log(
            context,
            job,
            LogLevel::Error,
            format!("the search cannot be stopped yet: {error}"),
        );
        tokio::time::sleep(elb_core::poll::JOB_STEADY).await;
        return Ok(());
    }
    log(
        context,
        job,
        LogLevel::Info,
        "cancelled: nothing of the search is running any more".to_owned(),
    );
    let stored = context
        .jobs
        .change(&job.id, &Event::CancelObserved, ENGINE)
        .await?;
    if stored.job.intent == Intent::Delete {
        context
            .jobs
            .change(&job.id, &Event::Deleted, ENGINE)
            .await?;
    }
    Ok(())
}
