//! Crash points: places between two side effects at which a test can have this process killed.
//!
//! Owns the list of all points. In a debug build a process ends itself with SIGKILL, as a power cut or
//! the kernel would, when `ELB_CRASH_AT` names the point that it passes and which passing of it
//! (`before_commit:3`). In a release build a point compiles to nothing.

/// Declares the points once: the enum, its list and its names.
macro_rules! points {
    ($($(#[$doc:meta])+ $point:ident = $name:literal,)+) => {
        /// A place between two side effects.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Point {
            $($(#[$doc])+ $point,)+
        }

        impl Point {
            /// Every point.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$point),+];

            /// Its name in `ELB_CRASH_AT`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

points! {
    /// A submission is checked and nothing of it is stored.
    BeforeQuery = "before_query",
    /// The query is stored, the row is not.
    AfterQuery = "after_query",
    /// The row is stored, no driver has been woken and nobody knows.
    AfterRow = "after_row",
    /// The job is handed over, the answer is not sent.
    BeforeAnswer = "before_answer",
    /// A person's wish is stored, no driver has been woken and nobody knows.
    AfterWish = "after_wish",
    /// Everything of a write is done but its commit.
    BeforeCommit = "before_commit",
    /// A write is committed, nobody knows.
    AfterCommit = "after_commit",
    /// This process is registered as a holder of leases and has looked at no row.
    AfterRegister = "after_register",
    /// A driver has its job and its turn begins.
    BeforeTurn = "before_turn",
    /// A driver's turn is over.
    AfterTurn = "after_turn",
    /// The query is about to be split.
    BeforePrepare = "before_prepare",
    /// The files of the batches are written, their list is not.
    BeforeBatchList = "before_batch_list",
    /// The query is split, the row says that it is being.
    AfterPrepare = "after_prepare",
    /// The database was looked at.
    AfterWarmUp = "after_warm_up",
    /// The run is planned, the row does not know.
    AfterPlan = "after_plan",
    /// The database was brought, the row does not know.
    AfterStage = "after_stage",
    /// The slot is the job's, nothing is submitted.
    BeforeSubmit = "before_submit",
    /// What earlier attempts had left is removed, no Job is made. Only where searches run on a cluster.
    AfterEarlierAttempts = "after_earlier_attempts",
    /// The queries are in the store, no Job is made. Only where searches run on a cluster.
    AfterQueries = "after_queries",
    /// The anchor is on the cluster, no Job is. Only where searches run on one.
    AfterAnchor = "after_anchor",
    /// The Jobs are on the cluster and held back. Only where searches run on one.
    AfterJobs = "after_jobs",
    /// The Jobs go on, the slot on the cluster is still held. Only where searches run on one.
    AfterRelease = "after_release",
    /// The results of all batches are here and not merged. Only where searches run on a cluster.
    AfterCollect = "after_collect",
    /// The run has begun, the row says that it is being submitted.
    AfterSubmit = "after_submit",
    /// The row says submitted, the slot is still held.
    AfterSubmitted = "after_submitted",
    /// The folder of a batch is made, BLAST+ does not run.
    BeforeSpawn = "before_spawn",
    /// A process of BLAST+ runs.
    AfterSpawn = "after_spawn",
    /// BLAST+ has written an archive.
    AfterBlast = "after_blast",
    /// The archive is formatted, the batch is not in its place.
    BeforeDone = "before_done",
    /// The batch is in its place, nobody knows.
    AfterDone = "after_done",
    /// An observation was made, the row does not know.
    AfterObserve = "after_observe",
    /// The results are about to be collected.
    BeforeExport = "before_export",
    /// The index of the hits is built and not stored.
    AfterIndex = "after_index",
    /// The archive is stored.
    AfterArchive = "after_archive",
    /// The index of the hits is stored.
    AfterHits = "after_hits",
    /// Results are stored, the row says that they are being collected.
    AfterExport = "after_export",
    /// A job has ended, what it left is there.
    BeforeFinish = "before_finish",
    /// The processes of a job that has ended are gone, its work folder is there.
    BeforeCleanup = "before_cleanup",
    /// The work folder is gone.
    AfterCleanup = "after_cleanup",
    /// A cancel is about to be carried out.
    BeforeStop = "before_stop",
    /// The run is gone, the row says cancelling.
    AfterStop = "after_stop",
    /// A failed attempt's processes are gone, the next attempt is not planned.
    BeforeRetry = "before_retry",
    /// The time of a tombstone is over, and its row does not say so.
    BeforeEmptied = "before_emptied",
    /// The row of a tombstone says that its objects are gone, and they are there.
    BeforeRemoval = "before_removal",
    /// The objects of a tombstone are gone, its log is there.
    AfterRemoval = "after_removal",
}

impl Point {
    /// Whether it is passed only where searches run on a cluster.
    #[must_use]
    pub const fn needs_cluster(self) -> bool {
        matches!(
            self,
            Self::AfterEarlierAttempts
                | Self::AfterQueries
                | Self::AfterAnchor
                | Self::AfterJobs
                | Self::AfterRelease
                | Self::AfterCollect
        )
    }
}

/// Ends this process here if it was told to, in a debug build.
#[cfg(debug_assertions)]
pub fn point(here: Point) {
    armed::pass(here);
}

/// Nothing.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn point(_here: Point) {}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };

    use rustix::process::{Signal, getpid, kill_process};

    use super::Point;

    /// The point of `ELB_CRASH_AT`, and how many passings of it are left.
    static TARGET: LazyLock<Option<(Point, AtomicU64)>> = LazyLock::new(|| {
        let told = std::env::var("ELB_CRASH_AT").ok()?;
        let target = parse(&told);
        if target.is_none() {
            tracing::error!(told, "ELB_CRASH_AT names no crash point and is ignored");
        }
        let (point, passing) = target?;
        Some((point, AtomicU64::new(passing)))
    });

    /// Reads `name:3`; the name alone is its first passing.
    pub(super) fn parse(told: &str) -> Option<(Point, u64)> {
        let (name, passing) = told.split_once(':').unwrap_or((told, "1"));
        let point = Point::ALL
            .into_iter()
            .find(|point| point.as_str() == name)?;
        let passing = passing.parse().ok().filter(|passing| *passing > 0)?;
        Some((point, passing))
    }

    pub(super) fn pass(here: Point) {
        let Some((point, left)) = TARGET.as_ref() else {
            return;
        };
        if *point == here && left.fetch_sub(1, Ordering::SeqCst) == 1 {
            // An error would only mean that the process goes on.
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_point_has_a_name_of_its_own() {
        let names: HashSet<&str> = Point::ALL.map(Point::as_str).into_iter().collect();
        assert_eq!(names.len(), Point::ALL.len());
    }

    #[cfg(debug_assertions)]
    #[test]
    fn a_target_is_a_point_and_which_passing_of_it() {
        let read = armed::parse;
        assert_eq!(read("before_commit:3"), Some((Point::BeforeCommit, 3)));
        assert_eq!(read("after_row"), Some((Point::AfterRow, 1)));
        for wrong in ["", "nowhere", "after_row:0", "after_row:x", "AFTER_ROW"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
