//! The change log as others read it.
//!
//! Each process keeps one stream in each partition, and one small entity (its bell) that says how far
//! they go. Following costs one read of all bells; only streams that have grown are read, as ranges. From
//! time to time all streams are read to their ends, for a bell that a dying process did not ring.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};

use super::{AzureRepository, document::Row, failed, keys, writer::LOG_LIFE};
use crate::{
    azure::tables::{Entity, MAX_PAGE, Range},
    clock::Clock,
    repository::{Changes, Position, RepositoryError},
};

/// How often streams are read to their ends whatever the bells say.
const TO_THE_END: Duration = Duration::from_secs(30);
/// Streams that are read at once.
const AT_ONCE: usize = 8;

/// When what was followed last.
pub(super) struct Followed {
    clock: Arc<dyn Clock>,
    inner: Mutex<Times>,
}

#[derive(Default)]
struct Times {
    any: Option<Duration>,
    to_the_end: Option<Duration>,
}

impl Followed {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            inner: Mutex::default(),
        }
    }

    /// Whether streams are to be read to their ends this time.
    fn to_the_end_is_due(&self) -> bool {
        let times = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.elapsed();
        times
            .to_the_end
            .is_none_or(|last| now.saturating_sub(last) >= TO_THE_END)
    }

    /// Whether entries may have been removed before they were read.
    fn too_late(&self) -> bool {
        let times = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.elapsed();
        times
            .any
            .is_some_and(|last| now.saturating_sub(last) >= LOG_LIFE / 2)
    }

    fn done(&self, to_the_end: bool) {
        let mut times = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Some(self.clock.elapsed());
        times.any = now;
        if to_the_end {
            times.to_the_end = now;
        }
    }
}

/// The stream of a writer in a shard.
struct Stream {
    writer: String,
    shard: usize,
    after: u64,
}

impl Stream {
    fn name(&self) -> String {
        name(&self.writer, self.shard)
    }
}

fn name(writer: &str, shard: usize) -> String {
    format!("{writer}/{shard}")
}

impl AzureRepository {
    async fn bells(&self) -> Result<Vec<Entity>, RepositoryError> {
        let bells = self.tables.all(Range::whole(keys::WRITERS)).await;
        bells.map_err(|error| failed("", error))
    }

    pub(super) async fn end_of_log(&self) -> Result<Position, RepositoryError> {
        let mut position = Position::default();
        for bell in self.bells().await? {
            for shard in 0..keys::SHARDS {
                position.advance(
                    &name(&bell.row, shard),
                    bell.number(&format!("S{shard}")).unwrap_or(0),
                );
            }
        }
        self.followed.done(false);
        Ok(position)
    }

    pub(super) async fn changes_after(
        &self,
        after: &Position,
        limit: usize,
    ) -> Result<Changes, RepositoryError> {
        if self.followed.too_late() {
            return self.everything().await;
        }
        let bells = self.bells().await?;
        let to_the_end = self.followed.to_the_end_is_due();
        let mut changes = Changes {
            position: after.clone(),
            ..Changes::default()
        };
        changes.position.keep(|stream| {
            bells
                .iter()
                .any(|bell| stream.split('/').next() == Some(bell.row.as_str()))
        });
        let grown = bells.iter().flat_map(|bell| {
            (0..keys::SHARDS).filter_map(|shard| {
                let rung: u64 = bell.number(&format!("S{shard}")).unwrap_or(0);
                let after = after.of(&name(&bell.row, shard));
                (rung > after || to_the_end).then(|| Stream {
                    writer: bell.row.clone(),
                    shard,
                    after,
                })
            })
        });
        let reads = grown.map(|stream| async move {
            let range = Range::prefix(&keys::partition(stream.shard), &keys::log(&stream.writer))
                .behind(&keys::log_entry(&stream.writer, stream.after));
            let page = self.tables.page(&range, limit.min(MAX_PAGE)).await;
            Ok::<_, RepositoryError>((stream, page.map_err(|error| failed("", error))?))
        });
        let pages: Vec<_> = stream::iter(reads.collect::<Vec<_>>())
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut ids: BTreeSet<String> = BTreeSet::new();
        for (stream, page) in pages {
            changes.more |= page.more;
            for entry in page.entities {
                let number = entry
                    .row
                    .rsplit('~')
                    .next()
                    .and_then(|number| number.parse().ok());
                let id = entry.text("Job");
                if !ids.contains(id) && ids.len() >= limit {
                    // The rest of this stream is for the next call.
                    changes.more = true;
                    break;
                }
                if !id.is_empty() {
                    ids.insert(id.to_owned());
                }
                changes
                    .position
                    .advance(&stream.name(), number.unwrap_or(0));
            }
        }
        ids.extend(self.writer.take_found());
        let ids: Vec<String> = ids.into_iter().collect();
        for (id, read) in self.read_many(&ids).await? {
            match read {
                Ok(Some(Row { stored, .. })) => changes.jobs.push(stored),
                Ok(None) => changes.gone.push(id),
                Err(error) => changes.unreadable.push(error),
            }
        }
        self.followed.done(to_the_end && !changes.more);
        Ok(changes)
    }

    /// Every row, for a process that has not followed for so long that entries may be missing.
    async fn everything(&self) -> Result<Changes, RepositoryError> {
        let mut changes = Changes {
            position: self.end_of_log().await?,
            ..Changes::default()
        };
        for shard in 0..keys::SHARDS {
            let mut after: Option<String> = None;
            loop {
                let page = self.scan_shard(shard, after.as_deref(), MAX_PAGE).await?;
                changes.jobs.extend(page.jobs);
                changes.unreadable.extend(page.unreadable);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(changes)
    }
}
