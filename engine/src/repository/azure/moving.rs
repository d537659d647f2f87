//! Jobs moved from one store to another.
//!
//! A long history comes in several batches, the row in the last one: a job that was broken off is not
//! there yet, and the next call completes it.

use std::collections::HashSet;

use elb_core::time::Timestamp;

use super::{
    AzureRepository,
    create::{key_entity, row_writes},
    document::{self, Row},
    failed, keys,
};
use crate::{
    azure::tables::{MAX_BATCH, Range, TableError, Write},
    repository::{IdempotencyKey, Kept, Moved, RepositoryError},
};

/// The longest history that is read at once, in entries.
const HISTORY: usize = 1 << 20;

impl AzureRepository {
    pub(super) async fn all_of(&self, id: &str) -> Result<Option<Kept>, RepositoryError> {
        let Some(row) = self.read(id).await? else {
            return Ok(None);
        };
        let history = self.history_of(id, None, HISTORY).await?;
        let mut found = Vec::new();
        if !row.key.is_empty() {
            let key = self.tables.get(&row.key, keys::KEY_ROW).await;
            let key = key.map_err(|error| failed(id, error))?;
            found.extend(
                key.filter(|key| key.text("Job") == id)
                    .map(|key| IdempotencyKey {
                        owner: key.text("Owner").to_owned(),
                        key: key.text("Key").to_owned(),
                        expires_at: Timestamp(key.number("Expires").unwrap_or(0)),
                    }),
            );
        }
        Ok(Some(Kept {
            stored: row.stored,
            history,
            keys: found,
        }))
    }

    pub(super) async fn put_all_of(&self, kept: &Kept) -> Result<Moved, RepositoryError> {
        let mut wanted = kept.stored.clone();
        // Whoever drove it is not here.
        wanted.lease.holder.clear();
        let id = wanted.job.id.clone();
        if let Some(mut there) = self.all_of(&id).await? {
            there.stored.lease.holder.clear();
            let same = there.stored == wanted && there.history == kept.history;
            return Ok(if same { Moved::Same } else { Moved::Differs });
        }
        let shard = keys::shard_of(&id);
        let partition = keys::partition(shard);
        let there = self
            .tables
            .all(Range::prefix(&partition, &keys::history(&id)))
            .await;
        let there: HashSet<String> = there
            .map_err(|error| failed(&id, error))?
            .into_iter()
            .map(|entry| entry.row)
            .collect();
        let missing: Vec<Write> = kept
            .history
            .iter()
            .map(|entry| document::history_entity(&id, entry.version, entry.epoch, entry))
            .filter(|entity| !there.contains(&entity.row))
            .map(Write::Insert)
            .collect();
        for some in missing.chunks(MAX_BATCH) {
            let put = self.tables.batch(&partition, some).await;
            match put.map_err(|failed| failed.error) {
                // Or by a try whose answer was lost.
                Ok(_) | Err(TableError::Exists { .. }) => {}
                Err(error) => return Err(failed(&id, error)),
            }
        }
        // One key at most leads to a row here; of several the one that counts longest.
        let key = kept.keys.iter().max_by_key(|key| key.expires_at);
        let key_partition = key.map(|key| keys::key_partition(&key.owner, &key.key));
        if let (Some(key), Some(partition)) = (key, &key_partition) {
            let write = Write::Insert(key_entity(partition, &id, key));
            match self
                .tables
                .batch(partition, &[write])
                .await
                .map_err(|failed| failed.error)
            {
                Ok(_) | Err(TableError::Exists { .. }) => {}
                Err(error) => return Err(failed(&id, error)),
            }
        }
        let row = Row {
            stored: wanted,
            etag: String::new(),
            key: key_partition.unwrap_or_default(),
            trimmed_to: None,
        };
        let writes = row_writes(&row.stored.job, document::entity(&row)?);
        match self.writer.write(shard, &id, writes).await {
            Ok(_) => {
                self.note(&row);
                Ok(Moved::New)
            }
            Err(TableError::Exists { .. }) => Ok(Moved::Differs),
            Err(error) => Err(failed(&id, error)),
        }
    }
}
