//! From a table to an index.

use super::*;

#[test]
fn hsps_are_summed_up_by_subject() {
    let built = sample();
    assert_eq!(
        built.totals,
        Totals {
            queries: 3,
            queries_with_hits: 2,
            hits: 4,
            hsps: 5
        }
    );
    assert_eq!(built.index().totals().unwrap(), built.totals);
    let page = built
        .index()
        .descriptions(0, &DescriptionsRequest::default())
        .unwrap();
    assert_eq!((page.query.hits, page.query.hsps, page.filtered), (3, 4, 3));
    let best = &page.subjects[0];
    assert_eq!(
        (
            best.ordinal,
            best.hsps,
            best.coverage,
            best.accession.as_str()
        ),
        (0, 2, 80, "B.1")
    );
    assert!((best.max_score - 99.0).abs() < 1e-9 && (best.total_score - 169.5).abs() < 1e-9);
    assert!((best.evalue - 3e-41).abs() < 1e-50 && (page.subjects[2].identity - 75.0).abs() < 1e-9);
}

#[test]
fn titles_lose_tabs_and_the_identifier_before_them() {
    let title = |title: &'static str| {
        let mut row = line("q1", "S", (1, 10), "1e-5", "40");
        row.title = title;
        build(&[input("q1", 100)], &[row])
            .index()
            .hsps(0, 0, 0, 1)
            .unwrap()
            .subject
            .title
    };
    assert_eq!(title("S one\ttwo\u{1}three"), "one two three");
    assert_eq!(title("Salmonella"), "Salmonella");
    assert_eq!([title("S"), title("N/A"), title("")], ["S", "S", "S"]);
}

#[test]
fn subjects_of_the_same_identifier_but_another_title_are_two() {
    let rows = ["dup a", "dup b"].map(|title| Line {
        title,
        ..line("q1", "dup", (1, 10), "1e-5", "40")
    });
    assert_eq!(build(&[input("q1", 100)], &rows).totals.hits, 2);
}

#[test]
fn queries_of_the_same_name_keep_their_own_rows() {
    let queries = [
        input("q", 100),
        input("other", 100),
        input("q", 100),
        input("q", 70),
    ];
    let short = Line {
        query: ("q", 70),
        ..line("q", "A", (1, 10), "1e-5", "40")
    };
    let rows = [
        line("q", "A", (1, 10), "1e-5", "40"),
        line("q", "B", (1, 10), "1e-5", "40"),
        line("q", "A", (2, 10), "1e-5", "40"),
        short,
    ];
    let index = build(&queries, &rows).index();
    let hits: Vec<u64> = index
        .queries("", false, 0, 10)
        .unwrap()
        .queries
        .iter()
        .map(|query| query.hits)
        .collect();
    assert_eq!(hits, [2, 0, 1, 1]);
}

#[test]
fn a_name_that_blast_prints_otherwise_is_found() {
    let index = build(
        &[input("näm", 100), input("b\u{1}c", 100)],
        &[
            line("n##m", "A", (1, 10), "1", "20"),
            line("b", "A", (1, 10), "1", "20"),
        ],
    )
    .index();
    assert_eq!(index.totals().unwrap().queries_with_hits, 2);
}

#[test]
fn an_unknown_length_is_taken_from_the_table() {
    let index = build(&[input("q1", 0)], &[line("q1", "A", (1, 50), "1", "20")]).index();
    assert_eq!(
        (
            index.query(0).unwrap().letters,
            index.hsps(0, 0, 0, 1).unwrap().subject.coverage
        ),
        (100, 50)
    );
}

#[test]
fn several_tables_are_read_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = IndexBuilder::create(&folder.path().join("hits"), &meta()).unwrap();
    builder
        .add_queries([input("q1", 100), input("q2", 100)])
        .unwrap();
    for row in [
        line("q1", "A", (1, 10), "1", "20"),
        line("q2", "A", (1, 10), "1", "20"),
    ] {
        builder.read_tabular(row.text().as_bytes()).unwrap();
    }
    assert_eq!(builder.finish().unwrap().hits, 2);
}

#[test]
fn no_hits_at_all_are_an_index_too() {
    let built = build(&[input("q1", 100)], &[]);
    assert_eq!(
        built.totals,
        Totals {
            queries: 1,
            ..Totals::default()
        }
    );
    assert_eq!(built.index().first_with_hits().unwrap(), 0);
    assert_eq!(built.index().queries("", true, 0, 10).unwrap().filtered, 0);
}

#[test]
fn a_row_that_is_not_understood_is_named_and_leaves_nothing_behind() {
    let good = line("q1", "A", (1, 10), "1e-5", "40").text();
    let cut = good.trim_end().to_owned();
    for (bad, why) in [
        (
            good.replace("1e-5", "small"),
            "evalue is \"small\", which is no number",
        ),
        (
            good.replace("\t900\t", "\tx\t"),
            "slen is \"x\", which is no whole number",
        ),
        (good.replace("1e-5", "inf"), "not finite"),
        (
            good.replace("ACGTACGTAC\tACGT", "ACGT\tACGT"),
            "has 4 and 10 letters instead of 10",
        ),
        ("q1\tA\n".to_owned(), "ends before the column saccver"),
        (
            good.replacen("q1", "stranger", 1),
            "\"stranger\" is not in the query file",
        ),
        (cut, "cut off"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let error = try_build(
            &folder.path().join("hits"),
            &[input("q1", 100)],
            &format!("{good}{bad}"),
        )
        .unwrap_err();
        assert!(
            matches!(error, ResultsError::Row { row: 2, .. }) && error.to_string().contains(why),
            "{error}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_builder_that_fails_leaves_the_older_index_as_it_was() {
    let built = sample();
    assert!(
        try_build(
            &built.path(),
            &[],
            &line("q", "A", (1, 10), "1", "1").text()
        )
        .is_err()
    );
    assert_eq!(built.index().totals().unwrap(), built.totals);
    try_build(&built.path(), &[input("q", 100)], "").unwrap();
    assert_eq!(built.index().totals().unwrap().queries, 1);
}
