//! All settings of the runner, by argument or by the environment variable named beside it.
//!
//! Everything is read and checked before anything is done: what is wrong is told together, and the exit code
//! is 78. One more variable has no argument, for arguments are seen by everybody: `ELB_AZURE_KEY`, the
//! storage account's key, for emulators only. Without it the pod's identity signs: `AZURE_FEDERATED_TOKEN_FILE`,
//! `AZURE_CLIENT_ID` and `AZURE_TENANT_ID` of workload identity, else the managed identity of the node.

use std::{fmt, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use elb_core::{cluster::Work, database::shard_of, search::place};

use crate::{end::Failure, location::Location, report::Target, store::Access};

/// The variable with the key.
const KEY: &str = "ELB_AZURE_KEY";
/// The variable and the argument with the report's file, for whoever cannot be read any further.
const REPORT: (&str, &str) = ("ELB_REPORT", "--report");
/// Stands for the batch's number, in five digits, in the places of its query and its results.
const BATCH: &str = "{batch}";
/// Separates the programs that are run one after the other.
const THEN: &str = "--then";
/// How long a store that fails is asked again, if nothing else is said: roles take some minutes to count.
const RETRY_FOR: u64 = 300;
/// Requests at once, if nothing else is said (ours): each holds a part of 8 MiB in memory.
const PARALLEL: usize = 16;
/// The most requests at once (ours): half a gigabyte of memory.
const MAX_PARALLEL: usize = 64;

/// Brings a BLAST database to a node or removes it there, or searches one batch of a query, in a pod.
#[derive(Debug, Parser)]
#[command(name = "elb-runner", version)]
pub struct Given {
    /// File for the report [default: /dev/termination-log, if it is there].
    #[arg(long, global = true, env = REPORT.0, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where Azure Blob Storage is asked, for an emulator or another cloud
    /// [default: https://ACCOUNT.blob.core.windows.net].
    #[arg(
        long,
        global = true,
        env = "ELB_AZURE_BLOB_ENDPOINT",
        value_name = "URL"
    )]
    azure_blob_endpoint: Option<String>,
    /// How long a store that fails is asked again, and searches are waited for that read what is to be
    /// removed, in seconds [default: 300].
    #[arg(long, global = true, env = "ELB_RETRY_FOR", value_name = "SECONDS")]
    retry_for: Option<String>,
    #[command(flatten)]
    database: GivenDatabase,
    #[command(subcommand)]
    work: GivenWork,
}

#[derive(Debug, clap::Args)]
struct GivenDatabase {
    /// Folder of the databases on the node.
    #[arg(long, global = true, env = "ELB_DB_ROOT", value_name = "FOLDER")]
    db_root: Option<String>,
    /// Name of the database.
    #[arg(long, global = true, env = "ELB_DB", value_name = "NAME")]
    db: Option<String>,
    /// Version of the database.
    #[arg(long, global = true, env = "ELB_DB_VERSION", value_name = "VERSION")]
    db_version: Option<String>,
    /// Sequences of the whole database, if VERSION names a shard of it: VERSION.vFIRST-LAST.
    #[arg(long, global = true, env = "ELB_DB_SEQUENCES", value_name = "NUMBER")]
    db_sequences: Option<String>,
    /// Bases or residues of the whole database, likewise.
    #[arg(long, global = true, env = "ELB_DB_LETTERS", value_name = "NUMBER")]
    db_letters: Option<String>,
}

