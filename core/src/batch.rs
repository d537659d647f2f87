//! Batches: a query cut into parts that may be searched one by one.
//!
//! Owns where a query may be cut. BLAST+ concatenates queries into units of its own and some of its
//! statistics see a whole unit (sum statistics of tblastx), so a batch is a whole number of units and
//! every unit closes *after* the record that fills it, as BLAST+ closes it. Then the parts together
//! give what one run gives.

use serde::{Deserialize, Serialize};

use crate::text;

/// Batches per process that are aimed at: progress is batches done, and a late long batch delays the
/// end by at most a quarter. Measured: more than 8 parts cost 10 to 35 % in start-up.
const PER_PROCESS: u64 = 4;

/// A part of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Position, from 0.
    pub index: u32,
    /// Position of its first record in the query, from 0.
    pub first_record: u64,
    /// Records.
    pub records: u64,
    /// Bases or residues.
    pub letters: u64,
}

impl Batch {
    /// Its name: `batch_000`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("batch_{:03}", self.index)
    }

    /// For people: `batch 1: 12 sequences`.
    #[must_use]
    pub fn label(&self) -> String {
        format!(
            "batch {}: {}",
            self.index + 1,
            text::counted(self.records, "sequence", "sequences")
        )
    }
}

/// The letters that fill one of BLAST+'s own units (2.12; measured, ELASTICBLAST figures).
///
/// For blastn the unit is adaptive and results do not depend on it (byte-identical in 2, 8 and 20
/// parts); any cut between records will do. Its unit only keeps small queries whole: a batch costs two
/// program starts of about 0.1 s each, which 8 genes in 8 batches paid 8 times (measured: 0.6 s).
#[must_use]
pub fn unit_letters(program: &str) -> Option<u64> {
    match program {
        "blastn" => Some(10_000),
        "blastp" => Some(10_000),
        "blastx" | "tblastx" => Some(10_002),
        "tblastn" => Some(20_000),
        _ => None,
    }
}

/// Cuts records of the given lengths into batches of whole units for so many processes.
#[must_use]
pub fn plan(unit: u64, lengths: impl IntoIterator<Item = u64>, processes: u32) -> Vec<Batch> {
    let units = units(unit.max(1), lengths);
    let total: u64 = units.iter().map(|unit| unit.letters).sum();
    let parts = u64::from(processes.max(1)) * PER_PROCESS;
    // Rounded up, so that there are at most `parts` full batches.
    let target = total.div_ceil(parts).max(1);
    let mut batches: Vec<Batch> = Vec::new();
    let mut open: Option<Batch> = None;
    for unit in units {
        let batch = open.get_or_insert(Batch {
            records: 0,
            letters: 0,
            ..unit
        });
        batch.records += unit.records;
        batch.letters += unit.letters;
        if batch.letters >= target {
            batches.extend(open.take());
        }
    }
    batches.extend(open);
    for (index, batch) in batches.iter_mut().enumerate() {
        batch.index = u32::try_from(index).unwrap_or(u32::MAX);
    }
    batches
}

/// BLAST+'s own units: records are added until the unit is full.
fn units(unit: u64, lengths: impl IntoIterator<Item = u64>) -> Vec<Batch> {
    let mut units = Vec::new();
    let mut open: Option<Batch> = None;
    for (record, letters) in lengths.into_iter().enumerate() {
        let current = open.get_or_insert(Batch {
            index: 0,
            first_record: record as u64,
            records: 0,
            letters: 0,
        });
        current.records += 1;
        current.letters += letters;
        if current.letters >= unit {
            units.extend(open.take());
        }
    }
    units.extend(open);
    units
}

/// Tells which batch each byte of a normalised FASTA belongs to, chunk by chunk.
#[derive(Debug)]
pub struct BatchSplitter {
    /// First record of every batch but the first.
    starts: Vec<u64>,
    /// Records seen so far.
    records: u64,
    line_start: bool,
}

impl BatchSplitter {
    /// A splitter at the beginning of the query.
    #[must_use]
    pub fn new(batches: &[Batch]) -> Self {
        Self {
            starts: batches
                .iter()
                .skip(1)
                .map(|batch| batch.first_record)
                .collect(),
            records: 0,
            line_start: true,
        }
    }

