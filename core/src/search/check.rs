//! What must hold between program, task, database and options: every violation, in plain words.
//!
//! Each problem names its field and says what would be right. What BLAST+ would refuse is refused
//! here; what it would take for something else than was meant is a warning or a problem.

use super::{
    DatabaseTraits, FEW_TARGETS, MAX_DATABASE_NAME, OptionProblem, SearchOptions, SearchSpec,
    defaults::TaskDefaults,
    program::{Program, Task},
    scores::{self, Gap, NucleotideScores},
    table::{OPTIONS, OptionDescriptor},
};

/// A search that passed, with what is worth a warning.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The search, its task filled in.
    pub search: SearchSpec,
    /// Not wrong, but maybe not what was meant.
    pub warnings: Vec<String>,
}

fn pairs(gaps: &[Gap]) -> String {
    let words: Vec<String> = gaps
        .iter()
        .map(|(open, extend)| format!("{open}/{extend}"))
        .collect();
    words.join(", ")
}

impl SearchSpec {
    /// Checks everything at once.
    ///
    /// # Errors
    /// Every problem, each at its field.
    pub fn check(&self, database: Option<&DatabaseTraits>) -> Result<Checked, Vec<OptionProblem>> {
        let mut problems = Vec::new();
        self.check_names(&mut problems);
        self.check_values(&mut problems);
        self.check_query_range(&mut problems);
        self.check_taxa(&mut problems);
        self.check_scores(&mut problems);
        if let Some(database) = database {
            self.check_database(database, &mut problems);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let search = Self {
            task: self.task(),
            ..self.clone()
        };
        Ok(Checked {
            search,
            warnings: self.warnings(),
        })
    }

    fn check_names(&self, problems: &mut Vec<OptionProblem>) {
        if let Some(task) = self
            .task
            .filter(|task| !self.program.tasks().contains(task))
        {
            let known: Vec<&str> = self
                .program
                .tasks()
                .iter()
                .map(|task| task.as_str())
                .collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            let message = format!(
                "{} has no task {}; its tasks are: {known}.",
                self.program,
                task.as_str()
            );
            problems.push(OptionProblem::new("task", message));
        }
        if self.database.is_empty() {
            problems.push(OptionProblem::new("database", "Choose a database."));
        } else if !is_database_name(&self.database) {
            let message = "This is not the name of a database. Choose one from the list.";
            problems.push(OptionProblem::new("database", message));
        }
    }

    /// Options that the program does not have, and values that the option does not take.
    fn check_values(&self, problems: &mut Vec<OptionProblem>) {
        for option in &OPTIONS {
            let Some(text) = self.options.get(option.key) else {
                continue;
            };
            let message = if option.is_for(self.program) {
                self.value_problem(option, &text)
            } else {
                Some(format!(
                    "{} has no option \"{}\"; leave it out.",
                    self.program, option.label
                ))
            };
            problems.extend(message.map(|message| OptionProblem::new(option.key, message)));
        }
        if let Some(why) = self
            .options
            .filter
            .and_then(|filter| filter.problem(self.program))
        {
            problems.push(OptionProblem::new(
                "filter",
                format!("The low-complexity filter {why}."),
            ));
        }
    }

    fn value_problem(&self, option: &OptionDescriptor, text: &str) -> Option<String> {
        let range = option.range_for(self.program, self.task());
        if let (true, Ok(value)) = (range != option.range, text.parse()) {
            let task = self.task().map_or(self.program.as_str(), Task::as_str);
            let (label, unit) = (option.label, option.unit_for(self.program));
            let space = if unit.is_empty() { "" } else { " " };
            return (!range.contains(value))
                .then(|| format!("{label} for {task} must be {range}{space}{unit}."));
        }
        // A value that came as JSON has not been through `set`: read it as text would be.
        let why = SearchOptions::default().set(option.key, text).err()?;
        Some(format!("{} {why}.", option.label))
    }

    fn check_query_range(&self, problems: &mut Vec<OptionProblem>) {
        let (field, message) = match (self.options.query_from, self.options.query_to) {
            (Some(from), Some(to)) if from > to => (
                "query_from",
                format!(
                    "The query range runs backwards: {from} to {to}. Exchange the two; for the \
                     other strand choose \"minus\"."
                ),
            ),
            // BLAST+ calls a range of one letter empty.
            (Some(from), Some(to)) if from == to => (
                "query_to",
                format!("The query range {from} to {to} is one letter. Give two or more."),
            ),
            (Some(_), None) => (
                "query_to",
                "Give the end of the query range too.".to_owned(),
            ),
            (None, Some(_)) => (
                "query_from",
                "Give the beginning of the query range too.".to_owned(),
            ),
            _ => return,
        };
        problems.push(OptionProblem::new(field, message));
    }

    fn check_taxa(&self, problems: &mut Vec<OptionProblem>) {
        if !self.options.taxids.is_empty() && !self.options.negative_taxids.is_empty() {
            let message = "BLAST+ takes either taxa to search or taxa to leave out. Empty one of \
                           the two fields.";
            problems.push(OptionProblem::new("negative_taxids", message));
        }
    }

    fn check_scores(&self, problems: &mut Vec<OptionProblem>) {
        if self.program == Program::Tblastx {
            return;
        }
        let half = match (self.options.gapopen, self.options.gapextend) {
            (Some(_), None) => Some(("gapextend", "extension")),
            (None, Some(_)) => Some(("gapopen", "opening")),
            _ => None,
        };
        if let Some((field, missing)) = half {
            let message = format!("Give the gap {missing} cost too: BLAST+ knows only pairs.");
            problems.push(OptionProblem::new(field, message));
            return;
        }
        match (self.program, self.task()) {
            (Program::Blastn, Some(task)) => self.check_nucleotide(task, problems),
            _ => self.check_protein(problems),
        }
    }

    fn gap(&self) -> Option<Gap> {
        self.options.gapopen.zip(self.options.gapextend)
    }

    fn check_nucleotide(&self, task: Task, problems: &mut Vec<OptionProblem>) {
        let defaults = TaskDefaults::of(self.program, Some(task));
        let (reward, penalty) = match (self.options.reward, self.options.penalty) {
            (Some(reward), Some(penalty)) => (reward, penalty),
            (None, None) => defaults.scores.unwrap_or_default(),
            (reward, _) => {
                let field = if reward.is_some() {
                    "penalty"
                } else {
                    "reward"
                };
                let message = "Give match and mismatch score together: BLAST+ knows only pairs.";
                problems.push(OptionProblem::new(field, message));
                return;
            }
        };
        let Some((row, factor)) = NucleotideScores::find(reward, penalty) else {
            let known = scores::NUCLEOTIDE
                .iter()
                .map(|row| format!("{}/{}", row.reward, row.penalty));
            let known = known.collect::<Vec<_>>().join(", ");
            let message = format!(
                "BLAST+ has no statistics for match {reward} and mismatch {penalty}; it supports \
                 {known} and multiples of these."
            );
            problems.push(OptionProblem::new("reward", message));
            return;
        };
        let gap = self.gap().or(defaults.gap).unwrap_or_default();
        if !row.accepts(task, factor, gap) {
            let whose = if self.gap().is_some() {
                "are"
            } else {
                "(the task's default) are"
            };
            let dearer = if row.from.is_some() {
                " or dearer ones than the last"
            } else {
                ""
            };
            let message = format!(
                "Gap costs {}/{} {whose} not supported with match {reward} and mismatch {penalty} \
                 in task {}; choose one of {}{dearer}.",
                gap.0,
                gap.1,
                task.as_str(),
                pairs(&row.offered_times(task, factor)),
            );
            problems.push(OptionProblem::new("gapopen", message));
        }
    }

    fn check_protein(&self, problems: &mut Vec<OptionProblem>) {
        // Without gap costs BLAST+ takes the ones that belong to the matrix.
        let (Some(matrix), Some(gap)) = (self.matrix(), self.gap()) else {
            return;
        };
        if !matrix.gaps().contains(&gap) {
            let message = format!(
                "Gap costs {}/{} are not supported with {}; choose one of {}.",
                gap.0,
                gap.1,
                matrix.as_str(),
                pairs(matrix.gaps())
            );
            problems.push(OptionProblem::new("gapopen", message));
        }
    }

    fn check_database(&self, database: &DatabaseTraits, problems: &mut Vec<OptionProblem>) {
        let wanted = self.program.database_molecule();
        if database.molecule != wanted {
            let message = format!(
                "{} searches a {wanted} database, and {} is a {} one. Choose another database or \
                 program.",
                self.program, self.database, database.molecule
            );
            problems.push(OptionProblem::new("database", message));
        }
        let (only, without) = (&self.options.taxids, &self.options.negative_taxids);
        for (field, taxa) in [("taxids", only), ("negative_taxids", without)] {
            if !taxa.is_empty() && !database.has_taxids {
                let message = format!(
                    "{} has no taxonomy, so it cannot be narrowed to taxa. Leave the field empty.",
                    self.database
                );
                problems.push(OptionProblem::new(field, message));
            }
        }
    }

    fn warnings(&self) -> Vec<String> {
        let few = self
            .options
            .max_target_seqs
            .filter(|few| *few < FEW_TARGETS);
        let warning = few.map(|few| {
            format!(
                "Target sequences at most {few}: BLAST+ applies the limit early in the search, so \
                 the best hits may be missed. Take {FEW_TARGETS} or more and read the first."
            )
        });
        warning.into_iter().collect()
    }
}

/// A name of the catalogue: no option, no way out of a folder, nothing that BLAST+ would split.
fn is_database_name(name: &str) -> bool {
    let plain = |letter: char| !letter.is_control() && !matches!(letter, '"' | '\\');
    name.chars().count() <= MAX_DATABASE_NAME
        && name.trim() == name
        && !name.starts_with(['-', '/', '.'])
        && !name.split('/').any(|part| part == "..")
        && name.chars().all(plain)
}