#[derive(Debug, Subcommand)]
enum GivenWork {
    /// Brings a database to the node: FOLDER/NAME/VERSION.
    Stage {
        /// Where the database's files are: az://ACCOUNT/CONTAINER/FOLDER, or file:///FOLDER.
        #[arg(long, env = "ELB_DB_SOURCE", value_name = "PLACE")]
        source: Option<String>,
        /// Requests at once, 1 to 64 [default: 16].
        #[arg(long, env = "ELB_STAGE_PARALLEL", value_name = "NUMBER")]
        parallel: Option<String>,
    },
    /// Removes every version of a database from the node, once no search reads it.
    Release,
    /// Searches one batch: what follows -- is the command, with {query}, {out} and {db} as whole arguments;
    /// after --then comes another, and one that has {table} writes a table that is kept too.
    Run {
        /// Number of the batch, from 0.
        #[arg(long, env = "JOB_COMPLETION_INDEX", value_name = "NUMBER")]
        batch: Option<String>,
        /// Its query, with {batch} for the number in five digits.
        #[arg(long, env = "ELB_QUERY", value_name = "PLACE")]
        query: Option<String>,
        /// Folder of its results, with {batch} likewise.
        #[arg(long, env = "ELB_BATCH_RESULTS", value_name = "PLACE")]
        results: Option<String>,
        /// Folder for files of the attempt.
        #[arg(long, env = "ELB_WORK_DIR", value_name = "FOLDER")]
        work_dir: Option<String>,
        /// The command.
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Order {
    /// Bring a database.
    Stage(StageSettings),
    /// Remove a database.
    Release(ReleaseSettings),
    /// Search a batch.
    Run(RunSettings),
}

/// A version of a database on the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Folder of all databases.
    pub root: PathBuf,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl fmt::Display for Database {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.name, self.version)
    }
}

impl Database {
    /// Folder of its versions.
    pub fn home(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    /// Folder of its files.
    pub fn folder(&self) -> PathBuf {
        self.home().join(&self.version)
    }
}

/// What a shard has to know of the database that it is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// Sequences.
    pub sequences: u64,
    /// Bases or residues.
    pub letters: u64,
}

/// Settings of `stage`.
#[derive(Debug)]
pub struct StageSettings {
    /// Where its files are.
    pub source: Location,
    /// What they are.
    pub database: Database,
    /// What the whole database is, if this is a shard.
    pub whole: Option<Whole>,
    /// How the store is asked.
    pub access: Access,
    /// Requests at once.
    pub parallel: usize,
}

/// Settings of `release`.
#[derive(Debug)]
pub struct ReleaseSettings {
    /// Folder of all databases.
    pub root: PathBuf,
    /// Name of the one to remove.
    pub name: String,
    /// How long searches are waited for that read it.
    pub patience: Duration,
}

/// Settings of `run`.
#[derive(Debug)]
pub struct RunSettings {
    /// Number of the batch.
    pub batch: u32,
    /// Its query.
    pub query: Location,
    /// Folder of its results.
    pub results: Location,
    /// Folder for files of the attempt.
    pub work_dir: PathBuf,
    /// The database, if the command has a place for it.
    pub database: Option<Database>,
    /// How the store is asked.
    pub access: Access,
    /// The programs with their arguments, none of them empty.
    pub commands: Vec<Vec<String>>,
}

/// Collects what is wrong.
#[derive(Debug, Default)]
struct Problems(Vec<String>);

impl Problems {
    /// A setting that must be there, read; where it is wrong a problem is noted.
    fn read<T>(
        &mut self,
        name: &str,
        given: Option<String>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let outcome = match given {
            None => Err("is not set".to_owned()),
            Some(text) if text.is_empty() => Err("is empty".to_owned()),
            Some(text) => read(&text).map_err(|why| format!("{why}, not {text}")),
        };
        outcome
            .map_err(|why| self.0.push(format!("{name} {why}")))
            .ok()
    }

    fn failure(self) -> Failure {
        Failure::Configuration(format!("settings: {}", self.0.join("; ")))
    }
}

impl Given {
    /// Reads arguments and environment.
    pub fn read() -> Result<Self, clap::Error> {
        Self::try_parse()
    }

    /// Where the report goes.
    pub fn report_target(&self) -> Target {
        Target::new(self.report.clone())
    }

