//! The options of a search, typed, and read from text one by one.
//!
//! Owns the fields and the two directions `set` and `get`, which form, free text and argument vector
//! all go through. Ranges that hold whatever the program are checked here; what depends on program,
//! task or database is checked in `check`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{gencode, scores::Matrix};

/// The most taxids of one search.
pub const MAX_TAXIDS: usize = 1_000;

/// The low-complexity filter: DUST for nucleotide queries of blastn, SEG for all others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Filter {
    /// `no`
    Off,
    /// `yes`: with the program's own parameters.
    On,
    /// Three parameters: level, window and linker for DUST; window, locut and hicut for SEG.
    Custom(f64, f64, f64),
}

impl Filter {
    /// Reads `no`, `yes` or three numbers.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "no" => return Some(Self::Off),
            "yes" => return Some(Self::On),
            _ => {}
        }
        let mut numbers = text.split_ascii_whitespace().map(|word| {
            word.parse::<f64>().ok().filter(|number| number.is_finite() && (0.0..=10_000.0).contains(number))
        });
        let custom = Self::Custom(numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(custom)
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => formatter.write_str("no"),
            Self::On => formatter.write_str("yes"),
            Self::Custom(first, second, third) => write!(formatter, "{first} {second} {third}"),
        }
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("must be \"no\", \"yes\" or three numbers"))
    }
}

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
    /// Lower-case letters of the query are filtered too.
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
    /// Genetic code of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_gencode: Option<u8>,
    /// Genetic code of the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_gencode: Option<u8>,
    /// Only subjects of these taxa.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taxids: Vec<u32>,
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
}

/// A number as BLAST+ and people read it: plain where short, else with an exponent.
#[must_use]
pub fn number(value: f64) -> String {
    if value == 0.0 || (0.001..1e7).contains(&value.abs()) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

fn whole<T: std::str::FromStr + PartialOrd>(text: &str, least: T, most: T, range: &str) -> Result<T, String> {
    let value = text.parse::<T>().ok().filter(|value| *value >= least && *value <= most);
    value.ok_or_else(|| format!("must be a whole number {range}"))
}

fn real(text: &str, accept: impl Fn(f64) -> bool, range: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite() && accept(*value));
    value.ok_or_else(|| format!("must be a number {range}"))
}

fn yes_no(text: &str) -> Result<bool, String> {
    match text {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

fn taxids(text: &str) -> Result<Vec<u32>, String> {
    let words = text.split(|letter: char| letter == ',' || letter.is_whitespace());
    let ids: Option<Vec<u32>> = words
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().ok().filter(|id| *id > 0))
        .collect();
    let ids = ids.ok_or("must be NCBI taxonomy numbers, separated by commas, for example 9606,10090")?;
    if ids.len() > MAX_TAXIDS {
        return Err(format!("must be at most {MAX_TAXIDS} numbers"));
    }
    Ok(ids)
}

fn gencode(text: &str) -> Result<u8, String> {
    let code = text.parse::<u8>().ok().filter(|code| gencode::is_known(*code));
    code.ok_or_else(|| "must be the number of a genetic code: 1-6, 9-16, 21-31 or 33".to_owned())
}

impl SearchOptions {
    /// Sets one field from text.
    ///
    /// # Errors
    /// What the text must be. An unknown key is `Ok(false)`: the caller knows what else there is.
    pub fn set(&mut self, key: &str, text: &str) -> Result<bool, String> {
        let text = text.trim();
        match key {
            "evalue" => self.evalue = Some(real(text, |value| value > 0.0 && value <= 1e6, "above 0, for example 0.05 or 1e-10")?),
            "max_target_seqs" => self.max_target_seqs = Some(whole(text, 1, 1_000_000, "from 1 to 1000000")?),
            "max_hsps" => self.max_hsps = Some(whole(text, 1, 1_000_000, "from 1 to 1000000")?),
            "word_size" => self.word_size = Some(whole(text, 2, 1_000, "from 2 to 1000")?),
            "filter" => {
                let filter = Filter::parse(text);
                self.filter = Some(filter.ok_or("must be no, yes or three numbers, for example 20 64 1")?);
            }
            "soft_masking" => self.soft_masking = Some(yes_no(text)?),
            "lcase_masking" => self.lcase_masking = Some(yes_no(text)?),
            "reward" => self.reward = Some(whole(text, 0, 1_000, "from 0")?),
            "penalty" => self.penalty = Some(whole(text, -1_000, 0, "of 0 or less")?),
            "gapopen" => self.gapopen = Some(whole(text, 0, 10_000, "from 0")?),
            "gapextend" => self.gapextend = Some(whole(text, 0, 10_000, "from 0")?),
            "matrix" => {
                let names = Matrix::ALL.map(Matrix::as_str).join(", ");
                self.matrix = Some(Matrix::parse(text).ok_or_else(|| format!("must be one of {names}"))?);
            }
            "comp_based_stats" => {
                let text = match text {
                    "D" | "d" | "T" | "t" => "2",
                    "F" | "f" => "0",
                    other => other,
                };
                self.comp_based_stats = Some(whole(text, 0, 3, "from 0 to 3")?);
            }
            "query_gencode" => self.query_gencode = Some(gencode(text)?),
            "db_gencode" => self.db_gencode = Some(gencode(text)?),
            "taxids" => self.taxids = taxids(text)?,
            "query_from" => self.query_from = Some(whole(text, 1, u64::MAX, "from 1")?),
            "query_to" => self.query_to = Some(whole(text, 1, u64::MAX, "from 1")?),
            "strand" => {
                self.strand = Some(match text {
                    "both" => Strand::Both,
                    "plus" => Strand::Plus,
                    "minus" => Strand::Minus,
                    _ => return Err("must be both, plus or minus".to_owned()),
                });
            }
            "perc_identity" => self.perc_identity = Some(real(text, |value| (0.0..=100.0).contains(&value), "from 0 to 100")?),
            "qcov_hsp_perc" => self.qcov_hsp_perc = Some(real(text, |value| (0.0..=100.0).contains(&value), "from 0 to 100")?),
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
            "query_gencode" => self.query_gencode.map(|value| value.to_string()),
            "db_gencode" => self.db_gencode.map(|value| value.to_string()),
            "taxids" => (!self.taxids.is_empty()).then(|| {
                let words: Vec<String> = self.taxids.iter().map(u32::to_string).collect();
                words.join(",")
            }),
            "query_from" => self.query_from.map(|value| value.to_string()),
            "query_to" => self.query_to.map(|value| value.to_string()),
            "strand" => self.strand.map(|value| value.as_str().to_owned()),
            "perc_identity" => self.perc_identity.map(number),
            "qcov_hsp_perc" => self.qcov_hsp_perc.map(number),
            _ => None,
        }
    }
}
