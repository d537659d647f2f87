//! One batch searched.

use std::{fs, path::Path, process::Command};

use elb_core::cluster::BatchDone;
use rustix::process::Signal;

use crate::support::{BLASTN, Pod, World, files, wait_until};

fn ready() -> World {
    let world = World::new();
    world.stage().expect(0);
    world.put_query(3);
    world
}

/// What counts for a batch.
fn done(world: &World, batch: u32) -> BatchDone {
    let json = fs::read(world.results(batch).join("done.json")).unwrap();
    BatchDone::parse(&json).unwrap()
}

/// What a person would have got who runs the same by hand.
fn direct(world: &World, batch: u32, outfmt: &str) -> Vec<u8> {
    let out = world.path("direct");
    let ran = Command::new("blastn")
        .env("BLAST_USAGE_REPORT", "false")
        .arg("-db")
        .arg(world.copy().join("tiny"))
        .arg("-query")
        .arg(world.path(&format!("queries/{batch:05}.fa")))
        .arg("-out")
        .arg(&out)
        .args(["-outfmt", outfmt])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    fs::read(out).unwrap()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_batch_gives_the_archive_of_a_direct_run() {
    let world = ready();
    let ended = world.search(3, &BLASTN).expect(0);
    let done = done(&world, 3);
    assert_eq!((done.batch, done.table), (3, None));
    let archive = fs::read(world.results(3).join(&done.archive.name)).unwrap();
    assert!(archive == direct(&world, 3, "11"), "the archive is another");
    assert!(String::from_utf8_lossy(&archive).contains("Query_3"));
    let report = ended.report();
    assert_eq!(report.bytes, archive.len() as u64);
    assert_eq!(report.sha256.as_ref(), Some(&done.archive.sha256));
    assert!(!report.already && report.warnings.is_empty() && report.max_rss_kb > 1_000);
    assert!(
        is_empty(&world.path("work")),
        "the attempt's folder is still there"
    );
}

#[test]
fn a_second_program_writes_the_table_that_is_kept_too() {
    let world = ready();
    let formatter = [
        "--then",
        "blast_formatter",
        "-archive",
        "{out}",
        "-out",
        "{table}",
        "-outfmt",
        "6",
    ];
    world
        .search(3, &[&BLASTN[..], &formatter].concat())
        .expect(0);
    let table = done(&world, 3).table.unwrap();
    let table = fs::read(world.results(3).join(table.name)).unwrap();
    assert!(!table.is_empty() && table == direct(&world, 3, "6"));
}

#[test]
fn a_batch_that_is_done_is_not_searched_again() {
    let world = ready();
    let first = world.search(3, &BLASTN).expect(0);
    let before = files(&world.results(3));
    let words = ["no-such-program", "{query}", "{out}", "{db}"];
    let again = world.search(3, &words).expect(0);
    assert!(
        again.stdout.contains("batch 3 is already done"),
        "{}",
        again.stdout
    );
    assert!(again.report().already);
    assert_eq!(again.report().sha256, first.report().sha256);
    assert!(files(&world.results(3)) == before);
}

#[test]
fn of_attempts_at_the_same_time_one_counts_and_nothing_is_left_of_the_others() {
    let world = ready();
    let pods: Vec<Pod> = (0..4)
        .map(|_| Pod::start(world.searcher(3, &BLASTN)))
        .collect();
    let ended: Vec<_> = pods.into_iter().map(|pod| pod.end().expect(0)).collect();
    let already = ended.iter().filter(|ended| ended.report().already).count();
    assert_eq!(already, 3, "{ended:?}");
    let names: Vec<String> = files(&world.results(3))
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [done(&world, 3).archive.name, "done.json".to_owned()]
    );
}

#[test]
fn a_wrong_option_ends_with_blasts_own_code_and_words() {
    let world = ready();
    let ended = world
        .search(3, &[&BLASTN[..], &["-nope"]].concat())
        .expect(1);
    assert!(
        ended.error().contains("Unknown argument: \"nope\""),
        "{}",
        ended.error()
    );
    assert!(ended.stderr.contains("USAGE"), "{}", ended.stderr);
    assert!(!world.results(3).exists());
    assert!(is_empty(&world.path("work")));
}

#[test]
fn warnings_are_told_apart_and_kept() {
    let world = ready();
    let few = [&BLASTN[..], &["-max_target_seqs", "2"]].concat();
    let ended = world.search(3, &few).expect(0);
    let expected = "Examining 5 or more matches is recommended";
    assert_eq!(ended.report().warnings, [expected]);
    assert_eq!(done(&world, 3).warnings, [expected]);
    let again = world.search(3, &few).expect(0);
    assert_eq!(again.report().warnings, [expected]);
}

#[test]
fn without_a_whole_copy_nothing_is_searched() {
    let world = ready();
    fs::remove_file(world.copy().join("tiny.nsq")).unwrap();
    let ended = world.search(3, &BLASTN).expect(76);
    assert!(ended.error().contains("tiny.nsq"), "{}", ended.error());
    let ended = world.search(3, &BLASTN).expect(76);
    assert!(
        ended.error().contains("no complete copy"),
        "{}",
        ended.error()
    );
    world.stage().expect(0);
    world.search(3, &BLASTN).expect(0);
}

#[test]
fn a_query_that_is_missing_or_empty_is_a_wrong_setting() {
    let world = ready();
    let ended = world.search(4, &BLASTN).expect(78);
    assert!(
        ended.error().contains("queries/00004.fa"),
        "{}",
        ended.error()
    );
    world.put_query_text(4, "");
    assert!(
        world
            .search(4, &BLASTN)
            .expect(78)
            .error()
            .contains("is empty")
    );
}

#[test]
fn a_program_that_is_not_there_is_a_wrong_setting() {
    let world = ready();
    let ended = world
        .search(3, &["no-such-blast", "{query}", "{out}"])
        .expect(78);
    assert!(
        ended.error().contains("no-such-blast cannot be started"),
        "{}",
        ended.error()
    );
}

#[test]
fn a_database_that_blast_cannot_find_passes_blasts_code() {
    let world = ready();
    let words: Vec<&str> = BLASTN
        .iter()
        .map(|word| {
            if *word == "{db}" {
                "/no/such/database"
            } else {
                *word
            }
        })
        .collect();
    let ended = world.search(3, &words).expect(2);
    assert!(
        ended.error().contains("/no/such/database"),
        "{}",
        ended.error()
    );
}

/// Processes of BLAST+ that name `part` in their command line.
fn blast_processes(part: &Path) -> usize {
    let part = part.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries
        .filter(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.starts_with("blastn\0") && line.contains(part)
        })
        .count()
}

#[test]
fn who_is_told_to_end_leaves_no_blast_and_no_result() {
    let world = ready();
    // A search that waits for its subject for ever.
    let subject = world.path("subject.fa");
    let made = Command::new("mkfifo").arg(&subject).status().unwrap();
    assert!(made.success());
    let named = subject.display().to_string();
    let words = [
        "blastn", "-query", "{query}", "-out", "{out}", "-outfmt", "11", "-subject", &named,
    ];
    let mut pod = Pod::start(world.searcher(3, &words));
    pod.until_it_says("blastn begins");
    wait_until("a search", || blast_processes(&subject) == 1);
    pod.signal(Signal::TERM);
    let ended = pod.end().expect(143);
    assert!(ended.error().contains("signal 15"), "{}", ended.error());
    assert_eq!(blast_processes(&subject), 0);
    assert!(is_empty(&world.path("work")) && !world.results(3).exists());
    // Another attempt finds everything as if there had been none.
    world.search(3, &BLASTN).expect(0);
}
