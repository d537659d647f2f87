//! How this process writes: each write is a batch in one partition that also adds to its change log.
//!
//! Owns the numbers of its log, one stream for each partition, without a gap that could fill later: an
//! entry is inserted in the batch that it tells of, so that it is there exactly if the batch was carried
//! out. A batch whose outcome was not heard is settled before the next one: if its entry can be inserted
//! empty, it was not carried out and never will be; if not, it was.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex as PlainMutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Mutex, Notify};

use crate::{
    azure::tables::{BatchError, Entity, MAX_BATCH, Range, TableError, Tables, Write},
    clock::Clock,
    crash::{self, Point},
    repository::RepositoryError,
};

use super::keys::{self, SHARDS};

/// How long a write waits for its turn in a partition: as long as a call may take.
const TURN: Duration = Duration::from_secs(10);
/// How long entries are kept for those who follow. Whoever has not followed for half of that reads
/// everything anew (ours).
pub(super) const LOG_LIFE: Duration = Duration::from_secs(3_600);
/// How soon others are told of a write; writes in between are told together.
const BELL: Duration = Duration::from_millis(150);
/// How often old entries are removed.
const TIDY: Duration = Duration::from_secs(60);

/// One partition as this process writes it.
#[derive(Default)]
struct Stream {
    /// The number of the last entry.
    last: u64,
    /// A number whose batch may or may not have been carried out, and whom it concerns.
    doubt: Option<(u64, String)>,
    /// Entries to be removed one day: when written, number, tag.
    old: VecDeque<(Duration, u64, String)>,
}

/// What a batch came to.
pub(super) enum Written {
    /// Carried out; the new tags, in the order of the writes.
    Now(Vec<Option<String>>),
    /// Carried out by a try whose answer was lost.
    Unheard,
}

/// This process as a writer.
pub(super) struct Writer {
    pub id: String,
    tables: Tables,
    clock: Arc<dyn Clock>,
    streams: [Mutex<Stream>; SHARDS],
    /// What the bell is to tell.
    told: [AtomicU64; SHARDS],
    bell: Arc<Notify>,
    /// The bell's tag; empty if it has never been written, `None` if it is not known.
    bell_tag: Mutex<Option<String>>,
    /// Jobs whose write was found to have been carried out after it had been given up.
    found: PlainMutex<Vec<String>>,
}

impl Writer {
    /// A process that writes; its bell and its log are kept in order from now on.
    pub(super) fn new(tables: Tables, clock: Arc<dyn Clock>) -> Arc<Self> {
        let writer = Self::idle(tables, clock);
        tokio::spawn(ring(Arc::downgrade(&writer), Arc::clone(&writer.bell)));
        tokio::spawn(tidy(Arc::downgrade(&writer)));
        writer
    }

