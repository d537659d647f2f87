//! From an index to pages.

use super::*;

#[test]
fn queries_without_hits_are_listed_and_can_be_left_out() {
    let index = sample().index();
    let ids = |text: &str, with_hits: bool, offset: u64| {
        let page = index.queries(text, with_hits, offset, 2).unwrap();
        (
            page.queries
                .into_iter()
                .map(|query| query.id)
                .collect::<Vec<_>>(),
            page.filtered,
        )
    };
    assert_eq!(
        ids("", false, 0),
        (vec!["q1".to_owned(), "none".to_owned()], 3)
    );
    assert_eq!(ids("", false, 2), (vec!["q2".to_owned()], 3));
    assert_eq!(
        ids("", true, 0),
        (vec!["q1".to_owned(), "q2".to_owned()], 2)
    );
    assert_eq!(ids("OF Q", true, 1), (vec!["q2".to_owned()], 2));
    assert_eq!(ids("_", false, 0), (vec![], 0));
    assert_eq!(index.first_with_hits().unwrap(), 0);
    assert_eq!(
        index
            .descriptions(1, &DescriptionsRequest::default())
            .unwrap()
            .subjects,
        []
    );
}

#[test]
fn each_order_runs_both_ways_and_keeps_blasts_order_among_equals() {
    let built = sample();
    let sorted = |sort: SubjectSort, descending: bool| {
        built
            .accessions(&DescriptionsRequest {
                sort,
                descending,
                ..DescriptionsRequest::default()
            })
            .concat()
    };
    assert_eq!(
        [
            sorted(SubjectSort::Best, false),
            sorted(SubjectSort::Best, true)
        ],
        ["BAC", "CAB"]
    );
    assert_eq!(
        [
            sorted(SubjectSort::Evalue, false),
            sorted(SubjectSort::Evalue, true)
        ],
        ["BAC", "CAB"]
    );
    assert_eq!(
        [
            sorted(SubjectSort::MaxScore, false),
            sorted(SubjectSort::MaxScore, true)
        ],
        ["CAB", "BAC"]
    );
    assert_eq!(
        [
            sorted(SubjectSort::TotalScore, false),
            sorted(SubjectSort::TotalScore, true)
        ],
        ["CAB", "BAC"]
    );
    assert_eq!(
        [
            sorted(SubjectSort::Coverage, false),
            sorted(SubjectSort::Coverage, true)
        ],
        ["CBA", "ABC"]
    );
    assert_eq!(
        [
            sorted(SubjectSort::Identity, false),
            sorted(SubjectSort::Identity, true)
        ],
        ["CBA", "BAC"]
    );
    assert_eq!(
        [
            sorted(SubjectSort::Length, false),
            sorted(SubjectSort::Length, true)
        ],
        ["BAC", "BAC"]
    );
    assert_eq!(
        [
            sorted(SubjectSort::Accession, false),
            sorted(SubjectSort::Accession, true)
        ],
        ["ABC", "CBA"]
    );
    assert_eq!(
        [
            sorted(SubjectSort::Title, false),
            sorted(SubjectSort::Title, true)
        ],
        ["BAC", "CBA"]
    );
}

#[test]
fn filters_hold_together_and_take_signs_literally() {
    let built = sample();
    let all = DescriptionsRequest::default;
    assert_eq!(
        built.accessions(&DescriptionsRequest {
            text: "zea MAYS".into(),
            ..all()
        }),
        ["C"]
    );
    assert_eq!(
        built.accessions(&DescriptionsRequest {
            text: "100% of_it".into(),
            ..all()
        }),
        ["C"]
    );
    assert_eq!(
        built.accessions(&DescriptionsRequest {
            text: "z_a".into(),
            ..all()
        }),
        [""; 0]
    );
    assert_eq!(
        built.accessions(&DescriptionsRequest {
            min_identity: Some(75.1),
            ..all()
        }),
        ["B", "A"]
    );
    assert_eq!(
        built.accessions(&DescriptionsRequest {
            min_coverage: Some(80.0),
            max_evalue: Some(1e-30),
            ..all()
        }),
        ["B"]
    );
    let page = built
        .index()
        .descriptions(
            0,
            &DescriptionsRequest {
                min_coverage: Some(80.0),
                limit: 1,
                offset: 1,
                ..all()
            },
        )
        .unwrap();
    assert_eq!(
        (
            page.filtered,
            page.subjects[0].id.as_str(),
            page.subjects[0].ordinal
        ),
        (2, "A", 1)
    );
}

