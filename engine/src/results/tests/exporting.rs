//! From an index to tables and FASTA.

use super::*;

#[test]
fn a_table_for_spreadsheets_quotes_and_disarms_its_cells() {
    let row = Line {
        title: "=cmd|\"x\", y",
        ..line("q1", "A", (1, 10), "2e-41", "40.5")
    };
    let index = build(&[input("q1", 100)], &[row]).index();
    let mut text = String::new();
    index
        .descriptions_csv(None, |piece| {
            text.push_str(piece);
            Ok(())
        })
        .unwrap();
    assert_eq!(
        text.lines().nth(1),
        Some("q1,A,A.1,\"'=cmd|\"\"x\"\", y\",,,900,40.5,40.5,10,2e-41,100.000,1")
    );
    let mut text = String::new();
    index
        .hsps_csv(Some(0), |piece| {
            text.push_str(piece);
            Ok(())
        })
        .unwrap();
    assert_eq!(
        text.lines().nth(1),
        Some("q1,A,A.1,100.000,10,10,10,0,0,0,1,10,1,10,1,1,2e-41,40.5,50")
    );
    assert!(text.lines().all(|row| row.split(',').count() == 19) && text.lines().count() == 2);
    assert!(matches!(
        index.hsps_csv(Some(5), |_| Ok(())),
        Err(ResultsError::NoQuery(5))
    ));
}

#[test]
fn a_reader_that_goes_away_ends_the_writing() {
    let index = sample().index();
    let mut pieces = 0;
    let stopped = index.descriptions_csv(None, |_| {
        pieces += 1;
        if pieces > 3 {
            Err(std::io::ErrorKind::BrokenPipe.into())
        } else {
            Ok(())
        }
    });
    assert!(matches!(stopped, Err(ResultsError::Io(_))) && pieces == 4);
}

#[test]
fn fasta_of_chosen_subjects_has_positions_and_strand() {
    let index = sample().index();
    let fasta = |query: u64, chosen: &[u64]| {
        let mut text = String::new();
        index
            .aligned_fasta(query, chosen, |piece| {
                text.push_str(piece);
                Ok(())
            })
            .map(|()| text)
    };
    assert_eq!(
        fasta(2, &[]).unwrap(),
        ">A.1:11-20 strand=minus a title\nACGTACGTAC\n"
    );
    let two = fasta(0, &[1, 0, 1]).unwrap();
    let headers: Vec<&str> = two.lines().filter(|line| line.starts_with('>')).collect();
    assert_eq!(
        headers,
        [
            ">B.1:1-60 strand=plus a title",
            ">B.1:41-80 strand=plus a title",
            ">A.1:1-100 strand=plus a title"
        ]
    );
    assert_eq!(two.lines().filter(|line| line.len() > 60).count(), 0);
    assert!(matches!(
        fasta(0, &[9]),
        Err(ResultsError::NoSubject { .. })
    ));
}
