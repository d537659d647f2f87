//! Scores and E-values in the one form in which they are shown: BLAST+'s own.
//!
//! Owns the thresholds at which the number of digits changes (those of the pairwise report) and the
//! ranges of NCBI's graphic summary. Says which class a range has, never its colour.

use serde::{Deserialize, Serialize};

/// An E-value: `0.0`, `2e-41`, `0.003`, `0.27`, `1.3`, `12`.
#[must_use]
pub fn evalue(value: f64) -> String {
    if value < 1e-180 {
        "0.0".to_owned()
    } else if value < 0.000_9 {
        // BLAST+ writes the exponent with two digits at least: `3e-05`.
        let text = format!("{value:.0e}");
        match text.split_once("e-") {
            Some((digit, exponent)) => format!("{digit}e-{exponent:0>2}"),
            None => text,
        }
    } else if value < 0.1 {
        format!("{value:.3}")
    } else if value < 1.0 {
        format!("{value:.2}")
    } else if value < 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// A bit score: one decimal up to 99.9, then whole, then with an exponent from 100,000.
#[must_use]
pub fn bits(value: f64) -> String {
    if value > 99_999.0 {
        let text = format!("{value:.3e}");
        match text.split_once('e') {
            Some((digits, exponent)) => format!("{digits}e+{exponent:0>2}"),
            None => text,
        }
    } else if value > 99.9 {
        format!("{:.0}", value.trunc())
    } else {
        format!("{value:.1}")
    }
}

/// A percentage with two decimals, never rounded up to 100.
#[must_use]
pub fn percent(value: f64) -> String {
    let shown = if value < 100.0 {
        value.min(99.99)
    } else {
        value
    };
    format!("{shown:.2}\u{a0}%")
}

/// The range of a bit score on NCBI's graphic summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreRange {
    /// Below 40.
    Below40,
    /// 40 to 50.
    From40,
    /// 50 to 80.
    From50,
    /// 80 to 200.
    From80,
    /// 200 and more.
    From200,
}

impl ScoreRange {
    /// All ranges, from low to high.
    pub const ALL: [Self; 5] = [
        Self::Below40,
        Self::From40,
        Self::From50,
        Self::From80,
        Self::From200,
    ];

    /// The range of a score. A lower bound belongs to the range, the upper one to the next.
    #[must_use]
    pub fn of(score: f64) -> Self {
        match score {
            score if score >= 200.0 => Self::From200,
            score if score >= 80.0 => Self::From80,
            score if score >= 50.0 => Self::From50,
            score if score >= 40.0 => Self::From40,
            _ => Self::Below40,
        }
    }

    /// The CSS class.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Below40 => "score-0",
            Self::From40 => "score-40",
            Self::From50 => "score-50",
            Self::From80 => "score-80",
            Self::From200 => "score-200",
        }
    }

    /// The words of the legend.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Below40 => "below 40",
            Self::From40 => "40 to 50",
            Self::From50 => "50 to 80",
            Self::From80 => "80 to 200",
            Self::From200 => "200 and more",
        }
    }
}
