//! A database removed from this node, with all its versions.
//!
//! Owns that nothing is removed while a search reads it or a pod brings it. A search that comes in between
//! finds no complete copy, and its next attempt brings it anew.

use std::{fs, io::ErrorKind};

use elb_core::text;

use crate::{
    copy::Copy,
    end::{Done, Failure},
    in_use, say,
    settings::{Database, ReleaseSettings},
    stage::{self, remove_folder},
};

/// Removes it.
///
/// # Errors
/// Why something of it is still there.
pub async fn release(settings: &ReleaseSettings) -> Result<Done, Failure> {
    let ReleaseSettings { root, name, .. } = settings;
    let home = root.join(name);
    let unreadable = |error| Failure::disk(&format!("{} cannot be read", home.display()), &error);
    let entries = match fs::read_dir(&home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(nothing(name)),
        Err(error) => return Err(unreadable(error)),
    };
    let (mut bytes, mut count) = (0, 0);
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let version = entry.file_name().to_string_lossy().into_owned();
        if version.starts_with('.') || !entry.file_type().map_err(unreadable)?.is_dir() {
            continue;
        }
        let database = Database {
            root: root.clone(),
            name: name.clone(),
            version,
        };
        let _brought = stage::held(&database).await?;
        let _alone = in_use::alone_within(&database, settings.patience).await?;
        let marker = Copy::of(&database).marker().ok().flatten();
        remove_folder(&database)?;
        stage::remove_all(&database)?;
        bytes += marker.map_or(0, |marker| marker.bytes());
        count += 1;
    }
    if count == 0 {
        return Ok(nothing(name));
    }
    say::line(&format!(
        "{name} is removed from the node: {}, {}",
        text::counted(count, "version", "versions"),
        text::bytes(bytes)
    ));
    Ok(Done {
        bytes,
        ..Done::default()
    })
}

fn nothing(name: &str) -> Done {
    say::line(&format!("{name} is not on the node"));
    Done {
        already: true,
        ..Done::default()
    }
}
