//! Scores and gap costs: only the combinations for which BLAST+ has statistics.
//!
//! Measured on BLAST+ 2.12 by asking it for every combination; `engine/tests/option_tables.rs` asks
//! it again. For each pair of match and mismatch scores there is a list of single gap costs, and a
//! bound from which on every dearer gap is accepted too.

use serde::{Deserialize, Serialize};

use super::program::{Program, Task};

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
    NucleotideScores { reward, penalty, single, from, linear }
}

/// All pairs of scores that BLAST+ supports, from strict to tolerant.
pub const NUCLEOTIDE: [NucleotideScores; 12] = [
    row(1, -5, &[], Some((3, 3)), true),
    row(1, -4, &[(0, 2), (1, 1), (1, 2), (2, 1)], Some((2, 2)), true),
    row(2, -7, &[(0, 4), (2, 2), (2, 4), (4, 2)], Some((4, 4)), true),
    row(1, -3, &[(0, 2), (1, 1), (1, 2), (2, 1)], Some((2, 2)), true),
    row(2, -5, &[(0, 4), (2, 2), (2, 4), (4, 2)], Some((4, 4)), true),
    row(1, -2, &[(0, 2), (1, 1), (1, 2), (2, 1), (3, 1)], Some((2, 2)), true),
    row(2, -3, &[(0, 4), (2, 2), (2, 4), (3, 3), (4, 2), (4, 4), (5, 2), (6, 2)], Some((6, 4)), true),
    row(3, -4, &[(4, 2), (4, 3), (5, 2), (5, 3), (6, 2)], Some((6, 3)), false),
    row(4, -5, &[(3, 5), (4, 5), (5, 5), (6, 5)], Some((12, 8)), true),
    row(1, -1, &[(0, 2), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1)], Some((4, 2)), false),
    row(3, -2, &[], Some((5, 5)), false),
    row(5, -4, &[(8, 6), (10, 6)], Some((25, 10)), false),
];

impl NucleotideScores {
    /// The row of a pair of scores.
    #[must_use]
    pub fn find(reward: i32, penalty: i32) -> Option<&'static Self> {
        NUCLEOTIDE.iter().find(|row| row.reward == reward && row.penalty == penalty)
    }

    /// Whether BLAST+ takes these gap costs in this task.
    #[must_use]
    pub fn accepts(&self, task: Task, gap: Gap) -> bool {
        let linear = gap == (0, 0) && self.linear && task == Task::Megablast;
        let dear = self.from.is_some_and(|from| gap.0 >= from.0 && gap.1 >= from.1);
        linear || dear || self.single.contains(&gap)
    }

    /// The gap costs to offer.
    #[must_use]
    pub fn offered(&self, task: Task) -> Vec<Gap> {
        let linear = (self.linear && task == Task::Megablast).then_some((0, 0));
        linear.into_iter().chain(self.single.iter().copied()).chain(self.from).collect()
    }
}

/// The scores and gap costs that BLAST+ takes for a nucleotide task if none are given.
#[must_use]
pub const fn nucleotide_defaults(task: Task) -> ((i32, i32), Gap) {
    match task {
        Task::Megablast => ((1, -2), (0, 0)),
        Task::BlastnShort => ((1, -3), (5, 2)),
        _ => ((2, -3), (5, 2)),
    }
}

/// A substitution matrix.
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
        Self::ALL.into_iter().find(|matrix| matrix.as_str().eq_ignore_ascii_case(text))
    }

    /// The gap costs that BLAST+ has statistics for.
    #[must_use]
    pub const fn gaps(self) -> &'static [Gap] {
        match self {
            Self::Blosum45 => &[(10, 3), (11, 3), (12, 2), (12, 3), (13, 2), (13, 3), (14, 2), (15, 2), (16, 1), (16, 2), (17, 1), (18, 1), (19, 1)],
            Self::Blosum50 => &[(9, 3), (10, 3), (11, 3), (12, 2), (12, 3), (13, 2), (13, 3), (14, 2), (15, 1), (15, 2), (16, 1), (16, 2), (17, 1), (18, 1), (19, 1)],
            Self::Blosum62 => &[(6, 2), (7, 2), (8, 2), (9, 1), (9, 2), (10, 1), (10, 2), (11, 1), (11, 2), (12, 1), (13, 1)],
            Self::Blosum80 => &[(6, 2), (7, 2), (8, 2), (9, 1), (9, 2), (10, 1), (11, 1), (13, 2)],
            Self::Blosum90 => &[(6, 2), (7, 2), (8, 2), (9, 1), (9, 2), (10, 1), (11, 1)],
            Self::Pam30 => &[(5, 2), (6, 2), (7, 2), (8, 1), (9, 1), (10, 1), (13, 3), (14, 1), (14, 2), (15, 3)],
            Self::Pam70 => &[(6, 2), (7, 2), (8, 2), (9, 1), (10, 1), (11, 1), (11, 2), (12, 3)],
            Self::Pam250 => &[(11, 3), (12, 3), (13, 2), (13, 3), (14, 2), (14, 3), (15, 2), (15, 3), (16, 2), (17, 1), (17, 2), (18, 1), (19, 1), (20, 1), (21, 1)],
        }
    }
}

/// The matrix that BLAST+ takes if none is given.
#[must_use]
pub const fn default_matrix(task: Option<Task>) -> Matrix {
    match task {
        Some(Task::BlastpShort) => Matrix::Pam30,
        _ => Matrix::Blosum62,
    }
}

/// The gap costs that BLAST+ takes for a task if neither they nor a matrix are given.
#[must_use]
pub const fn default_protein_gap(task: Option<Task>) -> Gap {
    match task {
        Some(Task::BlastpShort) => (9, 1),
        _ => (11, 1),
    }
}

/// Whether a program has gaps at all.
#[must_use]
pub const fn is_gapped(program: Program) -> bool {
    !matches!(program, Program::Tblastx)
}
