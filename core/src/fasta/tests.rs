//! Sentences about FASTA input, and properties over any bytes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;

const NUCLEOTIDE: Expect = Expect::Query(Molecule::Nucleotide);
const PROTEIN: Expect = Expect::Query(Molecule::Protein);
const PEPTIDE: &str = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ";

fn kinds(text: &str, expect: Expect) -> Vec<(ProblemKind, u64)> {
    let report = check(text.as_bytes(), expect, Limits::default());
    report
        .problems
        .iter()
        .map(|problem| (problem.kind, problem.line))
        .collect()
}

fn warned(text: &str, expect: Expect) -> Vec<ProblemKind> {
    let report = check(text.as_bytes(), expect, Limits::default());
    report.warnings.iter().map(|problem| problem.kind).collect()
}

fn normalised(text: &[u8], expect: Expect) -> String {
    let mut out = Vec::new();
    let mut checker = Checker::new(expect, Limits::default());
    checker.push(text, &mut |bytes: &[u8]| out.extend_from_slice(bytes));
    checker.finish(&mut |bytes: &[u8]| out.extend_from_slice(bytes));
    String::from_utf8(out).unwrap()
}

#[test]
fn two_good_records_have_ids_titles_lines_and_lengths() {
    let report = check(
        b">a first one\nACGT\nAC\n>b\nGG\n",
        NUCLEOTIDE,
        Limits::default(),
    );
    assert!(report.is_ok());
    assert_eq!(report.letters, 8);
    let (first, second) = (&report.records[0], &report.records[1]);
    assert_eq!(
        (
            first.id.as_str(),
            first.title.as_str(),
            first.line,
            first.letters
        ),
        ("a", "first one", 1, 6)
    );
    assert_eq!(
        (second.id.as_str(), second.line, second.letters),
        ("b", 4, 2)
    );
}

#[test]
fn a_bare_sequence_is_accepted_and_named() {
    assert_eq!(kinds("ACGTACGT\nACGT", NUCLEOTIDE), []);
    assert_eq!(warned("ACGTACGT\nACGT", NUCLEOTIDE), [ProblemKind::Bare]);
    assert_eq!(normalised(b"ACGT\nAC", NUCLEOTIDE), ">Query_1\nACGT\nAC\n");
}

#[test]
fn sequence_before_the_first_header_of_several_is_a_problem() {
    assert_eq!(
        kinds("ACGT\n>b\nACGT\n", NUCLEOTIDE),
        [(ProblemKind::NoHeader, 1)]
    );
}

#[test]
fn an_empty_record_is_a_problem_at_its_header() {
    assert_eq!(
        kinds(">a\n>b\nACGT\n>c\n\n", NUCLEOTIDE),
        [(ProblemKind::EmptyRecord, 1), (ProblemKind::EmptyRecord, 4)]
    );
}

#[test]
fn a_header_without_identifier_is_a_problem() {
    assert_eq!(
        kinds(">\nACGT\n> b\nACGT", NUCLEOTIDE),
        [(ProblemKind::NoId, 1), (ProblemKind::NoId, 3)]
    );
}

#[test]
fn a_duplicate_identifier_names_the_line_of_the_first() {
    let report = check(b">a\nAC\n>a\nAC\n", NUCLEOTIDE, Limits::default());
    assert_eq!(report.problems[0].line, 3);
    assert!(report.problems[0].message.contains("line 1"));
}

#[test]
fn an_illegal_letter_is_told_once_a_record_with_line_column_and_count() {
    let report = check(b">a\nACGT\nAC!T?\n>b\nAC1\n", NUCLEOTIDE, Limits::default());
    let places: Vec<_> = report
        .problems
        .iter()
        .map(|problem| (problem.line, problem.column))
        .collect();
    assert_eq!(places, [(3, Some(3)), (5, Some(3))]);
    assert!(report.problems[0].message.contains("1 more"));
    assert_eq!(report.problems[0].record.as_deref(), Some("a"));
}

#[test]
fn a_protein_in_a_nucleotide_search_is_one_clear_problem() {
    let text = format!(">p\n{PEPTIDE}\n");
    assert_eq!(kinds(&text, NUCLEOTIDE), [(ProblemKind::WrongMolecule, 1)]);
    assert_eq!(kinds(&text, PROTEIN), []);
}

#[test]
fn a_nucleotide_sequence_in_a_protein_search_is_a_problem_and_a_short_one_a_warning() {
    assert_eq!(
        kinds(&format!(">n\n{}\n", "ACGT".repeat(10)), PROTEIN),
        [(ProblemKind::WrongMolecule, 1)]
    );
    assert_eq!(
        warned(">n\nACGTACGTACGT\n", PROTEIN),
        [ProblemKind::MaybeWrongMolecule]
    );
}

#[test]
fn nothing_is_a_problem_too() {
    for text in ["", "\n\n", "   "] {
        assert_eq!(
            kinds(text, NUCLEOTIDE),
            [(ProblemKind::Empty, 1)],
            "{text:?}"
        );
    }
}

#[test]
fn other_files_are_recognised() {
    for (bytes, kind) in [
        (&b"\x1f\x8b\x08\x00abc"[..], ProblemKind::NotText),
        (b"PK\x03\x04abc", ProblemKind::NotText),
        (b"\xff\xfe>\x00a\x00", ProblemKind::Utf16),
        (b">a\nAC\0GT\n", ProblemKind::Nul),
    ] {
        let report = check(bytes, NUCLEOTIDE, Limits::default());
        assert_eq!(report.problems[0].kind, kind);
    }
}

