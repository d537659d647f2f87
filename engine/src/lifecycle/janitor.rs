//! The janitor: removes what its retention is over for, a little at a time, again and again.
//!
//! Owns the order of a removal: the row says first that query, results and log are gone, then they are
//! removed. A restore can thus never bring back a job without its results, and what a crash leaves
//! behind is found again, because nothing that lives refers to it.

use elb_core::{
    audit_log::{AuditAction, AuditOutcome, SERVER},
    transition::{Event, IllegalTransition},
};

use super::Context;
use crate::{
    audit_log::Entry,
    crash::{self, Point},
    jobs::{ChangeError, ENGINE},
    repository::RepositoryError,
};

/// Jobs deleted and history entries removed at once: the store is for the users first.
const AT_ONCE: usize = 500;

/// One round: what fails is reported and tried again in the next one.
pub(super) async fn round(context: &Context) {
    let outcomes = [
        ("deleting old jobs", delete_old(context).await),
        ("emptying tombstones", empty_tombstones(context).await),
        (
            "removing what is left behind",
            remove_leftovers(context).await,
        ),
        ("forgetting tombstones", forget(context).await),
        ("trimming the history", trim(context).await),
        ("trimming the audit log", trim_audit(context).await),
        ("taking up removals", tidy(context).await),
    ];
    for (what, outcome) in outcomes {
        if let Err(error) = outcome {
            tracing::warn!(what, %error, "the janitor tries again with the next sweep");
        }
    }
}

/// Any error of a round.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Somebody was quicker, which is no failure.
fn unless_moved(error: ChangeError) -> Result<(), Failure> {
    match error {
        ChangeError::Illegal(IllegalTransition { .. })
        | ChangeError::Store(RepositoryError::Missing(_)) => Ok(()),
        ChangeError::Store(error) => Err(error.into()),
    }
}

async fn delete_old(context: &Context) -> Result<(), Failure> {
    let now = context.jobs.clock().now();
    let Some(then) = context.retention.jobs_before(now) else {
        return Ok(());
    };
    let keep_until = context.retention.undo_until(now);
    for id in context.jobs.model().ended_before(then, AT_ONCE) {
        let event = Event::Deleted { keep_until };
        match context.jobs.change(&id, &event, ENGINE).await {
            Ok(stored) => context.audit.note(Entry {
                actor: SERVER.to_owned(),
                action: AuditAction::Delete,
                job_id: Some(id.clone()),
                detail: stored.job.title,
                outcome: AuditOutcome::Done,
                request_id: None,
            }),
            Err(error) => unless_moved(error)?,
        }
        super::driver::end(context, &id).await;
    }
    context.audit.settle().await;
    Ok(())
}

async fn empty_tombstones(context: &Context) -> Result<(), Failure> {
    let now = context.jobs.clock().now();
    for (id, tombstone) in context.jobs.model().tombstones() {
        let due = tombstone.deletion.keep_until <= now && tombstone.deletion.removed_at.is_none();
        if !due {
            continue;
        }
        crash::point(Point::BeforeEmptied);
        if let Err(error) = context
            .jobs
            .change(&id, &Event::ObjectsRemoved, ENGINE)
            .await
        {
            unless_moved(error)?;
        }
    }
    Ok(())
}

/// Removes query, results, log and work folder of every job whose row says that they are gone.
async fn remove_leftovers(context: &Context) -> Result<(), Failure> {
    let mut left = context.objects.jobs().await?;
    left.extend(context.logs.jobs()?);
    left.extend(context.executor.left_behind().await);
    left.sort_unstable();
    left.dedup();
    for id in left {
        if !context.jobs.model().is_emptied(&id) && !is_orphan(context, &id).await? {
            continue;
        }
        crash::point(Point::BeforeRemoval);
        context.executor.cleanup(&id).await?;
        context.objects.remove_all(&id).await?;
        crash::point(Point::AfterRemoval);
        context.logs.remove(&id)?;
    }
    Ok(())
}

/// How old what belongs to no job must be before it is removed. It may be the query of a submission
/// that is under way, on this server or on another one whose clock is wrong.
const ORPHAN_AGE_MS: u64 = 24 * 3_600 * 1_000;

/// Whether there is no such job and will not be one: its submission was broken off before the row.
async fn is_orphan(context: &Context, id: &str) -> Result<bool, Failure> {
    let model = context.jobs.model();
    if model.phase(id).is_some() || model.is_deleted(id) {
        return Ok(false);
    }
    let made = uuid::Uuid::parse_str(id)
        .ok()
        .and_then(|id| id.get_timestamp())
        .map(|made| made.to_unix().0.saturating_mul(1_000));
    let now = u64::try_from(context.jobs.clock().now().0).unwrap_or(0);
    if made.is_none_or(|made| now.saturating_sub(made) < ORPHAN_AGE_MS) {
        return Ok(false);
    }
    match context.jobs.repository().get(id).await {
        Ok(found) => Ok(found.is_none()),
        // A row that cannot be read is a row.
        Err(RepositoryError::Corrupt { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn forget(context: &Context) -> Result<(), Failure> {
    let now = context.jobs.clock().now();
    let Some(then) = context.retention.tombstones_before(now) else {
        return Ok(());
    };
    for (id, tombstone) in context.jobs.model().tombstones() {
        let old = tombstone
            .deletion
            .removed_at
            .is_some_and(|removed| removed <= then);
        // The next import would bring it back.
        if !old || tombstone.imported {
            continue;
        }
        match context.jobs.forget(&id, tombstone.version).await {
            Ok(()) => {}
            Err(RepositoryError::Missing(_)) => context.jobs.model().forget(&id),
            Err(RepositoryError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn tidy(context: &Context) -> Result<(), Failure> {
    let now = context.jobs.clock().now();
    Ok(context.jobs.repository().tidy(now).await?)
}

async fn trim(context: &Context) -> Result<(), Failure> {
    let now = context.jobs.clock().now();
    let Some(then) = context.retention.history_before(now) else {
        return Ok(());
    };
    while context
        .jobs
        .repository()
        .trim_history(then, AT_ONCE)
        .await?
        == AT_ONCE
    {
        // Others get their turn at the store between two pieces.
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn trim_audit(context: &Context) -> Result<(), Failure> {
    let now = context.jobs.clock().now();
    let Some(then) = context.retention.audit_before(now) else {
        return Ok(());
    };
    while context.audit.store().trim(then, AT_ONCE).await? == AT_ONCE {
        // Others get their turn at the store between two pieces.
        tokio::task::yield_now().await;
    }
    Ok(())
}
