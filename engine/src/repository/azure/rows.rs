//! Rows read and written.
//!
//! A write that another one overtook is decided anew on the row as it is then: the caller hears of a
//! conflict only if the version or the lease is really another one.

use std::collections::HashSet;

use elb_core::{job::Job, time::Timestamp, view::HistoryEntry};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    AzureRepository, MAX_RACES,
    document::{self, Row},
    failed, keys,
    writer::Written,
};
use crate::{
    azure::tables::{Entity, MAX_PAGE, Range, TableError, Write},
    repository::{Lease, RepositoryError, ScanPage, Stored},
};

/// Point reads that are under way at once: what others read in one round trip.
const ROUND: usize = 50;

/// An id and the row that it has, if it can be read.
pub(super) type Named = (String, Result<Option<Row>, RepositoryError>);

impl AzureRepository {
    /// The row of a job: one read if its key is known, else two.
    pub(super) async fn read(&self, id: &str) -> Result<Option<Row>, RepositoryError> {
        let partition = keys::partition(keys::shard_of(id));
        let created_at = match self.created_at(id) {
            Some(known) => known,
            None => {
                let pointer = self.tables.get(&partition, &keys::pointer(id)).await;
                match pointer
                    .map_err(|error| failed(id, error))?
                    .and_then(|pointer| pointer.number("Created"))
                {
                    Some(at) => Timestamp(at),
                    // No pointer, or one that only keeps the id from being used.
                    None => return Ok(None),
                }
            }
        };
        let found = self
            .tables
            .get(&partition, &keys::row(created_at, id))
            .await;
        let Some(entity) = found.map_err(|error| failed(id, error))? else {
            self.unnote(id);
            return Ok(None);
        };
        let row = document::row(&entity)?;
        self.note(&row);
        Ok(Some(row))
    }

    /// The rows of several jobs, in the time of one read for each fifty.
    pub(super) async fn read_many(&self, ids: &[String]) -> Result<Vec<Named>, RepositoryError> {
        let reads = ids.iter().map(|id| self.read_named(id.clone()));
        // Collected first: a lazy iterator of borrowing futures cannot be sent between threads.
        let reads: Vec<_> = reads.collect();
        stream::iter(reads).buffered(ROUND).try_collect().await
    }

    async fn read_named(&self, id: String) -> Result<Named, RepositoryError> {
        match self.read(&id).await {
            Err(error @ RepositoryError::Corrupt { .. }) => Ok((id, Err(error))),
            read => Ok((id, Ok(read?))),
        }
    }

    /// The row that a write may begin from: as it was seen last if that is the expected version.
    async fn expected(&self, id: &str, expected: u64) -> Result<Option<Row>, RepositoryError> {
        match self.last_seen(id) {
            Some(row) if row.stored.version == expected => Ok(Some(row)),
            _ => self.read(id).await,
        }
    }

    pub(super) async fn update_row(
        &self,
        job: &Job,
        expected: u64,
        fence: Option<&Lease>,
        entry: Option<&HistoryEntry>,
    ) -> Result<Stored, RepositoryError> {
        let mut races = 0;
        let mut current = self.expected(&job.id, expected).await?;
        loop {
            let row = current.ok_or_else(|| RepositoryError::Missing(job.id.clone()))?;
            if fence.is_some_and(|fence| *fence != row.stored.lease) {
                // What was seen last may be older than what is: only the store itself can say so.
                let fresh = self.fresh(&job.id, &row).await?;
                if let Some(fresh) = fresh {
                    current = Some(fresh);
                    continue;
                }
                return Err(RepositoryError::Fenced {
                    id: job.id.clone(),
                    epoch: row.stored.lease.epoch,
                });
            }
            if row.stored.version != expected {
                return Err(RepositoryError::Conflict {
                    id: job.id.clone(),
                    expected,
                });
            }
            let mut lease = row.stored.lease.clone();
            if !job.phase.is_active() {
                lease.holder.clear();
            }
            let next = Row {
                stored: Stored {
                    job: job.clone(),
                    version: expected + 1,
                    lease,
                },
                etag: String::new(),
                ..row.clone()
            };
            let entity = document::entity(&next)?;
            match self.replace(&row, next, entity, entry).await {
                Ok(written) => return Ok(written),
                Err(error) if error.is_overtaken() && races < MAX_RACES => {
                    races += 1;
                    self.unnote(&job.id);
                    current = self.read(&job.id).await?;
                }
                Err(error) => {
                    self.unnote(&job.id);
                    return Err(self.unfinished(&job.id, error));
                }
            }
        }
    }

    /// The row if it is another one than `row`.
    async fn fresh(&self, id: &str, row: &Row) -> Result<Option<Row>, RepositoryError> {
        let found = self.read(id).await?;
        Ok(found.filter(|found| found.etag != row.etag))
    }

    /// A write that did not come to an end.
    pub(super) fn unfinished(&self, id: &str, error: TableError) -> RepositoryError {
        match error {
            error if error.is_overtaken() => RepositoryError::Unavailable(format!(
                "job {id} is changed too often by others at this moment"
            )),
            other => failed(id, other),
        }
    }

