//! What the pods of a search have to do: each batch of the query against each shard of the database.
//!
//! Owns how these are numbered: shard by shard, batches in their order within each. Progress and results are
//! counted in them.

use elb_core::{batch::Batch, cluster::Indexes, database::Shard, job::Progress};

/// Batches of a query, and shards of a database if it is not searched whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread<'a> {
    pub batches: &'a [Batch],
    pub shards: &'a [Shard],
}

impl<'a> Spread<'a> {
    /// Batches of the query.
    pub fn batches(self) -> u32 {
        u32::try_from(self.batches.len()).unwrap_or(u32::MAX)
    }

    /// Searches of one batch.
    pub fn count(self) -> u32 {
        let shards = u32::try_from(self.shards.len().max(1)).unwrap_or(u32::MAX);
        self.batches().saturating_mul(shards)
    }

    /// Each of them with its number.
    pub fn each(self) -> impl Iterator<Item = (u32, &'a Batch, Option<Shard>)> {
        let whole = self.shards.is_empty().then_some(None);
        let shards = self.shards.iter().copied().map(Some).chain(whole);
        let all =
            shards.flat_map(move |shard| self.batches.iter().map(move |batch| (batch, shard)));
        (0_u32..)
            .zip(all)
            .map(|(number, (batch, shard))| (number, batch, shard))
    }

    /// How far the search is if these are done.
    pub fn progress(self, done: &Indexes) -> Progress {
        let mut progress = Progress {
            batches_total: self.count(),
            ..Progress::default()
        };
        for (number, batch, _) in self.each() {
            progress.letters_total += batch.letters;
            if done.contains(number) {
                progress.batches_done += 1;
                progress.letters_done += batch.letters;
            }
        }
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(index: u32, letters: u64) -> Batch {
        Batch {
            index,
            first_record: u64::from(index),
            records: 1,
            letters,
        }
    }

    #[test]
    fn each_shard_has_every_batch_and_counts_its_letters() {
        let (batches, shards) = (
            [batch(0, 10), batch(1, 30)],
            [Shard { first: 0, last: 1 }, Shard { first: 2, last: 2 }],
        );
        let spread = Spread {
            batches: &batches,
            shards: &shards,
        };
        let told: Vec<_> = spread
            .each()
            .map(|(number, batch, shard)| (number, batch.index, shard))
            .collect();
        let [first, second] = shards.map(Some);
        assert_eq!(
            told,
            [(0, 0, first), (1, 1, first), (2, 0, second), (3, 1, second)]
        );
        let progress = spread.progress(&Indexes::below(3));
        assert_eq!((progress.batches_done, progress.batches_total), (3, 4));
        assert_eq!((progress.letters_done, progress.letters_total), (50, 80));
        let whole = Spread {
            batches: &batches,
            shards: &[],
        };
        assert_eq!((whole.count(), whole.each().count()), (2, 2));
        assert_eq!(whole.progress(&Indexes::default()).letters_total, 40);
    }
}
