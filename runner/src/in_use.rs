//! A version of a database that is searched is not removed: a lock that searches share.
//!
//! Owns the file of that lock, beside the version's folder. Whoever brings a version makes it; a search has only
//! the right to read there, which is enough to share a lock. The system gives it back when its holder ends,
//! however that is.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::ErrorKind,
    path::PathBuf,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{end::Failure, say, settings::Database};

/// The ending of the file's name.
pub const USE: &str = ".use";
/// How often it is tried again.
const TRY_EVERY: Duration = Duration::from_millis(200);

/// The file of a version's lock.
pub fn use_file(database: &Database) -> PathBuf {
    database.home().join(format!(".{}{USE}", database.version))
}

fn failed(database: &Database, error: &std::io::Error) -> Failure {
    let path = use_file(database);
    Failure::disk(&format!("{} cannot be locked", path.display()), error)
}

/// Makes the file.
pub fn make(database: &Database) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let made = options.open(use_file(database));
    made.map(|_| ()).map_err(|error| failed(database, &error))
}

/// Shares it with other searches; waits while the version is being removed. `None` if a copy has no such file.
pub async fn shared(database: &Database) -> Result<Option<File>, Failure> {
    let file = match File::open(use_file(database)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(database, &error)),
    };
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => sleep(TRY_EVERY).await,
            Err(TryLockError::Error(error)) => return Err(failed(database, &error)),
        }
    }
}

/// Takes it alone if nobody searches; `None` if somebody does.
pub fn alone(database: &Database) -> Result<Option<File>, Failure> {
    make(database)?;
    let file = File::open(use_file(database)).map_err(|error| failed(database, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(database, &error)),
    }
}

/// Takes it alone once nobody searches.
pub async fn alone_within(database: &Database, patience: Duration) -> Result<File, Failure> {
    let until = Instant::now() + patience;
    let mut told = false;
    loop {
        if let Some(file) = alone(database)? {
            return Ok(file);
        }
        if Instant::now() >= until {
            return Err(Failure::TryAgain(format!(
                "{database} is being searched on this node and was not removed; release it again once the search has ended"
            )));
        }
        if !told {
            told = true;
            say::line(&format!("waiting for the searches that read {database}"));
        }
        sleep(TRY_EVERY).await;
    }
}
