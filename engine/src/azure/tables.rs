//! A table of Azure Table Storage with nothing but what is safe: reads by key or key range, and batches
//! of conditional writes.
//!
//! Owns the one policy of retries and time limits. An unconditional write cannot be expressed. What can
//! be repeated is decided here: reads always; a batch too, because each of ours inserts an entity that
//! can be there only once. Whether a batch that failed may have been carried out is told.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use azure_core_021::{Etag, HttpClient, RetryOptions, TransportOptions, error::Error as SdkError};
use azure_data_tables::{
    IfMatchCondition,
    clients::{TableClient, TableServiceClientBuilder},
    prelude::{Filter, Top},
};
use azure_storage::{CloudLocation, StorageCredentials};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::trouble::Trouble;
use super::{
    credential::{AzureCredential, STORAGE_SCOPE},
    signing::Signing,
    transport::{Refusal, Transport},
};
use crate::{
    breaker::Breaker,
    clock::{Clock, chance},
};

pub(crate) mod foreign;
mod trouble;

/// How long one try may take. A healthy answer takes milliseconds; a slow service (5 s) is given up on
/// rather than waited for, because a person waits behind it (ours).
const TRY: Duration = Duration::from_secs(4);
/// How long a call may take with all its tries, so that nobody waits a minute (ours).
const CALL: Duration = Duration::from_secs(10);
/// How often a call is tried at most.
const TRIES: u32 = 3;
/// The pause before the second try; four times that before the third. Half of it is by chance.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The most entities that one batch or one page holds (service limits).
pub(crate) const MAX_BATCH: usize = 100;
/// The most entities of a page (service limit).
pub(crate) const MAX_PAGE: usize = 1_000;
/// The role that reading and writing needs.
const ROLE: &str = "Storage Table Data Contributor";

/// Where the tables are and how to prove who asks.
#[derive(Debug, Clone)]
pub struct TablesConfig {
    /// `https://ACCOUNT.table.core.windows.net`, or the emulator's address with the account as path.
    pub endpoint: String,
    /// The storage account.
    pub account: String,
    /// The table's name.
    pub table: String,
    /// Proof of identity.
    pub access: Access,
}

/// Proof of identity.
#[derive(Clone)]
pub enum Access {
    /// The account's key.
    Key(String),
    /// Tokens of the process's credential.
    Tokens(AzureCredential),
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(_) => f.write_str("Key(…)"),
            Self::Tokens(credential) => f.debug_tuple("Tokens").field(credential).finish(),
        }
    }
}

/// An entity; every property is text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entity {
    #[serde(rename = "PartitionKey")]
    pub partition: String,
    #[serde(rename = "RowKey")]
    pub row: String,
    #[serde(rename = "odata.etag", default, skip_serializing)]
    pub etag: String,
    #[serde(flatten)]
    pub properties: BTreeMap<String, String>,
}

impl Entity {
    pub(crate) fn new(partition: &str, row: impl Into<String>) -> Self {
        Self {
            partition: partition.to_owned(),
            row: row.into(),
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.properties.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.properties.get(name).map_or("", String::as_str)
    }

    /// A number; `None` if it is not there or not a number.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.properties.get(name)?.parse().ok()
    }
}

/// One write of a batch. Each has its condition.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    /// Only if there is none with this key.
    Insert(Entity),
    /// Only if it is still the one with this tag; replaces it whole.
    Replace(Entity, String),
    /// Only if it is still the one with this tag.
    Delete { row: String, etag: String },
}

/// Why a call failed.
#[derive(Debug, Clone, Error)]
pub(crate) enum TableError {
    /// An entity to be inserted is there already.
    #[error("the entity exists")]
    Exists { operation: Option<usize> },
    /// An entity is not the one that was read.
    #[error("the entity was changed")]
    Changed { operation: Option<usize> },
    /// There is no such entity, or no such table.
    #[error("there is no such entity")]
    Missing { operation: Option<usize> },
    /// The identity may not do this.
    #[error(
        "table storage refuses access ({reason}); the identity of this server needs the role {ROLE} on the storage account"
    )]
    Denied { reason: String },
    /// The token is not accepted, a new one neither.
    #[error(
        "table storage does not accept the token of this server's identity ({reason}); check that the identity (ELB_AZURE_AUTH) is of the storage account's tenant and has the role {ROLE} on the account"
    )]
    Unaccepted { reason: String },
    /// The request is one that the service never accepts.
    #[error("table storage rejects the request ({0})")]
    Rejected(Refusal),
    /// What is given cannot fit together.
    #[error("{0}")]
    SetUp(String),
    /// No answer, or not now.
    #[error("table storage does not answer: {reason}")]
    Away { reason: String },
}

