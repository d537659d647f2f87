//! Scores and E-values as BLAST+'s readers know them.

/// An E-value: `0.0`, `2e-41`, `0.003`, `1.3`, `12`.
#[must_use]
pub fn evalue(value: f64) -> String {
    if value < 1e-180 {
        "0.0".to_owned()
    } else if value < 0.000_95 {
        format!("{value:.0e}")
    } else if value < 0.099_5 {
        format!("{value:.3}")
    } else if value < 9.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// A bit score: one decimal below 100, then whole.
#[must_use]
pub fn bits(value: f64) -> String {
    if value < 99.9 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// A percentage with two decimals, never rounded up to 100.
#[must_use]
pub fn percent(value: f64) -> String {
    let shown = if value < 100.0 { value.min(99.99) } else { value };
    format!("{shown:.2}\u{a0}%")
}

/// The range of a bit score on NCBI's graphic summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    pub const ALL: [Self; 5] = [Self::Below40, Self::From40, Self::From50, Self::From80, Self::From200];

    /// The range of a score.
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
