//! The five programs and their tasks, as BLAST+ 2.12 names them.
//!
//! Two names are left out on purpose. `rmblastn` is made for RepeatMasker and its own matrices;
//! `vecscreen` is documented but refused by blastn 2.12 ("Illegal value").

use serde::{Deserialize, Serialize};

use crate::molecule::Molecule;

/// A BLAST+ program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// Nucleotide query, nucleotide database.
    Blastn,
    /// Protein query, protein database.
    Blastp,
    /// Translated nucleotide query, protein database.
    Blastx,
    /// Protein query, translated nucleotide database.
    Tblastn,
    /// Both nucleotide, both translated.
    Tblastx,
}

use Molecule::{Nucleotide, Protein};

impl Program {
    /// All programs, in the order of the form.
    pub const ALL: [Self; 5] = [
        Self::Blastn,
        Self::Blastp,
        Self::Blastx,
        Self::Tblastn,
        Self::Tblastx,
    ];

    /// The name of the program.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blastn => "blastn",
            Self::Blastp => "blastp",
            Self::Blastx => "blastx",
            Self::Tblastn => "tblastn",
            Self::Tblastx => "tblastx",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|program| program.as_str() == text)
    }

    /// What it compares, in one line.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Blastn => "nucleotide query against a nucleotide database",
            Self::Blastp => "protein query against a protein database",
            Self::Blastx => "translated nucleotide query against a protein database",
            Self::Tblastn => "protein query against a translated nucleotide database",
            Self::Tblastx => "translated nucleotide query against a translated nucleotide database",
        }
    }

    /// What the query must be.
    #[must_use]
    pub const fn query_molecule(self) -> Molecule {
        match self {
            Self::Blastp | Self::Tblastn => Protein,
            Self::Blastn | Self::Blastx | Self::Tblastx => Nucleotide,
        }
    }

    /// What the database must be.
    #[must_use]
    pub const fn database_molecule(self) -> Molecule {
        match self {
            Self::Blastp | Self::Blastx => Protein,
            Self::Blastn | Self::Tblastn | Self::Tblastx => Nucleotide,
        }
    }

    /// Whether the query is translated.
    #[must_use]
    pub const fn translates_query(self) -> bool {
        matches!(self, Self::Blastx | Self::Tblastx)
    }

    /// Whether the database is translated.
    #[must_use]
    pub const fn translates_database(self) -> bool {
        matches!(self, Self::Tblastn | Self::Tblastx)
    }

    /// Its tasks, the default first; tblastx has none.
    #[must_use]
    pub const fn tasks(self) -> &'static [Task] {
        match self {
            Self::Blastn => &[
                Task::Megablast,
                Task::DcMegablast,
                Task::Blastn,
                Task::BlastnShort,
            ],
            Self::Blastp => &[Task::Blastp, Task::BlastpFast, Task::BlastpShort],
            Self::Blastx => &[Task::Blastx, Task::BlastxFast],
            Self::Tblastn => &[Task::Tblastn, Task::TblastnFast],
            Self::Tblastx => &[],
        }
    }

    /// The task that BLAST+ takes if none is given.
    #[must_use]
    pub fn default_task(self) -> Option<Task> {
        self.tasks().first().copied()
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A value of `-task`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Very similar nucleotide sequences.
    Megablast,
    /// More distant nucleotide sequences, discontiguous words.
    DcMegablast,
    /// Somewhat similar nucleotide sequences.
    Blastn,
    /// Short nucleotide queries.
    BlastnShort,
    /// Proteins.
    Blastp,
    /// Proteins, longer words.
    BlastpFast,
    /// Short peptides.
    BlastpShort,
    /// Translated query.
    Blastx,
    /// Translated query, longer words.
    BlastxFast,
    /// Translated database.
    Tblastn,
    /// Translated database, longer words.
    TblastnFast,
}

impl Task {
    /// All tasks.
    pub const ALL: [Self; 11] = [
        Self::Megablast,
        Self::DcMegablast,
        Self::Blastn,
        Self::BlastnShort,
        Self::Blastp,
        Self::BlastpFast,
        Self::BlastpShort,
        Self::Blastx,
        Self::BlastxFast,
        Self::Tblastn,
        Self::TblastnFast,
    ];

    /// The value of `-task`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Megablast => "megablast",
            Self::DcMegablast => "dc-megablast",
            Self::Blastn => "blastn",
            Self::BlastnShort => "blastn-short",
            Self::Blastp => "blastp",
            Self::BlastpFast => "blastp-fast",
            Self::BlastpShort => "blastp-short",
            Self::Blastx => "blastx",
            Self::BlastxFast => "blastx-fast",
            Self::Tblastn => "tblastn",
            Self::TblastnFast => "tblastn-fast",
        }
    }

    /// Reads the value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.as_str() == text)
    }

    /// The program that it belongs to.
    #[must_use]
    pub const fn program(self) -> Program {
        match self {
            Self::Megablast | Self::DcMegablast | Self::Blastn | Self::BlastnShort => {
                Program::Blastn
            }
            Self::Blastp | Self::BlastpFast | Self::BlastpShort => Program::Blastp,
            Self::Blastx | Self::BlastxFast => Program::Blastx,
            Self::Tblastn | Self::TblastnFast => Program::Tblastn,
        }
    }

    /// Its name for people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Megablast => "Megablast",
            Self::DcMegablast => "Discontiguous megablast",
            Self::Blastn => "blastn",
            Self::BlastnShort => "blastn for short queries",
            Self::Blastp => "blastp",
            Self::BlastpFast => "Fast blastp",
            Self::BlastpShort => "blastp for short peptides",
            Self::Blastx => "blastx",
            Self::BlastxFast => "Fast blastx",
            Self::Tblastn => "tblastn",
            Self::TblastnFast => "Fast tblastn",
        }
    }

    /// When to take it.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Megablast => "very similar sequences (95 % and more), fastest",
            Self::DcMegablast => "more distant sequences, for example between species",
            Self::Blastn => "somewhat similar sequences, slowest",
            Self::BlastnShort => "queries shorter than about 50 bases, such as primers",
            Self::Blastp => "proteins",
            Self::BlastpFast => "proteins, faster and a little less sensitive",
            Self::BlastpShort => "peptides shorter than about 30 residues",
            Self::Blastx => "coding regions of a nucleotide query",
            Self::BlastxFast => "the same, faster and a little less sensitive",
            Self::Tblastn => "a protein in unannotated nucleotide sequences",
            Self::TblastnFast => "the same, faster and a little less sensitive",
        }
    }

    /// BLAST+'s default `-word_size`.
    #[must_use]
    pub const fn word_size(self) -> u32 {
        match self {
            Self::Megablast => 28,
            Self::DcMegablast | Self::Blastn => 11,
            Self::BlastnShort => 7,
            Self::Blastp | Self::Blastx | Self::Tblastn => 3,
            Self::BlastpFast | Self::BlastxFast | Self::TblastnFast => 6,
            Self::BlastpShort => 2,
        }
    }
}
