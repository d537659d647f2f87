//! The table of options: for each its key, flag, words, range, default, and the programs that have
//! it.
//!
//! The form, the free text, the checks and the argument vector all read this one table. Ranges are
//! BLAST+ 2.12's own (measured); where ours is narrower, the entry says why.

use super::{
    SearchOptions,
    defaults::TaskDefaults,
    program::{Program, Task},
    real::number,
    value::Range,
};

/// How the form asks for an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// A number or words.
    Text,
    /// One of a few values, each with a label.
    Choice(&'static [(&'static str, &'static str)]),
    /// One of the genetic codes.
    GeneticCode,
    /// One of the matrices.
    Matrix,
}

/// Where the form shows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Always in sight.
    Common,
    /// Low complexity and masking.
    Filtering,
    /// Scores, gaps, statistics.
    Scoring,
    /// What part of query or database.
    Restriction,
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct OptionDescriptor {
    /// Key in form and API.
    pub key: &'static str,
    /// BLAST+'s flag; `filter` has one per program (see [`Self::flag_for`]), and the two ends of the
    /// query range share one.
    pub flag: &'static str,
    /// Words on the form.
    pub label: &'static str,
    /// What it does.
    pub help: &'static str,
    /// What a number counts; empty where there is nothing to count.
    pub unit: &'static str,
    /// The values that it takes in any task; [`Self::range_for`] knows the task.
    pub range: Range,
    /// How it is asked for.
    pub control: Control,
    /// Where it is shown.
    pub group: Group,
    /// The programs that have it.
    pub programs: &'static [Program],
}

use Program::{Blastn, Blastp, Blastx, Tblastn, Tblastx};

const ALL: &[Program] = &[Blastn, Blastp, Blastx, Tblastn, Tblastx];
const BLASTN: &[Program] = &[Blastn];
const GAPPED: &[Program] = &[Blastn, Blastp, Blastx, Tblastn];
const PROTEIN: &[Program] = &[Blastp, Blastx, Tblastn, Tblastx];
const GAPPED_PROTEIN: &[Program] = &[Blastp, Blastx, Tblastn];
const NUCLEOTIDE_QUERY: &[Program] = &[Blastn, Blastx, Tblastx];
const TRANSLATED_QUERY: &[Program] = &[Blastx, Tblastx];
const TRANSLATED_DB: &[Program] = &[Tblastn, Tblastx];

const YES_NO: Control = Control::Choice(&[("true", "yes"), ("false", "no")]);
const ON_OFF: Control = Control::Choice(&[("yes", "on"), ("no", "off")]);
const STRANDS: Control = Control::Choice(&[("both", "both"), ("plus", "plus"), ("minus", "minus")]);
const COMPOSITION: Control = Control::Choice(&[
    ("0", "none"),
    ("1", "statistics (2001)"),
    ("2", "score adjustment, conditional (2005)"),
    ("3", "score adjustment, always (2005)"),
]);

/// BLAST+ ends with a crash near the largest number it can read.
const MOST_KEPT: i64 = 1_000_000;
/// BLAST+ takes any word size for nucleotides; longer words than this find nothing shorter.
const LONGEST_WORD: i64 = 1_000;
/// BLAST+ takes any threshold above 0. Below 5, long words need more than 2 GB on a toy database.
const LEAST_THRESHOLD: f64 = 5.0;
/// BLAST+ reads positions of the query as signed 32-bit numbers.
const LAST_POSITION: i64 = 2_147_483_647;
/// Largest score or cost; larger ones change nothing but the scale.
const MOST_SCORE: i64 = 1_000;

const fn option(
    key: &'static str,
    flag: &'static str,
    label: &'static str,
    help: &'static str,
    group: Group,
    programs: &'static [Program],
) -> OptionDescriptor {
    OptionDescriptor {
        key,
        flag,
        label,
        help,
        unit: "",
        range: Range::Words,
        control: Control::Text,
        group,
        programs,
    }
}

impl OptionDescriptor {
    const fn whole(mut self, least: i64, most: i64, unit: &'static str) -> Self {
        self.range = Range::Whole(least, most);
        self.unit = unit;
        self
    }

    const fn percent(mut self) -> Self {
        self.range = Range::Real(0.0, 100.0);
        self.unit = "%";
        self
    }

    const fn range(mut self, range: Range) -> Self {
        self.range = range;
        self
    }

    const fn control(mut self, control: Control) -> Self {
        self.control = control;
        self
    }
}