    /// What it is to be a report of.
    pub const fn work(&self) -> Work {
        match self.work {
            GivenWork::Stage { .. } => Work::Stage,
            GivenWork::Release => Work::Release,
            GivenWork::Run { .. } => Work::Run,
        }
    }

    /// Checks everything.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn order(self) -> Result<Order, Failure> {
        let key = std::env::var(KEY).ok();
        self.checked(key)
    }

    fn checked(self, key: Option<String>) -> Result<Order, Failure> {
        let mut problems = Problems::default();
        let retry_for = self.retry_for.unwrap_or_else(|| RETRY_FOR.to_string());
        let retry_for = problems.read("ELB_RETRY_FOR", Some(retry_for), number(0, 86_400));
        let access = Access {
            endpoint: self.azure_blob_endpoint,
            key,
            retry_for: Duration::from_secs(retry_for.unwrap_or_default()),
        };
        if let Err(why) = access.check() {
            problems.0.push(why);
        }
        match self.work {
            GivenWork::Stage { source, parallel } => {
                let source = problems.read("ELB_DB_SOURCE", source, Location::parse);
                let parallel = parallel.unwrap_or_else(|| PARALLEL.to_string());
                let number = number(1, MAX_PARALLEL);
                let parallel = problems.read("ELB_STAGE_PARALLEL", Some(parallel), number);
                let whole = self.database.whole(&mut problems);
                let database = self.database.read(&mut problems);
                match (source, parallel, database) {
                    (Some(source), Some(parallel), Some(database)) if problems.0.is_empty() => {
                        Ok(Order::Stage(StageSettings {
                            source,
                            database,
                            whole,
                            access,
                            parallel,
                        }))
                    }
                    _ => Err(problems.failure()),
                }
            }
            GivenWork::Release => {
                let root = problems.read("ELB_DB_ROOT", self.database.db_root, folder);
                let name = problems.read("ELB_DB", self.database.db, name);
                match (root, name) {
                    (Some(root), Some(name)) if problems.0.is_empty() => {
                        Ok(Order::Release(ReleaseSettings {
                            root,
                            name,
                            patience: access.retry_for,
                        }))
                    }
                    _ => Err(problems.failure()),
                }
            }
            GivenWork::Run {
                batch,
                query,
                results,
                work_dir,
                command,
            } => {
                let batch = problems.read("JOB_COMPLETION_INDEX", batch, number(0, 99_999));
                let of = |text: &str| place_of_batch(text, batch.unwrap_or_default());
                let query = problems.read("ELB_QUERY", query, of);
                let results = problems.read("ELB_BATCH_RESULTS", results, of);
                let work_dir = problems.read("ELB_WORK_DIR", work_dir, folder);
                let wants_database = command.iter().any(|word| word == place::DATABASE);
                let database = wants_database.then(|| self.database.read(&mut problems));
                let commands = commands(&command);
                if let Err(why) = &commands {
                    problems.0.push(why.clone());
                }
                match (batch, query, results, work_dir, commands) {
                    (Some(batch), Some(query), Some(results), Some(work_dir), Ok(commands))
                        if problems.0.is_empty() =>
                    {
                        Ok(Order::Run(RunSettings {
                            batch,
                            query,
                            results,
                            work_dir,
                            database: database.flatten(),
                            access,
                            commands,
                        }))
                    }
                    _ => Err(problems.failure()),
                }
            }
        }
    }
}

impl GivenDatabase {
    /// What is told of the whole database, which is needed of a shard alone.
    fn whole(&self, problems: &mut Problems) -> Option<Whole> {
        shard_of(self.db_version.as_deref().unwrap_or_default()).1?;
        let (sequences, letters) = (self.db_sequences.clone(), self.db_letters.clone());
        let sequences = problems.read("ELB_DB_SEQUENCES", sequences, number(1, u64::MAX));
        let letters = problems.read("ELB_DB_LETTERS", letters, number(1, u64::MAX));
        Some(Whole {
            sequences: sequences?,
            letters: letters?,
        })
    }

