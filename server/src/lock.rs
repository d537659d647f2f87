//! One program a data folder, unless all that use it are told to share it.
//!
//! Owns the lock file. A program that is alone knows that every lease of another is void; one that
//! shares does not, so that the two kinds never have the folder together.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    process::{Pid, test_kill_process},
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

/// How long the lock of a program that is gone may outlive it: a child that it was about to start holds it
/// until it has started, so that a server that is started again at once finds it taken.
const LEFT_OVER: Duration = Duration::from_secs(3);
/// How often it is tried meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

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
        let deadline = Instant::now() + LEFT_OVER;
        let locked = loop {
            let locked = flock(&file, operation);
            if locked != Err(Errno::WOULDBLOCK) {
                break locked;
            }
            let holder = holder(&mut file);
            let gone = holder.is_none_or(|process| test_kill_process(process) == Err(Errno::SRCH));
            if gone && Instant::now() < deadline {
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            return Err(LockError::Taken {
                folder: folder.display().to_string(),
                holder: holder.map_or_else(
                    || "unknown process".to_owned(),
                    |process| format!("process {}", process.as_raw_nonzero()),
                ),
            });
        };
        locked.map_err(|error| io(error.into()))?;
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        write!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// Who wrote its number into the file.
fn holder(file: &mut File) -> Option<Pid> {
    let mut number = String::new();
    // What it wrote only helps to find it.
    file.rewind().ok()?;
    file.read_to_string(&mut number).ok()?;
    Pid::from_raw(number.trim().parse().ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    fn refused(folder: &Path) -> (String, Duration) {
        let begun = Instant::now();
        match DataLock::take(folder, false) {
            Err(LockError::Taken { holder, .. }) => (holder, begun.elapsed()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_lock_of_a_program_that_lives_is_respected_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let _held = DataLock::take(folder.path(), false).unwrap();
        let (holder, waited) = refused(folder.path());
        assert_eq!(holder, format!("process {}", std::process::id()));
        assert!(waited < LEFT_OVER, "{waited:?}");
        assert!(DataLock::held_since(folder.path()).is_some());
    }

    #[test]
    fn a_lock_that_outlives_its_program_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let held = DataLock::take(folder.path(), false).unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        std::fs::write(folder.path().join("lock"), ended.id().to_string()).unwrap();
        let path = folder.path().to_owned();
        let taking = std::thread::spawn(move || DataLock::take(&path, false));
        // Whether it has begun to wait or not: it must not give up.
        drop(held);
        assert!(taking.join().unwrap().is_ok());
        let _again = DataLock::take(folder.path(), false).unwrap();
        std::fs::write(folder.path().join("lock"), ended.id().to_string()).unwrap();
        let (holder, waited) = refused(folder.path());
        assert_eq!(holder, format!("process {}", ended.id()));
        assert!(waited >= LEFT_OVER, "{waited:?}");
    }
}
