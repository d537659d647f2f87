//! Sentences about coverage, alignments and numbers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::hits::{alignment::to_text, graphic::ticks};

fn hsp(query: &str, subject: &str, query_range: (u64, u64), subject_range: (u64, u64)) -> Hsp {
    Hsp {
        query_start: query_range.0,
        query_end: query_range.1,
        subject_start: subject_range.0,
        subject_end: subject_range.1,
        evalue: 0.0,
        bit_score: 1.0,
        length: query.len() as u64,
        identities: 0,
        positives: 0,
        gaps: 0,
        query_frame: 1,
        subject_frame: 1,
        query_letters: query.into(),
        subject_letters: subject.into(),
    }
}

#[test]
fn gaps_do_not_move_positions() {
    let query = format!("{}-----{}", "A".repeat(55), "C".repeat(10));
    let subject = "A".repeat(70);
    let blocks = blocks(&hsp(&query, &subject, (1, 65), (101, 170)), None, false, false);
    assert_eq!((blocks[0].query_end, blocks[1].query_start), (55, 56));
    assert_eq!((blocks[1].subject_start, blocks[1].subject_end), (161, 170));
}

#[test]
fn positions_run_downwards_on_the_minus_strand() {
    let letters = "A".repeat(95);
    let blocks = blocks(&hsp(&letters, &letters, (1, 95), (500, 406)), None, false, false);
    assert_eq!((blocks[0].subject_start, blocks[0].subject_end), (500, 441));
    assert_eq!((blocks[1].subject_start, blocks[1].subject_end), (440, 406));
}

#[test]
fn a_translated_side_counts_three_letters_a_column() {
    let letters = "M".repeat(61);
    let blocks = blocks(&hsp(&letters, &letters, (300, 118), (5, 65)), Some("BLOSUM62"), true, false);
    assert_eq!((blocks[0].query_start, blocks[0].query_end), (300, 121));
    assert_eq!((blocks[1].query_start, blocks[1].query_end), (120, 118));
    assert_eq!((blocks[1].subject_start, blocks[1].subject_end), (65, 65));
}

#[test]
fn the_midline_of_a_protein_shows_identities_and_positives() {
    let blocks = blocks(&hsp("MKLV-", "MRIWA", (1, 4), (1, 5)), Some("BLOSUM62"), false, false);
    assert_eq!(blocks[0].midline, "M++  ");
    assert_eq!(to_text(&blocks), "Query  1  MKLV-  4\n          M++\nSbjct  1  MRIWA  5\n");
}

#[test]
fn coverage_counts_overlaps_once_and_is_100_only_if_whole() {
    assert_eq!(coverage(&mut [(1, 50), (41, 60)], 100), 60);
    assert_eq!(coverage(&mut [(1, 999)], 1_000), 99);
    assert_eq!(coverage(&mut [(1, 1_000)], 1_000), 100);
    assert_eq!(coverage(&mut [], 10), 0);
}

#[test]
fn numbers_look_as_blast_writes_them() {
    assert_eq!([0.0, 2.3e-41, 0.003, 1.34, 12.4].map(display::evalue), ["0.0", "2e-41", "0.003", "1.3", "12"]);
    assert_eq!([28.4, 99.95, 2_388.0].map(display::bits), ["28.4", "100", "2388"]);
    assert_eq!(display::percent(99.999), "99.99\u{a0}%");
}

proptest! {
    #[test]
    fn the_ends_of_the_blocks_are_the_ends_of_the_hsp(columns in prop::collection::vec((any::<bool>(), any::<bool>()), 1..200), start in 400_u64..500, minus in any::<bool>()) {
        let side = |pick: &dyn Fn(&(bool, bool)) -> bool| -> String { columns.iter().map(|column| if pick(column) { '-' } else { 'A' }).collect() };
        let query = side(&|column| column.0 && !column.1);
        let subject = side(&|column| column.1 && !column.0);
        let count = |text: &str| text.bytes().filter(|letter| *letter == b'A').count() as u64;
        let (query_letters, subject_letters) = (count(&query), count(&subject));
        prop_assume!(query_letters > 1 && subject_letters > 1);
        let subject_end = if minus { start - subject_letters + 1 } else { start + subject_letters - 1 };
        let cut = blocks(&hsp(&query, &subject, (1, query_letters), (start, subject_end)), None, false, false);
        prop_assert_eq!(cut[0].query_start, 1);
        let last = cut.last().unwrap();
        // A block of gaps alone stands at the position after the last letter.
        if last.query.contains('A') { prop_assert_eq!(last.query_end, query_letters); }
        if last.subject.contains('A') { prop_assert_eq!(last.subject_end, subject_end); }
        prop_assert_eq!(cut.iter().map(|block| block.query.clone()).collect::<String>(), query);
    }

    #[test]
    fn coverage_equals_a_count_of_every_letter(ranges in prop::collection::vec((1_u64..120, 0_u64..40), 0..8), length in 160_u64..200) {
        let mut ranges: Vec<(u64, u64)> = ranges.into_iter().map(|(start, more)| (start, start + more)).collect();
        let covered = (1..=length).filter(|letter| ranges.iter().any(|(start, end)| (start..=end).contains(&letter))).count() as u64;
        let found = coverage(&mut ranges, length);
        prop_assert!(found.abs_diff(covered * 100 / length) <= 1);
    }

    #[test]
    fn the_ruler_begins_at_1_and_ends_at_the_length(length in 1_u64..10_000_000) {
        let ticks = ticks(length);
        prop_assert_eq!(ticks.first(), Some(&1));
        prop_assert_eq!(ticks.last(), Some(&length));
        prop_assert!(ticks.len() <= 9 && ticks.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
    }
}
