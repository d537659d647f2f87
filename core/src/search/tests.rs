//! Sentences about the search options, and properties over any text.

#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "tests")]

use proptest::prelude::*;

use super::{form, *};

fn spec(program: Program) -> SearchSpec {
    SearchSpec {
        program,
        task: None,
        database: "16S".into(),
        options: SearchOptions::default(),
    }
}

fn set(spec: &mut SearchSpec, pairs: &[(&str, &str)]) {
    for (key, value) in pairs {
        assert!(spec.options.set(key, value).unwrap(), "{key}");
    }
}

fn fields(problems: Vec<OptionProblem>) -> Vec<String> {
    problems.into_iter().map(|problem| problem.field).collect()
}

const PATHS: RunPaths<'_> = RunPaths { database: "/db/16S", query: "q.fa", out: "o.asn" };

#[test]
fn the_task_is_always_sent() {
    assert_eq!(
        argv(&spec(Program::Blastn), &PATHS).join(" "),
        "blastn -task megablast -db /db/16S -query q.fa -out o.asn -outfmt 11 -num_threads 1"
    );
}

#[test]
fn the_filter_is_dust_for_blastn_and_seg_for_the_others() {
    let mut search = spec(Program::Blastn);
    set(&mut search, &[("filter", "20 64 1")]);
    assert!(argv(&search, &PATHS).windows(2).any(|pair| pair == ["-dust", "20 64 1"]));
    search.program = Program::Blastp;
    assert!(argv(&search, &PATHS).windows(2).any(|pair| pair == ["-seg", "20 64 1"]));
}

#[test]
fn a_database_path_with_blanks_is_quoted_inside_the_argument() {
    let paths = RunPaths { database: "/my db/16S", ..PATHS };
    assert!(argv(&spec(Program::Blastn), &paths).contains(&"\"/my db/16S\"".to_owned()));
}

#[test]
fn all_problems_are_told_at_once() {
    let mut search = spec(Program::Blastn);
    search.database = "../etc/passwd".into();
    set(&mut search, &[("query_from", "20"), ("query_to", "10"), ("word_size", "3"), ("gapopen", "3"), ("gapextend", "0")]);
    search.options.matrix = Some(Matrix::Blosum62);
    let problems = fields(search.check(None).unwrap_err());
    assert_eq!(problems, ["database", "matrix", "word_size", "query_from", "gapopen"]);
}

#[test]
fn an_e_value_of_zero_or_less_is_refused_however_it_comes() {
    assert!(SearchOptions::default().set("evalue", "-5").is_err());
    assert!(SearchOptions::default().set("evalue", "0").is_err());
    assert!(SearchOptions::default().set("evalue", "NaN").is_err());
    let mut search = spec(Program::Blastn);
    search.options.evalue = Some(-5.0);
    assert_eq!(fields(search.check(None).unwrap_err()), ["evalue"]);
}

#[test]
fn a_small_e_value_keeps_its_exponent() {
    let mut search = spec(Program::Blastp);
    set(&mut search, &[("evalue", "1e-50")]);
    assert!(argv(&search, &PATHS).contains(&"1e-50".to_owned()));
}

#[test]
fn gap_costs_that_the_scores_do_not_allow_are_named_with_those_that_they_do() {
    let mut search = spec(Program::Blastn);
    set(&mut search, &[("reward", "1"), ("penalty", "-2"), ("gapopen", "3"), ("gapextend", "0")]);
    let problems = search.check(None).unwrap_err();
    assert!(problems[0].message.contains("2/1"), "{}", problems[0].message);
}

#[test]
fn scores_that_make_the_default_gap_costs_impossible_are_told_so() {
    let mut search = spec(Program::Blastn);
    search.task = Some(Task::Blastn);
    set(&mut search, &[("reward", "5"), ("penalty", "-4")]);
    let problems = search.check(None).unwrap_err();
    assert!(problems[0].message.contains("default"), "{}", problems[0].message);
}

#[test]
fn taxids_need_a_database_that_has_them() {
    let mut search = spec(Program::Blastn);
    set(&mut search, &[("taxids", "9606, 10090")]);
    let traits = DatabaseTraits { molecule: Molecule::Nucleotide, has_taxids: false };
    assert_eq!(fields(search.check(Some(&traits)).unwrap_err()), ["taxids"]);
    let traits = DatabaseTraits { has_taxids: true, ..traits };
    assert!(search.check(Some(&traits)).is_ok());
}

#[test]
fn a_protein_database_is_refused_for_a_nucleotide_search() {
    let traits = DatabaseTraits { molecule: Molecule::Protein, has_taxids: false };
    assert_eq!(fields(spec(Program::Tblastx).check(Some(&traits)).unwrap_err()), ["database"]);
}

