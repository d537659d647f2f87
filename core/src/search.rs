//! The search as typed values: program, task, database, options.
//!
//! Owns what may be asked of BLAST+ and how it is checked. The argument vector is built from these
//! values alone, never from text, so that no input can become an option that is not listed here.

use serde::{Deserialize, Serialize};

use crate::molecule::Molecule;

pub mod argv;
mod check;
pub mod defaults;
pub mod filter;
pub mod form;
pub mod free_text;
pub mod gencode;
pub mod options;
pub mod program;
pub mod real;
pub mod scores;
pub mod table;
pub mod value;

pub use argv::{RunPaths, RunSettings, argv, argv_with, display_command, place};
pub use check::Checked;
pub use defaults::TaskDefaults;
pub use filter::Filter;
pub use form::{from_form, to_form};
pub use free_text::{merge, parse_options, to_text};
pub use options::{SearchOptions, Strand};
pub use program::{Program, Task};
pub use scores::Matrix;
pub use table::{OPTIONS, OptionDescriptor};
pub use value::Range;

/// The longest name of a database, in characters.
pub const MAX_DATABASE_NAME: usize = 200;
/// BLAST+ takes a limit below this for a heuristic, not for "the best n" (its own warning).
pub const FEW_TARGETS: u32 = 5;
/// BLAST+'s own default for `-max_target_seqs`.
pub const DEFAULT_TARGETS: u32 = 500;
/// BLAST+'s own default for `-evalue`.
pub const DEFAULT_EVALUE: f64 = 10.0;

/// What is searched, where and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSpec {
    /// Program.
    pub program: Program,
    /// Task; `None` is the program's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// Name of the database in the catalogue.
    pub database: String,
    /// Options; what is not set is BLAST+'s default for the task.
    #[serde(default)]
    pub options: SearchOptions,
}

impl SearchSpec {
    /// The task in force; `None` only for tblastx, which has none.
    #[must_use]
    pub fn task(&self) -> Option<Task> {
        self.task.or_else(|| self.program.default_task())
    }

    /// The scoring matrix in force; `None` for blastn.
    #[must_use]
    pub fn matrix(&self) -> Option<Matrix> {
        if self.program == Program::Blastn {
            return None;
        }
        let default = defaults::default_matrix(self.task());
        Some(self.options.matrix.unwrap_or(default))
    }
}

/// One thing that is wrong with a request, at one of its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionProblem {
    /// The field's key, as form and API name it.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl OptionProblem {
    /// A problem at a field.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// What an option may depend on in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseTraits {
    /// What it is made of.
    pub molecule: Molecule,
    /// Whether `-taxids` and `-negative_taxids` work with it.
    pub has_taxids: bool,
}

#[cfg(test)]
mod tests;
