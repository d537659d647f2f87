//! The original's history of a job as ours, and everything of its row that has no place of its own.
//!
//! Nothing is left out: what an entry says beside its state is its note, a long one goes on in the next entry.
//! Entries are numbered from 1 in the order in which they were written.

use elb_core::{phase::Phase, time::Timestamp, view::HistoryEntry};
use serde_json::Value;

use super::{
    columns::{self, first_text, object, text},
    ending::phase_of,
};
use crate::azure::tables::foreign::Foreign;

/// Who is named in entries that come from the original, so that nobody takes them for this program's.
pub(super) const ACTOR: &str = "imported";
/// The longest note, in characters: far below what an entity holds (ours).
const NOTE: usize = 8_000;
/// Columns that tell what an entry itself tells.
const TOLD: [&str; 5] = ["PartitionKey", "RowKey", "event", "ts", "payload_json"];

/// A history that is being written.
#[derive(Debug, Default)]
pub(super) struct Written {
    entries: Vec<HistoryEntry>,
}

impl Written {
    /// Adds an entry, in as many pieces as its note takes.
    pub(super) fn add(&mut self, at: Timestamp, phase: Phase, note: &str) {
        let letters: Vec<char> = note.chars().collect();
        let pieces = letters.chunks(NOTE);
        let count = pieces.len();
        for (index, piece) in pieces.enumerate() {
            let piece: String = piece.iter().collect();
            let note = match index {
                0 => piece,
                later => format!("({} of {count}) {piece}", later + 1),
            };
            self.entries.push(HistoryEntry {
                version: self.entries.len() as u64 + 1,
                at,
                attempt: 1,
                phase,
                note,
                actor: ACTOR.to_owned(),
                epoch: 0,
            });
        }
    }

    /// The entries, newest first, as a store gives them.
    pub(super) fn newest_first(self) -> Vec<HistoryEntry> {
        let mut entries = self.entries;
        entries.reverse();
        entries
    }
}

/// An entry of the original, read as far as it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// When; `None` if it does not say.
    pub at: Option<Timestamp>,
    /// The phase that it tells.
    pub phase: Option<Phase>,
    /// Everything else.
    pub note: String,
}

/// Reads the rows of `jobhistory` of one job, oldest first. Their keys begin with the time, so that they
/// are in the order in which they were written; a row that cannot be read is kept as it is.
pub(super) fn entries_of(rows: &[Foreign]) -> Vec<Entry> {
    let mut sorted: Vec<&Foreign> = rows.iter().collect();
    sorted.sort_by_cached_key(|row| text(row, "RowKey").unwrap_or_default());
    sorted.into_iter().map(entry_of).collect()
}

fn entry_of(row: &Foreign) -> Entry {
    let told = columns::time(row, "ts").ok().flatten();
    let at = told.or_else(|| {
        let key = text(row, "RowKey").ok()?;
        let (ms, _) = key.split_once('-')?;
        ms.parse().ok().filter(|ms| *ms > 0).map(Timestamp)
    });
    let mut details = object(row, "payload_json").unwrap_or_else(|_| {
        let raw = row.get("payload_json").cloned().unwrap_or(Value::Null);
        Foreign::from_iter([("payload_json".to_owned(), raw)])
    });
    let word = |name: &str| first_text(&details, &[&[name]]).unwrap_or_default();
    let phase = phase_of(&word("status"), &word("phase"));
    let others = row
        .iter()
        .filter(|(name, _)| !TOLD.contains(&name.as_str()) || (*name == "ts" && told.is_none()));
    details.extend(others.map(|(name, value)| (name.clone(), value.clone())));
    details.retain(|_, value| !value.is_null() && value != "");
    let event = match row.get("event") {
        Some(Value::String(event)) => event.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let note = match (event.as_str(), details.is_empty()) {
        ("", true) => "(an entry without words)".to_owned(),
        (_, true) => event,
        ("", false) => Value::Object(details).to_string(),
        (_, false) => format!("{event}: {}", Value::Object(details)),
    };
    Entry { at, phase, note }
}

/// When the job came to the end that it is at: the first of the newest entries that tell no other phase.
pub(super) fn ended_at(entries: &[Entry], ended: Phase) -> Option<Timestamp> {
    let streak = entries
        .iter()
        .rev()
        .take_while(|entry| entry.phase.is_none_or(|phase| phase == ended));
    let told = streak.filter(|entry| entry.phase == Some(ended));
    told.filter_map(|entry| entry.at).last()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn row(value: Value) -> Foreign {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn an_entry_keeps_its_words_and_what_cannot_be_read() {
        let entries = entries_of(&[
            row(
                json!({"PartitionKey": "a", "RowKey": "1780308001000-bb", "event": "update",
                "payload_json": "{not json"}),
            ),
            row(
                json!({"PartitionKey": "a", "RowKey": "1780308000000-aa", "event": "staging_db",
                "ts": "2026-06-01T10:00:00+00:00", "note2": 7,
                "payload_json": "{\"phase\":\"staging_db\",\"status\":\"running\",\"error\":\"\",\"skipped\":true}"}),
            ),
        ]);
        let [first, second] = entries.as_slice() else {
            unreachable!()
        };
        assert_eq!(first.phase, Some(Phase::StagingDb));
        assert_eq!(first.at, Timestamp::parse("2026-06-01T10:00:00Z"));
        assert!(first.note.starts_with("staging_db: "), "{}", first.note);
        assert!(first.note.contains("\"skipped\":true") && first.note.contains("\"note2\":7"));
        assert_eq!(second.at, Some(Timestamp(1_780_308_001_000)));
        assert!(second.note.contains("{not json"), "{}", second.note);
    }

    #[test]
    fn a_long_note_goes_on_in_the_next_entry() {
        let mut written = Written::default();
        let long = "한".repeat(NOTE * 2 + 5);
        written.add(Timestamp(1), Phase::Queued, &long);
        let entries = written.newest_first();
        assert_eq!(
            entries
                .iter()
                .map(|entry| entry.version)
                .collect::<Vec<_>>(),
            [3, 2, 1]
        );
        let whole: String = entries
            .iter()
            .rev()
            .map(|entry| entry.note.replace("(2 of 3) ", "").replace("(3 of 3) ", ""))
            .collect();
        assert_eq!(whole, long);
    }

    #[test]
    fn the_end_is_where_the_last_phase_began() {
        let at = |ms: i64, phase| Entry {
            at: Some(Timestamp(ms)),
            phase,
            note: String::new(),
        };
        let entries = [
            at(1, Some(Phase::Failed)),
            at(2, Some(Phase::Running)),
            at(3, Some(Phase::Completed)),
            at(4, None),
            at(5, Some(Phase::Completed)),
        ];
        assert_eq!(ended_at(&entries, Phase::Completed), Some(Timestamp(3)));
        assert_eq!(ended_at(&entries, Phase::Failed), None);
    }
}
