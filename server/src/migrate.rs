//! `elb-dashboard migrate`: everything of one store moved into another, for an operator.
//!
//! Owns the command's words and exit codes, and that no server runs meanwhile: a store that shows signs of
//! life is left alone.

use std::{process::ExitCode, sync::Arc, time::Duration};

use elb_core::text;
use elb_engine::{
    clock::SystemClock,
    migration::{self, Migrated, MigrationError, Sum},
    repository::{Repository, RepositoryError},
};
use thiserror::Error;

use crate::{
    lock::DataLock,
    settings::{Settings, SettingsError, StoreAddress},
    wiring::store::{self, StoreError},
};

/// Not everything is there.
const INCOMPLETE: u8 = 1;
/// A store cannot be used.
const UNUSABLE: u8 = 2;
/// How often signs of life are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Why nothing was moved, or not all.
#[derive(Debug, Error)]
enum MigrateError {
    /// A setting makes no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// An address makes no sense.
    #[error("{option} is \"{value}\": it {why}")]
    Address {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What it must be.
        why: String,
    },
    /// Both are the same.
    #[error("--from and --to are the same store")]
    Same,
    /// A server runs.
    #[error("a server uses {0}: stop it first, and start it with the other store afterwards")]
    InUse(String),
    /// A store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A store cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The move broke off.
    #[error(transparent)]
    Migration(#[from] MigrationError),
}

/// Moves everything; the command's exit code.
pub async fn run(settings: Result<Settings, SettingsError>, from: &str, to: &str) -> ExitCode {
    match moved(settings, from, to).await {
        Ok(migrated) => {
            tell(&migrated);
            if migrated.is_complete() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(INCOMPLETE)
            }
        }
        Err(error) => {
            eprintln!("elb-dashboard cannot migrate: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}

async fn moved(
    settings: Result<Settings, SettingsError>,
    from: &str,
    to: &str,
) -> Result<Migrated, MigrateError> {
    let settings = settings?;
    let parse = |option, text: &str| {
        StoreAddress::parse(text).map_err(|why| MigrateError::Address {
            option,
            value: text.to_owned(),
            why,
        })
    };
    let (source, destination) = (parse("--from", from)?, parse("--to", to)?);
    if source == destination {
        return Err(MigrateError::Same);
    }
    // These settings may be for another store than either: signs of life are as far apart as there.
    let lives =
        [&source, &destination].map(|store| settings.lease_life.max(store.usual_lease_life()));
    let source = opened(&settings, &source, true).await?;
    let destination = opened(&settings, &destination, false).await?;
    for ((name, store), life) in [(from, &source), (to, &destination)].into_iter().zip(lives) {
        if is_alive(store.as_ref(), life).await? {
            return Err(MigrateError::InUse(name.to_owned()));
        }
    }
    let progress = |what: &str, count: u64| eprintln!("{count} {what} ...");
    Ok(migration::migrate(&source, &destination, &progress).await?)
}

/// Opens a store; one that is only read must be there, and is not written.
async fn opened(
    settings: &Settings,
    address: &StoreAddress,
    to_read: bool,
) -> Result<Arc<dyn Repository>, MigrateError> {
    let data = &settings.data_dir;
    if let StoreAddress::Sqlite(path) = address {
        let file = store::file_of(path.as_deref(), data);
        let folder = file.parent().unwrap_or(data);
        if DataLock::held_since(folder).is_some() {
            return Err(MigrateError::InUse(folder.display().to_string()));
        }
    }
    let clock = Arc::new(SystemClock);
    Ok(if to_read {
        store::open_to_read(address, &settings.azure, data, clock).await?
    } else {
        store::open(address, &settings.azure, data, clock).await?
    })
}

/// Whether a process shows signs of life in a store, watched for half of a lease's life: signs
/// come four times in it.
async fn is_alive(store: &dyn Repository, life: Duration) -> Result<bool, MigrateError> {
    let first = store.beats().await?;
    if first.is_empty() {
        return Ok(false);
    }
    eprintln!("looking whether a server that is known there still runs ...");
    let watched = async {
        loop {
            tokio::time::sleep(LOOK).await;
            let now = store.beats().await?;
            if now.iter().any(|beat| !first.contains(beat)) {
                return Ok::<bool, RepositoryError>(true);
            }
        }
    };
    match tokio::time::timeout(life / 2, watched).await {
        Ok(alive) => Ok(alive?),
        Err(_) => Ok(false),
    }
}

fn tell(migrated: &Migrated) {
    let line = |name: &str, sum: &Sum| {
        println!(
            "{name}: {} with {}, sha256 {}",
            text::counted(sum.jobs, "search", "searches"),
            text::counted(sum.entries, "history entry", "history entries"),
            sum.digest()
        );
    };
    println!("{} moved, {} were there", migrated.new, migrated.same);
    println!(
        "{} of the audit log",
        text::counted(migrated.records, "record", "records")
    );
    line("source     ", &migrated.source);
    line("destination", &migrated.destination);
    for id in &migrated.different {
        println!(
            "{id} is another search, or another state of it, in the destination; it was left alone"
        );
    }
    for row in &migrated.unreadable {
        println!("{row}; it was not moved");
    }
    println!(
        "{}",
        if migrated.is_complete() {
            "everything is there"
        } else {
            "NOT everything is there"
        }
    );
}
