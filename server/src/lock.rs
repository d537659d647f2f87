//! One program a data folder, unless all that use it are told to share it.
//!
//! Owns the lock file. A program that is alone knows that every lease of another is void; one that
//! shares does not, so that the two kinds never have the folder together.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    time::SystemTime,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use thiserror::Error;

/// The folder cannot be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another program has it.
    #[error(
        "another elb-dashboard ({holder}) uses the data folder {folder}: end it, give this one another folder with ELB_DATA_DIR, or start both with ELB_SHARED=true"
    )]
    Taken {
        /// The folder.
        folder: String,
        /// What is known of the other one.
        holder: String,
    },
    /// The lock file cannot be written.
    #[error(
        "{path} cannot be written and locked: {source}; make the data folder writable, or choose another with ELB_DATA_DIR"
    )]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Holds the folder for as long as it lives; the system gives it back when the process ends, however.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Since when a program has the folder, told without touching the lock; `None` if none has it, or if
    /// this system does not tell.
    #[must_use]
    pub fn held_since(folder: &Path) -> Option<SystemTime> {
        let file = folder.join("lock").metadata().ok()?;
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        // "1: FLOCK  ADVISORY  WRITE 32422 fe:00:9978240 0 EOF": the file's number stands after its device.
        let held = locks.lines().any(|line| {
            let mut words = line.split_whitespace().skip(1);
            let number = words.clone().nth(4).and_then(|id| id.rsplit(':').next());
            words.next() == Some("FLOCK") && number == Some(file.ino().to_string().as_str())
        });
        // Whoever takes the lock writes its number into the file.
        held.then(|| file.modified().ok()).flatten()
    }

    /// Takes the folder, alone or beside others that share it.
    ///
    /// # Errors
    /// [`LockError::Taken`] if another process has it, alone or when this one wants to be alone.
    pub fn take(folder: &Path, shared: bool) -> Result<Self, LockError> {
        let path = folder.join("lock");
        let io = |source: std::io::Error| LockError::Io {
            path: path.display().to_string(),
            source,
        };
        let open = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path);
        let mut file = open.map_err(io)?;
        let operation = if shared {
            FlockOperation::NonBlockingLockShared
        } else {
            FlockOperation::NonBlockingLockExclusive
        };
        let locked = flock(&file, operation);
        if locked == Err(Errno::WOULDBLOCK) {
            let mut holder = String::new();
            // What it wrote only helps to find it.
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim();
            return Err(LockError::Taken {
                folder: folder.display().to_string(),
                holder: if holder.is_empty() {
                    "unknown process".to_owned()
                } else {
                    format!("process {holder}")
                },
            });
        }
        locked.map_err(|error| io(error.into()))?;
        file.set_len(0).map_err(io)?;
        write!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}