    /// A process that only reads.
    pub(super) fn idle(tables: Tables, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            id: uuid::Uuid::now_v7().simple().to_string(),
            tables,
            clock,
            streams: std::array::from_fn(|_| Mutex::default()),
            told: std::array::from_fn(|_| AtomicU64::new(0)),
            bell: Arc::default(),
            bell_tag: Mutex::new(Some(String::new())),
            found: PlainMutex::default(),
        })
    }

    /// Jobs that are to be shown anew, because a write to them was found out late.
    pub(super) fn take_found(&self) -> Vec<String> {
        std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Carries out all writes in a shard, or none, and tells that `job` has changed.
    pub(super) async fn write(
        &self,
        shard: usize,
        job: &str,
        writes: Vec<Write>,
    ) -> Result<Written, TableError> {
        let Some(stream) = self.streams.get(shard) else {
            return Err(TableError::Away {
                reason: format!("there is no shard {shard}"),
            });
        };
        let turn = tokio::time::timeout(TURN, stream.lock()).await;
        let mut stream = turn.map_err(|_| TableError::Away {
            reason: format!("no turn to write came within {} s", TURN.as_secs()),
        })?;
        let partition = keys::partition(shard);
        if let Some((number, concerned)) = stream.doubt.clone() {
            if self.was_carried_out(&partition, number).await? {
                self.found
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(concerned);
                self.tell(shard, number);
            }
            stream.last = number;
            stream.doubt = None;
        }
        let number = stream.last + 1;
        let entry = Entity::new(&partition, keys::log_entry(&self.id, number)).with("Job", job);
        let mut all = Vec::with_capacity(writes.len() + 1);
        all.push(Write::Insert(entry));
        all.extend(writes);
        crash::point(Point::BeforeCommit);
        // Should this be dropped in the middle, the batch may have gone out.
        stream.doubt = Some((number, job.to_owned()));
        let sent = self.tables.batch(&partition, &all).await;
        crash::point(Point::AfterCommit);
        match sent {
            Ok(mut tags) => {
                stream.doubt = None;
                stream.last = number;
                let tag = if tags.is_empty() {
                    None
                } else {
                    tags.remove(0)
                };
                stream
                    .old
                    .push_back((self.clock.elapsed(), number, tag.unwrap_or_default()));
                self.tell(shard, number);
                Ok(Written::Now(tags))
            }
            Err(BatchError {
                error,
                doubtful: false,
            }) => {
                stream.doubt = None;
                Err(error)
            }
            Err(BatchError {
                error: error @ TableError::Away { .. },
                ..
            }) => Err(error),
            Err(BatchError { error, .. }) => {
                let carried_out = self.was_carried_out(&partition, number).await?;
                stream.doubt = None;
                stream.last = number;
                if carried_out {
                    self.tell(shard, number);
                    return Ok(Written::Unheard);
                }
                Err(error)
            }
        }
    }

    /// Settles whether the batch with this number was carried out.
    async fn was_carried_out(&self, partition: &str, number: u64) -> Result<bool, TableError> {
        let entry = Entity::new(partition, keys::log_entry(&self.id, number));
        let row = entry.row.clone();
        let settled = self.tables.batch(partition, &[Write::Insert(entry)]).await;
        match settled.map_err(|failed| failed.error) {
            Ok(_) => Ok(false),
            Err(TableError::Exists { .. }) => {
                // The entry of the batch, or the empty one of an earlier try to settle it.
                let found = self.tables.get(partition, &row).await?;
                Ok(found.is_some_and(|entry| !entry.text("Job").is_empty()))
            }
            Err(error) => Err(error),
        }
    }

    fn tell(&self, shard: usize, number: u64) {
        if let Some(told) = self.told.get(shard) {
            told.fetch_max(number, Ordering::AcqRel);
        }
        self.bell.notify_one();
    }

    /// Writes how far the log has been written, for those who follow.
    pub(super) async fn ring(&self) -> Result<(), TableError> {
        let mut tag = self.bell_tag.lock().await;
        let mut bell = Entity::new(keys::WRITERS, &self.id);
        for (shard, told) in self.told.iter().enumerate() {
            bell = bell.with(
                &format!("S{shard}"),
                told.load(Ordering::Acquire).to_string(),
            );
        }
        let known = match tag.take() {
            Some(known) => known,
            None => self
                .tables
                .get(keys::WRITERS, &self.id)
                .await?
                .map(|bell| bell.etag)
                .unwrap_or_default(),
        };
        let write = if known.is_empty() {
            Write::Insert(bell)
        } else {
            Write::Replace(bell, known)
        };
        // Whatever goes wrong, the tag is not known then.
        let sent = self.tables.batch(keys::WRITERS, &[write]).await;
        let mut tags = sent.map_err(|failed| failed.error)?;
        *tag = tags.pop().flatten();
        Ok(())
    }

    /// Removes what has been in the own log for long enough.
    async fn tidy(&self) -> Result<(), RepositoryError> {
        for (shard, stream) in self.streams.iter().enumerate() {
            let mut stream = stream.lock().await;
            let now = self.clock.elapsed();
            let mut due = Vec::new();
            while let Some((at, _, _)) = stream.old.front() {
                if now.saturating_sub(*at) < LOG_LIFE || due.len() == MAX_BATCH {
                    break;
                }
                let Some((_, number, etag)) = stream.old.pop_front() else {
                    break;
                };
                let row = keys::log_entry(&self.id, number);
                due.push(Write::Delete { row, etag });
            }
            drop(stream);
            if !due.is_empty() {
                let removed = self.tables.batch(&keys::partition(shard), &due).await;
                removed.map_err(|failed| super::failed("", failed.error))?;
            }
        }
        Ok(())
    }

    /// Removes the logs of processes that have been silent for long: `seen` is what each looked like,
    /// and since when.
    async fn tidy_others(
        &self,
        seen: &mut crate::lease::Stillness<String>,
    ) -> Result<(), TableError> {
        let bells = self.tables.all(Range::whole(keys::WRITERS)).await?;
        let now = self.clock.elapsed();
        seen.look(
            bells
                .iter()
                .map(|bell| (bell.row.clone(), bell.etag.clone())),
            now,
        );
        for bell in bells {
            if bell.row == self.id || seen.still(&bell.row, LOG_LIFE * 2, now).is_none() {
                continue;
            }
            for shard in 0..SHARDS {
                let partition = keys::partition(shard);
                let old = self
                    .tables
                    .all(Range::prefix(&partition, &keys::log(&bell.row)))
                    .await?;
                remove_all(&self.tables, &partition, old).await?;
            }
            let delete = Write::Delete {
                row: bell.row,
                etag: bell.etag,
            };
            match self.tables.batch(keys::WRITERS, &[delete]).await {
                Ok(_)
                | Err(BatchError {
                    error: TableError::Missing { .. },
                    ..
                }) => {}
                Err(failed) => return Err(failed.error),
            }
        }
        Ok(())
    }
}

/// Removes entities that nobody changes any more, in batches.
pub(super) async fn remove_all(
    tables: &Tables,
    partition: &str,
    entities: Vec<Entity>,
) -> Result<(), TableError> {
    for some in entities.chunks(MAX_BATCH) {
        let deletes: Vec<Write> = some
            .iter()
            .map(|entity| Write::Delete {
                row: entity.row.clone(),
                etag: entity.etag.clone(),
            })
            .collect();
        match tables.batch(partition, &deletes).await {
            // Somebody else is at it too, and comes to the end of it.
            Ok(_)
            | Err(BatchError {
                error: TableError::Missing { .. },
                ..
            }) => {}
            Err(failed) => return Err(failed.error),
        }
    }
    Ok(())
}

async fn ring(writer: Weak<Writer>, bell: Arc<Notify>) {
    loop {
        // The last one who holds the writer wakes this, so that it ends.
        bell.notified().await;
        tokio::time::sleep(BELL).await;
        let Some(writer) = writer.upgrade() else {
            return;
        };
        while let Err(error) = writer.ring().await {
            tracing::warn!(%error, "others cannot be told of the newest writes yet");
            tokio::time::sleep(TURN / 10).await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.bell.notify_one();
    }
}

async fn tidy(writer: Weak<Writer>) {
    let mut seen = crate::lease::Stillness::default();
    loop {
        tokio::time::sleep(TIDY).await;
        let Some(writer) = writer.upgrade() else {
            return;
        };
        if let Err(error) = writer.tidy().await {
            tracing::debug!(%error, "old entries of the change log stay for now");
        }
        if let Err(error) = writer.tidy_others(&mut seen).await {
            tracing::debug!(%error, "change logs of ended processes stay for now");
        }
    }
}
