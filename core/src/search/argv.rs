//! The argument vector, built from typed values alone.
//!
//! Owns the one translation of options into flags, which the free text shares. No text of a person
//! gets here: each value is printed from a number, a list of numbers or one of a few words.

use super::{
    SearchOptions, SearchSpec,
    program::{Program, Task},
    table::OPTIONS,
};

/// BLAST+'s archive, from which every other format can be made.
pub const ARCHIVE: u8 = 11;

/// Words of a command that is planned before it is known where it runs: each stands for a whole argument.
pub mod place {
    /// The batch's query file.
    pub const QUERY: &str = "{query}";
    /// The batch's archive.
    pub const OUT: &str = "{out}";
    /// The batch's table of hits.
    pub const TABLE: &str = "{table}";
    /// The database without extension.
    pub const DATABASE: &str = "{db}";
}

/// What the run decides, not the person who searches.
#[derive(Debug, Clone, Copy)]
pub struct RunPaths<'a> {
    /// Path of the database without extension.
    pub database: &'a str,
    /// Path of the query.
    pub query: &'a str,
    /// Path of the output.
    pub out: &'a str,
}

/// How the run uses the machine and what it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSettings {
    /// Value of `-num_threads`, from 1.
    pub threads: u32,
    /// Value of `-outfmt`, 0 to 18.
    pub outfmt: u8,
}

impl Default for RunSettings {
    /// One thread, an archive: batches run beside one another.
    fn default() -> Self {
        Self {
            threads: 1,
            outfmt: ARCHIVE,
        }
    }
}

/// The whole argument vector of a run with the usual settings, program first.
#[must_use]
pub fn argv(spec: &SearchSpec, paths: &RunPaths<'_>) -> Vec<String> {
    argv_with(spec, paths, RunSettings::default())
}

/// The whole argument vector, program first.
#[must_use]
pub fn argv_with(spec: &SearchSpec, paths: &RunPaths<'_>, settings: RunSettings) -> Vec<String> {
    let mut argv = vec![spec.program.as_str().to_owned()];
    let mut push = |flag: &str, value: String| argv.extend([flag.to_owned(), value]);
    if let Some(task) = spec.task().map(Task::as_str) {
        push("-task", task.to_owned());
    }
    push("-db", quoted_path(paths.database));
    push("-query", paths.query.to_owned());
    push("-out", paths.out.to_owned());
    push("-outfmt", settings.outfmt.to_string());
    push("-num_threads", settings.threads.max(1).to_string());
    for (flag, value) in flags(spec.program, &spec.options) {
        argv.push(flag.to_owned());
        argv.extend(value);
    }
    argv
}

/// The flags of the options that are set and that the program has, each with its value, if it takes
/// one. Half a query range and `lcase_masking: false` have no flag.
pub(super) fn flags(
    program: Program,
    options: &SearchOptions,
) -> Vec<(&'static str, Option<String>)> {
    let mut flags = Vec::new();
    for option in OPTIONS.iter().filter(|option| option.is_for(program)) {
        match option.key {
            "query_from" => {
                if let (Some(from), Some(to)) = (options.query_from, options.query_to) {
                    flags.push((option.flag, Some(format!("{from}-{to}"))));
                }
            }
            "query_to" => {}
            "lcase_masking" => {
                if options.lcase_masking == Some(true) {
                    flags.push((option.flag, None));
                }
            }
            key => {
                if let Some(value) = options.get(key) {
                    flags.push((option.flag_for(program), Some(value)));
                }
            }
        }
    }
    flags
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
    let sign = |letter| {
        matches!(
            letter,
            '-' | '_' | '.' | '/' | ':' | '=' | ',' | '+' | '@' | '%'
        )
    };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || sign(letter);
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
