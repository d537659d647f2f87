//! Reading a table that another program has laid out: whole entities of whatever types, page by page.
//!
//! Reads only. Nothing is known of the keys, so that pages are continued by the service's own tokens.

use azure_data_tables::prelude::{Filter, Select, Top};
use futures::StreamExt;
use serde_json::{Map, Value};

use super::{MAX_PAGE, SdkError, TableError, Tables};

/// An entity as it came; what the service adds (names with `odata.`, `Timestamp`) is left out.
pub(crate) type Foreign = Map<String, Value>;

/// Where the next page begins, in the service's words.
pub(crate) type Token = (String, Option<String>);

/// Some entities, in the order of their keys; may be none with more behind.
#[derive(Debug, Default)]
pub(crate) struct ForeignPage {
    pub entities: Vec<Foreign>,
    /// `None` after the last page.
    pub next: Option<Token>,
}

/// Which entities are read, and what of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Only those of this partition.
    pub partition: Option<String>,
    /// Only these properties, separated by commas.
    pub select: Option<&'static str>,
}

impl Tables {
    /// A page of the entities.
    pub(crate) async fn foreign_page(
        &self,
        wanted: &Wanted,
        token: Option<&Token>,
    ) -> Result<ForeignPage, TableError> {
        let top = u32::try_from(MAX_PAGE).unwrap_or(u32::MAX);
        let filter = wanted
            .partition
            .as_ref()
            .map(|partition| format!("PartitionKey eq '{}'", partition.replace('\'', "''")));
        let answer = self
            .call(|| async {
                let mut query = self.table.query().top(Top::new(top));
                if let Some(filter) = &filter {
                    query = query.filter(Filter::new(filter.clone()));
                }
                if let Some(select) = wanted.select {
                    query = query.select(Select::new(select));
                }
                if let Some((partition, row)) = token {
                    query = query.initial_partition_key(partition.clone());
                    if let Some(row) = row {
                        query = query.initial_row_key(row.clone());
                    }
                }
                let mut answers = query.into_stream::<Foreign>();
                let answer = answers.next().await;
                answer.unwrap_or_else(|| {
                    Err(SdkError::message(
                        azure_core_021::error::ErrorKind::Other,
                        "no page",
                    ))
                })
            })
            .await
            .map_err(|failed| failed.error)?;
        let next = azure_core_021::Continuable::continuation(&answer);
        let entities = answer.entities.into_iter().map(|mut entity| {
            entity.retain(|name, _| !name.contains("odata.") && name != "Timestamp");
            entity
        });
        Ok(ForeignPage {
            entities: entities.collect(),
            next,
        })
    }
}
