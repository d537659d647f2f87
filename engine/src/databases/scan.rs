//! Reading folders of databases: what `blastdbcmd` says, and what the files themselves tell.

use std::{
    fs,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use elb_core::{
    database::{Database, Origin},
    molecule::Molecule,
};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::DatabaseError;
use crate::toolkit::{Tool, Toolkit, ToolkitError};

/// Stands between the columns: no title has it, unlike a tab or a bar.
const SEPARATOR: char = '\u{1f}';
/// What is asked of each database: molecule, letters, sequences, bytes, date, path, title.
const COLUMNS: [&str; 7] = ["%p", "%l", "%n", "%U", "%d", "%f", "%t"];
/// How deep folders are looked into.
const MAX_DEPTH: usize = 8;
/// How many aliases may stand behind one another.
const MAX_ALIASES: usize = 8;

/// The path as `-db` takes it: BLAST+ splits at blanks unless the value itself is quoted.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(char::is_whitespace) {
        format!("\"{text}\"")
    } else {
        text
    }
}

fn each_file(folder: &Path, depth: usize, take: &mut impl FnMut(&Path, &fs::Metadata)) {
    // What cannot be read is reported by the listing itself.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(meta) = fs::metadata(&path) else {
            continue;
        };
        if meta.is_dir() && depth > 0 {
            each_file(&path, depth - 1, take);
        } else if meta.is_file() {
            take(&path, &meta);
        }
    }
}

/// Whether a file is part of a database (`db.nin`, `db.00.nsq`) and never the FASTA beside it.
pub(super) fn is_database_file(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    ending.len() == 3 && ending.starts_with(['n', 'p'])
}

fn modified(meta: &fs::Metadata) -> u128 {
    let since = meta
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos())
}

/// A number that changes when any database file below the folders does; never 0.
pub(super) fn stamp(folders: &[PathBuf]) -> u64 {
    let mut hash = Sha256::new();
    for folder in folders {
        let mut lines = Vec::new();
        each_file(folder, MAX_DEPTH, &mut |path, meta| {
            if path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(is_database_file)
            {
                lines.push(format!(
                    "{}\n{}\n{}\n",
                    path.display(),
                    meta.len(),
                    modified(meta)
                ));
            }
        });
        lines.sort_unstable();
        hash.update(lines.concat());
    }
    let first = hash
        .finalize()
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    first.max(1)
}

/// A fingerprint of all files of one database: names, sizes, times; an alias counts with what it
/// stands for. `None` if there are none.
pub(super) fn fingerprint(path: &Path) -> Option<String> {
    let mut lines = Vec::new();
    collect(path, MAX_ALIASES, &mut lines);
    if lines.is_empty() {
        return None;
    }
    lines.sort_unstable();
    lines.dedup();
    let digest = Sha256::digest(lines.concat());
    Some(
        digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    )
}

fn collect(path: &Path, depth: usize, lines: &mut Vec<String>) {
    let (Some(folder), Some(stem)) = (
        path.parent(),
        path.file_name().and_then(|stem| stem.to_str()),
    ) else {
        return;
    };
    let mut aliases = Vec::new();
    each_file(folder, 0, &mut |file, meta| {
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let rest = name
            .strip_prefix(stem)
            .and_then(|rest| rest.strip_prefix('.'));
        if rest.is_none_or(|rest| !is_ending(rest)) {
            return;
        }
        if name.ends_with(".nal") || name.ends_with(".pal") {
            aliases.push(file.to_owned());
        }
        lines.push(format!("{name}\n{}\n{}\n", meta.len(), modified(meta)));
    });
    if depth == 0 {
        return;
    }
    for member in aliases.iter().flat_map(|alias| members(alias)) {
        collect(&folder.join(member), depth - 1, lines);
    }
}

/// What follows a database's name in its files: `nin`, or `00.nin` if it is in volumes.
pub(super) fn is_ending(rest: &str) -> bool {
    let volume = rest.rsplit_once('.').map_or("", |(volume, _)| volume);
    is_database_file(&format!(".{rest}")) && volume.bytes().all(|byte| byte.is_ascii_digit())
}

/// The databases that an alias names, relative to its folder. One that cannot be read names none: the
/// listing reports it.
fn members(alias: &Path) -> Vec<String> {
    let text = fs::read_to_string(alias).unwrap_or_default();
    let lists = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("DBLIST"));
    // A name with blanks stands in quotes, so that every other part of the line is a whole name.
    let parts = lists.flat_map(|list| list.split('"').enumerate());
    parts
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

