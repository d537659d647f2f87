//! What holds for any options and any text.

use proptest::prelude::*;

use super::*;

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,4}",
        "-[0-9]{1,2}",
        "(yes|no|true|false|both|plus|minus)",
        "[0-9]{1,2} [0-9]{1,2} [0-9]\\.[0-9]",
        "[0-9]{1,4}-[0-9]{1,4}",
        "[0-9]{1,4}(,[0-9]{1,4}){0,3}",
        prop::sample::select(Matrix::ALL.to_vec()).prop_map(|matrix| matrix.as_str().to_owned()),
        "-?[0-9]e-?[0-9]{1,2}",
        ".{0,12}",
    ]
}

fn any_options() -> impl Strategy<Value = SearchOptions> {
    let key = prop::sample::select(OPTIONS.to_vec());
    prop::collection::vec((key, any_value()), 0..30).prop_map(|pairs| {
        let mut options = SearchOptions::default();
        for (option, value) in pairs {
            // Most values do not fit most keys; those that do are the sample.
            let _ = options.set(option.key, &value);
        }
        options
    })
}

fn any_program() -> impl Strategy<Value = Program> {
    prop::sample::select(Program::ALL.to_vec())
}

/// Texts near the real ones: flags of the table with fitting and unfitting values, and any others.
fn any_text() -> impl Strategy<Value = String> {
    let table = prop::sample::select(OPTIONS.to_vec()).prop_map(|option| option.flag.to_owned());
    let flag = prop_oneof![8 => table, 1 => Just("-dust".to_owned()), 1 => Just("-seg".to_owned()), 1 => "-[a-z_]{0,12}"];
    let pair = (flag, any_value(), any::<bool>()).prop_map(|(flag, value, quoted)| {
        if quoted {
            format!("{flag} \"{value}\"")
        } else {
            format!("{flag} {value}")
        }
    });
    prop_oneof![
        4 => prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join(" ")),
        1 => "[-a-z_0-9 \"'./]{0,80}",
        1 => ".{0,80}",
    ]
}

/// What no flag can say: half a query range, `lcase_masking: false`, options of other programs.
fn sayable(program: Program, mut options: SearchOptions) -> SearchOptions {
    if options.query_from.is_none() || options.query_to.is_none() {
        (options.query_from, options.query_to) = (None, None);
    }
    options.lcase_masking = options.lcase_masking.filter(|yes| *yes);
    let mut kept = SearchOptions::default();
    for option in OPTIONS.iter().filter(|option| option.is_for(program)) {
        if let Some(value) = options.get(option.key) {
            kept.set(option.key, &value).unwrap();
        }
    }
    kept
}

fn is_number(word: &str) -> bool {
    word.parse::<i64>().is_ok()
}

proptest! {
    #[test]
    fn any_accepted_text_gives_exactly_its_own_flags_and_no_others(program in any_program(), text in any_text()) {
        let Ok(options) = parse_options(program, None, &text) else {
            return Ok(());
        };
        let search = SearchSpec { options, ..spec(program) };
        let vector = argv(&search, &PATHS);
        let is_flag = |word: &&str| word.starts_with('-') && !is_number(word);
        let ours = ["-task", "-db", "-query", "-out", "-outfmt", "-num_threads"];
        let mut sent: Vec<&str> = vector.iter().map(String::as_str).filter(is_flag).collect();
        sent.retain(|flag| !ours.contains(flag));
        sent.sort_unstable();
        let unquoted = text.replace(['"', '\''], " ");
        let mut asked: Vec<&str> = unquoted.split_whitespace().filter(is_flag).filter(|flag| *flag != "-task").collect();
        asked.sort_unstable();
        prop_assert_eq!(sent, asked);
        for flag in ours {
            let times = usize::from(flag != "-task" || search.task().is_some());
            prop_assert_eq!(vector.iter().filter(|word| *word == flag).count(), times);
        }
    }

    #[test]
    fn nothing_but_flags_and_mismatch_scores_begins_with_a_hyphen(program in any_program(), options in any_options()) {
        let vector = argv(&SearchSpec { options, ..spec(program) }, &PATHS);
        let mut before = "";
        for word in vector.iter().skip(1) {
            let flag = ["-task", "-db", "-query", "-out", "-outfmt", "-num_threads"].contains(&word.as_str())
                || OPTIONS.iter().any(|option| option.is_for(program) && option.flag_for(program) == word);
            prop_assert!(flag || !word.starts_with('-') || (before == "-penalty" && is_number(word)), "{word}");
            before = word;
        }
    }

    #[test]
    fn any_options_survive_the_way_through_text(program in any_program(), options in any_options()) {
        let options = sayable(program, options);
        let text = to_text(program, &options);
        match parse_options(program, None, &text) {
            Ok(read) => prop_assert_eq!(read, options),
            // What text refuses, the check refuses too.
            Err(_) => {
                let search = SearchSpec { options, ..spec(program) };
                prop_assert!(search.check(None).is_err());
            }
        }
    }

    #[test]
    fn any_options_survive_the_way_through_the_form(program in any_program(), options in any_options()) {
        let search = SearchSpec { options, ..spec(program) };
        let pairs: Vec<(String, String)> = to_form(&search).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let (read, problems) = from_form(&pairs);
        prop_assert_eq!(problems, Vec::new());
        prop_assert_eq!(read, search);
    }

    #[test]
    fn any_options_survive_the_way_through_json(program in any_program(), options in any_options()) {
        let search = SearchSpec { options, ..spec(program) };
        let json = serde_json::to_string(&search).unwrap();
        prop_assert_eq!(serde_json::from_str::<SearchSpec>(&json).unwrap(), search);
    }

    #[test]
    fn a_check_never_panics_and_names_known_fields_only(program in any_program(), options in any_options(), task in prop::option::of(prop::sample::select(Task::ALL.to_vec())), database in ".{0,12}") {
        let search = SearchSpec { program, task, database, options };
        for problem in search.check(None).err().unwrap_or_default() {
            let known = OptionDescriptor::find(&problem.field).is_some() || matches!(problem.field.as_str(), "task" | "database");
            prop_assert!(known, "{}", problem.field);
        }
    }

    #[test]
    fn any_form_is_read_without_a_panic(pairs in prop::collection::vec(("(program|task|database|extra|evalue|filter|taxids|query_from|.{0,5})", any_value()), 0..8)) {
        let (search, problems) = from_form(&pairs);
        prop_assert!(search.options == SearchOptions::default() || !pairs.is_empty());
        prop_assert!(problems.iter().all(|problem| !problem.message.is_empty()));
    }

    #[test]
    fn a_displayed_command_splits_into_the_same_words(words in prop::collection::vec("[^\\x00]{1,8}", 1..6)) {
        // The quoting has one form only: a quoted word, with each quote outside as a backslash and a quote.
        let line = display_command(&words);
        let mut read = vec![String::new()];
        let (mut quoted, mut letters) = (false, line.chars());
        while let Some(letter) = letters.next() {
            let word = read.last_mut().unwrap();
            match letter {
                '\'' => quoted = !quoted,
                _ if quoted => word.push(letter),
                '\\' => word.extend(letters.next()),
                ' ' => read.push(String::new()),
                _ => word.push(letter),
            }
        }
        prop_assert_eq!(read, words);
    }
}