#[test]
fn line_ends_and_marks_of_other_systems_are_normalised() {
    assert_eq!(
        normalised(
            b"\xef\xbb\xbf>a x\r\nAC GT\r\n\r\n>b\r\nA-C\r\n",
            NUCLEOTIDE
        ),
        ">a x\nACGT\n>b\nAC\n"
    );
    assert_eq!(
        normalised(b">a\rAC\r>b\rGT\r", NUCLEOTIDE),
        ">a\nAC\n>b\nGT\n"
    );
    assert_eq!(
        warned(">a\rAC\r>b\rGT\r", NUCLEOTIDE),
        [ProblemKind::CarriageReturn]
    );
    assert_eq!(warned(">a\r\nACGT\r\n", NUCLEOTIDE), []);
}

#[test]
fn limits_are_problems_that_name_the_limit() {
    let limits = Limits {
        bytes: 10,
        ..Limits::default()
    };
    let report = check(b">a\nACGTACGTACGT\n", NUCLEOTIDE, limits);
    assert_eq!(report.problems[0].kind, ProblemKind::TooLarge);
    let limits = Limits {
        records: 1,
        ..Limits::default()
    };
    let report = check(b">a\nAC\n>b\nAC\n>c\nAC\n", NUCLEOTIDE, limits);
    assert_eq!(
        report
            .problems
            .iter()
            .map(|problem| problem.kind)
            .collect::<Vec<_>>(),
        [ProblemKind::TooManyRecords]
    );
}

#[test]
fn a_database_must_be_of_one_molecule() {
    let text = format!(">p\n{PEPTIDE}\n>n\n{}\n", "ACGT".repeat(10));
    assert_eq!(kinds(&text, Expect::Any), [(ProblemKind::Mixed, 3)]);
    let report = check(
        format!(">n\n{}\n", "ACGT".repeat(10)).as_bytes(),
        Expect::Any,
        Limits::default(),
    );
    assert_eq!(report.molecule, Some(Molecule::Nucleotide));
}

#[test]
fn problems_beyond_the_limit_are_counted() {
    let text = ">a\n".repeat(300);
    let report = check(text.as_bytes(), NUCLEOTIDE, Limits::default());
    assert_eq!(report.problems.len(), 100);
    assert_eq!(report.problems_total, 300 + 299);
}

fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b">a title\n".to_vec()),
        Just(b">b\r\n".to_vec()),
        Just(b">\n".to_vec()),
        Just(b"ACGTNN\n".to_vec()),
        Just(b"MKLV*\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"acgt".to_vec()),
        Just(b"; note\n".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

/// Records that are acceptable, in every way of writing them.
fn good_input() -> impl Strategy<Value = Vec<u8>> {
    let line_end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    let lines = prop::collection::vec("[ACGTUNacgtnRY]{1,20}( [ACGT]{1,4})?-?", 1..5);
    let record = (lines, "( [a-z ]{0,10})?");
    (prop::collection::vec(record, 1..6), line_end, any::<bool>()).prop_map(
        |(records, end, mark)| {
            let mut input = if mark {
                "\u{feff}".to_owned()
            } else {
                String::new()
            };
            for (index, (lines, title)) in records.iter().enumerate() {
                input.push_str(&format!(">r{index}{title}{end}{end}; note{end}"));
                input.push_str(&lines.join(end));
                input.push_str(end);
            }
            input.into_bytes()
        },
    )
}

proptest! {
    #[test]
    fn the_report_does_not_depend_on_where_chunks_end(input in any_input(), cuts in prop::collection::vec(0_usize..80, 0..6), protein in any::<bool>()) {
        let expect = if protein { PROTEIN } else { NUCLEOTIDE };
        let whole = check(&input, expect, Limits::default());
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let (mut out, mut checker) = (Vec::new(), Checker::new(expect, Limits::default()));
        for pair in cuts.windows(2) {
            checker.push(&input[pair[0]..pair[1]], &mut |bytes: &[u8]| out.extend_from_slice(bytes));
        }
        let pieces = checker.finish(&mut |bytes: &[u8]| out.extend_from_slice(bytes));
        prop_assert_eq!(&pieces, &whole);
        prop_assert_eq!(String::from_utf8_lossy(&out).into_owned(), String::from_utf8_lossy(normalised_bytes(&input, expect).as_slice()).into_owned());
    }

    #[test]
    fn what_was_accepted_is_accepted_again_in_its_normalised_form(input in good_input()) {
        let first = check(&input, NUCLEOTIDE, Limits::default());
        prop_assert!(first.is_ok());
        let second = check(&normalised_bytes(&input, NUCLEOTIDE), NUCLEOTIDE, Limits::default());
        prop_assert!(second.is_ok());
        prop_assert_eq!(second.letters, first.letters);
        let ids = |report: &Report| report.records.iter().map(|record| (record.id.clone(), record.letters)).collect::<Vec<_>>();
        prop_assert_eq!(ids(&second), ids(&first));
    }

    #[test]
    fn every_problem_has_a_place_within_the_input(input in prop::collection::vec(any::<u8>(), 0..200)) {
        let report = check(&input, NUCLEOTIDE, Limits::default());
        let lines = input.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64 + 1;
        for problem in report.problems.iter().chain(&report.warnings) {
            prop_assert!((1..=lines).contains(&problem.line));
            prop_assert!(!problem.message.is_empty() && !problem.fix.is_empty());
        }
        prop_assert!(report.problems_total >= report.problems.len() as u64);
    }
}

fn normalised_bytes(input: &[u8], expect: Expect) -> Vec<u8> {
    let mut out = Vec::new();
    let mut checker = Checker::new(expect, Limits::default());
    checker.push(input, &mut |bytes: &[u8]| out.extend_from_slice(bytes));
    checker.finish(&mut |bytes: &[u8]| out.extend_from_slice(bytes));
    out
}
