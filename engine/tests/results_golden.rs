//! Hits, alignments and figures against BLAST+'s own, for all five programs.
//!
//! The sequences in `golden/` are invented. `golden/*.tsv` are BLAST+ 2.12's tables of them and
//! `golden/*.txt` what this project draws from those, for a biologist to read; `UPDATE_GOLDEN=1`
//! writes both anew. The other tests run BLAST+ and compare with what it prints itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use elb_core::hits::{
    Drawing, Hsp, TABULAR_FIELDS, WIDTH,
    alignment::{heading, to_text},
    page::{AlignmentPage, DescriptionsRequest, IndexMeta},
    render_blocks,
};
use elb_engine::results::{IndexBuilder, QueryInput, ResultsIndex};
use tempfile::TempDir;

/// A search of the golden sequences.
struct Search {
    program: &'static str,
    query: &'static str,
    database: &'static str,
    options: &'static [&'static str],
}

const SEARCHES: [Search; 5] = [
    Search {
        program: "blastn",
        query: "nucleotide_queries.fa",
        database: "genes.fa",
        // Cheap gaps and a long reach, for an insertion longer than a line.
        options: &[
            "-task",
            "blastn",
            "-gapopen",
            "2",
            "-gapextend",
            "2",
            "-xdrop_gap_final",
            "500",
            "-dust",
            "no",
        ],
    },
    Search {
        program: "blastp",
        query: "protein_queries.fa",
        database: "proteins.fa",
        options: &["-seg", "no", "-evalue", "0.1"],
    },
    Search {
        program: "blastx",
        query: "nucleotide_queries.fa",
        database: "proteins.fa",
        options: &["-seg", "no", "-evalue", "0.1"],
    },
    Search {
        program: "tblastn",
        query: "protein_queries.fa",
        database: "genes.fa",
        options: &["-seg", "no", "-evalue", "0.1"],
    },
    Search {
        program: "tblastx",
        query: "nucleotide_queries.fa",
        database: "genes.fa",
        options: &["-seg", "no", "-evalue", "0.1"],
    },
];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn is_protein(file: &str) -> bool {
    !matches!(file, "genes.fa" | "nucleotide_queries.fa")
}

fn run(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).output();
    let out = out.unwrap_or_else(|error| {
        panic!("{program} of NCBI BLAST+ is needed for this test: {error}")
    });
    assert!(
        out.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

/// An archive of BLAST+ that can be printed in any format.
struct Archive {
    folder: TempDir,
}

impl Archive {
    fn of(program: &str, query: &str, database: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let kind = if is_protein(database) { "prot" } else { "nucl" };
        let sequences = golden().join(database).display().to_string();
        run(
            "makeblastdb",
            &[
                "-in",
                &sequences,
                "-dbtype",
                kind,
                "-parse_seqids",
                "-out",
                &path("database"),
            ],
        );
        let query = golden().join(query).display().to_string();
        let mut arguments = vec!["-query", &query, "-outfmt", "11"];
        let (database, archive) = (path("database"), path("archive"));
        arguments.extend(["-db", &database, "-out", &archive]);
        arguments.extend(options);
        run(program, &arguments);
        Self { folder }
    }

    fn print(&self, format: &str) -> String {
        let archive = self.folder.path().join("archive").display().to_string();
        run(
            "blast_formatter",
            &["-archive", &archive, "-outfmt", format],
        )
    }

    fn table(&self) -> String {
        self.print(&format!("6 {TABULAR_FIELDS}"))
    }
}

fn queries(file: &str) -> Vec<QueryInput> {
    let text = fs::read_to_string(golden().join(file)).unwrap();
    let records = text
        .split('>')
        .skip(1)
        .map(|record| record.split_once('\n').unwrap());
    let letters = |lines: &str| lines.bytes().filter(u8::is_ascii_graphic).count() as u64;
    records
        .map(|(header, lines)| {
            let (id, title) = header.split_once(' ').unwrap();
            QueryInput {
                id: id.to_owned(),
                title: title.to_owned(),
                letters: letters(lines),
            }
        })
        .collect()
}

/// What the index holds of a table: a page of alignments for each query.
fn indexed(program: &str, matrix: Option<&str>, query: &str, table: &str) -> Vec<AlignmentPage> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hits.sqlite");
    let meta = IndexMeta {
        program: program.to_owned(),
        matrix: matrix.map(str::to_owned),
    };
    let mut builder = IndexBuilder::create(&path, &meta).unwrap();
    builder.add_queries(queries(query)).unwrap();
    builder.read_tabular(table.as_bytes()).unwrap();
    let totals = builder.finish().unwrap();
    let index = ResultsIndex::open(&path).unwrap();
    let page = |ordinal: u64| {
        index
            .alignments(ordinal, &DescriptionsRequest::default(), 500)
            .unwrap()
    };
    (0..totals.queries).map(page).collect()
}

