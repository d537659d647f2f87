//! The tables of search options against the real programs: whatever `elb_core::search` accepts,
//! BLAST+ must run, and what the tables refuse, BLAST+ must refuse.
//!
//! Makes its own databases of a few letters, so that one run takes some hundredths of a second.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use elb_core::{
    molecule::Molecule,
    search::{
        Matrix, OPTIONS, OptionDescriptor, Program, Range, RunPaths, RunSettings, SearchOptions,
        SearchSpec, Task, TaskDefaults, argv_with, gencode, scores,
    },
};

/// Letters without pattern: neither DUST nor SEG hides any, and the same in every run.
fn letters(alphabet: &[u8], count: usize) -> String {
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(alphabet[(state >> 16) as usize % alphabet.len()])
    };
    (0..count).map(|_| letter()).collect()
}

/// Two databases and two queries in a folder of their own.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { folder };
        let alphabets: [(Molecule, &[u8]); 2] = [
            (Molecule::Nucleotide, b"ACGT"),
            (Molecule::Protein, b"ARNDCQEGHILKMFPSTWYV"),
        ];
        for (molecule, alphabet) in alphabets {
            let sequence = letters(alphabet, 400);
            fs::write(
                bench.query(molecule),
                format!(">query\n{}\n", &sequence[40..160]),
            )
            .unwrap();
            let fasta = bench.path(&format!("{molecule}.subjects.fa"));
            fs::write(&fasta, format!(">subject\n{sequence}\n")).unwrap();
            let taxa = bench.path("taxa");
            fs::write(&taxa, "subject 9606\n").unwrap();
            let made = Command::new("makeblastdb")
                .args(["-dbtype", molecule.dbtype(), "-parse_seqids", "-taxid_map"])
                .arg(taxa)
                .arg("-in")
                .arg(fasta)
                .arg("-out")
                .arg(bench.path(molecule.as_str()))
                .output()
                .expect("makeblastdb is installed");
            assert!(
                made.status.success(),
                "{}",
                String::from_utf8_lossy(&made.stderr)
            );
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn query(&self, molecule: Molecule) -> PathBuf {
        self.path(&format!("{molecule}.query.fa"))
    }

    /// Runs exactly our argument vector.
    fn run(&self, search: &SearchSpec, out: &Path) -> Output {
        self.run_with(search, out, RunSettings::default())
    }

    fn run_with(&self, search: &SearchSpec, out: &Path, settings: RunSettings) -> Output {
        let database = self.path(search.program.database_molecule().as_str());
        let vector = argv_with(
            search,
            &RunPaths {
                database: &database.to_string_lossy(),
                query: &self
                    .query(search.program.query_molecule())
                    .to_string_lossy(),
                out: &out.to_string_lossy(),
            },
            settings,
        );
        Command::new(&vector[0])
            .args(&vector[1..])
            .output()
            .expect("BLAST+ is installed")
    }

    /// Asserts for each search that our check and BLAST+ say the same, and what they say.
    fn agree(&self, cases: &[(SearchSpec, bool)]) {
        let next = AtomicUsize::new(0);
        let workers = thread::available_parallelism()
            .map_or(2, usize::from)
            .min(4);
        thread::scope(|scope| {
            for worker in 0..workers {
                let (next, out) = (&next, self.path(&format!("out.{worker}")));
                scope.spawn(move || {
                    while let Some((search, fits)) = cases.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let ours = search.check(None);
                        assert_eq!(ours.is_ok(), *fits, "our check of {search:?}: {ours:?}");
                        let ran = self.run(search, &out);
                        let told = String::from_utf8_lossy(&ran.stderr);
                        assert_eq!(ran.status.success(), *fits, "BLAST+ on {search:?}: {told}");
                    }
                });
            }
        });
    }
}

fn search(program: Program, task: Option<Task>, options: &[(&str, &str)]) -> SearchSpec {
    let mut set = SearchOptions::default();
    for (key, value) in options {
        assert_eq!(set.set(key, value), Ok(true), "{key} {value}");
    }
    SearchSpec {
        program,
        task,
        database: "bench".to_owned(),
        options: set,
    }
}

