//! Sentences about the search options.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "tests"
)]

use super::*;

mod properties;
mod text;

fn spec(program: Program) -> SearchSpec {
    SearchSpec {
        program,
        task: None,
        database: "16S".into(),
        options: SearchOptions::default(),
    }
}

fn fields(problems: Vec<OptionProblem>) -> Vec<String> {
    problems.into_iter().map(|problem| problem.field).collect()
}

/// The one message of a search that must be refused for one reason.
fn refusal(spec: &SearchSpec) -> String {
    let problems = spec.check(None).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].message.clone()
}

fn read(program: Program, text: &str) -> Result<SearchOptions, Vec<OptionProblem>> {
    parse_options(program, None, text)
}

fn set(spec: &mut SearchSpec, pairs: &[(&str, &str)]) {
    for (key, value) in pairs {
        assert!(spec.options.set(key, value).unwrap(), "{key}");
    }
}

const PATHS: RunPaths<'_> = RunPaths {
    database: "/db/16S",
    query: "q.fa",
    out: "o.asn",
};

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
    assert!(
        argv(&search, &PATHS)
            .windows(2)
            .any(|pair| pair == ["-dust", "20 64 1"])
    );
    search.program = Program::Blastp;
    assert!(
        argv(&search, &PATHS)
            .windows(2)
            .any(|pair| pair == ["-seg", "20 64 1"])
    );
}

#[test]
fn a_database_path_with_blanks_is_quoted_inside_the_argument() {
    let paths = RunPaths {
        database: "/my db/16S",
        ..PATHS
    };
    assert!(argv(&spec(Program::Blastn), &paths).contains(&"\"/my db/16S\"".to_owned()));
}

#[test]
fn all_problems_are_told_at_once() {
    let mut search = spec(Program::Blastn);
    search.database = "../etc/passwd".into();
    set(
        &mut search,
        &[
            ("query_from", "20"),
            ("query_to", "10"),
            ("word_size", "3"),
            ("gapopen", "3"),
            ("gapextend", "0"),
        ],
    );
    search.options.matrix = Some(Matrix::Blosum62);
    let problems = fields(search.check(None).unwrap_err());
    assert_eq!(
        problems,
        ["database", "word_size", "matrix", "query_from", "gapopen"]
    );
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
    set(
        &mut search,
        &[
            ("reward", "1"),
            ("penalty", "-2"),
            ("gapopen", "3"),
            ("gapextend", "0"),
        ],
    );
    let problems = search.check(None).unwrap_err();
    assert!(
        problems[0].message.contains("2/1"),
        "{}",
        problems[0].message
    );
}

#[test]
fn scores_that_make_the_default_gap_costs_impossible_are_told_so() {
    let mut search = spec(Program::Blastn);
    search.task = Some(Task::Blastn);
    set(&mut search, &[("reward", "5"), ("penalty", "-4")]);
    let problems = search.check(None).unwrap_err();
    assert!(
        problems[0].message.contains("default"),
        "{}",
        problems[0].message
    );
}

#[test]
fn taxids_need_a_database_that_has_them() {
    let mut search = spec(Program::Blastn);
    set(&mut search, &[("taxids", "9606, 10090")]);
    let traits = DatabaseTraits {
        molecule: Molecule::Nucleotide,
        has_taxids: false,
    };
    assert_eq!(fields(search.check(Some(&traits)).unwrap_err()), ["taxids"]);
    let traits = DatabaseTraits {
        has_taxids: true,
        ..traits
    };
    assert!(search.check(Some(&traits)).is_ok());
}

#[test]
fn a_protein_database_is_refused_for_a_nucleotide_search() {
    let traits = DatabaseTraits {
        molecule: Molecule::Protein,
        has_taxids: false,
    };
    assert_eq!(
        fields(spec(Program::Tblastx).check(Some(&traits)).unwrap_err()),
        ["database"]
    );
}

#[test]
fn few_targets_are_a_warning_and_no_error() {
    let mut search = spec(Program::Blastn);
    set(&mut search, &[("max_target_seqs", "1")]);
    assert_eq!(search.check(None).unwrap().warnings.len(), 1);
}