#[test]
fn pages_end_where_the_subjects_end() {
    let built = sample();
    assert_eq!(
        built.accessions(&DescriptionsRequest {
            offset: 2,
            limit: 10,
            ..DescriptionsRequest::default()
        }),
        ["C"]
    );
    assert_eq!(
        built.accessions(&DescriptionsRequest {
            offset: u64::MAX,
            ..DescriptionsRequest::default()
        }),
        [""; 0]
    );
    assert_eq!(
        built
            .accessions(&DescriptionsRequest {
                limit: 0,
                ..DescriptionsRequest::default()
            })
            .len(),
        3
    );
    let index = built.index();
    assert_eq!(index.hsps(0, 0, 1, 5).unwrap().hsps.len(), 1);
    assert_eq!(index.hsps(0, 0, 9, 5).unwrap().hsps.len(), 0);
    assert!(matches!(
        index.hsps(0, 3, 0, 5),
        Err(ResultsError::NoSubject {
            query: 0,
            subject: 3
        })
    ));
    assert!(matches!(
        index.hsps(7, 0, 0, 5),
        Err(ResultsError::NoQuery(7))
    ));
    assert_eq!(index.one_subject(0, 3, 5).unwrap().subjects, []);
}

#[test]
fn alignments_come_back_letter_by_letter() {
    let page = sample()
        .index()
        .alignments(2, &DescriptionsRequest::default(), 10)
        .unwrap();
    let hsp = &page.subjects[0].hsps[0];
    assert_eq!(
        (hsp.query_letters.as_str(), hsp.subject_letters.as_str()),
        ("ACGTACGTAC", "ACGTACGTAC")
    );
    assert_eq!(
        (
            hsp.subject_start,
            hsp.subject_end,
            hsp.subject_frame,
            hsp.score
        ),
        (20, 11, -1, 50)
    );
    assert_eq!(
        (
            page.subjects[0].subject.taxids.as_str(),
            page.subjects[0].subject.names.as_str()
        ),
        ("562;561", "Escherichia coli")
    );
    assert_eq!(page.meta, meta());
}

#[test]
fn the_graphic_shows_no_more_subjects_than_asked() {
    let index = sample().index();
    let graphic = index.graphic(0, 2).unwrap();
    let bars: Vec<(u64, usize)> = graphic
        .lanes
        .iter()
        .map(|lane| (lane.ordinal, lane.bars.len()))
        .collect();
    assert_eq!((bars, graphic.query_length), (vec![(0, 2), (1, 1)], 100));
    assert_eq!(index.graphic(1, 100).unwrap().lanes, []);
}

#[test]
fn a_file_that_is_no_index_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hits.sqlite");
    assert!(matches!(
        ResultsIndex::open(&path),
        Err(ResultsError::Missing)
    ));
    std::fs::write(&path, "not a database at all, but long enough to look at").unwrap();
    assert!(matches!(
        ResultsIndex::open(&path),
        Err(ResultsError::Corrupt(_))
    ));
    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE other (x)")
        .unwrap();
    assert!(matches!(
        ResultsIndex::open(&path),
        Err(ResultsError::Corrupt(_))
    ));
    for (layout, newer) in [(99, true), (1, false)] {
        try_build(&path, &[], "").unwrap();
        rusqlite::Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", layout)
            .unwrap();
        let error = ResultsIndex::open(&path).unwrap_err();
        assert_eq!(matches!(error, ResultsError::Newer(99)), newer, "{error}");
        assert_eq!(matches!(error, ResultsError::Older(1)), !newer, "{error}");
    }
}

#[test]
fn a_file_cut_short_is_an_error_and_not_an_empty_page() {
    let built = build(
        &[input("q1", 100)],
        &(0..400)
            .map(|_| line("q1", "A", (1, 100), "1", "20"))
            .collect::<Vec<_>>(),
    );
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(built.path())
        .unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    let read = ResultsIndex::open(&built.path()).and_then(|index| index.hsps(0, 0, 0, 500));
    assert!(matches!(read, Err(ResultsError::Corrupt(_))), "{read:?}");
}
