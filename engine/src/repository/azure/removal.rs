//! What is removed: forgotten tombstones, and history that is old enough.
//!
//! A job's history can be larger than a batch. Its row goes first, together with its pointer, and leaves
//! a note of what remains; the note goes last. Whatever is interrupted is taken up by the next round.

use elb_core::{phase::Phase, time::Timestamp};

use super::{
    AzureRepository, MAX_RACES,
    document::{self, Row},
    failed, keys,
    writer::remove_all,
};
use crate::{
    azure::tables::{Entity, MAX_BATCH, MAX_PAGE, Range, TableError, Write},
    repository::RepositoryError,
};

/// History entries removed at once: with the row and the change log's entry they are one batch.
const TRIM: usize = MAX_BATCH - 2;

impl AzureRepository {
    pub(super) async fn forget_row(&self, id: &str, expected: u64) -> Result<(), RepositoryError> {
        let shard = keys::shard_of(id);
        let partition = keys::partition(shard);
        for _ in 0..MAX_RACES {
            let row = self
                .read(id)
                .await?
                .ok_or_else(|| RepositoryError::Missing(id.to_owned()))?;
            let job = &row.stored.job;
            if row.stored.version != expected || job.phase != Phase::Deleted {
                return Err(RepositoryError::Conflict {
                    id: id.to_owned(),
                    expected,
                });
            }
            let remains = Entity::new(&partition, keys::remains(id))
                .with("Id", id)
                .with("Key", &row.key);
            let mut writes = vec![
                Write::Delete {
                    row: keys::row(job.created_at, id),
                    etag: row.etag.clone(),
                },
                Write::Insert(remains),
            ];
            let pointer = self.tables.get(&partition, &keys::pointer(id)).await;
            if let Some(pointer) = pointer.map_err(|error| failed(id, error))? {
                writes.push(Write::Delete {
                    row: pointer.row,
                    etag: pointer.etag,
                });
            }
            match self.writer.write(shard, id, writes).await {
                Ok(_) => {
                    self.forget_key(id);
                    return self.remove_remains(&partition, id).await;
                }
                Err(error) if error.is_overtaken() => {
                    // What an earlier round left stands in the way of the same note.
                    self.remove_remains(&partition, id).await?;
                }
                Err(error) => return Err(failed(id, error)),
            }
        }
        Err(self.unfinished(id, TableError::Changed { operation: None }))
    }

    /// Removes what remains of a job whose row is gone.
    async fn remove_remains(&self, partition: &str, id: &str) -> Result<(), RepositoryError> {
        let note = self.tables.get(partition, &keys::remains(id)).await;
        let Some(note) = note.map_err(|error| failed("", error))? else {
            return Ok(());
        };
        self.remove_noted(partition, note)
            .await
            .map_err(|error| failed("", error))
    }

    async fn remove_noted(&self, partition: &str, note: Entity) -> Result<(), TableError> {
        let id = note.text("Id");
        let history = self
            .tables
            .all(Range::prefix(partition, &keys::history(id)))
            .await?;
        remove_all(&self.tables, partition, history).await?;
        let key = note.text("Key");
        if !key.is_empty()
            && let Some(leads) = self.tables.get(key, keys::KEY_ROW).await?
            && leads.text("Job") == id
        {
            remove_all(&self.tables, key, vec![leads]).await?;
        }
        let pointer = self.tables.get(partition, &keys::pointer(id)).await?;
        if let Some(pointer) = pointer.filter(|pointer| !pointer.text("Nowhere").is_empty()) {
            remove_all(&self.tables, partition, vec![pointer]).await?;
        }
        remove_all(&self.tables, partition, vec![note]).await
    }

    pub(super) async fn trim_histories(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize, RepositoryError> {
        let mut trimmed = 0;
        for shard in 0..keys::SHARDS {
            let partition = keys::partition(shard);
            let mut range = Range::prefix(&partition, keys::ROWS);
            // What was created later has no older history.
            range.from = keys::rows_before(before);
            loop {
                let page = self.tables.page(&range, MAX_PAGE).await;
                let page = page.map_err(|error| failed("", error))?;
                for entity in &page.entities {
                    if trimmed >= limit {
                        return Ok(trimmed);
                    }
                    match document::row(entity) {
                        Ok(row) => trimmed += self.trim(row, before, limit - trimmed).await?,
                        Err(error) => tracing::error!(%error, "its history is left as it is"),
                    }
                }
                match page.entities.last() {
                    Some(last) if page.more => range = range.clone().behind(&last.row),
                    _ => break,
                }
            }
        }
        Ok(trimmed)
    }

    /// Trims the history of an ended job; how many entries.
    async fn trim(
        &self,
        row: Row,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize, RepositoryError> {
        let job = &row.stored.job;
        if job.phase.is_active() || row.trimmed_to.is_some_and(|done| done >= before) {
            return Ok(0);
        }
        let shard = keys::shard_of(&job.id);
        let partition = keys::partition(shard);
        let history = self
            .tables
            .all(Range::prefix(&partition, &keys::history(&job.id)))
            .await;
        let history = history.map_err(|error| failed("", error))?;
        let old: Vec<Entity> = history
            .into_iter()
            .filter(|entry| entry.number("At").is_some_and(|at| Timestamp(at) < before))
            .collect();
        // Oldest first, so that what is left has no hole.
        let some: Vec<&Entity> = old.iter().rev().take(TRIM.min(limit)).collect();
        let whole = some.len() == old.len();
        let mut writes: Vec<Write> = Vec::with_capacity(some.len() + 1);
        if whole {
            let next = Row {
                trimmed_to: Some(before),
                etag: String::new(),
                ..row.clone()
            };
            writes.push(Write::Replace(document::entity(&next)?, row.etag.clone()));
        }
        writes.extend(some.iter().map(|entry| Write::Delete {
            row: entry.row.clone(),
            etag: entry.etag.clone(),
        }));
        match self
            .tables
            .batch(&partition, &writes)
            .await
            .map_err(|failed| failed.error)
        {
            Ok(_) => Ok(some.len()),
            // Somebody else changed the job; the next round sees to it.
            Err(error) if error.is_overtaken() => Ok(0),
            Err(error) => Err(failed(&job.id, error)),
        }
    }

    /// Takes up what earlier removals left.
    pub(super) async fn take_up_removals(&self, now: Timestamp) -> Result<(), RepositoryError> {
        for shard in 0..keys::SHARDS {
            let partition = keys::partition(shard);
            let notes = self
                .tables
                .all(Range::prefix(&partition, keys::REMAINS))
                .await;
            for note in notes.map_err(|error| failed("", error))? {
                if note
                    .number("NotBefore")
                    .is_some_and(|due| Timestamp(due) > now)
                {
                    continue;
                }
                self.remove_noted(&partition, note)
                    .await
                    .map_err(|error| failed("", error))?;
            }
        }
        Ok(())
    }
}