fn matrix_of(program: &str) -> Option<&'static str> {
    (program != "blastn").then_some("BLOSUM62")
}

fn drawn(hsp: &Hsp, meta: &IndexMeta) -> String {
    let blocks = render_blocks(hsp, meta.drawing(), WIDTH);
    format!("{}\n{}", heading(hsp, meta.drawing()), to_text(&blocks))
}

fn drawn_whole(pages: &[AlignmentPage]) -> String {
    let mut text = String::new();
    for page in pages {
        let query = &page.query;
        text.push_str(&format!(
            "Query= {} {}\nLength={}, {} hits\n\n",
            query.id, query.title, query.letters, query.hits
        ));
        for found in &page.subjects {
            let subject = &found.subject;
            text.push_str(&format!(
                ">{} {}\nLength={}, query coverage {}%\n\n",
                subject.accession, subject.title, subject.length, subject.coverage
            ));
            for hsp in &found.hsps {
                text.push_str(&drawn(hsp, &page.meta));
                text.push('\n');
            }
        }
    }
    text
}

/// Lines of a text that show something, without what our table of hits cannot tell: how many HSPs
/// `Expect` counts together and how the statistics were adjusted.
fn lines(text: &str) -> Vec<String> {
    let plain = |line: &str| {
        let line = line
            .split(", Method:")
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned();
        match (line.find("Expect("), line.find(") =")) {
            (Some(from), Some(to)) if from < to => {
                format!("{}Expect{}", &line[..from], &line[to + 1..])
            }
            _ => line,
        }
    };
    text.lines()
        .map(plain)
        .filter(|line| !line.is_empty())
        .collect()
}

/// The lines of each HSP in BLAST+'s pairwise report.
fn pairwise(report: &str) -> Vec<Vec<String>> {
    let mut hsps: Vec<Vec<String>> = Vec::new();
    let mut inside = false;
    for line in lines(report) {
        if line.starts_with(" Score = ") {
            hsps.push(Vec::new());
            inside = true;
        } else if line.starts_with(['>', 'L']) || line.starts_with("Query=") {
            inside = false;
        }
        if let Some(hsp) = hsps.last_mut().filter(|_| inside) {
            hsp.push(line);
        }
    }
    hsps
}

/// Every HSP, line by line, is what BLAST+ prints; gives their number.
fn equals_pairwise(pages: &[AlignmentPage], report: &str) -> usize {
    let ours: Vec<Vec<String>> = pages
        .iter()
        .flat_map(|page| {
            page.subjects
                .iter()
                .flat_map(|found| &found.hsps)
                .map(|hsp| lines(&drawn(hsp, &page.meta)))
        })
        .collect();
    let theirs = pairwise(report);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(ours.len(), theirs.len());
    }
    assert_eq!(ours.len(), theirs.len());
    ours.len()
}

fn compare(file: &str, text: &str) {
    let path = golden().join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    for (number, (ours, kept)) in text.lines().zip(kept.lines()).enumerate() {
        assert_eq!(ours, kept, "{file}, line {}", number + 1);
    }
    assert_eq!(text.len(), kept.len(), "{file}");
}

#[test]
fn the_drawn_alignments_are_those_that_a_biologist_has_read() {
    for search in &SEARCHES {
        let file = golden().join(format!("{}.tsv", search.program));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let archive = Archive::of(
                search.program,
                search.query,
                search.database,
                search.options,
            );
            fs::write(&file, archive.table()).unwrap();
        }
        let table = fs::read_to_string(&file).unwrap();
        let pages = indexed(
            search.program,
            matrix_of(search.program),
            search.query,
            &table,
        );
        compare(&format!("{}.txt", search.program), &drawn_whole(&pages));
    }
}

/// The golden alignments would prove little without these.
#[test]
fn the_golden_alignments_hold_gaps_and_every_direction() {
    let text = |program: &str| fs::read_to_string(golden().join(format!("{program}.txt"))).unwrap();
    let blastn = text("blastn");
    assert!(blastn.contains("Strand=Plus/Minus") && blastn.contains("Strand=Plus/Plus"));
    assert!(
        blastn
            .lines()
            .any(|line| line.trim_end_matches('-').trim_end() == "Query"),
        "no line of gaps alone"
    );
    for (program, direction) in [
        ("blastx", "Frame = -"),
        ("tblastn", "Frame = -"),
        ("tblastx", "/-"),
        ("tblastx", "Frame = -"),
    ] {
        assert!(
            text(program).contains(direction),
            "{program} has no {direction}"
        );
    }
    for program in ["blastn", "blastp", "blastx", "tblastn"] {
        assert!(
            text(program)
                .lines()
                .any(|line| line.starts_with("Query  ") && line.contains('-')),
            "{program} has no gap"
        );
        assert!(
            text(program).contains("0 hits"),
            "{program}: every query has hits"
        );
    }
}

