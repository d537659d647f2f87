//! What must hold between program, task, database and options: every violation, in plain words.

use super::{
    DatabaseTraits, FEW_TARGETS, MAX_DATABASE_NAME, OptionProblem, SearchSpec,
    program::{Program, Task},
    scores::{self, Gap, NucleotideScores},
    table::OPTIONS,
};

/// A search that passed, with what is worth a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Not wrong, but maybe not what was meant.
    pub warnings: Vec<String>,
}

fn pairs(gaps: &[Gap]) -> String {
    let words: Vec<String> = gaps.iter().map(|(open, extend)| format!("{open}/{extend}")).collect();
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
        self.check_programs(&mut problems);
        self.check_ranges(&mut problems);
        self.check_scores(&mut problems);
        if let Some(database) = database {
            self.check_database(database, &mut problems);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Checked { warnings: self.warnings() })
    }

    fn check_names(&self, problems: &mut Vec<OptionProblem>) {
        if let Some(task) = self.task.filter(|task| !self.program.tasks().contains(task)) {
            let known: Vec<&str> = self.program.tasks().iter().map(|task| task.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("{} has no task {}; its tasks are: {known}.", self.program, task.as_str());
            problems.push(OptionProblem::new("task", message));
        }
        let name = &self.database;
        let plain = |letter: char| !letter.is_control() && !matches!(letter, '"' | '\\');
        let path_like = name.starts_with(['-', '/', '.']) || name.split('/').any(|part| part == "..");
        if name.is_empty() {
            problems.push(OptionProblem::new("database", "Choose a database."));
        } else if name.chars().count() > MAX_DATABASE_NAME || path_like || !name.chars().all(plain) {
            let message = "This is not the name of a database. Choose one from the list.";
            problems.push(OptionProblem::new("database", message));
        }
    }

    /// Options that the program does not have.
    fn check_programs(&self, problems: &mut Vec<OptionProblem>) {
        for option in OPTIONS.iter().filter(|option| !option.is_for(self.program)) {
            if self.options.get(option.key).is_some() {
                let message = format!("{} has no option \"{}\"; leave it out.", self.program, option.label);
                problems.push(OptionProblem::new(option.key, message));
            }
        }
    }

    fn check_ranges(&self, problems: &mut Vec<OptionProblem>) {
        // A value that came as JSON has not been through `set`: read each back as text would be.
        for option in &OPTIONS {
            let Some(text) = self.options.get(option.key) else {
                continue;
            };
            if let Err(why) = super::SearchOptions::default().set(option.key, &text) {
                problems.push(OptionProblem::new(option.key, format!("{} {why}.", option.label)));
            }
        }
        if let Some(size) = self.options.word_size {
            let (least, most) = word_sizes(self.program, self.task());
            if !(least..=most).contains(&size) {
                let task = self.task().map_or(self.program.as_str(), Task::as_str);
                let message = format!("Word size for {task} must be {least} to {most}.");
                problems.push(OptionProblem::new("word_size", message));
            }
        }
        match (self.options.query_from, self.options.query_to) {
            (Some(from), Some(to)) if from > to => {
                let message = format!("The query range runs backwards: {from} to {to}. Exchange the two; for the other strand choose \"minus\".");
                problems.push(OptionProblem::new("query_from", message));
            }
            (Some(_), None) => problems.push(OptionProblem::new("query_to", "Give the end of the query range too.")),
            (None, Some(_)) => problems.push(OptionProblem::new("query_from", "Give the beginning of the query range too.")),
            _ => {}
        }
    }

    fn check_scores(&self, problems: &mut Vec<OptionProblem>) {
        if !scores::is_gapped(self.program) {
            return;
        }
        match (self.options.gapopen, self.options.gapextend) {
            (Some(_), None) => {
                problems.push(OptionProblem::new("gapextend", "Give the gap extension cost too: BLAST+ knows only pairs."));
                return;
            }
            (None, Some(_)) => {
                problems.push(OptionProblem::new("gapopen", "Give the gap opening cost too: BLAST+ knows only pairs."));
                return;
            }
            _ => {}
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
        let ((reward, penalty), default_gap) = scores::nucleotide_defaults(task);
        let (given_reward, given_penalty) = (self.options.reward, self.options.penalty);
        if given_reward.is_some() != given_penalty.is_some() {
            let field = if given_reward.is_some() { "penalty" } else { "reward" };
            problems.push(OptionProblem::new(field, "Give match and mismatch score together: BLAST+ knows only pairs."));
            return;
        }
        let reward = given_reward.unwrap_or(reward);
        let penalty = given_penalty.unwrap_or(penalty);
        let Some(row) = NucleotideScores::find(reward, penalty) else {
            let known: Vec<String> = scores::NUCLEOTIDE.iter().map(|row| format!("{}/{}", row.reward, row.penalty)).collect();
            let message = format!("BLAST+ has no statistics for match {reward} and mismatch {penalty}; it supports {}.", known.join(", "));
            problems.push(OptionProblem::new("reward", message));
            return;
        };
        let gap = self.gap().unwrap_or(default_gap);
        if !row.accepts(task, gap) {
            let whose = if self.gap().is_some() { "are" } else { "(the task's default) are" };
            let message = format!(
                "Gap costs {}/{} {whose} not supported with match {reward} and mismatch {penalty} in task {}; choose one of {}.",
                gap.0, gap.1, task.as_str(), pairs(&row.offered(task))
            );
            problems.push(OptionProblem::new("gapopen", message));
        }
    }

    fn check_protein(&self, problems: &mut Vec<OptionProblem>) {
        let Some(matrix) = self.matrix() else {
            return;
        };
        // A matrix without gap costs: BLAST+ takes the ones that belong to the matrix.
        let Some(gap) = self.gap() else {
            return;
        };
        if !matrix.gaps().contains(&gap) {
            let message = format!(
                "Gap costs {}/{} are not supported with {}; choose one of {}.",
                gap.0, gap.1, matrix.as_str(), pairs(matrix.gaps())
            );
            problems.push(OptionProblem::new("gapopen", message));
        }
    }

    fn check_database(&self, database: &DatabaseTraits, problems: &mut Vec<OptionProblem>) {
        let wanted = self.program.database_molecule();
        if database.molecule != wanted {
            let message = format!("{} searches a {wanted} database, and {} is a {} one. Choose another database or program.", self.program, self.database, database.molecule);
            problems.push(OptionProblem::new("database", message));
        }
        if !self.options.taxids.is_empty() && !database.has_taxids {
            let message = format!("{} has no taxonomy, so it cannot be narrowed to taxa. Leave the field empty.", self.database);
            problems.push(OptionProblem::new("taxids", message));
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(few) = self.options.max_target_seqs.filter(|few| *few < FEW_TARGETS) {
            warnings.push(format!(
                "Target sequences at most {few}: BLAST+ applies the limit early in the search, so the best hits may be missed. Take {FEW_TARGETS} or more and read the first."
            ));
        }
        warnings
    }
}

/// The word sizes that BLAST+ 2.12 takes (measured).
#[must_use]
pub const fn word_sizes(program: Program, task: Option<Task>) -> (u32, u32) {
    match (program, task) {
        (Program::Blastn, Some(Task::DcMegablast)) => (11, 12),
        (Program::Blastn, _) => (4, 1_000),
        (Program::Tblastx, _) => (2, 5),
        _ => (2, 7),
    }
}
