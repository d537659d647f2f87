//! Sentences about options as text and as form fields.

use super::*;

#[test]
fn flags_that_reach_for_files_or_threads_are_refused_with_the_reason() {
    for flag in [
        "-db x",
        "-query x",
        "-out x",
        "-outfmt 6",
        "-num_threads 8",
        "-remote",
        "-subject x",
        "-html",
        "-import_search_strategy x",
        "-export_search_strategy x",
        "-index_name x",
    ] {
        let problems = read(Program::Blastn, flag).unwrap_err();
        assert_eq!(problems.len(), 1, "{flag}");
        assert!(
            problems[0].message.contains("is "),
            "{}",
            problems[0].message
        );
    }
}

#[test]
fn text_becomes_the_same_typed_options() {
    let options = read(
        Program::Blastn,
        "-evalue 1e-5 -dust \"20 64 1\" -penalty -3 -reward 2 -query_loc 5-90 -lcase_masking",
    )
    .unwrap();
    assert_eq!(options.evalue, Some(1e-5));
    assert_eq!(options.filter, Some(Filter::Custom(20.0, 64.0, 1.0)));
    assert_eq!((options.reward, options.penalty), (Some(2), Some(-3)));
    assert_eq!((options.query_from, options.query_to), (Some(5), Some(90)));
    assert_eq!(options.lcase_masking, Some(true));
}

#[test]
fn a_flag_without_value_twice_or_unknown_is_refused() {
    for text in [
        "-evalue",
        "-evalue 1 -evalue 2",
        "-matrix BLOSUM62",
        "-made_up 3",
        "evalue 3",
        "-evalue -word_size 3",
        "-evalue \"1",
    ] {
        assert!(read(Program::Blastn, text).is_err(), "{text}");
    }
}

#[test]
fn an_option_in_two_places_is_refused() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let (_, problems) = from_form(&[pair("evalue", "1"), pair("extra", "-evalue 2")]);
    assert_eq!(fields(problems), ["extra"]);
}

#[test]
fn own_filter_parameters_are_checked_for_dust_and_for_seg() {
    for (program, value, fits) in [
        (Program::Blastn, "20 64 1", true),
        (Program::Blastn, "20.5 64 1", false),
        (Program::Blastn, "20 64 1.5", false),
        (Program::Blastp, "12 2.2 2.5", true),
        (Program::Blastp, "12.5 2.2 2.5", false),
        (Program::Blastp, "12 2.5 2.2", false),
    ] {
        let mut search = spec(program);
        set(&mut search, &[("filter", value)]);
        assert_eq!(search.check(None).is_ok(), fits, "{program} {value}");
        let text = format!("{} \"{value}\"", table::filter_flag(program));
        assert_eq!(read(program, &text).is_ok(), fits, "{program} {text}");
    }
}

#[test]
fn the_value_of_a_switch_is_not_swallowed() {
    assert!(read(Program::Blastn, "-lcase_masking true").is_err());
    let options = read(Program::Blastn, "-lcase_masking -evalue 1").unwrap();
    assert_eq!(
        (options.lcase_masking, options.evalue),
        (Some(true), Some(1.0))
    );
}

#[test]
fn the_chosen_task_may_be_repeated_but_not_contradicted() {
    let task = Some(Task::Blastn);
    assert!(parse_options(Program::Blastn, task, "-task blastn -evalue 1").is_ok());
    assert!(parse_options(Program::Blastn, task, "-task megablast").is_err());
    assert!(read(Program::Blastn, "-task megablast").is_ok());
    assert!(read(Program::Tblastx, "-task tblastx").is_err());
}

#[test]
fn only_a_mismatch_score_may_begin_with_a_hyphen() {
    assert!(read(Program::Blastn, "-penalty -3").is_ok());
    for text in [
        "-reward -3",
        "-evalue -5",
        "-evalue -0",
        "-perc_identity -0",
        "-word_size -4",
        "-dust \"-1 64 1\"",
        "-query_loc -5-9",
        "-taxids -9606",
    ] {
        assert!(read(Program::Blastn, text).is_err(), "{text}");
    }
}

#[test]
fn a_range_of_the_task_holds_for_text_too() {
    let problems =
        parse_options(Program::Blastn, Some(Task::DcMegablast), "-word_size 28").unwrap_err();
    assert_eq!(
        problems[0].message,
        "-word_size for dc-megablast must be 11 to 12."
    );
}

#[test]
fn an_empty_value_is_no_value() {
    for text in ["-taxids \"\"", "-taxids \",\"", "-evalue ''"] {
        assert!(read(Program::Blastn, text).is_err(), "{text}");
    }
}

#[test]
fn a_flag_of_another_program_is_told_apart_from_an_unknown_one() {
    let message = |text: &str| read(Program::Blastn, text).unwrap_err()[0].message.clone();
    assert_eq!(message("-seg yes"), "-seg is not an option of blastn.");
    assert_eq!(
        message("-matrix BLOSUM62"),
        "-matrix is not an option of blastn."
    );
    assert_eq!(
        message("-made_up 3"),
        "-made_up is not an option that can be given here."
    );
}

#[test]
fn all_problems_of_a_text_are_told_at_once() {
    assert_eq!(
        read(Program::Blastn, "-db x -evalue 0 -evalue 1 y -made_up")
            .unwrap_err()
            .len(),
        5
    );
}

#[test]
fn a_range_given_as_fields_and_as_text_is_one_problem() {
    let mut form = SearchOptions::default();
    form.set("query_from", "1").unwrap();
    form.set("query_to", "9").unwrap();
    let text = read(Program::Blastn, "-query_loc 2-8 -evalue 1").unwrap();
    assert_eq!(merge(&form, &text).unwrap_err().len(), 1);
    let merged = merge(&SearchOptions::default(), &text).unwrap();
    assert_eq!(merged, text);
}

#[test]
fn options_become_text_with_the_programs_own_flags() {
    let mut options = SearchOptions::default();
    for (key, value) in [
        ("filter", "12 2.2 2.5"),
        ("evalue", "1e-9"),
        ("lcase_masking", "true"),
    ] {
        options.set(key, value).unwrap();
    }
    assert_eq!(
        to_text(Program::Blastp, &options),
        "-evalue 1e-9 -seg \"12 2.2 2.5\" -lcase_masking"
    );
}

#[test]
fn an_empty_field_is_not_set_and_an_unreadable_one_is_a_problem_at_its_place() {
    let pairs: Vec<(String, String)> = [
        ("program", "blastp"),
        ("task", "blastp-fast"),
        ("database", " proteins "),
        ("evalue", ""),
        ("word_size", "many"),
        ("max_hsps", "2"),
        ("title", "of another part"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    let (search, problems) = from_form(&pairs);
    assert_eq!(fields(problems), ["word_size"]);
    assert_eq!(
        (search.program, search.task),
        (Program::Blastp, Some(Task::BlastpFast))
    );
    assert_eq!(
        (search.database.as_str(), search.options.evalue),
        ("proteins", None)
    );
    assert_eq!(search.options.max_hsps, Some(2));
}