/// Every option, in the order of form and argument vector.
pub const OPTIONS: [OptionDescriptor; 25] = [
    option("evalue", "-evalue", "E-value at most", "hits that chance would give this often, or less often", Group::Common, ALL).range(Range::Above0(1e6)),
    option("max_target_seqs", "-max_target_seqs", "Target sequences at most", "subjects kept per query; take 5 or more", Group::Common, ALL).whole(1, MOST_KEPT, "subjects"),
    option("word_size", "-word_size", "Word size", "length of the match that starts an alignment", Group::Common, ALL).whole(2, LONGEST_WORD, "letters"),
    option("max_hsps", "-max_hsps", "HSPs at most", "alignments kept per subject", Group::Common, ALL).whole(1, MOST_KEPT, "HSPs"),
    option("filter", "-filter", "Low-complexity filter", "hides repetitive parts of the query: DUST for blastn (20 64 1 if on), SEG for the others (12 2.2 2.5 if on)", Group::Filtering, ALL).control(ON_OFF),
    option("soft_masking", "-soft_masking", "Soft masking", "filtered regions start no alignment but may be part of one", Group::Filtering, ALL).control(YES_NO),
    option("lcase_masking", "-lcase_masking", "Mask lower case", "lower-case letters of the query count as filtered", Group::Filtering, ALL).control(YES_NO),
    option("reward", "-reward", "Match score", "score of a matching base", Group::Scoring, BLASTN).whole(1, MOST_SCORE, ""),
    option("penalty", "-penalty", "Mismatch score", "score of a mismatching base; negative", Group::Scoring, BLASTN).whole(-MOST_SCORE, -1, ""),
    option("matrix", "-matrix", "Matrix", "scores of amino acid pairs; brings its own gap costs, threshold and window", Group::Scoring, PROTEIN).control(Control::Matrix),
    option("gapopen", "-gapopen", "Gap opening cost", "only pairs of costs that BLAST+ has statistics for", Group::Scoring, GAPPED).whole(0, MOST_SCORE * 10, ""),
    option("gapextend", "-gapextend", "Gap extension cost", "cost of each gap position", Group::Scoring, GAPPED).whole(0, MOST_SCORE * 10, ""),
    option("comp_based_stats", "-comp_based_stats", "Composition-based statistics", "corrects scores for unusual amino acid composition", Group::Scoring, GAPPED_PROTEIN).whole(0, 3, "").control(COMPOSITION),
    option("threshold", "-threshold", "Word score at least", "least score of two words of residues to count as a match", Group::Scoring, PROTEIN).range(Range::Real(LEAST_THRESHOLD, 100.0)),
    option("window_size", "-window_size", "Two-hit window", "distance within which a second word must match; 0: one match is enough", Group::Scoring, ALL).whole(0, 10_000, "letters"),
    option("query_gencode", "-query_gencode", "Genetic code of the query", "for the translation", Group::Scoring, TRANSLATED_QUERY).control(Control::GeneticCode),
    option("db_gencode", "-db_gencode", "Genetic code of the database", "for the translation", Group::Scoring, TRANSLATED_DB).control(Control::GeneticCode),
    option("taxids", "-taxids", "Only these taxa", "NCBI taxonomy numbers, separated by commas; if the database has them", Group::Restriction, ALL),
    option("negative_taxids", "-negative_taxids", "Not these taxa", "NCBI taxonomy numbers, separated by commas; if the database has them", Group::Restriction, ALL),
    option("query_from", "-query_loc", "Query from", "first position that is searched", Group::Restriction, ALL).whole(1, LAST_POSITION, ""),
    option("query_to", "-query_loc", "Query to", "last position that is searched", Group::Restriction, ALL).whole(1, LAST_POSITION, ""),
    option("strand", "-strand", "Query strand", "which strands of the query are searched", Group::Restriction, NUCLEOTIDE_QUERY).control(STRANDS),
    option("perc_identity", "-perc_identity", "Identity at least", "identical positions of an alignment", Group::Restriction, BLASTN).percent(),
    option("qcov_hsp_perc", "-qcov_hsp_perc", "Coverage per HSP at least", "part of the query that an alignment covers", Group::Restriction, ALL).percent(),
    option("culling_limit", "-culling_limit", "Culling limit", "drops a hit inside the query range of this many better ones; 0: drops none", Group::Restriction, ALL).whole(0, MOST_KEPT, "hits"),
];

