//! An alignment in blocks of columns, with the positions that belong to each line.
//!
//! Positions count letters and not columns (a gap moves nothing), run downwards on a minus strand or
//! frame, and by threes where the side is translated. The text is BLAST+'s pairwise report line by
//! line, but for two things: BLAST+ prints masked query letters in lower case, which the table of hits
//! does not tell, and it marks the rare J and U otherwise than it counts them. Marks follow the counts.

use serde::{Deserialize, Serialize};

use super::{Hsp, display, matrix};

/// Columns of a block, as BLAST+ prints them.
pub const WIDTH: usize = 60;

/// What the drawing of an alignment depends on beside the alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawing<'a> {
    /// Name of the substitution matrix; `None` for nucleotide alignments.
    pub matrix: Option<&'a str>,
    /// Whether a column is three letters of the query (blastx, tblastx).
    pub query_translated: bool,
    /// Whether a column is three letters of the subject (tblastn, tblastx).
    pub subject_translated: bool,
}

impl<'a> Drawing<'a> {
    /// How the alignments of a program are drawn.
    #[must_use]
    pub fn new(program: &str, matrix: Option<&'a str>) -> Self {
        Self {
            matrix,
            query_translated: matches!(program, "blastx" | "tblastx"),
            subject_translated: matches!(program, "tblastn" | "tblastx"),
        }
    }
}

/// Some columns of an alignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Position of the first query letter; `None` where the line is of gaps alone.
    pub query_start: Option<u64>,
    /// Query letters with gaps.
    pub query_line: String,
    /// Position of the last query letter.
    pub query_end: Option<u64>,
    /// Identities and positives, as long as the lines.
    pub midline: String,
    /// Position of the first subject letter; `None` where the line is of gaps alone.
    pub subject_start: Option<u64>,
    /// Subject letters with gaps.
    pub subject_line: String,
    /// Position of the last subject letter.
    pub subject_end: Option<u64>,
}

/// How one side is counted.
struct Side {
    next: u64,
    down: bool,
    step: u64,
}

impl Side {
    const fn new(start: u64, end: u64, translated: bool) -> Self {
        let step = if translated { 3 } else { 1 };
        Self {
            next: start,
            down: start > end,
            step,
        }
    }

    /// First and last position of a line; `None` if it has no letter.
    fn advance(&mut self, line: &[u8]) -> Option<(u64, u64)> {
        let letters = line.iter().filter(|letter| **letter != b'-').count() as u64;
        if letters == 0 {
            return None;
        }
        let span = letters.saturating_mul(self.step);
        let first = self.next;
        if self.down {
            self.next = first.saturating_sub(span);
            Some((first, first.saturating_sub(span - 1)))
        } else {
            self.next = first.saturating_add(span);
            Some((first, first.saturating_add(span - 1)))
        }
    }
}

/// Cuts an alignment into blocks of `width` columns (at least one).
#[must_use]
pub fn render_blocks(hsp: &Hsp, drawing: Drawing<'_>, width: usize) -> Vec<Block> {
    let width = width.max(1);
    let mut query_side = Side::new(hsp.query_start, hsp.query_end, drawing.query_translated);
    let mut subject_side = Side::new(
        hsp.subject_start,
        hsp.subject_end,
        drawing.subject_translated,
    );
    let lines = hsp
        .query_letters
        .as_bytes()
        .chunks(width)
        .zip(hsp.subject_letters.as_bytes().chunks(width));
    let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    lines
        .map(|(query, subject)| {
            let query_span = query_side.advance(query);
            let subject_span = subject_side.advance(subject);
            let marks = query
                .iter()
                .zip(subject)
                .map(|(left, right)| mark(drawing.matrix, *left, *right));
            Block {
                query_start: query_span.map(|(start, _)| start),
                query_line: text(query),
                query_end: query_span.map(|(_, end)| end),
                midline: marks.collect(),
                subject_start: subject_span.map(|(start, _)| start),
                subject_line: text(subject),
                subject_end: subject_span.map(|(_, end)| end),
            }
        })
        .collect()
}

/// Blocks of [`WIDTH`] columns. `matrix` is `None` for nucleotide alignments.
#[must_use]
pub fn blocks(
    hsp: &Hsp,
    matrix: Option<&str>,
    query_translated: bool,
    subject_translated: bool,
) -> Vec<Block> {
    render_blocks(
        hsp,
        Drawing {
            matrix,
            query_translated,
            subject_translated,
        },
        WIDTH,
    )
}

