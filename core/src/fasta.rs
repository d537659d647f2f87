//! FASTA, checked as a stream: every problem with its place and its remedy.
//!
//! Owns the rules that browser and server share. Takes chunks of any size, keeps no sequence in
//! memory, and writes a normalised copy (LF line ends, no byte order mark, no blanks or gaps within
//! sequences, a header for a bare sequence) to whoever wants one. BLAST+ itself lets most of these
//! problems pass with exit code 0, so that they must be found here.

use std::collections::HashMap;

use crate::{molecule::Molecule, text};

mod letters;
mod problem;
mod record;

pub use problem::{Problem, ProblemKind, Report};
pub use record::RecordSummary;

use letters::Legal;
use record::OpenRecord;

/// The name of a sequence that came without a header.
pub const BARE_ID: &str = "Query_1";
/// Identifiers beyond this length are cut by some BLAST+ formats and refused by `makeblastdb
/// -parse_seqids`.
pub const LONG_ID: usize = 50;
/// The longest header line, in bytes.
const MAX_HEADER: usize = 20_000;

/// What is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole input.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// Problems and warnings that are kept in full, each; the rest is counted.
    pub problems: usize,
    /// Records that are listed in the report; the rest is counted.
    pub listed: usize,
}

impl Default for Limits {
    /// A query: 100 MB (the product's default) and 100,000 records.
    fn default() -> Self {
        Self {
            bytes: 100_000_000,
            records: 100_000,
            problems: 100,
            listed: 100_000,
        }
    }
}

impl Limits {
    /// For what was accepted before.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self {
            bytes: u64::MAX,
            records: u64::MAX,
            problems: 100,
            listed: usize::MAX,
        }
    }
}

/// What the sequences are meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The query of a program that takes this molecule.
    Query(Molecule),
    /// A database: either molecule, but the same throughout.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the beginning of a line.
    LineStart,
    /// In a header line.
    Header,
    /// In a line of sequence.
    Sequence,
    /// In a comment line, which begins with a semicolon.
    Comment,
    /// Nothing is read any more: a limit was passed or the input is no text.
    Stopped,
}

/// The streaming checker.
#[derive(Debug)]
pub struct Checker {
    expect: Expect,
    limits: Limits,
    legal: Legal,
    place: Place,
    line: u64,
    column: u32,
    bytes: u64,
    pending_cr: bool,
    /// The first bytes, until it is clear that the input is text.
    head: Option<Vec<u8>>,
    header: Vec<u8>,
    record: Option<OpenRecord>,
    /// The implicit first record had no header.
    bare: bool,
    wrote_letters: bool,
    ids: HashMap<String, u64>,
    report: Report,
}

impl Checker {
    /// A checker at the beginning of its input.
    #[must_use]
    pub fn new(expect: Expect, limits: Limits) -> Self {
        Self {
            expect,
            limits,
            legal: Legal::for_expectation(expect),
            place: Place::LineStart,
            line: 1,
            column: 0,
            bytes: 0,
            pending_cr: false,
            head: Some(Vec::new()),
            header: Vec::new(),
            record: None,
            bare: false,
            wrote_letters: false,
            ids: HashMap::new(),
            report: Report::default(),
        }
    }

    /// Takes the next bytes; `sink` receives the normalised copy.
    pub fn push(&mut self, chunk: &[u8], sink: &mut impl FnMut(&[u8])) {
        if let Some(mut head) = self.head.take() {
            head.extend_from_slice(chunk);
            if head.len() < problem::HEAD {
                self.head = Some(head);
                return;
            }
            self.begin(&head, sink);
            return;
        }
        self.scan(chunk, sink);
    }

    /// Ends the input.
    pub fn finish(mut self, sink: &mut impl FnMut(&[u8])) -> Report {
        if let Some(head) = self.head.take() {
            self.begin(&head, sink);
        }
        match self.place {
            Place::Header => self.end_header(sink),
            Place::Sequence => self.end_sequence_line(sink),
            Place::LineStart | Place::Comment | Place::Stopped => {}
        }
        self.end_record();
        if self.report.records_total == 0 && self.report.problems_total == 0 {
            self.problem(
                ProblemKind::Empty,
                1,
                None,
                "There is no sequence.".to_owned(),
            );
        }
        self.report.bytes = self.bytes;
        self.report.settle(self.expect);
        self.report
    }

