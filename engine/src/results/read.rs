//! Reading the index: each call answers one page and holds no more than that.
//!
//! Owns the bounds of an answer: rows, and for alignments letters too. Never changes the file. Blocks:
//! callers run it away from the async threads, and open one index per request.

use std::path::Path;

use elb_core::hits::{
    Hsp, QuerySummary, SubjectSummary,
    graphic::{Bar, Graphic, Lane, MAX_BARS, MAX_SUBJECTS},
    page::{
        AlignmentPage, DescriptionsPage, DescriptionsRequest, HspPage, IndexMeta, QueryPage, Totals,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::{
    ResultsError, letters, schema,
    subjects::{FoundQuery, SUBJECT, condition, containing, order, rows, subject, whole},
};

/// The columns of all alignments of one page, after which no further alignment is read: 8 MB of
/// letters, far more than anybody reads.
const PAGE_COLUMNS: u64 = 4 << 20;

/// An index open for reading.
#[derive(Debug)]
pub struct ResultsIndex {
    pub(super) connection: Connection,
}

const QUERY: &str = "SELECT ordinal, id, title, letters, hits, hsps, first_subject";
const HSP: &str = "SELECT query_start, query_end, subject_start, subject_end, evalue, bit_score, score, length, identities, positives, mismatches, gap_openings, gaps, query_frame, subject_frame, letters FROM hsps";

fn query(row: &Row<'_>) -> rusqlite::Result<FoundQuery> {
    let summary = QuerySummary {
        ordinal: row.get(0)?,
        id: row.get(1)?,
        title: row.get(2)?,
        letters: row.get(3)?,
        hits: row.get(4)?,
        hsps: row.get(5)?,
    };
    Ok(FoundQuery {
        summary,
        first_subject: row.get(6)?,
    })
}

fn hsp(row: &Row<'_>) -> Result<Hsp, ResultsError> {
    let length = row.get(7)?;
    let packed = row.get_ref(15)?.as_blob().map_err(rusqlite::Error::from)?;
    let Some((query_letters, subject_letters)) = letters::unpack(packed, length) else {
        return Err(ResultsError::Corrupt(
            "an alignment cannot be unpacked".to_owned(),
        ));
    };
    Ok(Hsp {
        query_start: row.get(0)?,
        query_end: row.get(1)?,
        subject_start: row.get(2)?,
        subject_end: row.get(3)?,
        evalue: row.get(4)?,
        bit_score: row.get(5)?,
        score: row.get(6)?,
        length,
        identities: row.get(8)?,
        positives: row.get(9)?,
        mismatches: row.get(10)?,
        gap_openings: row.get(11)?,
        gaps: row.get(12)?,
        query_frame: row.get(13)?,
        subject_frame: row.get(14)?,
        query_letters,
        subject_letters,
    })
}

impl ResultsIndex {
    /// Opens an index.
    ///
    /// # Errors
    /// [`ResultsError::Missing`], [`ResultsError::Corrupt`], [`ResultsError::Newer`] or
    /// [`ResultsError::Older`].
    pub fn open(path: &Path) -> Result<Self, ResultsError> {
        let connection = schema::open(path)?;
        Ok(Self { connection })
    }

    fn meta_value(&self, key: &str) -> Result<Option<String>, ResultsError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }

    /// What pages need to know beside the hits.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn meta(&self) -> Result<IndexMeta, ResultsError> {
        let program = self.meta_value("program")?;
        Ok(IndexMeta {
            program: program
                .ok_or_else(|| ResultsError::Corrupt("it names no program".to_owned()))?,
            matrix: self.meta_value("matrix")?,
        })
    }

    /// What the pages must say of these hits.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn notes(&self) -> Result<Vec<String>, ResultsError> {
        let sql = "SELECT value FROM meta WHERE key GLOB ?1 ORDER BY key";
        let mut statement = self.connection.prepare_cached(sql)?;
        let notes = statement.query_map([format!("{}*", schema::NOTE)], |row| row.get(0))?;
        Ok(notes.collect::<Result<_, _>>()?)
    }

    /// How much the index holds.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn totals(&self) -> Result<Totals, ResultsError> {
        let number = |key: &str| {
            let value = self.meta_value(key)?.and_then(|value| value.parse().ok());
            value.ok_or_else(|| {
                ResultsError::Corrupt(format!("it does not tell its number of {key}"))
            })
        };
        Ok(Totals {
            queries: number("queries")?,
            queries_with_hits: number("queries_with_hits")?,
            hits: number("hits")?,
            hsps: number("hsps")?,
        })
    }

    /// A page of the queries, in file order: those whose identifier or title contains the text, or
    /// all; `limit` up to [`super::MAX_ROWS`].
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn queries(
        &self,
        text: &str,
        with_hits: bool,
        offset: u64,
        limit: u64,
    ) -> Result<QueryPage, ResultsError> {
        let text = text.trim();
        // Named, since SQLite would rather walk over the queries without hits than use it.
        let table = if with_hits {
            "queries INDEXED BY queries_with_hits"
        } else {
            "queries"
        };
        let mut conditions = if with_hits { "hits > 0" } else { "TRUE" }.to_owned();
        let mut values = Vec::new();
        if !text.is_empty() {
            values.push(containing(text).into());
            conditions.push_str(" AND (id LIKE ?1 ESCAPE '\\' OR title LIKE ?1 ESCAPE '\\')");
        }
        let filtered = match (text.is_empty(), with_hits) {
            (true, false) => self.totals()?.queries,
            (true, true) => self.totals()?.queries_with_hits,
            _ => {
                let sql = format!("SELECT count(*) FROM {table} WHERE {conditions}");
                self.connection
                    .query_row(&sql, params_from_iter(&values), |row| row.get(0))?
            }
        };
        let sql = format!(
            "{QUERY} FROM {table} WHERE {conditions} ORDER BY ordinal LIMIT ?{} OFFSET ?{}",
            values.len() + 1,
            values.len() + 2
        );
        values.extend([whole(rows(limit)), whole(offset)]);
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(&values), query)?;
        let queries = rows
            .map(|row| row.map(|found| found.summary))
            .collect::<Result<_, _>>()?;
        Ok(QueryPage { queries, filtered })
    }

    pub(super) fn find_query(&self, ordinal: u64) -> Result<FoundQuery, ResultsError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("{QUERY} FROM queries WHERE ordinal = ?1"))?;
        let found = statement.query_row([whole(ordinal)], query).optional()?;
        found.ok_or(ResultsError::NoQuery(ordinal))
    }

    /// One query.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`] if there is none.
    pub fn query(&self, ordinal: u64) -> Result<QuerySummary, ResultsError> {
        Ok(self.find_query(ordinal)?.summary)
    }

    /// The first query with hits, or the first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn first_with_hits(&self) -> Result<u64, ResultsError> {
        let sql = "SELECT ordinal FROM queries INDEXED BY queries_with_hits WHERE hits > 0 ORDER BY ordinal LIMIT 1";
        let found = self
            .connection
            .query_row(sql, [], |row| row.get(0))
            .optional()?;
        Ok(found.unwrap_or(0))
    }

    /// A page of one query's subjects.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`] if there is no such query.
    pub fn descriptions(
        &self,
        query: u64,
        request: &DescriptionsRequest,
    ) -> Result<DescriptionsPage, ResultsError> {
        let query = self.find_query(query)?;
        let (subjects, filtered) = self.subjects(&query, request)?;
        Ok(DescriptionsPage {
            query: query.summary,
            subjects: subjects.into_iter().map(|(subject, _)| subject).collect(),
            filtered,
        })
    }

    /// The rows of a page with the number of each first HSP, and how many rows pass the filter.
    fn subjects(
        &self,
        query: &FoundQuery,
        request: &DescriptionsRequest,
    ) -> Result<(Vec<(SubjectSummary, u64)>, u64), ResultsError> {
        let (condition, mut values) = condition(query, request);
        let filtered = if request.is_filtered() {
            let count = format!("SELECT count(*) FROM subjects WHERE {condition}");
            self.connection
                .query_row(&count, params_from_iter(&values), |row| row.get(0))?
        } else {
            query.summary.hits
        };
        if request.offset >= filtered {
            return Ok((Vec::new(), filtered));
        }
        let order = order(request.sort, request.descending);
        let (limit, offset) = (values.len() + 1, values.len() + 2);
        values.extend([whole(rows(request.limit)), whole(request.offset)]);
        // Sorted by number first and read whole after: a sorter that carries every title is several times
        // slower on a query with very many subjects (0.6 s against 0.14 s for 500,000).
        let chosen = format!(
            "SELECT number FROM subjects WHERE {condition} ORDER BY {order} LIMIT ?{limit} OFFSET ?{offset}"
        );
        let sql = format!("{SUBJECT} WHERE number IN ({chosen}) ORDER BY {order}");
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(&values), subject)?;
        Ok((rows.collect::<Result<_, _>>()?, filtered))
    }

    /// The alignments of a page of subjects, up to `hsps` each. A page with very much to show leaves
    /// out alignments towards its end; `subject.hsps` tells how many there are.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`] if there is no such query.
    pub fn alignments(
        &self,
        query: u64,
        request: &DescriptionsRequest,
        hsps: u64,
    ) -> Result<AlignmentPage, ResultsError> {
        let query = self.find_query(query)?;
        let (found, filtered) = self.subjects(&query, request)?;
        let mut columns = 0;
        let mut subjects = Vec::with_capacity(found.len());
        for (subject, first_hsp) in found {
            let hsps = self.hsps_from(first_hsp, subject.hsps.min(rows(hsps)), &mut columns)?;
            subjects.push(HspPage { subject, hsps });
        }
        Ok(AlignmentPage {
            query: query.summary,
            subjects,
            filtered,
            meta: self.meta()?,
        })
    }

    /// One subject with up to `limit` alignments.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`] if there is no such query; no subject is an empty page.
    pub fn one_subject(
        &self,
        query: u64,
        ordinal: u64,
        limit: u64,
    ) -> Result<AlignmentPage, ResultsError> {
        let subjects = match self.hsps(query, ordinal, 0, limit) {
            Ok(page) => vec![page],
            Err(ResultsError::NoSubject { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(AlignmentPage {
            query: self.query(query)?,
            filtered: subjects.len() as u64,
            subjects,
            meta: self.meta()?,
        })
    }

    /// Some HSPs of one subject, in BLAST+'s order.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`] or [`ResultsError::NoSubject`].
    pub fn hsps(
        &self,
        query: u64,
        subject: u64,
        offset: u64,
        limit: u64,
    ) -> Result<HspPage, ResultsError> {
        let found = self.find_query(query)?;
        let (summary, first_hsp) = self.find_subject(&found, subject)?;
        let first = first_hsp.saturating_add(offset);
        let count = summary.hsps.saturating_sub(offset).min(rows(limit));
        let hsps = self.hsps_from(first, count, &mut 0)?;
        Ok(HspPage {
            subject: summary,
            hsps,
        })
    }

    pub(super) fn find_subject(
        &self,
        query: &FoundQuery,
        ordinal: u64,
    ) -> Result<(SubjectSummary, u64), ResultsError> {
        let missing = ResultsError::NoSubject {
            query: query.summary.ordinal,
            subject: ordinal,
        };
        if ordinal >= query.summary.hits {
            return Err(missing);
        }
        let number = query.first_subject.saturating_add(ordinal);
        let mut statement = self
            .connection
            .prepare_cached(&format!("{SUBJECT} WHERE number = ?2"))?;
        let found = statement
            .query_row(params![whole(query.first_subject), whole(number)], subject)
            .optional()?;
        found.ok_or(missing)
    }

    /// So many HSPs from that number on, as far as the page has room; one always has.
    fn hsps_from(
        &self,
        first: u64,
        count: u64,
        columns: &mut u64,
    ) -> Result<Vec<Hsp>, ResultsError> {
        let mut hsps = Vec::new();
        self.each_hsp(first, count, |hsp| {
            *columns = columns.saturating_add(hsp.length);
            hsps.push(hsp);
            Ok(*columns < PAGE_COLUMNS)
        })?;
        Ok(hsps)
    }

    /// Hands over so many HSPs from that number on, one by one, until `take` wants no more.
    pub(super) fn each_hsp(
        &self,
        first: u64,
        count: u64,
        mut take: impl FnMut(Hsp) -> Result<bool, ResultsError>,
    ) -> Result<(), ResultsError> {
        let sql = format!("{HSP} WHERE number >= ?1 AND number < ?2 ORDER BY number");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows =
            statement.query(params![whole(first), whole(first.saturating_add(count))])?;
        while let Some(row) = rows.next()? {
            if !take(hsp(row)?)? {
                break;
            }
        }
        Ok(())
    }

    /// The graphic summary: the first subjects in BLAST+'s order, [`MAX_SUBJECTS`] at most.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`] if there is no such query.
    pub fn graphic(&self, query: u64, subjects: usize) -> Result<Graphic, ResultsError> {
        let query = self.find_query(query)?;
        let most = subjects.min(MAX_SUBJECTS) as u64;
        let end = query
            .first_subject
            .saturating_add(query.summary.hits.min(most));
        let mut found = self.connection.prepare_cached(&format!(
            "{SUBJECT} WHERE number >= ?1 AND number < ?2 ORDER BY number"
        ))?;
        let mut bars = self
            .connection
            .prepare_cached("SELECT query_start, query_end, bit_score FROM hsps WHERE number >= ?1 AND number < ?2 ORDER BY number")?;
        let mut lanes = Vec::new();
        for row in found.query_map(params![whole(query.first_subject), whole(end)], subject)? {
            let (subject, first) = row?;
            let last = first.saturating_add(subject.hsps.min(MAX_BARS as u64));
            let bars = bars.query_map(params![whole(first), whole(last)], |row| {
                Ok(Bar::new(row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
            lanes.push(Lane {
                ordinal: subject.ordinal,
                accession: subject.accession,
                title: subject.title,
                bars: bars.collect::<Result<_, _>>()?,
            });
        }
        Ok(Graphic::new(query.summary.letters, lanes))
    }
}
