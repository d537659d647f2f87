//! A database that is searched in shards: each gives the rows that the whole gives of its sequences.

use std::{fs, path::Path, process::Command};

use elb_core::{cluster::BatchDone, database::volume_of};

use crate::support::{Pod, World, files};

const SEQUENCES: u64 = 24;
const FORMAT: &str = "6 qseqid sseqid evalue bitscore score qstart qend sstart send";

/// A database in volumes, and how many those are.
fn divided() -> (World, u32) {
    let world = World::new();
    world.make_volumes(SEQUENCES);
    let names = files(&world.source());
    let last = names
        .iter()
        .filter_map(|(name, _)| volume_of("tiny", name))
        .max();
    let volumes = last.expect("the database has no volumes") + 1;
    assert!(volumes >= 3, "{volumes}");
    world.put_query(3);
    (world, volumes)
}

fn counted(mut command: Command, version: &str) -> Command {
    command
        .env("ELB_DB_VERSION", version)
        .env("ELB_DB_SEQUENCES", SEQUENCES.to_string())
        .env("ELB_DB_LETTERS", (SEQUENCES * 600).to_string());
    command
}

fn rows(text: &str) -> Vec<String> {
    let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
    rows.sort();
    rows
}

/// What a search of the whole gives.
fn of_whole(world: &World, batch: u32) -> Vec<String> {
    let ran = Command::new("blastn")
        .env("BLAST_USAGE_REPORT", "false")
        .arg("-db")
        .arg(world.source().join("tiny"))
        .arg("-query")
        .arg(world.path(&format!("queries/{batch:05}.fa")))
        .args(["-evalue", "1000", "-word_size", "7", "-outfmt", FORMAT])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    rows(&String::from_utf8(ran.stdout).unwrap())
}

/// What a search of a shard leaves in the store.
fn of_shard(world: &World, batch: u32, version: &str) -> Vec<String> {
    let words = [
        "blastn",
        "-db",
        "{db}",
        "-query",
        "{query}",
        "-out",
        "{out}",
        "-outfmt",
        "11",
        "-evalue",
        "1000",
        "-word_size",
        "7",
        "--then",
        "blast_formatter",
        "-archive",
        "{out}",
        "-out",
        "{table}",
        "-outfmt",
        FORMAT,
    ];
    let _ = fs::remove_dir_all(world.results(batch));
    let command = counted(world.searcher(batch, &words), version);
    Pod::start(command).end().expect(0);
    let done = fs::read(world.results(batch).join("done.json")).unwrap();
    let table = BatchDone::parse(&done).unwrap().table.unwrap();
    rows(&fs::read_to_string(world.results(batch).join(table.name)).unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let there = files(folder).into_iter().map(|(name, _)| name);
    there.filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn shards_together_give_the_rows_and_the_e_values_of_the_whole() {
    let (world, volumes) = divided();
    let shards = ["v1.v0-0".to_owned(), format!("v1.v1-{}", volumes - 1)];
    for version in &shards {
        Pod::start(counted(world.stager(), version)).end().expect(0);
        let again = Pod::start(counted(world.stager(), version)).end().expect(0);
        assert!(again.report().already);
    }
    // The second has not taken the first away, and each has its own volumes and what belongs to all.
    let first = names(&world.home().join(&shards[0]));
    assert!(
        first
            .iter()
            .all(|name| volume_of("tiny", name).is_none_or(|volume| volume == 0)),
        "{first:?}"
    );
    assert!(
        first.contains(&"tiny.nal".to_owned()) && first.contains(&"tiny.ndb".to_owned()),
        "{first:?}"
    );
    let whole = of_whole(&world, 3);
    let found: Vec<Vec<String>> = shards
        .iter()
        .map(|version| of_shard(&world, 3, version))
        .collect();
    assert!(
        found.iter().all(|rows| !rows.is_empty()),
        "both have hits: {found:?}"
    );
    let mut both = found.concat();
    both.sort();
    assert_eq!(both, whole);
}

#[test]
fn a_shard_without_its_counts_or_of_volumes_that_are_not_there_is_refused_in_words() {
    let (world, volumes) = divided();
    let mut command = world.stager();
    command.env("ELB_DB_VERSION", "v1.v0-1");
    let refused = Pod::start(command).end().expect(78);
    assert!(
        refused.error().contains("ELB_DB_SEQUENCES") && refused.error().contains("ELB_DB_LETTERS"),
        "{refused:?}"
    );
    let beyond = format!("v1.v1-{volumes}");
    let refused = Pod::start(counted(world.stager(), &beyond))
        .end()
        .expect(78);
    assert!(
        refused
            .error()
            .contains(&format!("no volume {volumes} of tiny")),
        "{refused:?}"
    );
}

#[test]
fn other_counts_make_another_copy() {
    let (world, _) = divided();
    Pod::start(counted(world.stager(), "v1.v0-1"))
        .end()
        .expect(0);
    let mut command = counted(world.stager(), "v1.v0-1");
    command.env("ELB_DB_LETTERS", "1000000");
    let ended = Pod::start(command).end().expect(0);
    assert!(!ended.report().already);
    let alias = fs::read_to_string(world.home().join("v1.v0-1/tiny.nal")).unwrap();
    assert!(alias.contains("STATS_TOTLEN 1000000"), "{alias}");
}
