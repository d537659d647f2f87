//! Options as text: an allow-list parser into the typed options, its inverse, and the merge with a
//! form.
//!
//! Every flag that is not in the table is refused, with the reason where there is a special one. The
//! text never reaches a process: only the typed values do.

use super::{
    OptionProblem, SearchOptions,
    argv::flags,
    program::{Program, Task},
    table::{OPTIONS, OptionDescriptor},
};

mod words;

/// The field in which forms and the API send such a text.
pub const FIELD: &str = "extra";
/// The longest text, in characters.
const MAX_TEXT: usize = 16_000;

/// Reads `-flag value …` for a program and the task in force.
///
/// # Errors
/// Every problem, each naming its flag, at the field [`FIELD`].
pub fn parse_options(
    program: Program,
    task: Option<Task>,
    text: &str,
) -> Result<SearchOptions, Vec<OptionProblem>> {
    if text.chars().count() > MAX_TEXT {
        let message = format!("The text is longer than {MAX_TEXT} characters. Shorten it.");
        return Err(vec![OptionProblem::new(FIELD, message)]);
    }
    let words = words::split(text).map_err(|why| vec![OptionProblem::new(FIELD, why)])?;
    let mut words = words.into_iter().peekable();
    let mut options = SearchOptions::default();
    let mut problems = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    while let Some(flag) = words.next() {
        if !words::is_flag(&flag) {
            problems.push(format!("{flag} is no option: options begin with a hyphen."));
            continue;
        }
        let value = takes_value(&flag).then(|| words.next_if(|word| !words::is_flag(word)));
        let read = if seen.contains(&flag) {
            Err("is given twice. Remove one of them".to_owned())
        } else {
            read(
                &mut options,
                program,
                task,
                &flag,
                value.flatten().as_deref(),
            )
        };
        problems.extend(read.err().map(|why| format!("{flag} {why}.")));
        seen.push(flag);
    }
    if problems.is_empty() {
        return Ok(options);
    }
    Err(problems
        .into_iter()
        .map(|message| OptionProblem::new(FIELD, message))
        .collect())
}

/// Whether a word behind the flag belongs to it. BLAST+'s switches stand alone.
fn takes_value(flag: &str) -> bool {
    const SWITCHES: [&str; 11] = [
        "-lcase_masking",
        "-remote",
        "-html",
        "-ungapped",
        "-no_greedy",
        "-parse_deflines",
        "-show_gis",
        "-subject_besthit",
        "-use_sw_tback",
        "-h",
        "-help",
    ];
    !SWITCHES.contains(&flag) && flag != "-version"
}

/// Sets the field of one flag; the error completes a sentence that begins with the flag.
fn read(
    options: &mut SearchOptions,
    program: Program,
    task: Option<Task>,
    flag: &str,
    value: Option<&str>,
) -> Result<(), String> {
    if flag == "-task" {
        return read_task(program, task, value);
    }
    if let Some(why) = refusal(flag) {
        return Err(why.to_owned());
    }
    let mut named = OPTIONS.iter().filter(|option| {
        option.flag_for(program) == flag || (option.key == "filter" && is_filter(flag))
    });
    let Some(option) = named.next() else {
        return Err("is not an option that can be given here".to_owned());
    };
    if !option.is_for(program) || option.flag_for(program) != flag {
        return Err(format!("is not an option of {program}"));
    }
    if option.key == "lcase_masking" {
        options.lcase_masking = Some(true);
        return Ok(());
    }
    let value = value.ok_or("needs a value")?;
    if value.starts_with('-') && option.key != "penalty" {
        return Err("takes no value that begins with a hyphen".to_owned());
    }
    if flag == "-query_loc" {
        let (from, to) = value
            .split_once('-')
            .ok_or("must be a range such as 10-200")?;
        options.set("query_from", from)?;
        options.set("query_to", to)?;
        return Ok(());
    }
    options.set(option.key, value)?;
    check_range(option, program, task, options)?;
    // An empty list is read as "not set", which is not what a flag says.
    options
        .get(option.key)
        .map(|_| ())
        .ok_or_else(|| "needs a value".to_owned())
}

fn is_filter(flag: &str) -> bool {
    matches!(flag, "-dust" | "-seg")
}

