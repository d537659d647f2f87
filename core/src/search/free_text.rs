//! Options as text: an allow-list parser into the typed options, and nothing more.
//!
//! Every flag that is not in the table is refused, with the reason where there is a special one. The
//! text never reaches a process: only the typed values do.

use super::{
    OptionProblem, SearchOptions,
    program::Program,
    table::{OPTIONS, filter_flag},
};

/// The longest text, in characters.
const MAX_TEXT: usize = 4_000;

/// Reads `-flag value …` for a program.
///
/// # Errors
/// Every problem, each at its flag.
pub fn parse_options(program: Program, text: &str) -> Result<SearchOptions, Vec<OptionProblem>> {
    let mut options = SearchOptions::default();
    let mut problems = Vec::new();
    if text.chars().count() > MAX_TEXT {
        let message = format!("The text is longer than {MAX_TEXT} characters.");
        return Err(vec![OptionProblem::new("extra", message)]);
    }
    let words = match split(text) {
        Ok(words) => words,
        Err(message) => return Err(vec![OptionProblem::new("extra", message)]),
    };
    let mut words = words.into_iter().peekable();
    let mut problem = |flag: &str, why: &str| {
        problems.push(OptionProblem::new("extra", format!("{flag} {why}")));
    };
    let mut seen: Vec<String> = Vec::new();
    while let Some(flag) = words.next() {
        if !is_flag(&flag) {
            problem(&flag, "is no option: options begin with a hyphen");
            continue;
        }
        if seen.contains(&flag) {
            problem(&flag, "is given twice");
        }
        seen.push(flag.clone());
        if flag == "-lcase_masking" {
            options.lcase_masking = Some(true);
            continue;
        }
        let value = words.next_if(|word| !is_flag(word));
        if let Some(why) = refusal(&flag) {
            problem(&flag, why);
            continue;
        }
        let Some(keys) = keys_of(program, &flag) else {
            let known = OPTIONS.iter().any(|option| option.flag == flag) || flag == "-dust" || flag == "-seg";
            let why = if known { "is not an option of this program" } else { "is not an option that can be given here" };
            problem(&flag, why);
            continue;
        };
        let Some(value) = value else {
            problem(&flag, "needs a value");
            continue;
        };
        if let Err(why) = set(&mut options, keys, &value) {
            problem(&flag, &why);
        }
    }
    if problems.is_empty() { Ok(options) } else { Err(problems) }
}

fn set(options: &mut SearchOptions, key: &str, value: &str) -> Result<(), String> {
    if key == "query_loc" {
        let (from, to) = value.split_once('-').ok_or("must be a range such as 10-200")?;
        options.set("query_from", from)?;
        options.set("query_to", to)?;
        return Ok(());
    }
    options.set(key, value).map(|_| ())
}

/// The field of a flag, if the program has it.
fn keys_of(program: Program, flag: &str) -> Option<&'static str> {
    if flag == filter_flag(program) {
        return Some("filter");
    }
    if flag == "-query_loc" {
        return Some("query_loc");
    }
    OPTIONS
        .iter()
        .find(|option| option.flag == flag && option.key != "filter" && option.is_for(program))
        .map(|option| option.key)
}

/// Why a flag is never taken, for those where the reason helps.
fn refusal(flag: &str) -> Option<&'static str> {
    Some(match flag {
        "-db" | "-subject" | "-subject_loc" => "is set by the choice of the database",
        "-query" => "is set by the query field",
        "-out" | "-outfmt" | "-html" | "-num_descriptions" | "-num_alignments" | "-line_length" => {
            "is not needed: every format can be downloaded from the results"
        }
        "-num_threads" | "-mt_mode" => "is set by the server, which runs several batches at once",
        "-remote" => "is refused: searches run here, not at NCBI",
        "-task" => "is set by the choice of the task",
        "-import_search_strategy" | "-export_search_strategy" | "-in_pssm" | "-gilist" | "-seqidlist"
        | "-negative_gilist" | "-negative_seqidlist" | "-taxidlist" | "-negative_taxidlist"
        | "-filtering_db" | "-index_name" => "is refused: it would read or write files of the server",
        "-searchsp" | "-dbsize" => "is refused: it would make E-values that cannot be compared",
        _ => return None,
    })
}

/// A hyphen and a letter; a hyphen and a digit is a negative number.
fn is_flag(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next() == Some('-') && letters.next().is_none_or(|letter| !letter.is_ascii_digit())
}

/// Splits at blanks; single and double quotes hold blanks together.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut open: Option<char> = None;
    let mut quoted = false;
    for letter in text.chars() {
        match open {
            Some(quote) if letter == quote => open = None,
            Some(_) => word.push(letter),
            None if letter == '"' || letter == '\'' => {
                open = Some(letter);
                quoted = true;
            }
            None if letter.is_whitespace() => {
                if !word.is_empty() || quoted {
                    words.push(std::mem::take(&mut word));
                }
                quoted = false;
            }
            None if letter.is_control() => return Err("The text has a control character.".to_owned()),
            None => word.push(letter),
        }
    }
    if open.is_some() {
        return Err("A quotation mark is not closed.".to_owned());
    }
    if !word.is_empty() || quoted {
        words.push(word);
    }
    Ok(words)
}