fn with_gap(program: Program, task: Task, scores: &[(&str, &str)], gap: (u32, u32)) -> SearchSpec {
    let mut search = search(program, Some(task), scores);
    (search.options.gapopen, search.options.gapextend) = (Some(gap.0), Some(gap.1));
    search
}

/// Every program with each of its tasks; tblastx once.
fn tasks() -> impl Iterator<Item = (Program, Option<Task>)> {
    let tasked = Task::ALL
        .into_iter()
        .map(|task| (task.program(), Some(task)));
    tasked.chain([(Program::Tblastx, None)])
}

#[test]
fn every_pair_of_scores_takes_exactly_the_gap_costs_of_its_row() {
    let bench = Bench::new();
    let mut cases = Vec::new();
    for row in &scores::NUCLEOTIDE {
        let (reward, penalty) = (row.reward.to_string(), row.penalty.to_string());
        let scores = [("reward", reward.as_str()), ("penalty", penalty.as_str())];
        let mut case = |task, gap, fits| {
            cases.push((with_gap(Program::Blastn, task, &scores, gap), fits));
        };
        for gap in row.offered(Task::Blastn) {
            case(Task::Blastn, gap, true);
        }
        let (open, extend) = row.from.unwrap();
        case(Task::Blastn, (open + 3, extend + 2), true);
        case(Task::Blastn, (1, 0), false);
        case(Task::Blastn, (0, 0), false);
        // The other tasks follow the same rows, but that megablast alone has linear costs.
        case(Task::Megablast, (0, 0), row.linear);
        if row.penalty == -3 {
            for task in [Task::Megablast, Task::DcMegablast, Task::BlastnShort] {
                case(task, (open, extend), true);
            }
        }
    }
    bench.agree(&cases);
}

#[test]
fn multiples_of_scores_take_multiples_of_gap_costs() {
    let bench = Bench::new();
    let pair = |reward, penalty| [("reward", reward), ("penalty", penalty)];
    let of = |task, scores: [(&str, &str); 2], gap| with_gap(Program::Blastn, task, &scores, gap);
    bench.agree(&[
        (
            search(Program::Blastn, Some(Task::Megablast), &pair("2", "-4")),
            true,
        ),
        (
            search(Program::Blastn, Some(Task::Blastn), &pair("2", "-4")),
            false,
        ),
        (of(Task::Blastn, pair("2", "-4"), (4, 2)), true),
        (of(Task::Blastn, pair("2", "-4"), (5, 5)), true),
        (of(Task::Blastn, pair("2", "-4"), (3, 2)), false),
        (
            search(Program::Blastn, Some(Task::Megablast), &pair("3", "-3")),
            false,
        ),
        (of(Task::Blastn, pair("3", "-3"), (12, 3)), true),
        (of(Task::Blastn, pair("3", "-3"), (13, 6)), true),
        (of(Task::Blastn, pair("3", "-3"), (4, 1)), false),
        (
            search(Program::Blastn, Some(Task::Blastn), &pair("1", "-6")),
            false,
        ),
        (
            search(Program::Blastn, Some(Task::Blastn), &pair("2", "-1")),
            false,
        ),
    ]);
}

#[test]
fn every_matrix_takes_exactly_its_gap_costs() {
    let bench = Bench::new();
    let mut cases = Vec::new();
    for matrix in Matrix::ALL {
        let scores = [("matrix", matrix.as_str())];
        for gap in matrix.gaps() {
            cases.push((with_gap(Program::Blastp, Task::Blastp, &scores, *gap), true));
        }
        for gap in [(4, 1), (20, 2)] {
            cases.push((with_gap(Program::Blastp, Task::Blastp, &scores, gap), false));
        }
        // Without gap costs, in a task that has another matrix of its own.
        cases.push((
            search(Program::Blastp, Some(Task::BlastpShort), &scores),
            true,
        ));
        cases.push((search(Program::Tblastx, None, &scores), true));
    }
    bench.agree(&cases);
}

