//! Reading folders of databases: what `blastdbcmd` says, and what the files themselves tell.

use std::{
    fs, io,
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
use crate::toolkit::{Tool, Toolkit};

/// Stands between the columns: no title has it, unlike a tab or a bar.
const SEPARATOR: char = '\u{1f}';
/// How deep folders are looked into.
const MAX_DEPTH: usize = 8;
/// Endings of the files that make a database.
const INDEX: [&str; 4] = ["nin", "pin", "nal", "pal"];

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

fn modified(meta: &fs::Metadata) -> u128 {
    let since = meta
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos())
}

/// A number that changes when any database index below the folders does; never 0.
pub(super) fn stamp(folders: &[PathBuf]) -> u64 {
    let mut hash = Sha256::new();
    for folder in folders {
        let mut lines = Vec::new();
        each_file(folder, MAX_DEPTH, &mut |path, meta| {
            let ending = path
                .extension()
                .and_then(|ending| ending.to_str())
                .unwrap_or_default();
            if INDEX.contains(&ending) {
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

/// A fingerprint of all files of one database: names, sizes, times. `None` if there are none.
pub(super) fn fingerprint(path: &Path) -> Option<String> {
    let stem = path.file_name()?.to_str()?;
    let mut lines = Vec::new();
    each_file(path.parent()?, 0, &mut |file, meta| {
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let rest = name
            .strip_prefix(stem)
            .and_then(|rest| rest.strip_prefix('.'));
        // `db.nin`, and `db.00.nin` of a database in volumes; never the FASTA beside it.
        let ending = rest
            .and_then(|rest| rest.rsplit('.').next())
            .unwrap_or_default();
        if ending.len() == 3 && ending.starts_with(['n', 'p']) {
            lines.push(format!("{name}\n{}\n{}\n", meta.len(), modified(meta)));
        }
    });
    if lines.is_empty() {
        return None;
    }
    lines.sort_unstable();
    let digest = Sha256::digest(lines.concat());
    Some(
        digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    )
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

/// Every database below a folder, with the path for `-db`.
pub(super) async fn read_folder(
    toolkit: &Toolkit,
    folder: &Path,
) -> Result<Vec<(Database, PathBuf)>, DatabaseError> {
    if !folder.is_dir() {
        let message = format!("{} is no folder", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message).into());
    }
    let columns = ["%p", "%l", "%n", "%U", "%v", "%d", "%f", "%t"].join(&SEPARATOR.to_string());
    let mut command = toolkit.command(Tool::BlastDbCmd);
    command
        .arg("-list")
        .arg(folder)
        .args(["-recursive", "-list_outfmt", &columns]);
    let listed = toolkit.ask(command, Tool::BlastDbCmd).await?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut found = Vec::new();
    // A broken alias makes a line of another shape: it is no reason to lose the others.
    for line in text.lines() {
        if let Some((database, path)) = read_line(line, folder) {
            let has_taxids = has_taxids(toolkit, &path).await;
            found.push((
                Database {
                    has_taxids,
                    ..database
                },
                path,
            ));
        }
    }
    Ok(found)
}

fn read_line(line: &str, folder: &Path) -> Option<(Database, PathBuf)> {
    let mut fields = line.splitn(8, SEPARATOR);
    let molecule = match fields.next()? {
        "Nucleotide" => Molecule::Nucleotide,
        "Protein" => Molecule::Protein,
        _ => return None,
    };
    let mut number = || fields.next()?.trim().parse::<u64>().ok();
    let (letters, sequences, bytes) = (number()?, number()?, number()?);
    let _format = fields.next()?;
    let updated = fields
        .next()?
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let path = PathBuf::from(fields.next()?);
    let title = fields.next()?.trim().to_owned();
    let name = path
        .strip_prefix(folder)
        .unwrap_or(&path)
        .display()
        .to_string();
    let version = fingerprint(&path);
    let problem = if sequences == 0 {
        Some("it has no sequences".to_owned())
    } else if version.is_none() {
        Some("its files are not there".to_owned())
    } else {
        None
    };
    let database = Database {
        title: if title.is_empty() {
            name.clone()
        } else {
            title
        },
        name,
        molecule,
        sequences,
        letters,
        bytes,
        updated,
        version: version.unwrap_or_default(),
        origin: Origin::Folder {
            path: folder.display().to_string(),
        },
        has_taxids: false,
        has_ids: has_file(&path, ["nog", "pog"]),
        problem,
    };
    Some((database, path))
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
