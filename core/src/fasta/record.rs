//! One record while it is read, and what is kept of it.

use super::{Expect, ProblemKind, letters};
use crate::{molecule::Molecule, text};

/// A nucleotide sequence of this length in a protein search is surely a mistake; a shorter one may
/// be a peptide of A, C, G and T.
const SURELY_NUCLEOTIDE: u64 = 30;
/// Below this length a sequence says little of what it is made of.
const TELLING: u64 = 20;
/// The longest title that is kept, in characters.
const MAX_TITLE: usize = 200;

/// A record, as the report lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSummary {
    /// First word of the header.
    pub id: String,
    /// The rest of the header, cut to 200 characters.
    pub title: String,
    /// Line of the header, from 1.
    pub line: u64,
    /// Bases or residues.
    pub letters: u64,
}

#[derive(Debug)]
pub(super) struct OpenRecord {
    pub id: String,
    pub title: String,
    pub line: u64,
    pub letters: u64,
    bases: u64,
    ambiguities: u64,
    protein_only: u64,
    illegal: u64,
    first_illegal: Option<(u8, u64, u32)>,
}

impl OpenRecord {
    pub(super) fn new(id: String, title: String, line: u64) -> Self {
        Self {
            id,
            title: text::cap(&title, MAX_TITLE),
            line,
            letters: 0,
            bases: 0,
            ambiguities: 0,
            protein_only: 0,
            illegal: 0,
            first_illegal: None,
        }
    }

    pub(super) fn count(&mut self, run: &[u8]) {
        self.letters += run.len() as u64;
        for byte in run {
            if letters::is_base(*byte) {
                self.bases += 1;
            } else if letters::is_protein_only(*byte) {
                self.protein_only += 1;
            } else if letters::is_ambiguity(*byte) {
                self.ambiguities += 1;
            }
        }
    }

    pub(super) fn illegal(&mut self, byte: u8, line: u64, column: u32) {
        self.illegal += 1;
        self.first_illegal.get_or_insert((byte, line, column));
        if letters::is_protein_only(byte) {
            self.protein_only += 1;
        }
    }

    /// What it is made of, if it is long enough to tell.
    pub(super) fn molecule(&self) -> Option<Molecule> {
        let all = self.letters + self.illegal;
        if all == 0 {
            None
        } else if self.protein_only > 0 {
            Some(Molecule::Protein)
        } else if all >= TELLING && self.bases * 10 >= all * 9 {
            Some(Molecule::Nucleotide)
        } else if all >= TELLING {
            Some(Molecule::Protein)
        } else {
            None
        }
    }

    pub(super) fn summary(&self) -> RecordSummary {
        RecordSummary {
            id: self.id.clone(),
            title: self.title.clone(),
            line: self.line,
            letters: self.letters,
        }
    }

    /// What is wrong with the record as a whole: kind, line, column, message.
    pub(super) fn problems(&self, expect: Expect) -> Vec<(ProblemKind, u64, Option<u32>, String)> {
        let mut found = Vec::new();
        if self.letters + self.illegal == 0 {
            let message = "The record has no sequence.".to_owned();
            return vec![(ProblemKind::EmptyRecord, self.line, None, message)];
        }
        let all = self.letters + self.illegal;
        let protein_like = self.protein_only * 20 >= all;
        match expect {
            Expect::Query(Molecule::Nucleotide) if self.illegal > 0 && protein_like => {
                let message =
                    "This is a protein sequence, and the program takes nucleotide queries."
                        .to_owned();
                found.push((ProblemKind::WrongMolecule, self.line, None, message));
            }
            _ => found.extend(self.illegal_letters()),
        }
        if expect == Expect::Query(Molecule::Protein)
            && self.illegal == 0
            && self.bases == self.letters
        {
            if self.letters >= SURELY_NUCLEOTIDE {
                let message =
                    "This is a nucleotide sequence, and the program takes protein queries."
                        .to_owned();
                found.push((ProblemKind::WrongMolecule, self.line, None, message));
            } else if self.letters >= 10 {
                let message =
                    "All letters are A, C, G, T, U or N: is this a nucleotide sequence?".to_owned();
                found.push((ProblemKind::MaybeWrongMolecule, self.line, None, message));
            }
        }
        if expect == Expect::Query(Molecule::Nucleotide)
            && self.illegal == 0
            && self.ambiguities * 4 > self.letters
        {
            let message =
                "More than a quarter of the letters are ambiguity codes; few words can match."
                    .to_owned();
            found.push((ProblemKind::ManyAmbiguities, self.line, None, message));
        }
        found
    }

    fn illegal_letters(&self) -> Option<(ProblemKind, u64, Option<u32>, String)> {
        let (byte, line, column) = self.first_illegal?;
        let shown = match byte {
            b'!'..=b'~' => format!("\"{}\"", char::from(byte)),
            0x80.. => "a character that is not ASCII".to_owned(),
            _ => format!("a control character (code {byte})"),
        };
        let more = match self.illegal {
            1 => String::new(),
            many => format!(" (and {} more in this record)", text::count(many - 1)),
        };
        let message = format!("{shown} is no letter of this kind of sequence{more}.");
        Some((ProblemKind::IllegalLetter, line, Some(column), message))
    }
}