#[test]
fn alignments_and_headings_are_blasts_own_line_by_line() {
    for search in &SEARCHES {
        let archive = Archive::of(
            search.program,
            search.query,
            search.database,
            search.options,
        );
        let pages = indexed(
            search.program,
            matrix_of(search.program),
            search.query,
            &archive.table(),
        );
        let hsps = equals_pairwise(&pages, &archive.print("0"));
        assert!(hsps >= 5, "{} finds {hsps}", search.program);
    }
}

#[test]
fn coverage_identity_and_counts_are_blasts_own() {
    for search in &SEARCHES {
        let archive = Archive::of(
            search.program,
            search.query,
            search.database,
            search.options,
        );
        let pages = indexed(
            search.program,
            matrix_of(search.program),
            search.query,
            &archive.table(),
        );
        let theirs = archive
            .print("6 qseqid saccver qcovs pident nident positive length mismatch gapopen gaps");
        let mut ours = String::new();
        for page in &pages {
            for found in &page.subjects {
                for hsp in &found.hsps {
                    let columns = hsp.query_letters.bytes().zip(hsp.subject_letters.bytes());
                    assert_eq!(
                        columns.filter(|(left, right)| left == right).count() as u64,
                        hsp.identities
                    );
                    let marks = render_blocks(hsp, page.meta.drawing(), WIDTH)
                        .into_iter()
                        .map(|block| block.midline)
                        .collect::<String>();
                    assert_eq!(
                        marks.bytes().filter(|mark| *mark != b' ').count() as u64,
                        hsp.positives
                    );
                    ours.push_str(&format!(
                        "{}\t{}\t{}\t{:.3}\t{}\t{}\t{}\t{}\t{}\t{}\n",
                        page.query.id,
                        found.subject.accession,
                        found.subject.coverage,
                        hsp.identity(),
                        hsp.identities,
                        hsp.positives,
                        hsp.length,
                        hsp.mismatches,
                        hsp.gap_openings,
                        hsp.gaps
                    ));
                }
            }
        }
        assert_eq!(ours, theirs, "{}", search.program);
    }
}

/// Against the XML report: its midlines agree with BLAST+'s counts of positives. The pairwise report
/// leaves out the `+` of the ambiguous J, which it counts, and prints one between C and U, which it
/// does not count.
#[test]
fn every_pair_of_letters_is_marked_as_blast_counts_it_in_every_matrix() {
    for matrix in [
        "BLOSUM45", "BLOSUM50", "BLOSUM62", "BLOSUM80", "BLOSUM90", "PAM30", "PAM70", "PAM250",
    ] {
        let options = ["-matrix", matrix, "-seg", "no", "-comp_based_stats", "0"];
        let archive = Archive::of("blastp", "letters_query.fa", "letters_subject.fa", &options);
        let pages = indexed("blastp", Some(matrix), "letters_query.fa", &archive.table());
        let report = archive.print("5");
        let mut theirs = report.lines().filter_map(|line| {
            line.trim_start()
                .strip_prefix("<Hsp_midline>")?
                .strip_suffix("</Hsp_midline>")
        });
        let mut pairs = std::collections::HashSet::new();
        for hsp in pages
            .iter()
            .flat_map(|page| &page.subjects)
            .flat_map(|found| &found.hsps)
        {
            let drawing = Drawing::new("blastp", Some(matrix));
            let whole = render_blocks(hsp, drawing, usize::MAX).remove(0);
            let theirs = theirs.next().unwrap();
            let columns = whole.query_line.bytes().zip(whole.subject_line.bytes());
            for ((pair, ours), theirs) in columns.zip(whole.midline.bytes()).zip(theirs.bytes()) {
                assert_eq!(
                    char::from(ours),
                    char::from(theirs),
                    "{matrix}: {}{}",
                    char::from(pair.0),
                    char::from(pair.1)
                );
                pairs.insert(pair);
            }
            assert_eq!(whole.midline.len(), theirs.len());
        }
        assert_eq!(theirs.next(), None);
        assert!(
            pairs.len() > 650,
            "{matrix}: only {} of 729 pairs are aligned",
            pairs.len()
        );
    }
}

/// Most databases of users' own are made without reading identifiers.
#[test]
fn a_database_without_identifiers_shows_its_titles_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (sequences, query) = (
        golden().join("proteins.fa").display().to_string(),
        golden().join("protein_queries.fa").display().to_string(),
    );
    run(
        "makeblastdb",
        &["-in", &sequences, "-dbtype", "prot", "-out", &path("plain")],
    );
    let table = run(
        "blastp",
        &[
            "-query",
            &query,
            "-db",
            &path("plain"),
            "-outfmt",
            &format!("6 {TABULAR_FIELDS}"),
        ],
    );
    let pages = indexed("blastp", Some("BLOSUM62"), "protein_queries.fa", &table);
    let best = &pages[0].subjects[0].subject;
    assert_eq!(
        (best.accession.as_str(), best.title.as_str()),
        ("alpha1", "alpha kinase [Testus primus]")
    );
}