    fn begin(&mut self, head: &[u8], sink: &mut impl FnMut(&[u8])) {
        if let Some((kind, message)) = problem::not_text(head) {
            self.problem(kind, 1, None, message.to_owned());
            self.place = Place::Stopped;
            return;
        }
        let rest = head.strip_prefix(problem::UTF8_BOM);
        if rest.is_some() {
            self.bytes += problem::UTF8_BOM.len() as u64;
            self.warning(
                ProblemKind::ByteOrderMark,
                1,
                "The file begins with a byte order mark, which is left out.".to_owned(),
            );
        }
        self.scan(rest.unwrap_or(head), sink);
    }

    fn scan(&mut self, chunk: &[u8], sink: &mut impl FnMut(&[u8])) {
        let mut rest = chunk;
        while let Some((&byte, after)) = rest.split_first() {
            if self.place == Place::Stopped {
                return;
            }
            // The bulk of any input: a run of legal letters within a line.
            if self.place == Place::Sequence && !self.pending_cr && self.legal.is_legal(byte) {
                let run = rest
                    .iter()
                    .position(|byte| !self.legal.is_legal(*byte))
                    .unwrap_or(rest.len());
                let (letters, after) = rest.split_at(run);
                if !self.count(run) {
                    return;
                }
                self.column = self
                    .column
                    .saturating_add(u32::try_from(run).unwrap_or(u32::MAX));
                self.letters(letters, sink);
                rest = after;
                continue;
            }
            if !self.count(1) {
                return;
            }
            self.byte(byte, sink);
            rest = after;
        }
    }

    /// Counts bytes against the limit; `false` once it is passed.
    fn count(&mut self, bytes: usize) -> bool {
        self.bytes += bytes as u64;
        if self.bytes <= self.limits.bytes {
            return true;
        }
        let limit = text::bytes(self.limits.bytes);
        self.problem(
            ProblemKind::TooLarge,
            self.line,
            None,
            format!("The input is larger than {limit}."),
        );
        self.place = Place::Stopped;
        false
    }

    fn byte(&mut self, byte: u8, sink: &mut impl FnMut(&[u8])) {
        if std::mem::take(&mut self.pending_cr) {
            self.end_line(sink);
            if byte == b'\n' {
                return;
            }
            if !self.report.seen(ProblemKind::CarriageReturn) {
                let message = "Lines end with a carriage return alone (old Mac style); they are read as lines.";
                self.warning(
                    ProblemKind::CarriageReturn,
                    self.line.saturating_sub(1),
                    message.to_owned(),
                );
            }
        }
        match byte {
            b'\n' => self.end_line(sink),
            b'\r' => self.pending_cr = true,
            0 => {
                self.problem(
                    ProblemKind::Nul,
                    self.line,
                    Some(self.column + 1),
                    "There is a NUL byte: this is not a text file.".to_owned(),
                );
                self.place = Place::Stopped;
            }
            _ => self.text_byte(byte, sink),
        }
    }

    fn text_byte(&mut self, byte: u8, sink: &mut impl FnMut(&[u8])) {
        self.column = self.column.saturating_add(1);
        match self.place {
            Place::LineStart if byte == b'>' => {
                self.end_record();
                self.header.clear();
                self.place = Place::Header;
            }
            Place::LineStart if byte == b';' => {
                if !self.report.seen(ProblemKind::Comment) {
                    self.warning(
                        ProblemKind::Comment,
                        self.line,
                        "Lines that begin with a semicolon are comments and left out.".to_owned(),
                    );
                }
                self.place = Place::Comment;
            }
            Place::LineStart if byte.is_ascii_whitespace() => {}
            Place::LineStart | Place::Sequence => {
                self.place = Place::Sequence;
                self.sequence_byte(byte, sink);
            }
            Place::Header => {
                if self.header.len() < MAX_HEADER {
                    self.header.push(byte);
                } else if self.header.len() == MAX_HEADER {
                    self.header.push(b' ');
                    let message = format!("The header line is longer than {MAX_HEADER} bytes.");
                    self.problem(ProblemKind::LongHeader, self.line, None, message);
                }
            }
            Place::Comment | Place::Stopped => {}
        }
    }

    fn sequence_byte(&mut self, byte: u8, sink: &mut impl FnMut(&[u8])) {
        if self.legal.is_legal(byte) {
            self.letters(&[byte], sink);
            return;
        }
        if byte.is_ascii_whitespace() {
            return;
        }
        if byte == b'-' {
            if !self.report.seen(ProblemKind::Gap) {
                let message =
                    "There are gaps (-) in the sequence; they are left out, as BLAST+ does.";
                self.warning(ProblemKind::Gap, self.line, message.to_owned());
            }
            self.need_record(sink);
            return;
        }
        self.need_record(sink);
        let (line, column) = (self.line, self.column);
        if let Some(record) = &mut self.record {
            record.illegal(byte, line, column);
        }
    }

