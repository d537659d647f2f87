//! The table of options: for each its key, flag, words, and the programs that have it.
//!
//! The form, the free text, the checks and the argument vector all read this one table.

use super::{
    DEFAULT_EVALUE, DEFAULT_TARGETS,
    program::{Program, Task},
    scores,
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
    /// BLAST+'s flag; `filter` and the query range have no single one.
    pub flag: &'static str,
    /// Words on the form.
    pub label: &'static str,
    /// What it does, with unit and range.
    pub help: &'static str,
    /// How it is asked for.
    pub control: Control,
    /// Where it is shown.
    pub group: Group,
    /// The programs that have it.
    pub programs: &'static [Program],
}

use Program::{Blastn, Blastp, Blastx, Tblastn, Tblastx};

const ALL: &[Program] = &[Blastn, Blastp, Blastx, Tblastn, Tblastx];
const GAPPED: &[Program] = &[Blastn, Blastp, Blastx, Tblastn];
const PROTEIN: &[Program] = &[Blastp, Blastx, Tblastn, Tblastx];
const GAPPED_PROTEIN: &[Program] = &[Blastp, Blastx, Tblastn];
const NUCLEOTIDE_QUERY: &[Program] = &[Blastn, Blastx, Tblastx];
const TRANSLATED_QUERY: &[Program] = &[Blastx, Tblastx];
const TRANSLATED_DB: &[Program] = &[Tblastn, Tblastx];
const YES_NO: Control = Control::Choice(&[("true", "yes"), ("false", "no")]);

const fn option(
    key: &'static str,
    flag: &'static str,
    label: &'static str,
    help: &'static str,
    control: Control,
    group: Group,
    programs: &'static [Program],
) -> OptionDescriptor {
    OptionDescriptor { key, flag, label, help, control, group, programs }
}

/// Every option, in the order of form and argument vector.
pub const OPTIONS: [OptionDescriptor; 21] = [
    option("evalue", "-evalue", "E-value at most", "expected number of chance hits; above 0", Control::Text, Group::Common, ALL),
    option("max_target_seqs", "-max_target_seqs", "Target sequences at most", "subjects kept per query; 1 to 1 000 000", Control::Text, Group::Common, ALL),
    option("word_size", "-word_size", "Word size", "letters of the exact match that starts an alignment", Control::Text, Group::Common, ALL),
    option("max_hsps", "-max_hsps", "HSPs at most", "alignments kept per subject; from 1", Control::Text, Group::Common, ALL),
    option("filter", "-filter", "Low-complexity filter", "DUST for blastn, SEG for the others", Control::Choice(&[("yes", "on"), ("no", "off")]), Group::Filtering, ALL),
    option("soft_masking", "-soft_masking", "Soft masking", "filtered regions start no alignment but may be part of one", YES_NO, Group::Filtering, ALL),
    option("lcase_masking", "-lcase_masking", "Mask lower case", "lower-case letters of the query count as filtered", YES_NO, Group::Filtering, ALL),
    option("reward", "-reward", "Match score", "score of a matching base", Control::Text, Group::Scoring, &[Blastn]),
    option("penalty", "-penalty", "Mismatch score", "score of a mismatching base; negative", Control::Text, Group::Scoring, &[Blastn]),
    option("matrix", "-matrix", "Matrix", "scores of amino acid pairs", Control::Matrix, Group::Scoring, PROTEIN),
    option("gapopen", "-gapopen", "Gap opening cost", "only pairs of costs that BLAST+ has statistics for", Control::Text, Group::Scoring, GAPPED),
    option("gapextend", "-gapextend", "Gap extension cost", "cost of each gap position", Control::Text, Group::Scoring, GAPPED),
    option("comp_based_stats", "-comp_based_stats", "Composition-based statistics", "corrects scores for unusual amino acid composition", Control::Choice(&[("0", "none"), ("1", "statistics (2001)"), ("2", "score adjustment, conditional (2005)"), ("3", "score adjustment, always (2005)")]), Group::Scoring, GAPPED_PROTEIN),
    option("query_gencode", "-query_gencode", "Genetic code of the query", "for the translation", Control::GeneticCode, Group::Scoring, TRANSLATED_QUERY),
    option("db_gencode", "-db_gencode", "Genetic code of the database", "for the translation", Control::GeneticCode, Group::Scoring, TRANSLATED_DB),
    option("taxids", "-taxids", "Only these taxa", "NCBI taxonomy numbers, separated by commas; if the database has them", Control::Text, Group::Restriction, ALL),
    option("query_from", "-query_loc", "Query from", "first position that is searched, from 1", Control::Text, Group::Restriction, ALL),
    option("query_to", "-query_loc", "Query to", "last position that is searched", Control::Text, Group::Restriction, ALL),
    option("strand", "-strand", "Query strand", "which strands of the query are searched", Control::Choice(&[("both", "both"), ("plus", "plus"), ("minus", "minus")]), Group::Restriction, NUCLEOTIDE_QUERY),
    option("perc_identity", "-perc_identity", "Identity at least", "percent, 0 to 100", Control::Text, Group::Restriction, &[Blastn]),
    option("qcov_hsp_perc", "-qcov_hsp_perc", "Coverage per HSP at least", "percent of the query, 0 to 100", Control::Text, Group::Restriction, ALL),
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
    pub const fn flag_for(&self, program: Program) -> &'static str {
        if matches!(self.group, Group::Filtering) && self.flag.len() == "-filter".len() {
            return filter_flag(program);
        }
        self.flag
    }

    /// What BLAST+ takes if nothing is given.
    #[must_use]
    pub fn default_for(&self, program: Program, task: Option<Task>) -> String {
        let nucleotide = task.filter(|_| program == Program::Blastn).map(scores::nucleotide_defaults);
        match self.key {
            "evalue" => DEFAULT_EVALUE.to_string(),
            "max_target_seqs" => DEFAULT_TARGETS.to_string(),
            "word_size" => task.map_or(3, Task::word_size).to_string(),
            "max_hsps" => "all".to_owned(),
            "filter" => if program == Program::Blastp { "no" } else { "yes" }.to_owned(),
            "soft_masking" => (program == Program::Blastn).to_string(),
            "lcase_masking" => "false".to_owned(),
            "reward" => nucleotide.map_or(1, |((reward, _), _)| reward).to_string(),
            "penalty" => nucleotide.map_or(-2, |((_, penalty), _)| penalty).to_string(),
            "matrix" => scores::default_matrix(task).as_str().to_owned(),
            "gapopen" => nucleotide.map_or_else(|| scores::default_protein_gap(task), |(_, gap)| gap).0.to_string(),
            "gapextend" => nucleotide.map_or_else(|| scores::default_protein_gap(task), |(_, gap)| gap).1.to_string(),
            "comp_based_stats" => "2".to_owned(),
            "query_gencode" | "db_gencode" => "1".to_owned(),
            "taxids" => "all".to_owned(),
            "query_from" => "1".to_owned(),
            "query_to" => "end".to_owned(),
            "strand" => "both".to_owned(),
            _ => "0".to_owned(),
        }
    }
}

/// The flag of the low-complexity filter.
#[must_use]
pub const fn filter_flag(program: Program) -> &'static str {
    match program {
        Program::Blastn => "-dust",
        _ => "-seg",
    }
}
