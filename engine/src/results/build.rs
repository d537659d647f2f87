//! Writing the index: queries first, then the table, subject by subject.
//!
//! Owns the aggregation of HSPs into subjects. Memory is bounded by one subject's ranges. The file
//! appears under its name only when it is whole.

use std::{
    collections::HashMap,
    io::{BufRead, Write},
    path::{Path, PathBuf},
};

use elb_core::hits::{coverage, percent};
use flate2::{Compression, write::DeflateEncoder};
use rusqlite::{Connection, params};

use super::{LAYOUT, ResultsError};

const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE queries (
    ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT NOT NULL, letters INTEGER NOT NULL,
    hits INTEGER NOT NULL DEFAULT 0, hsps INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE subjects (
    query INTEGER NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, accession TEXT NOT NULL,
    title TEXT NOT NULL, length INTEGER NOT NULL, max_score REAL NOT NULL, total_score REAL NOT NULL,
    coverage INTEGER NOT NULL, evalue REAL NOT NULL, identity REAL NOT NULL, hsps INTEGER NOT NULL,
    taxids TEXT NOT NULL, names TEXT NOT NULL, PRIMARY KEY (query, ordinal)
) STRICT, WITHOUT ROWID;
CREATE TABLE hsps (
    query INTEGER NOT NULL, subject INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    query_start INTEGER NOT NULL, query_end INTEGER NOT NULL, subject_start INTEGER NOT NULL,
    subject_end INTEGER NOT NULL, evalue REAL NOT NULL, bit_score REAL NOT NULL, length INTEGER NOT NULL,
    identities INTEGER NOT NULL, positives INTEGER NOT NULL, mismatches INTEGER NOT NULL,
    gap_openings INTEGER NOT NULL, gaps INTEGER NOT NULL, query_frame INTEGER NOT NULL,
    subject_frame INTEGER NOT NULL, letters BLOB NOT NULL, PRIMARY KEY (query, subject, ordinal)
) STRICT, WITHOUT ROWID;
";

/// The columns of the table; see `elb_core::hits::TABULAR_FIELDS`.
const COLUMNS: usize = 24;

/// What pages need to know beside the hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexMeta {
    /// Name of the program.
    pub program: String,
    /// Name of the matrix; `None` for blastn.
    pub matrix: Option<String>,
}

/// A query of the search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryInput {
    /// Identifier.
    pub id: String,
    /// Rest of the header.
    pub title: String,
    /// Bases or residues.
    pub letters: u64,
}

/// What the index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Queries.
    pub queries: u64,
    /// Queries with at least one hit.
    pub queries_with_hits: u64,
    /// Subjects, counted per query.
    pub hits: u64,
    /// HSPs.
    pub hsps: u64,
}

/// The subject whose rows are being read.
#[derive(Debug)]
struct OpenSubject {
    query: u64,
    query_letters: u64,
    ordinal: u64,
    id: String,
    accession: String,
    title: String,
    length: u64,
    max_score: f64,
    total_score: f64,
    evalue: f64,
    identity: f64,
    taxids: String,
    names: String,
    ranges: Vec<(u64, u64)>,
}

/// Writes one index.
#[derive(Debug)]
pub struct IndexBuilder {
    connection: Connection,
    draft: PathBuf,
    target: PathBuf,
    queries: HashMap<String, (u64, u64)>,
    totals: Totals,
    open: Option<OpenSubject>,
    subjects_of_query: u64,
    row: u64,
}

