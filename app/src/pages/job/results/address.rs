//! What the result part of an address says: query, view, order, filter, page.
//!
//! Owns the names of its parameters. A value that makes no sense is an error that names it, never
//! silently another page.

use elb_core::{
    hits::page::{DEFAULT_ROWS, DescriptionsRequest, MAX_ROWS, SubjectSort},
    list::percent_encode,
    search::real::number,
};

use crate::data::form_pairs;

/// Alignments of a page: each is many lines.
const ALIGNMENTS: u64 = 20;

/// A way to look at the hits of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// One row a subject.
    #[default]
    Hits,
    /// Where on the query they match.
    Graphic,
    /// Letter by letter.
    Alignments,
    /// All queries of the search.
    Queries,
}

impl View {
    /// All views, in the order of the tabs.
    pub const ALL: [Self; 4] = [Self::Hits, Self::Graphic, Self::Alignments, Self::Queries];

    /// The word in the address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hits => "hits",
            Self::Graphic => "graphic",
            Self::Alignments => "alignments",
            Self::Queries => "queries",
        }
    }

    /// The word on the tab.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hits => "Descriptions",
            Self::Graphic => "Graphic summary",
            Self::Alignments => "Alignments",
            Self::Queries => "Queries",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Address {
    /// Position of the query; the first one with hits if none is named.
    pub query: Option<u64>,
    /// The view.
    pub view: View,
    /// Only this subject, by its position.
    pub subject: Option<u64>,
    /// Order.
    pub sort: SubjectSort,
    /// Direction.
    pub descending: bool,
    /// Words that a subject's description, accession or identifier contains.
    pub text: String,
    /// Least percent identity.
    pub min_identity: Option<f64>,
    /// Least percent of the query covered.
    pub min_coverage: Option<f64>,
    /// Largest E-value.
    pub max_evalue: Option<f64>,
    /// Rows of a page, 0 for the usual number.
    pub rows: u64,
    /// Page, from 1; 0 is the first too.
    pub page: u64,
    /// Only queries with hits, in the list of queries.
    pub with_hits: bool,
}

impl Address {
    /// Reads a query string.
    ///
    /// # Errors
    /// The first parameter that makes no sense, and what it must be.
    pub fn parse(query: &str) -> Result<Self, String> {
        let mut address = Self::default();
        let mut direction = None;
        for (name, value) in form_pairs(query) {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            match name.as_str() {
                "query" => address.query = Some(whole("query", value)?),
                "view" => {
                    let known = View::ALL.into_iter().find(|view| view.as_str() == value);
                    address.view =
                        known.ok_or("The view must be hits, graphic, alignments or queries.")?;
                }
                "subject" => address.subject = Some(whole("subject", value)?),
                "sort" => {
                    let names = SubjectSort::ALL.map(SubjectSort::as_str).join(", ");
                    let unknown = || format!("The order must be one of {names}.");
                    address.sort = SubjectSort::parse(value).ok_or_else(unknown)?;
                }
                "dir" => {
                    direction = Some(match value {
                        "asc" => false,
                        "desc" => true,
                        _ => return Err("The direction must be asc or desc.".to_owned()),
                    });
                }
                "q" => address.text = value.chars().take(200).collect(),
                "min_identity" => address.min_identity = Some(percent("Identity at least", value)?),
                "min_coverage" => address.min_coverage = Some(percent("Coverage at least", value)?),
                "max_evalue" => {
                    let evalue = value
                        .parse()
                        .ok()
                        .filter(|evalue: &f64| evalue.is_finite() && *evalue >= 0.0);
                    address.max_evalue = Some(
                        evalue
                            .ok_or("E-value at most must be a number from 0, for example 1e-10.")?,
                    );
                }
                "rows" => {
                    address.rows = whole("rows", value)?;
                    if !(1..=MAX_ROWS).contains(&address.rows) {
                        return Err(format!("The number of rows must be 1 to {MAX_ROWS}."));
                    }
                }
                "page" => address.page = whole("page", value)?,
                "with_hits" => address.with_hits = true,
                _ => {}
            }
        }
        address.descending = direction.unwrap_or_else(|| address.sort.descends_first());
        Ok(address)
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        let mut push = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
        push("query", self.query.map(|query| query.to_string()));
        push(
            "view",
            (self.view != View::Hits).then(|| self.view.as_str().to_owned()),
        );
        push("subject", self.subject.map(|subject| subject.to_string()));
        push(
            "sort",
            (self.sort != SubjectSort::Best).then(|| self.sort.as_str().to_owned()),
        );
        let direction = if self.descending { "desc" } else { "asc" };
        push(
            "dir",
            (self.descending != self.sort.descends_first()).then(|| direction.to_owned()),
        );
        push("q", Some(self.text.clone()).filter(|text| !text.is_empty()));
        push("min_identity", self.min_identity.map(number));
        push("min_coverage", self.min_coverage.map(number));
        push("max_evalue", self.max_evalue.map(number));
        push(
            "rows",
            Some(self.rows)
                .filter(|rows| *rows > 0)
                .map(|rows| rows.to_string()),
        );
        push("with_hits", self.with_hits.then(|| "yes".to_owned()));
        push(
            "page",
            Some(self.page)
                .filter(|page| *page > 1)
                .map(|page| page.to_string()),
        );
        pairs
    }

