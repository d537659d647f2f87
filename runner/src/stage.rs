//! A version of a database brought to this node, once, however many pods want it.
//!
//! Owns the order: lock, listing, comparison with what is there, download into a folder of this attempt,
//! everything on the disk, rename, marker. A version's folder with a marker is whole; one without is of no use
//! and is replaced. Files below the source's folder are the database; hidden ones and deeper ones are not.

use std::{fs, io::ErrorKind};

use elb_core::{
    database::{LISTED_VERSION, listing_of, shard_of},
    text,
};
use object_store::ObjectMeta;
use sha2::{Digest, Sha256};

use crate::{
    copy::{Copy, FileMark, Marker},
    end::{Done, Failure},
    in_use, say,
    settings::{Database, StageSettings},
    store::Place,
};

mod download;
mod lock;
mod older;
mod partial;
mod progress;
mod shard;

pub use lock::{LOCK, held, lock_file};
use partial::Partial;
pub use partial::{PARTIAL, remove_all, remove_folder};
use shard::Alias;

/// What must stay free beside the database (ours): room for the node's own work.
const SPARE: u64 = 256 * 1_000_000;

/// Brings it.
///
/// # Errors
/// Why it is not there.
pub async fn stage(settings: &StageSettings) -> Result<Done, Failure> {
    let database = &settings.database;
    let source = settings.access.open(&settings.source)?;
    let home = database.home();
    fs::create_dir_all(&home).map_err(|error| {
        let what = format!("{} cannot be made", home.display());
        match error.kind() {
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory
            | ErrorKind::AlreadyExists => Failure::Configuration(format!("{what}: {error}")),
            _ => Failure::disk(&what, &error),
        }
    })?;
    let _lock = lock::held(database).await?;
    in_use::make(database)?;
    let objects = listing(&source).await?;
    let mut wanted = wanted(database, &objects)?;
    is_version(database, &objects)?;
    let alias = Alias::of(database, settings.whole, &mut wanted)?;
    let complete = Marker {
        files: wanted
            .files
            .iter()
            .cloned()
            .chain(alias.iter().map(Alias::mark))
            .collect(),
        ..wanted.clone()
    };
    let copy = Copy::of(database);
    let place = copy.folder().display();
    let unreadable = |error| Failure::disk(&format!("{place} cannot be read"), &error);
    match copy.marker().map_err(unreadable)? {
        Some(marker) if marker.is_of(&complete) => {
            if let Err(wrong) = copy.check(&marker) {
                copy.unmark()
                    .map_err(|error| Failure::disk("a marker cannot be removed", &error))?;
                return Err(Failure::BadCopy(format!(
                    "the copy of {database} on this node is damaged: {wrong}; the next attempt brings it again"
                )));
            }
            say::line(&format!(
                "{database} is already on the node: {}, {}, in {place}",
                text::counted(marker.files.len() as u64, "file", "files"),
                text::bytes(marker.bytes()),
            ));
            return Ok(Done {
                bytes: marker.bytes(),
                already: true,
                ..Done::default()
            });
        }
        Some(_) => say::line(&format!(
            "{database} is not any more what {} has",
            source.url
        )),
        None => {}
    }
    partial::remove_all(database)?;
    enough_room(database, wanted.bytes())?;
    let partial = Partial::make(database)?;
    let mut marker = download::all(&source, wanted, partial.folder(), settings.parallel).await?;
    if let Some(alias) = alias {
        alias.write(partial.folder())?;
        marker.files.push(alias.mark());
    }
    partial.publish(copy.folder())?;
    copy.mark(&marker)
        .map_err(|error| Failure::disk("the marker cannot be written", &error))?;
    say::line(&format!("{database} is on the node: {place}"));
    older::remove(database);
    Ok(Done {
        bytes: marker.bytes(),
        ..Done::default()
    })
}

/// The objects of the source's folder.
async fn listing(source: &Place) -> Result<Vec<ObjectMeta>, Failure> {
    let listed = source.patiently(|| source.store.list_with_delimiter(Some(&source.key)));
    let listed = listed
        .await
        .map_err(|error| source.failed("the database cannot be listed", &error))?;
    // Some tools mark a folder by an object of its name.
    let folders = listed.common_prefixes;
    let mut objects = listed.objects;
    objects.retain(|object| !folders.contains(&object.location));
    objects.retain(|object| file_name(object).is_some_and(|name| !name.starts_with('.')));
    objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
    if objects.is_empty() {
        return Err(Failure::Configuration(format!(
            "there are no files below {}",
            source.url
        )));
    }
    Ok(objects)
}

fn file_name(object: &ObjectMeta) -> Option<&str> {
    object.location.filename()
}

fn wanted(database: &Database, objects: &[ObjectMeta]) -> Result<Marker, Failure> {
    let ours = |name: &str| {
        let rest = name.strip_prefix(&database.name);
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    let mut files = Vec::new();
    for object in objects {
        let name = file_name(object).unwrap_or_default();
        files.push(FileMark {
            name: name.to_owned(),
            size: object.size,
            etag: object.e_tag.clone(),
            md5: None,
        });
    }
    if !files.iter().any(|file| ours(&file.name)) {
        return Err(Failure::Configuration(format!(
            "there is no file {}.… among those of the source, so that nobody would find the database",
            database.name
        )));
    }
    Ok(Marker {
        db: database.name.clone(),
        version: database.version.clone(),
        files,
    })
}

/// Whether the source still has the version that was asked for, where its name tells what was listed.
fn is_version(database: &Database, objects: &[ObjectMeta]) -> Result<(), Failure> {
    let (version, _) = shard_of(&database.version);
    let Some(asked) = version.strip_prefix(LISTED_VERSION) else {
        return Ok(());
    };
    let files = objects.iter().map(|object| {
        let name = file_name(object).unwrap_or_default();
        (name, object.size, object.e_tag.as_deref())
    });
    let digest = Sha256::digest(listing_of(&database.name, files).as_bytes());
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if !asked.is_empty() && digits.starts_with(asked) {
        return Ok(());
    }
    Err(Failure::Configuration(format!(
        "the database {} has changed in the store since the search was submitted; submit it again",
        database.name
    )))
}

fn enough_room(database: &Database, bytes: u64) -> Result<(), Failure> {
    let home = database.home();
    let disk = rustix::fs::statvfs(&home).map_err(|error| {
        Failure::disk("the free space of the disk cannot be read", &error.into())
    })?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < bytes.saturating_add(SPARE) {
        return Err(Failure::TryAgain(format!(
            "{database} needs {} on {}, where {} are free and {} are to stay so: remove databases that are not used, or take a larger disk",
            text::bytes(bytes),
            home.display(),
            text::bytes(free),
            text::bytes(SPARE)
        )));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_does_not_fit_is_not_begun() {
        let root = tempfile::tempdir().unwrap();
        let database = Database {
            root: root.path().to_owned(),
            name: "nt".to_owned(),
            version: "1".to_owned(),
        };
        fs::create_dir_all(database.home()).unwrap();
        let failure = enough_room(&database, u64::MAX / 2).unwrap_err();
        assert_eq!(failure.exit_code(), 75);
        assert!(failure.to_string().contains("are free"), "{failure}");
        enough_room(&database, 0).unwrap();
    }
}