#[test]
fn the_defaults_shown_are_the_ones_that_blast_prints() {
    let bench = Bench::new();
    let mut cases: Vec<(Program, Option<Task>, Option<Matrix>)> = tasks()
        .map(|(program, task)| (program, task, None))
        .collect();
    // In a task that has another matrix of its own, so that the chosen one must prevail.
    cases
        .extend(Matrix::ALL.map(|matrix| (Program::Blastp, Some(Task::BlastpShort), Some(matrix))));
    let others = [
        (Program::Blastp, Some(Task::BlastpFast)),
        (Program::Blastx, Some(Task::Blastx)),
        (Program::Tblastn, Some(Task::Tblastn)),
        (Program::Tblastx, None),
    ];
    cases.extend(others.map(|(program, task)| (program, task, Some(Matrix::Pam30))));
    thread::scope(|scope| {
        for (place, half) in cases.chunks(cases.len().div_ceil(2)).enumerate() {
            let out = bench.path(&format!("printed.{place}"));
            let bench = &bench;
            scope.spawn(move || {
                for (program, task, matrix) in half {
                    defaults_are_printed(bench, &out, *program, *task, *matrix);
                }
            });
        }
    });
}

fn defaults_are_printed(
    bench: &Bench,
    out: &Path,
    program: Program,
    task: Option<Task>,
    matrix: Option<Matrix>,
) {
    let mut search = search(program, task, &[]);
    search.options.matrix = matrix;
    let defaults = TaskDefaults::with_matrix(program, task, matrix);
    let place = format!("{program} {task:?} {matrix:?}");
    let printed = |outfmt| {
        let ran = bench.run_with(
            &search,
            out,
            RunSettings {
                outfmt,
                ..RunSettings::default()
            },
        );
        assert!(ran.status.success(), "{place}");
        fs::read_to_string(out).unwrap()
    };
    let (xml, pairwise) = (printed(5), printed(0));
    let told = |name: &str| {
        let (_, rest) = xml.split_once(&format!("<Parameters_{name}>"))?;
        rest.split_once('<').map(|(value, _)| value.to_owned())
    };
    let line = |label: &str| {
        let line = pairwise.lines().find_map(|line| line.strip_prefix(label))?;
        line.trim().parse::<u32>().ok()
    };
    assert_eq!(told("expect"), Some(defaults.evalue.to_string()), "{place}");
    let number = |value: Option<i32>| value.map(|value| value.to_string());
    assert_eq!(
        told("sc-match"),
        number(defaults.scores.map(|pair| pair.0)),
        "{place}"
    );
    assert_eq!(
        told("sc-mismatch"),
        number(defaults.scores.map(|pair| pair.1)),
        "{place}"
    );
    assert_eq!(
        told("matrix").as_deref(),
        defaults.matrix.map(Matrix::as_str),
        "{place}"
    );
    if let Some((open, extend)) = defaults.gap {
        assert_eq!(told("gap-open"), Some(open.to_string()), "{place}");
        assert_eq!(told("gap-extend"), Some(extend.to_string()), "{place}");
    }
    let filter = told("filter").unwrap();
    assert_eq!(
        filter.contains('L'),
        defaults.filter.to_string() == "yes",
        "{place}"
    );
    assert_eq!(filter.contains('m'), defaults.soft_masking, "{place}");
    assert_eq!(
        line("Neighboring words threshold:"),
        defaults.threshold,
        "{place}"
    );
    let window = line("Window for multiple hits:").unwrap_or(0);
    assert_eq!(window, defaults.window_size, "{place}");
}

#[test]
fn word_sizes_end_where_the_table_says() {
    let bench = Bench::new();
    let mut cases = Vec::new();
    for (program, task) in tasks() {
        let option = OptionDescriptor::find("word_size").unwrap();
        let Range::Whole(least, most) = option.range_for(program, task) else {
            panic!("word sizes are whole numbers");
        };
        let mut case = |size: i64, fits| {
            let mut search = search(program, task, &[]);
            search.options.word_size = u32::try_from(size).ok();
            cases.push((search, fits));
        };
        case(least, true);
        case(least - 1, false);
        // Above 7, BLAST+ takes any word for nucleotides but in dc-megablast: that bound is ours.
        let bounded = program != Program::Blastn || task == Some(Task::DcMegablast);
        // Words of 5 residues and more fill hundreds of MB: one task stands for the others.
        if matches!(task, Some(Task::DcMegablast | Task::BlastpFast)) {
            case(most, true);
        }
        if bounded {
            case(most + 1, false);
        }
    }
    bench.agree(&cases);
}

