//! Whether a database in an object store is complete: by what its metadata object names, and by what
//! BLAST+ cannot do without. Measured on 2.12 by taking one file away after the other: index, headers and
//! sequences of each volume, the alias file that binds volumes together, and the list of identifiers
//! (`.ndb`, `.pdb`) of format 5. Searches without a list of taxa do without all others.

use std::collections::{BTreeMap, BTreeSet};

use elb_core::{
    database::{Readiness, RemoteDatabase, volume_of},
    molecule::Molecule,
    text,
};

use super::super::scan::{is_database_file, is_ending};
use super::metadata::Metadata;

/// Files that a reason names; of the others it gives the number.
const NAMED: usize = 3;
/// The highest number of a volume that is believed (ours): what one wrong name can cost is bounded.
const MAX_VOLUMES: u64 = 10_000;

/// What is known of the metadata object.
pub(super) enum Told {
    /// There is none.
    Nothing,
    /// It is of no use, and why.
    Unreadable(String),
    /// This.
    Facts(Metadata),
}

/// The files of a folder by name, with their sizes.
pub(super) type Files = BTreeMap<String, u64>;

fn letter(molecule: Molecule) -> char {
    match molecule {
        Molecule::Nucleotide => 'n',
        Molecule::Protein => 'p',
    }
}

/// What follows the database's name in a file of this molecule: `nin`, `00.nsq`.
fn rest_of<'a>(name: &str, molecule: Molecule, file: &'a str) -> Option<&'a str> {
    let rest = file.strip_prefix(name)?.strip_prefix('.')?;
    let ending = rest.rsplit_once('.').map_or(rest, |(_, ending)| ending);
    (is_ending(rest) && ending.starts_with(letter(molecule))).then_some(rest)
}

/// Whether any file is of a database of this name and molecule.
pub(super) fn has_files(name: &str, molecule: Molecule, files: &Files) -> bool {
    files
        .keys()
        .any(|file| rest_of(name, molecule, file).is_some())
}

/// A file of a database that bears another name than its folder, which nobody would find.
pub(super) fn stray(files: &Files) -> Option<(&str, Molecule)> {
    let file = files.keys().find(|file| is_database_file(file))?;
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    let molecule = if ending.starts_with('n') {
        Molecule::Nucleotide
    } else {
        Molecule::Protein
    };
    Some((file, molecule))
}

/// The database of a name and molecule.
pub(super) fn judge(
    name: &str,
    molecule: Molecule,
    files: &Files,
    told: Told,
    shards: Vec<u64>,
) -> RemoteDatabase {
    let mut notes = Vec::new();
    let facts = match told {
        Told::Facts(facts) => facts,
        Told::Nothing => {
            notes.push(
                "It has no metadata object: its title and counts are not known, and whether it is complete is judged by the files that are there.".to_owned(),
            );
            Metadata::default()
        }
        Told::Unreadable(why) => {
            notes.push(format!(
                "Its metadata object cannot be used: {why}. Its title and counts are not known, and whether it is complete is judged by the files that are there."
            ));
            Metadata::default()
        }
    };
    let own: Vec<(&str, &str, u64)> = files
        .iter()
        .filter_map(|(file, size)| Some((file.as_str(), rest_of(name, molecule, file)?, *size)))
        .collect();
    let volumes = Volumes::of(molecule, own.iter().map(|(_, rest, _)| *rest));
    RemoteDatabase {
        name: name.to_owned(),
        title: facts.title.clone().unwrap_or_else(|| name.to_owned()),
        molecule,
        sequences: facts.sequences,
        letters: facts.letters,
        bytes: own.iter().map(|(_, _, size)| size).sum(),
        bytes_to_cache: facts.bytes_to_cache,
        updated: facts.updated.clone(),
        version: String::new(),
        files: own.len() as u64,
        volumes: volumes.labels.len() as u64,
        volume_bytes: volume_bytes(name, &own),
        shards,
        readiness: readiness(name, molecule, files, &facts, &volumes),
        notes,
    }
}

/// Bytes of each volume in their order; empty if it has no numbered ones, or if one is missing.
fn volume_bytes(name: &str, own: &[(&str, &str, u64)]) -> Vec<u64> {
    let mut bytes: BTreeMap<u32, u64> = BTreeMap::new();
    for (file, _, size) in own {
        if let Some(volume) = volume_of(name, file) {
            *bytes.entry(volume).or_default() += size;
        }
    }
    let whole = (0_u32..)
        .zip(bytes.keys())
        .all(|(number, volume)| number == *volume);
    if whole {
        bytes.into_values().collect()
    } else {
        Vec::new()
    }
}

