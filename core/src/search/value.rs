//! Values of options as text: ranges, numbers and lists, read and written.
//!
//! Owns what a number may look like and how its range is told in words. Knows no option by name.

use std::fmt;

use super::{
    gencode,
    real::{number, parse},
};

/// The most taxids of one list. BLAST+ takes more; the limit keeps command lines readable.
pub const MAX_TAXIDS: usize = 1_000;

/// The values that an option takes, ends included unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// Not a number: words, a choice or a list.
    Words,
    /// Whole numbers.
    Whole(i64, i64),
    /// Numbers.
    Real(f64, f64),
    /// Numbers above zero, up to a largest one.
    Above0(f64),
}

impl Range {
    /// Whether a whole number lies in it.
    #[must_use]
    pub fn contains(self, value: i64) -> bool {
        matches!(self, Self::Whole(least, most) if (least..=most).contains(&value))
    }

    fn contains_real(self, value: f64) -> bool {
        match self {
            Self::Real(least, most) => (least..=most).contains(&value),
            Self::Above0(most) => value > 0.0 && value <= most,
            Self::Words | Self::Whole(..) => false,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words => Ok(()),
            Self::Whole(least, most) => write!(formatter, "{least} to {most}"),
            Self::Real(least, most) => {
                write!(formatter, "{} to {}", number(*least), number(*most))
            }
            Self::Above0(most) => write!(formatter, "above 0, to {}", number(*most)),
        }
    }
}

/// A whole number of a range, in the type of its field.
pub(super) fn whole<T: TryFrom<i64>>(text: &str, range: Range) -> Result<T, String> {
    let value = text
        .parse::<i64>()
        .ok()
        .filter(|value| range.contains(*value));
    value
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| format!("must be a whole number, {range}"))
}

/// A number of a range.
pub(super) fn real(text: &str, range: Range) -> Result<f64, String> {
    let value = parse(text).filter(|value| range.contains_real(*value));
    value.ok_or_else(|| match range {
        Range::Above0(_) => format!("must be a number {range}, for example 0.05 or 1e-10"),
        _ => format!("must be a number, {range}"),
    })
}

/// Yes or no, as forms, the API and BLAST+ write it.
pub(super) fn yes_no(text: &str) -> Result<bool, String> {
    match text {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// NCBI taxonomy numbers, separated by commas or blanks.
pub(super) fn taxids(text: &str) -> Result<Vec<u32>, String> {
    let words = text.split(|letter: char| letter == ',' || letter.is_whitespace());
    let ids: Option<Vec<u32>> = words
        .filter(|word| !word.is_empty())
        // BLAST+ reads them as signed 32-bit numbers.
        .map(|word| {
            word.parse()
                .ok()
                .filter(|id| *id > 0 && *id <= i32::MAX.unsigned_abs())
        })
        .collect();
    let ids =
        ids.ok_or("must be NCBI taxonomy numbers, separated by commas, for example 9606,10090")?;
    if ids.len() > MAX_TAXIDS {
        return Err(format!("must be at most {MAX_TAXIDS} numbers"));
    }
    Ok(ids)
}

/// Such a list as BLAST+ takes it; `None` if it is empty.
pub(super) fn taxids_text(ids: &[u32]) -> Option<String> {
    let words: Vec<String> = ids.iter().map(u32::to_string).collect();
    (!words.is_empty()).then(|| words.join(","))
}

/// The number of a genetic code.
pub(super) fn gencode(text: &str) -> Result<u8, String> {
    let code = text
        .parse::<u8>()
        .ok()
        .filter(|code| gencode::is_known(*code));
    code.ok_or_else(|| "must be the number of a genetic code: 1-6, 9-16, 21-31 or 33".to_owned())
}
