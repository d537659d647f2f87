//! The jobs list as a question and its answer: filters, search, sort and page live in the URL.
//!
//! Owns the query's text form (the same for pages, API and links) and the keyset cursor. Never looks
//! at the store. An unknown or broken value is an error that names it, never silently "all".

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{phase::Status, search::Program, time::Timestamp, view::JobRow};

/// Rows of a page, unless asked otherwise.
pub const DEFAULT_LIMIT: usize = 50;
/// The most rows that one answer holds.
pub const MAX_LIMIT: usize = 200;
/// The longest search text, in characters.
pub const MAX_SEARCH: usize = 200;

/// What the list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortKey {
    /// When it was submitted.
    #[default]
    Created,
    /// Title, letters before case.
    Title,
    /// Program.
    Program,
    /// Database.
    Database,
    /// State.
    Status,
    /// Run time; jobs that never started come last.
    Runtime,
    /// Hits; jobs without results come last.
    Hits,
}

impl SortKey {
    /// All keys, in the order of the table's columns.
    pub const ALL: [Self; 7] = [
        Self::Title,
        Self::Program,
        Self::Database,
        Self::Status,
        Self::Created,
        Self::Runtime,
        Self::Hits,
    ];

    /// The word in the URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Title => "title",
            Self::Program => "program",
            Self::Database => "database",
            Self::Status => "status",
            Self::Runtime => "runtime",
            Self::Hits => "hits",
        }
    }

    /// Whether a first click sorts from large to small.
    #[must_use]
    pub const fn descends_first(self) -> bool {
        matches!(self, Self::Created | Self::Runtime | Self::Hits)
    }
}

/// The question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// Only this status.
    pub status: Option<Status>,
    /// Only this program.
    pub program: Option<Program>,
    /// Only this database.
    pub database: Option<String>,
    /// Words that title, id, program or database contain, whatever their case.
    pub search: String,
    /// Order.
    pub sort: SortKey,
    /// Direction.
    pub descending: bool,
    /// Where the page begins: what an earlier answer gave as `next_cursor`.
    pub cursor: Option<Cursor>,
    /// Rows wanted, 1 to [`MAX_LIMIT`].
    pub limit: usize,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            status: None,
            program: None,
            database: None,
            search: String::new(),
            sort: SortKey::Created,
            descending: true,
            cursor: None,
            limit: DEFAULT_LIMIT,
        }
    }
}

/// The last row of a page: the next one begins after it, whatever was inserted meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// When the last row was submitted.
    pub created_at: Timestamp,
    /// Its id.
    pub id: String,
}

impl Cursor {
    /// The cursor that stands at a row.
    #[must_use]
    pub fn at(row: &JobRow) -> Self {
        Self {
            created_at: row.created_at,
            id: row.id.clone(),
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.created_at.0, self.id)
    }
}

impl std::str::FromStr for Cursor {
    type Err = ListQueryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let broken = || ListQueryError::new("cursor", "is not one that this server gave");
        let (at, id) = text.split_once('.').ok_or_else(broken)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
            return Err(broken());
        }
        Ok(Self {
            created_at: Timestamp(at.parse().map_err(|_| broken())?),
            id: id.to_owned(),
        })
    }
}

/// A parameter of the list that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the parameter \"{parameter}\" {why}")]
pub struct ListQueryError {
    /// Which parameter.
    pub parameter: &'static str,
    /// What is wrong and what is allowed.
    pub why: String,
}

impl ListQueryError {
    fn new(parameter: &'static str, why: impl Into<String>) -> Self {
        Self {
            parameter,
            why: why.into(),
        }
    }
}

