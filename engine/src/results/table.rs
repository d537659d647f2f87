//! One row of the table that `blast_formatter` writes.
//!
//! Owns how its columns (`elb_core::hits::TABULAR_FIELDS`) are read: `N/A` is nothing, a title is one
//! line without its identifier. Never guesses: a row that is not understood is an error with its
//! column.

use std::str::FromStr;

use elb_core::{hits::TABULAR_FIELDS, text};

/// The longest description that is kept, in characters.
const MAX_TITLE: usize = 1_000;

/// The columns of a row, in the table's order; the last may contain tabs.
#[derive(Debug)]
pub(super) struct TableRow<'a> {
    pub query_id: &'a str,
    pub subject_id: &'a str,
    accession: &'a str,
    pub query_length: u64,
    pub subject_length: u64,
    pub query_start: u64,
    pub query_end: u64,
    pub subject_start: u64,
    pub subject_end: u64,
    pub evalue: f64,
    pub bit_score: f64,
    pub score: u64,
    pub length: u64,
    pub identities: u64,
    pub positives: u64,
    pub mismatches: u64,
    pub gap_openings: u64,
    pub gaps: u64,
    pub query_frame: i8,
    pub subject_frame: i8,
    taxids: &'a str,
    names: &'a str,
    pub query_letters: &'a str,
    pub subject_letters: &'a str,
    /// As BLAST+ prints it.
    pub raw_title: &'a str,
}

/// Takes the columns one by one and knows the name of each.
struct Columns<'a> {
    fields: std::str::SplitN<'a, char>,
    names: std::str::Split<'static, char>,
}

impl<'a> Columns<'a> {
    fn text(&mut self) -> Result<&'a str, String> {
        let name = self.names.next().unwrap_or("another");
        self.fields
            .next()
            .ok_or_else(|| format!("it ends before the column {name}"))
    }

    fn number<T: FromStr>(&mut self, kind: &str) -> Result<T, String> {
        let name = self.names.clone().next().unwrap_or_default();
        let text = self.text()?.trim();
        text.parse()
            .map_err(|_| format!("{name} is \"{}\", which is no {kind}", text::cap(text, 40)))
    }

    fn whole(&mut self) -> Result<u64, String> {
        self.number("whole number")
    }

    fn real(&mut self) -> Result<f64, String> {
        let value: f64 = self.number("number")?;
        if value.is_finite() {
            Ok(value)
        } else {
            Err("a score or E-value is not finite".to_owned())
        }
    }
}

impl<'a> TableRow<'a> {
    /// Reads a line without its end.
    pub(super) fn parse(line: &'a str) -> Result<Self, String> {
        let columns = TABULAR_FIELDS.split(' ').count();
        let mut take = Columns {
            fields: line.splitn(columns, '\t'),
            names: TABULAR_FIELDS.split(' '),
        };
        Self {
            query_id: take.text()?,
            subject_id: take.text()?,
            accession: take.text()?,
            query_length: take.whole()?,
            subject_length: take.whole()?,
            query_start: take.whole()?,
            query_end: take.whole()?,
            subject_start: take.whole()?,
            subject_end: take.whole()?,
            evalue: take.real()?,
            bit_score: take.real()?,
            score: take.whole()?,
            length: take.whole()?,
            identities: take.whole()?,
            positives: take.whole()?,
            mismatches: take.whole()?,
            gap_openings: take.whole()?,
            gaps: take.whole()?,
            query_frame: take.number("frame")?,
            subject_frame: take.number("frame")?,
            taxids: take.text()?,
            names: take.text()?,
            query_letters: take.text()?,
            subject_letters: take.text()?,
            raw_title: take.text()?,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, String> {
        let columns = (
            self.query_letters.len() as u64,
            self.subject_letters.len() as u64,
        );
        if columns != (self.length, self.length) {
            return Err(format!(
                "the alignment has {} and {} letters instead of {}",
                columns.0, columns.1, self.length
            ));
        }
        Ok(self)
    }

    /// The query's range, from the smaller position to the larger.
    pub(super) fn query_range(&self) -> (u64, u64) {
        (
            self.query_start.min(self.query_end),
            self.query_start.max(self.query_end),
        )
    }

    /// The accession, or the identifier if there is none.
    pub(super) fn accession(&self) -> &'a str {
        present(self.accession).unwrap_or(self.subject_id)
    }

    /// Taxonomy numbers; 0 is NCBI's word for none.
    pub(super) fn taxids(&self) -> &'a str {
        present(self.taxids)
            .filter(|taxids| *taxids != "0")
            .unwrap_or_default()
    }

    /// Scientific names.
    pub(super) fn names(&self) -> &'a str {
        present(self.names).unwrap_or_default()
    }

    /// The description on one line. A database that was made without reading identifiers repeats them
    /// in its titles; the column of accessions shows them already.
    pub(super) fn title(&self) -> String {
        let title = self.raw_title.trim();
        let rest = title
            .strip_prefix(self.subject_id)
            .filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        let words: Vec<&str> = rest
            .unwrap_or(title)
            .split(|letter: char| letter.is_whitespace() || letter.is_control())
            .filter(|word| !word.is_empty())
            .collect();
        match words.join(" ").as_str() {
            "" | "N/A" => self.subject_id.to_owned(),
            text => text::cap(text, MAX_TITLE),
        }
    }
}

/// BLAST+ writes `N/A` where it knows nothing.
fn present(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty() && *text != "N/A")
}
