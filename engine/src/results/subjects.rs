//! Which subjects a page shows, as SQL.
//!
//! Owns the conditions and orders. Every statement is bound to the row numbers of one query, so that
//! whatever it sorts or filters, it never touches another query's rows. Values travel as parameters.

use elb_core::hits::{
    QuerySummary, SubjectSummary,
    page::{DEFAULT_ROWS, DescriptionsRequest, MAX_ROWS, SubjectSort},
};
use rusqlite::{Row, types::Value};

/// The words of a text filter that count; more would only make the statement longer.
const MAX_WORDS: usize = 16;

/// The columns that [`subject`] reads; the first is the row number of the query's first subject.
pub(super) const SUBJECT: &str = "SELECT ?1, number, id, accession, title, length, max_score, total_score, coverage, evalue, identity, hsps, taxids, names, first_hsp FROM subjects";

/// A row of [`SUBJECT`], and the number of its first HSP.
pub(super) fn subject(row: &Row<'_>) -> rusqlite::Result<(SubjectSummary, u64)> {
    let (first, number): (u64, u64) = (row.get(0)?, row.get(1)?);
    let summary = SubjectSummary {
        ordinal: number.saturating_sub(first),
        id: row.get(2)?,
        accession: row.get(3)?,
        title: row.get(4)?,
        length: row.get(5)?,
        max_score: row.get(6)?,
        total_score: row.get(7)?,
        coverage: row.get(8)?,
        evalue: row.get(9)?,
        identity: row.get(10)?,
        hsps: row.get(11)?,
        taxids: row.get(12)?,
        names: row.get(13)?,
    };
    Ok((summary, row.get(14)?))
}

/// A query with the row number of its first subject.
#[derive(Debug)]
pub(super) struct FoundQuery {
    pub summary: QuerySummary,
    pub first_subject: u64,
}

/// A limit or an offset as SQLite takes it.
pub(super) fn whole(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Rows of a page: 1 to [`MAX_ROWS`], and the usual number for 0.
pub(super) fn rows(limit: u64) -> u64 {
    if limit == 0 {
        DEFAULT_ROWS
    } else {
        limit.min(MAX_ROWS)
    }
}

/// A pattern for `LIKE … ESCAPE '\'` that contains the text.
pub(super) fn containing(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("%{escaped}%")
}

/// The rows that pass the filter. `?1` is the query's first row number, `?2` the one after its last.
pub(super) fn condition(query: &FoundQuery, request: &DescriptionsRequest) -> (String, Vec<Value>) {
    let mut sql = "number >= ?1 AND number < ?2".to_owned();
    let end = query.first_subject.saturating_add(query.summary.hits);
    let mut values = vec![whole(query.first_subject), whole(end)];
    for word in request.text.split_whitespace().take(MAX_WORDS) {
        values.push(Value::Text(containing(word)));
        let place = values.len();
        let like = format!("LIKE ?{place} ESCAPE '\\'");
        sql.push_str(&format!(
            " AND (title {like} OR accession {like} OR id {like})"
        ));
    }
    for (clause, value) in [
        ("identity >=", request.min_identity),
        ("coverage >=", request.min_coverage),
        ("evalue <=", request.max_evalue),
    ] {
        if let Some(value) = value {
            values.push(Value::Real(value));
            sql.push_str(&format!(" AND {clause} ?{}", values.len()));
        }
    }
    (sql, values)
}

/// The order. The row number comes last, so that equal rows keep BLAST+'s order both ways.
pub(super) fn order(sort: SubjectSort, descending: bool) -> String {
    let column = match sort {
        SubjectSort::Best => return (if descending { "number DESC" } else { "number" }).to_owned(),
        SubjectSort::Evalue => "evalue",
        SubjectSort::MaxScore => "max_score",
        SubjectSort::TotalScore => "total_score",
        SubjectSort::Coverage => "coverage",
        SubjectSort::Identity => "identity",
        SubjectSort::Length => "length",
        SubjectSort::Accession => "accession COLLATE NOCASE",
        SubjectSort::Title => "title COLLATE NOCASE",
    };
    format!("{column}{}, number", if descending { " DESC" } else { "" })
}