#[test]
fn a_checked_search_names_its_task() {
    let checked = spec(Program::Blastn).check(None).unwrap();
    assert_eq!(checked.search.task, Some(Task::Megablast));
    assert_eq!(
        spec(Program::Tblastx).check(None).unwrap().search.task,
        None
    );
}

#[test]
fn threads_and_output_format_are_the_runs_and_never_less_than_one_thread() {
    let settings = RunSettings {
        threads: 0,
        outfmt: 6,
    };
    let vector = argv_with(&spec(Program::Blastp), &PATHS, settings);
    assert!(vector.windows(2).any(|pair| pair == ["-num_threads", "1"]));
    assert!(vector.windows(2).any(|pair| pair == ["-outfmt", "6"]));
}

#[test]
fn a_task_of_another_program_is_refused_with_the_programs_own() {
    let mut search = spec(Program::Blastx);
    search.task = Some(Task::Megablast);
    assert!(refusal(&search).contains("blastx, blastx-fast"));
}

#[test]
fn word_size_is_bounded_by_the_task() {
    let mut search = spec(Program::Blastn);
    search.task = Some(Task::DcMegablast);
    set(&mut search, &[("word_size", "28")]);
    assert_eq!(
        refusal(&search),
        "Word size for dc-megablast must be 11 to 12 bases."
    );
    search = spec(Program::Tblastx);
    set(&mut search, &[("word_size", "6")]);
    assert_eq!(
        refusal(&search),
        "Word size for tblastx must be 2 to 5 residues."
    );
}

#[test]
fn a_query_range_of_one_letter_is_refused_as_blast_would() {
    let mut search = spec(Program::Blastn);
    set(&mut search, &[("query_from", "7"), ("query_to", "7")]);
    assert!(refusal(&search).contains("one letter"));
    set(&mut search, &[("query_to", "8")]);
    assert!(search.check(None).is_ok());
}

#[test]
fn half_a_pair_is_a_problem_at_the_missing_field() {
    for (given, missing) in [
        ("query_from", "query_to"),
        ("query_to", "query_from"),
        ("reward", "penalty"),
        ("penalty", "reward"),
        ("gapopen", "gapextend"),
        ("gapextend", "gapopen"),
    ] {
        let mut search = spec(Program::Blastn);
        let value = if given == "penalty" { "-2" } else { "2" };
        set(&mut search, &[(given, value)]);
        assert_eq!(fields(search.check(None).unwrap_err()), [missing]);
    }
}

#[test]
fn a_multiple_of_a_pair_of_scores_takes_the_multiple_of_its_gap_costs() {
    let mut search = spec(Program::Blastn);
    search.task = Some(Task::Blastn);
    set(&mut search, &[("reward", "3"), ("penalty", "-3")]);
    for (gap, fits) in [
        (("12", "3"), true),
        (("6", "3"), true),
        (("4", "1"), false),
        (("5", "2"), false),
    ] {
        set(&mut search, &[("gapopen", gap.0), ("gapextend", gap.1)]);
        assert_eq!(search.check(None).is_ok(), fits, "{gap:?}");
    }
}

#[test]
fn a_matrix_brings_its_gap_costs_threshold_and_window_along() {
    let mut options = SearchOptions::default();
    options.set("matrix", "PAM30").unwrap();
    let told = |key: &str| {
        let option = OptionDescriptor::find(key).unwrap();
        option.default_beside(Program::Tblastn, Some(Task::Tblastn), &options)
    };
    assert_eq!(
        [
            told("gapopen"),
            told("gapextend"),
            told("threshold"),
            told("window_size"),
            told("matrix")
        ],
        ["9", "1", "18", "15", "BLOSUM62"]
    );
}

#[test]
fn taxa_to_search_and_taxa_to_leave_out_exclude_each_other() {
    let mut search = spec(Program::Blastn);
    set(
        &mut search,
        &[("taxids", "9606"), ("negative_taxids", "10090")],
    );
    assert!(refusal(&search).contains("either"));
}

