//! What a page asks of the hits and what it gets: orders, filters, pages.
//!
//! Owns the words that stand in addresses and the limits of one answer. Says nothing of how the rows
//! are found; the engine's index does that.

use serde::{Deserialize, Serialize};

use super::{Drawing, Hsp, QuerySummary, SubjectSummary};

/// The most rows of one page.
pub const MAX_ROWS: u64 = 500;
/// The rows of a page that names no number.
pub const DEFAULT_ROWS: u64 = 100;

/// What the descriptions are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectSort {
    /// BLAST+'s own order.
    #[default]
    Best,
    /// E-value.
    Evalue,
    /// Best bit score.
    MaxScore,
    /// All bit scores together.
    TotalScore,
    /// Query coverage.
    Coverage,
    /// Percent identity of the best HSP.
    Identity,
    /// Length of the subject.
    Length,
    /// Accession.
    Accession,
    /// Description.
    Title,
}

impl SubjectSort {
    /// All orders, in the order of the table's columns.
    pub const ALL: [Self; 9] = [
        Self::Best,
        Self::Title,
        Self::MaxScore,
        Self::TotalScore,
        Self::Coverage,
        Self::Evalue,
        Self::Identity,
        Self::Accession,
        Self::Length,
    ];

    /// The word in the address.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Evalue => "evalue",
            Self::MaxScore => "max_score",
            Self::TotalScore => "total_score",
            Self::Coverage => "coverage",
            Self::Identity => "identity",
            Self::Length => "length",
            Self::Accession => "accession",
            Self::Title => "title",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == text)
    }

    /// Whether a first click sorts from large to small.
    #[must_use]
    pub const fn descends_first(self) -> bool {
        matches!(
            self,
            Self::MaxScore | Self::TotalScore | Self::Coverage | Self::Identity | Self::Length
        )
    }
}

/// Which subjects, in which order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DescriptionsRequest {
    /// Order. Equal rows keep BLAST+'s order.
    pub sort: SubjectSort,
    /// Direction.
    pub descending: bool,
    /// Words that description, accession or identifier contain, all of them; case does not count.
    pub text: String,
    /// Least percent identity.
    pub min_identity: Option<f64>,
    /// Least percent of the query covered.
    pub min_coverage: Option<f64>,
    /// Largest E-value.
    pub max_evalue: Option<f64>,
    /// Rows to leave out at the beginning.
    pub offset: u64,
    /// Rows wanted, 1 to [`MAX_ROWS`].
    pub limit: u64,
}

impl Default for DescriptionsRequest {
    fn default() -> Self {
        Self {
            sort: SubjectSort::Best,
            descending: false,
            text: String::new(),
            min_identity: None,
            min_coverage: None,
            max_evalue: None,
            offset: 0,
            limit: DEFAULT_ROWS,
        }
    }
}

impl DescriptionsRequest {
    /// Whether it leaves subjects out.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        !self.text.trim().is_empty()
            || self.min_identity.is_some()
            || self.min_coverage.is_some()
            || self.max_evalue.is_some()
    }
}

/// What pages need to know beside the hits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexMeta {
    /// Name of the program.
    pub program: String,
    /// Name of the matrix; `None` for blastn.
    pub matrix: Option<String>,
}

impl IndexMeta {
    /// How the alignments are drawn.
    #[must_use]
    pub fn drawing(&self) -> Drawing<'_> {
        Drawing::new(&self.program, self.matrix.as_deref())
    }
}

/// What an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Queries.
    pub queries: u64,
    /// Queries with at least one hit.
    pub queries_with_hits: u64,
    /// Subjects, counted per query.
    pub hits: u64,
    /// HSPs.
    pub hsps: u64,
}

/// A page of queries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryPage {
    /// The rows.
    pub queries: Vec<QuerySummary>,
    /// Queries that pass the filter.
    pub filtered: u64,
}

/// A page of the descriptions. Without a filter there are `query.hits` subjects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DescriptionsPage {
    /// The query.
    pub query: QuerySummary,
    /// The rows.
    pub subjects: Vec<SubjectSummary>,
    /// Subjects that pass the filter.
    pub filtered: u64,
}

/// HSPs of one subject. There are more if `hsps` is shorter than `subject.hsps` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HspPage {
    /// The subject.
    pub subject: SubjectSummary,
    /// Some of its HSPs, in BLAST+'s order.
    pub hsps: Vec<Hsp>,
}

/// Alignments of several subjects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlignmentPage {
    /// The query.
    pub query: QuerySummary,
    /// The subjects with their alignments.
    pub subjects: Vec<HspPage>,
    /// Subjects that pass the filter.
    pub filtered: u64,
    /// What the drawing needs.
    pub meta: IndexMeta,
}
