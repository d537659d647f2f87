//! Which query the rows of the table belong to.
//!
//! Owns the walk: the table comes in the order of the query file, so a row belongs to the current
//! query or to the next of its name further on. Identifiers alone would not do: they may repeat, and
//! BLAST+ does not print every character of them. Holds one query, never the list.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use rusqlite::Connection;

use super::{ResultsError, table::TableRow};

/// The query whose rows are being read.
#[derive(Debug, Default)]
pub(super) struct QueryCursor {
    /// Position of the next query that may be found; the current one is before it.
    next: u64,
    name: String,
    letters: u64,
    first_row: u64,
    closed_subjects: HashSet<u64>,
    names: HashSet<u64>,
    repeated: bool,
}

impl QueryCursor {
    /// Takes note of a query of the file.
    pub(super) fn note(&mut self, id: &str) {
        self.repeated |= !self.names.insert(hash(&printed(id)));
    }

    /// Position of the current query; `None` before the first row.
    pub(super) const fn current(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    /// Letters of the current query.
    pub(super) const fn letters(&self) -> u64 {
        self.letters
    }

    /// Whether the row belongs to another query than the row before it; if so, moves there.
    pub(super) fn moves_to(
        &mut self,
        connection: &Connection,
        row: &TableRow<'_>,
        line: &str,
    ) -> Result<bool, ResultsError> {
        let name = printed(row.query_id);
        let moved = if self.current().is_some() && self.name == name {
            self.seems_repeated(row, line)
                && self.find(connection, &name, row.query_length, true)?
        } else if self.find(connection, &name, row.query_length, false)? {
            true
        } else {
            let why = format!(
                "the query \"{}\" is not in the query file, or its rows are out of order",
                row.query_id
            );
            return Err(ResultsError::Row { row: 0, why });
        };
        if moved {
            self.name = name;
            self.closed_subjects.clear();
            self.first_row = hash(line);
        }
        Ok(moved)
    }

    /// Takes note of a subject whose rows have ended.
    pub(super) fn close_subject(&mut self, id: &str, title: &str) {
        if self.repeated {
            self.closed_subjects.insert(hash(&(id, title)));
        }
    }

    /// Whether rows of the same name look like those of a second query.
    fn seems_repeated(&self, row: &TableRow<'_>, line: &str) -> bool {
        self.repeated
            && (row.query_length != self.letters
                || hash(line) == self.first_row
                || self
                    .closed_subjects
                    .contains(&hash(&(row.subject_id, row.raw_title))))
    }

    /// Finds the next query of that name, one of that length if there are several.
    fn find(
        &mut self,
        connection: &Connection,
        name: &str,
        letters: u64,
        strict: bool,
    ) -> Result<bool, ResultsError> {
        let mut statement = connection.prepare_cached(
            "SELECT ordinal, id, letters FROM queries WHERE ordinal >= ?1 ORDER BY ordinal",
        )?;
        let mut rows = statement.query([self.next])?;
        let mut second_best = None;
        while let Some(row) = rows.next()? {
            if printed(row.get_ref(1)?.as_str().unwrap_or_default()) != name {
                continue;
            }
            let found: (u64, u64) = (row.get(0)?, row.get(2)?);
            if found.1 == letters || (!self.repeated && !strict) {
                second_best = Some(found);
                break;
            }
            second_best = second_best.or(Some(found).filter(|_| !strict));
        }
        let Some((ordinal, known)) = second_best else {
            return Ok(false);
        };
        self.next = ordinal + 1;
        self.letters = if known == 0 { letters } else { known };
        Ok(true)
    }
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// An identifier as BLAST+ prints it: cut at a control character, `#` for what is not ASCII. Runs of
/// `#` count as one, since bytes that are no text may be kept as one character or as several.
fn printed(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for letter in id.chars().take_while(|letter| !letter.is_ascii_control()) {
        let letter = if letter.is_ascii() { letter } else { '#' };
        if letter != '#' || !name.ends_with('#') {
            name.push(letter);
        }
    }
    name
}
