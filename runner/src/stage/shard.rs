//! A shard of a database on the node: some of its volumes, bound together by an alias file of our own.
//!
//! Owns that alias file. It tells BLAST+ how many sequences and letters the whole database has, from which
//! E-values are computed; those of all shards are then those of a search of the whole (`STATS_NSEQ` and
//! `STATS_TOTLEN` of the alias format; measured with 2.12).

use std::{fs::File, io::Write, path::Path};

use elb_core::database::{Shard, shard_of, volume_of};

use crate::{
    copy::{FileMark, Marker},
    end::Failure,
    settings::{Database, Whole},
};

/// A file that a shard has beside those of the store.
pub(super) struct Alias {
    name: String,
    text: String,
}

impl Alias {
    /// Leaves of what is wanted only the files of a shard; its alias, if the version names a shard.
    pub(super) fn of(
        database: &Database,
        whole: Option<Whole>,
        wanted: &mut Marker,
    ) -> Result<Option<Self>, Failure> {
        let (_, Some(shard)) = shard_of(&database.version) else {
            return Ok(None);
        };
        let whole = whole.ok_or_else(|| {
            Failure::Configuration("the counts of the whole database are not told".to_owned())
        })?;
        let name = database.name.as_str();
        // The one of the store binds volumes together that are not all here.
        wanted.files.retain(|file| {
            let of_all = !is_alias(name, &file.name);
            volume_of(name, &file.name).map_or(of_all, |volume| shard.has(volume))
        });
        let volumes = volumes(name, shard, wanted)?;
        let ending = if wanted.files.iter().any(|file| file.name.ends_with(".nin")) {
            "nal"
        } else {
            "pal"
        };
        let text = format!(
            "TITLE {name}\nDBLIST {}\nSTATS_NSEQ {}\nSTATS_TOTLEN {}\n",
            volumes.join(" "),
            whole.sequences,
            whole.letters
        );
        Ok(Some(Self {
            name: format!("{name}.{ending}"),
            text,
        }))
    }

    /// As a marker lists it. Its text is part of it: another one makes the copy another.
    pub(super) fn mark(&self) -> FileMark {
        FileMark {
            name: self.name.clone(),
            size: self.text.len() as u64,
            etag: Some(format!("\"{}\"", self.text.replace('\n', ";"))),
            md5: None,
        }
    }

    /// Writes it to the disk.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(&self.name);
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(self.text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| {
            Failure::disk(&format!("{} cannot be written", path.display()), &error)
        })
    }
}

fn is_alias(database: &str, file: &str) -> bool {
    let rest = file.strip_prefix(database);
    matches!(rest, Some(".nal" | ".pal"))
}

/// Names of the shard's volumes, all of which must be there.
fn volumes(database: &str, shard: Shard, wanted: &Marker) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for volume in shard.first..=shard.last {
        let index = wanted.files.iter().find(|file| {
            let index = file.name.ends_with(".nin") || file.name.ends_with(".pin");
            index && volume_of(database, &file.name) == Some(volume)
        });
        let name = index.and_then(|file| file.name.rsplit_once('.'));
        let (name, _) = name.ok_or_else(|| {
            Failure::Configuration(format!(
                "there is no volume {volume} of {database} in the store"
            ))
        })?;
        names.push(name.to_owned());
    }
    Ok(names)
}
