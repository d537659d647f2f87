//! Tables of the parts of a split database, joined query by query.
//!
//! Owns the order: E-value, then score, then the place in the database, cut at the most subjects that were
//! asked for. Of equal ones BLAST+ puts the last of the database first (2.12, measured), and so does this. Every part has searched the same queries; where they differ, one of them is not whole. Holds
//! the rows of one query.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use super::{
    Asked, OthersError,
    columns::Columns,
    lines::{Bounds, Line, Lines, Unpacked, open},
};

/// The most bytes of one query's rows in all parts (ours).
const MAX_QUERY: usize = 256 << 20;

/// What a table has of one query.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Lines before the rows, without the number of hits.
    pub comments: Vec<String>,
    /// The query: its name and title where comments tell them, else its name.
    pub query: String,
    /// Its rows.
    pub rows: Vec<String>,
}

/// A table, query by query.
pub(super) struct Sections<R> {
    lines: Lines<R>,
    format: u8,
    delimiter: char,
    columns: Columns,
    ahead: Option<Line>,
    /// Queries that the table says it is of.
    processed: u64,
    whole: bool,
}

impl<R: BufRead> Sections<R> {
    pub(super) fn new(reader: R, format: u8, asked: &Asked) -> Self {
        Self {
            lines: Lines::new(reader, format == 7),
            format,
            delimiter: asked.delimiter(format),
            columns: Columns::named(&asked.columns),
            ahead: None,
            processed: 0,
            whole: format != 7,
        }
    }

    fn line(&mut self) -> Result<Option<Line>, OthersError> {
        match self.ahead.take() {
            Some(line) => Ok(Some(line)),
            None => self.lines.next(),
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Section>, OthersError> {
        let mut section = Section::default();
        let (mut begun, mut found, mut bytes) = (false, false, 0);
        while let Some(line) = self.line()? {
            match line {
                Line::Row(row) => {
                    if self.format != 7 {
                        let cut = self.columns.cut(&row, self.delimiter);
                        let query = cut.and_then(|row| row.query().map(str::to_owned));
                        let query = query.map_err(OthersError::Broken)?;
                        if begun && query != section.query {
                            self.ahead = Some(Line::Row(row));
                            return Ok(Some(section));
                        }
                        section.query = query;
                    }
                    begun = true;
                    bytes += row.len();
                    if bytes > MAX_QUERY {
                        return Err(OthersError::NotTold(format!(
                            "one query has more than {} of rows, which is the most that parts of a database are joined of",
                            elb_core::text::bytes(MAX_QUERY as u64)
                        )));
                    }
                    section.rows.push(row);
                }
                comment if found => {
                    self.ahead = Some(comment);
                    return Ok(Some(section));
                }
                Line::End(queries) => {
                    self.processed += queries;
                    self.whole = true;
                }
                Line::Found => (begun, found) = (true, true),
                Line::Query(query) => {
                    self.whole = false;
                    section.comments.push(format!("# Query: {query}"));
                    section.query = query;
                }
                Line::Fields(fields) => {
                    self.columns = Columns::told(&fields);
                    section.comments.push(format!("# Fields: {fields}"));
                }
                Line::Comment(comment) => section.comments.push(comment),
            }
        }
        if !self.whole && !found {
            return Err(cut_off());
        }
        Ok(begun.then_some(section))
    }
}

pub(super) fn cut_off() -> OthersError {
    OthersError::Broken("the table is cut off: the line that ends it is missing".to_owned())
}

/// Names of the queries of a file, in its order.
struct Names(BufReader<File>);

impl Names {
    fn next(&mut self) -> Result<Option<String>, OthersError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.0.read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            if let Some(header) = line.strip_prefix(b">") {
                let header = String::from_utf8_lossy(header);
                let name = header.split_whitespace().next().unwrap_or_default();
                return Ok(Some(name.to_owned()));
            }
        }
    }
}

/// Tables of the same queries against each part.
pub(super) struct Parts {
    parts: Vec<Sections<BufReader<Unpacked>>>,
    ahead: Vec<Option<Section>>,
    names: Option<Names>,
    format: u8,
    most: usize,
}

impl Parts {
    pub(super) fn open<P: AsRef<Path>>(
        paths: &[P],
        queries: Option<&P>,
        format: u8,
        asked: &Asked,
        bounds: &Bounds,
    ) -> Result<Self, OthersError> {
        let mut parts = Vec::new();
        for path in paths {
            let reader = open(path.as_ref(), bounds)?;
            parts.push(Sections::new(reader, format, asked));
        }
        let names = match queries.filter(|_| format != 7) {
            Some(path) => Some(Names(BufReader::new(File::open(path)?))),
            None if format != 7 => {
                return Err(OthersError::NotTold(
                    "the files of its queries (query_batches) are not there, without which tables of the parts of a database cannot be joined".to_owned(),
                ));
            }
            None => None,
        };
        let ahead = parts.iter().map(|_| None).collect();
        Ok(Self {
            parts,
            ahead,
            names,
            format,
            most: asked.most(),
        })
    }

