//! Folders of attempts, beside the versions: `.VERSION.partial-ID`.
//!
//! One goes with its attempt, unless it became the version's folder. What killed attempts have left is removed
//! by the next one that has the lock. A folder that was replaced takes the same way out.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{end::Failure, say, settings::Database};

/// What the name of an attempt's folder has after the version.
pub const PARTIAL: &str = ".partial-";

/// The folder of this attempt.
#[derive(Debug)]
pub struct Partial {
    folder: PathBuf,
    published: bool,
}

fn new_name(database: &Database) -> PathBuf {
    let id = uuid::Uuid::new_v4().simple();
    database
        .home()
        .join(format!(".{}{PARTIAL}{id}", database.version))
}

/// Removes what attempts have left. The lock must be held.
pub fn remove_all(database: &Database) -> Result<(), Failure> {
    let failed = |error| Failure::disk("what an earlier attempt left cannot be removed", &error);
    let ours = format!(".{}{PARTIAL}", database.version);
    for entry in fs::read_dir(database.home()).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(&ours) {
            say::line(&format!(
                "removing {}, left by an earlier attempt",
                entry.path().display()
            ));
            fs::remove_dir_all(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Removes a version's folder: it is not complete any more before anything of it goes, and a folder that is
/// half removed is out of everybody's way. The lock must be held.
pub fn remove_folder(database: &Database) -> Result<(), Failure> {
    let failed = |error| Failure::disk(&format!("{database} cannot be removed"), &error);
    let mut away = new_name(database).into_os_string();
    away.push("-old");
    fs::rename(database.folder(), &away).map_err(failed)?;
    sync(&database.home()).map_err(failed)?;
    fs::remove_dir_all(&away).map_err(failed)
}

impl Partial {
    /// A new one.
    pub fn make(database: &Database) -> Result<Self, Failure> {
        let folder = new_name(database);
        fs::create_dir(&folder)
            .map_err(|error| Failure::disk("a folder for the files cannot be made", &error))?;
        Ok(Self {
            folder,
            published: false,
        })
    }

    /// Where its files go.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes it the version's folder. A process that still reads the one before keeps what it has opened.
    pub fn publish(mut self, target: &Path) -> Result<(), Failure> {
        let failed = |error| Failure::disk("the files cannot be put in their place", &error);
        sync(&self.folder).map_err(failed)?;
        let mut old = self.folder.clone().into_os_string();
        old.push("-old");
        let replaced = match fs::rename(target, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failed(error)),
        };
        fs::rename(&self.folder, target).map_err(failed)?;
        self.published = true;
        if let Some(home) = target.parent() {
            sync(home).map_err(failed)?;
        }
        if replaced && let Err(error) = fs::remove_dir_all(&old) {
            say::problem(&format!("the copy before cannot be removed: {error}"));
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            say::problem(&format!("{} stays: {error}", self.folder.display()));
        }
    }
}

/// Has the names in a folder on the disk.
fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}
