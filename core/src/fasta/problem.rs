//! What can be wrong with a FASTA, and the report that collects it.

use super::{Expect, RecordSummary, record::OpenRecord};
use crate::molecule::Molecule;

/// Bytes that are needed to tell text from other files.
pub(super) const HEAD: usize = 4;
pub(super) const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// The kinds of problems and warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProblemKind {
    /// Nothing to search.
    Empty,
    /// Not a text file.
    NotText,
    /// UTF-16.
    Utf16,
    /// A NUL byte.
    Nul,
    /// Sequence before the first header.
    NoHeader,
    /// A header without an identifier.
    NoId,
    /// A header line that is too long.
    LongHeader,
    /// An identifier that was used before.
    DuplicateId,
    /// A header without a sequence.
    EmptyRecord,
    /// A letter that does not belong there.
    IllegalLetter,
    /// Protein for nucleotide or the other way round.
    WrongMolecule,
    /// Both molecules in one file.
    Mixed,
    /// More bytes than allowed.
    TooLarge,
    /// More records than allowed.
    TooManyRecords,
    /// Warning: a sequence without header was given a name.
    Bare,
    /// Warning: byte order mark.
    ByteOrderMark,
    /// Warning: lines end with CR alone.
    CarriageReturn,
    /// Warning: comment lines.
    Comment,
    /// Warning: gaps were left out.
    Gap,
    /// Warning: a long identifier.
    LongId,
    /// Warning: maybe the wrong molecule.
    MaybeWrongMolecule,
    /// Warning: many ambiguity codes.
    ManyAmbiguities,
}

impl ProblemKind {
    pub(super) const fn is_warning(self) -> bool {
        matches!(
            self,
            Self::Bare
                | Self::ByteOrderMark
                | Self::CarriageReturn
                | Self::Comment
                | Self::Gap
                | Self::LongId
                | Self::MaybeWrongMolecule
                | Self::ManyAmbiguities
        )
    }

    /// What to do about it.
    #[must_use]
    pub const fn fix(self, expect: Expect) -> &'static str {
        match self {
            Self::Empty => "Paste at least one sequence.",
            Self::NotText => {
                "Give the FASTA file itself; a plain or gzip-compressed one can be uploaded."
            }
            Self::Utf16 => "Save the file as UTF-8 or plain text.",
            Self::Nul => "Give a text file in FASTA format.",
            Self::NoHeader => "Begin the first sequence with a line such as \">name\".",
            Self::NoId => "Write a name directly after the \">\", without a blank.",
            Self::LongHeader => "Shorten the line.",
            Self::DuplicateId => "Rename or remove one of the two.",
            Self::EmptyRecord => "Add the sequence or remove the header.",
            Self::IllegalLetter => {
                "Remove it, or check that this is the sequence and nothing else."
            }
            Self::WrongMolecule | Self::MaybeWrongMolecule => match expect {
                Expect::Query(Molecule::Nucleotide) => "Use blastp or tblastn for proteins.",
                _ => "Use blastn, blastx or tblastx for nucleotide sequences.",
            },
            Self::Mixed => "Put nucleotide and protein sequences into files of their own.",
            Self::TooLarge | Self::TooManyRecords => "Split it into several parts.",
            Self::Bare => "Add a line such as \">name\" to give it a name of your own.",
            Self::ByteOrderMark | Self::CarriageReturn | Self::Comment | Self::Gap => {
                "Nothing needs to be done."
            }
            Self::LongId => "Shorten it if you want to find it again in every format.",
            Self::ManyAmbiguities => "Check that this is the right sequence.",
        }
    }
}

/// One problem or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1, where it is one letter.
    pub column: Option<u32>,
    /// Identifier of the record, where it is of one record.
    pub record: Option<String>,
    /// Its kind.
    pub kind: ProblemKind,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// What the checker found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The records, in order, up to the limit.
    pub records: Vec<RecordSummary>,
    /// All records.
    pub records_total: u64,
    /// Bases or residues of all records.
    pub letters: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What must be mended, in order, up to the limit.
    pub problems: Vec<Problem>,
    /// All problems.
    pub problems_total: u64,
    /// What is worth knowing, in order, up to the limit.
    pub warnings: Vec<Problem>,
    /// All warnings.
    pub warnings_total: u64,
    /// What the sequences are made of, if they are long enough to tell.
    pub molecule: Option<Molecule>,
    pub(super) bare_line: Option<u64>,
    pub(super) current: Option<String>,
    once: Vec<ProblemKind>,
    nucleotide_records: u64,
    protein_records: u64,
    first_other: Option<u64>,
}