/// The volumes of a database: `""` for the only one of a database that is not split.
struct Volumes<'a> {
    labels: BTreeSet<&'a str>,
    has_alias: bool,
}

impl<'a> Volumes<'a> {
    fn of(molecule: Molecule, rests: impl Iterator<Item = &'a str>) -> Self {
        let needed = endings(molecule);
        let alias = alias(molecule);
        let mut volumes = Self {
            labels: BTreeSet::new(),
            has_alias: false,
        };
        for rest in rests {
            let (label, ending) = rest.rsplit_once('.').unwrap_or(("", rest));
            if needed.iter().any(|needed| needed == ending) {
                volumes.labels.insert(label);
            }
            volumes.has_alias |= rest == alias;
        }
        volumes
    }

    fn numbered(&self) -> impl Iterator<Item = &'a str> {
        self.labels
            .iter()
            .copied()
            .filter(|label| !label.is_empty())
    }

    /// Labels of all volumes up to the last one, so that a gap shows.
    fn without_gaps(&self) -> Vec<String> {
        let Some(last) = self
            .numbered()
            .max_by_key(|label| label.parse().unwrap_or(0_u64))
        else {
            return self
                .labels
                .iter()
                .map(|label| (*label).to_owned())
                .collect();
        };
        let highest = last.parse().unwrap_or(0_u64).min(MAX_VOLUMES);
        let width = last.len();
        let all = (0..=highest).map(|number| format!("{number:0width$}"));
        let mut all: BTreeSet<String> = all.collect();
        all.extend(self.labels.iter().map(|label| (*label).to_owned()));
        all.into_iter().collect()
    }
}

fn endings(molecule: Molecule) -> [String; 3] {
    ["in", "hr", "sq"].map(|ending| format!("{}{ending}", letter(molecule)))
}

fn alias(molecule: Molecule) -> String {
    format!("{}al", letter(molecule))
}

/// Whether any file is there that only format 5 has.
fn is_format_5(name: &str, molecule: Molecule, files: &Files) -> bool {
    ["os", "ot", "tf", "to"].iter().any(|ending| {
        let file = format!("{name}.{}{ending}", letter(molecule));
        files.contains_key(&file)
    })
}

fn readiness(
    name: &str,
    molecule: Molecule,
    files: &Files,
    facts: &Metadata,
    volumes: &Volumes<'_>,
) -> Readiness {
    let not_ready = |reason: String| Readiness::NotReady { reason };
    if volumes.labels.is_empty() {
        return not_ready(if volumes.has_alias {
            "there is only its alias file, which names other databases".to_owned()
        } else {
            "none of its sequence files is there".to_owned()
        });
    }
    let mut needed: BTreeSet<String> = facts.files.iter().cloned().collect();
    for label in volumes.without_gaps() {
        let dot = if label.is_empty() { "" } else { "." };
        needed.extend(endings(molecule).map(|ending| format!("{name}.{label}{dot}{ending}")));
    }
    if is_format_5(name, molecule, files) {
        needed.insert(format!("{name}.{}db", letter(molecule)));
    }
    if volumes.numbered().next().is_some() {
        needed.insert(format!("{name}.{}", alias(molecule)));
    }
    let missing: Vec<&str> = needed
        .iter()
        .filter(|file| !files.contains_key(*file))
        .map(String::as_str)
        .collect();
    let empty: Vec<&str> = needed
        .iter()
        .filter(|file| files.get(*file) == Some(&0))
        .map(String::as_str)
        .collect();
    let mut reasons = Vec::new();
    if !missing.is_empty() {
        reasons.push(some_of("missing", &missing, needed.len()));
    }
    if !empty.is_empty() {
        reasons.push(some_of("empty", &empty, needed.len()));
    }
    let there = volumes.labels.len() as u64;
    if missing.is_empty()
        && let Some(all) = facts.volumes.filter(|all| *all > there)
    {
        reasons.push(format!(
            "{} of {} missing",
            text::count(all - there),
            are(all, "volume is", "volumes are"),
        ));
    }
    if reasons.is_empty() {
        Readiness::Ready
    } else {
        not_ready(reasons.join("; "))
    }
}

fn are(number: u64, one: &str, many: &str) -> String {
    text::counted(number, one, many)
}

/// `2 of 14 files are missing: a, b`.
fn some_of(what: &str, files: &[&str], all: usize) -> String {
    let number = files.len();
    let verb = if number == 1 { "is" } else { "are" };
    let mut names = files
        .iter()
        .take(NAMED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(more) = number.checked_sub(NAMED).filter(|more| *more > 0) {
        names.push_str(&format!(" and {more} more"));
    }
    format!("{number} of {all} files {verb} {what}: {names}")
}
