use super::*;

const STAGE: [&str; 9] = [
    "stage",
    "--source",
    "az://lab/blast-db/core_nt",
    "--db-root",
    "/workspace/blast",
    "--db",
    "core_nt",
    "--db-version",
    "2024-06-01",
];

const RUN: [&str; 19] = [
    "run",
    "--batch",
    "7",
    "--query",
    "az://lab/jobs/j1/queries/{batch}.fa",
    "--results",
    "az://lab/jobs/j1/batches/{batch}",
    "--work-dir",
    "/work",
    "--db-root=/workspace/blast",
    "--db=core_nt",
    "--db-version=1",
    "--",
    "blastn",
    "-query",
    "{query}",
    "-out",
    "{out}",
    "{db}",
];

fn order(words: &[&str], key: Option<&str>) -> Result<Order, String> {
    let words = std::iter::once("elb-runner").chain(words.iter().copied());
    let given = Given::try_parse_from(words).map_err(|error| error.to_string())?;
    let order = given.checked(key.map(ToOwned::to_owned));
    order.map_err(|failure| {
        assert_eq!(failure.exit_code(), 78);
        failure.to_string()
    })
}

fn without(words: &[&'static str], name: &str) -> Vec<&'static str> {
    let at = words.iter().position(|word| *word == name).unwrap();
    [&words[..at], &words[at + 2..]].concat()
}

#[test]
fn a_place_is_that_of_the_batch_and_commands_are_told_apart() {
    let words = [&RUN[..], &["--then", "blast_formatter", "{table}"]].concat();
    let Ok(Order::Run(run)) = order(&words, None) else {
        panic!("not read");
    };
    assert_eq!(run.query.to_string(), "az://lab/jobs/j1/queries/00007.fa");
    assert_eq!(run.results.to_string(), "az://lab/jobs/j1/batches/00007");
    assert_eq!(run.commands.len(), 2);
    assert_eq!(run.commands[1], ["blast_formatter", "{table}"]);
    let folder = run.database.unwrap().folder();
    assert_eq!(folder, PathBuf::from("/workspace/blast/core_nt/1"));
}

#[test]
fn all_that_is_missing_is_told_together() {
    let problem = order(&["stage"], None).unwrap_err();
    for name in ["ELB_DB_SOURCE", "ELB_DB_ROOT", "ELB_DB", "ELB_DB_VERSION"] {
        assert!(problem.contains(&format!("{name} is not set")), "{problem}");
    }
    let problem = order(&without(&STAGE, "--db"), None).unwrap_err();
    assert_eq!(problem, "settings: ELB_DB is not set");
    let problem = order(&without(&RUN, "--batch"), None).unwrap_err();
    assert_eq!(problem, "settings: JOB_COMPLETION_INDEX is not set");
}

#[test]
fn names_that_would_lead_elsewhere_are_refused() {
    for wrong in [
        "..",
        ".hidden",
        "a/b",
        "a b",
        "-x",
        "",
        "a.partial-b",
        "a.lock",
    ] {
        let words = [
            &without(&STAGE, "--db-version")[..],
            &["--db-version", wrong],
        ]
        .concat();
        let joined = format!("--db-version={wrong}");
        let words = match wrong.starts_with('-') {
            true => [&words[..words.len() - 2], &[joined.as_str()]].concat(),
            false => words,
        };
        let problem = order(&words, None).unwrap_err();
        assert!(problem.contains("ELB_DB_VERSION"), "{wrong}: {problem}");
    }
}

#[test]
fn a_command_needs_its_places() {
    for missing in ["{query}", "{out}"] {
        let words: Vec<&str> = RUN
            .iter()
            .copied()
            .filter(|word| *word != missing)
            .collect();
        let problem = order(&words, None).unwrap_err();
        assert!(problem.contains(missing), "{problem}");
    }
    let words = [&RUN[..], &["{qurey}"]].concat();
    assert!(order(&words, None).unwrap_err().contains("{qurey}"));
    let words = [&RUN[..], &["--then"]].concat();
    assert!(order(&words, None).unwrap_err().contains("no command"));
}

#[test]
fn a_key_is_for_an_emulator_and_never_told() {
    let problem = order(&STAGE, Some("c2VjcmV0")).unwrap_err();
    assert!(problem.contains("ELB_AZURE_BLOB_ENDPOINT"), "{problem}");
    assert!(!problem.contains("c2VjcmV0"), "{problem}");
    let emulator = [
        "--azure-blob-endpoint",
        "http://127.0.0.1:10000/devstoreaccount1",
    ];
    let words = [&emulator[..], &STAGE[..]].concat();
    let order_with_key = order(&words, Some("c2VjcmV0")).unwrap();
    assert!(!format!("{order_with_key:?}").contains("c2VjcmV0"));
    let problem = order(&words, None).unwrap_err();
    assert!(problem.contains("https"), "{problem}");
}
