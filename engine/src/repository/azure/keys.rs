//! Partition and row keys: how ids, times and numbers become text that sorts as it must.
//!
//! Owns the layout's names (`docs/AZURE.md` has the table of them). A key never changes, and holds
//! nothing but letters, digits and `-._=~`, whatever the id is: other characters are written as `=` and
//! two hexadecimal digits a byte.

use elb_core::time::Timestamp;
use sha2::{Digest, Sha256};

/// In how many partitions the rows are. The service takes about 2,000 entities a second for each. Never
/// to be changed for a table that has rows.
pub(super) const SHARDS: usize = 8;

/// The longest encoded id that is used as it is; keys may have 512 characters.
const MAX_ID: usize = 300;

/// The partition of what a process says of itself: that it lives.
pub(super) const HOLDERS: &str = "holders";
/// The partition of how far each process has written its change log.
pub(super) const WRITERS: &str = "writers";
/// The partition of which partitions of the audit log there are.
pub(super) const AUDITS: &str = "audits";
/// The partition of the table's own description.
pub(super) const META: &str = "meta";

/// Text as part of a key. Different texts never give the same.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("={byte:02x}"));
        }
    }
    if encoded.len() > MAX_ID {
        // `==` is not in any encoded text.
        let hash = hex(&Sha256::digest(text.as_bytes()));
        encoded.truncate(MAX_ID - hash.len());
        encoded.push_str("==");
        encoded.push_str(&hash);
    }
    encoded
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The shard of a job.
pub(super) fn shard_of(id: &str) -> usize {
    let hash = Sha256::digest(id.as_bytes());
    hash.first().map_or(0, |byte| usize::from(*byte) % SHARDS)
}

/// The partition of a shard.
pub(super) fn partition(shard: usize) -> String {
    format!("jobs-{shard}")
}

/// Sorts newest first.
fn inverted(number: i64) -> String {
    // Counted from the other end of all numbers, so that none is negative.
    let counted = i128::from(i64::MAX) - i128::from(number);
    format!("{counted:020}")
}

/// The pointer from an id to its row.
pub(super) fn pointer(id: &str) -> String {
    format!("id~{}", encode(id))
}

/// All rows of a partition, newest first.
pub(super) const ROWS: &str = "job~";

pub(super) fn row(created_at: Timestamp, id: &str) -> String {
    format!("{ROWS}{}~{}", inverted(created_at.0), encode(id))
}

/// The first row key of rows that were created before a time.
pub(super) fn rows_before(then: Timestamp) -> String {
    format!("{ROWS}{}", inverted(then.0.saturating_sub(1)))
}

/// The marks of active jobs, newest first.
pub(super) const ACTIVE: &str = "act~";

pub(super) fn active(created_at: Timestamp, id: &str) -> String {
    format!("{ACTIVE}{}~{}", inverted(created_at.0), encode(id))
}

/// A job's history, newest first.
pub(super) fn history(id: &str) -> String {
    format!("his~{}~", encode(id))
}

pub(super) fn history_entry(id: &str, version: u64) -> String {
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    format!("{}{}", history(id), inverted(version))
}

/// What is left to be removed of forgotten jobs.
pub(super) const REMAINS: &str = "rem~";

pub(super) fn remains(id: &str) -> String {
    format!("{REMAINS}{}", encode(id))
}

/// A process's change log in a partition.
pub(super) fn log(writer: &str) -> String {
    format!("log~{writer}~")
}

pub(super) fn log_entry(writer: &str, number: u64) -> String {
    format!("{}{number:020}", log(writer))
}

/// The partition of an idempotency key; its only entity has [`KEY_ROW`].
pub(super) fn key_partition(owner: &str, key: &str) -> String {
    let mut hash = Sha256::new();
    hash.update((owner.len() as u64).to_be_bytes());
    hash.update(owner.as_bytes());
    hash.update(key.as_bytes());
    format!("key-{}", hex(&hash.finalize()))
}

/// The row of an idempotency key.
pub(super) const KEY_ROW: &str = "key";

/// The partition of a submit slot and its line.
pub(super) fn slot_partition(slot: &str) -> String {
    format!("slot-{}", encode(slot))
}

/// The row of a slot's holder.
pub(super) const SLOT_HOLDER: &str = "holder";
/// The line of a slot, first created first.
pub(super) const LINE: &str = "line~";

pub(super) fn place_in_line(created_at: Timestamp, id: &str) -> String {
    let counted = i128::from(created_at.0) - i128::from(i64::MIN);
    format!("{LINE}{counted:020}~{}", encode(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_a_key_and_no_two_are_the_same() {
        let long = "한".repeat(300);
        let longer = format!("{long}a");
        let ids = [
            "a'b", "a/b", "a#b", "a?b", "a%b", "a=b", "a\\b", "a\u{1}b", "한글", "a b", "A'B", "",
            &long, &longer,
        ];
        let keys: std::collections::HashSet<String> = ids.iter().map(|id| encode(id)).collect();
        assert_eq!(keys.len(), ids.len());
        for key in keys {
            assert!(key.len() <= MAX_ID + 2, "{key}");
            assert!(
                key.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._=".contains(&byte)),
                "{key}"
            );
        }
    }

    #[test]
    fn rows_sort_newest_first_and_lines_oldest_first() {
        let at = [i64::MIN, -5, 0, 7, 1_700_000_000_000, i64::MAX];
        for pair in at.windows(2) {
            let [early, late] = [Timestamp(pair[0]), Timestamp(pair[1])];
            assert!(row(late, "a") < row(early, "z"));
            assert!(place_in_line(early, "z") < place_in_line(late, "a"));
            assert!(
                row(late, "a") < rows_before(late) && rows_before(late) <= row(early, ""),
                "{early:?}"
            );
        }
        assert!(history_entry("a", 10) < history_entry("a", 9));
        assert!(log_entry("w", 9) < log_entry("w", 10));
    }

    #[test]
    fn the_keys_of_two_callers_never_meet() {
        assert_ne!(key_partition("ab", "c"), key_partition("a", "bc"));
    }
}
