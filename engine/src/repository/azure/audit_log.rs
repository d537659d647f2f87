//! The audit log in the same table: a partition for each fifty days, newest first.
//!
//! A record is inserted or left as it is, never changed. Which partitions there are is read as a range of
//! its own, so that a page looks into none that is empty.

use std::collections::BTreeMap;

use async_trait::async_trait;
use elb_core::{
    audit_log::{AuditAction, AuditFilter, AuditKey, AuditOutcome, AuditRecord},
    time::Timestamp,
};

use super::{AzureRepository, failed, keys, writer::remove_all};
use crate::{
    audit_log::{AuditLog, AuditPage, MAX_LOOKED_AT},
    azure::tables::{Entity, MAX_BATCH, MAX_PAGE, Range, TableError, Write},
    repository::RepositoryError,
};

/// The digits of a key that name its partition: 2^32 milliseconds, 49.7 days.
const BUCKET: usize = 4;

/// Hexadecimal digits that sort the other way round.
fn inverted(digits: &str) -> String {
    let digit = |letter: char| {
        letter
            .to_digit(16)
            .and_then(|digit| char::from_digit(15 - digit, 16))
    };
    digits.chars().filter_map(digit).collect()
}

fn bucket(key: &AuditKey) -> String {
    inverted(key.as_str().get(..BUCKET).unwrap_or_default())
}

fn partition(bucket: &str) -> String {
    format!("audit-{bucket}")
}

fn entity(partition: &str, record: &AuditRecord) -> Entity {
    let mut entity = Entity::new(partition, inverted(record.id.as_str()))
        .with("Actor", &record.actor)
        .with("Action", record.action.as_str())
        .with("Detail", &record.detail)
        .with("Outcome", record.outcome.as_str());
    let optional = [
        ("Job", record.job_id.as_deref()),
        ("Code", record.outcome.code()),
        ("Request", record.request_id.as_deref()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            entity = entity.with(name, value);
        }
    }
    entity
}

/// An entity as a record; `None` if its words are none of this program's.
fn record(id: AuditKey, entity: &Entity) -> Option<AuditRecord> {
    let optional = |name: &str| entity.properties.get(name).cloned();
    Some(AuditRecord {
        at: id.at(),
        id,
        actor: entity.text("Actor").to_owned(),
        action: AuditAction::parse(entity.text("Action"))?,
        job_id: optional("Job"),
        detail: entity.text("Detail").to_owned(),
        outcome: AuditOutcome::of(entity.text("Outcome"), optional("Code"))?,
        request_id: optional("Request"),
    })
}

impl AzureRepository {
    /// The partitions that there are, newest first.
    async fn buckets(&self) -> Result<Vec<Entity>, RepositoryError> {
        let buckets = self.tables.all(Range::whole(keys::AUDITS)).await;
        buckets.map_err(|error| failed("", error))
    }

    /// Inserts entities of one partition; those that are there already are left as they are.
    async fn insert_or_leave(&self, entities: Vec<Entity>) -> Result<(), RepositoryError> {
        for some in entities.chunks(MAX_BATCH) {
            let Some(partition) = some.first().map(|entity| entity.partition.clone()) else {
                continue;
            };
            let writes: Vec<Write> = some.iter().cloned().map(Write::Insert).collect();
            match self
                .tables
                .batch(&partition, &writes)
                .await
                .map_err(|failed| failed.error)
            {
                Ok(_) => continue,
                Err(TableError::Exists { .. }) => {}
                Err(error) => return Err(failed("", error)),
            }
            // One of them at least is there: one by one.
            for write in writes {
                match self
                    .tables
                    .batch(&partition, &[write])
                    .await
                    .map_err(|failed| failed.error)
                {
                    Ok(_) | Err(TableError::Exists { .. }) => {}
                    Err(error) => return Err(failed("", error)),
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl AuditLog for AzureRepository {
    async fn append(&self, records: &[AuditRecord]) -> Result<(), RepositoryError> {
        let mut buckets: BTreeMap<String, Vec<Entity>> = BTreeMap::new();
        for record in records {
            let bucket = bucket(&record.id);
            let entity = entity(&partition(&bucket), record);
            let records = buckets.entry(bucket).or_default();
            // A batch must not hold the same key twice.
            if !records.contains(&entity) {
                records.push(entity);
            }
        }
        for (bucket, entities) in buckets {
            let known = self
                .audits
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .contains(&bucket);
            if !known {
                // First: a partition that nobody knows of would never be read.
                self.insert_or_leave(vec![Entity::new(keys::AUDITS, &bucket)])
                    .await?;
                self.audits
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .insert(bucket);
            }
            self.insert_or_leave(entities).await?;
        }
        Ok(())
    }

    async fn page(
        &self,
        before: Option<&AuditKey>,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<AuditPage, RepositoryError> {
        let mut page = AuditPage::default();
        let mut last = None;
        let mut looked_at = 0;
        let first = before.map(bucket);
        for found in self.buckets().await? {
            if first.as_ref().is_some_and(|first| found.row < *first) {
                continue;
            }
            let mut range = Range::whole(&partition(&found.row));
            if let Some(before) = before.filter(|_| first.as_ref() == Some(&found.row)) {
                range = range.behind(&inverted(before.as_str()));
            }
            loop {
                let read = self.tables.page(&range, MAX_PAGE.min(MAX_LOOKED_AT)).await;
                let read = read.map_err(|error| failed("", error))?;
                for entity in &read.entities {
                    if looked_at == MAX_LOOKED_AT {
                        page.next = last;
                        return Ok(page);
                    }
                    looked_at += 1;
                    let Some(id) = AuditKey::parse(&inverted(&entity.row)) else {
                        page.unreadable += 1;
                        continue;
                    };
                    last = Some(id.clone());
                    match record(id, entity) {
                        // One more that fits: only then there is another page.
                        Some(record) if filter.admits(&record) && page.records.len() == limit => {
                            page.next = page.records.last().map(|record| record.id.clone());
                            return Ok(page);
                        }
                        Some(record) if filter.admits(&record) => page.records.push(record),
                        Some(_) => {}
                        None => page.unreadable += 1,
                    }
                }
                match read.entities.last() {
                    Some(last) if read.more => range = range.behind(&last.row),
                    _ => break,
                }
            }
        }
        Ok(page)
    }

    async fn trim(&self, before: Timestamp, limit: usize) -> Result<usize, RepositoryError> {
        let first_kept = AuditKey::first_of(before);
        let edge = bucket(&first_kept);
        let mut trimmed = 0;
        for found in self.buckets().await?.into_iter().rev() {
            if found.row < edge || trimmed >= limit {
                break;
            }
            let partition = partition(&found.row);
            let mut range = Range::whole(&partition);
            if found.row == edge {
                range = range.behind(&inverted(first_kept.as_str()));
            }
            let page = self
                .tables
                .page(&range, (limit - trimmed).min(MAX_PAGE))
                .await;
            let page = page.map_err(|error| failed("", error))?;
            let (count, more) = (page.entities.len(), page.more);
            let removed = remove_all(&self.tables, &partition, page.entities).await;
            removed.map_err(|error| failed("", error))?;
            trimmed += count;
            if !more && found.row != edge {
                let gone = remove_all(&self.tables, keys::AUDITS, vec![found]).await;
                gone.map_err(|error| failed("", error))?;
            }
        }
        Ok(trimmed)
    }
}
