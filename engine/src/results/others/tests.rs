//! Sentences about what options ask for, what columns tell, and how tables are joined.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{io::Write, path::PathBuf};

use elb_core::search::{Matrix, Program};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{columns::Columns, *};

fn asked(options: &str) -> Asked {
    let words: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    Asked::of(&words)
}

#[test]
fn the_words_of_options_are_read_with_and_without_quotes() {
    for options in [
        "-evalue 1e-5 -outfmt \"7 delim=; std qlen\" -max_target_seqs 50 -searchsp 1000",
        "-outfmt '7 delim=; std qlen' -penalty -3 -max_target_seqs 50 -searchsp 1000",
        "-outfmt 7 delim=; std qlen -max_target_seqs=50 -searchsp 1000",
    ] {
        let read = asked(options);
        assert_eq!(
            (read.format, read.delimiter(7)),
            (Some(7), ';'),
            "{options}"
        );
        assert_eq!(read.columns, ["std", "qlen"]);
        assert_eq!((read.most(), read.scale), (50, Some("-searchsp")));
    }
    let none = asked("-dbsize 0 -matrix BLOSUM45");
    assert_eq!((none.format, none.scale, none.most()), (None, None, 500));
    assert_eq!(none.matrix, Matrix::parse("BLOSUM45"));
    assert_eq!(none.delimiter(10), ',');
}

#[test]
fn the_format_is_told_by_the_file_before_the_options() {
    for (head, options, format) in [
        ("# BLASTN 2.12.0+\n# Query: a\n", "-outfmt 6", Some(7)),
        ("Blast4-archive ::= {\n", "", Some(11)),
        (
            "<?xml version=\"1.0\"?>\n<!DOCTYPE BlastOutput",
            "",
            Some(5),
        ),
        ("<?xml version=\"1.0\"?>\n<BlastXML2", "", Some(16)),
        ("{\n\"BlastOutput2\": [\n", "", Some(15)),
        ("@HD\tVN:1.2\n", "", Some(17)),
        ("BLASTN 2.12.0+\n\n\nReference", "", Some(0)),
        ("q\ts\t100.0\n", "", Some(6)),
        ("q,s,100.0\n", "-outfmt 10", Some(10)),
        ("", "-outfmt 6", Some(6)),
        ("", "", None),
    ] {
        assert_eq!(kind_of(head, &asked(options)), format, "{head}");
    }
}

fn columns(names: &str) -> Columns {
    let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
    Columns::named(&names)
}

#[test]
fn what_is_missing_for_the_pages_is_named_and_what_follows_from_others_is_not_needed() {
    let missing = columns("std").enough(Program::Blastn).unwrap_err();
    assert!(
        missing.contains("columns qlen slen score qseq sseq,"),
        "{missing}"
    );
    let few =
        columns("sacc qacc qlen slen qstart qend sstart send evalue bitscore score qseq sseq");
    assert!(few.enough(Program::Blastn).is_ok());
    let missing = few.enough(Program::Blastx).unwrap_err();
    assert!(missing.contains("columns positive,"), "{missing}");
    let told = Columns::told(
        "query acc.ver, subject acc.ver, % identity, alignment length, mismatches, gap opens, q. start, q. end, s. start, s. end, evalue, bit score",
    );
    assert_eq!(told, columns("std"));
}

#[test]
fn figures_that_a_table_does_not_have_follow_from_its_letters_and_positions() {
    let columns = columns(
        "qacc sacc qlen slen qstart qend sstart send evalue bitscore score qseq sseq ppos stitle",
    );
    let normal = |program, positions: &str| {
        let row = format!(
            "q\ts\t100\t90\t{positions}\t1e-5\t50.1\t55\tACG--TAC-T\tACGTTTAGGT\t60.0\ta\ttitle"
        );
        let cut = columns.cut(&row, '\t').unwrap();
        cut.normal(program, "the query").unwrap()
    };
    let row = normal(Program::Blastn, "11\t17\t20\t11");
    let expected = "the query\ts\ts\t100\t90\t11\t17\t20\t11\t1e-5\t50.1\t55\t10\t6\t6\t1\t2\t3\t1\t-1\tN/A\tN/A\tACG--TAC-T\tACGTTTAGGT\ta\ttitle";
    assert_eq!(row, expected);
    for (program, positions, frames) in [
        (Program::Blastp, "11\t17\t1\t10", "0\t0"),
        (Program::Blastx, "12\t32\t1\t10", "3\t0"),
        (Program::Blastx, "99\t79\t1\t10", "-2\t0"),
        (Program::Tblastn, "1\t7\t90\t61", "0\t-1"),
        (Program::Tblastx, "1\t30\t3\t32", "1\t3"),
    ] {
        let row = normal(program, positions);
        assert!(row.contains(&format!("\t{frames}\tN/A")), "{row}");
    }
    for wrong in ["q\ts", "q\ts\tx\t90\t1\t2\t3\t4\t0\t1\t1\tA\tA\t1\tt"] {
        let normal = columns.cut(wrong, '\t');
        let normal = normal.and_then(|row| row.normal(Program::Blastn, "q"));
        assert!(normal.is_err(), "{wrong}");
    }
}

