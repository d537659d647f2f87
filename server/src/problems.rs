//! Everything that speaks against a search, at once: for the form and for the API alike.
//!
//! Owns the union of what reading the fields, checking the search, and checking the query found. Never
//! stores anything.

use elb_core::{
    fasta::Report,
    job::MAX_TITLE,
    search::{OptionProblem, SearchSpec},
};

use crate::state::AppState;

/// What is known of a search before it is submitted.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// What, where and how, as far as it could be read.
    pub spec: &'a SearchSpec,
    /// Title for people.
    pub title: &'a str,
    /// The cluster that it shall run on, as it was sent.
    pub runs_on: &'a str,
    /// What could not be read.
    pub unread: Vec<OptionProblem>,
    /// What the checker found in the query; `None` if there is none that could be checked.
    pub query: Option<&'a Report>,
}

/// Every problem once: fields first, then the search, then the query with its lines.
#[must_use]
pub fn of(state: &AppState, candidate: Candidate<'_>) -> Vec<OptionProblem> {
    let Candidate {
        spec,
        title,
        runs_on,
        unread,
        query,
    } = candidate;
    // Without the program nobody can say which options, databases and letters are right.
    let unknown_program = unread.iter().any(|problem| problem.field == "program");
    let known_database = state.service.catalogue().get(&spec.database).is_some();
    let mut problems = unread;
    if title.chars().count() > MAX_TITLE {
        problems.push(OptionProblem::new(
            "title",
            format!("The title is longer than {MAX_TITLE} characters."),
        ));
    }
    problems.extend(state.service.place_to_run(runs_on).err());
    if !unknown_program && !known_database {
        // Without the database what does not depend on it is still checked.
        problems.extend(spec.check(None).err().unwrap_or_default());
    }
    let of_search = match query.filter(|_| !unknown_program) {
        Some(report) => state.service.problems_of(spec, report),
        None => state.service.check(spec).0,
    };
    problems.extend(
        of_search
            .into_iter()
            .filter(|_| !unknown_program || !known_database),
    );
    distinct(problems)
}

/// Each problem once, in order: reading and checking may find the same.
fn distinct(problems: Vec<OptionProblem>) -> Vec<OptionProblem> {
    let mut seen: Vec<OptionProblem> = Vec::with_capacity(problems.len());
    for problem in problems {
        if !seen.contains(&problem) {
            seen.push(problem);
        }
    }
    seen
}