    fn letters(&mut self, letters: &[u8], sink: &mut impl FnMut(&[u8])) {
        self.need_record(sink);
        if let Some(record) = &mut self.record {
            record.count(letters);
        }
        self.wrote_letters = true;
        sink(letters);
    }

    /// Letters without a header begin a record of their own.
    fn need_record(&mut self, sink: &mut impl FnMut(&[u8])) {
        if self.record.is_some() {
            return;
        }
        self.bare = true;
        self.open_record(BARE_ID.to_owned(), String::new(), self.line);
        sink(b">");
        sink(BARE_ID.as_bytes());
        sink(b"\n");
    }

    fn end_line(&mut self, sink: &mut impl FnMut(&[u8])) {
        match self.place {
            Place::Header => self.end_header(sink),
            Place::Sequence => self.end_sequence_line(sink),
            Place::LineStart | Place::Comment | Place::Stopped => {}
        }
        if self.place != Place::Stopped {
            self.place = Place::LineStart;
        }
        self.line += 1;
        self.column = 0;
    }

    fn end_sequence_line(&mut self, sink: &mut impl FnMut(&[u8])) {
        if std::mem::take(&mut self.wrote_letters) {
            sink(b"\n");
        }
    }

    fn end_header(&mut self, sink: &mut impl FnMut(&[u8])) {
        let header = std::mem::take(&mut self.header);
        let header = String::from_utf8_lossy(&header).into_owned();
        let line = self.line;
        let (id, title) = match header.find(char::is_whitespace) {
            Some(0) => ("", header.trim()),
            Some(end) => (
                header.get(..end).unwrap_or_default(),
                header.get(end..).unwrap_or_default().trim(),
            ),
            None => (header.as_str(), ""),
        };
        if id.is_empty() {
            self.problem(
                ProblemKind::NoId,
                line,
                None,
                "The header has no identifier directly after the \">\".".to_owned(),
            );
        } else if id.len() > LONG_ID {
            self.warning(
                ProblemKind::LongId,
                line,
                format!("The identifier is longer than {LONG_ID} characters; some formats cut it."),
            );
        }
        if let Some(first) = self.ids.get(id).filter(|_| !id.is_empty()) {
            let message = format!(
                "The identifier \"{}\" is used already in line {first}.",
                text::cap(id, 60)
            );
            self.problem(ProblemKind::DuplicateId, line, None, message);
        } else {
            self.ids.insert(id.to_owned(), line);
        }
        sink(b">");
        sink(header.trim_end().as_bytes());
        sink(b"\n");
        self.open_record(id.to_owned(), title.to_owned(), line);
    }

    fn open_record(&mut self, id: String, title: String, line: u64) {
        if self.report.records_total == self.limits.records {
            let limit = text::count(self.limits.records);
            self.problem(
                ProblemKind::TooManyRecords,
                line,
                None,
                format!("There are more than {limit} sequences."),
            );
            self.place = Place::Stopped;
            return;
        }
        self.report.records_total += 1;
        self.record = Some(OpenRecord::new(id, title, line));
    }

    fn end_record(&mut self) {
        let Some(record) = self.record.take() else {
            return;
        };
        if std::mem::take(&mut self.bare) {
            // Known only now: a bare sequence is accepted if it is the whole input.
            self.report.bare_line = Some(record.line);
        }
        for (kind, line, column, message) in record.problems(self.expect) {
            self.report.current = Some(record.id.clone());
            if kind.is_warning() {
                self.warning(kind, line, message);
            } else {
                self.problem(kind, line, column, message);
            }
        }
        self.report.current = None;
        self.report.add(&record, self.limits.listed);
    }

    fn problem(&mut self, kind: ProblemKind, line: u64, column: Option<u32>, message: String) {
        self.report.problem(
            self.limits.problems,
            kind,
            line,
            column,
            message,
            self.expect,
        );
    }

    fn warning(&mut self, kind: ProblemKind, line: u64, message: String) {
        self.report
            .warning(self.limits.problems, kind, line, message, self.expect);
    }
}

/// Checks a text that is in memory anyway.
#[must_use]
pub fn check(text: &[u8], expect: Expect, limits: Limits) -> Report {
    let mut checker = Checker::new(expect, limits);
    checker.push(text, &mut |_: &[u8]| {});
    checker.finish(&mut |_: &[u8]| {})
}

#[cfg(test)]
mod tests;
