//! Submit slots and their lines: one partition for each slot.
//!
//! The holder is one entity with a tag; a place in the line is an entity whose key sorts by creation.
//! Whoever takes the slot replaces the holder as it was read and leaves the line in the same batch.

use elb_core::{phase::Phase, time::Timestamp};

use super::{AzureRepository, MAX_RACES, failed, keys};
use crate::{
    azure::tables::{Entity, Range, Write},
    repository::{RepositoryError, SlotHolder, SlotRequest, SlotTurn},
};

fn holder_of(entity: &Entity) -> Option<SlotHolder> {
    let job_id = entity.text("Job");
    // A slot that was given back keeps its entity, and with it the count of its holders.
    (!job_id.is_empty()).then(|| SlotHolder {
        job_id: job_id.to_owned(),
        epoch: entity.number("Epoch").unwrap_or(0),
        since: Timestamp(entity.number("Since").unwrap_or(0)),
        renewals: entity.number("Renewals").unwrap_or(0),
    })
}

fn entity_of(partition: &str, holder: &SlotHolder) -> Entity {
    Entity::new(partition, keys::SLOT_HOLDER)
        .with("Job", &holder.job_id)
        .with("Epoch", holder.epoch.to_string())
        .with("Since", holder.since.0.to_string())
        .with("Renewals", holder.renewals.to_string())
}

impl AzureRepository {
    async fn slot_holder(&self, partition: &str) -> Result<Option<Entity>, RepositoryError> {
        let found = self.tables.get(partition, keys::SLOT_HOLDER).await;
        found.map_err(|error| failed("", error))
    }

    /// Writes to a slot; false if somebody else was quicker.
    async fn write_slot(&self, partition: &str, writes: &[Write]) -> Result<bool, RepositoryError> {
        match self
            .tables
            .batch(partition, writes)
            .await
            .map_err(|failed| failed.error)
        {
            Ok(_) => Ok(true),
            Err(error) if error.is_overtaken() => Ok(false),
            Err(error) => Err(failed("", error)),
        }
    }

    pub(super) async fn slot_turn(
        &self,
        request: &SlotRequest,
    ) -> Result<SlotTurn, RepositoryError> {
        for _ in 0..MAX_RACES {
            if let Some(turn) = self.try_slot(request).await? {
                return Ok(turn);
            }
        }
        Err(RepositoryError::Unavailable(
            "the submit slot is changed too often by others at this moment".to_owned(),
        ))
    }

    /// `None` if somebody else was quicker.
    async fn try_slot(&self, request: &SlotRequest) -> Result<Option<SlotTurn>, RepositoryError> {
        let partition = keys::slot_partition(&request.slot);
        let there = self.slot_holder(&partition).await?;
        let holder = there.as_ref().and_then(holder_of);
        if holder
            .as_ref()
            .is_some_and(|holder| holder.job_id == request.job_id)
        {
            return Ok(Some(SlotTurn::Yours { taken_from: None }));
        }
        let silent = holder.is_some() && holder == request.silent;
        let held = match &holder {
            Some(holder) => !silent && self.is_active(&holder.job_id).await?,
            None => false,
        };
        let own = keys::place_in_line(request.created_at, &request.job_id);
        let ahead = self.ahead(&partition, &own).await?;
        let place = self.tables.get(&partition, &own).await;
        let place = place.map_err(|error| failed("", error))?;
        if held || ahead > 0 {
            if place.is_none() {
                let joined = Entity::new(&partition, own).with("Job", &request.job_id);
                self.write_slot(&partition, &[Write::Insert(joined)])
                    .await?;
            }
            return Ok(Some(SlotTurn::Waiting {
                holder: holder.filter(|_| held),
                ahead,
            }));
        }
        let epoch = there
            .as_ref()
            .and_then(|there| there.number::<u64>("Epoch"))
            .unwrap_or(0);
        let next = SlotHolder {
            job_id: request.job_id.clone(),
            epoch: epoch + 1,
            since: request.now,
            renewals: 0,
        };
        let next = entity_of(&partition, &next);
        let mut writes = vec![match there {
            Some(there) => Write::Replace(next, there.etag),
            None => Write::Insert(next),
        }];
        if let Some(place) = place {
            writes.push(Write::Delete {
                row: place.row,
                etag: place.etag,
            });
        }
        let taken = self.write_slot(&partition, &writes).await?;
        Ok(taken.then(|| SlotTurn::Yours {
            taken_from: holder.filter(|_| silent),
        }))
    }

    /// How many are before a place in the line. Whoever has ended, or is to end, waits no more.
    async fn ahead(&self, partition: &str, own: &str) -> Result<usize, RepositoryError> {
        let mut range = Range::prefix(partition, keys::LINE);
        own.clone_into(&mut range.to);
        let waiting = self
            .tables
            .all(range)
            .await
            .map_err(|error| failed("", error))?;
        let ids: Vec<String> = waiting
            .iter()
            .map(|place| place.text("Job").to_owned())
            .collect();
        let mut ahead = 0;
        for (place, (_, read)) in waiting.into_iter().zip(self.read_many(&ids).await?) {
            let waits = read?.is_some_and(|row| {
                let phase = row.stored.job.phase;
                phase.is_active() && phase != Phase::Cancelling
            });
            if waits {
                ahead += 1;
            } else {
                let gone = Write::Delete {
                    row: place.row,
                    etag: place.etag,
                };
                self.write_slot(partition, &[gone]).await?;
            }
        }
        Ok(ahead)
    }

    async fn is_active(&self, id: &str) -> Result<bool, RepositoryError> {
        let row = self.read(id).await?;
        Ok(row.is_some_and(|row| row.stored.job.phase.is_active()))
    }

    pub(super) async fn slot_renewed(
        &self,
        slot: &str,
        job_id: &str,
    ) -> Result<bool, RepositoryError> {
        let partition = keys::slot_partition(slot);
        for _ in 0..MAX_RACES {
            let Some(there) = self.slot_holder(&partition).await? else {
                return Ok(false);
            };
            let Some(mut holder) = holder_of(&there).filter(|holder| holder.job_id == job_id)
            else {
                return Ok(false);
            };
            holder.renewals += 1;
            let renewed = Write::Replace(entity_of(&partition, &holder), there.etag);
            if self.write_slot(&partition, &[renewed]).await? {
                return Ok(true);
            }
        }
        Err(RepositoryError::Unavailable(
            "the submit slot is changed too often by others at this moment".to_owned(),
        ))
    }

    pub(super) async fn slot_left(&self, slot: &str, job_id: &str) -> Result<(), RepositoryError> {
        let partition = keys::slot_partition(slot);
        for _ in 0..MAX_RACES {
            let there = self.slot_holder(&partition).await?;
            let held = there.filter(|there| there.text("Job") == job_id);
            let Some(held) = held else { break };
            let epoch = held.text("Epoch").to_owned();
            let free = Entity::new(&partition, keys::SLOT_HOLDER).with("Epoch", epoch);
            if self
                .write_slot(&partition, &[Write::Replace(free, held.etag)])
                .await?
            {
                break;
            }
        }
        let line = self.tables.all(Range::prefix(&partition, keys::LINE)).await;
        for place in line.map_err(|error| failed("", error))? {
            if place.text("Job") == job_id {
                let gone = Write::Delete {
                    row: place.row,
                    etag: place.etag,
                };
                self.write_slot(&partition, &[gone]).await?;
            }
        }
        Ok(())
    }
}