impl OptionDescriptor {
    /// The descriptor of a key.
    #[must_use]
    pub fn find(key: &str) -> Option<&'static Self> {
        OPTIONS.iter().find(|option| option.key == key)
    }

    /// Whether the program has it.
    #[must_use]
    pub fn is_for(&self, program: Program) -> bool {
        self.programs.contains(&program)
    }

    /// The flag of the low-complexity filter differs by program; all others have one.
    #[must_use]
    pub fn flag_for(&self, program: Program) -> &'static str {
        if self.key == "filter" {
            filter_flag(program)
        } else {
            self.flag
        }
    }

    /// The values that it takes in a task.
    #[must_use]
    pub fn range_for(&self, program: Program, task: Option<Task>) -> Range {
        match (self.key, program, task) {
            ("word_size", Program::Blastn, Some(Task::DcMegablast)) => Range::Whole(11, 12),
            ("word_size", Program::Blastn, _) => Range::Whole(4, LONGEST_WORD),
            ("word_size", Program::Tblastx, _) => Range::Whole(2, 5),
            ("word_size", ..) => Range::Whole(2, 7),
            _ => self.range,
        }
    }

    /// What a number of it counts in a program.
    #[must_use]
    pub const fn unit_for(&self, program: Program) -> &'static str {
        match (self.unit.as_bytes(), program) {
            (b"letters", Program::Blastn) => "bases",
            (b"letters", _) => "residues",
            _ => self.unit,
        }
    }

    /// What BLAST+ takes if nothing is given. Empty if it then does nothing.
    #[must_use]
    pub fn default_for(&self, program: Program, task: Option<Task>) -> String {
        self.default_of(&TaskDefaults::of(program, task))
    }

    /// The same beside other options: a chosen matrix brings its gap costs, threshold and window.
    #[must_use]
    pub fn default_beside(
        &self,
        program: Program,
        task: Option<Task>,
        options: &SearchOptions,
    ) -> String {
        let matrix = options.matrix.filter(|_| self.key != "matrix");
        self.default_of(&TaskDefaults::with_matrix(program, task, matrix))
    }

    /// Range, unit and default in one line for the form: `2 to 7 residues, default 3`.
    #[must_use]
    pub fn hint_beside(
        &self,
        program: Program,
        task: Option<Task>,
        options: &SearchOptions,
    ) -> String {
        let range = self.range_for(program, task).to_string();
        let unit = self.unit_for(program);
        let default = self.default_beside(program, task, options);
        let mut parts = Vec::new();
        if !range.is_empty() {
            parts.push(format!("{range} {unit}").trim_end().to_owned());
        }
        if !default.is_empty() && matches!(self.control, Control::Text) {
            parts.push(format!("default {default}"));
        }
        parts.join(", ")
    }

    fn default_of(&self, defaults: &TaskDefaults) -> String {
        fn words(value: Option<impl ToString>) -> String {
            value.map_or_else(String::new, |value| value.to_string())
        }
        match self.key {
            "evalue" => number(defaults.evalue),
            "max_target_seqs" => defaults.max_target_seqs.to_string(),
            "word_size" => defaults.word_size.to_string(),
            "max_hsps" | "taxids" => "all".to_owned(),
            "filter" => defaults.filter.to_string(),
            "soft_masking" => defaults.soft_masking.to_string(),
            "lcase_masking" => "false".to_owned(),
            "reward" => words(defaults.scores.map(|(reward, _)| reward)),
            "penalty" => words(defaults.scores.map(|(_, penalty)| penalty)),
            "matrix" => words(defaults.matrix.map(super::Matrix::as_str)),
            "gapopen" => words(defaults.gap.map(|(open, _)| open)),
            "gapextend" => words(defaults.gap.map(|(_, extend)| extend)),
            "comp_based_stats" => words(defaults.comp_based_stats),
            "threshold" => words(defaults.threshold),
            "window_size" => defaults.window_size.to_string(),
            "query_gencode" | "db_gencode" | "query_from" => "1".to_owned(),
            "query_to" => "end".to_owned(),
            "strand" => "both".to_owned(),
            "perc_identity" | "qcov_hsp_perc" | "culling_limit" => "0".to_owned(),
            _ => String::new(),
        }
    }
}

/// The range of an option in any task; no number fits an unknown key.
pub(super) fn range_of(key: &str) -> Range {
    OptionDescriptor::find(key).map_or(Range::Words, |option| option.range)
}

/// The flag of the low-complexity filter.
#[must_use]
pub const fn filter_flag(program: Program) -> &'static str {
    match program {
        Program::Blastn => "-dust",
        _ => "-seg",
    }
}