/// What is wrong with the sequence files: BLAST+ searches in what is left of one that was cut off,
/// finds less and says nothing. The index ends with the size that the file had (measured on 2.12,
/// formats 4 and 5).
fn damage(path: &Path, molecule: Molecule, depth: usize) -> Option<String> {
    let folder = path.parent()?;
    let stem = path.file_name()?.to_str()?;
    let (index, sequences) = match molecule {
        Molecule::Nucleotide => ("nin", "nsq"),
        Molecule::Protein => ("pin", "psq"),
    };
    let mut found = None;
    let mut aliases = Vec::new();
    each_file(folder, 0, &mut |file, _| {
        let name = file.file_name().and_then(|name| name.to_str());
        let rest = name.and_then(|name| name.strip_prefix(stem)?.strip_prefix('.'));
        let Some(rest) = rest.filter(|rest| is_ending(rest)) else {
            return;
        };
        if rest.ends_with("al") {
            aliases.push(file.to_owned());
        }
        if !rest.ends_with(index) {
            return;
        }
        let letters = file.with_extension(sequences);
        let name = letters.file_name().unwrap_or_default().to_string_lossy();
        match (size_in_index(file), fs::metadata(&letters)) {
            (Ok(size), Ok(meta)) if size == meta.len() => {}
            (Ok(size), Ok(meta)) => {
                found = Some(format!(
                    "it is damaged: {name} has {} bytes instead of {size}; copy or make it again",
                    meta.len()
                ));
            }
            (Err(error), _) | (_, Err(error)) => {
                found = Some(format!("it is damaged: {name} or its index: {error}"));
            }
        }
    });
    let members = aliases.iter().flat_map(|alias| members(alias));
    found.or_else(|| {
        let mut members = members.take_while(|_| depth > 0);
        members.find_map(|member| damage(&folder.join(member), molecule, depth - 1))
    })
}

fn size_in_index(file: &Path) -> io::Result<u64> {
    let mut file = fs::File::open(file)?;
    let mut last = [0_u8; 4];
    file.seek(io::SeekFrom::End(-4))?;
    file.read_exact(&mut last)?;
    Ok(u32::from_be_bytes(last).into())
}

fn has_file(path: &Path, endings: [&str; 2]) -> bool {
    endings.iter().any(|ending| {
        let with = |suffix: String| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            Path::new(&name).is_file()
        };
        with(format!(".{ending}")) || with(format!(".00.{ending}"))
    })
}

/// Every database below a folder, with the path for `-db`. One that cannot be read is among them,
/// with its problem.
pub(super) async fn read_folder(
    toolkit: &Toolkit,
    folder: &Path,
) -> Result<Vec<(Database, PathBuf)>, DatabaseError> {
    if !folder.is_dir() {
        let message = format!("{} is no folder", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message).into());
    }
    let mut found = match list(toolkit, folder, &COLUMNS.join(&SEPARATOR.to_string())).await {
        Ok(text) => text
            .lines()
            .filter_map(|line| read_line(line, folder))
            .collect(),
        Err(error) => {
            // One broken alias ends the whole listing: ask for the names alone, then for each.
            tracing::warn!(folder = %folder.display(), %error, "a database cannot be read; asking for each");
            one_by_one(toolkit, folder).await?
        }
    };
    for (database, path) in &mut found {
        if database.problem.is_none() {
            database.has_taxids = has_taxids(toolkit, path).await;
        }
    }
    Ok(found)
}

async fn list(toolkit: &Toolkit, folder: &Path, columns: &str) -> Result<String, ToolkitError> {
    let mut command = toolkit.command(Tool::BlastDbCmd);
    command
        .arg("-list")
        .arg(folder)
        .args(["-recursive", "-list_outfmt", columns]);
    let listed = toolkit.ask(command, Tool::BlastDbCmd).await?;
    Ok(String::from_utf8_lossy(&listed.stdout).into_owned())
}

/// Asks for each database alone; the slow way, for folders with a broken one.
async fn one_by_one(
    toolkit: &Toolkit,
    folder: &Path,
) -> Result<Vec<(Database, PathBuf)>, DatabaseError> {
    let names = list(toolkit, folder, &["%p", "%f"].join(&SEPARATOR.to_string())).await?;
    let mut found = Vec::new();
    for (kind, path) in names.lines().filter_map(|line| line.split_once(SEPARATOR)) {
        let (Some(molecule), path) = (molecule_of(kind), PathBuf::from(path)) else {
            continue;
        };
        let mut command = toolkit.command(Tool::BlastDbCmd);
        command.arg("-db").arg(quoted(&path)).arg("-info");
        command.args(["-dbtype", molecule.dbtype()]);
        let facts = match toolkit.ask(command, Tool::BlastDbCmd).await {
            Ok(answer) => read_info(&String::from_utf8_lossy(&answer.stdout)),
            Err(error) => Err(error.to_string()),
        };
        let database = match facts {
            Ok(facts) => described(molecule, facts, &path, folder),
            Err(problem) => Database {
                problem: Some(problem),
                ..described(molecule, Facts::default(), &path, folder)
            },
        };
        found.push((database, path));
    }
    Ok(found)
}

fn molecule_of(kind: &str) -> Option<Molecule> {
    match kind {
        "Nucleotide" => Some(Molecule::Nucleotide),
        "Protein" => Some(Molecule::Protein),
        _ => None,
    }
}

