//! `elb-dashboard migrate`: everything of one store moved into another, for an operator.
//!
//! Owns the command's words and exit codes.

use std::process::ExitCode;

use elb_core::text;
use elb_engine::migration::{self, Migrated, MigrationError, Sum};
use thiserror::Error;

use crate::{
    at_rest::{self, AtRestError},
    settings::{Settings, SettingsError},
};

/// Not everything is there.
const INCOMPLETE: u8 = 1;
/// A store cannot be used.
const UNUSABLE: u8 = 2;

/// Why nothing was moved, or not all.
#[derive(Debug, Error)]
enum MigrateError {
    /// A setting makes no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Both are the same.
    #[error("--from and --to are the same store")]
    Same,
    /// A store is in use, or cannot be.
    #[error(transparent)]
    AtRest(#[from] AtRestError),
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
    let source = at_rest::parse("--from", from)?;
    let destination = at_rest::parse("--to", to)?;
    if source == destination {
        return Err(MigrateError::Same);
    }
    // Opened both before either is watched: what is wrong with one is told at once.
    let opened = [
        at_rest::opened(&settings, &source, true).await?,
        at_rest::opened(&settings, &destination, false).await?,
    ];
    for (name, address, store) in [(from, &source, &opened[0]), (to, &destination, &opened[1])] {
        at_rest::require_silence(&settings, name, address, store.as_ref()).await?;
    }
    let [source, destination] = opened;
    let progress = |what: &str, count: u64| eprintln!("{count} {what} ...");
    Ok(migration::migrate(&source, &destination, &progress).await?)
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
