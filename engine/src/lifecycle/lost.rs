//! Jobs that have fallen silent: no change for a while, and no other truth to be had.
//!
//! Owns the verdict `worker_lost`. Never hits a job that waits, that is being cancelled, or whose
//! executor knows that something of it is at work. Silence is measured on a clock that no one can set,
//! and begins anew when this process does.

use std::sync::{Mutex, PoisonError};

use elb_core::{
    error_code::ErrorCode, phase::Phase, poll, text, transition::Event, view::LogLevel,
};

use super::Context;
use crate::{executor::Evidence, lease::Stillness};

/// When each job was last seen to change.
#[derive(Debug, Default)]
pub(super) struct Watch {
    versions: Mutex<Stillness<u64>>,
}

impl Watch {
    /// Looks at every active job once, and ends those that are lost; their ids.
    pub(super) async fn look(&self, context: &Context) -> Vec<String> {
        let working = |phase: Phase| !phase.is_waiting() && phase != Phase::Cancelling;
        let rows = context.jobs.model().versions_of_active(working);
        let mut lost = Vec::new();
        let now = context.jobs.clock().elapsed();
        let silent: Vec<String> = {
            let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
            versions.look(rows.iter().cloned(), now);
            let ids = rows.into_iter().map(|(id, _)| id);
            ids.filter(|id| versions.still(id, poll::SILENCE_LIMIT, now).is_some())
                .collect()
        };
        for id in silent {
            match end_if_lost(context, &id).await {
                Ok(true) => lost.push(id),
                Ok(false) => {}
                Err(error) => tracing::warn!(job = id, error, "it is not known whether it is lost"),
            }
        }
        lost
    }
}

async fn end_if_lost(context: &Context, id: &str) -> Result<bool, String> {
    let stored = context
        .jobs
        .get(id)
        .await
        .map_err(|error| error.to_string())?;
    let job = &stored.job;
    // Another process that drives it has its own watch, and its lease runs out if it is silent itself.
    if stored.lease.holder != context.jobs.member().id() {
        return Ok(false);
    }
    if job.followed().is_some() {
        // Its truth is on the cluster, and whoever follows it there says so when it is gone.
        return Ok(false);
    }
    let known = match context.executor.evidence(job).await {
        Evidence::AtWork => return Ok(false),
        Evidence::Nothing(known) => known,
    };
    let limit = text::duration(u64::try_from(poll::SILENCE_LIMIT.as_millis()).unwrap_or(u64::MAX));
    let message = format!(
        "no sign of life for {limit} in the step “{}”, {} of {} batches done; {known}",
        job.current_step().label(),
        job.progress.batches_done,
        job.progress.batches_total
    );
    context.logs.append(
        id,
        job.current_step(),
        LogLevel::Error,
        &[format!("lost: {message}")],
    );
    let event = Event::Failed {
        code: ErrorCode::WorkerLost,
        message,
    };
    let ended = context.jobs.drive(id, &event, &stored.lease).await;
    ended.map_err(|error| error.to_string())?;
    Ok(true)
}