/// The task is a field of its own; repeating it does no harm, contradicting it does.
fn read_task(program: Program, task: Option<Task>, value: Option<&str>) -> Result<(), String> {
    let chosen = task.or_else(|| program.default_task());
    if value.is_some() && value == chosen.map(Task::as_str) {
        return Ok(());
    }
    Err("is set by the choice of the task; choose it there".to_owned())
}

fn check_range(
    option: &OptionDescriptor,
    program: Program,
    task: Option<Task>,
    options: &SearchOptions,
) -> Result<(), String> {
    if option.key == "filter" {
        let why = options.filter.and_then(|filter| filter.problem(program));
        return why.map_or(Ok(()), |why| Err(why.to_owned()));
    }
    let task = task.or_else(|| program.default_task());
    let range = option.range_for(program, task);
    let value = options.get(option.key).and_then(|text| text.parse().ok());
    match value {
        Some(value) if range != option.range && !range.contains(value) => {
            let task = task.map_or(program.as_str(), Task::as_str);
            Err(format!("for {task} must be {range}"))
        }
        _ => Ok(()),
    }
}

/// Why a flag is never taken, for those where the reason helps.
fn refusal(flag: &str) -> Option<&'static str> {
    Some(match flag {
        "-db" | "-subject" | "-subject_loc" => "is set by the choice of the database",
        "-query" => "is set by the query field",
        "-out" => "is set by the server: results are read and downloaded on the page of the job",
        "-outfmt" | "-html" | "-num_descriptions" | "-num_alignments" | "-line_length"
        | "-sorthits" | "-sorthsps" | "-show_gis" => {
            "is not needed: every format can be downloaded from the results"
        }
        "-parse_deflines" => "is refused: identifiers are read the same way in every search",
        "-num_threads" | "-mt_mode" => "is set by the server, which runs several batches at once",
        "-remote" | "-entrez_query" => "is refused: searches run here, not at NCBI",
        "-import_search_strategy" | "-export_search_strategy" | "-in_pssm" => {
            "is refused: it would read or write files of the server"
        }
        "-gilist"
        | "-seqidlist"
        | "-ipglist"
        | "-negative_gilist"
        | "-negative_seqidlist"
        | "-negative_ipglist" => "is refused: it would read files of the server",
        "-taxidlist" => "is refused: it would read files of the server; list the taxa in -taxids",
        "-negative_taxidlist" => {
            "is refused: it would read files of the server; list the taxa in -negative_taxids"
        }
        "-filtering_db"
        | "-window_masker_db"
        | "-window_masker_taxid"
        | "-use_index"
        | "-index_name"
        | "-db_soft_mask"
        | "-db_hard_mask" => "is refused: it needs files that only some servers have",
        "-searchsp" | "-dbsize" => "is refused: it would make E-values that cannot be compared",
        "-h" | "-help" | "-version" => "is no part of a search",
        _ => return None,
    })
}

/// Puts a text's options beside those of a form.
///
/// # Errors
/// Every option that is given in both places, at the field [`FIELD`].
pub fn merge(
    form: &SearchOptions,
    text: &SearchOptions,
) -> Result<SearchOptions, Vec<OptionProblem>> {
    let mut merged = form.clone();
    let mut problems = Vec::new();
    for option in &OPTIONS {
        let Some(value) = text.get(option.key) else {
            continue;
        };
        if option.key == "query_to" && form.query_from.is_some() {
            // One flag gives both ends, and the first has been told of.
            continue;
        }
        if form.get(option.key).is_some() {
            let message = format!(
                "{} is given in its field and as text. Remove one of them.",
                option.label
            );
            problems.push(OptionProblem::new(FIELD, message));
        } else if let Err(why) = merged.set(option.key, &value) {
            problems.push(OptionProblem::new(
                FIELD,
                format!("{} {why}.", option.label),
            ));
        }
    }
    if problems.is_empty() {
        Ok(merged)
    } else {
        Err(problems)
    }
}

/// The options as text that [`parse_options`] reads back. Options that the program does not have are
/// left out, and so is what has no flag: half a query range, and `lcase_masking: false`.
#[must_use]
pub fn to_text(program: Program, options: &SearchOptions) -> String {
    let mut words = Vec::new();
    for (flag, value) in flags(program, options) {
        words.push(flag.to_owned());
        words.extend(value.map(|value| words::quoted(&value)));
    }
    words.join(" ")
}
