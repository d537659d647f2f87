//! What the options of a search ask for, and what its first file shows.
//!
//! Owns the reading of a command line that others wrote, in the words that its objects bear: quotes may be
//! left in them, and a format of several words is several of them.

use elb_core::search::Matrix;

/// BLAST+'s default of `-max_target_seqs`.
const MAX_TARGETS: usize = 500;

/// What the options say of the results.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The number of `-outfmt`, if it is named.
    pub format: Option<u8>,
    /// Its columns, if any are named.
    pub columns: Vec<String>,
    /// What separates them, if that is named.
    pub delimiter: Option<char>,
    /// `-max_target_seqs`.
    pub max_targets: Option<usize>,
    /// `-matrix`.
    pub matrix: Option<Matrix>,
    /// The option that puts the E-values of all parts of a database on one scale, if it is there.
    pub scale: Option<&'static str>,
}

impl Asked {
    /// Reads the words of the options.
    #[must_use]
    pub fn of(options: &[String]) -> Self {
        let mut asked = Self::default();
        let mut words = options.iter().map(|word| bare(word)).peekable();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) if name.starts_with('-') => (name, Some(value)),
                _ => (word, None),
            };
            let mut values: Vec<&str> = value.into_iter().collect();
            while let Some(next) = words.next_if(|next| !is_option(next)) {
                values.push(next);
            }
            let first = values.first().copied().unwrap_or_default();
            match name.trim_start_matches('-') {
                "outfmt" => asked.format(&values),
                "max_target_seqs" => asked.max_targets = first.parse().ok(),
                "matrix" => asked.matrix = Matrix::parse(first),
                "searchsp" if !is_zero(first) => asked.scale = Some("-searchsp"),
                "dbsize" if !is_zero(first) => asked.scale = Some("-dbsize"),
                _ => {}
            }
        }
        asked
    }

    /// The same of a table with comments that is written from the archive that was asked for.
    #[must_use]
    pub fn default_of(archive: &Self) -> Self {
        Self {
            format: Some(7),
            columns: Vec::new(),
            delimiter: None,
            ..archive.clone()
        }
    }

    fn format(&mut self, values: &[&str]) {
        let mut words = values.iter().flat_map(|value| value.split_whitespace());
        self.format = words.next().and_then(|number| number.parse().ok());
        for word in words {
            match word.strip_prefix("delim=") {
                Some(delimiter) => self.delimiter = delimiter.chars().next(),
                None => self.columns.push(word.to_owned()),
            }
        }
    }

    /// The most subjects of a query.
    #[must_use]
    pub fn most(&self) -> usize {
        self.max_targets.unwrap_or(MAX_TARGETS)
    }

    /// What separates columns in that format.
    #[must_use]
    pub fn delimiter(&self, format: u8) -> char {
        let usual = if format == 10 { ',' } else { '\t' };
        self.delimiter.unwrap_or(usual)
    }
}

/// A word without the quotes that a shell would have taken away.
fn bare(word: &str) -> &str {
    word.trim_matches(|letter| matches!(letter, '"' | '\'' | '\\'))
}

/// Values may begin with a minus: `-penalty -3`.
fn is_option(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next() == Some('-')
        && letters
            .next()
            .is_some_and(|letter| !letter.is_ascii_digit())
}

/// BLAST+'s word for "as it is".
fn is_zero(value: &str) -> bool {
    value.parse() == Ok(0_u64)
}

/// The number of the format that a file is in, by its beginning; where that shows none, by the options.
#[must_use]
pub fn kind_of(head: &str, asked: &Asked) -> Option<u8> {
    let head = head.trim_start_matches('\u{feff}').trim_start();
    let first = head.lines().next().unwrap_or_default();
    if first.starts_with("# ") && first.contains("BLAST") {
        return Some(7);
    }
    if head.starts_with("Blast4-archive") {
        return Some(11);
    }
    if head.starts_with("<?xml") {
        return Some(if head.contains("BlastXML2") { 16 } else { 5 });
    }
    if head.starts_with('{') {
        return Some(15);
    }
    if ["@HD", "@SQ", "@PG"]
        .iter()
        .any(|tag| head.starts_with(tag))
    {
        return Some(17);
    }
    let programs = ["BLASTN ", "BLASTP ", "BLASTX ", "TBLASTN ", "TBLASTX "];
    if programs.iter().any(|name| first.starts_with(name)) {
        return Some(0);
    }
    let tabs = first.contains('\t').then_some(6);
    asked.format.or(tabs)
}
