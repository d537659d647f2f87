//! The options of a search, typed, and read from text one by one.
//!
//! Owns the fields and the two directions `set` and `get`, which form, free text and argument vector
//! all go through. Ranges that hold whatever the program are checked here, with the range that the
//! option table tells; what depends on program, task or database is checked in `check`.

use serde::{Deserialize, Serialize};

pub use super::{filter::Filter, real::number, value::MAX_TAXIDS};
use super::{
    scores::Matrix,
    table::range_of,
    value::{gencode, real, taxids, taxids_text, whole, yes_no},
};

/// Which strands of a nucleotide query are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strand {
    /// Both.
    Both,
    /// As given.
    Plus,
    /// The reverse complement.
    Minus,
}

impl Strand {
    /// The value of `-strand`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Plus => "plus",
            Self::Minus => "minus",
        }
    }

    /// Reads the value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Both, Self::Plus, Self::Minus]
            .into_iter()
            .find(|strand| strand.as_str() == text)
    }
}

/// The options; `None` is BLAST+'s own default for the task.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchOptions {
    /// Hits with a larger E-value are not reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evalue: Option<f64>,
    /// Subjects kept per query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_target_seqs: Option<u32>,
    /// HSPs kept per subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_hsps: Option<u32>,
    /// Length of the words that start an alignment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word_size: Option<u32>,
    /// Low-complexity filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Filtered regions start no alignment but may be part of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft_masking: Option<bool>,
    /// Lower-case letters of the query are filtered too. `false` is the same as not set: BLAST+
    /// has a flag for yes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lcase_masking: Option<bool>,
    /// Score of a nucleotide match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward: Option<i32>,
    /// Score of a nucleotide mismatch, negative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<i32>,
    /// Cost to open a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gapopen: Option<u32>,
    /// Cost to extend a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gapextend: Option<u32>,
    /// Substitution matrix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix: Option<Matrix>,
    /// Composition-based statistics, 0 to 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comp_based_stats: Option<u8>,
    /// Least score of a neighbouring word of residues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Letters within which a second word must lie; 0: one word is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_size: Option<u32>,
    /// Genetic code of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_gencode: Option<u8>,
    /// Genetic code of the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_gencode: Option<u8>,
    /// Only subjects of these taxa.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taxids: Vec<u32>,
    /// No subjects of these taxa.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub negative_taxids: Vec<u32>,
    /// First position of the query that is searched, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_from: Option<u64>,
    /// Last position of the query that is searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_to: Option<u64>,
    /// Strands of the query that are searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strand: Option<Strand>,
    /// Least percent identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perc_identity: Option<f64>,
    /// Least percent of the query that an HSP covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qcov_hsp_perc: Option<f64>,
    /// A hit inside the query range of this many better ones is dropped; 0: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub culling_limit: Option<u32>,
}

impl SearchOptions {
    /// Sets one field from text.
    ///
    /// # Errors
    /// What the text must be. An unknown key is `Ok(false)`: the caller knows what else there is.
    pub fn set(&mut self, key: &str, text: &str) -> Result<bool, String> {
        let text = text.trim();
        let range = range_of(key);
        match key {
            "evalue" => self.evalue = Some(real(text, range)?),
            "max_target_seqs" => self.max_target_seqs = Some(whole(text, range)?),
            "max_hsps" => self.max_hsps = Some(whole(text, range)?),
            "word_size" => self.word_size = Some(whole(text, range)?),
            "filter" => {
                let words = "must be no, yes or three numbers, for example 20 64 1";
                self.filter = Some(Filter::parse(text).ok_or(words)?);
            }
            "soft_masking" => self.soft_masking = Some(yes_no(text)?),
            "lcase_masking" => self.lcase_masking = Some(yes_no(text)?),
            "reward" => self.reward = Some(whole(text, range)?),
            "penalty" => self.penalty = Some(whole(text, range)?),
            "gapopen" => self.gapopen = Some(whole(text, range)?),
            "gapextend" => self.gapextend = Some(whole(text, range)?),
            "matrix" => {
                let names = || {
                    format!(
                        "must be one of {}",
                        Matrix::ALL.map(Matrix::as_str).join(", ")
                    )
                };
                self.matrix = Some(Matrix::parse(text).ok_or_else(names)?);
            }
            "comp_based_stats" => {
                // BLAST+'s other spellings of the same four modes.
                let mode = match text {
                    "D" | "d" | "T" | "t" => "2",
                    "F" | "f" => "0",
                    other => other,
                };
                self.comp_based_stats = Some(whole(mode, range)?);
            }
            "threshold" => self.threshold = Some(real(text, range)?),
            "window_size" => self.window_size = Some(whole(text, range)?),
            "query_gencode" => self.query_gencode = Some(gencode(text)?),
            "db_gencode" => self.db_gencode = Some(gencode(text)?),
            "taxids" => self.taxids = taxids(text)?,
            "negative_taxids" => self.negative_taxids = taxids(text)?,
            "query_from" => self.query_from = Some(whole(text, range)?),
            "query_to" => self.query_to = Some(whole(text, range)?),
            "strand" => {
                self.strand = Some(Strand::parse(text).ok_or("must be both, plus or minus")?);
            }
            "perc_identity" => self.perc_identity = Some(real(text, range)?),
            "qcov_hsp_perc" => self.qcov_hsp_perc = Some(real(text, range)?),
            "culling_limit" => self.culling_limit = Some(whole(text, range)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// One field as text, if it is set.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        match key {
            "evalue" => self.evalue.map(number),
            "max_target_seqs" => self.max_target_seqs.map(|value| value.to_string()),
            "max_hsps" => self.max_hsps.map(|value| value.to_string()),
            "word_size" => self.word_size.map(|value| value.to_string()),
            "filter" => self.filter.map(|value| value.to_string()),
            "soft_masking" => self.soft_masking.map(|value| value.to_string()),
            "lcase_masking" => self.lcase_masking.map(|value| value.to_string()),
            "reward" => self.reward.map(|value| value.to_string()),
            "penalty" => self.penalty.map(|value| value.to_string()),
            "gapopen" => self.gapopen.map(|value| value.to_string()),
            "gapextend" => self.gapextend.map(|value| value.to_string()),
            "matrix" => self.matrix.map(|value| value.as_str().to_owned()),
            "comp_based_stats" => self.comp_based_stats.map(|value| value.to_string()),
            "threshold" => self.threshold.map(number),
            "window_size" => self.window_size.map(|value| value.to_string()),
            "query_gencode" => self.query_gencode.map(|value| value.to_string()),
            "db_gencode" => self.db_gencode.map(|value| value.to_string()),
            "taxids" => taxids_text(&self.taxids),
            "negative_taxids" => taxids_text(&self.negative_taxids),
            "query_from" => self.query_from.map(|value| value.to_string()),
            "query_to" => self.query_to.map(|value| value.to_string()),
            "strand" => self.strand.map(|value| value.as_str().to_owned()),
            "perc_identity" => self.perc_identity.map(number),
            "qcov_hsp_perc" => self.qcov_hsp_perc.map(number),
            "culling_limit" => self.culling_limit.map(|value| value.to_string()),
            _ => None,
        }
    }
}
