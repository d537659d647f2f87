//! Hits as people read them: subjects with their HSPs, coverage, alignments.
//!
//! Owns the columns that the engine asks `blast_formatter` for, the rows and requests that pages and
//! API share, the arithmetic of coverage and identity, and the drawing of alignments. Every figure
//! here is tested against BLAST+'s own. Never reads a file: the engine does.

use serde::{Deserialize, Serialize};

pub mod alignment;
pub mod display;
pub mod graphic;
pub mod matrix;
pub mod page;

pub use alignment::{Block, Drawing, WIDTH, blocks, render_blocks};

/// The columns of the table that the index is built from, for `-outfmt "6 …"`.
///
/// The title stands last, since it is the only one that may hold anything. It is `stitle` and not
/// `salltitles`: of a subject with several titles, NCBI's own table shows the first.
pub const TABULAR_FIELDS: &str = "qseqid sseqid saccver qlen slen qstart qend sstart send evalue bitscore score length nident positive mismatch gapopen gaps qframe sframe staxids sscinames qseq sseq stitle";

/// A high-scoring segment pair with its alignment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hsp {
    /// First query position, in the query's own letters; larger than the last on a minus frame.
    pub query_start: u64,
    /// Last query position.
    pub query_end: u64,
    /// First subject position; larger than the last on the minus strand.
    pub subject_start: u64,
    /// Last subject position.
    pub subject_end: u64,
    /// Expected number of chance hits as good.
    pub evalue: f64,
    /// Bit score.
    pub bit_score: f64,
    /// Raw score.
    pub score: u64,
    /// Columns of the alignment.
    pub length: u64,
    /// Identical columns.
    pub identities: u64,
    /// Columns that score above zero; for nucleotides the identical ones.
    pub positives: u64,
    /// Columns with two different letters.
    pub mismatches: u64,
    /// Runs of gaps.
    pub gap_openings: u64,
    /// Gap columns.
    pub gaps: u64,
    /// Reading frame of the query, or 1/-1 for strands, or 0 for proteins.
    pub query_frame: i8,
    /// Reading frame or strand of the subject.
    pub subject_frame: i8,
    /// Query letters with gaps.
    pub query_letters: String,
    /// Subject letters with gaps.
    pub subject_letters: String,
}

impl Hsp {
    /// Percent identity, as BLAST+'s `pident`: identical columns of all columns, gaps included.
    #[must_use]
    pub fn identity(&self) -> f64 {
        percent(self.identities, self.length)
    }
}

/// A subject with all its HSPs, as one row of the descriptions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectSummary {
    /// Position among the query's subjects in BLAST+'s order, from 0.
    pub ordinal: u64,
    /// Identifier as BLAST+ prints it.
    pub id: String,
    /// Accession with version; the identifier where the database knows none.
    pub accession: String,
    /// Description: the title without the identifier, or the identifier if there is no title.
    pub title: String,
    /// Bases or residues of the subject.
    pub length: u64,
    /// Bit score of the best HSP.
    pub max_score: f64,
    /// Bit scores of all HSPs together.
    pub total_score: f64,
    /// Percent of the query that the HSPs cover together.
    pub coverage: u64,
    /// Smallest E-value.
    pub evalue: f64,
    /// Percent identity of the HSP with the best bit score.
    pub identity: f64,
    /// HSPs.
    pub hsps: u64,
    /// Taxonomy numbers, separated by `;`; empty if the database has none.
    pub taxids: String,
    /// Scientific names, separated by `;`; empty if the taxonomy names are not installed.
    pub names: String,
}

/// A query with its totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuerySummary {
    /// Position in the query file, from 0.
    pub ordinal: u64,
    /// Identifier.
    pub id: String,
    /// Rest of the header.
    pub title: String,
    /// Bases or residues.
    pub letters: u64,
    /// Subjects found.
    pub hits: u64,
    /// HSPs found.
    pub hsps: u64,
}

/// Percent of `numerator` in `denominator`; 0 of nothing is 0.
#[must_use]
pub fn percent(numerator: u64, denominator: u64) -> f64 {
    if denominator == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
    let share = numerator as f64 * 100.0 / denominator as f64;
    share
}

/// Percent of the query that the ranges cover together, as BLAST+'s `qcovs`: rounded to the nearest
/// whole, but 100 only if every letter is covered. Ranges are from the smaller to the larger position.
#[must_use]
pub fn coverage(ranges: &mut [(u64, u64)], query_length: u64) -> u64 {
    ranges.sort_unstable();
    let mut covered = 0;
    let mut reached = 0;
    for &mut (start, end) in ranges {
        let from = start.max(reached + 1);
        if end >= from {
            covered += end - from + 1;
            reached = end;
        }
    }
    if query_length == 0 {
        return 0;
    }
    let rounded = (covered * 200 + query_length) / (query_length * 2);
    if rounded >= 100 && covered < query_length {
        99
    } else {
        rounded.min(100)
    }
}

#[cfg(test)]
mod tests;
