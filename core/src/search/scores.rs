//! Scores and gap costs: only the combinations for which BLAST+ has statistics.
//!
//! Measured on BLAST+ 2.12 by asking it for every combination; `engine/tests/blast_option_tables.rs`
//! asks it again. For each pair of match and mismatch scores there is a list of single gap costs,
//! and a bound from which on every dearer gap is accepted too. A multiple of a pair (2/-4 of 1/-2)
//! takes the same multiple of its gap costs.

use serde::{Deserialize, Serialize};

use super::program::Task;

/// Cost to open and to extend a gap.
pub type Gap = (u32, u32);

/// The gap costs that go with one pair of nucleotide scores.
#[derive(Debug, Clone, Copy)]
pub struct NucleotideScores {
    /// Score of a match.
    pub reward: i32,
    /// Score of a mismatch.
    pub penalty: i32,
    /// Gap costs that are accepted one by one.
    pub single: &'static [Gap],
    /// Both costs at least these are accepted too; `None` if there is no such bound in sight.
    pub from: Option<Gap>,
    /// Whether megablast may take linear gap costs (0, 0).
    pub linear: bool,
}

const fn row(
    reward: i32,
    penalty: i32,
    single: &'static [Gap],
    from: Option<Gap>,
    linear: bool,
) -> NucleotideScores {
    NucleotideScores {
        reward,
        penalty,
        single,
        from,
        linear,
    }
}

/// All pairs of scores that BLAST+ supports, from strict to tolerant.
pub const NUCLEOTIDE: [NucleotideScores; 12] = [
    row(1, -5, &[], Some((3, 3)), true),
    row(1, -4, &[(0, 2), (1, 1), (1, 2), (2, 1)], Some((2, 2)), true),
    row(2, -7, &[(0, 4), (2, 2), (2, 4), (4, 2)], Some((4, 4)), true),
    row(1, -3, &[(0, 2), (1, 1), (1, 2), (2, 1)], Some((2, 2)), true),
    row(2, -5, &[(0, 4), (2, 2), (2, 4), (4, 2)], Some((4, 4)), true),
    row(
        1,
        -2,
        &[(0, 2), (1, 1), (1, 2), (2, 1), (3, 1)],
        Some((2, 2)),
        true,
    ),
    row(
        2,
        -3,
        &[
            (0, 4),
            (2, 2),
            (2, 4),
            (3, 3),
            (4, 2),
            (4, 4),
            (5, 2),
            (6, 2),
        ],
        Some((6, 4)),
        true,
    ),
    row(
        3,
        -4,
        &[(4, 2), (4, 3), (5, 2), (5, 3), (6, 2)],
        Some((6, 3)),
        false,
    ),
    row(
        4,
        -5,
        &[(3, 5), (4, 5), (5, 5), (6, 5)],
        Some((12, 8)),
        true,
    ),
    row(
        1,
        -1,
        &[(0, 2), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1)],
        Some((4, 2)),
        false,
    ),
    row(3, -2, &[], Some((5, 5)), false),
    row(5, -4, &[(8, 6), (10, 6)], Some((25, 10)), false),
];

impl NucleotideScores {
    /// The row of a pair of scores, and how many times the row's scores the pair is.
    #[must_use]
    pub fn find(reward: i32, penalty: i32) -> Option<(&'static Self, u32)> {
        if reward <= 0 || penalty >= 0 {
            return None;
        }
        let factor = common_divisor(reward.unsigned_abs(), penalty.unsigned_abs());
        let divisor = i32::try_from(factor).ok()?;
        let wanted = (reward / divisor, penalty / divisor);
        let row = NUCLEOTIDE
            .iter()
            .find(|row| (row.reward, row.penalty) == wanted)?;
        Some((row, factor))
    }

    /// Whether BLAST+ takes these gap costs in this task with `factor` times the row's scores.
    #[must_use]
    pub fn accepts(&self, task: Task, factor: u32, gap: Gap) -> bool {
        let linear = gap == (0, 0) && self.takes_linear(task);
        let dear = self.from.is_some_and(|from| {
            let from = times(from, factor);
            gap.0 >= from.0 && gap.1 >= from.1
        });
        linear
            || dear
            || self
                .single
                .iter()
                .any(|single| times(*single, factor) == gap)
    }

    /// The gap costs to offer in a task; the last one stands for all dearer ones.
    #[must_use]
    pub fn offered(&self, task: Task) -> Vec<Gap> {
        self.offered_times(task, 1)
    }

    /// The gap costs to offer with `factor` times the row's scores.
    #[must_use]
    pub fn offered_times(&self, task: Task, factor: u32) -> Vec<Gap> {
        let linear = self.takes_linear(task).then_some((0, 0));
        let paired = self.single.iter().copied().chain(self.from);
        linear
            .into_iter()
            .chain(paired.map(|gap| times(gap, factor)))
            .collect()
    }

    fn takes_linear(&self, task: Task) -> bool {
        self.linear && task == Task::Megablast
    }
}

