//! The original's tables, read and never written.

use std::{collections::HashSet, sync::Arc};

use super::{ImportError, columns::text};
use crate::{
    azure::tables::{
        TableError, Tables, TablesConfig,
        foreign::{Foreign, ForeignPage, Token, Wanted},
    },
    clock::Clock,
    repository::RepositoryError,
};

/// Where the original keeps its jobs.
const JOBS: &str = "jobstate";
/// Where it keeps what happened to them.
const HISTORY: &str = "jobhistory";

/// The original's two tables.
pub struct Original {
    jobs: Tables,
    history: Tables,
}

impl Original {
    /// Both tables of an account; nothing is asked yet. The table that `config` names is not used.
    ///
    /// # Errors
    /// If there can be no client.
    pub fn new(config: &TablesConfig, clock: &Arc<dyn Clock>) -> Result<Self, ImportError> {
        let open = |table: &str| {
            let config = TablesConfig {
                table: table.to_owned(),
                ..config.clone()
            };
            Tables::new(&config, Arc::clone(clock)).map_err(|error| unreadable(table, error))
        };
        Ok(Self {
            jobs: open(JOBS)?,
            history: open(HISTORY)?,
        })
    }

    /// A page of the jobs.
    pub(super) async fn jobs(&self, token: Option<&Token>) -> Result<ForeignPage, ImportError> {
        let page = self.jobs.foreign_page(&Wanted::default(), token).await;
        page.map_err(|error| unreadable(JOBS, error))
    }

    /// All of the history of one job; none if the table was never made.
    pub(super) async fn history(&self, id: &str) -> Result<Vec<Foreign>, ImportError> {
        let wanted = Wanted {
            partition: Some(id.to_owned()),
            select: None,
        };
        let mut all = Vec::new();
        let mut token = None;
        loop {
            let page = self.history.foreign_page(&wanted, token.as_ref()).await;
            let page = match page {
                Ok(page) => page,
                Err(TableError::Missing { .. }) => return Ok(all),
                Err(error) => return Err(unreadable(HISTORY, error)),
            };
            all.extend(page.entities);
            token = page.next;
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    /// Ids that have a history and are not among the `known`.
    pub(super) async fn strays(&self, known: &HashSet<String>) -> Result<u64, ImportError> {
        let wanted = Wanted {
            partition: None,
            select: Some("PartitionKey"),
        };
        let mut strays: HashSet<String> = HashSet::new();
        let mut token = None;
        loop {
            let page = self.history.foreign_page(&wanted, token.as_ref()).await;
            let page = match page {
                Ok(page) => page,
                Err(TableError::Missing { .. }) => return Ok(0),
                Err(error) => return Err(unreadable(HISTORY, error)),
            };
            let ids = page.entities.iter();
            let ids = ids.filter_map(|entity| text(entity, "PartitionKey").ok());
            strays.extend(ids.filter(|id| !known.contains(id)));
            token = page.next;
            if token.is_none() {
                return Ok(strays.len() as u64);
            }
        }
    }
}

fn unreadable(table: &str, error: TableError) -> ImportError {
    ImportError::Source(match error {
        TableError::Denied { .. } => RepositoryError::Denied(error.to_string()),
        TableError::Missing { .. } => RepositoryError::Unavailable(format!(
            "it has no table {table}; name the storage account of the original dashboard"
        )),
        other => RepositoryError::Unavailable(other.to_string()),
    })
}
