//! The two aligned sequences of an HSP, packed into one blob.
//!
//! Owns the form: raw deflate of both sequences with a line end between. They are packed together
//! since the second mostly repeats the first. One packer serves all rows: its tables cost more than a
//! short alignment.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Packs one alignment after the other.
#[derive(Debug)]
pub(super) struct Packer {
    deflate: Compress,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> Self {
        Self {
            deflate: Compress::new(Compression::fast(), false),
            plain: Vec::new(),
            packed: Vec::new(),
        }
    }

    /// The packed form, valid until the next call.
    pub(super) fn pack(&mut self, query: &str, subject: &str) -> std::io::Result<&[u8]> {
        self.plain.clear();
        self.plain.extend_from_slice(query.as_bytes());
        self.plain.push(b'\n');
        self.plain.extend_from_slice(subject.as_bytes());
        self.deflate.reset();
        self.packed.clear();
        loop {
            // Room for what deflate cannot shorten: five bytes a block and some.
            self.packed.reserve(self.plain.len() / 2 + 128);
            let read = usize::try_from(self.deflate.total_in()).map_err(std::io::Error::other)?;
            let rest = self.plain.get(read..).unwrap_or_default();
            match self
                .deflate
                .compress_vec(rest, &mut self.packed, FlushCompress::Finish)?
            {
                Status::StreamEnd => return Ok(&self.packed),
                Status::Ok | Status::BufError => {}
            }
        }
    }
}

/// Query and subject letters of a packed alignment; `None` if it is damaged. `columns` is the length
/// of the alignment, so that a damaged blob cannot grow without bound.
pub(super) fn unpack(packed: &[u8], columns: u64) -> Option<(String, String)> {
    let length = usize::try_from(columns)
        .ok()?
        .checked_mul(2)?
        .checked_add(1)?;
    // What no blob of this size can unpack to (deflate shortens by 1,032 at most) is not set aside.
    let most = packed.len().saturating_mul(1_032).saturating_add(64);
    if length > most {
        return None;
    }
    // One letter more than expected: a full buffer would hide the end of the stream.
    let mut plain = Vec::with_capacity(length + 1);
    let status = Decompress::new(false)
        .decompress_vec(packed, &mut plain, FlushDecompress::Finish)
        .ok()?;
    if status != Status::StreamEnd {
        return None;
    }
    let text = String::from_utf8(plain).ok()?;
    let (query, subject) = text.split_once('\n')?;
    Some((query.to_owned(), subject.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests"
    )]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(pairs in prop::collection::vec("[A-Z*-]{0,400}", 1..8)) {
            let mut packer = Packer::new();
            for letters in pairs {
                let subject: String = letters.chars().rev().collect();
                let packed = packer.pack(&letters, &subject).unwrap().to_vec();
                prop_assert_eq!(unpack(&packed, letters.len() as u64), Some((letters, subject)));
            }
        }

        #[test]
        fn a_damaged_blob_is_refused_and_never_a_crash(packed in prop::collection::vec(any::<u8>(), 0..80), columns in 0_u64..100_000) {
            if let Some((query, subject)) = unpack(&packed, columns) {
                prop_assert!((query.len() + subject.len()) as u64 <= 2 * columns);
            }
        }
    }

    #[test]
    fn an_alignment_of_a_million_columns_is_packed_whole() {
        let query: String = (0..1_000_000_u64)
            .map(|n| char::from(b"ACGT"[(n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 62) as usize]))
            .collect();
        let packed = Packer::new().pack(&query, &query).unwrap().to_vec();
        assert!(packed.len() < 2 * query.len());
        assert_eq!(unpack(&packed, 1_000_000).unwrap().1, query);
    }
}
