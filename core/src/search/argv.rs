//! The argument vector, built from typed values alone.

use super::{
    SearchSpec,
    program::Task,
    table::{OPTIONS, filter_flag},
};

/// What the run decides, not the person who searches.
#[derive(Debug, Clone, Copy)]
pub struct RunPaths<'a> {
    /// Path of the database without extension.
    pub database: &'a str,
    /// Path of the query.
    pub query: &'a str,
    /// Path of the archive.
    pub out: &'a str,
}

/// The whole argument vector, program first.
#[must_use]
pub fn argv(spec: &SearchSpec, paths: &RunPaths<'_>) -> Vec<String> {
    let mut argv = vec![spec.program.as_str().to_owned()];
    let mut push = |flag: &str, value: &str| argv.extend([flag.to_owned(), value.to_owned()]);
    if let Some(task) = spec.task().map(Task::as_str) {
        push("-task", task);
    }
    push("-db", &quoted_path(paths.database));
    push("-query", paths.query);
    push("-out", paths.out);
    push("-outfmt", "11");
    push("-num_threads", "1");
    for option in OPTIONS.iter().filter(|option| option.is_for(spec.program)) {
        let Some(value) = spec.options.get(option.key) else {
            continue;
        };
        match option.key {
            "filter" => push(filter_flag(spec.program), &value),
            "query_from" => {
                if let (Some(from), Some(to)) = (spec.options.query_from, spec.options.query_to) {
                    push("-query_loc", &format!("{from}-{to}"));
                }
            }
            "query_to" | "lcase_masking" => {}
            _ => push(option.flag, &value),
        }
    }
    if spec.options.lcase_masking == Some(true) {
        argv.push("-lcase_masking".to_owned());
    }
    argv
}

/// BLAST+ splits the value of `-db` at blanks, unless it stands in quotes of its own.
fn quoted_path(path: &str) -> String {
    if path.contains(char::is_whitespace) {
        format!("\"{path}\"")
    } else {
        path.to_owned()
    }
}

/// The vector as a line for people, quoted as a POSIX shell would need it. Never executed.
#[must_use]
pub fn display_command(argv: &[String]) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,+@%".contains(letter);
    let words: Vec<String> = argv
        .iter()
        .map(|word| {
            if !word.is_empty() && word.chars().all(plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        })
        .collect();
    words.join(" ")
}
