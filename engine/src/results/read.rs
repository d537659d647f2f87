//! Reading the index: each call answers one page and holds no more than that.

use std::{io::Read, path::Path};

use elb_core::hits::{
    Hsp, QuerySummary, SubjectSummary,
    graphic::{Bar, Lane},
};
use flate2::read::DeflateDecoder;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params, params_from_iter, types::Value};

use super::{IndexMeta, LAYOUT, ResultsError, layout_of};

/// The most rows of one page.
pub const MAX_ROWS: u64 = 500;

/// What the descriptions are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SubjectSort {
    /// BLAST+'s own order.
    #[default]
    Best,
    /// E-value.
    Evalue,
    /// Best bit score.
    MaxScore,
    /// All bit scores together.
    TotalScore,
    /// Query coverage.
    Coverage,
    /// Percent identity of the best HSP.
    Identity,
    /// Length of the subject.
    Length,
    /// Accession.
    Accession,
    /// Title.
    Title,
}

impl SubjectSort {
    /// All orders, in the order of the table's columns.
    pub const ALL: [Self; 9] = [
        Self::Best,
        Self::Title,
        Self::MaxScore,
        Self::TotalScore,
        Self::Coverage,
        Self::Evalue,
        Self::Identity,
        Self::Accession,
        Self::Length,
    ];

    /// The word in the address.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Evalue => "evalue",
            Self::MaxScore => "max_score",
            Self::TotalScore => "total_score",
            Self::Coverage => "coverage",
            Self::Identity => "identity",
            Self::Length => "length",
            Self::Accession => "accession",
            Self::Title => "title",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == text)
    }

    /// Whether a first click sorts from large to small.
    #[must_use]
    pub const fn descends_first(self) -> bool {
        matches!(self, Self::MaxScore | Self::TotalScore | Self::Coverage | Self::Identity | Self::Length)
    }

    /// The SQL of the order; `ordinal` last, so that equal rows keep BLAST+'s order.
    const fn order(self, descending: bool) -> &'static str {
        match (self, descending) {
            (Self::Best, false) => "ordinal",
            (Self::Best, true) => "ordinal DESC",
            (Self::Evalue, false) => "evalue, ordinal",
            (Self::Evalue, true) => "evalue DESC, ordinal",
            (Self::MaxScore, false) => "max_score, ordinal",
            (Self::MaxScore, true) => "max_score DESC, ordinal",
            (Self::TotalScore, false) => "total_score, ordinal",
            (Self::TotalScore, true) => "total_score DESC, ordinal",
            (Self::Coverage, false) => "coverage, ordinal",
            (Self::Coverage, true) => "coverage DESC, ordinal",
            (Self::Identity, false) => "identity, ordinal",
            (Self::Identity, true) => "identity DESC, ordinal",
            (Self::Length, false) => "length, ordinal",
            (Self::Length, true) => "length DESC, ordinal",
            (Self::Accession, false) => "accession COLLATE NOCASE, ordinal",
            (Self::Accession, true) => "accession COLLATE NOCASE DESC, ordinal",
            (Self::Title, false) => "title COLLATE NOCASE, ordinal",
            (Self::Title, true) => "title COLLATE NOCASE DESC, ordinal",
        }
    }
}

/// Which subjects, in which order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescriptionsRequest {
    /// Order.
    pub sort: SubjectSort,
    /// Direction.
    pub descending: bool,
    /// Words that title, accession or identifier contain.
    pub text: String,
    /// Least percent identity.
    pub min_identity: Option<f64>,
    /// Least percent of the query covered.
    pub min_coverage: Option<f64>,
    /// Largest E-value.
    pub max_evalue: Option<f64>,
    /// Rows to leave out at the beginning.
    pub offset: u64,
    /// Rows wanted, 1 to [`MAX_ROWS`].
    pub limit: u64,
}

impl DescriptionsRequest {
    /// Whether it leaves subjects out.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        !self.text.is_empty() || self.min_identity.is_some() || self.min_coverage.is_some() || self.max_evalue.is_some()
    }

    fn condition(&self, query: u64) -> (String, Vec<Value>) {
        let mut sql = "query = ?".to_owned();
        let mut values = vec![Value::Integer(i64::try_from(query).unwrap_or(i64::MAX))];
        for word in self.text.split_whitespace() {
            sql.push_str(" AND (title LIKE ? ESCAPE '\\' OR accession LIKE ? ESCAPE '\\' OR id LIKE ? ESCAPE '\\')");
            let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            values.extend(std::iter::repeat_n(Value::Text(format!("%{escaped}%")), 3));
        }
        for (clause, value) in [
            (" AND identity >= ?", self.min_identity),
            (" AND coverage >= ?", self.min_coverage),
            (" AND evalue <= ?", self.max_evalue),
        ] {
            if let Some(value) = value {
                sql.push_str(clause);
                values.push(Value::Real(value));
            }
        }
        (sql, values)
    }
}

