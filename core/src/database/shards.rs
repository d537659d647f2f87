//! Shards: a database that is too large for one node, searched as several runs of its volumes.
//!
//! Owns how volumes are put together, and how a version names a shard of it. Each shard is searched with the
//! statistics of the whole database (its alias file says how many sequences and letters that has), so that
//! E-values are those of a search of the whole: measured with BLAST+ 2.12, no row differs for nucleotides and
//! proteins.

use serde::{Deserialize, Serialize};

/// What stands between the version of a database and its shard.
const MARK: &str = ".v";

/// Volumes of a database that follow each other, searched together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shard {
    /// Number of its first volume, from 0.
    pub first: u32,
    /// Number of its last volume.
    pub last: u32,
}

impl Shard {
    /// The version of a database, of which this is a part: `blob-0123456789abcdef.v0-3`.
    #[must_use]
    pub fn of_version(self, version: &str) -> String {
        format!("{version}{MARK}{}-{}", self.first, self.last)
    }

    /// Whether a volume belongs to it.
    #[must_use]
    pub const fn has(self, volume: u32) -> bool {
        self.first <= volume && volume <= self.last
    }

    /// For people: `volumes 0 to 3`.
    #[must_use]
    pub fn label(self) -> String {
        if self.first == self.last {
            format!("volume {}", self.first)
        } else {
            format!("volumes {} to {}", self.first, self.last)
        }
    }
}

/// A version without its shard, and the shard if it names one.
#[must_use]
pub fn shard_of(version: &str) -> (&str, Option<Shard>) {
    let read = || {
        let (whole, range) = version.rsplit_once(MARK)?;
        let (first, last) = range.split_once('-')?;
        let shard = Shard {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
        };
        (shard.first <= shard.last).then_some((whole, shard))
    };
    match read() {
        Some((whole, shard)) => (whole, Some(shard)),
        None => (version, None),
    }
}

/// The number of the volume that a file of a database belongs to; `None` if it belongs to all of them or to
/// another database: `nt.03.nsq` of `nt` is of volume 3.
#[must_use]
pub fn volume_of(database: &str, file: &str) -> Option<u32> {
    let rest = file.strip_prefix(database)?.strip_prefix('.')?;
    let (label, _) = rest.split_once('.')?;
    let digits = label.len() >= 2 && label.bytes().all(|letter| letter.is_ascii_digit());
    digits.then(|| label.parse().ok())?
}

/// Shards of at most so many bytes, as few as will do and as equal as they can be; a volume that is larger is a
/// shard of its own. Empty if the whole is no larger, or cannot be divided. `volumes` are their sizes in order.
#[must_use]
pub fn shards(volumes: &[u64], most: u64) -> Vec<Shard> {
    let whole: u64 = volumes.iter().sum();
    if volumes.len() < 2 || whole <= most {
        return Vec::new();
    }
    let fewest = filled(volumes, most).len();
    // The smallest size with which there are no more of them.
    let (mut low, mut high) = (0, most.max(volumes.iter().copied().max().unwrap_or(0)));
    while low < high {
        let middle = low + (high - low) / 2;
        if filled(volumes, middle).len() <= fewest {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    filled(volumes, high)
}

/// Volumes put together one after the other for as long as they fit.
fn filled(volumes: &[u64], most: u64) -> Vec<Shard> {
    let mut shards: Vec<Shard> = Vec::new();
    let mut room = 0_u64;
    for (volume, bytes) in (0_u32..).zip(volumes) {
        match shards.last_mut() {
            Some(shard) if *bytes <= room => {
                shard.last = volume;
                room -= bytes;
            }
            _ => {
                shards.push(Shard {
                    first: volume,
                    last: volume,
                });
                room = most.saturating_sub(*bytes);
            }
        }
    }
    shards
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_version_names_its_shard_and_back() {
        let shard = Shard { first: 4, last: 11 };
        let version = shard.of_version("blob-00ff");
        assert_eq!(version, "blob-00ff.v4-11");
        assert_eq!(shard_of(&version), ("blob-00ff", Some(shard)));
        for whole in ["blob-00ff", "1.2", "a.v", "a.v3", "a.v4-2", "a.vx-1", ""] {
            assert_eq!(shard_of(whole), (whole, None));
        }
    }

    #[test]
    fn volumes_are_known_by_the_names_of_their_files() {
        assert_eq!(volume_of("nt", "nt.03.nsq"), Some(3));
        assert_eq!(volume_of("nt", "nt.103.nsq"), Some(103));
        for of_all in [
            "nt.nal",
            "nt.ndb",
            "nt_v.00.nsq",
            "taxdb.btd",
            "nt.x0.nsq",
            "nt.3.nsq",
        ] {
            assert_eq!(volume_of("nt", of_all), None, "{of_all}");
        }
    }

    #[test]
    fn what_fits_or_cannot_be_divided_is_not() {
        assert!(shards(&[3, 3], 6).is_empty());
        assert!(shards(&[30], 6).is_empty());
        assert!(shards(&[], 6).is_empty());
        assert_eq!(shards(&[3, 3, 3, 3], 11).len(), 2);
        // As equal as they can be: not three and one.
        assert_eq!(shards(&[3, 3, 3, 3], 11)[0], Shard { first: 0, last: 1 });
        assert_eq!(shards(&[9, 1, 1], 4).len(), 2);
    }

    proptest! {
        #[test]
        fn every_volume_is_in_one_shard_and_none_is_larger_than_it_must_be(
            volumes in prop::collection::vec(1_u64..100, 2..40), most in 1_u64..400,
        ) {
            let shards = shards(&volumes, most);
            let whole: u64 = volumes.iter().sum();
            prop_assert_eq!(shards.is_empty(), whole <= most);
            let mut next = 0;
            for shard in &shards {
                prop_assert_eq!(shard.first, next);
                prop_assert!(shard.last >= shard.first);
                next = shard.last + 1;
                let bytes: u64 = volumes[shard.first as usize..=shard.last as usize].iter().sum();
                prop_assert!(bytes <= most || shard.first == shard.last);
            }
            if !shards.is_empty() {
                prop_assert_eq!(next as usize, volumes.len());
            }
        }
    }
}