    /// Replaces a row, with a history entry, and moves its mark as active along.
    pub(super) async fn replace(
        &self,
        row: &Row,
        mut next: Row,
        entity: Entity,
        entry: Option<&HistoryEntry>,
    ) -> Result<Stored, TableError> {
        let id = next.stored.job.id.clone();
        let shard = keys::shard_of(&id);
        let mut writes = vec![Write::Replace(entity, row.etag.clone())];
        if let Some(entry) = entry {
            let (version, epoch) = (next.stored.version, next.stored.lease.epoch);
            writes.push(Write::Insert(document::history_entity(
                &id, version, epoch, entry,
            )));
        }
        writes.extend(self.mark(row, &next).await?);
        let tags = match self.writer.write(shard, &id, writes).await? {
            Written::Now(tags) => tags,
            Written::Unheard => Vec::new(),
        };
        next.etag = tags.into_iter().next().flatten().unwrap_or_default();
        self.note(&next);
        Ok(next.stored)
    }

    /// What is to be written so that exactly the active jobs are marked. A mark that is missing or left
    /// over, by whatever accident, is put right on the way and never stands against the write.
    async fn mark(&self, row: &Row, next: &Row) -> Result<Option<Write>, TableError> {
        let (was, is) = (
            row.stored.job.phase.is_active(),
            next.stored.job.phase.is_active(),
        );
        let job = &next.stored.job;
        if was == is {
            return Ok(None);
        }
        let partition = keys::partition(keys::shard_of(&job.id));
        let key = keys::active(job.created_at, &job.id);
        let there = self.tables.get(&partition, &key).await?;
        Ok(match (is, there) {
            (true, None) => Some(Write::Insert(mark(job))),
            (false, Some(there)) => Some(Write::Delete {
                row: key,
                etag: there.etag,
            }),
            (true, Some(_)) | (false, None) => None,
        })
    }

    /// Marks every active job that this process knows of and that is not marked, by whatever accident.
    pub(super) async fn mark_what_is_active(&self) -> Result<(), RepositoryError> {
        let marked: HashSet<String> = self.active().await?.into_iter().collect();
        for id in self.known_active() {
            if marked.contains(&id) {
                continue;
            }
            let Some(row) = self
                .read(&id)
                .await?
                .filter(|row| row.stored.job.phase.is_active())
            else {
                continue;
            };
            // Together with the row, so that it cannot come behind the job's end.
            let next = Row {
                etag: String::new(),
                ..row.clone()
            };
            let writes = vec![
                Write::Replace(document::entity(&next)?, row.etag.clone()),
                Write::Insert(mark(&row.stored.job)),
            ];
            let shard = keys::shard_of(&id);
            match self.writer.write(shard, &id, writes).await {
                Ok(_) => tracing::warn!(
                    job = id,
                    "an active job was not marked as such; it is again"
                ),
                // It was changed, or somebody else has marked it.
                Err(error) if error.is_overtaken() => {}
                Err(error) => return Err(failed(&id, error)),
            }
            self.unnote(&id);
        }
        Ok(())
    }

    /// Ids of the active jobs of a shard, newest first.
    pub(super) async fn active_of(&self, shard: usize) -> Result<Vec<String>, RepositoryError> {
        let range = Range::prefix(&keys::partition(shard), keys::ACTIVE);
        let marks = self
            .tables
            .all(range)
            .await
            .map_err(|error| failed("", error))?;
        Ok(marks
            .into_iter()
            .map(|mark| mark.text("Id").to_owned())
            .collect())
    }

    pub(super) async fn scan_shard(
        &self,
        shard: usize,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ScanPage, RepositoryError> {
        let mut range = Range::prefix(&keys::partition(shard), keys::ROWS);
        if let Some(after) = after {
            range = range.behind(after);
        }
        let found = self.tables.page(&range, limit.min(MAX_PAGE)).await;
        let found = found.map_err(|error| failed("", error))?;
        let mut page = ScanPage::default();
        if found.more {
            page.next = found.entities.last().map(|entity| entity.row.clone());
        }
        for entity in found.entities {
            match document::row(&entity) {
                Ok(row) => {
                    self.note(&row);
                    page.jobs.push(row.stored);
                }
                Err(error) => page.unreadable.push(error),
            }
        }
        Ok(page)
    }

    pub(super) async fn history_of(
        &self,
        id: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, RepositoryError> {
        let partition = keys::partition(keys::shard_of(id));
        let mut range = Range::prefix(&partition, &keys::history(id));
        if let Some(before) = before {
            range = range.behind(&keys::history_entry(id, before));
        }
        let mut entries = Vec::new();
        while entries.len() < limit {
            let page = self.tables.page(&range, limit - entries.len()).await;
            let page = page.map_err(|error| failed("", error))?;
            let Some(last) = page.entities.last().map(|entity| entity.row.clone()) else {
                break;
            };
            for entity in &page.entities {
                entries.push(document::history_entry(id, entity)?);
            }
            if !page.more {
                break;
            }
            range = range.behind(&last);
        }
        Ok(entries)
    }
}

/// The mark of an active job.
pub(super) fn mark(job: &Job) -> Entity {
    let partition = keys::partition(keys::shard_of(&job.id));
    Entity::new(&partition, keys::active(job.created_at, &job.id)).with("Id", &job.id)
}
