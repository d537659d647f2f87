//! The graphic summary: where on the query each subject matches.
//!
//! Owns the geometry in thousandths of the query's length; drawing is the page's. HSPs of one subject
//! share a lane.

use super::display::ScoreRange;

/// The width of the drawing in its own units.
pub const UNITS: u64 = 1_000;
/// Subjects that are drawn at most.
pub const MAX_SUBJECTS: usize = 100;

/// One subject's lane.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// Position of the subject in BLAST+'s order.
    pub ordinal: u64,
    /// Accession, for the label.
    pub accession: String,
    /// Title, for the label.
    pub title: String,
    /// Its HSPs.
    pub bars: Vec<Bar>,
}

/// One HSP on the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// First position on the query, the smaller one.
    pub start: u64,
    /// Last position on the query.
    pub end: u64,
    /// Bit score.
    pub score: f64,
}

impl Bar {
    /// Left edge and width in [`UNITS`]; at least 2 wide, so that a short match can be seen.
    #[must_use]
    pub fn span(&self, query_length: u64) -> (u64, u64) {
        let length = query_length.max(1);
        let left = self.start.saturating_sub(1).min(length) * UNITS / length;
        let right = self.end.min(length) * UNITS / length;
        (left.min(UNITS - 2), right.saturating_sub(left).max(2))
    }

    /// The range of its score.
    #[must_use]
    pub fn range(&self) -> ScoreRange {
        ScoreRange::of(self.score)
    }
}

/// Round positions for the ruler, from 1 to the query's length: about six of them.
#[must_use]
pub fn ticks(query_length: u64) -> Vec<u64> {
    let mut step = 1_u64;
    for factor in [2, 5, 2].into_iter().cycle() {
        if query_length / step <= 6 || step > u64::MAX / 10 {
            break;
        }
        step = if factor == 5 { step / 2 * 5 } else { step * 2 };
    }
    let mut ticks = vec![1];
    ticks.extend((1..).map(|n| n * step).take_while(|tick| *tick < query_length).filter(|tick| *tick > 1));
    // The last round one leaves room for the end.
    if ticks.len() > 1 && ticks.last().is_some_and(|last| (query_length - last) * 12 < query_length) {
        ticks.pop();
    }
    if query_length > 1 {
        ticks.push(query_length);
    }
    ticks
}
