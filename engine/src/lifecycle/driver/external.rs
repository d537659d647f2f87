//! What a driver does for a search of the external plane.
//!
//! Owns nothing but the row: it tells what the plane says, and asks the plane for the search's end only when
//! a person does. While the plane cannot be asked the row stays as it is. A row whose search has another one
//! by now gives way, and that never ends the search.

use std::time::Duration;

use elb_core::{
    external::{ExternalJob, ExternalStatus, PlaneHealth, Told, follow, forgotten},
    job::{Found, Job},
    phase::Phase,
    poll,
    transition::Event,
    view::LogLevel,
};

use super::{Driver, Halt};
use crate::{
    external::{ExternalPlane, PlaneError},
    lifecycle::external::PLANE,
};

/// The longest rest between two looks: about one search the plane is asked no more often (S2).
const LOOK: Duration = Duration::from_secs(15);
/// How often the reason of a failure is asked for in vain before the failure is told without.
const TRIES: u32 = 4;

impl Driver<'_> {
    pub(super) async fn follow_external(&self, job: &Job, place: &Found) -> Result<(), Halt> {
        if self.has_given_way(job) {
            return self.give_way(job).await;
        }
        let plane = self.context.external.as_ref();
        let Some(plane) = plane.filter(|plane| plane.name() == place.cluster) else {
            return self.without_plane(job, place).await;
        };
        let id = job.imported.as_ref().map_or("", |imported| &imported.id);
        if job.phase == Phase::Cancelling {
            return match plane.cancel(id).await {
                Ok(()) => self.stopped(job).await,
                Err(reason) => self.hindered(job, reason).await,
            };
        }
        let mut changes = plane.revision();
        let mut known = job.clone();
        let (mut missing, mut tries) = (None, 0);
        loop {
            changes.mark_unchanged();
            // What was heard before the plane went away says nothing of now.
            if plane.view().health == PlaneHealth::Connected {
                let listed = plane.listed();
                if let Some(told) = listed.find(id) {
                    missing = None;
                    // Only a row under the plane's own id gives way; that a list misses the other one again says
                    // nothing.
                    let moved = known.id == told.id && told.row_id() != told.id;
                    if moved && self.is_there(told.row_id()) {
                        return self.recognised(&known, told.row_id()).await;
                    }
                    known = self
                        .tell_external(&known, &**plane, told, &mut tries)
                        .await?;
                } else {
                    let since = *missing.get_or_insert_with(|| self.elapsed());
                    let long = self.elapsed().saturating_sub(since) >= poll::SILENCE_LIMIT;
                    known = self.look_for(&known, &**plane, id, long).await?;
                }
            }
            if !known.phase.is_active() {
                return Ok(());
            }
            tokio::select! {
                // An error would mean that the plane is gone, and this program with it.
                _ = changes.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Brings the row to what the plane says.
    async fn tell_external(
        &self,
        job: &Job,
        plane: &dyn ExternalPlane,
        told: &ExternalJob,
        tries: &mut u32,
    ) -> Result<Job, Halt> {
        let asks = matches!(
            told.status,
            Some(ExternalStatus::Submitting | ExternalStatus::Running | ExternalStatus::Failed)
        );
        let detail = if asks {
            plane.detail(&told.id).await.ok()
        } else {
            None
        };
        if told.status == Some(ExternalStatus::Failed) && detail.is_none() && *tries < TRIES {
            // The list does not say why: it is worth another look.
            *tries += 1;
            return Ok(job.clone());
        }
        let mut told = Told {
            job: told,
            detail: detail.as_deref(),
            files: None,
            now: self.context.jobs.clock().now(),
        };
        if told.needs_files() {
            told.files = match plane.files(&told.job.id).await {
                Ok(files) => Some(!files.is_empty()),
                Err(PlaneError::NotFound) => Some(false),
                // Nobody could say.
                Err(_) => None,
            };
        }
        let mut known = job.clone();
        for event in follow(job, &told) {
            let (jobs, at) = (&self.context.jobs, told.when(&event));
            known = jobs.drive_at(&job.id, &event, &self.lease, at).await?.job;
        }
        if let Some(error) = &known.error {
            let line = format!("failed: {}", error.message);
            self.log(&known, LogLevel::Error, line);
        }
        Ok(known)
    }

    /// One that is not in the list may be too far behind in it, or the plane has just been started. Only what it
    /// says of it when it is asked counts, and that it knows nothing only after a while.
    async fn look_for(
        &self,
        job: &Job,
        plane: &dyn ExternalPlane,
        id: &str,
        long: bool,
    ) -> Result<Job, Halt> {
        match plane.detail(id).await {
            Ok(detail) => {
                let told = ExternalJob {
                    id: id.to_owned(),
                    run: None,
                    status: detail.status,
                    program: None,
                    database: String::new(),
                    queue_position: detail.queue_position,
                    created_at: None,
                    started_at: None,
                    updated_at: detail.updated_at,
                };
                self.tell_external(job, plane, &told, &mut 0).await
            }
            Err(PlaneError::NotFound) if long => Ok(self.change(job, &forgotten()).await?.job),
            Err(_) => Ok(job.clone()),
        }
    }

    /// Whether there is, or was, a row with that id.
    fn is_there(&self, id: &str) -> bool {
        let model = self.context.jobs.model();
        model.phase(id).is_some() || model.is_deleted(id)
    }

    /// Whether it was found out before that its search has another row.
    fn has_given_way(&self, job: &Job) -> bool {
        let own = job.imported.as_ref().map(|imported| &imported.id) == Some(&job.id);
        let other = job.run_id.as_deref().filter(|other| *other != job.id);
        own && other.is_some_and(|other| self.is_there(other))
    }

    /// The search of this row has another one. That is written down before anything is done about it: from
    /// the asked end on, it tells this row from one whose search shall end.
    async fn recognised(&self, job: &Job, other: &str) -> Result<(), Halt> {
        let planned = Event::Planned {
            command: job.command.clone(),
            run_id: other.to_owned(),
            place: job.place.clone(),
            shards: job.shards.clone(),
            blast_version: job.blast_version.clone().unwrap_or_default(),
            progress: job.progress,
        };
        let job = self.change(job, &planned).await?.job;
        self.give_way(&job).await
    }

    /// Makes a tombstone of the row, which cannot be restored: its search is in the list, in another row.
    async fn give_way(&self, job: &Job) -> Result<(), Halt> {
        if job.phase != Phase::Cancelling || job.intent != elb_core::job::Intent::Delete {
            let asked = Event::CancelAsked { delete: true };
            self.context.jobs.change(&job.id, &asked, PLANE).await?;
        }
        let keep_until = self.context.jobs.clock().now();
        let gone = Event::CancelledAndDeleted { keep_until };
        self.change(job, &gone).await?;
        Ok(())
    }

    /// The settings name another plane, or none any more.
    async fn without_plane(&self, job: &Job, place: &Found) -> Result<(), Halt> {
        if job.phase == Phase::Cancelling {
            let reason = format!(
                "{} is no longer in the settings (ELB_EXTERNAL_PLANE)",
                place.in_words()
            );
            return self.hindered(job, reason).await;
        }
        tokio::time::sleep(poll::RECONCILE_SWEEP).await;
        Ok(())
    }
}