impl ListQuery {
    /// Reads the parameters of a URL. Unknown names are left to the caller (pages have others too).
    ///
    /// # Errors
    /// The first parameter whose value is not allowed, with what is.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ListQueryError> {
        let mut query = Self::default();
        let mut direction = None;
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            match name {
                "status" => query.status = Some(parse_status(value)?),
                "program" => query.program = Some(parse_program(value)?),
                "database" => query.database = Some(value.chars().take(MAX_SEARCH).collect()),
                "q" => query.search = value.trim().chars().take(MAX_SEARCH).collect(),
                "sort" => query.sort = parse_sort(value)?,
                "dir" => direction = Some(parse_direction(value)?),
                "cursor" => query.cursor = Some(value.parse()?),
                "limit" => query.limit = parse_limit(value)?,
                _ => {}
            }
        }
        query.descending = direction.unwrap_or_else(|| query.sort.descends_first());
        Ok(query)
    }

    /// The parameters that differ from the default, in a fixed order.
    #[must_use]
    pub fn to_pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        if let Some(status) = self.status {
            pairs.push(("status", status.as_str().to_owned()));
        }
        if let Some(program) = self.program {
            pairs.push(("program", program.as_str().to_owned()));
        }
        if let Some(database) = &self.database {
            pairs.push(("database", database.clone()));
        }
        if !self.search.is_empty() {
            pairs.push(("q", self.search.clone()));
        }
        if self.sort != SortKey::Created {
            pairs.push(("sort", self.sort.as_str().to_owned()));
        }
        if self.descending != self.sort.descends_first() {
            pairs.push((
                "dir",
                if self.descending { "desc" } else { "asc" }.to_owned(),
            ));
        }
        if self.limit != DEFAULT_LIMIT {
            pairs.push(("limit", self.limit.to_string()));
        }
        if let Some(cursor) = &self.cursor {
            pairs.push(("cursor", cursor.to_string()));
        }
        pairs
    }

    /// A link to this list under `path`.
    #[must_use]
    pub fn href(&self, path: &str) -> String {
        let pairs = self.to_pairs();
        if pairs.is_empty() {
            return path.to_owned();
        }
        let mut link = format!("{path}?");
        for (position, (name, value)) in pairs.iter().enumerate() {
            if position > 0 {
                link.push('&');
            }
            link.push_str(name);
            link.push('=');
            percent_encode(value, &mut link);
        }
        link
    }

    /// Whether a filter or a search narrows the list.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        self.status.is_some()
            || self.program.is_some()
            || self.database.is_some()
            || !self.search.is_empty()
    }

    /// The words of the search in lower case. A row is found by each of them that its title, id, database
    /// or program contains, whatever the case; it must be found by all.
    #[must_use]
    pub fn search_words(&self) -> Vec<String> {
        let words = self.search.split_whitespace();
        words.map(str::to_lowercase).collect()
    }
}

/// Appends `text`, percent-encoded for a query string (RFC 3986 unreserved characters stay).
pub fn percent_encode(text: &str, out: &mut String) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

fn parse_status(value: &str) -> Result<Status, ListQueryError> {
    Status::parse_listed(value).ok_or_else(|| {
        ListQueryError::new(
            "status",
            "must be queued, running, completed, failed or cancelled",
        )
    })
}

fn parse_program(value: &str) -> Result<Program, ListQueryError> {
    Program::parse(value).ok_or_else(|| {
        ListQueryError::new(
            "program",
            "must be blastn, blastp, blastx, tblastn or tblastx",
        )
    })
}

fn parse_sort(value: &str) -> Result<SortKey, ListQueryError> {
    SortKey::ALL
        .into_iter()
        .find(|key| key.as_str() == value)
        .ok_or_else(|| {
            ListQueryError::new(
                "sort",
                "must be created, title, program, database, status, runtime or hits",
            )
        })
}

fn parse_direction(value: &str) -> Result<bool, ListQueryError> {
    match value {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(ListQueryError::new("dir", "must be asc or desc")),
    }
}

fn parse_limit(value: &str) -> Result<usize, ListQueryError> {
    value
        .parse()
        .ok()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| ListQueryError::new("limit", format!("must be 1 to {MAX_LIMIT}")))
}

/// How many jobs there are of each status, under the other filters of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// All that are listed.
    pub all: u64,
    /// Waiting.
    pub queued: u64,
    /// Being worked on.
    pub running: u64,
    /// With results.
    pub completed: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Stopped by a person.
    pub cancelled: u64,
}

impl Totals {
    /// The total of one status.
    #[must_use]
    pub const fn of(&self, status: Status) -> u64 {
        match status {
            Status::Queued => self.queued,
            Status::Running => self.running,
            Status::Completed => self.completed,
            Status::Failed => self.failed,
            Status::Cancelled => self.cancelled,
            Status::Deleted => 0,
        }
    }

    fn slot(&mut self, status: Status) -> Option<&mut u64> {
        Some(match status {
            Status::Queued => &mut self.queued,
            Status::Running => &mut self.running,
            Status::Completed => &mut self.completed,
            Status::Failed => &mut self.failed,
            Status::Cancelled => &mut self.cancelled,
            Status::Deleted => return None,
        })
    }