#[test]
fn few_targets_are_a_warning_and_no_error() {
    let mut search = spec(Program::Blastn);
    set(&mut search, &[("max_target_seqs", "1")]);
    assert_eq!(search.check(None).unwrap().warnings.len(), 1);
}

#[test]
fn flags_that_reach_for_files_or_threads_are_refused_with_the_reason() {
    for flag in ["-db x", "-query x", "-out x", "-outfmt 6", "-num_threads 8", "-remote", "-subject x", "-html", "-import_search_strategy x", "-export_search_strategy x", "-index_name x"] {
        let problems = parse_options(Program::Blastn, flag).unwrap_err();
        assert_eq!(problems.len(), 1, "{flag}");
        assert!(problems[0].message.contains("is "), "{}", problems[0].message);
    }
}

#[test]
fn text_becomes_the_same_typed_options() {
    let options = parse_options(Program::Blastn, "-evalue 1e-5 -dust \"20 64 1\" -penalty -3 -reward 2 -query_loc 5-90 -lcase_masking").unwrap();
    assert_eq!(options.evalue, Some(1e-5));
    assert_eq!(options.filter, Some(Filter::Custom(20.0, 64.0, 1.0)));
    assert_eq!((options.reward, options.penalty), (Some(2), Some(-3)));
    assert_eq!((options.query_from, options.query_to), (Some(5), Some(90)));
    assert_eq!(options.lcase_masking, Some(true));
}

#[test]
fn a_flag_without_value_twice_or_unknown_is_refused() {
    for text in ["-evalue", "-evalue 1 -evalue 2", "-matrix BLOSUM62", "-made_up 3", "evalue 3", "-evalue -word_size 3", "-evalue \"1"] {
        assert!(parse_options(Program::Blastn, text).is_err(), "{text}");
    }
}

#[test]
fn an_option_in_two_places_is_refused() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let (_, problems) = form::from_form(&[pair("evalue", "1"), pair("extra", "-evalue 2")]);
    assert_eq!(fields(problems), ["extra"]);
}

fn any_options() -> impl Strategy<Value = SearchOptions> {
    let key = prop::sample::select(table::OPTIONS.to_vec());
    let value = prop_oneof![
        "[0-9]{1,4}", "-[0-9]{1,2}", "(yes|no|true|false)", "(both|plus|minus)", "[0-9]{1,2} [0-9]{1,2} [0-9]\\.[0-9]",
        prop::sample::select(Matrix::ALL.to_vec()).prop_map(|matrix| matrix.as_str().to_owned()),
        "[0-9]e-[0-9]{1,2}", ".{0,12}",
    ];
    prop::collection::vec((key, value), 0..30).prop_map(|pairs| {
        let mut options = SearchOptions::default();
        for (option, value) in pairs {
            let _ = options.set(option.key, &value);
        }
        options
    })
}

fn any_program() -> impl Strategy<Value = Program> {
    prop::sample::select(Program::ALL.to_vec())
}

proptest! {
    #[test]
    fn any_text_gives_an_argument_vector_of_exactly_the_typed_flags(program in any_program(), text in "[-a-z_0-9 \"'./]{0,80}") {
        let mut search = spec(program);
        if let Ok(options) = parse_options(program, &text) {
            search.options = options;
        }
        let vector = argv(&search, &PATHS);
        let known = |word: &str| {
            ["-task", "-db", "-query", "-out", "-outfmt", "-num_threads", "-query_loc", "-dust", "-seg"].contains(&word)
                || table::OPTIONS.iter().any(|option| option.flag == word && option.is_for(program))
        };
        for word in vector.iter().filter(|word| word.starts_with('-')) {
            prop_assert!(known(word) || word.parse::<f64>().is_ok(), "{word}");
        }
        for set_by_us in ["-db", "-query", "-out", "-outfmt", "-num_threads"] {
            prop_assert_eq!(vector.iter().filter(|word| *word == set_by_us).count(), 1);
        }
    }

    #[test]
    fn any_options_survive_the_way_through_the_form(program in any_program(), options in any_options()) {
        let search = SearchSpec { program, task: None, database: "db".into(), options };
        let pairs: Vec<(String, String)> = form::to_form(&search).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let (read, problems) = form::from_form(&pairs);
        prop_assert_eq!(problems, Vec::new());
        prop_assert_eq!(read, search);
    }

    #[test]
    fn any_options_survive_the_way_through_json(program in any_program(), options in any_options()) {
        let search = SearchSpec { program, task: None, database: "db".into(), options };
        let json = serde_json::to_string(&search).unwrap();
        prop_assert_eq!(serde_json::from_str::<SearchSpec>(&json).unwrap(), search);
    }

    #[test]
    fn no_value_of_a_typed_option_looks_like_a_flag(options in any_options()) {
        for option in &table::OPTIONS {
            if let Some(value) = options.get(option.key) {
                prop_assert!(!value.starts_with('-') || value.parse::<f64>().is_ok());
            }
        }
    }
}
