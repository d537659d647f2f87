//! The search as form fields: read, and written back without loss.

use super::{
    OptionProblem, SearchOptions, SearchSpec,
    free_text::parse_options,
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
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    let program = value("program").map_or(Some(Program::Blastn), Program::parse);
    if program.is_none() {
        let message = "The program must be blastn, blastp, blastx, tblastn or tblastx.";
        problems.push(OptionProblem::new("program", message));
    }
    let program = program.unwrap_or(Program::Blastn);
    let task = value("task").map(|text| (text, Task::parse(text)));
    if let Some((text, None)) = task {
        problems.push(OptionProblem::new("task", format!("There is no task {text}.")));
    }
    let mut options = SearchOptions::default();
    for option in &OPTIONS {
        let Some(text) = value(option.key) else {
            continue;
        };
        if let Err(why) = options.set(option.key, text) {
            problems.push(OptionProblem::new(option.key, format!("{} {why}.", option.label)));
        }
    }
    if let Some(text) = value("extra") {
        match parse_options(program, text) {
            Ok(extra) => merge(&mut options, &extra, &mut problems),
            Err(more) => problems.extend(more),
        }
    }
    let spec = SearchSpec {
        program,
        task: task.and_then(|(_, task)| task),
        database: value("database").unwrap_or_default().to_owned(),
        options,
    };
    (spec, problems)
}

/// Takes over what the text sets; an option that is given in both places is a problem.
fn merge(options: &mut SearchOptions, extra: &SearchOptions, problems: &mut Vec<OptionProblem>) {
    for option in &OPTIONS {
        let Some(text) = extra.get(option.key) else {
            continue;
        };
        if options.get(option.key).is_some() {
            let message = format!("{} is given in its field and as text. Remove one of them.", option.label);
            problems.push(OptionProblem::new("extra", message));
        } else if let Err(why) = options.set(option.key, &text) {
            problems.push(OptionProblem::new("extra", format!("{} {why}.", option.label)));
        }
    }
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
