//! The graphic summary: where on the query each subject matches.
//!
//! Owns the geometry, in thousandths of the query's length; drawing is the page's. One subject is one
//! lane, its HSPs are the bars in it, and the bar that comes last lies on top: the best one.

use serde::{Deserialize, Serialize};

use super::display::ScoreRange;

/// The width of the drawing in its own units.
pub const UNITS: u64 = 1_000;
/// Subjects that are drawn at most.
pub const MAX_SUBJECTS: usize = 100;
/// HSPs of one subject that are drawn at most, the best ones.
pub const MAX_BARS: usize = 100;
/// The narrowest bar, in [`UNITS`], so that a short match on a long query can be seen.
const NARROWEST: u64 = 2;

/// The whole drawing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graphic {
    /// Letters of the query.
    pub query_length: u64,
    /// Marks of the ruler, from the first letter to the last.
    pub ticks: Vec<Tick>,
    /// Subjects, best first.
    pub lanes: Vec<Lane>,
}

impl Graphic {
    /// Lays out the first [`MAX_SUBJECTS`] subjects.
    #[must_use]
    pub fn new(query_length: u64, mut lanes: Vec<Lane>) -> Self {
        lanes.truncate(MAX_SUBJECTS);
        for lane in &mut lanes {
            lane.bars
                .sort_by(|left, right| left.score.total_cmp(&right.score));
            let surplus = lane.bars.len().saturating_sub(MAX_BARS);
            lane.bars.drain(..surplus);
        }
        let ticks = ticks(query_length).into_iter();
        let ticks = ticks
            .map(|position| Tick {
                position,
                at: tick_at(position, query_length),
            })
            .collect();
        Self {
            query_length,
            ticks,
            lanes,
        }
    }
}

/// A mark of the ruler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// Position on the query, from 1.
    pub position: u64,
    /// Where it stands, in [`UNITS`].
    pub at: u64,
}

/// One subject's lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// Position of the subject in BLAST+'s order.
    pub ordinal: u64,
    /// Accession, for the label.
    pub accession: String,
    /// Title, for the label.
    pub title: String,
    /// Its HSPs, best last.
    pub bars: Vec<Bar>,
}

/// One HSP on the query.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// First position on the query, the smaller one.
    pub start: u64,
    /// Last position on the query.
    pub end: u64,
    /// Bit score.
    pub score: f64,
}

impl Bar {
    /// The bar of an HSP, whichever way it runs.
    #[must_use]
    pub const fn new(query_start: u64, query_end: u64, score: f64) -> Self {
        let (start, end) = if query_start <= query_end {
            (query_start, query_end)
        } else {
            (query_end, query_start)
        };
        Self { start, end, score }
    }

    /// Left edge and width in [`UNITS`]; never beyond the drawing.
    #[must_use]
    pub fn span(&self, query_length: u64) -> (u64, u64) {
        let length = query_length.max(1);
        let left = self.start.saturating_sub(1).min(length) * UNITS / length;
        let right = self.end.min(length) * UNITS / length;
        let left = left.min(UNITS - NARROWEST);
        (left, right.saturating_sub(left).max(NARROWEST))
    }

    /// The range of its score.
    #[must_use]
    pub fn range(&self) -> ScoreRange {
        ScoreRange::of(self.score)
    }
}

fn tick_at(position: u64, query_length: u64) -> u64 {
    let last = query_length.saturating_sub(1).max(1);
    position.saturating_sub(1).min(last) * UNITS / last
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
    let round = (1..)
        .map(|n| n * step)
        .take_while(|tick| *tick < query_length);
    ticks.extend(round.filter(|tick| *tick > 1));
    // The last round one leaves room for the end.
    if ticks.len() > 1
        && ticks
            .last()
            .is_some_and(|last| (query_length - last) * 12 < query_length)
    {
        ticks.pop();
    }
    if query_length > 1 {
        ticks.push(query_length);
    }
    ticks
}
