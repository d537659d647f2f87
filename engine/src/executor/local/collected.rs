//! Batches that were searched elsewhere, put where the local executor's own would be.
//!
//! Owns the way of their files into the work folder: a batch appears there by one rename when it is whole. From
//! then on merging and indexing are the same as for batches that were searched on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use elb_core::{batch::Batch, job::Job};

use super::{
    LocalExecutor, batches,
    run::{ARCHIVE, TABLE},
    workdir::disk_error,
};
use crate::executor::ExecutorError;

/// Files of a batch on their way into the work folder.
pub struct Arriving {
    folder: PathBuf,
}

impl Arriving {
    /// Where its archive goes.
    #[must_use]
    pub fn archive(&self) -> PathBuf {
        self.folder.join(ARCHIVE)
    }

    /// Where its table of hits goes.
    #[must_use]
    pub fn table(&self) -> PathBuf {
        self.folder.join(TABLE)
    }
}

impl LocalExecutor {
    /// Where the query of a job is cut for so many processes.
    pub(crate) async fn cut_for(
        &self,
        job: &Job,
        processes: usize,
    ) -> Result<Vec<Batch>, ExecutorError> {
        batches::plan(&self.objects, job, processes).await
    }

    /// Brings the queries of these batches into the work folder, unless it has them.
    pub(crate) async fn cut(&self, job: &Job, batches: &[Batch]) -> Result<(), ExecutorError> {
        batches::cut(&self.work_dir(&job.id), &self.objects, job, batches).await
    }

    /// The file with the query of a batch.
    pub(crate) fn query_of(&self, job: &str, batch: &Batch) -> PathBuf {
        self.work_dir(job).query(batch)
    }

    /// A place for the files of a batch; `None` if it is there already.
    pub(crate) fn awaits(
        &self,
        job: &str,
        batch: &Batch,
    ) -> Result<Option<Arriving>, ExecutorError> {
        let work = self.work_dir(job);
        if work.is_done(batch) {
            return Ok(None);
        }
        let name = format!("{}-{}", batch.name(), uuid::Uuid::new_v4().simple());
        let folder = work.tries().join(name);
        fs::create_dir_all(&folder)
            .map_err(|error| disk_error("a batch folder cannot be made", &error))?;
        Ok(Some(Arriving { folder }))
    }

    /// All files of a batch are there.
    pub(crate) fn has_arrived(
        &self,
        job: &str,
        batch: &Batch,
        arriving: &Arriving,
    ) -> Result<(), ExecutorError> {
        let work = self.work_dir(job);
        match fs::rename(&arriving.folder, work.done_batch(batch)) {
            Err(error) if !work.is_done(batch) => {
                Err(disk_error("a finished batch cannot be kept", &error))
            }
            _ => Ok(()),
        }
    }

    /// An error of a file in the work folder.
    pub(crate) fn disk_error(path: &Path, error: &std::io::Error) -> ExecutorError {
        disk_error(&format!("{} cannot be written", path.display()), error)
    }
}
