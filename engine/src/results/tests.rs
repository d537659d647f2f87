//! Sentences about building an index from a table and reading it page by page.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

mod building;
mod exporting;
mod reading;

/// A row of the table with what the tests vary; the rest follows from it.
#[derive(Clone)]
struct Line {
    query: (&'static str, u64),
    subject: &'static str,
    title: &'static str,
    at: (u64, u64),
    subject_at: (u64, u64),
    evalue: &'static str,
    bits: &'static str,
    identities: u64,
    taxonomy: (&'static str, &'static str),
}

fn line(
    query: &'static str,
    subject: &'static str,
    at: (u64, u64),
    evalue: &'static str,
    bits: &'static str,
) -> Line {
    Line {
        query: (query, 100),
        subject,
        title: "a title",
        at,
        subject_at: (at.0, at.1),
        evalue,
        bits,
        identities: at.1 - at.0 + 1,
        taxonomy: ("N/A", "N/A"),
    }
}

impl Line {
    fn text(&self) -> String {
        let columns = self.at.1 - self.at.0 + 1;
        let letters = "ACGT".repeat(30)[..usize::try_from(columns).unwrap()].to_owned();
        let minus = if self.subject_at.0 > self.subject_at.1 {
            -1
        } else {
            1
        };
        let Self {
            query,
            subject,
            at,
            subject_at,
            evalue,
            bits,
            identities,
            taxonomy,
            title,
        } = self;
        format!(
            "{}\t{subject}\t{subject}.1\t{}\t900\t{}\t{}\t{}\t{}\t{evalue}\t{bits}\t50\t{columns}\t{identities}\t{identities}\t{}\t0\t0\t1\t{minus}\t{}\t{}\t{letters}\t{letters}\t{title}\n",
            query.0,
            query.1,
            at.0,
            at.1,
            subject_at.0,
            subject_at.1,
            columns - identities,
            taxonomy.0,
            taxonomy.1
        )
    }
}

fn meta() -> IndexMeta {
    IndexMeta {
        program: "blastn".to_owned(),
        matrix: None,
    }
}

fn input(id: &str, letters: u64) -> QueryInput {
    QueryInput {
        id: id.to_owned(),
        title: format!("title of {id}"),
        letters,
    }
}

struct Built {
    folder: TempDir,
    totals: Totals,
}

impl Built {
    fn path(&self) -> PathBuf {
        self.folder.path().join("hits.sqlite")
    }

    fn index(&self) -> ResultsIndex {
        ResultsIndex::open(&self.path()).unwrap()
    }

    fn accessions(&self, request: &DescriptionsRequest) -> Vec<String> {
        let page = self.index().descriptions(0, request).unwrap();
        page.subjects
            .into_iter()
            .map(|subject| subject.id)
            .collect()
    }
}

fn try_build(path: &Path, queries: &[QueryInput], table: &str) -> Result<Totals, ResultsError> {
    let mut builder = IndexBuilder::create(path, &meta())?;
    builder.add_queries(queries.iter().cloned())?;
    builder.read_tabular(table.as_bytes())?;
    builder.finish()
}

fn build(queries: &[QueryInput], lines: &[Line]) -> Built {
    let folder = tempfile::tempdir().unwrap();
    let table: String = lines.iter().map(Line::text).collect();
    let totals = try_build(&folder.path().join("hits.sqlite"), queries, &table).unwrap();
    Built { folder, totals }
}

/// Three queries, the second without hits; the first has three subjects, one of them with two HSPs.
fn sample() -> Built {
    let queries = [input("q1", 100), input("none", 100), input("q2", 100)];
    let mut weak = line("q1", "C", (1, 40), "1e-3", "30.5");
    weak.identities = 30;
    weak.title = "Zea mays 100% of_it";
    let mut minus = line("q2", "A", (11, 20), "2e-9", "60.1");
    minus.subject_at = (20, 11);
    minus.taxonomy = ("562;561", "Escherichia coli");
    build(
        &queries,
        &[
            line("q1", "B", (1, 60), "3e-41", "99"),
            line("q1", "B", (41, 80), "5e-10", "70.5"),
            line("q1", "A", (1, 100), "1e-20", "80"),
            weak,
            minus,
        ],
    )
}
