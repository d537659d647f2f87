//! Which bytes are letters of a sequence: tables, so that a run is scanned quickly.

use super::Expect;
use crate::molecule::Molecule;

/// The letters of nucleotide sequences: the four bases, U, and IUPAC's ambiguity codes.
const NUCLEOTIDE: &[u8] = b"ACGTUNRYKMSWBDHV";
/// The letters of protein sequences: all, and the stop.
const PROTEIN: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ*";

/// A set of letters, either case.
#[derive(Debug, Clone)]
pub(super) struct Legal([bool; 256]);

impl Legal {
    pub(super) fn for_expectation(expect: Expect) -> Self {
        let letters = match expect {
            Expect::Query(Molecule::Nucleotide) => NUCLEOTIDE,
            Expect::Query(Molecule::Protein) | Expect::Any => PROTEIN,
        };
        let mut table = [false; 256];
        for letter in letters {
            for byte in [letter.to_ascii_uppercase(), letter.to_ascii_lowercase()] {
                if let Some(slot) = table.get_mut(usize::from(byte)) {
                    *slot = true;
                }
            }
        }
        Self(table)
    }

    pub(super) fn is_legal(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or(false)
    }
}

/// A base, or N.
pub(super) const fn is_base(byte: u8) -> bool {
    matches!(
        byte.to_ascii_uppercase(),
        b'A' | b'C' | b'G' | b'T' | b'U' | b'N'
    )
}

/// An ambiguity code other than N.
pub(super) fn is_ambiguity(byte: u8) -> bool {
    NUCLEOTIDE.contains(&byte.to_ascii_uppercase()) && !is_base(byte)
}

/// A letter that no nucleotide sequence has.
pub(super) const fn is_protein_only(byte: u8) -> bool {
    matches!(
        byte.to_ascii_uppercase(),
        b'E' | b'F' | b'I' | b'L' | b'P' | b'Q' | b'Z' | b'*'
    )
}