impl Report {
    /// Whether it can be searched with.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.problems_total == 0
    }

    pub(super) fn seen(&self, kind: ProblemKind) -> bool {
        self.once.contains(&kind)
    }

    pub(super) fn problem(
        &mut self,
        most: usize,
        kind: ProblemKind,
        line: u64,
        column: Option<u32>,
        message: String,
        expect: Expect,
    ) {
        self.problems_total += 1;
        if self.problems.len() < most {
            self.problems
                .push(self.made(kind, line, column, message, expect));
        }
    }

    pub(super) fn warning(
        &mut self,
        most: usize,
        kind: ProblemKind,
        line: u64,
        message: String,
        expect: Expect,
    ) {
        self.warnings_total += 1;
        if !self.once.contains(&kind) {
            self.once.push(kind);
        }
        if self.warnings.len() < most {
            self.warnings
                .push(self.made(kind, line, None, message, expect));
        }
    }

    fn made(
        &self,
        kind: ProblemKind,
        line: u64,
        column: Option<u32>,
        message: String,
        expect: Expect,
    ) -> Problem {
        Problem {
            line,
            column,
            record: self.current.clone(),
            kind,
            message,
            fix: kind.fix(expect).to_owned(),
        }
    }

    pub(super) fn add(&mut self, record: &OpenRecord, listed: usize) {
        self.letters += record.letters;
        match record.molecule() {
            Some(Molecule::Nucleotide) => self.nucleotide_records += 1,
            Some(Molecule::Protein) => self.protein_records += 1,
            None => {}
        }
        if self.first_other.is_none() && self.nucleotide_records > 0 && self.protein_records > 0 {
            self.first_other = Some(record.line);
        }
        if self.records.len() < listed {
            self.records.push(record.summary());
        }
    }

    /// Puts the problem that was found last at its line; the others are in order.
    fn put_last_in_order(&mut self) {
        if let Some(last) = self.problems.pop() {
            let place = self
                .problems
                .partition_point(|problem| problem.line <= last.line);
            self.problems.insert(place, last);
        }
    }

    /// What can be said only at the end.
    pub(super) fn settle(&mut self, expect: Expect) {
        if let Some(line) = self.bare_line {
            if self.records_total == 1 {
                let message = format!(
                    "The sequence has no header; it is named {}.",
                    super::BARE_ID
                );
                self.warning(usize::MAX, ProblemKind::Bare, line, message, expect);
            } else {
                let message = "There is sequence before the first header.".to_owned();
                self.problem(
                    usize::MAX,
                    ProblemKind::NoHeader,
                    line,
                    None,
                    message,
                    expect,
                );
                self.put_last_in_order();
            }
        }
        if let (Expect::Any, Some(line)) = (expect, self.first_other) {
            let message =
                "Nucleotide and protein sequences are mixed; this is the first of the other kind."
                    .to_owned();
            self.problem(usize::MAX, ProblemKind::Mixed, line, None, message, expect);
        }
        self.molecule = match (self.nucleotide_records, self.protein_records) {
            (0, 0) => None,
            (nucleotide, protein) if nucleotide >= protein => Some(Molecule::Nucleotide),
            _ => Some(Molecule::Protein),
        };
        self.once.clear();
    }
}

/// Recognises what is no text at all.
pub(super) fn not_text(head: &[u8]) -> Option<(ProblemKind, &'static str)> {
    if head.starts_with(b"\x1f\x8b") {
        return Some((ProblemKind::NotText, "This is a gzip-compressed file."));
    }
    if head.starts_with(b"PK\x03\x04") {
        return Some((
            ProblemKind::NotText,
            "This is a zip archive or an Office document.",
        ));
    }
    if head.starts_with(b"%PDF") {
        return Some((ProblemKind::NotText, "This is a PDF document."));
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Some((ProblemKind::Utf16, "The text is encoded as UTF-16."));
    }
    None
}
