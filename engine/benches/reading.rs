//! What a reader waits for: a page of the jobs list, a page of results, the checker of a query.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark"
)]

#[path = "table.rs"]
mod table;

use std::{fmt::Write, hint::black_box, io::Cursor, path::Path, time::Duration};

use elb_core::{
    fasta::{Checker, Expect, Limits},
    job::Job,
    list::{ListQuery, SortKey},
    molecule::Molecule,
    phase::Phase,
    search::{Program, SearchOptions, SearchSpec},
    time::Timestamp,
};
use elb_engine::{
    read_model::ReadModel,
    repository::{Lease, Stored},
    results::{DescriptionsRequest, IndexBuilder, IndexMeta, QueryInput, ResultsIndex},
};
use table::{line, ms, rounds, timed};

const ROUNDS: usize = 31;

fn job(number: u64) -> Job {
    let at = Timestamp(1_700_000_000_000 + i64::try_from(number).unwrap() * 1_000);
    Job {
        phase: [Phase::Completed, Phase::Failed, Phase::Running][(number % 3) as usize],
        started_at: Some(at),
        completed_at: Some(at),
        ..Job::new(
            format!("job-{number:08}"),
            "local".to_owned(),
            format!("Search number {number} of gene {}", number % 97),
            SearchSpec {
                program: Program::ALL[(number % 5) as usize],
                task: None,
                database: format!("database_{}", number % 7),
                options: SearchOptions::default(),
            },
            at,
        )
    }
}

fn list(jobs: u64) {
    let model = ReadModel::default();
    for number in 0..jobs {
        let job = job(number);
        model.apply(&Stored {
            job,
            version: 1,
            lease: Lease::default(),
        });
    }
    let now = Timestamp(1_800_000_000_000);
    let page = |query: &ListQuery| {
        rounds(ROUNDS, || {
            black_box(model.list("local", query, now));
        })
    };
    let newest = ListQuery::default();
    line(&format!("list: newest 50 of {jobs}"), &ms(page(&newest)));
    let by_title = ListQuery {
        sort: SortKey::Title,
        ..ListQuery::default()
    };
    line(
        &format!("list: 50 of {jobs} by title"),
        &ms(page(&by_title)),
    );
    // Parts of words that every row has.
    let parts: Vec<&str> = ["database_", "number"]
        .into_iter()
        .flat_map(|word| {
            (3..=word.len())
                .flat_map(move |long| (0..=word.len() - long).map(move |at| &word[at..at + long]))
        })
        .collect();
    let few = |round: usize| format!("9{round}1");
    let all = |round: usize| parts[round % parts.len()].to_owned();
    let kinds: [(&str, &dyn Fn(usize) -> String); 2] = [("few", &few), ("all", &all)];
    for (what, words) in kinds {
        let mut round = 0;
        let first = rounds(ROUNDS, || {
            round += 1;
            black_box(model.list("local", &searching(words(round)), now));
        });
        line(
            &format!("list: first search of {jobs}, {what} found"),
            &ms(first),
        );
        let again = rounds(ROUNDS, || {
            black_box(model.list("local", &searching(words(1)), now));
        });
        line(
            &format!("list: the same once more, {what} found"),
            &ms(again),
        );
    }
    let mut version = 1;
    let change = rounds(ROUNDS, || {
        version += 1;
        let job = job(jobs / 2);
        model.apply(&Stored {
            job,
            version,
            lease: Lease::default(),
        });
    });
    line(&format!("list: one change among {jobs}"), &ms(change));
}

fn searching(words: String) -> ListQuery {
    ListQuery {
        search: words,
        ..ListQuery::default()
    }
}

/// An index of so many queries with so many subjects of one HSP each.
fn index(path: &Path, queries: u64, subjects: u64) -> Duration {
    let letters = "ACGTTGCAAC".repeat(15);
    let meta = IndexMeta {
        program: "blastn".to_owned(),
        matrix: None,
    };
    let mut table = String::new();
    for query in 0..queries {
        for subject in 0..subjects {
            writeln!(
                table,
                "q{query}\tsubject_{subject}\tsubject_{subject}\t150\t1500\t1\t150\t{}\t{}\t1e-{}\t{}.5\t150\t150\t150\t150\t0\t0\t0\t1\t1\tN/A\tN/A\t{letters}\t{letters}\tsubject number {subject}",
                subject + 1, subject + 150, 100 - subject % 90, 300 - subject % 200,
            )
            .unwrap();
        }
    }
    let inputs = (0..queries).map(|query| QueryInput {
        id: format!("q{query}"),
        title: String::new(),
        letters: 150,
    });
    let (time, ()) = timed(|| {
        let mut builder = IndexBuilder::create(path, &meta).unwrap();
        builder.add_queries(inputs).unwrap();
        builder.read_tabular(Cursor::new(&table)).unwrap();
        builder.finish().unwrap();
    });
    time
}

fn results() {
    let folder = tempfile::tempdir().unwrap();
    for (what, queries, subjects) in [
        ("50 HSPs", 1, 50),
        ("500,000 HSPs, 1,000 queries", 1_000, 500),
        ("500,000 HSPs, one query", 1, 500_000),
    ] {
        let path = folder.path().join(format!("{queries}-{subjects}.sqlite"));
        let built = index(&path, queries, subjects);
        line(&format!("results of {what}: made once in"), &ms(built));
        let query = queries / 2;
        let request = DescriptionsRequest {
            limit: 50,
            ..DescriptionsRequest::default()
        };
        // Opened each time, as each request does.
        let open = || ResultsIndex::open(&path).unwrap();
        for (page, time) in [
            (
                "descriptions",
                rounds(ROUNDS, || {
                    black_box(open().descriptions(query, &request).unwrap());
                }),
            ),
            (
                "alignments of 10",
                rounds(ROUNDS, || {
                    let request = DescriptionsRequest {
                        limit: 10,
                        ..request.clone()
                    };
                    black_box(open().alignments(query, &request, 20).unwrap());
                }),
            ),
            (
                "graphic",
                rounds(ROUNDS, || {
                    black_box(open().graphic(query, 50).unwrap());
                }),
            ),
        ] {
            line(&format!("results of {what}: {page}"), &ms(time));
        }
    }
}

fn checker() {
    let mut fasta = String::new();
    for number in 0..20_000 {
        writeln!(
            fasta,
            ">seq_{number} a title\n{}",
            "ACGTTGCAACGTAGCATCAGT\n".repeat(25)
        )
        .unwrap();
    }
    let time = rounds(5, || {
        let mut checker = Checker::new(Expect::Query(Molecule::Nucleotide), Limits::default());
        let mut kept = 0_usize;
        for chunk in fasta.as_bytes().chunks(64 * 1_024) {
            checker.push(chunk, &mut |bytes: &[u8]| kept += bytes.len());
        }
        assert!(
            checker
                .finish(&mut |bytes: &[u8]| kept += bytes.len())
                .is_ok()
        );
        black_box(kept);
    });
    let speed = fasta.len() as f64 / 1e6 / time.as_secs_f64();
    line("FASTA checker", &format!("{speed:.0} MB/s"));
}

fn main() {
    list(10_000);
    list(100_000);
    results();
    checker();
}