#[test]
fn a_database_is_a_name_and_no_option_nor_a_path() {
    for name in [
        "-remote",
        "/etc/passwd",
        "../16S",
        "a/../b",
        ".hidden",
        " 16S",
        "a\"b",
        "a\nb",
    ] {
        let mut search = spec(Program::Blastn);
        search.database = name.into();
        assert_eq!(
            fields(search.check(None).unwrap_err()),
            ["database"],
            "{name:?}"
        );
    }
    for name in ["16S", "my genes", "plants/16S", "nt.2024-01"] {
        let mut search = spec(Program::Blastn);
        search.database = name.into();
        assert!(search.check(None).is_ok(), "{name:?}");
    }
}

#[test]
fn unknown_fields_in_json_are_refused_and_unset_ones_are_left_out() {
    assert!(serde_json::from_str::<SearchOptions>(r#"{"evalu": 1}"#).is_err());
    assert_eq!(
        serde_json::to_string(&SearchOptions::default()).unwrap(),
        "{}"
    );
}

#[test]
fn the_table_knows_every_field_and_its_defaults_can_be_read_back() {
    let all = serde_json::json!({
        "evalue": 1.0, "max_target_seqs": 5, "max_hsps": 1, "word_size": 4, "filter": "yes",
        "soft_masking": true, "lcase_masking": true, "reward": 1, "penalty": -2, "gapopen": 2,
        "gapextend": 2, "matrix": "PAM30", "comp_based_stats": 1, "threshold": 11.0,
        "window_size": 40, "query_gencode": 1, "db_gencode": 1, "taxids": [1],
        "negative_taxids": [2], "query_from": 1, "query_to": 2, "strand": "plus",
        "perc_identity": 90.0, "qcov_hsp_perc": 50.0, "culling_limit": 1,
    });
    assert_eq!(all.as_object().unwrap().len(), OPTIONS.len());
    let options: SearchOptions = serde_json::from_value(all).unwrap();
    for option in &OPTIONS {
        assert!(options.get(option.key).is_some(), "{}", option.key);
        for program in option.programs.iter().copied() {
            let default = option.default_for(program, program.default_task());
            let words = matches!(default.as_str(), "" | "all" | "end");
            let read = SearchOptions::default().set(option.key, &default);
            assert!(
                words || read == Ok(true),
                "{} {program} {default:?}",
                option.key
            );
        }
    }
}

#[test]
fn the_default_of_every_task_is_a_search_that_passes() {
    for task in Task::ALL {
        let search = SearchSpec {
            task: Some(task),
            ..spec(task.program())
        };
        assert!(search.check(None).is_ok(), "{task:?}");
        assert!(task.program().tasks().contains(&task));
        assert_eq!(Task::parse(task.as_str()), Some(task));
    }
}

#[test]
fn the_form_tells_range_unit_and_default_beside_what_is_chosen() {
    let hint = |key: &str, spec: &SearchSpec| {
        let option = OptionDescriptor::find(key).unwrap();
        option.hint_beside(spec.program, spec.task(), &spec.options)
    };
    let mut search = spec(Program::Blastp);
    assert_eq!(hint("word_size", &search), "2 to 7 residues, default 3");
    assert_eq!(hint("gapopen", &search), "0 to 10000, default 11");
    set(&mut search, &[("matrix", "PAM30")]);
    assert_eq!(hint("gapopen", &search), "0 to 10000, default 9");
    assert_eq!(
        hint("word_size", &spec(Program::Blastn)),
        "4 to 1000 bases, default 28"
    );
}

#[test]
fn the_gap_costs_to_choose_from_follow_task_scores_and_matrix() {
    let mut search = spec(Program::Blastn);
    assert_eq!(
        scores::gap_pairs(&search),
        "0/0, 0/2, 1/1, 1/2, 2/1, 3/1, 2/2 or dearer than the last"
    );
    set(&mut search, &[("reward", "2"), ("penalty", "-4")]);
    assert!(scores::gap_pairs(&search).starts_with("0/0, 0/4, 2/2"));
    set(&mut search, &[("reward", "7"), ("penalty", "-1")]);
    assert_eq!(scores::gap_pairs(&search), "");
    assert!(scores::gap_pairs(&spec(Program::Blastp)).starts_with("6/2, 7/2"));
    assert_eq!(scores::gap_pairs(&spec(Program::Tblastx)), "");
}