    fn current(&self) -> u32 {
        let record = self.records.saturating_sub(1);
        let index = self.starts.partition_point(|start| *start <= record);
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Hands each piece of the chunk to the batch it belongs to, in order.
    pub fn push(&mut self, chunk: &[u8], mut take: impl FnMut(u32, &[u8])) {
        let mut rest = chunk;
        while !rest.is_empty() {
            if self.line_start && rest.first() == Some(&b'>') {
                self.records += 1;
            }
            let index = self.current();
            // Up to the next header: a ">" that begins a line of this chunk.
            let next = rest
                .windows(2)
                .position(|pair| pair == b"\n>")
                .map_or(rest.len(), |end| end + 1);
            let (piece, after) = rest.split_at(next);
            take(index, piece);
            self.line_start = piece.last() == Some(&b'\n');
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_unit_closes_after_the_record_that_fills_it() {
        let batches = plan(10, [4, 4, 4, 9, 1, 30], 1_000);
        let cut: Vec<(u64, u64)> = batches
            .iter()
            .map(|batch| (batch.records, batch.letters))
            .collect();
        assert_eq!(cut, [(3, 12), (2, 10), (1, 30)]);
    }

    #[test]
    fn a_small_query_is_one_batch_and_none_is_none() {
        assert_eq!(plan(10_000, [300, 200], 2).len(), 1);
        assert_eq!(plan(10_000, [], 2).len(), 0);
        assert_eq!(plan(1, [500], 2)[0].name(), "batch_000");
    }

    #[test]
    fn a_hundred_equal_records_make_about_four_batches_a_process() {
        assert_eq!(plan(1, std::iter::repeat_n(1_500, 100), 2).len(), 8);
    }

    proptest! {
        #[test]
        fn every_record_is_in_one_batch_and_batches_end_where_units_end(
            lengths in prop::collection::vec(1_u64..500, 0..200), unit in 1_u64..2_000, processes in 1_u32..9,
        ) {
            let batches = plan(unit, lengths.clone(), processes);
            let mut next = 0;
            let mut ends = Vec::new();
            for (index, batch) in batches.iter().enumerate() {
                prop_assert_eq!(batch.index as usize, index);
                prop_assert_eq!(batch.first_record, next);
                prop_assert!(batch.records > 0);
                let records = next as usize..(next + batch.records) as usize;
                prop_assert_eq!(batch.letters, lengths[records].iter().sum::<u64>());
                next += batch.records;
                ends.push(next);
            }
            prop_assert_eq!(next, lengths.len() as u64);
            // The reference: where BLAST+ itself would end its units.
            let (mut filled, mut unit_ends) = (0, vec![lengths.len() as u64]);
            for (record, letters) in lengths.iter().enumerate() {
                filled += letters;
                if filled >= unit {
                    unit_ends.push(record as u64 + 1);
                    filled = 0;
                }
            }
            for end in ends {
                prop_assert!(unit_ends.contains(&end));
            }
            prop_assert!(batches.len() <= processes as usize * PER_PROCESS as usize + 1);
        }

        #[test]
        fn the_parts_of_a_split_query_are_the_query(
            lengths in prop::collection::vec(1_u64..40, 1..30), processes in 1_u32..5, chunk in 1_usize..50,
        ) {
            let query: String = lengths.iter().enumerate().map(|(record, letters)| format!(">r{record}\n{}\n", "A".repeat(*letters as usize))).collect();
            let batches = plan(1, lengths, processes);
            let mut parts = vec![Vec::new(); batches.len()];
            let mut splitter = BatchSplitter::new(&batches);
            for piece in query.as_bytes().chunks(chunk) {
                splitter.push(piece, |index, bytes| parts[index as usize].extend_from_slice(bytes));
            }
            for (batch, part) in batches.iter().zip(&parts) {
                let headers = part.iter().filter(|byte| **byte == b'>').count() as u64;
                prop_assert_eq!(headers, batch.records);
                prop_assert_eq!(part.first(), Some(&b'>'));
            }
            prop_assert_eq!(parts.concat(), query.into_bytes());
        }
    }
}