/// What BLAST+ says of a database.
#[derive(Debug, Default)]
struct Facts {
    title: String,
    letters: u64,
    sequences: u64,
    bytes: u64,
    updated: String,
}

/// Reads `-info`: title, `8 sequences; 11,338 total bases`, date. It does not tell the size on disk.
fn read_info(text: &str) -> Result<Facts, String> {
    let title = text
        .lines()
        .find_map(|line| line.strip_prefix("Database: "))
        .unwrap_or_default();
    let number = |text: &str| {
        let digits = text.split_whitespace().next()?.replace(',', "");
        digits.parse::<u64>().ok()
    };
    let counts = text
        .lines()
        .find_map(|line| line.trim().split_once(" sequences; "))
        .and_then(|(sequences, letters)| Some((number(sequences)?, number(letters)?)));
    let Some((sequences, letters)) = counts else {
        return Err("BLAST+ does not tell how much is in it".to_owned());
    };
    let date = text
        .lines()
        .find_map(|line| line.strip_prefix("Date: "))
        .and_then(|line| line.split('\t').next());
    Ok(Facts {
        title: title.trim().to_owned(),
        letters,
        sequences,
        bytes: 0,
        updated: one_line(date.unwrap_or_default()),
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read_line(line: &str, folder: &Path) -> Option<(Database, PathBuf)> {
    let mut fields = line.splitn(COLUMNS.len(), SEPARATOR);
    let molecule = molecule_of(fields.next()?)?;
    let mut number = || fields.next()?.trim().parse::<u64>().ok();
    let (letters, sequences, bytes) = (number()?, number()?, number()?);
    let updated = one_line(fields.next()?);
    let path = PathBuf::from(fields.next()?);
    let facts = Facts {
        title: fields.next()?.trim().to_owned(),
        letters,
        sequences,
        bytes,
        updated,
    };
    let database = described(molecule, facts, &path, folder);
    Some((database, path))
}

fn described(molecule: Molecule, facts: Facts, path: &Path, folder: &Path) -> Database {
    let name = path
        .strip_prefix(folder)
        .unwrap_or(path)
        .display()
        .to_string();
    let version = fingerprint(path);
    let problem = if facts.sequences == 0 {
        Some("it has no sequences".to_owned())
    } else if version.is_none() {
        Some("its files are not there".to_owned())
    } else {
        damage(path, molecule, MAX_ALIASES)
    };
    Database {
        title: if facts.title.is_empty() {
            name.clone()
        } else {
            facts.title
        },
        name,
        molecule,
        sequences: facts.sequences,
        letters: facts.letters,
        bytes: facts.bytes,
        updated: facts.updated,
        version: version.unwrap_or_default(),
        origin: Origin::Folder {
            path: folder.display().to_string(),
        },
        has_taxids: false,
        has_ids: has_file(path, ["nog", "pog"]),
        problem,
    }
}

/// Whether any sequence has a taxonomy number: an older database answers with an error, which is no.
async fn has_taxids(toolkit: &Toolkit, path: &Path) -> bool {
    let mut command = toolkit.command(Tool::BlastDbCmd);
    command
        .arg("-db")
        .arg(quoted(path))
        .args(["-tax_info", "-outfmt", "%T"]);
    let Ok(answer) = toolkit.ask(command, Tool::BlastDbCmd).await else {
        return false;
    };
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    text.lines()
        .any(|line| line.trim().parse::<u64>().is_ok_and(|taxid| taxid > 0))
}

/// The first records of a database as FASTA; the process is ended once they are read.
pub(super) async fn first_records(
    toolkit: &Toolkit,
    path: &Path,
    records: usize,
    bytes: usize,
) -> Result<String, DatabaseError> {
    let mut command = toolkit.command(Tool::BlastDbCmd);
    command
        .arg("-db")
        .arg(quoted(path))
        .args(["-entry", "all", "-outfmt", "%f"]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn()?;
    let mut text = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        let enough = |text: &[u8]| {
            let headers = text.windows(2).filter(|pair| *pair == b"\n>").count();
            headers >= records || text.len() >= bytes
        };
        while !enough(&text) && stdout.read_buf(&mut text).await? > 0 {}
    }
    // It may be in the middle of millions of sequences.
    child.kill().await?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut whole: Vec<&str> = text.split_inclusive('\n').collect();
    let starts: Vec<usize> = (0..whole.len())
        .filter(|line| whole.get(*line).is_some_and(|line| line.starts_with('>')))
        .collect();
    // The record after the last wanted one, or the one that was cut off.
    let end = starts.get(records).copied().or_else(|| {
        starts
            .last()
            .copied()
            .filter(|last| *last > 0 && text.len() >= bytes)
    });
    whole.truncate(end.unwrap_or(whole.len()));
    Ok(whole.concat())
}
