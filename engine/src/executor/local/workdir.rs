//! The work folder of one job: its names, and what can be read off it.
//!
//! Owns the layout. `batches.json` lists the batches and appears last, by rename: whoever sees it
//! sees all query parts. `done/` holds the finished batches. Nothing here starts a process.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use elb_core::{batch::Batch, error_code::ErrorCode, job::Progress};

use crate::executor::ExecutorError;

/// The work folder of one job.
#[derive(Debug, Clone)]
pub(super) struct WorkDir {
    root: PathBuf,
}

/// Turns an error of the file system into one of the job: a full disk is told apart, and so is what may
/// pass by itself (too many open files, a device or server that is busy).
pub(super) fn disk_error(what: &str, error: &io::Error) -> ExecutorError {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorCode::DiskFull,
        _ if may_pass(error) => ErrorCode::TemporarilyUnavailable,
        _ => ErrorCode::Internal,
    };
    ExecutorError::new(code, format!("{what}: {error}"))
}

/// Whether the same call may succeed a little later.
pub(super) fn may_pass(error: &io::Error) -> bool {
    let busy = matches!(
        error.kind(),
        io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::ExecutableFileBusy
            | io::ErrorKind::StaleNetworkFileHandle
    );
    let too_many = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
    let scarce = too_many.map(rustix::io::Errno::raw_os_error);
    busy || error
        .raw_os_error()
        .is_some_and(|code| scarce.contains(&code))
}

impl WorkDir {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn queries(&self) -> PathBuf {
        self.root.join("queries")
    }

    pub(super) fn query(&self, batch: &Batch) -> PathBuf {
        self.queries().join(format!("{}.fa", batch.name()))
    }

    pub(super) fn tries(&self) -> PathBuf {
        self.root.join("tries")
    }

    fn done(&self) -> PathBuf {
        self.root.join("done")
    }

    /// The folder of a finished batch: its archive and its table of hits.
    pub(super) fn done_batch(&self, batch: &Batch) -> PathBuf {
        self.done().join(batch.name())
    }

    fn batch_list(&self) -> PathBuf {
        self.root.join("batches.json")
    }

    pub(super) fn has_batches(&self) -> bool {
        self.batch_list().is_file()
    }

    pub(super) fn make(&self) -> Result<(), ExecutorError> {
        for folder in [self.queries(), self.tries(), self.done()] {
            fs::create_dir_all(&folder)
                .map_err(|error| disk_error("the work folder cannot be made", &error))?;
        }
        Ok(())
    }

    pub(super) fn write_batches(&self, batches: &[Batch]) -> Result<(), ExecutorError> {
        let json = serde_json::to_vec(batches)
            .map_err(|error| ExecutorError::new(ErrorCode::Internal, error.to_string()))?;
        let draft = self.root.join("batches.json.new");
        fs::write(&draft, json)
            .and_then(|()| fs::rename(&draft, self.batch_list()))
            .map_err(|error| disk_error("the list of batches cannot be written", &error))
    }

    pub(super) fn read_batches(&self) -> Result<Vec<Batch>, ExecutorError> {
        let json = fs::read(self.batch_list())
            .map_err(|error| disk_error("the list of batches cannot be read", &error))?;
        serde_json::from_slice(&json).map_err(|error| {
            let message = format!("the list of batches is damaged: {error}");
            ExecutorError::new(ErrorCode::Internal, message)
        })
    }

    pub(super) fn is_done(&self, batch: &Batch) -> bool {
        self.done_batch(batch).is_dir()
    }

    /// Removes what interrupted tries have left: it counts towards the size of the output.
    pub(super) fn clear_tries(&self) -> Result<(), ExecutorError> {
        let cleared = match fs::remove_dir_all(self.tries()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(self.tries()),
        };
        cleared.map_err(|error| disk_error("the folder of the tries cannot be cleared", &error))
    }

    fn searched_file(&self, attempt: u32) -> PathBuf {
        self.root.join(format!("searched-{attempt}"))
    }

    /// How long this attempt has searched already, over all starts of the server. The time in which
    /// no server ran is not part of it.
    pub(super) fn searched(&self, attempt: u32) -> Duration {
        let text = fs::read_to_string(self.searched_file(attempt)).unwrap_or_default();
        Duration::from_millis(text.trim().parse().unwrap_or(0))
    }

    pub(super) fn note_searched(&self, attempt: u32, time: Duration) -> io::Result<()> {
        let draft = self.root.join("searched.new");
        fs::write(&draft, time.as_millis().to_string())?;
        fs::rename(draft, self.searched_file(attempt))
    }

    /// What is done, as the folder shows it.
    pub(super) fn progress(&self, batches: &[Batch]) -> Progress {
        let mut progress = Progress {
            batches_total: u32::try_from(batches.len()).unwrap_or(u32::MAX),
            letters_total: batches.iter().map(|batch| batch.letters).sum(),
            ..Progress::default()
        };
        for batch in batches.iter().filter(|batch| self.is_done(batch)) {
            progress.batches_done += 1;
            progress.letters_done += batch.letters;
        }
        progress
    }

    /// How long ago anything in the folder last changed; `None` without a folder.
    pub(super) fn silent_for(&self) -> Option<Duration> {
        let mut newest = fs::metadata(&self.root).ok()?.modified().ok()?;
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(meta) = entry.metadata() else {
                    continue;
                };
                if meta.is_dir() {
                    folders.push(entry.path());
                }
                newest = meta
                    .modified()
                    .map_or(newest, |changed| changed.max(newest));
            }
        }
        // A time in the future is a clock that was set: then it changed just now.
        Some(newest.elapsed().unwrap_or_default())
    }

    pub(super) fn remove(&self) -> Result<(), ExecutorError> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(disk_error("the work folder cannot be removed", &error))
            }
            _ => Ok(()),
        }
    }
}
