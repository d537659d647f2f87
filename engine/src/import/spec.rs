//! What was searched, where and how, as far as the original tells it.
//!
//! Takes over what this program has a field for. Everything else stays in the history, with the whole request.

use elb_core::search::{
    OPTIONS as KNOWN, Program, SearchOptions, SearchSpec, Task, merge, parse_options,
};
use serde_json::Value;

use super::columns::{Broken, at, first_text, text};
use crate::azure::tables::foreign::Foreign;

/// Of a search whose database nobody wrote down.
const NO_DATABASE: &str = "(not recorded)";

/// The original's names of options that are the same here under this one.
const OPTIONS: [(&str, &str); 17] = [
    ("evalue", "evalue"),
    ("max_target_seqs", "max_target_seqs"),
    ("word_size", "word_size"),
    ("gap_open", "gapopen"),
    ("gapopen", "gapopen"),
    ("gap_extend", "gapextend"),
    ("gapextend", "gapextend"),
    ("reward", "reward"),
    ("penalty", "penalty"),
    ("matrix", "matrix"),
    ("threshold", "threshold"),
    ("comp_based_stats", "comp_based_stats"),
    ("window_size", "window_size"),
    ("perc_identity", "perc_identity"),
    ("qcov_hsp_perc", "qcov_hsp_perc"),
    ("soft_masking", "soft_masking"),
    ("lcase_masking", "lcase_masking"),
];

/// Program, task, database and options of a row with this payload.
pub(super) fn spec_of(row: &Foreign, payload: &Foreign) -> Result<SearchSpec, Broken> {
    let told = [
        Some(text(row, "program")?),
        first_text(payload, &[&["program"]]),
        first_text(payload, &[&["external", "program"]]),
    ];
    let mut known = told.iter().flatten();
    let program = known.find_map(|name| Program::parse(&name.to_lowercase()));
    let Some(program) = program else {
        let told = told.iter().flatten().find(|name| !name.is_empty());
        return Err(told.map_or_else(
            || "it does not say which program was run".to_owned(),
            |name| format!("its program is \"{name}\", which is none of this program's"),
        ));
    };
    let task = first_text(payload, &[&["task"], &["options", "task"]]);
    let task = task.and_then(|name| Task::parse(&name));
    let task = task.filter(|task| program.tasks().contains(task));
    Ok(SearchSpec {
        program,
        task,
        database: database_of(row, payload)?,
        options: options_of(program, task, payload),
    })
}

/// The last part of the database's name, which the original sometimes kept as the address of its files.
pub(super) fn database_of(row: &Foreign, payload: &Foreign) -> Result<String, Broken> {
    let column = text(row, "db")?;
    let name = if column.is_empty() {
        let places: [&[&str]; 4] = [
            &["db"],
            &["database"],
            &["external", "db_name"],
            &["external", "db"],
        ];
        first_text(payload, &places).unwrap_or_default()
    } else {
        column
    };
    let path = name.split(['?', '#']).next().unwrap_or_default();
    let last = path
        .trim_end_matches(['/', '\\'])
        .rsplit(['/', '\\'])
        .next();
    let last = last.filter(|last| !last.is_empty());
    Ok(last.unwrap_or(NO_DATABASE).to_owned())
}

fn options_of(program: Program, task: Option<Task>, payload: &Foreign) -> SearchOptions {
    let mut options = SearchOptions::default();
    let has = |key: &str| {
        let mut known = KNOWN.iter();
        known.any(|option| option.key == key && option.is_for(program))
    };
    let given = [
        Some(payload),
        at(payload, &["external", "options"]).and_then(Value::as_object),
        at(payload, &["options"]).and_then(Value::as_object),
    ];
    // The later the place, the closer it is to what was run.
    for given in given.into_iter().flatten() {
        for (theirs, ours) in OPTIONS {
            if let Some(value) = given.get(theirs).and_then(plain).filter(|_| has(ours)) {
                // What this program would refuse is in the history.
                let _ = options.set(ours, &value);
            }
        }
        if let Some(filter) = given.get("low_complexity_filter").and_then(Value::as_bool) {
            let _ = options.set("filter", if filter { "yes" } else { "no" });
        }
        if let Some(taxid) = given.get("taxid").and_then(plain) {
            let without = given.get("is_inclusive") == Some(&Value::Bool(false));
            let key = if without { "negative_taxids" } else { "taxids" };
            let _ = options.set(key, &taxid);
        }
        for place in ["additional_options", "extra"] {
            let more = given.get(place).and_then(Value::as_str).unwrap_or_default();
            let merged = parse_options(program, task, more).and_then(|more| merge(&options, &more));
            if let Ok(merged) = merged {
                options = merged;
            }
        }
    }
    options
}

/// A value as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("true".to_owned()),
        Value::Bool(false) => Some("false".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn spec(row: Value, payload: Value) -> Result<SearchSpec, Broken> {
        let (row, payload) = (row.as_object().unwrap(), payload.as_object().unwrap());
        spec_of(row, payload)
    }

    #[test]
    fn columns_lead_and_the_request_fills_what_is_missing() {
        let new = spec(
            json!({"program": "blastp", "db": "https://x.blob.core.windows.net/db/nr/nr"}),
            json!({"options": {"evalue": 0.001, "gap_open": 11, "gap_extend": "1", "matrix": "BLOSUM62",
                "low_complexity_filter": true, "taxid": 9606, "is_inclusive": false, "mem_limit": "4G"}}),
        );
        let new = new.unwrap();
        assert_eq!(
            (new.program, new.database.as_str()),
            (Program::Blastp, "nr")
        );
        let options = &new.options;
        assert_eq!(options.evalue, Some(0.001));
        assert_eq!((options.gapopen, options.gapextend), (Some(11), Some(1)));
        assert_eq!(options.get("filter").as_deref(), Some("yes"));
        assert_eq!(options.get("negative_taxids").as_deref(), Some("9606"));
        let old = spec(
            json!({}),
            json!({"program": "BLASTN", "database": "core_nt"}),
        )
        .unwrap();
        assert_eq!(
            (old.program, old.database.as_str()),
            (Program::Blastn, "core_nt")
        );
        let free = spec(
            json!({"program": "blastn"}),
            json!({"options": {"additional_options": "-reward 1 -penalty -3"}}),
        );
        assert_eq!(free.unwrap().options.penalty, Some(-3));
    }

    #[test]
    fn a_program_that_nobody_can_name_is_told() {
        let told = spec(json!({"program": "blast"}), json!({})).unwrap_err();
        assert!(told.contains("\"blast\""), "{told}");
        let found = spec(
            json!({"program": "blast"}),
            json!({"external": {"program": "tblastx"}}),
        );
        assert_eq!(found.unwrap().program, Program::Tblastx);
        assert!(
            spec(json!({}), json!({}))
                .unwrap_err()
                .contains("does not say")
        );
    }
}