    /// The queries that the parts say they are of; the parts must have been read to their end.
    pub(super) fn processed(&self) -> u64 {
        self.parts.first().map_or(0, |part| part.processed)
    }

    /// The next query, its rows joined.
    pub(super) fn next(&mut self) -> Result<Option<Section>, OthersError> {
        for (part, ahead) in self.parts.iter_mut().zip(&mut self.ahead) {
            if ahead.is_none() {
                *ahead = part.next()?;
            }
        }
        let differ = || {
            let why = "the parts of the database have not searched the same queries in the same order: one of their files is not whole";
            OthersError::Broken(why.to_owned())
        };
        let wanted = match &mut self.names {
            Some(names) => names.next()?,
            None => {
                let first = self.ahead.first().and_then(Option::as_ref);
                first.map(|section| section.query.clone())
            }
        };
        let Some(wanted) = wanted else {
            return if self.ahead.iter().all(Option::is_none) {
                Ok(None)
            } else {
                Err(differ())
            };
        };
        let all = self.names.is_none();
        let mut joined = Section {
            query: wanted,
            ..Section::default()
        };
        let mut rows = Vec::new();
        for (at, ahead) in self.ahead.iter_mut().enumerate() {
            let same = |section: &mut Section| same_query(&section.query, &joined.query);
            let Some(section) = ahead.take_if(same) else {
                if all {
                    return Err(differ());
                }
                continue;
            };
            if joined.comments.is_empty() {
                joined.comments = section.comments;
            }
            let Some(part) = self.parts.get(at) else {
                continue;
            };
            rows.push(subjects(section.rows, &part.columns, part.delimiter)?);
        }
        // Those of the last part first, which a stable order keeps.
        let subjects = rows.into_iter().rev().flatten();
        joined.rows = best(subjects.collect(), self.most);
        Ok(Some(joined))
    }

    pub(super) fn columns(&self) -> Option<&Columns> {
        self.parts
            .iter()
            .map(|part| &part.columns)
            .next_back()
            .filter(|_| self.format == 7)
    }
}

/// BLAST+ takes the mark of a local name away.
fn same_query(told: &str, wanted: &str) -> bool {
    let bare = |name: &str| name.strip_prefix("lcl|").unwrap_or(name).to_owned();
    told == wanted || bare(told) == bare(wanted)
}

/// All rows of one subject in one part.
struct Subject {
    evalue: f64,
    /// Where a table has it: an E-value of 0 and a rounded bit score tell good hits not apart.
    score: f64,
    bits: f64,
    rows: Vec<String>,
}

fn subjects(
    rows: Vec<String>,
    columns: &Columns,
    delimiter: char,
) -> Result<Vec<Subject>, OthersError> {
    let mut subjects: Vec<Subject> = Vec::new();
    let mut open: Option<String> = None;
    for row in rows {
        let told = || {
            let cut = columns.cut(&row, delimiter)?;
            let (evalue, bits) = (cut.real("evalue")?, cut.real("bitscore")?);
            let score = cut.real("score").unwrap_or_default();
            Ok::<_, String>((cut.subject()?.to_owned(), evalue, score, bits))
        };
        let (name, evalue, score, bits) = told().map_err(|why| {
            OthersError::NotTold(format!("the parts of the database cannot be joined: {why}"))
        })?;
        match subjects.last_mut() {
            Some(subject) if open.as_ref() == Some(&name) => {
                subject.evalue = subject.evalue.min(evalue);
                subject.score = subject.score.max(score);
                subject.bits = subject.bits.max(bits);
                subject.rows.push(row);
            }
            _ => subjects.push(Subject {
                evalue,
                score,
                bits,
                rows: vec![row],
            }),
        }
        open = Some(name);
    }
    Ok(subjects)
}

/// The best subjects first; equal ones stay as they are.
fn best(mut subjects: Vec<Subject>, most: usize) -> Vec<String> {
    subjects.sort_by(|one, other| {
        let evalue = one.evalue.total_cmp(&other.evalue);
        let score = other.score.total_cmp(&one.score);
        evalue.then(score).then(other.bits.total_cmp(&one.bits))
    });
    subjects.truncate(most);
    let rows = subjects.into_iter().flat_map(|subject| subject.rows);
    rows.collect()
}