/// A page of the descriptions.
#[derive(Debug, Clone, PartialEq)]
pub struct DescriptionsPage {
    /// The query.
    pub query: QuerySummary,
    /// The rows.
    pub subjects: Vec<SubjectSummary>,
    /// Subjects that pass the filter.
    pub filtered: u64,
}

/// A page of queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryPage {
    /// The rows.
    pub queries: Vec<QuerySummary>,
    /// Queries that pass the filter.
    pub filtered: u64,
}

/// HSPs of one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct HspPage {
    /// The subject.
    pub subject: SubjectSummary,
    /// Its first HSPs, best first.
    pub hsps: Vec<Hsp>,
}

/// Alignments of several subjects.
#[derive(Debug, Clone, PartialEq)]
pub struct AlignmentPage {
    /// The query.
    pub query: QuerySummary,
    /// The subjects with their alignments.
    pub subjects: Vec<HspPage>,
    /// Subjects that pass the filter.
    pub filtered: u64,
    /// What the drawing needs.
    pub meta: IndexMeta,
}

/// An index open for reading.
#[derive(Debug)]
pub struct ResultsIndex {
    connection: Connection,
}

const SUBJECT: &str = "SELECT ordinal, id, accession, title, length, max_score, total_score, coverage, evalue, identity, hsps, taxids, names FROM subjects";
const QUERY: &str = "SELECT ordinal, id, title, letters, hits, hsps FROM queries";
const HSP: &str = "SELECT query_start, query_end, subject_start, subject_end, evalue, bit_score, length, identities, positives, gaps, query_frame, subject_frame, letters FROM hsps";

fn subject(row: &Row<'_>) -> rusqlite::Result<SubjectSummary> {
    Ok(SubjectSummary {
        ordinal: row.get(0)?,
        id: row.get(1)?,
        accession: row.get(2)?,
        title: row.get(3)?,
        length: row.get(4)?,
        max_score: row.get(5)?,
        total_score: row.get(6)?,
        coverage: row.get(7)?,
        evalue: row.get(8)?,
        identity: row.get(9)?,
        hsps: row.get(10)?,
        taxids: row.get(11)?,
        names: row.get(12)?,
    })
}

fn query(row: &Row<'_>) -> rusqlite::Result<QuerySummary> {
    Ok(QuerySummary {
        ordinal: row.get(0)?,
        id: row.get(1)?,
        title: row.get(2)?,
        letters: row.get(3)?,
        hits: row.get(4)?,
        hsps: row.get(5)?,
    })
}

fn hsp(row: &Row<'_>) -> rusqlite::Result<Hsp> {
    let packed: Vec<u8> = row.get(12)?;
    let mut letters = String::new();
    let unpacked = DeflateDecoder::new(packed.as_slice()).read_to_string(&mut letters);
    unpacked.map_err(|error| rusqlite::Error::FromSqlConversionFailure(12, rusqlite::types::Type::Blob, error.into()))?;
    let (query_letters, subject_letters) = letters.split_once('\n').unwrap_or_default();
    Ok(Hsp {
        query_start: row.get(0)?,
        query_end: row.get(1)?,
        subject_start: row.get(2)?,
        subject_end: row.get(3)?,
        evalue: row.get(4)?,
        bit_score: row.get(5)?,
        length: row.get(6)?,
        identities: row.get(7)?,
        positives: row.get(8)?,
        gaps: row.get(9)?,
        query_frame: row.get(10)?,
        subject_frame: row.get(11)?,
        query_letters: query_letters.to_owned(),
        subject_letters: subject_letters.to_owned(),
    })
}

