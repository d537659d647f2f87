//! What BLAST+ 2.12 takes for an option that is not given.
//!
//! Measured: read from the parameters that each task prints and exports, not from the manual. The
//! form shows these values and never sends them: what is not set stays BLAST+'s own business.

use super::{
    DEFAULT_EVALUE, DEFAULT_TARGETS,
    filter::Filter,
    program::{Program, Task},
    scores::{Gap, Matrix},
};

/// The defaults of one task. `None` where the program has no such option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskDefaults {
    /// E-value; 10 for every task, also for the short ones.
    pub evalue: f64,
    /// Subjects kept per query.
    pub max_target_seqs: u32,
    /// Letters of a word: bases for blastn, residues for the others.
    pub word_size: u32,
    /// Low-complexity filter: on, but for blastp.
    pub filter: Filter,
    /// Soft masking: on for blastn only.
    pub soft_masking: bool,
    /// Score of a match and of a mismatch.
    pub scores: Option<(i32, i32)>,
    /// Substitution matrix.
    pub matrix: Option<Matrix>,
    /// Cost to open and to extend a gap; (0, 0) is megablast's linear cost.
    pub gap: Option<Gap>,
    /// Least score of a neighbouring word.
    pub threshold: Option<u32>,
    /// Letters within which a second word must lie; 0 if one word is enough.
    pub window_size: u32,
    /// Composition-based statistics.
    pub comp_based_stats: Option<u8>,
}

impl TaskDefaults {
    /// The defaults of a task with its own matrix. `task` is `None` for tblastx.
    #[must_use]
    pub fn of(program: Program, task: Option<Task>) -> Self {
        Self::with_matrix(program, task, None)
    }

    /// The defaults of a task in which a matrix is chosen: it brings its gap costs, threshold and
    /// window along, in every task.
    #[must_use]
    pub fn with_matrix(program: Program, task: Option<Task>, matrix: Option<Matrix>) -> Self {
        let common = Self {
            evalue: DEFAULT_EVALUE,
            max_target_seqs: DEFAULT_TARGETS,
            word_size: task.map_or(3, Task::word_size),
            filter: if program == Program::Blastp {
                Filter::Off
            } else {
                Filter::On
            },
            soft_masking: program == Program::Blastn,
            scores: None,
            matrix: None,
            gap: None,
            threshold: None,
            window_size: 0,
            comp_based_stats: None,
        };
        if program == Program::Blastn {
            let (scores, gap) = nucleotide(task.unwrap_or(Task::Megablast));
            let window_size = if task == Some(Task::DcMegablast) {
                40
            } else {
                0
            };
            return Self {
                scores: Some(scores),
                gap: Some(gap),
                window_size,
                ..common
            };
        }
        let matrix = matrix.unwrap_or_else(|| default_matrix(task));
        let gapped = program != Program::Tblastx;
        Self {
            matrix: Some(matrix),
            gap: gapped.then(|| matrix.default_gap()),
            threshold: Some(threshold(program, task, matrix)),
            window_size: window_size(matrix),
            comp_based_stats: gapped.then_some(2),
            ..common
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

/// Scores and gap costs of a nucleotide task.
const fn nucleotide(task: Task) -> ((i32, i32), Gap) {
    match task {
        Task::Megablast => ((1, -2), (0, 0)),
        Task::BlastnShort => ((1, -3), (5, 2)),
        _ => ((2, -3), (5, 2)),
    }
}

/// The threshold belongs to the matrix, but in the fast tasks; a translated side makes it dearer.
const fn threshold(program: Program, task: Option<Task>, matrix: Matrix) -> u32 {
    if matches!(
        task,
        Some(Task::BlastpFast | Task::BlastxFast | Task::TblastnFast)
    ) {
        return 21;
    }
    let untranslated = match matrix {
        Matrix::Pam30 => 16,
        Matrix::Pam70 | Matrix::Blosum45 => 14,
        Matrix::Blosum80 => 12,
        Matrix::Blosum50 | Matrix::Blosum62 | Matrix::Blosum90 | Matrix::Pam250 => 11,
    };
    match program {
        Program::Blastx => untranslated + 1,
        Program::Tblastn | Program::Tblastx => untranslated + 2,
        Program::Blastn | Program::Blastp => untranslated,
    }
}

const fn window_size(matrix: Matrix) -> u32 {
    match matrix {
        Matrix::Blosum45 => 60,
        Matrix::Blosum80 => 25,
        Matrix::Pam30 => 15,
        Matrix::Pam70 => 20,
        Matrix::Blosum50 | Matrix::Blosum62 | Matrix::Blosum90 | Matrix::Pam250 => 40,
    }
}
