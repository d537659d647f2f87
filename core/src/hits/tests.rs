//! Sentences about coverage, alignments and numbers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use proptest::prelude::*;

use super::*;
use crate::hits::{
    alignment::{direction, heading, to_text},
    display::ScoreRange,
    graphic::{Bar, Graphic, Lane, MAX_SUBJECTS, UNITS, ticks},
    page::{DescriptionsRequest, SubjectSort},
};

const NUCLEOTIDE: Drawing<'static> = Drawing {
    matrix: None,
    query_translated: false,
    subject_translated: false,
};
const PROTEIN: Drawing<'static> = Drawing {
    matrix: Some("BLOSUM62"),
    query_translated: false,
    subject_translated: false,
};

fn hsp(query: &str, subject: &str, query_range: (u64, u64), subject_range: (u64, u64)) -> Hsp {
    Hsp {
        query_start: query_range.0,
        query_end: query_range.1,
        subject_start: subject_range.0,
        subject_end: subject_range.1,
        evalue: 0.0,
        bit_score: 1.0,
        score: 1,
        length: query.len() as u64,
        identities: 0,
        positives: 0,
        mismatches: 0,
        gap_openings: 0,
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
    let blocks = blocks(
        &hsp(&query, &subject, (1, 65), (101, 170)),
        None,
        false,
        false,
    );
    assert_eq!(
        (blocks[0].query_end, blocks[1].query_start),
        (Some(55), Some(56))
    );
    assert_eq!(
        (blocks[1].subject_start, blocks[1].subject_end),
        (Some(161), Some(170))
    );
}

#[test]
fn positions_run_downwards_on_the_minus_strand() {
    let letters = "A".repeat(95);
    let blocks = blocks(
        &hsp(&letters, &letters, (1, 95), (500, 406)),
        None,
        false,
        false,
    );
    assert_eq!(
        (blocks[0].subject_start, blocks[0].subject_end),
        (Some(500), Some(441))
    );
    assert_eq!(
        (blocks[1].subject_start, blocks[1].subject_end),
        (Some(440), Some(406))
    );
}

#[test]
fn a_translated_side_counts_three_letters_a_column() {
    let letters = "M".repeat(61);
    let blocks = blocks(
        &hsp(&letters, &letters, (300, 118), (5, 65)),
        Some("BLOSUM62"),
        true,
        false,
    );
    assert_eq!(
        (blocks[0].query_start, blocks[0].query_end),
        (Some(300), Some(121))
    );
    assert_eq!(
        (blocks[1].query_start, blocks[1].query_end),
        (Some(120), Some(118))
    );
    assert_eq!(
        (blocks[1].subject_start, blocks[1].subject_end),
        (Some(65), Some(65))
    );
}

#[test]
fn the_midline_of_a_protein_shows_identities_and_positives() {
    let blocks = blocks(
        &hsp("MKLV-", "MRIWA", (1, 4), (1, 5)),
        Some("BLOSUM62"),
        false,
        false,
    );
    assert_eq!(blocks[0].midline, "M++  ");
    assert_eq!(
        to_text(&blocks),
        "Query  1  MKLV-  4\n          M++\nSbjct  1  MRIWA  5\n"
    );
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
    assert_eq!(
        [0.0, 2.3e-41, 3.2e-5, 0.003, 0.27, 1.34, 12.4].map(display::evalue),
        ["0.0", "2e-41", "3e-05", "0.003", "0.27", "1.3", "12"]
    );
    assert_eq!(
        [28.4, 99.9, 2_388.0, 1.254e5].map(display::bits),
        ["28.4", "99.9", "2388", "1.254e+05"]
    );
    assert_eq!(display::percent(99.999), "99.99\u{a0}%");
}

#[test]
fn a_line_of_gaps_alone_has_no_positions() {
    let query = format!("{}{}{}", "A".repeat(3), "-".repeat(5), "C".repeat(2));
    let cut = render_blocks(
        &hsp(&query, &"A".repeat(10), (1, 5), (1, 10)),
        NUCLEOTIDE,
        4,
    );
    let starts: Vec<_> = cut
        .iter()
        .map(|block| (block.query_start, block.query_end))
        .collect();
    assert_eq!(
        starts,
        [(Some(1), Some(3)), (None, None), (Some(4), Some(5))]
    );
    let text = to_text(&cut);
    assert_eq!(text.lines().nth(4), Some("Query      ----"));
}

#[test]
fn a_width_of_no_columns_still_draws() {
    assert_eq!(
        render_blocks(&hsp("ACG", "ACG", (1, 3), (1, 3)), NUCLEOTIDE, 0).len(),
        3
    );
}

#[test]
fn an_unknown_matrix_draws_no_positives() {
    let drawing = Drawing {
        matrix: Some("IDENTITY"),
        ..PROTEIN
    };
    let cut = render_blocks(&hsp("MKJ", "MRL", (1, 3), (1, 3)), drawing, 60);
    assert_eq!(
        cut.iter()
            .map(|block| block.midline.as_str())
            .collect::<String>(),
        "M  "
    );
}

#[test]
fn the_ambiguous_j_is_positive_to_isoleucine_and_an_x_to_nothing() {
    assert!(
        matrix::is_positive("BLOSUM62", b'j', b'I') && matrix::is_positive("PAM30", b'L', b'J')
    );
    assert!(
        !matrix::is_positive("BLOSUM62", b'X', b'A')
            && !matrix::is_positive("BLOSUM62", b'-', b'A')
    );
    assert!(!matrix::is_positive("BLOSUM62", b' ', b'A'));
}

#[test]
fn the_heading_tells_strands_or_frames() {
    let mut found = hsp("ACGT", "ACGT", (1, 4), (9, 6));
    found.identities = 3;
    assert_eq!(
        heading(&found, NUCLEOTIDE),
        " Score = 1.0 bits (1),  Expect = 0.0\n Identities = 3/4 (75%), Gaps = 0/4 (0%)\n Strand=Plus/Minus\n"
    );
    assert_eq!(direction(&found, PROTEIN), None);
    found.subject_frame = -3;
    let frames = ["blastx", "tblastn", "tblastx"]
        .map(|program| direction(&found, Drawing::new(program, Some("BLOSUM62"))).unwrap());
    assert_eq!(frames, ["Frame = +1", "Frame = -3", "Frame = +1/-3"]);
}

#[test]
fn a_score_on_a_border_belongs_to_the_higher_range() {
    let classes =
        [0.0, 39.9, 40.0, 50.0, 79.9, 80.0, 200.0].map(|score| ScoreRange::of(score).class());
    assert_eq!(
        classes,
        [
            "score-0",
            "score-0",
            "score-40",
            "score-50",
            "score-50",
            "score-80",
            "score-200"
        ]
    );
}

#[test]
fn the_best_bar_of_a_lane_lies_on_top() {
    let bars = vec![Bar::new(90, 10, 50.0), Bar::new(1, 100, 30.0)];
    let lane = Lane {
        ordinal: 0,
        accession: "A".into(),
        title: "t".into(),
        bars,
    };
    let graphic = Graphic::new(100, vec![lane; MAX_SUBJECTS + 5]);
    assert_eq!(graphic.lanes.len(), MAX_SUBJECTS);
    assert_eq!(
        graphic.lanes[0].bars,
        [
            Bar {
                start: 1,
                end: 100,
                score: 30.0
            },
            Bar {
                start: 10,
                end: 90,
                score: 50.0
            }
        ]
    );
    assert_eq!(
        (graphic.ticks[0].at, graphic.ticks.last().unwrap().at),
        (0, UNITS)
    );
}

#[test]
fn the_word_of_each_order_is_read_back() {
    for sort in SubjectSort::ALL {
        assert_eq!(SubjectSort::parse(sort.as_str()), Some(sort));
        assert_eq!(
            serde_json::to_string(&sort).unwrap(),
            format!("\"{}\"", sort.as_str())
        );
    }
    assert_eq!(SubjectSort::parse("colour"), None);
}

#[test]
fn a_request_needs_to_name_only_what_it_changes() {
    let request: DescriptionsRequest = serde_json::from_str(r#"{"min_identity": 90}"#).unwrap();
    assert_eq!(
        request,
        DescriptionsRequest {
            min_identity: Some(90.0),
            ..DescriptionsRequest::default()
        }
    );
    assert!(
        request.is_filtered()
            && !DescriptionsRequest {
                text: "  ".into(),
                ..DescriptionsRequest::default()
            }
            .is_filtered()
    );
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
        prop_assert_eq!(cut.iter().find_map(|block| block.query_start), Some(1));
        prop_assert_eq!(cut.iter().rev().find_map(|block| block.query_end), Some(query_letters));
        prop_assert_eq!(cut.iter().find_map(|block| block.subject_start), Some(start));
        prop_assert_eq!(cut.iter().rev().find_map(|block| block.subject_end), Some(subject_end));
        prop_assert_eq!(cut.iter().map(|block| block.query_line.clone()).collect::<String>(), query);
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

    #[test]
    fn a_bar_stays_inside_the_drawing(start in 1_u64..6_000_000, more in 0_u64..6_000_000, length in 0_u64..6_000_000) {
        let (left, width) = Bar::new(start, start + more, 1.0).span(length);
        prop_assert!(width >= 2 && left + width <= UNITS, "{left} {width}");
    }

    #[test]
    fn positives_are_mutual(matrix in prop::sample::select(vec!["BLOSUM45", "BLOSUM62", "BLOSUM90", "PAM30", "PAM250"]), left: u8, right: u8) {
        prop_assert_eq!(matrix::is_positive(matrix, left, right), matrix::is_positive(matrix, right, left));
    }
}
