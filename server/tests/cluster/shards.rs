//! A database that is divided over pods: found is what a search of the whole finds.

use std::process::Command;

use serde_json::json;

use super::{
    sequences::genes,
    world::{Shared, World, shared},
};

const NAME: &str = "divided";
const SEQUENCES: usize = 300;

/// Puts it into the store: volumes of at most 20 kB, and the object that tells its counts.
async fn fill(shared: &Shared) {
    let folder = tempfile::tempdir().unwrap();
    let fasta = genes(0, SEQUENCES);
    let source = folder.path().join("source.fa");
    std::fs::write(&source, &fasta).unwrap();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    let made = Command::new("makeblastdb")
        .arg("-in")
        .arg(&source)
        .args([
            "-dbtype",
            "nucl",
            "-title",
            NAME,
            "-max_file_sz",
            "20KB",
            "-out",
        ])
        .arg(files.join(NAME))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    for entry in std::fs::read_dir(&files).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        shared.put(NAME, file, std::fs::read(&path).unwrap()).await;
    }
    let lines = fasta.lines().filter(|line| !line.starts_with('>'));
    let letters: usize = lines.map(str::len).sum();
    let told = json!({
        "dbname": NAME, "dbtype": "Nucleotide", "description": "genes in volumes",
        "number-of-letters": letters, "number-of-sequences": SEQUENCES,
    });
    let file = format!("{NAME}-nucl-metadata.json");
    shared.put(NAME, &file, told.to_string().into_bytes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_find_what_the_whole_finds_also_over_a_restart_with_another_setting() {
    let shared = shared().await;
    fill(shared).await;
    let query = genes(2, 6);

    let divided = World::on(shared).set("ELB_POD_SHARD", "90KB");
    let program = divided.start_to_be_killed("after_jobs:1").await;
    let id = program.submit("blastn", NAME, &query).await;
    program.ended().await;
    let shards = divided.names("jobs", "app=blast").len();
    assert!(shards >= 2, "{shards} Jobs");
    // The plan stays as it was made.
    let divided = divided.set("ELB_POD_SHARD", "none");
    let program = divided.start().await;
    let job = program.complete(&id).await;
    assert_eq!(
        job["shards"].as_array().map(Vec::len),
        Some(shards),
        "{job:#}"
    );
    let progress = &job["progress"];
    assert_eq!(progress["batches_done"], progress["batches_total"]);
    let found = program.hsps(&id).await;

    let id = program.submit("blastn", NAME, &query).await;
    let job = program.complete(&id).await;
    assert!(job["shards"].is_null(), "{job:#}");
    let whole = program.hsps(&id).await;
    assert!(whole.lines().count() > 100, "too few hits to compare");
    assert!(found == whole, "the hits differ");
    // A node keeps both beside each other: the shards are no older versions of the whole, nor it of them.
    let copies = program.place().await["copies"].as_array().map(Vec::len);
    assert_eq!(copies, Some(shards + 1));
}
