//! One pod at a time brings a version: a lock on a file beside it, on the node's disk.
//!
//! The system gives it back when its holder ends, however that is. The file stays: whoever removed it would
//! let two in. On a network file system it is only as good as the locks of that.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::PathBuf,
    time::Duration,
};

use tokio::time::Instant;

use crate::{end::Failure, say, settings::Database};

/// The ending of the lock file's name.
pub const LOCK: &str = ".lock";
/// How often it is tried again.
const TRY_EVERY: Duration = Duration::from_millis(200);
/// How often it is told that it is waited for.
const TELL_EVERY: Duration = Duration::from_secs(15);
/// The longest note of a holder, in bytes.
const MAX_NOTE: u64 = 500;

/// The file that is locked.
pub fn lock_file(database: &Database) -> PathBuf {
    database.home().join(format!(".{}{LOCK}", database.version))
}

/// Waits for the lock. It is given back when the file is dropped.
pub async fn held(database: &Database) -> Result<File, Failure> {
    let path = lock_file(database);
    let failed = |error| Failure::disk(&format!("{} cannot be locked", path.display()), &error);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).map_err(failed)?;
    let mut tell: Option<Instant> = None;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        if tell.is_none_or(|when| when <= Instant::now()) {
            tell = Some(Instant::now() + TELL_EVERY);
            say::line(&format!(
                "waiting for {}, which brings {database} to this node",
                holder(&mut file)
            ));
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
    note(&mut file).map_err(failed)?;
    Ok(file)
}

/// Who has it, as it wrote itself.
fn holder(file: &mut File) -> String {
    let mut note = String::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(MAX_NOTE).read_to_string(&mut note));
    match read {
        Ok(_) if !note.trim().is_empty() => note.trim().to_owned(),
        _ => "another pod".to_owned(),
    }
}

/// Writes who has it. In a pod the host's name is the pod's.
fn note(file: &mut File) -> std::io::Result<()> {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "pod {host} (process {})", std::process::id())
}
