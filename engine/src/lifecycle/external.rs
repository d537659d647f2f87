//! Searches of the external plane, taken into the list.
//!
//! Owns which of them get a row, and that each has one. A row's id is the one that a cluster knows the search
//! by, as soon as the plane says it; so it is the same row whoever sees the search first. One that was in the
//! list before, under its id in the plane, gives way: as a tombstone, which no list shows.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use elb_core::{
    external::ExternalJob,
    job::Job,
    phase::Phase,
    search::{SearchOptions, SearchSpec},
    transition::Event,
};

use super::{Lifecycle, adoption::short_name};
use crate::{external::ExternalPlane, jobs::ChangeError, repository::Created};

/// Who asks for the end of a row that gives way, in its history.
pub(super) const PLANE: &str = "external plane";
/// New rows between two rests: each may ask the plane for more, and is a write.
const AT_ONCE: usize = 50;
/// The rest.
const REST: Duration = Duration::from_secs(1);

/// What became of a search of the list.
#[derive(PartialEq, Eq)]
enum Taken {
    /// It has its row, or gets none.
    Known,
    /// It has got one.
    New,
    /// The store does not take it now.
    Refused,
}

impl Lifecycle {
    pub(super) async fn take_in_again_and_again(self: Arc<Self>, plane: &dyn ExternalPlane) {
        let mut changes = plane.revision();
        loop {
            changes.mark_unchanged();
            let listed = plane.listed();
            let mut jobs: Vec<&ExternalJob> = listed.jobs.values().collect();
            // The newest first: those are looked for.
            jobs.sort_by_key(|job| Reverse(job.created_at));
            let mut made = 0;
            for job in jobs {
                match self.take_in(plane.name(), job).await {
                    Taken::New => made += 1,
                    // Offered again with the next look.
                    Taken::Known | Taken::Refused => {}
                }
                if made == AT_ONCE {
                    made = 0;
                    tokio::time::sleep(REST).await;
                }
            }
            tokio::select! {
                _ = changes.changed() => {}
                // A cluster may have shown one of them meanwhile.
                () = tokio::time::sleep(self.context.sweep) => {}
            }
        }
    }

    /// Whether somebody has deleted a search before it had this id, by which a cluster shows it.
    pub(super) fn was_deleted_in_plane(&self, run: &str) -> bool {
        let Some(plane) = &self.context.external else {
            return false;
        };
        let listed = plane.listed();
        let own = listed.runs.get(run).filter(|own| *own != run);
        own.is_some_and(|own| self.context.jobs.model().is_deleted(own))
    }

    async fn take_in(self: &Arc<Self>, plane: &str, told: &ExternalJob) -> Taken {
        let model = self.context.jobs.model();
        let row = told.row_id();
        let known = |id: &str| model.phase(id).is_some() || model.is_deleted(id);
        if known(row) {
            if row != told.id {
                self.give_way(&told.id).await;
            }
            return Taken::Known;
        }
        if row != told.id {
            // It was in the list before it had this id. If it ended there, or somebody wants its end, that row
            // is the one that it keeps.
            let goes_on = |phase: Phase| phase.is_active() && phase != Phase::Cancelling;
            let before = model.phase(&told.id);
            if model.is_deleted(&told.id) || before.is_some_and(|phase| !goes_on(phase)) {
                return Taken::Known;
            }
        }
        let Some(program) = told.program else {
            return Taken::Known;
        };
        let spec = SearchSpec {
            program,
            task: None,
            database: short_name(&told.database),
            options: SearchOptions::default(),
        };
        let mut job = Job::external(told, spec, plane, self.context.jobs.clock().now());
        job.database.title.clone_from(&job.spec.database);
        match self.context.jobs.create(&job, None, "").await {
            Ok(Created::New(_)) => {
                tracing::info!(job = row, plane, "a search was found in the external plane");
                self.wake(row);
                if row != told.id {
                    self.give_way(&told.id).await;
                }
                Taken::New
            }
            // Another server was first.
            Ok(Created::Existing(_)) => Taken::Known,
            Err(error) => {
                tracing::warn!(job = row, %error, "a search was found in the external plane and cannot be stored yet");
                Taken::Refused
            }
        }
    }

    /// Takes the row of a search away that has another one by now. One that is at work is looked after by its
    /// driver, which does the same.
    async fn give_way(self: &Arc<Self>, id: &str) {
        let Some(phase) = self.context.jobs.model().phase(id) else {
            return;
        };
        if phase.is_active() {
            return self.wake(id);
        }
        let keep_until = self.context.jobs.clock().now();
        let gone = Event::Deleted { keep_until };
        match self.context.jobs.change(id, &gone, PLANE).await {
            Ok(_) | Err(ChangeError::Illegal(_)) => {}
            Err(ChangeError::Store(error)) => {
                tracing::warn!(job = id, %error, "a row that has another one cannot be taken away yet");
            }
        }
    }
}