impl TableError {
    /// Whether a condition did not hold: somebody else was quicker, or an earlier try was carried out.
    pub(crate) const fn is_overtaken(&self) -> bool {
        matches!(
            self,
            Self::Exists { .. } | Self::Changed { .. } | Self::Missing { .. }
        )
    }
}

/// A batch that was not seen to succeed.
#[derive(Debug)]
pub(crate) struct BatchError {
    pub error: TableError,
    /// Whether some try of it may have been carried out.
    pub doubtful: bool,
}

/// Part of a key range.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub entities: Vec<Entity>,
    /// Whether there may be more behind the last one.
    pub more: bool,
}

/// Row keys from `from` (or after it) to before `to`, in one partition.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub partition: String,
    pub from: String,
    /// Whether `from` itself is left out.
    pub after: bool,
    pub to: String,
}

impl Range {
    /// Every row key that begins with `prefix`, which must not be empty.
    pub(crate) fn prefix(partition: &str, prefix: &str) -> Self {
        Self {
            partition: partition.to_owned(),
            from: prefix.to_owned(),
            after: false,
            // The last character counted up: a bound that no key with the prefix reaches (C8).
            to: successor(prefix),
        }
    }

    /// Every row key of a partition. Keys begin with a letter, a digit or one of `-._=`.
    pub(crate) fn whole(partition: &str) -> Self {
        Self {
            partition: partition.to_owned(),
            from: "-".to_owned(),
            after: false,
            to: "~".to_owned(),
        }
    }

    /// The same, from behind a key on.
    pub(crate) fn behind(mut self, row: &str) -> Self {
        row.clone_into(&mut self.from);
        self.after = true;
        self
    }

    fn filter(&self) -> String {
        let quote = |text: &str| text.replace('\'', "''");
        format!(
            "PartitionKey eq '{}' and RowKey {} '{}' and RowKey lt '{}'",
            quote(&self.partition),
            if self.after { "gt" } else { "ge" },
            quote(&self.from),
            quote(&self.to)
        )
    }
}

fn successor(prefix: &str) -> String {
    let mut next: Vec<char> = prefix.chars().collect();
    if let Some(last) = next.last_mut() {
        *last = char::from_u32(u32::from(*last) + 1).unwrap_or(char::MAX);
    }
    next.into_iter().collect()
}

/// One table.
#[derive(Clone)]
pub(crate) struct Tables {
    table: TableClient,
    breaker: Breaker,
    clock: Arc<dyn Clock>,
    credential: Option<AzureCredential>,
}

impl Tables {
    /// Nothing is sent yet.
    pub(crate) fn new(config: &TablesConfig, clock: Arc<dyn Clock>) -> Result<Self, TableError> {
        let over_tls = config.endpoint.starts_with("https://");
        if matches!(config.access, Access::Tokens(_)) && !over_tls {
            let endpoint = &config.endpoint;
            return Err(TableError::SetUp(format!(
                "{endpoint} is no https address, over which alone tokens are sent; an emulator needs its key (ELB_AZURE_AUTH=key)"
            )));
        }
        let transport = Transport::new().map_err(|error| TableError::Away {
            reason: error.to_string(),
        })?;
        Ok(Self::by_way_of(Arc::new(transport), config, clock))
    }

    fn by_way_of(
        transport: Arc<dyn HttpClient>,
        config: &TablesConfig,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let location = CloudLocation::Custom {
            account: config.account.clone(),
            uri: config.endpoint.trim_end_matches('/').to_owned(),
        };
        let credentials = match &config.access {
            Access::Key(key) => StorageCredentials::access_key(config.account.clone(), key.clone()),
            // Signed later.
            Access::Tokens(_) => StorageCredentials::anonymous(),
        };
        let credential = match &config.access {
            Access::Key(_) => None,
            Access::Tokens(credential) => Some(credential.clone()),
        };
        let transport: Arc<dyn HttpClient> = match credential.clone() {
            Some(credential) => Arc::new(Signing {
                credential,
                client: transport,
            }),
            None => transport,
        };
        // The client's own retries (8 in 60 s) would multiply with ours.
        let service = TableServiceClientBuilder::with_location(location, credentials)
            .retry(RetryOptions::none())
            .transport(TransportOptions::new(transport))
            .build();
        Self {
            table: service.table_client(&config.table),
            breaker: Breaker::new("table storage", Arc::clone(&clock)),
            clock,
            credential,
        }
    }