impl IndexBuilder {
    /// Begins an index that will appear as `target`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(target: &Path, meta: &IndexMeta) -> Result<Self, ResultsError> {
        let mut draft = target.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let connection = Connection::open(&draft)?;
        // A crash leaves a draft that nobody reads: neither journal nor waiting for the disk is needed
        // until the end.
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "user_version", LAYOUT)?;
        connection.execute_batch("BEGIN")?;
        let mut insert = connection.prepare("INSERT INTO meta VALUES (?1, ?2)")?;
        insert.execute(["program", &meta.program])?;
        if let Some(matrix) = &meta.matrix {
            insert.execute(["matrix", matrix])?;
        }
        drop(insert);
        Ok(Self {
            connection,
            draft,
            target: target.to_owned(),
            queries: HashMap::new(),
            totals: Totals::default(),
            open: None,
            subjects_of_query: 0,
            row: 0,
        })
    }

    /// Adds queries, in the order of the query file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add_queries(&mut self, queries: impl IntoIterator<Item = QueryInput>) -> Result<(), ResultsError> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO queries (ordinal, id, title, letters) VALUES (?1, ?2, ?3, ?4)")?;
        for query in queries {
            let ordinal = self.totals.queries;
            insert.execute(params![ordinal, query.id, query.title, query.letters])?;
            self.queries.insert(query.id, (ordinal, query.letters));
            self.totals.queries += 1;
        }
        Ok(())
    }

    /// Reads a table to its end.
    ///
    /// # Errors
    /// [`ResultsError::Row`] if a row is not understood.
    pub fn read_tabular(&mut self, mut table: impl BufRead) -> Result<(), ResultsError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if table.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            self.row += 1;
            let text = String::from_utf8_lossy(&line);
            self.add_row(text.trim_end_matches(['\n', '\r']))?;
        }
    }

    fn add_row(&mut self, line: &str) -> Result<(), ResultsError> {
        let row = self.row;
        let bad = |why: String| ResultsError::Row { row, why };
        let fields: Vec<&str> = line.splitn(COLUMNS, '\t').collect();
        let Ok(fields) = <[&str; COLUMNS]>::try_from(fields) else {
            return Err(bad(format!("it has not {COLUMNS} columns")));
        };
        let [
            query_id, subject_id, accession, query_length, subject_length, query_start, query_end,
            subject_start, subject_end, evalue, bit_score, length, identities, positives, mismatches,
            gap_openings, gaps, query_frame, subject_frame, taxids, names, query_letters,
            subject_letters, title,
        ] = fields;
        let whole = |text: &str| text.trim().parse::<u64>().map_err(|_| bad(format!("\"{text}\" is no whole number")));
        let real = |text: &str| text.trim().parse::<f64>().map_err(|_| bad(format!("\"{text}\" is no number")));
        let frame = |text: &str| text.trim().parse::<i8>().map_err(|_| bad(format!("\"{text}\" is no frame")));
        let Some(&(query, letters)) = self.queries.get(query_id) else {
            return Err(bad(format!("there is no query \"{query_id}\"")));
        };
        let query_letters_total = if letters == 0 { whole(query_length)? } else { letters };
        let same = self.open.as_ref().is_some_and(|open| open.query == query && open.id == subject_id);
        let (bit_score, evalue) = (real(bit_score)?, real(evalue)?);
        let (identities, length) = (whole(identities)?, whole(length)?);
        if !same {
            let other_query = self.open.as_ref().is_none_or(|open| open.query != query);
            self.close_subject()?;
            if other_query {
                self.subjects_of_query = 0;
            }
            self.open = Some(OpenSubject {
                query,
                query_letters: query_letters_total,
                ordinal: self.subjects_of_query,
                id: subject_id.to_owned(),
                accession: accession.to_owned(),
                title: clean(title, subject_id),
                length: whole(subject_length)?,
                max_score: f64::NEG_INFINITY,
                total_score: 0.0,
                evalue: f64::INFINITY,
                identity: 0.0,
                taxids: present(taxids),
                names: present(names),
                ranges: Vec::new(),
            });
            self.subjects_of_query += 1;
        }
        let (from, to) = (whole(query_start)?, whole(query_end)?);
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let ordinal = open.ranges.len();
        open.ranges.push((from.min(to), from.max(to)));
        open.total_score += bit_score;
        open.evalue = open.evalue.min(evalue);
        if bit_score > open.max_score {
            open.max_score = bit_score;
            open.identity = percent(identities, length);
        }
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(query_letters.as_bytes())?;
        packed.write_all(b"\n")?;
        packed.write_all(subject_letters.as_bytes())?;
        self.connection
            .prepare_cached(
                "INSERT INTO hsps VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
            )?
            .execute(params![
                query, open.ordinal, ordinal, from, to, whole(subject_start)?, whole(subject_end)?, evalue,
                bit_score, length, identities, whole(positives)?, whole(mismatches)?, whole(gap_openings)?,
                whole(gaps)?, frame(query_frame)?, frame(subject_frame)?, packed.finish()?
            ])?;
        self.totals.hsps += 1;
        Ok(())
    }

    fn close_subject(&mut self) -> Result<(), ResultsError> {
        let Some(mut subject) = self.open.take() else {
            return Ok(());
        };
        let hsps = subject.ranges.len() as u64;
        let covered = coverage(&mut subject.ranges, subject.query_letters);
        self.connection
            .prepare_cached(
                "INSERT INTO subjects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?
            .execute(params![
                subject.query, subject.ordinal, subject.id, subject.accession, subject.title, subject.length,
                subject.max_score, subject.total_score, covered, subject.evalue, subject.identity, hsps,
                subject.taxids, subject.names
            ])?;
        self.totals.hits += 1;
        self.totals.queries_with_hits += u64::from(subject.ordinal == 0);
        self.connection
            .prepare_cached("UPDATE queries SET hits = hits + 1, hsps = hsps + ?2 WHERE ordinal = ?1")?
            .execute(params![subject.query, hsps])?;
        Ok(())
    }

    /// Ends the index; it appears under its name.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(mut self) -> Result<Totals, ResultsError> {
        self.close_subject()?;
        self.connection.execute_batch("COMMIT")?;
        self.connection.close().map_err(|(_, error)| error)?;
        std::fs::File::open(&self.draft)?.sync_all()?;
        std::fs::rename(&self.draft, &self.target)?;
        Ok(self.totals)
    }
}

/// BLAST+ writes `N/A` where it knows nothing.
fn present(text: &str) -> String {
    match text.trim() {
        "N/A" | "0" => String::new(),
        other => other.to_owned(),
    }
}

/// One line, without control characters; the identifier where there is no title.
fn clean(title: &str, id: &str) -> String {
    let words: Vec<&str> = title.split(char::is_whitespace).filter(|word| !word.is_empty()).collect();
    match words.join(" ").as_str() {
        "" | "N/A" => id.to_owned(),
        text => elb_core::text::cap(text, 1_000),
    }
}
