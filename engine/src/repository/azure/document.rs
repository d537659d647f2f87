//! A job as the properties of an entity.
//!
//! Owns how a row is written: the job as JSON, cut into properties that the service takes, beside the
//! columns that the store itself reads. A row that would not fit is refused with a clear error.

use elb_core::{job::Job, phase::Phase, time::Timestamp, view::HistoryEntry};

use crate::{
    azure::tables::Entity,
    repository::{Lease, RepositoryError, Stored},
};

use super::keys;

/// UTF-16 units of a property: 60,000 bytes of the 64 KiB that the service takes.
const PIECE: usize = 30_000;
/// Pieces of a row: 960,000 bytes of the 1 MiB of an entity.
const PIECES: usize = 16;

/// A row as it was read or written last.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub stored: Stored,
    pub etag: String,
    /// The partition of the idempotency key that it was created with; may be empty.
    pub key: String,
    /// When its history was last trimmed to.
    pub trimmed_to: Option<Timestamp>,
}

/// The entity of a row.
pub(super) fn entity(row: &Row) -> Result<Entity, RepositoryError> {
    let job = &row.stored.job;
    let text = serde_json::to_string(job).map_err(|source| RepositoryError::Corrupt {
        id: job.id.clone(),
        source,
    })?;
    let partition = keys::partition(keys::shard_of(&job.id));
    let mut entity = Entity::new(&partition, keys::row(job.created_at, &job.id))
        .with("Id", &job.id)
        .with("Version", row.stored.version.to_string())
        .with("Created", job.created_at.0.to_string())
        .with("Active", if job.phase.is_active() { "1" } else { "0" })
        .with("Phase", job.phase.as_str())
        .with("Holder", &row.stored.lease.holder)
        .with("Epoch", row.stored.lease.epoch.to_string());
    if !row.key.is_empty() {
        entity = entity.with("Key", &row.key);
    }
    if let Some(trimmed) = row.trimmed_to {
        entity = entity.with("TrimmedTo", trimmed.0.to_string());
    }
    let pieces = pieces(&text);
    if pieces.len() > PIECES {
        return Err(RepositoryError::TooLarge {
            id: job.id.clone(),
            bytes: text.encode_utf16().count() * 2,
            limit: PIECE * PIECES * 2,
        });
    }
    for (number, piece) in pieces.into_iter().enumerate() {
        entity = entity.with(&format!("Doc{number:02}"), piece);
    }
    Ok(entity)
}

/// Text in pieces of at most [`PIECE`] UTF-16 units.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut begin, mut units) = (0, 0);
    for (at, character) in text.char_indices() {
        if units + character.len_utf16() > PIECE {
            pieces.extend(text.get(begin..at));
            (begin, units) = (at, 0);
        }
        units += character.len_utf16();
    }
    pieces.extend(text.get(begin..));
    pieces
}

/// The row of an entity.
pub(super) fn row(entity: &Entity) -> Result<Row, RepositoryError> {
    let text: String = entity
        .properties
        .iter()
        .filter(|(name, _)| name.starts_with("Doc"))
        .map(|(_, piece)| piece.as_str())
        .collect();
    let corrupt = |source| RepositoryError::Corrupt {
        id: entity.text("Id").to_owned(),
        source,
    };
    let missing = |name: &str| corrupt(serde::de::Error::custom(format!("{name} is not a number")));
    let job: Job = serde_json::from_str(&text).map_err(corrupt)?;
    Ok(Row {
        stored: Stored {
            job,
            version: entity.number("Version").ok_or_else(|| missing("Version"))?,
            lease: Lease {
                holder: entity.text("Holder").to_owned(),
                epoch: entity.number("Epoch").ok_or_else(|| missing("Epoch"))?,
            },
        },
        etag: entity.etag.clone(),
        key: entity.text("Key").to_owned(),
        trimmed_to: entity.number("TrimmedTo").map(Timestamp),
    })
}

/// The entity of a history entry; the epoch is that of the row.
pub(super) fn history_entity(id: &str, version: u64, epoch: u64, entry: &HistoryEntry) -> Entity {
    let partition = keys::partition(keys::shard_of(id));
    Entity::new(&partition, keys::history_entry(id, version))
        .with("Version", version.to_string())
        .with("At", entry.at.0.to_string())
        .with("Attempt", entry.attempt.to_string())
        .with("Phase", entry.phase.as_str())
        .with("Note", &entry.note)
        .with("Actor", &entry.actor)
        .with("Epoch", epoch.to_string())
}

/// The history entry of an entity.
pub(super) fn history_entry(id: &str, entity: &Entity) -> Result<HistoryEntry, RepositoryError> {
    let broken = |name: &str| RepositoryError::Corrupt {
        id: id.to_owned(),
        source: serde::de::Error::custom(format!(
            "{name} of a history entry is {:?}",
            entity.text(name)
        )),
    };
    let phase = entity.text("Phase");
    let phase = Phase::ALL.into_iter().find(|known| known.as_str() == phase);
    Ok(HistoryEntry {
        version: entity.number("Version").ok_or_else(|| broken("Version"))?,
        at: entity
            .number("At")
            .map(Timestamp)
            .ok_or_else(|| broken("At"))?,
        attempt: entity.number("Attempt").ok_or_else(|| broken("Attempt"))?,
        phase: phase.ok_or_else(|| broken("Phase"))?,
        note: entity.text("Note").to_owned(),
        actor: entity.text("Actor").to_owned(),
        epoch: entity.number("Epoch").ok_or_else(|| broken("Epoch"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters_and_nothing_is_lost() {
        let text = format!("{}{}", "한".repeat(PIECE - 1), "𝄞".repeat(PIECE));
        let cut = pieces(&text);
        assert!(
            cut.iter()
                .all(|piece| piece.encode_utf16().count() <= PIECE)
        );
        assert_eq!(cut.concat(), text);
        assert_eq!(pieces(""), [""]);
    }
}