impl ResultsIndex {
    /// Opens an index.
    ///
    /// # Errors
    /// [`ResultsError::Unreadable`] or [`ResultsError::Layout`].
    pub fn open(path: &Path) -> Result<Self, ResultsError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        match layout_of(&connection)? {
            LAYOUT => Ok(Self { connection }),
            other => Err(ResultsError::Layout(other)),
        }
    }

    /// What pages need to know beside the hits.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn meta(&self) -> Result<IndexMeta, ResultsError> {
        let value = |key: &str| {
            let sql = "SELECT value FROM meta WHERE key = ?1";
            self.connection.query_row(sql, [key], |row| row.get::<_, String>(0)).optional()
        };
        Ok(IndexMeta {
            program: value("program")?.unwrap_or_default(),
            matrix: value("matrix")?,
        })
    }

    /// A page of the queries, in file order.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn queries(&self, text: &str, with_hits: bool, offset: u64, limit: u64) -> Result<QueryPage, ResultsError> {
        let escaped = text.trim().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let pattern = format!("%{escaped}%");
        let condition = "(id LIKE ?1 ESCAPE '\\' OR title LIKE ?1 ESCAPE '\\') AND hits >= ?2";
        let least = u8::from(with_hits);
        let filtered = self.connection.query_row(
            &format!("SELECT count(*) FROM queries WHERE {condition}"),
            params![pattern, least],
            |row| row.get(0),
        )?;
        let sql = format!("{QUERY} WHERE {condition} ORDER BY ordinal LIMIT ?3 OFFSET ?4");
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map(params![pattern, least, limit.clamp(1, MAX_ROWS), offset], query)?;
        Ok(QueryPage {
            queries: rows.collect::<Result<_, _>>()?,
            filtered,
        })
    }

    /// One query.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`] if there is none.
    pub fn query(&self, ordinal: u64) -> Result<QuerySummary, ResultsError> {
        let sql = format!("{QUERY} WHERE ordinal = ?1");
        let found = self.connection.query_row(&sql, [ordinal], query).optional()?;
        found.ok_or(ResultsError::NoQuery(ordinal))
    }

    /// The first query with hits, or the first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn first_with_hits(&self) -> Result<u64, ResultsError> {
        let sql = "SELECT ordinal FROM queries WHERE hits > 0 ORDER BY ordinal LIMIT 1";
        let found = self.connection.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(found.unwrap_or(0))
    }

    /// A page of one query's subjects.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`] if there is no such query.
    pub fn descriptions(&self, query: u64, request: &DescriptionsRequest) -> Result<DescriptionsPage, ResultsError> {
        let summary = self.query(query)?;
        let (condition, mut values) = request.condition(query);
        let count = format!("SELECT count(*) FROM subjects WHERE {condition}");
        let filtered = if request.is_filtered() {
            self.connection.query_row(&count, params_from_iter(&values), |row| row.get(0))?
        } else {
            summary.hits
        };
        let order = request.sort.order(request.descending);
        let sql = format!("{SUBJECT} WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?");
        let whole = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        values.extend([whole(request.limit.clamp(1, MAX_ROWS)), whole(request.offset)]);
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(&values), subject)?;
        Ok(DescriptionsPage {
            query: summary,
            subjects: rows.collect::<Result<_, _>>()?,
            filtered,
        })
    }

    /// The alignments of a page of subjects, up to `hsps` each.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`] if there is no such query.
    pub fn alignments(&self, query: u64, request: &DescriptionsRequest, hsps: u64) -> Result<AlignmentPage, ResultsError> {
        let page = self.descriptions(query, request)?;
        let mut subjects = Vec::with_capacity(page.subjects.len());
        for subject in page.subjects {
            let hsps = self.hsps(query, subject.ordinal, hsps)?;
            subjects.push(HspPage { subject, hsps });
        }
        Ok(AlignmentPage {
            query: page.query,
            subjects,
            filtered: page.filtered,
            meta: self.meta()?,
        })
    }

    /// One subject with up to `limit` alignments.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`] if there is no such query; no subject is an empty page.
    pub fn one_subject(&self, query: u64, ordinal: u64, limit: u64) -> Result<AlignmentPage, ResultsError> {
        let summary = self.query(query)?;
        let sql = format!("{SUBJECT} WHERE query = ?1 AND ordinal = ?2");
        let found = self.connection.query_row(&sql, params![query, ordinal], subject).optional()?;
        let mut subjects = Vec::new();
        if let Some(subject) = found {
            let hsps = self.hsps(query, ordinal, limit)?;
            subjects.push(HspPage { subject, hsps });
        }
        Ok(AlignmentPage {
            query: summary,
            filtered: subjects.len() as u64,
            subjects,
            meta: self.meta()?,
        })
    }

    fn hsps(&self, query: u64, subject: u64, limit: u64) -> Result<Vec<Hsp>, ResultsError> {
        let sql = format!("{HSP} WHERE query = ?1 AND subject = ?2 ORDER BY ordinal LIMIT ?3");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![query, subject, limit.clamp(1, MAX_ROWS)], hsp)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The lanes of the graphic summary: the first subjects in BLAST+'s order.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn graphic(&self, query: u64, subjects: usize) -> Result<Vec<Lane>, ResultsError> {
        let sql = "SELECT s.ordinal, s.accession, s.title, h.query_start, h.query_end, h.bit_score \
                   FROM subjects s JOIN hsps h ON h.query = s.query AND h.subject = s.ordinal \
                   WHERE s.query = ?1 AND s.ordinal < ?2 AND h.ordinal < 100 ORDER BY s.ordinal, h.ordinal";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query(params![query, subjects])?;
        let mut lanes: Vec<Lane> = Vec::new();
        while let Some(row) = rows.next()? {
            let ordinal: u64 = row.get(0)?;
            if lanes.last().is_none_or(|lane| lane.ordinal != ordinal) {
                lanes.push(Lane { ordinal, accession: row.get(1)?, title: row.get(2)?, bars: Vec::new() });
            }
            let (from, to): (u64, u64) = (row.get(3)?, row.get(4)?);
            let bar = Bar { start: from.min(to), end: from.max(to), score: row.get(5)? };
            if let Some(lane) = lanes.last_mut() {
                lane.bars.push(bar);
            }
        }
        Ok(lanes)
    }

    /// Every hit as CSV, row by row: one row a subject, all queries, in BLAST+'s order.
    ///
    /// # Errors
    /// If the file cannot be read, or `write` fails.
    pub fn csv(&self, mut write: impl FnMut(&str) -> std::io::Result<()>) -> Result<(), ResultsError> {
        write("query,subject,accession,title,length,max_score,total_score,query_coverage,evalue,identity,hsps,taxids\r\n")?;
        let sql = "SELECT q.id, s.id, s.accession, s.title, s.length, s.max_score, s.total_score, s.coverage, s.evalue, s.identity, s.hsps, s.taxids \
                   FROM subjects s JOIN queries q ON q.ordinal = s.query ORDER BY s.query, s.ordinal";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let texts: [String; 4] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
            let mut line: Vec<String> = texts.iter().map(|text| csv_cell(text)).collect();
            line.push(row.get::<_, u64>(4)?.to_string());
            line.push(row.get::<_, f64>(5)?.to_string());
            line.push(format!("{:.1}", row.get::<_, f64>(6)?));
            line.push(row.get::<_, u64>(7)?.to_string());
            line.push(elb_core::search::options::number(row.get::<_, f64>(8)?));
            line.push(format!("{:.3}", row.get::<_, f64>(9)?));
            line.push(row.get::<_, u64>(10)?.to_string());
            line.push(csv_cell(&row.get::<_, String>(11)?));
            write(&line.join(","))?;
            write("\r\n")?;
        }
        Ok(())
    }

    /// The aligned parts of the subjects as FASTA, gaps removed; of the chosen subjects of a query, or
    /// of all of them. Needs no database.
    ///
    /// # Errors
    /// If the file cannot be read, or `write` fails.
    pub fn aligned_fasta(
        &self,
        query: u64,
        chosen: &[u64],
        mut write: impl FnMut(&str) -> std::io::Result<()>,
    ) -> Result<(), ResultsError> {
        let sql = format!("{SUBJECT} WHERE query = ?1 ORDER BY ordinal");
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map([query], subject)?;
        for subject in rows {
            let subject = subject?;
            if !chosen.is_empty() && !chosen.contains(&subject.ordinal) {
                continue;
            }
            for hsp in self.hsps(query, subject.ordinal, MAX_ROWS)? {
                let letters: String = hsp.subject_letters.chars().filter(|letter| *letter != '-').collect();
                write(&format!(">{}:{}-{} {}\n", subject.id, hsp.subject_start, hsp.subject_end, subject.title))?;
                for line in letters.as_bytes().chunks(70) {
                    write(&String::from_utf8_lossy(line))?;
                    write("\n")?;
                }
            }
        }
        Ok(())
    }
}

/// A cell of a CSV. A text that a spreadsheet would take for a formula gets an apostrophe in front.
fn csv_cell(text: &str) -> String {
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if risky { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}
