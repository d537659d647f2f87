//! Tables of shards against what BLAST+ finds in the whole database.

use std::{collections::BTreeMap, process::Command};

use elb_core::search::{Program, SearchOptions};

use super::*;

/// A database in volumes, each of which is a shard.
struct Scene {
    folder: tempfile::TempDir,
    program: &'static str,
    volumes: Vec<String>,
}

impl Scene {
    fn new(program: &'static str, molecule: &str, sequences: &str, volume: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("all.fa"), sequences).unwrap();
        let words = [
            "-in",
            "all.fa",
            "-dbtype",
            molecule,
            "-out",
            "whole",
            "-max_file_sz",
            volume,
        ];
        let this = Self {
            folder,
            program,
            volumes: Vec::new(),
        };
        this.run("makeblastdb", &words);
        let alias = if molecule == "nucl" {
            "whole.nal"
        } else {
            "whole.pal"
        };
        let alias = fs::read_to_string(this.path(alias)).unwrap();
        let volumes = alias
            .lines()
            .find_map(|line| line.strip_prefix("DBLIST "))
            .unwrap();
        let volumes: Vec<String> = volumes
            .split(' ')
            .map(|name| name.trim_matches('"').to_owned())
            .collect();
        assert!(volumes.len() >= 3, "{volumes:?}");
        let letters: usize = sequences
            .lines()
            .filter(|line| !line.starts_with('>'))
            .map(str::len)
            .sum();
        let count = sequences
            .lines()
            .filter(|line| line.starts_with('>'))
            .count();
        for volume in &volumes {
            let text =
                format!("TITLE x\nDBLIST {volume}\nSTATS_NSEQ {count}\nSTATS_TOTLEN {letters}\n");
            let ending = if molecule == "nucl" { "nal" } else { "pal" };
            fs::write(this.path(&format!("shard-{volume}.{ending}")), text).unwrap();
        }
        Self { volumes, ..this }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, program: &str, words: &[&str]) {
        let ran = Command::new(program)
            .current_dir(self.folder.path())
            .args(words)
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }

    fn search(&self, database: &str, table: &str, most: &str) {
        let format = format!("6 {TABULAR_FIELDS}");
        let words = [
            "-db",
            database,
            "-query",
            "queries.fa",
            "-out",
            table,
            "-outfmt",
            &format,
            "-max_target_seqs",
            most,
        ];
        self.run(self.program, &words);
    }

    /// Rows of the whole, and those of its shards joined.
    async fn both(&self, queries: &str, most: u32) -> (String, String) {
        fs::write(self.path("queries.fa"), queries).unwrap();
        self.search("whole", "whole.tsv", &most.to_string());
        let mut parts = Vec::new();
        for volume in &self.volumes {
            let part = Part {
                archive: self.path(&format!("{volume}.asn")),
                table: self.path(&format!("{volume}.tsv")),
            };
            self.search(
                &format!("shard-{volume}"),
                &format!("{volume}.tsv"),
                &most.to_string(),
            );
            fs::write(&part.archive, format!("archive of {volume}\n")).unwrap();
            parts.push(part);
        }
        let spec = SearchSpec {
            program: Program::Blastn,
            task: None,
            database: "whole".to_owned(),
            options: SearchOptions {
                max_target_seqs: Some(most),
                ..SearchOptions::default()
            },
        };
        let (archive, table) = (self.path("joined.asn"), self.path("joined.tsv"));
        join(
            &spec,
            parts,
            self.path("queries.fa"),
            archive.clone(),
            table.clone(),
        )
        .await
        .unwrap();
        assert_eq!(
            fs::read_to_string(archive).unwrap().lines().count(),
            self.volumes.len()
        );
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        (read(self.path("whole.tsv")), read(table))
    }
}

/// Records of a FASTA text.
fn records(fasta: &str, skip: usize, count: usize) -> String {
    let records = fasta
        .split_inclusive("\n>")
        .map(|record| record.trim_end_matches('>'));
    let records: Vec<&str> = records.skip(skip).take(count).collect();
    format!(">{}", records.join(">").trim_start_matches('>'))
}

fn genes() -> String {
    let path = "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta";
    fs::read_to_string(path).unwrap().replace('\t', " ")
}

fn proteins() -> String {
    let packed = File::open("/usr/share/doc/mmseqs2/example-data/DB.fasta.gz").unwrap();
    io::read_to_string(flate2::read::GzDecoder::new(packed)).unwrap()
}

#[tokio::test]
async fn joined_tables_are_those_of_a_search_of_the_whole() {
    let (genes, proteins) = (genes(), proteins());
    let scenes = [
        (
            Scene::new("blastn", "nucl", &records(&genes, 0, 400), "40KB"),
            records(&genes, 3, 4),
        ),
        (
            Scene::new("blastp", "prot", &records(&proteins, 0, 1_500), "150KB"),
            records(&proteins, 5, 6),
        ),
    ];
    for (scene, queries) in &scenes {
        let (whole, joined) = scene.both(queries, 5_000).await;
        assert!(
            whole.lines().count() > 10,
            "{}: too few hits to compare",
            scene.program
        );
        assert!(whole == joined, "{}: the rows differ", scene.program);
    }
    // Cut at a number a search of the whole may lose good subjects early (so BLAST+ works); shards lose fewer.
    let (scene, queries) = &scenes[0];
    let (whole, joined) = scene.both(queries, 20).await;
    let (whole, joined) = (best(&whole), best(&joined));
    assert!(whole != joined, "nothing was cut");
    assert_eq!(whole.len(), joined.len());
    for ((query, whole), (same, joined)) in whole.iter().zip(&joined) {
        assert_eq!((query, whole.len(), joined.len()), (same, 20, 20));
        assert!(
            whole
                .iter()
                .zip(joined)
                .all(|(whole, joined)| joined >= whole),
            "{query}"
        );
    }
}

/// The best score of each subject of each query, best first.
fn best(table: &str) -> BTreeMap<String, Vec<u64>> {
    let mut subjects: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in table.lines() {
        let columns: Vec<&str> = row.split('\t').collect();
        let key = (columns[0].to_owned(), columns[1].to_owned());
        let score: u64 = columns[11].parse().unwrap();
        let known = subjects.entry(key).or_default();
        *known = score.max(*known);
    }
    let mut queries: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for ((query, _), score) in subjects {
        queries.entry(query).or_default().push(score);
    }
    for scores in queries.values_mut() {
        scores.sort_unstable_by(|one, other| other.cmp(one));
    }
    queries
}
