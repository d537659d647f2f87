//! Where the state is kept, as a setting.

use std::{path::PathBuf, time::Duration};

/// The table, unless the setting names one.
const TABLE: &str = "elbdashboard";

/// Where the state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A file; `None` is the usual one under the data folder.
    Sqlite(Option<PathBuf>),
    /// A table of Azure Table Storage.
    AzureTables {
        /// Where requests go, the emulator's account included.
        endpoint: String,
        /// The storage account.
        account: String,
        /// The table.
        table: String,
    },
}

impl StoreAddress {
    /// Reads a setting.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return Ok(Self::Sqlite(
                (!path.is_empty()).then(|| PathBuf::from(path)),
            ));
        }
        let wrong = || {
            "must be sqlite:, sqlite:FILE or azure-tables:https://ACCOUNT.table.core.windows.net[/TABLE]".to_owned()
        };
        let url = text.strip_prefix("azure-tables:").ok_or_else(wrong)?;
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let mut parts = rest.trim_end_matches('/').split('/');
        let authority = parts
            .next()
            .filter(|authority| !authority.is_empty())
            .ok_or_else(wrong)?;
        let emulator = is_this_machine(authority);
        let (endpoint, account) = match scheme {
            "https" if !emulator => {
                let account = authority.split(['.', ':']).next().unwrap_or_default();
                (format!("https://{authority}"), account)
            }
            "http" | "https" if emulator => {
                let account = parts.next().ok_or_else(|| {
                    "must name the account behind the emulator's address, for example azure-tables:http://127.0.0.1:10002/devstoreaccount1".to_owned()
                })?;
                (format!("{scheme}://{authority}/{account}"), account)
            }
            _ => return Err("must begin with azure-tables:https://; plain http is for an emulator on this machine".to_owned()),
        };
        let table = parts.next().unwrap_or(TABLE);
        // docs: letters and digits, not first a digit, 3 to 63.
        let named = (3..=63).contains(&table.len())
            && table.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && table
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_alphabetic());
        if !named || parts.next().is_some() {
            return Err(
                "must end with a table's name: 3 to 63 letters and digits, first a letter"
                    .to_owned(),
            );
        }
        Ok(Self::AzureTables {
            endpoint,
            account: account.to_owned(),
            table: table.to_owned(),
        })
    }

    /// Whether other servers, elsewhere, may use the store too.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::AzureTables { .. })
    }

    /// The storage account.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Sqlite(_) => None,
            Self::AzureTables { account, .. } => Some(account),
        }
    }

    /// Whether it is an emulator on this machine.
    #[must_use]
    pub fn is_emulator(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::AzureTables { endpoint, .. } => {
                let authority = endpoint.split_once("://").map_or("", |(_, rest)| rest);
                is_this_machine(authority)
            }
        }
    }

    /// How long a server may be silent, unless the settings say otherwise. A store in Azure may be away for
    /// a minute, and searches that run are to go on meanwhile: three quarters of the life must be longer.
    #[must_use]
    pub const fn usual_lease_life(&self) -> Duration {
        Duration::from_secs(match self {
            Self::Sqlite(_) => 20,
            Self::AzureTables { .. } => 120,
        })
    }
}

/// Whether what follows `http://` is an emulator: on this machine, or one that serves the account that only
/// emulators have, whose key is public.
pub(super) fn is_emulator(rest: &str) -> bool {
    let path = rest.trim_end_matches('/').split_once('/');
    is_this_machine(rest) || path.is_some_and(|(_, path)| path == super::azure::EMULATOR_ACCOUNT)
}

/// Whether an address, with its port and what follows, is one of this machine.
pub(super) fn is_this_machine(authority: &str) -> bool {
    let authority = authority.split('/').next().unwrap_or_default();
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn azure(text: &str) -> Option<(String, String, String)> {
        match StoreAddress::parse(text).ok()? {
            StoreAddress::AzureTables {
                endpoint,
                account,
                table,
            } => Some((endpoint, account, table)),
            StoreAddress::Sqlite(_) => None,
        }
    }

    #[test]
    fn files_accounts_and_emulators_are_told_apart() {
        assert_eq!(
            StoreAddress::parse("sqlite:"),
            Ok(StoreAddress::Sqlite(None))
        );
        assert_eq!(
            StoreAddress::parse("sqlite:/a/b"),
            Ok(StoreAddress::Sqlite(Some("/a/b".into())))
        );
        let at = |endpoint: &str, account: &str, table: &str| {
            Some((endpoint.to_owned(), account.to_owned(), table.to_owned()))
        };
        assert_eq!(
            azure("azure-tables:https://lab.table.core.windows.net"),
            at("https://lab.table.core.windows.net", "lab", TABLE)
        );
        assert_eq!(
            azure("azure-tables:https://lab.table.core.windows.net/searches/"),
            at("https://lab.table.core.windows.net", "lab", "searches")
        );
        assert_eq!(
            azure("azure-tables:http://127.0.0.1:10002/devstoreaccount1"),
            at(
                "http://127.0.0.1:10002/devstoreaccount1",
                "devstoreaccount1",
                TABLE
            )
        );
    }

    #[test]
    fn what_makes_no_sense_says_what_it_must_be() {
        for text in [
            "",
            "postgres://x",
            "azure-tables:",
            "azure-tables:lab",
            "azure-tables:http://lab.table.core.windows.net",
            "azure-tables:http://127.0.0.1:10002",
            "azure-tables:https://lab.table.core.windows.net/a b",
            "azure-tables:https://lab.table.core.windows.net/9lives",
            "azure-tables:https://lab.table.core.windows.net/table/more",
        ] {
            let error = StoreAddress::parse(text).unwrap_err();
            assert!(error.starts_with("must "), "{text}: {error}");
        }
    }
}