#[test]
fn every_option_is_known_to_each_of_its_programs_and_to_no_other() {
    let bench = Bench::new();
    let mut cases = Vec::new();
    for (program, task) in tasks() {
        // All options of a program at once: its vector must hold together as a whole too.
        let mut together = search(program, task, &[("query_from", "2"), ("query_to", "90")]);
        for option in OPTIONS.iter().filter(|option| option.is_for(program)) {
            let value = match option.key {
                "taxids" => "9606".to_owned(),
                "max_hsps" => "3".to_owned(),
                "lcase_masking" => "true".to_owned(),
                "query_from" | "query_to" | "negative_taxids" => continue,
                _ => option.default_for(program, task),
            };
            assert_eq!(
                together.options.set(option.key, &value),
                Ok(true),
                "{}",
                option.key
            );
        }
        cases.push((together, true));
    }
    for program in Program::ALL {
        cases.push((search(program, None, &[("negative_taxids", "9606")]), true));
        cases.push((
            search(
                program,
                None,
                &[("taxids", "9606"), ("negative_taxids", "9606")],
            ),
            false,
        ));
    }
    bench.agree(&cases);

    // Our vector leaves out what the program does not have, so BLAST+ is asked for it directly.
    for program in Program::ALL {
        let help = Command::new(program.as_str())
            .arg("-help")
            .output()
            .unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for option in &OPTIONS {
            let flag = option.flag_for(program);
            let known = help
                .lines()
                .any(|line| line.trim_start().split(' ').next() == Some(flag));
            assert_eq!(known, option.is_for(program), "{program} {flag}");
        }
    }
}

#[test]
fn values_at_the_edge_are_taken_and_refused_alike() {
    use Program::{Blastn, Blastp, Blastx, Tblastn, Tblastx};
    let bench = Bench::new();
    let of = |program, options: &[(&str, &str)], fits| (search(program, None, options), fits);
    let mut cases = vec![
        of(Blastn, &[("filter", "20 64 1")], true),
        of(Blastn, &[("filter", "20.5 64 1")], false),
        of(Blastp, &[("filter", "12 2.2 2.5")], true),
        of(Blastp, &[("filter", "12.5 2.2 2.5")], false),
        of(Blastn, &[("query_from", "7"), ("query_to", "8")], true),
        of(Blastn, &[("query_from", "7"), ("query_to", "7")], false),
        of(Blastn, &[("query_from", "9"), ("query_to", "7")], false),
        of(
            Blastn,
            &[("query_from", "1"), ("query_to", "2147483647")],
            true,
        ),
        of(Blastn, &[("max_target_seqs", "1000000")], true),
        of(Blastn, &[("evalue", "1e-300")], true),
        of(Blastn, &[("evalue", "1000000")], true),
        of(Blastn, &[("reward", "1"), ("penalty", "-3")], true),
        of(Blastp, &[("threshold", "5")], true),
        of(Blastp, &[("threshold", "100")], true),
        of(Blastx, &[("comp_based_stats", "0")], true),
        of(Tblastn, &[("comp_based_stats", "3")], true),
    ];
    for strand in ["both", "plus", "minus"] {
        cases.extend(
            [Blastn, Blastx, Tblastx].map(|program| of(program, &[("strand", strand)], true)),
        );
    }
    let mut zero = search(Blastn, None, &[]);
    zero.options.evalue = Some(0.0);
    cases.push((zero, false));
    for code in [1, 6, 7, 8, 9, 16, 17, 20, 21, 31, 32, 33, 34] {
        let known = gencode::is_known(code);
        let mut search = search(Tblastx, None, &[]);
        (search.options.query_gencode, search.options.db_gencode) = (Some(code), Some(code));
        cases.push((search, known));
    }
    bench.agree(&cases);
}
