//! Signs of life, and leases taken and given back.
//!
//! A process that has fallen silent is forgotten first, on condition that it is still silent, and only
//! then its jobs are taken: whoever is quicker decides, the process or those who give it up.

use elb_core::view::HistoryEntry;

use super::{
    AzureRepository, MAX_RACES,
    document::{self, Row},
    failed, keys,
};
use crate::{
    azure::tables::{Entity, Range, TableError, Write},
    repository::{Beat, Lease, RepositoryError, Stored},
};

fn holder_entity(holder: &str, beats: u64) -> Entity {
    Entity::new(keys::HOLDERS, keys::encode(holder))
        .with("Holder", holder)
        .with("Beats", beats.to_string())
}

impl AzureRepository {
    async fn holder(&self, holder: &str) -> Result<Option<Entity>, RepositoryError> {
        let found = self.tables.get(keys::HOLDERS, &keys::encode(holder)).await;
        found.map_err(|error| failed("", error))
    }

    async fn write_holder(&self, write: Write) -> Result<bool, RepositoryError> {
        match self
            .tables
            .batch(keys::HOLDERS, &[write])
            .await
            .map_err(|failed| failed.error)
        {
            Ok(_) => Ok(true),
            Err(error) if error.is_overtaken() => Ok(false),
            Err(error) => Err(failed("", error)),
        }
    }

    pub(super) async fn beat_once(&self, holder: &str) -> Result<(), RepositoryError> {
        for _ in 0..MAX_RACES {
            let write = match self.holder(holder).await? {
                None => Write::Insert(holder_entity(holder, 1)),
                Some(there) => {
                    let beats = there.number::<u64>("Beats").unwrap_or(0);
                    Write::Replace(holder_entity(holder, beats + 1), there.etag)
                }
            };
            if self.write_holder(write).await? {
                return Ok(());
            }
        }
        Err(RepositoryError::Unavailable(
            "signs of life are changed too often by others".to_owned(),
        ))
    }

    async fn holders(&self) -> Result<Vec<Entity>, RepositoryError> {
        let found = self.tables.all(Range::whole(keys::HOLDERS)).await;
        found.map_err(|error| failed("", error))
    }

    pub(super) async fn all_beats(&self) -> Result<Vec<Beat>, RepositoryError> {
        let beats = self.holders().await?.into_iter().map(|found| Beat {
            holder: found.text("Holder").to_owned(),
            beats: found.number("Beats").unwrap_or(0),
        });
        Ok(beats.collect())
    }

    pub(super) async fn forget_holders_but(&self, holder: &str) -> Result<(), RepositoryError> {
        for found in self.holders().await? {
            if found.text("Holder") != holder {
                self.forget_holder(found).await?;
            }
        }
        Ok(())
    }

    async fn forget_holder(&self, found: Entity) -> Result<bool, RepositoryError> {
        self.write_holder(Write::Delete {
            row: found.row,
            etag: found.etag,
        })
        .await
    }

    pub(super) async fn claim_row(
        &self,
        id: &str,
        seen: &Lease,
        silent: Option<&Beat>,
        holder: &str,
        entry: Option<&HistoryEntry>,
    ) -> Result<Stored, RepositoryError> {
        for _ in 0..MAX_RACES {
            let row = self
                .read(id)
                .await?
                .ok_or_else(|| RepositoryError::Missing(id.to_owned()))?;
            let fenced = || RepositoryError::Fenced {
                id: id.to_owned(),
                epoch: row.stored.lease.epoch,
            };
            if row.stored.lease != *seen || !row.stored.job.phase.is_active() {
                return Err(fenced());
            }
            if !seen.holder.is_empty()
                && let Some(found) = self.holder(&seen.holder).await?
            {
                let beats: u64 = found.number("Beats").unwrap_or(0);
                let is_silent = silent
                    .is_some_and(|silent| silent.holder == seen.holder && silent.beats == beats);
                if !is_silent {
                    return Err(fenced());
                }
                // Should it live after all, it begins anew under another id.
                if !self.forget_holder(found).await? {
                    return Err(fenced());
                }
            }
            let lease = Lease {
                holder: holder.to_owned(),
                epoch: seen.epoch + 1,
            };
            match self.set_lease(&row, lease, entry).await? {
                Ok(stored) => return Ok(stored),
                Err(error) if error.is_overtaken() => {}
                Err(error) => return Err(failed(id, error)),
            }
        }
        Err(self.unfinished(id, TableError::Changed { operation: None }))
    }

    /// Moves the lease; with an entry, as a transition of its own.
    async fn set_lease(
        &self,
        row: &Row,
        lease: Lease,
        entry: Option<&HistoryEntry>,
    ) -> Result<Result<Stored, TableError>, RepositoryError> {
        let mut next = Row {
            etag: String::new(),
            ..row.clone()
        };
        next.stored.lease = lease;
        if let Some(entry) = entry {
            next.stored.version += 1;
            // As with every transition: what comes next is not told as earlier than this.
            next.stored.job.updated_at = next.stored.job.updated_at.max(entry.at);
        }
        let entity = document::entity(&next)?;
        Ok(self.replace(row, next, entity, entry).await)
    }

    pub(super) async fn give_back(&self, holder: &str) -> Result<(), RepositoryError> {
        for shard in 0..keys::SHARDS {
            let active = self.active_of(shard).await?;
            for (id, read) in self.read_many(&active).await? {
                let mut current = read?;
                for _ in 0..MAX_RACES {
                    let Some(row) = current.filter(|row| {
                        row.stored.lease.holder == holder && row.stored.job.phase.is_active()
                    }) else {
                        break;
                    };
                    let lease = Lease {
                        holder: String::new(),
                        epoch: row.stored.lease.epoch,
                    };
                    match self.set_lease(&row, lease, None).await? {
                        Ok(_) => break,
                        Err(error) if error.is_overtaken() => {
                            current = self.read(&id).await?;
                        }
                        Err(error) => return Err(failed(&id, error)),
                    }
                }
            }
        }
        if let Some(found) = self.holder(holder).await? {
            self.forget_holder(found).await?;
        }
        // A process that ends has nobody to ring its bell later.
        self.writer.ring().await.map_err(|error| failed("", error))
    }
}
