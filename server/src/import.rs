//! `elb-dashboard import`: the searches of the original dashboard taken over, for an operator.
//!
//! Owns the command's words and exit codes.

use std::process::ExitCode;

use thiserror::Error;

use crate::{
    at_rest::AtRestError,
    settings::{Import, Settings, SettingsError},
    wiring::store::StoreError,
};

/// A store cannot be used.
const UNUSABLE: u8 = 2;

/// Why nothing was imported, or not all.
#[derive(Debug, Error)]
enum ImportCommandError {
    /// A setting makes no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The original is not in a storage account.
    #[cfg(feature = "azure")]
    #[error(
        "--from-original is \"{0}\": it must be azure-tables:https://ACCOUNT.table.core.windows.net, without a table"
    )]
    NoAccount(String),
    /// The destination is in use, or cannot be.
    #[error(transparent)]
    AtRest(#[from] AtRestError),
    /// The original cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The import broke off.
    #[cfg(feature = "azure")]
    #[error(transparent)]
    Import(#[from] elb_engine::import::ImportError),
}

/// Imports everything; the command's exit code.
pub async fn run(settings: Result<Settings, SettingsError>, wanted: &Import) -> ExitCode {
    match imported(settings, wanted).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("elb-dashboard cannot import: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}

#[cfg(not(feature = "azure"))]
#[expect(clippy::unused_async, reason = "with Azure it waits")]
async fn imported(
    settings: Result<Settings, SettingsError>,
    wanted: &Import,
) -> Result<ExitCode, ImportCommandError> {
    settings?;
    let _ = wanted;
    Err(StoreError::NoAzure.into())
}

#[cfg(feature = "azure")]
async fn imported(
    settings: Result<Settings, SettingsError>,
    wanted: &Import,
) -> Result<ExitCode, ImportCommandError> {
    use std::sync::Arc;

    use elb_engine::{
        clock::{Clock, SystemClock},
        import::{Original, Rules, import},
        service::Caller,
    };

    use crate::{at_rest, settings::StoreAddress, wiring::store};

    let settings = settings?;
    let source = at_rest::parse("--from-original", &wanted.from_original)?;
    // The original's tables have names of their own.
    let names_no_table = match &source {
        StoreAddress::Sqlite(_) => false,
        StoreAddress::AzureTables { endpoint, .. } => wanted
            .from_original
            .trim_end_matches('/')
            .ends_with(endpoint.as_str()),
    };
    if !names_no_table {
        return Err(ImportCommandError::NoAccount(wanted.from_original.clone()));
    }
    let destination = at_rest::parse("--to", &wanted.to)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tables = store::tables(&source, &settings.azure, &clock)?;
    let original = Original::new(&tables, &clock)?;
    let store = at_rest::opened(&settings, &destination, false).await?;
    at_rest::require_silence(&settings, &wanted.to, &destination, store.as_ref()).await?;
    let rules = Rules {
        owner: (!wanted.keep_owners).then(|| Caller::local().id),
        unfinished_as_lost: wanted.unfinished_as_lost,
    };
    let progress = |rows: u64| eprintln!("{rows} rows ...");
    let account = import(&original, &store, &rules, &progress).await?;
    told::tell(&account);
    Ok(if account.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(told::INCOMPLETE)
    })
}

#[cfg(feature = "azure")]
mod told {
    //! What an import came to, in words.

    use elb_core::text;
    use elb_engine::import::Account;

    /// Not everything is there.
    pub(super) const INCOMPLETE: u8 = 1;

    pub(super) fn tell(account: &Account) {
        let searches = |count| text::counted(count, "search", "searches");
        println!(
            "{} read: {} imported with {}, {} were there",
            text::counted(account.rows, "row", "rows"),
            searches(account.new),
            text::counted(account.entries, "history entry", "history entries"),
            account.same,
        );
        if account.deleted > 0 {
            println!("{} of them deleted in the original", account.deleted);
        }
        for (kind, count) in &account.others {
            println!(
                "{} of kind {kind}, which are no searches, left out",
                text::counted(*count, "row", "rows")
            );
        }
        if account.strays > 0 {
            println!(
                "{} left out that belong to no row",
                text::counted(account.strays, "history", "histories")
            );
        }
        for left in &account.left_out {
            println!("{} {}", left.id, left.why);
        }
        let open = account.left_out.iter();
        let open = open.filter(|left| !left.why.is_settled()).count();
        if open == 0 {
            println!("everything is there");
        } else {
            println!(
                "NOT everything is there: {} left out",
                text::counted(open as u64, "row", "rows")
            );
        }
    }
}
