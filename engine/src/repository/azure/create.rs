//! Jobs made: one batch, and before it, if the client sent one, its idempotency key.
//!
//! A key is in another partition than its job, so that the two cannot be written together. The key comes
//! first, with the id that its job will have. Whoever finds a key whose job is not there makes sure that
//! the job will never come (its pointer is inserted, leading nowhere), and only then takes the key over.

use elb_core::{job::Job, time::Timestamp, view::HistoryEntry};

use super::{
    AzureRepository, MAX_RACES,
    document::{self, Row},
    failed, keys, rows,
    writer::Written,
};
use crate::{
    azure::tables::{Entity, TableError, Write},
    repository::{Created, IdempotencyKey, Lease, RepositoryError, Stored},
};

/// How long an id leads nowhere, in milliseconds: far longer than a submission can be under way.
const NOWHERE_MS: i64 = 3_600_000;

/// What became of the key.
enum KeyTurn {
    /// It leads to the new job.
    Ours,
    /// It leads to a job that is there.
    Taken(Box<Row>),
}

impl AzureRepository {
    pub(super) async fn create_row(
        &self,
        job: &Job,
        key: Option<&IdempotencyKey>,
        entry: &HistoryEntry,
        holder: &str,
    ) -> Result<Created, RepositoryError> {
        let partition = key.map(|key| keys::key_partition(&key.owner, &key.key));
        if let (Some(key), Some(partition)) = (key, &partition)
            && let KeyTurn::Taken(row) = self.take_key(job, key, partition).await?
        {
            return Ok(Created::Existing(row.stored));
        }
        let row = Row {
            stored: Stored {
                job: job.clone(),
                version: 1,
                lease: Lease {
                    holder: holder.to_owned(),
                    epoch: 1,
                },
            },
            etag: String::new(),
            key: partition.clone().unwrap_or_default(),
            trimmed_to: None,
        };
        let entity = document::entity(&row)?;
        match self.insert(row, entity, entry).await {
            Ok(stored) => return Ok(Created::New(stored)),
            Err(TableError::Exists { .. }) => {}
            Err(error) => return Err(self.unfinished(&job.id, error)),
        }
        if let Some(existing) = self.read(&job.id).await? {
            return Ok(Created::Existing(existing.stored));
        }
        // The id leads nowhere: somebody with the same key has given up on this very submission.
        if let (Some(key), Some(partition)) = (key, &partition)
            && let KeyTurn::Taken(row) = self.take_key(job, key, partition).await?
        {
            return Ok(Created::Existing(row.stored));
        }
        Err(RepositoryError::Unavailable(format!(
            "the submission {} was given up on while it was under way; send it again",
            job.id
        )))
    }

    async fn insert(
        &self,
        mut row: Row,
        entity: Entity,
        entry: &HistoryEntry,
    ) -> Result<Stored, TableError> {
        let job = &row.stored.job;
        let shard = keys::shard_of(&job.id);
        let mut writes = row_writes(job, entity);
        let entry = document::history_entity(&job.id, 1, 1, entry);
        writes.push(Write::Insert(entry));
        let tags = match self.writer.write(shard, &job.id, writes).await? {
            Written::Now(tags) => tags,
            Written::Unheard => Vec::new(),
        };
        row.etag = tags.into_iter().next().flatten().unwrap_or_default();
        self.note(&row);
        Ok(row.stored)
    }

    /// Has the key lead to this job, unless it leads to one that is there and still counts.
    async fn take_key(
        &self,
        job: &Job,
        key: &IdempotencyKey,
        partition: &str,
    ) -> Result<KeyTurn, RepositoryError> {
        let ours = key_entity(partition, &job.id, key);
        for _ in 0..MAX_RACES {
            let there = self.tables.get(partition, keys::KEY_ROW).await;
            let write = match there.map_err(|error| failed("", error))? {
                None => Write::Insert(ours.clone()),
                Some(there) if there.text("Job") == job.id => return Ok(KeyTurn::Ours),
                Some(there) => {
                    let expires = there.number("Expires").map_or(Timestamp(0), Timestamp);
                    if expires > job.created_at
                        && let Some(row) =
                            self.job_of_key(there.text("Job"), job.created_at).await?
                        // A submission that met its id taken leaves a key that is not that job's.
                        && row.key == partition
                    {
                        return Ok(KeyTurn::Taken(Box::new(row)));
                    }
                    Write::Replace(ours.clone(), there.etag)
                }
            };
            match self
                .tables
                .batch(partition, &[write])
                .await
                .map_err(|failed| failed.error)
            {
                Ok(_) => return Ok(KeyTurn::Ours),
                // Somebody else has the key by now, or the answer to an earlier try was lost.
                Err(error) if error.is_overtaken() => {}
                Err(error) => return Err(failed("", error)),
            }
        }
        Err(RepositoryError::Unavailable(
            "the idempotency key is changed too often by others at this moment".to_owned(),
        ))
    }

    /// The job of a key; if it is not there, it never will be.
    async fn job_of_key(&self, id: &str, now: Timestamp) -> Result<Option<Row>, RepositoryError> {
        if let Some(row) = self.read(id).await? {
            return Ok(Some(row));
        }
        let shard = keys::shard_of(id);
        let partition = keys::partition(shard);
        let nowhere = Entity::new(&partition, keys::pointer(id)).with("Nowhere", "1");
        let remains = Entity::new(&partition, keys::remains(id))
            .with("Id", id)
            .with("NotBefore", now.0.saturating_add(NOWHERE_MS).to_string());
        let writes = [Write::Insert(nowhere), Write::Insert(remains)];
        match self
            .tables
            .batch(&partition, &writes)
            .await
            .map_err(|failed| failed.error)
        {
            Ok(_) => Ok(None),
            // It has come meanwhile, or somebody else has made sure.
            Err(TableError::Exists { .. }) => self.read(id).await,
            Err(error) => Err(failed(id, error)),
        }
    }
}

/// The entity of an idempotency key.
pub(super) fn key_entity(partition: &str, job: &str, key: &IdempotencyKey) -> Entity {
    Entity::new(partition, keys::KEY_ROW)
        .with("Job", job)
        .with("Owner", &key.owner)
        .with("Key", &key.key)
        .with("Expires", key.expires_at.0.to_string())
}

/// A new row: the row itself, the pointer to it, and its mark if it is active.
pub(super) fn row_writes(job: &Job, row: Entity) -> Vec<Write> {
    let partition = keys::partition(keys::shard_of(&job.id));
    let pointer = Entity::new(&partition, keys::pointer(&job.id))
        .with("Created", job.created_at.0.to_string());
    let mut writes = vec![Write::Insert(row), Write::Insert(pointer)];
    if job.phase.is_active() {
        writes.push(Write::Insert(rows::mark(job)));
    }
    writes
}
