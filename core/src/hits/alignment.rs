//! An alignment in blocks of columns, with the positions that belong to each line.
//!
//! Positions count letters and not columns (a gap moves nothing), run downwards on a minus strand or
//! frame, and by threes where the side is translated: the original got each of these wrong.

use super::{Hsp, matrix};

/// Columns of a block, as BLAST+ prints them.
pub const WIDTH: usize = 60;

/// Some columns of an alignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Position of the first query letter.
    pub query_start: u64,
    /// Query letters with gaps.
    pub query: String,
    /// Position of the last query letter.
    pub query_end: u64,
    /// Identities and positives.
    pub midline: String,
    /// Position of the first subject letter.
    pub subject_start: u64,
    /// Subject letters with gaps.
    pub subject: String,
    /// Position of the last subject letter.
    pub subject_end: u64,
}

/// How one side is counted.
struct Side {
    next: u64,
    down: bool,
    step: u64,
}

impl Side {
    const fn new(start: u64, end: u64, translated: bool) -> Self {
        Self {
            next: start,
            down: start > end,
            step: if translated { 3 } else { 1 },
        }
    }

    /// First and last position of so many letters. Of none: where it stands.
    const fn advance(&mut self, letters: u64) -> (u64, u64) {
        if letters == 0 {
            return (self.next, self.next);
        }
        let span = letters * self.step;
        let first = self.next;
        let last = if self.down {
            self.next = first.saturating_sub(span);
            first.saturating_sub(span - 1)
        } else {
            self.next = first + span;
            first + span - 1
        };
        (first, last)
    }
}

/// Cuts an alignment into blocks. `matrix` is `None` for nucleotide alignments.
#[must_use]
pub fn blocks(hsp: &Hsp, matrix: Option<&str>, query_translated: bool, subject_translated: bool) -> Vec<Block> {
    let mut query_side = Side::new(hsp.query_start, hsp.query_end, query_translated);
    let mut subject_side = Side::new(hsp.subject_start, hsp.subject_end, subject_translated);
    let query: Vec<u8> = hsp.query_letters.bytes().collect();
    let subject: Vec<u8> = hsp.subject_letters.bytes().collect();
    let letters = |columns: &[u8]| columns.iter().filter(|letter| **letter != b'-').count() as u64;
    let text = |columns: &[u8]| String::from_utf8_lossy(columns).into_owned();
    query
        .chunks(WIDTH)
        .zip(subject.chunks(WIDTH))
        .map(|(query, subject)| {
            let (query_start, query_end) = query_side.advance(letters(query));
            let (subject_start, subject_end) = subject_side.advance(letters(subject));
            let midline = query.iter().zip(subject).map(|(left, right)| mark(matrix, *left, *right));
            Block {
                query_start,
                query: text(query),
                query_end,
                midline: midline.collect(),
                subject_start,
                subject: text(subject),
                subject_end,
            }
        })
        .collect()
}

/// What stands between two letters.
fn mark(matrix: Option<&str>, left: u8, right: u8) -> char {
    let same = left.eq_ignore_ascii_case(&right) && left != b'-';
    match matrix {
        None if same => '|',
        None => ' ',
        Some(_) if same => char::from(left.to_ascii_uppercase()),
        Some(matrix) if matrix::is_positive(matrix, left, right) => '+',
        Some(_) => ' ',
    }
}

/// The blocks as text, positions in columns of their own.
#[must_use]
pub fn to_text(blocks: &[Block]) -> String {
    let positions = blocks.iter().flat_map(|block| [block.query_start, block.query_end, block.subject_start, block.subject_end]);
    let width = positions.max().unwrap_or(0).to_string().len();
    let mut text = String::new();
    for (index, block) in blocks.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let Block { query_start, query, query_end, midline, subject_start, subject, subject_end } = block;
        text.push_str(&format!("Query  {query_start:<width$}  {query}  {query_end}\n"));
        text.push_str(format!("       {:<width$}  {midline}", "").trim_end());
        text.push('\n');
        text.push_str(&format!("Sbjct  {subject_start:<width$}  {subject}  {subject_end}\n"));
    }
    text
}