    /// The address on the page of the job. It leads to the results, wherever they stand on the page.
    pub fn href(&self, path: &str) -> String {
        let mut link = format!("{path}?");
        for (name, value) in self.pairs() {
            if !link.ends_with('?') {
                link.push('&');
            }
            link.push_str(name);
            link.push('=');
            percent_encode(&value, &mut link);
        }
        link.trim_end_matches('?').to_owned() + "#results"
    }

    /// The same of another query, from its first page.
    pub fn of_query(&self, ordinal: u64) -> Self {
        Self {
            query: Some(ordinal),
            subject: None,
            page: 0,
            ..self.clone()
        }
    }

    /// The same in another view, from its first page.
    pub fn with_view(&self, view: View) -> Self {
        Self {
            view,
            subject: None,
            page: 0,
            rows: 0,
            ..self.clone()
        }
    }

    /// The same on another page.
    pub fn on_page(&self, page: u64) -> Self {
        Self {
            page,
            ..self.clone()
        }
    }

    /// Without any filter.
    pub fn unfiltered(&self) -> Self {
        Self {
            text: String::new(),
            min_identity: None,
            min_coverage: None,
            max_evalue: None,
            with_hits: false,
            page: 0,
            ..self.clone()
        }
    }

    /// Rows of a page of this view.
    pub fn limit(&self) -> u64 {
        match (self.rows, self.view) {
            (0, View::Alignments) => ALIGNMENTS,
            (0, _) => DEFAULT_ROWS,
            (rows, _) => rows,
        }
    }

    /// Rows before this page.
    pub fn offset(&self) -> u64 {
        self.page.saturating_sub(1).saturating_mul(self.limit())
    }

    /// What the index is asked.
    pub fn request(&self) -> DescriptionsRequest {
        DescriptionsRequest {
            sort: self.sort,
            descending: self.descending,
            text: self.text.clone(),
            min_identity: self.min_identity,
            min_coverage: self.min_coverage,
            max_evalue: self.max_evalue,
            offset: self.offset(),
            limit: self.limit(),
        }
    }
}

fn whole(name: &str, value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("The parameter {name} must be a whole number."))
}

fn percent(label: &str, value: &str) -> Result<f64, String> {
    let number = value
        .parse()
        .ok()
        .filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| format!("{label} must be a number from 0 to 100."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_address_comes_back_as_it_was() {
        let text = "query=3&view=alignments&subject=7&sort=identity&dir=asc&q=16S%20rRNA&min_identity=97.5&max_evalue=1e-10&rows=50&with_hits=yes&page=2";
        let address = Address::parse(text).unwrap();
        assert_eq!(address.href("/jobs/x"), format!("/jobs/x?{text}#results"));
        assert_eq!(Address::parse(text).unwrap(), address);
        assert_eq!(Address::default().href("/jobs/x"), "/jobs/x#results");
    }

    #[test]
    fn a_value_that_makes_no_sense_is_named() {
        for bad in [
            "view=all",
            "sort=size",
            "dir=up",
            "min_identity=101",
            "min_coverage=x",
            "max_evalue=-1",
            "rows=0",
            "rows=501",
            "page=-1",
        ] {
            let why = Address::parse(bad).unwrap_err();
            assert!(why.contains("must be"), "{bad}: {why}");
        }
    }
}
