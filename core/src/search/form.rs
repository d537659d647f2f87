//! The search as form fields: read, and written back without loss.
//!
//! Knows no option by name: the fields are those of the option table, beside program, task, database
//! and the free text. Whether the values fit together is for `check` to say.

use super::{
    OptionProblem, SearchOptions, SearchSpec,
    free_text::{FIELD, merge, parse_options},
    program::{Program, Task},
    table::OPTIONS,
};

/// Reads the fields of the search form. An empty field is not set; fields of other parts are left
/// alone. What cannot be read is a problem at its field, and the rest is read all the same.
#[must_use]
pub fn from_form(pairs: &[(String, String)]) -> (SearchSpec, Vec<OptionProblem>) {
    let mut problems = Vec::new();
    let value = |name: &str| {
        let found = pairs.iter().rev().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    };
    let program = value("program").map_or(Some(Program::Blastn), Program::parse);
    if program.is_none() {
        let message = "The program must be blastn, blastp, blastx, tblastn or tblastx.";
        problems.push(OptionProblem::new("program", message));
    }
    let known = program.is_some();
    let program = program.unwrap_or(Program::Blastn);
    let task = value("task").map(|text| (text, Task::parse(text)));
    if let Some((text, None)) = task {
        problems.push(OptionProblem::new(
            "task",
            format!("There is no task {text}. Choose one from the list."),
        ));
    }
    let mut options = SearchOptions::default();
    for option in &OPTIONS {
        let Some(text) = value(option.key) else {
            continue;
        };
        if let Err(why) = options.set(option.key, text) {
            problems.push(OptionProblem::new(
                option.key,
                format!("{} {why}.", option.label),
            ));
        }
    }
    let task = task.and_then(|(_, task)| task);
    // Without the program nobody can say which flags there are.
    if let Some(text) = value(FIELD).filter(|_| known) {
        let merged = parse_options(program, task, text).and_then(|extra| merge(&options, &extra));
        match merged {
            Ok(merged) => options = merged,
            Err(more) => problems.extend(more),
        }
    }
    let spec = SearchSpec {
        program,
        task,
        database: value("database").unwrap_or_default().to_owned(),
        options,
    };
    (spec, problems)
}

/// The fields that bring back exactly this search.
#[must_use]
pub fn to_form(spec: &SearchSpec) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("program", spec.program.as_str().to_owned())];
    if let Some(task) = spec.task {
        pairs.push(("task", task.as_str().to_owned()));
    }
    if !spec.database.is_empty() {
        pairs.push(("database", spec.database.clone()));
    }
    for option in &OPTIONS {
        if let Some(text) = spec.options.get(option.key) {
            pairs.push((option.key, text));
        }
    }
    pairs
}