    fn read(self, problems: &mut Problems) -> Option<Database> {
        let root = problems.read("ELB_DB_ROOT", self.db_root, folder);
        let name = problems.read("ELB_DB", self.db, name);
        let version = problems.read("ELB_DB_VERSION", self.db_version, name_of_version);
        Some(Database {
            root: root?,
            name: name?,
            version: version?,
        })
    }
}

/// Whom to tell, of arguments that cannot be read.
pub fn salvage() -> (Target, Work) {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut named = std::env::var_os(REPORT.0).map(PathBuf::from);
    for (position, word) in words
        .iter()
        .enumerate()
        .take_while(|(_, word)| *word != "--")
    {
        let value = match word.split_once('=') {
            Some((name, value)) if name == REPORT.1 => Some(value),
            None if word == REPORT.1 => words.get(position + 1).map(String::as_str),
            _ => None,
        };
        named = value.map(PathBuf::from).or(named);
    }
    let asked = |name: &str| words.iter().any(|word| word == name);
    let work = match (asked("run"), asked("release")) {
        (true, _) => Work::Run,
        (false, true) => Work::Release,
        (false, false) => Work::Stage,
    };
    (Target::new(named), work)
}

fn number<T>(from: T, to: T) -> impl FnOnce(&str) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + fmt::Display,
{
    move |text| {
        let read = text.parse::<T>().ok();
        let read = read.filter(|number| (&from..=&to).contains(&number));
        read.ok_or_else(|| format!("must be a whole number from {from} to {to}"))
    }
}

/// A folder without what BLAST+ would take for the end of a database's path.
fn folder(text: &str) -> Result<PathBuf, String> {
    let plain = !text.contains(|char: char| char.is_whitespace() || "\"'".contains(char));
    if text.starts_with('/') && plain {
        Ok(PathBuf::from(text))
    } else {
        Err("must be a folder from the root, without blanks and quotes".to_owned())
    }
}

fn name(text: &str) -> Result<String, String> {
    let plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    if text.len() <= 200 && text.chars().all(plain) && !text.starts_with(['.', '-']) {
        Ok(text.to_owned())
    } else {
        Err("must be of letters, digits, dots, dashes and underscores, and begin with none of the first two".to_owned())
    }
}

fn name_of_version(text: &str) -> Result<String, String> {
    let read = name(text)?;
    if read.contains(crate::stage::PARTIAL)
        || read.ends_with(crate::stage::LOCK)
        || read.ends_with(crate::in_use::USE)
    {
        return Err("must not look like a file of this program".to_owned());
    }
    Ok(read)
}

fn place_of_batch(text: &str, batch: u32) -> Result<Location, String> {
    if !text.contains(BATCH) {
        return Err(format!("must have {BATCH} in it"));
    }
    Location::parse(&text.replace(BATCH, &format!("{batch:05}")))
}

/// The programs with their arguments.
fn commands(words: &[String]) -> Result<Vec<Vec<String>>, String> {
    let known = [place::QUERY, place::OUT, place::TABLE, place::DATABASE];
    if let Some(word) = words.iter().find(|word| {
        word.starts_with('{') && word.ends_with('}') && !known.contains(&word.as_str())
    }) {
        return Err(format!("the command has {word}, which stands for nothing"));
    }
    let commands: Vec<Vec<String>> = words
        .split(|word| word == THEN)
        .map(<[String]>::to_vec)
        .collect();
    if commands.iter().any(Vec::is_empty) {
        return Err("there is no command after -- or --then".to_owned());
    }
    let first = commands.first().map(Vec::as_slice).unwrap_or_default();
    for needed in [place::QUERY, place::OUT] {
        if !first.iter().any(|word| word == needed) {
            return Err(format!("the command has no {needed}"));
        }
    }
    Ok(commands)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
