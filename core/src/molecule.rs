//! The two kinds of sequence that BLAST knows, and nothing else.
//!
//! Owns the names used on screen, in the API and in `makeblastdb -dbtype`.

use serde::{Deserialize, Serialize};

/// What a sequence, a query file or a database is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Molecule {
    /// DNA or RNA; lengths are counted in bases.
    Nucleotide,
    /// Amino acids; lengths are counted in residues.
    Protein,
}

impl Molecule {
    /// The word for people and for the API: `nucleotide` or `protein`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nucleotide => "nucleotide",
            Self::Protein => "protein",
        }
    }

    /// The value of `makeblastdb -dbtype` and `blastdbcmd -dbtype`.
    #[must_use]
    pub const fn dbtype(self) -> &'static str {
        match self {
            Self::Nucleotide => "nucl",
            Self::Protein => "prot",
        }
    }

    /// The unit of length: `bases` or `residues`.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Nucleotide => "bases",
            Self::Protein => "residues",
        }
    }

    /// Reads the word back, as the forms and the API send it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "nucleotide" | "nucl" => Some(Self::Nucleotide),
            "protein" | "prot" => Some(Self::Protein),
            _ => None,
        }
    }
}

impl std::fmt::Display for Molecule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}
