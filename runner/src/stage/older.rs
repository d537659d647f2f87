//! Versions of a database that the store no longer has: they go once a newer one has come.
//!
//! What cannot be removed stays, and is no reason against a search.

use std::fs;

use elb_core::database::shard_of;

use crate::{end::Failure, in_use, say, settings::Database};

use super::{lock_file, remove_folder};

/// Removes every version but this one, unless it is searched or brought at the moment. Shards of this one stay.
pub(super) fn remove(database: &Database) {
    let others = match versions(database) {
        Ok(others) => others,
        Err(error) => {
            say::problem(&format!("older versions cannot be looked for: {error}"));
            return;
        }
    };
    for other in others {
        match removed(&other) {
            Ok(true) => say::line(&format!(
                "{other} is removed: the store has a newer version"
            )),
            Ok(false) => say::line(&format!("{other} stays: it is in use")),
            Err(failure) => say::problem(&format!("{other} stays: {failure}")),
        }
    }
}

fn versions(database: &Database) -> std::io::Result<Vec<Database>> {
    let mut others = Vec::new();
    for entry in fs::read_dir(database.home())? {
        let entry = entry?;
        let version = entry.file_name().to_string_lossy().into_owned();
        let hidden = version.starts_with('.');
        let same = shard_of(&version).0 == shard_of(&database.version).0;
        if !hidden && !same && entry.file_type()?.is_dir() {
            let (root, name) = (database.root.clone(), database.name.clone());
            others.push(Database {
                root,
                name,
                version,
            });
        }
    }
    Ok(others)
}

fn removed(other: &Database) -> Result<bool, Failure> {
    let failed = |error| Failure::disk("its lock cannot be had", &error);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let lock = options.open(lock_file(other)).map_err(failed)?;
    if lock.try_lock().is_err() {
        return Ok(false);
    }
    let Some(_alone) = in_use::alone(other)? else {
        return Ok(false);
    };
    remove_folder(other)?;
    Ok(true)
}