    /// Counts so many jobs more.
    pub fn add(&mut self, status: Status, count: u64) {
        if let Some(slot) = self.slot(status) {
            *slot += count;
            self.all += count;
        }
    }
}

/// The answer. Its rows are owned, or shared with whoever else shows them (`Arc<JobRow>`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListPage<Row = JobRow> {
    /// The rows, in order.
    pub jobs: Vec<Row>,
    /// True totals, never those of the page.
    pub totals: Totals,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
    /// Whether the page begins after the first row.
    pub continued: bool,
    /// Revision of the list; grows with every change of any job.
    pub revision: u64,
    /// When the answer was true.
    pub as_of: Timestamp,
    /// Why it is older than it should be, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
}

impl ListPage<Arc<JobRow>> {
    /// The same with rows of its own.
    #[must_use]
    pub fn into_owned(self) -> ListPage {
        ListPage {
            jobs: self.jobs.into_iter().map(Arc::unwrap_or_clone).collect(),
            totals: self.totals,
            next_cursor: self.next_cursor,
            continued: self.continued,
            revision: self.revision,
            as_of: self.as_of,
            stale: self.stale,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_deleted_job_counts_nowhere() {
        let mut totals = Totals::default();
        totals.add(Status::Completed, 2);
        totals.add(Status::Running, 1);
        totals.add(Status::Deleted, 1);
        let expected = Totals {
            all: 3,
            completed: 2,
            running: 1,
            ..Totals::default()
        };
        assert_eq!(totals, expected);
    }

    #[test]
    fn a_wrong_value_is_named_and_never_taken_for_all() {
        let error = ListQuery::from_pairs([("status", "runing")]).unwrap_err();
        assert_eq!(error.parameter, "status");
        for (name, value) in [
            ("limit", "0"),
            ("limit", "201"),
            ("sort", "id"),
            ("dir", "up"),
            ("cursor", "x"),
            ("program", "blast"),
        ] {
            assert_eq!(
                ListQuery::from_pairs([(name, value)])
                    .unwrap_err()
                    .parameter,
                name
            );
        }
    }

    #[test]
    fn an_empty_value_means_not_set() {
        assert_eq!(
            ListQuery::from_pairs([("status", ""), ("q", "")]).unwrap(),
            ListQuery::default()
        );
    }

    #[test]
    fn the_direction_follows_the_column_unless_it_is_given() {
        assert!(
            !ListQuery::from_pairs([("sort", "title")])
                .unwrap()
                .descending
        );
        assert!(
            ListQuery::from_pairs([("sort", "hits")])
                .unwrap()
                .descending
        );
    }

    #[test]
    fn a_link_carries_any_text() {
        let query = ListQuery {
            search: "a&b=ü #?".into(),
            ..ListQuery::default()
        };
        assert_eq!(query.href("/jobs"), "/jobs?q=a%26b%3D%C3%BC%20%23%3F");
    }

    fn any_query() -> impl Strategy<Value = ListQuery> {
        (
            prop::option::of(prop::sample::select(Status::LISTED.to_vec())),
            prop::option::of(prop::sample::select(Program::ALL.to_vec())),
            prop::option::of("[a-z/]{1,20}"),
            "[a-z]{0,10}( [a-z]{1,5})?",
            prop::sample::select(SortKey::ALL.to_vec()),
            any::<bool>(),
            prop::option::of((0_i64..2_000_000_000_000, "[a-z0-9-]{1,36}")),
            1_usize..=MAX_LIMIT,
        )
            .prop_map(
                |(status, program, database, search, sort, descending, cursor, limit)| ListQuery {
                    status,
                    program,
                    database,
                    search: search.trim().to_owned(),
                    sort,
                    descending,
                    cursor: cursor.map(|(at, id)| Cursor {
                        created_at: Timestamp(at),
                        id,
                    }),
                    limit,
                },
            )
    }

    proptest! {
        #[test]
        fn every_list_survives_the_way_through_a_url(query in any_query()) {
            let pairs = query.to_pairs();
            let read = ListQuery::from_pairs(pairs.iter().map(|(name, value)| (*name, value.as_str()))).unwrap();
            prop_assert_eq!(read, query);
        }
    }
}