fn joined(join: &mut Join, files: &[&str], piece: usize) -> String {
    let mut out = Vec::new();
    for file in files {
        for piece in file.as_bytes().chunks(piece) {
            out.extend(join.push(piece));
        }
        out.extend(join.end_of_file());
    }
    out.extend(join.finish());
    String::from_utf8(out).unwrap()
}

#[test]
fn batches_are_joined_wherever_their_pieces_end() {
    let table = "# BLASTN 2.12.0+\n# Query: a\n# 1 hits found\na\tb\n# BLAST processed 2 queries\n";
    let archive = "Blast4-archive\n  id {\n    local str \"Query_1\"\n  },\n  id {\n    local str \"Query_2\"\n  },\n";
    for piece in 1..60 {
        let mut comments = Join::of(7).unwrap();
        let whole = joined(&mut comments, &[table, table], piece);
        assert_eq!(whole.matches("# Query: a").count(), 2);
        assert_eq!(whole.matches("processed").count(), 1);
        assert!(whole.ends_with("a\tb\n# BLAST processed 4 queries\n"));
        let mut archives = Join::of(11).unwrap();
        let whole = joined(&mut archives, &[archive, archive, archive], piece);
        assert!(whole.starts_with(archive));
        for number in 1..=6 {
            assert_eq!(whole.matches(&format!("\"Query_{number}\"")).count(), 1);
        }
    }
    for format in [0, 5, 14, 15, 16, 17] {
        assert!(Join::of(format).unwrap_err().contains("cannot be joined"));
    }
}

/// Tables of parts, and what is made of them.
struct Tables(TempDir);

impl Tables {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        path
    }

    fn merged(
        &self,
        parts: &[&str],
        queries: Option<&str>,
        options: &str,
    ) -> Result<String, OthersError> {
        let named = parts.iter().enumerate();
        let parts = named.map(|(at, text)| self.file(&format!("part-{at}"), text));
        let batch = BatchFiles {
            parts: parts.collect(),
            queries: queries.map(|text| self.file("queries", text)),
            ends_told: true,
        };
        let (mut out, asked) = (String::new(), asked(options));
        let format = asked.format.unwrap();
        merge_batch(&batch, format, &asked, &CancellationToken::new(), |text| {
            out.push_str(text);
            Ok(())
        })?;
        Ok(out)
    }
}

const OPTIONS: &str = "-outfmt 6 qacc sacc evalue bitscore -max_target_seqs 3";

#[test]
fn parts_are_joined_by_evalue_then_score_then_their_order_and_cut() {
    let first = "q1\ta\t1e-9\t80\nq1\tb\t1e-3\t40\nq1\tb\t1e-8\t20\nq3\tc\t0.0\t900\n";
    let second = "q1\td\t1e-9\t90\nq1\te\t1e-9\t80\nq2\tf\t2\t10\nq3\tg\t0.0\t901\n";
    let queries = ">q1 one\nACGT\n>none\nAC\n>q2\nA\n>q3\nA\n";
    let tables = Tables::new();
    let merged = tables
        .merged(&[first, second], Some(queries), OPTIONS)
        .unwrap();
    let expected = "q1\td\t1e-9\t90\nq1\te\t1e-9\t80\nq1\ta\t1e-9\t80\nq2\tf\t2\t10\nq3\tg\t0.0\t901\nq3\tc\t0.0\t900\n";
    assert_eq!(merged, expected);
    // All rows of a subject stay together, and count as one.
    let more = OPTIONS.replace('3', "4");
    let merged = tables
        .merged(&[first, second], Some(queries), &more)
        .unwrap();
    assert!(merged.contains("q1\ta\t1e-9\t80\nq1\tb\t1e-3\t40\nq1\tb\t1e-8\t20\n"));
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let tables = Tables::new();
    let (first, second) = ("q1\ta\t1e-9\t80\n", "q9\td\t1e-9\t90\n");
    let refused = |parts: &[&str], queries, options| {
        let merged = tables.merged(parts, queries, options);
        merged.unwrap_err().to_string()
    };
    let why = refused(&[first, second], Some(">q1\nA\n"), OPTIONS);
    assert!(why.contains("have not searched the same queries"), "{why}");
    let why = refused(&[first, first], None, OPTIONS);
    assert!(why.contains("query_batches"), "{why}");
    let why = refused(
        &["q1\ta\n", "q1\ta\n"],
        Some(">q1\nA\n"),
        "-outfmt 6 qacc sacc",
    );
    assert!(why.contains("the column evalue"), "{why}");
    let seven = |queries: &[&str], end: &str| {
        let sections = queries.iter().map(|query| {
            format!("# BLASTN 2.12.0+\n# Query: {query}\n# Database: x\n# 0 hits found\n")
        });
        format!("{}{end}", sections.collect::<String>())
    };
    let end = "# BLAST processed 2 queries\n";
    let (both, other) = (seven(&["a", "b"], end), seven(&["a", "c"], end));
    let (short, cut) = (seven(&["a"], end), seven(&["a", "b"], ""));
    assert!(tables.merged(&[&both, &both], None, "-outfmt 7").is_ok());
    for wrong in [&other, &short] {
        let why = refused(&[&both, wrong], None, "-outfmt 7");
        assert!(why.contains("have not searched the same queries"), "{why}");
    }
    let why = refused(&[&both, &cut], None, "-outfmt 7");
    assert!(why.contains("cut off"), "{why}");
}