    pub(crate) const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Makes the table unless it is there.
    pub(crate) async fn make(&self) -> Result<(), TableError> {
        let made = self
            .call(|| async { self.table.create().await.map(drop) })
            .await;
        match made.map_err(|failed| failed.error) {
            Ok(()) | Err(TableError::Exists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn get(
        &self,
        partition: &str,
        row: &str,
    ) -> Result<Option<Entity>, TableError> {
        let entity = self
            .table
            .partition_key_client(partition)
            .entity_client(row);
        let read = self
            .call(|| async {
                let answer = entity.get::<Entity>().await?;
                let mut entity = answer.entity;
                if entity.etag.is_empty() {
                    entity.etag = answer.etag.to_string();
                }
                Ok(entity)
            })
            .await;
        match read {
            Ok(entity) => Ok(Some(cleaned(entity))),
            Err(Failed {
                error: TableError::Missing { .. },
                ..
            }) => Ok(None),
            Err(failed) => Err(failed.error),
        }
    }

    /// Up to `limit` entities of a range, in the order of their keys. An empty page is the end.
    pub(crate) async fn page(&self, range: &Range, limit: usize) -> Result<Page, TableError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let top = u32::try_from(limit).unwrap_or(u32::MAX);
        let mut page = Page::default();
        let mut token: Option<(String, Option<String>)> = None;
        // The service may answer with fewer entities than asked for, even none, and a token to go on.
        loop {
            let answer = self
                .call(|| async {
                    let mut query = self
                        .table
                        .query()
                        .filter(Filter::new(range.filter()))
                        .top(Top::new(top));
                    if let Some((partition, row)) = &token {
                        query = query.initial_partition_key(partition.clone());
                        if let Some(row) = row {
                            query = query.initial_row_key(row.clone());
                        }
                    }
                    let mut answers = query.into_stream::<Entity>();
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
            token = azure_core_021::Continuable::continuation(&answer);
            page.entities
                .extend(answer.entities.into_iter().map(cleaned));
            if token.is_none() || !page.entities.is_empty() {
                page.more = token.is_some();
                return Ok(page);
            }
        }
    }

    /// Every entity of a range, in as many pages as it takes.
    pub(crate) async fn all(&self, range: Range) -> Result<Vec<Entity>, TableError> {
        let mut range = range;
        let mut all = Vec::new();
        loop {
            let page = self.page(&range, MAX_PAGE).await?;
            let last = page.entities.last().map(|entity| entity.row.clone());
            all.extend(page.entities);
            match last {
                Some(last) if page.more => range = range.behind(&last),
                _ => return Ok(all),
            }
        }
    }

    /// All of these writes or none of them; the new tags of what was inserted and replaced.
    pub(crate) async fn batch(
        &self,
        partition: &str,
        writes: &[Write],
    ) -> Result<Vec<Option<String>>, BatchError> {
        let client = self.table.partition_key_client(partition);
        if let [Write::Replace(entity, etag)] = writes {
            let row = client.entity_client(&entity.row);
            let sent = self
                .call(|| async {
                    let tag = IfMatchCondition::Etag(Etag::from(etag.clone()));
                    row.update(entity, tag)?.await
                })
                .await;
            return match sent {
                Ok(answer) => Ok(vec![Some(answer.etag.to_string())]),
                Err(Failed { error, doubtful }) => Err(BatchError { error, doubtful }),
            };
        }
        let sent = self
            .call(|| async {
                let mut batch = client.transaction();
                for write in writes {
                    batch = match write {
                        Write::Insert(entity) => batch.insert(entity)?,
                        Write::Replace(entity, etag) => batch.update(
                            entity.row.clone(),
                            entity,
                            Some(IfMatchCondition::Etag(Etag::from(etag.clone()))),
                        )?,
                        Write::Delete { row, etag } => batch.delete(
                            row.clone(),
                            Some(IfMatchCondition::Etag(Etag::from(etag.clone()))),
                        )?,
                    };
                }
                batch.await
            })
            .await;
        match sent {
            Ok(answer) => {
                let tags = answer.operation_responses.into_iter();
                Ok(tags
                    .map(|answer| answer.etag.map(|etag| etag.to_string()))
                    .collect())
            }
            Err(failed) => Err(BatchError {
                error: failed.error,
                doubtful: failed.doubtful,
            }),
        }
    }

    /// Sees to it that there is a token, if tokens are used.
    async fn token_within(&self, limit: Duration) -> Result<(), String> {
        let Some(credential) = &self.credential else {
            return Ok(());
        };
        match tokio::time::timeout(limit, credential.token(STORAGE_SCOPE)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!(
                "the Azure identity has given no token within {} s",
                limit.as_secs()
            )),
        }
    }

    /// A call with its tries.
    async fn call<T, F>(&self, mut once: impl FnMut() -> F) -> Result<T, Failed>
    where
        F: Future<Output = azure_core_021::Result<T>>,
    {
        let begin = self.clock.elapsed();
        let mut doubtful = false;
        let mut tried = 0;
        let mut renewed = false;
        loop {
            if let Err(reason) = self.breaker.admit() {
                let reason = format!("{reason} (not asked again for a moment)");
                return Err(Failed {
                    error: TableError::Away { reason },
                    doubtful,
                });
            }
            let left = CALL.saturating_sub(self.clock.elapsed().saturating_sub(begin));
            // Not within the time of a try: an identity may take longer than that to give a token.
            if let Err(reason) = self.token_within(left).await {
                self.breaker.failed(&reason, None);
                return Err(Failed {
                    error: TableError::Away { reason },
                    doubtful,
                });
            }
            tried += 1;
            let left = CALL.saturating_sub(self.clock.elapsed().saturating_sub(begin));
            let answer = tokio::time::timeout(TRY.min(left), once()).await;
            let trouble = match answer {
                Ok(Ok(value)) => {
                    self.breaker.answered();
                    return Ok(value);
                }
                Ok(Err(error)) => Trouble::of(&error),
                Err(_) => Trouble::silence(format!("no answer within {} s", TRY.as_secs())),
            };
            let (reason, rest) = match trouble {
                Trouble::Unauthorised(error) => {
                    self.breaker.answered();
                    // It may have been revoked: one new token, and if that is refused too, it is the rights.
                    let another = self.credential.as_ref().is_some_and(|credential| {
                        !renewed && credential.refused(STORAGE_SCOPE, begin)
                    });
                    if !another {
                        return Err(Failed { error, doubtful });
                    }
                    renewed = true;
                    continue;
                }
                Trouble::Final(error) => {
                    self.breaker.answered();
                    return Err(Failed { error, doubtful });
                }
                Trouble::Passing {
                    reason,
                    rest,
                    carried_out,
                } => {
                    doubtful |= carried_out;
                    (reason, rest)
                }
            };
            self.breaker.failed(&reason, rest);
            let pause = rest.unwrap_or_else(|| pause(tried));
            let spent = self.clock.elapsed().saturating_sub(begin);
            if tried >= TRIES || spent + pause >= CALL {
                return Err(Failed {
                    error: TableError::Away { reason },
                    doubtful,
                });
            }
            tracing::debug!(%reason, tried, "table storage is asked again");
            tokio::time::sleep(pause).await;
        }
    }
}

/// A call that failed, and whether it may have been carried out.
struct Failed {
    error: TableError,
    doubtful: bool,
}

/// The pause after this many tries.
fn pause(tried: u32) -> Duration {
    let whole = FIRST_PAUSE * 4_u32.saturating_pow(tried.saturating_sub(1));
    let half = whole / 2;
    let part = u32::try_from(chance() % 1_000).unwrap_or(0);
    half + half * part / 1_000
}

/// Without what the service adds.
fn cleaned(mut entity: Entity) -> Entity {
    entity
        .properties
        .retain(|name, _| !name.contains("odata.") && name != "Timestamp");
    entity
}

#[cfg(test)]
mod tests;