/// What stands between two letters: `|` for identical bases, the letter for identical residues.
fn mark(matrix: Option<&str>, left: u8, right: u8) -> char {
    let same = left.eq_ignore_ascii_case(&right) && left != b'-';
    match matrix {
        None if same => '|',
        Some(_) if same => char::from(left.to_ascii_uppercase()),
        Some(matrix) if matrix::is_positive(matrix, left, right) => '+',
        _ => ' ',
    }
}

/// The blocks as text, laid out as BLAST+ does; blanks at line ends are left out.
#[must_use]
pub fn to_text(blocks: &[Block]) -> String {
    let ends = |block: &Block| {
        [
            block.query_start,
            block.query_end,
            block.subject_start,
            block.subject_end,
        ]
    };
    let widest = blocks.iter().flat_map(ends).flatten().max().unwrap_or(0);
    let width = widest.to_string().len();
    let mut text = String::new();
    let mut line = |label: &str, start: Option<u64>, letters: &str, end: Option<u64>| {
        let show = |position: Option<u64>| {
            position.map_or_else(String::new, |position| position.to_string())
        };
        let whole = format!(
            "{label:<5}  {:<width$}  {letters}  {}",
            show(start),
            show(end)
        );
        text.push_str(whole.trim_end());
        text.push('\n');
    };
    for (index, block) in blocks.iter().enumerate() {
        if index > 0 {
            line("", None, "", None);
        }
        line(
            "Query",
            block.query_start,
            &block.query_line,
            block.query_end,
        );
        line("", None, &block.midline, None);
        line(
            "Sbjct",
            block.subject_start,
            &block.subject_line,
            block.subject_end,
        );
    }
    text
}

/// The lines that BLAST+ prints above an alignment: scores, identities, strands or frames.
///
/// BLAST+ adds to `Expect` the number of HSPs that were judged together, and names the way in which
/// the statistics were adjusted; the table of hits tells neither.
#[must_use]
pub fn heading(hsp: &Hsp, drawing: Drawing<'_>) -> String {
    let share = |count: u64| {
        format!(
            "{count}/{} ({}%)",
            hsp.length,
            whole_percent(count, hsp.length)
        )
    };
    let mut text = format!(
        " Score = {} bits ({}),  Expect = {}\n",
        display::bits(hsp.bit_score),
        hsp.score,
        display::evalue(hsp.evalue)
    );
    text.push_str(&format!(" Identities = {}", share(hsp.identities)));
    if drawing.matrix.is_some() {
        text.push_str(&format!(", Positives = {}", share(hsp.positives)));
    }
    text.push_str(&format!(", Gaps = {}\n", share(hsp.gaps)));
    text.push_str(
        &direction(hsp, drawing).map_or_else(String::new, |direction| format!(" {direction}\n")),
    );
    text
}

/// Strands or frames in BLAST+'s words: `Strand=Plus/Minus`, `Frame = -2`, `Frame = +1/-3`; `None`
/// where both sides are proteins.
#[must_use]
pub fn direction(hsp: &Hsp, drawing: Drawing<'_>) -> Option<String> {
    let strand = |start: u64, end: u64| if start > end { "Minus" } else { "Plus" };
    match (
        drawing.matrix,
        drawing.query_translated,
        drawing.subject_translated,
    ) {
        (None, ..) => {
            let query = strand(hsp.query_start, hsp.query_end);
            Some(format!(
                "Strand={query}/{}",
                strand(hsp.subject_start, hsp.subject_end)
            ))
        }
        (_, true, true) => Some(format!(
            "Frame = {:+}/{:+}",
            hsp.query_frame, hsp.subject_frame
        )),
        (_, true, false) => Some(format!("Frame = {:+}", hsp.query_frame)),
        (_, false, true) => Some(format!("Frame = {:+}", hsp.subject_frame)),
        (_, false, false) => None,
    }
}

/// Whole percent as BLAST+ prints it above an alignment: rounded, but 100 only if all.
fn whole_percent(count: u64, of: u64) -> u64 {
    if count >= of {
        return 100;
    }
    ((count * 200 + of) / (of * 2)).min(99)
}
