//! Writing the index: queries first, then the table, subject by subject.
//!
//! Owns the aggregation of HSPs into subjects. Memory is bounded by one row and one subject's ranges
//! (and eight bytes a query). The file appears under its name only when it is whole.

use std::{
    fs::File,
    io::{BufRead, Read},
    path::{Path, PathBuf},
};

use elb_core::{
    fasta::{Checker, Expect, Limits},
    hits::{
        coverage,
        page::{IndexMeta, Totals},
        percent,
    },
};
use rusqlite::{Connection, params};

use super::{
    ResultsError,
    cursor::QueryCursor,
    letters::Packer,
    schema::{APPLICATION, INDEXES, LAYOUT, NOTE, TABLES},
    table::TableRow,
};

/// A query of the search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryInput {
    /// Identifier.
    pub id: String,
    /// Rest of the header.
    pub title: String,
    /// Bases or residues; 0 if not known before the search.
    pub letters: u64,
}

/// The subject whose rows are being read.
#[derive(Debug)]
struct OpenSubject {
    id: String,
    raw_title: String,
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

impl OpenSubject {
    fn new(row: &TableRow<'_>) -> Self {
        Self {
            id: row.subject_id.to_owned(),
            raw_title: row.raw_title.to_owned(),
            accession: row.accession().to_owned(),
            title: row.title(),
            length: row.subject_length,
            max_score: f64::NEG_INFINITY,
            total_score: 0.0,
            evalue: f64::INFINITY,
            identity: 0.0,
            taxids: row.taxids().to_owned(),
            names: row.names().to_owned(),
            ranges: Vec::new(),
        }
    }

    /// Identifiers may repeat in a database that was made without reading them.
    fn is_of(&self, row: &TableRow<'_>) -> bool {
        self.id == row.subject_id
            && self.length == row.subject_length
            && self.raw_title == row.raw_title
    }

    fn add(&mut self, row: &TableRow<'_>) {
        self.ranges.push(row.query_range());
        self.total_score += row.bit_score;
        self.evalue = self.evalue.min(row.evalue);
        if row.bit_score > self.max_score {
            self.max_score = row.bit_score;
            self.identity = percent(row.identities, row.length);
        }
    }
}

/// A file that is removed again unless it is kept.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
    kept: bool,
}

impl Draft {
    fn beside(target: &Path) -> Result<Self, ResultsError> {
        let mut path = target.as_os_str().to_owned();
        path.push(".new");
        let draft = Self {
            path: path.into(),
            kept: false,
        };
        // One that a crash has left behind.
        match std::fs::remove_file(&draft.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(draft),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing is lost if it stays: the next builder removes it, and nobody reads it.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Writes one index.
#[derive(Debug)]
pub struct IndexBuilder {
    // Before `draft`, so that the file is closed before it is removed.
    connection: Connection,
    draft: Draft,
    target: PathBuf,
    packer: Packer,
    cursor: QueryCursor,
    open: Option<OpenSubject>,
    totals: Totals,
    /// Totals at the first row of the current query.
    before_query: Totals,
    row: u64,
    notes: u64,
}

impl IndexBuilder {
    /// Begins an index that will appear as `target`; one that is there already stays until then.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(target: &Path, meta: &IndexMeta) -> Result<Self, ResultsError> {
        let draft = Draft::beside(target)?;
        let connection = Connection::open(&draft.path)?;
        // A crash leaves a draft that nobody reads: neither journal nor waiting for the disk is needed
        // until the end.
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "application_id", APPLICATION)?;
        connection.pragma_update(None, "user_version", LAYOUT)?;
        connection.execute_batch(TABLES)?;
        connection.execute_batch("BEGIN")?;
        let builder = Self {
            connection,
            draft,
            target: target.to_owned(),
            packer: Packer::new(),
            cursor: QueryCursor::default(),
            open: None,
            totals: Totals::default(),
            before_query: Totals::default(),
            row: 0,
            notes: 0,
        };
        builder.set_meta("program", &meta.program)?;
        if let Some(matrix) = &meta.matrix {
            builder.set_meta("matrix", matrix)?;
        }
        Ok(builder)
    }

    fn set_meta(&self, key: &str, value: &str) -> Result<(), ResultsError> {
        self.connection
            .prepare_cached("INSERT INTO meta VALUES (?1, ?2)")?
            .execute([key, value])?;
        Ok(())
    }

    /// Adds queries, in the order of the query file, those without hits too.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add_queries(
        &mut self,
        queries: impl IntoIterator<Item = QueryInput>,
    ) -> Result<(), ResultsError> {
        let sql = "INSERT INTO queries (ordinal, id, title, letters) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = self.connection.prepare_cached(sql)?;
        for query in queries {
            insert.execute(params![
                self.totals.queries,
                query.id,
                query.title,
                query.letters
            ])?;
            self.cursor.note(&query.id);
            self.totals.queries += 1;
        }
        Ok(())
    }