/// The gap costs to choose from in a search, in words: `5/2, 6/2 or dearer`; empty where the program
/// has no gaps or the scores have no statistics.
#[must_use]
pub fn gap_pairs(spec: &super::SearchSpec) -> String {
    let words = |gaps: &[Gap]| {
        let pairs: Vec<String> = gaps
            .iter()
            .map(|(open, extend)| format!("{open}/{extend}"))
            .collect();
        pairs.join(", ")
    };
    if spec.program == super::Program::Tblastx {
        return String::new();
    }
    if let Some(matrix) = spec.matrix() {
        return words(matrix.gaps());
    }
    let Some(task) = spec.task() else {
        return String::new();
    };
    let defaults = super::TaskDefaults::of(spec.program, Some(task));
    let default = defaults.scores.unwrap_or_default();
    let reward = spec.options.reward.unwrap_or(default.0);
    let penalty = spec.options.penalty.unwrap_or(default.1);
    let Some((row, factor)) = NucleotideScores::find(reward, penalty) else {
        return String::new();
    };
    let dearer = if row.from.is_some() {
        " or dearer than the last"
    } else {
        ""
    };
    format!("{}{dearer}", words(&row.offered_times(task, factor)))
}

const fn times(gap: Gap, factor: u32) -> Gap {
    (gap.0.saturating_mul(factor), gap.1.saturating_mul(factor))
}

const fn common_divisor(mut left: u32, mut right: u32) -> u32 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

/// A substitution matrix. `IDENTITY`, which BLAST+ takes too, is left out: it is made for finding
/// exact peptides, which blastp-short does better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Matrix {
    /// For distant proteins.
    Blosum45,
    /// For distant proteins.
    Blosum50,
    /// The default.
    Blosum62,
    /// For close proteins.
    Blosum80,
    /// For very close proteins.
    Blosum90,
    /// For short, very close peptides.
    Pam30,
    /// For close peptides.
    Pam70,
    /// For distant proteins.
    Pam250,
}

impl Matrix {
    /// All matrices, in the order of the form.
    pub const ALL: [Self; 8] = [
        Self::Blosum62,
        Self::Blosum45,
        Self::Blosum50,
        Self::Blosum80,
        Self::Blosum90,
        Self::Pam30,
        Self::Pam70,
        Self::Pam250,
    ];

    /// The value of `-matrix`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blosum45 => "BLOSUM45",
            Self::Blosum50 => "BLOSUM50",
            Self::Blosum62 => "BLOSUM62",
            Self::Blosum80 => "BLOSUM80",
            Self::Blosum90 => "BLOSUM90",
            Self::Pam30 => "PAM30",
            Self::Pam70 => "PAM70",
            Self::Pam250 => "PAM250",
        }
    }

    /// Reads the value, whatever its case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|matrix| matrix.as_str().eq_ignore_ascii_case(text))
    }

    /// The gap costs that BLAST+ has statistics for.
    #[must_use]
    pub const fn gaps(self) -> &'static [Gap] {
        match self {
            Self::Blosum45 => &[
                (10, 3),
                (11, 3),
                (12, 2),
                (12, 3),
                (13, 2),
                (13, 3),
                (14, 2),
                (15, 2),
                (16, 1),
                (16, 2),
                (17, 1),
                (18, 1),
                (19, 1),
            ],
            Self::Blosum50 => &[
                (9, 3),
                (10, 3),
                (11, 3),
                (12, 2),
                (12, 3),
                (13, 2),
                (13, 3),
                (14, 2),
                (15, 1),
                (15, 2),
                (16, 1),
                (16, 2),
                (17, 1),
                (18, 1),
                (19, 1),
            ],
            Self::Blosum62 => &[
                (6, 2),
                (7, 2),
                (8, 2),
                (9, 1),
                (9, 2),
                (10, 1),
                (10, 2),
                (11, 1),
                (11, 2),
                (12, 1),
                (13, 1),
            ],
            Self::Blosum80 => &[
                (6, 2),
                (7, 2),
                (8, 2),
                (9, 1),
                (9, 2),
                (10, 1),
                (11, 1),
                (13, 2),
            ],
            Self::Blosum90 => &[(6, 2), (7, 2), (8, 2), (9, 1), (9, 2), (10, 1), (11, 1)],
            Self::Pam30 => &[
                (5, 2),
                (6, 2),
                (7, 2),
                (8, 1),
                (9, 1),
                (10, 1),
                (13, 3),
                (14, 1),
                (14, 2),
                (15, 3),
            ],
            Self::Pam70 => &[
                (6, 2),
                (7, 2),
                (8, 2),
                (9, 1),
                (10, 1),
                (11, 1),
                (11, 2),
                (12, 3),
            ],
            Self::Pam250 => &[
                (11, 3),
                (12, 3),
                (13, 2),
                (13, 3),
                (14, 2),
                (14, 3),
                (15, 2),
                (15, 3),
                (16, 2),
                (17, 1),
                (17, 2),
                (18, 1),
                (19, 1),
                (20, 1),
                (21, 1),
            ],
        }
    }

    /// The gap costs that BLAST+ takes with this matrix if none are given, whatever the task.
    #[must_use]
    pub const fn default_gap(self) -> Gap {
        match self {
            Self::Blosum62 => (11, 1),
            Self::Blosum50 => (13, 2),
            Self::Blosum45 | Self::Pam250 => (14, 2),
            Self::Blosum80 | Self::Blosum90 | Self::Pam70 => (10, 1),
            Self::Pam30 => (9, 1),
        }
    }
}