    /// Adds the queries of a FASTA file, in its order; `beat` is called while it is read.
    ///
    /// # Errors
    /// If the file cannot be read or the index cannot be written.
    pub fn add_query_file(
        &mut self,
        mut file: impl Read,
        mut beat: impl FnMut(),
    ) -> Result<(), ResultsError> {
        let mut checker = Checker::new(Expect::Any, Limits::unlimited());
        let mut buffer = vec![0_u8; 64 * 1_024];
        loop {
            beat();
            let read = file.read(&mut buffer)?;
            let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
                break;
            };
            checker.push(piece, &mut |_: &[u8]| {});
        }
        let report = checker.finish(&mut |_: &[u8]| {});
        self.add_queries(report.records.into_iter().map(|record| QueryInput {
            id: record.id,
            title: record.title,
            letters: record.letters,
        }))
    }

    /// Keeps something that the pages must say of these hits.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add_note(&mut self, note: &str) -> Result<(), ResultsError> {
        let key = format!("{NOTE}{}", self.notes);
        self.notes += 1;
        self.set_meta(&key, note)
    }

    /// Reads a table to its end. Several tables are read as one, in the order of the queries.
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
            let Some(whole) = line.strip_suffix(b"\n") else {
                let (row, why) = (self.row + 1, "the table is cut off in it".to_owned());
                return Err(ResultsError::Row { row, why });
            };
            let text = String::from_utf8_lossy(whole);
            self.add_line(text.trim_end_matches('\r'))?;
        }
    }

    /// Adds one row of a table, without its line end.
    ///
    /// # Errors
    /// [`ResultsError::Row`] if it is not understood.
    pub fn add_line(&mut self, line: &str) -> Result<(), ResultsError> {
        self.row += 1;
        let row = self.row;
        self.add_row(line).map_err(|error| match error {
            ResultsError::Row { why, .. } => ResultsError::Row { row, why },
            other => other,
        })
    }

    fn add_row(&mut self, line: &str) -> Result<(), ResultsError> {
        let row = TableRow::parse(line).map_err(|why| ResultsError::Row { row: 0, why })?;
        let before = (self.cursor.current(), self.cursor.letters());
        let moved = self.cursor.moves_to(&self.connection, &row, line)?;
        if moved {
            self.close_query(before)?;
        }
        if self.open.as_ref().is_some_and(|open| !open.is_of(&row)) {
            self.close_subject(self.cursor.letters())?;
        }
        self.open
            .get_or_insert_with(|| OpenSubject::new(&row))
            .add(&row);
        let letters = self.packer.pack(row.query_letters, row.subject_letters)?;
        self.connection
            .prepare_cached(
                "INSERT INTO hsps VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
            )?
            .execute(params![
                self.totals.hsps,
                row.query_start,
                row.query_end,
                row.subject_start,
                row.subject_end,
                row.evalue,
                row.bit_score,
                row.score,
                row.length,
                row.identities,
                row.positives,
                row.mismatches,
                row.gap_openings,
                row.gaps,
                row.query_frame,
                row.subject_frame,
                letters,
            ])?;
        self.totals.hsps += 1;
        Ok(())
    }

    fn close_subject(&mut self, query_letters: u64) -> Result<(), ResultsError> {
        let Some(mut subject) = self.open.take() else {
            return Ok(());
        };
        self.cursor.close_subject(&subject.id, &subject.raw_title);
        let hsps = subject.ranges.len() as u64;
        let covered = coverage(&mut subject.ranges, query_letters);
        self.connection
            .prepare_cached("INSERT INTO subjects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)")?
            .execute(params![
                self.totals.hits,
                self.totals.hsps - hsps,
                hsps,
                subject.length,
                subject.max_score,
                subject.total_score,
                covered,
                subject.evalue,
                subject.identity,
                subject.accession,
                subject.id,
                subject.taxids,
                subject.names,
                subject.title,
            ])?;
        self.totals.hits += 1;
        Ok(())
    }

    /// Ends the query of that position and length; nothing if there was none.
    fn close_query(&mut self, (ordinal, letters): (Option<u64>, u64)) -> Result<(), ResultsError> {
        let Some(ordinal) = ordinal else {
            return Ok(());
        };
        self.close_subject(letters)?;
        let first = self.before_query;
        self.connection
            .prepare_cached("UPDATE queries SET letters = ?2, first_subject = ?3, hits = ?4, hsps = ?5 WHERE ordinal = ?1")?
            .execute(params![ordinal, letters, first.hits, self.totals.hits - first.hits, self.totals.hsps - first.hsps])?;
        self.totals.queries_with_hits += 1;
        self.before_query = self.totals;
        Ok(())
    }

    /// Ends the index; it appears under its name.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(mut self) -> Result<Totals, ResultsError> {
        self.close_query((self.cursor.current(), self.cursor.letters()))?;
        let totals = self.totals;
        self.set_meta("queries", &totals.queries.to_string())?;
        self.set_meta("queries_with_hits", &totals.queries_with_hits.to_string())?;
        self.set_meta("hits", &totals.hits.to_string())?;
        self.set_meta("hsps", &totals.hsps.to_string())?;
        self.connection.execute_batch(INDEXES)?;
        self.connection.execute_batch("COMMIT")?;
        self.connection.close().map_err(|(_, error)| error)?;
        File::open(&self.draft.path)?.sync_all()?;
        std::fs::rename(&self.draft.path, &self.target)?;
        self.draft.kept = true;
        if let Some(folder) = self
            .target
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            File::open(folder)?.sync_all()?;
        }
        Ok(totals)
    }
}
