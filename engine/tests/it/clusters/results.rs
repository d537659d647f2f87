//! Results of searches that others ran on a cluster, read where they lie: real output of BLAST+, in the layout of
//! ElasticBLAST.

use std::{
    io::Write,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use elb_core::{hits::page::Totals, search::Program};
use elb_engine::{
    clusters::{Clusters, ResultsPlaces},
    service::{Caller, FoundHits, FoundNow, FoundResults, IndexFile, ServiceError},
};
use elb_testkit::kube_api::{Kind, KubeApi, objects::with_condition};
use flate2::{Compression, write::GzEncoder};
use futures::StreamExt;
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path as Key};
use serde_json::json;
use tempfile::TempDir;

use super::{
    super::{
        found::appears,
        support::{Engine, Settings, databases, genes, make_database, search, text_of},
    },
    seen::{PACE, RUN, Seen, job},
};

/// All that the pages need.
const COLUMNS: &str = "std qlen slen score qseq sseq stitle";

/// A search that has completed on a cluster, and the place of its results.
struct Others {
    engine: Engine,
    store: Arc<dyn ObjectStore>,
    away: Arc<Mutex<Option<String>>>,
    _seen: Seen,
    folder: TempDir,
}

impl Others {
    /// Files lie in the place before the search is seen.
    async fn with(options: &str, files: &[(&str, Vec<u8>)]) -> Self {
        Self::within(Arc::new(InMemory::new()), options, files).await
    }

    async fn within(store: Arc<dyn ObjectStore>, options: &str, files: &[(&str, Vec<u8>)]) -> Self {
        let away: Arc<Mutex<Option<String>>> = Arc::default();
        for (name, content) in files {
            put(&*store, name, content.clone()).await;
        }
        put(&*store, "metadata/SUCCESS.txt", b"done".to_vec()).await;
        let api = KubeApi::start().await;
        let mut job = with_condition(job(RUN), "Complete", "");
        for container in job["spec"]["template"]["spec"]["containers"]
            .as_array_mut()
            .unwrap()
        {
            let env = container["env"].as_array_mut().unwrap();
            env.retain(|variable| variable["name"] != "ELB_DB");
            env.push(json!({"name": "ELB_DB", "value": "few_genes"}));
            env.push(json!({"name": "ELB_BLAST_OPTIONS", "value": options}));
        }
        api.put(Kind::Job, job);
        let seen = Seen::of(api, PACE);
        seen.until_live().await;
        let folder = tempfile::tempdir().unwrap();
        let (opened, shut) = (Arc::clone(&store), Arc::clone(&away));
        let settings = Settings {
            clusters: Some(Arc::clone(&seen.snapshot) as Arc<dyn Clusters>),
            results_places: Some(ResultsPlaces::new(Box::new(move |place| {
                assert_eq!(
                    (place.account.as_str(), place.container.as_str()),
                    ("example", "results")
                );
                match shut.lock().unwrap().clone() {
                    Some(why) => Err(why),
                    None => Ok(Arc::clone(&opened)),
                }
            }))),
            ..Settings::default()
        };
        let engine = Engine::start_with(folder.path(), settings).await;
        appears(&engine, RUN).await;
        engine.complete(RUN).await;
        Self {
            engine,
            store,
            away,
            _seen: seen,
            folder,
        }
    }

    async fn found(&self) -> FoundResults {
        let me = Caller::local();
        self.engine.service.found_results(&me, RUN).await.unwrap()
    }

    /// How the reading of the hits ends.
    async fn read(&self) -> FoundHits {
        let reading = async {
            loop {
                match self.found().await.hits {
                    FoundHits::Reading => tokio::task::yield_now().await,
                    ended => return ended,
                }
            }
        };
        let ended = tokio::time::timeout(super::super::support::PATIENCE, reading).await;
        ended.unwrap()
    }

    async fn file(&self, name: &str, plain: bool) -> Result<Vec<u8>, ServiceError> {
        let service = &self.engine.service;
        let mut download = service
            .found_file(&Caller::local(), RUN, name, plain)
            .await?;
        let mut bytes = Vec::new();
        while let Some(piece) = download.pieces.next().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        Ok(bytes)
    }

    async fn joined(&self) -> Result<String, ServiceError> {
        let download = self
            .engine
            .service
            .found_joined(&Caller::local(), RUN)
            .await?;
        Ok(text_of(download).await)
    }

    async fn hsps(&self, id: &str) -> String {
        let service = &self.engine.service;
        let file = IndexFile::Hsps { query: None };
        text_of(
            service
                .index_file(&Caller::local(), id, file)
                .await
                .unwrap(),
        )
        .await
    }

    async fn totals(&self) -> (Totals, Vec<String>) {
        let service = &self.engine.service;
        let me = Caller::local();
        let read = service.hits(&me, RUN, |index| Ok((index.totals()?, index.notes()?)));
        read.await.unwrap()
    }
}

async fn put(store: &dyn ObjectStore, name: &str, content: Vec<u8>) {
    let key = Key::from(format!("{RUN}/{name}"));
    store.put(&key, content.into()).await.unwrap();
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// What `blastn` writes, as a pod would run it: beside the files of its database.
fn blastn(folder: &Path, database: &str, query: &str, format: &str, more: &[&str]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), query).unwrap();
    let out = Command::new("blastn")
        .current_dir(folder)
        .args(["-db", database, "-outfmt", format, "-query"])
        .arg(file.path())
        .args(more)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

/// Two batches of queries; one of the first has no hit.
fn queries() -> [String; 2] {
    let nothing = ">nothing a query without hits\nACGTAGCTAGCATCGATCGTACGATGCATCGATGCTAGCTA\n";
    [format!("{}{nothing}", genes(0, 2)), genes(5, 2)]
}

fn in_few_genes(query: &str, format: &str) -> String {
    blastn(databases(), "few_genes", query, format, &[])
}

fn rows(table: &str) -> Vec<&str> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_comments_gives_the_hits_that_a_search_of_our_own_gives() {
    let [first, second] = queries();
    let format = format!("7 {COLUMNS}");
    let tables = [
        in_few_genes(&first, &format),
        in_few_genes(&second, &format),
    ];
    let files = [
        ("batch_000-blastn-few_genes.out.gz", packed(&tables[0])),
        ("batch_001-blastn-few_genes.out.gz", packed(&tables[1])),
        ("secret.txt", b"not a result".to_vec()),
    ];
    let others = Others::with("-outfmt 7", &files).await;
    let found = others.found().await;
    let names: Vec<&str> = found
        .listing
        .files
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    assert_eq!(names, [files[0].0, files[1].0]);
    assert_eq!(
        (found.format, found.not_joined, found.approximate),
        (Some(7), None, None)
    );

    // Each file, as it is and unpacked; and nothing else of that folder.
    assert_eq!(others.file(files[0].0, false).await.unwrap(), files[0].1);
    assert_eq!(
        others.file(files[1].0, true).await.unwrap(),
        tables[1].as_bytes()
    );
    for name in [
        "secret.txt",
        "../secret.txt",
        "",
        "metadata/SUCCESS.txt",
        "/etc/passwd",
    ] {
        let refused = others.file(name, false).await;
        assert!(
            matches!(refused, Err(ServiceError::BadRequest(_))),
            "{name}"
        );
    }

    // All of them as one: the same as of one run, with one line at the end.
    let joined = others.joined().await.unwrap();
    let whole = in_few_genes(&format!("{first}{second}"), &format);
    assert!(joined == whole, "it differs from one run");

    assert_eq!(others.read().await, FoundHits::Here);
    let own = others
        .engine
        .submit_id(search(Program::Blastn), &format!("{first}{second}"))
        .await;
    others.engine.complete(&own).await;
    let (totals, notes) = others.totals().await;
    assert_eq!((totals.queries, notes.len()), (5, 0));
    assert!(
        others.hsps(RUN).await == others.hsps(&own).await,
        "hits differ"
    );
}

#[cfg(feature = "azure")]
#[tokio::test(flavor = "multi_thread")]
async fn results_are_read_from_azure_blob_storage_as_its_emulator_has_it() {
    let [first, second] = queries();
    let format = format!("7 {COLUMNS}");
    let files = [
        (
            "batch_000-blastn-few_genes.out.gz",
            packed(&in_few_genes(&first, &format)),
        ),
        (
            "batch_001-blastn-few_genes.out.gz",
            packed(&in_few_genes(&second, &format)),
        ),
    ];
    let store = super::super::blob_databases::container().await;
    let others = Others::within(store, "-outfmt 7", &files).await;
    assert_eq!(others.file(files[0].0, false).await.unwrap(), files[0].1);
    let whole = in_few_genes(&format!("{first}{second}"), &format);
    assert!(
        others.joined().await.unwrap() == whole,
        "it differs from one run"
    );
    assert_eq!(others.read().await, FoundHits::Here);
    assert_eq!(others.totals().await.0.queries, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_comments_takes_its_queries_from_their_files_or_its_rows() {
    let [first, second] = queries();
    let columns = [
        "qaccver", "saccver", "sstart", "send", "qstart", "qend", "evalue", "bitscore", "score",
        "qlen", "slen", "qseq", "sseq",
    ];
    let format = format!("6 {}", columns.join(" "));
    let mut files = vec![
        (
            "batch_000-blastn-few_genes.out.gz",
            packed(&in_few_genes(&first, &format)),
        ),
        (
            "batch_001-blastn-few_genes.out.gz",
            packed(&in_few_genes(&second, &format)),
        ),
    ];
    let options = format!("-outfmt \"{format}\" -evalue 10");
    let without = Others::with(&options, &files).await;
    assert_eq!(without.read().await, FoundHits::Here);
    let (totals, notes) = without.totals().await;
    assert_eq!(totals.queries, 4);
    assert!(
        notes[0].contains("Queries without a hit are missing"),
        "{notes:?}"
    );
    let joined = without.joined().await.unwrap();
    assert!(
        joined == in_few_genes(&format!("{first}{second}"), &format),
        "rows differ"
    );

    files.push(("query_batches/batch_000.fa", first.clone().into_bytes()));
    files.push(("query_batches/batch_001.fa", second.clone().into_bytes()));
    let with = Others::with(&options, &files).await;
    assert_eq!(with.read().await, FoundHits::Here);
    let (totals, notes) = with.totals().await;
    assert_eq!(
        (totals.queries, totals.queries_with_hits, notes.len()),
        (5, 4, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_gives_hits_where_the_database_is_the_one_that_was_searched() {
    let [first, second] = queries();
    let archives = [in_few_genes(&first, "11"), in_few_genes(&second, "11")];
    let mut files = vec![
        ("batch_000-blastn-few_genes.out.gz", packed(&archives[0])),
        ("batch_001-blastn-few_genes.out.gz", packed(&archives[1])),
    ];
    let untold = Others::with("-outfmt 11", &files).await;
    let FoundHits::Not(why) = untold.read().await else {
        panic!("nothing tells which database it was");
    };
    assert!(why.contains("BLASTDB_LENGTH"), "{why}");

    // Queries are numbered through: a formatter would print the first batch's titles for all.
    let joined = untold.joined().await.unwrap();
    let archive = untold.folder.path().join("joined.asn");
    std::fs::write(&archive, &joined).unwrap();
    let formatted = Command::new("blast_formatter")
        .current_dir(databases())
        .args(["-outfmt", "6", "-archive"])
        .arg(&archive)
        .output()
        .unwrap();
    let formatted = String::from_utf8(formatted.stdout).unwrap();
    assert_eq!(formatted, in_few_genes(&format!("{first}{second}"), "6"));
    assert!(joined.contains("\"Query_5\"") && !archives[1].contains("\"Query_5\""));

    let letters = untold
        .engine
        .service
        .catalogue()
        .get("few_genes")
        .unwrap()
        .letters;
    let length = |letters: u64| letters.to_string().into_bytes();
    files.push(("metadata/BLASTDB_LENGTH.out", length(letters)));
    let told = Others::with("-outfmt 11", &files).await;
    assert_eq!(told.read().await, FoundHits::Here);
    let own = told
        .engine
        .submit_id(search(Program::Blastn), &format!("{first}{second}"))
        .await;
    told.engine.complete(&own).await;
    assert!(told.hsps(RUN).await == told.hsps(&own).await, "hits differ");

    files.pop();
    files.push(("metadata/BLASTDB_LENGTH.out", length(letters + 1)));
    let other = Others::with("-outfmt 11", &files).await;
    assert!(matches!(other.read().await, FoundHits::Not(why) if why.contains("was searched")));
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_database_are_joined_by_query_and_said_to_be_approximate() {
    let folder = tempfile::tempdir().unwrap();
    make_database(folder.path(), "even", "nucl", &genes(0, 8), &[]);
    make_database(folder.path(), "odd", "nucl", &genes(8, 8), &[]);
    make_database(folder.path(), "all", "nucl", &genes(0, 16), &[]);
    let [first, second] = queries();
    let of = |database: &str, query: &str, format: &str, more: &[&str]| {
        blastn(folder.path(), database, query, format, more)
    };
    let format = format!("7 {COLUMNS}");
    // One scale for all parts: then the order is that of one search of the whole. Nothing is cut: where it
    // cuts, BLAST+ itself leaves out better subjects than some that it keeps.
    let scale = ["-searchsp", "100000000", "-max_target_seqs", "50"];
    let mut files = Vec::new();
    for (part, database) in [("shard_00", "even"), ("shard_01", "odd")] {
        for (batch, query) in [&first, &second].into_iter().enumerate() {
            let name = format!("{part}/batch_{batch:03}-blastn-{database}.out.gz");
            files.push((name, packed(&of(database, query, &format, &scale))));
        }
    }
    let files: Vec<(&str, Vec<u8>)> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.clone()))
        .collect();
    let options = format!("-outfmt '{format}' {}", scale.join(" "));
    let others = Others::with(&options, &files).await;
    let found = others.found().await;
    assert_eq!(found.listing.parts, ["shard_00", "shard_01"]);
    let said = found.approximate.unwrap();
    assert!(
        said.contains("2 parts") && said.contains("-searchsp"),
        "{said}"
    );
    let joined = others.joined().await.unwrap();
    let whole = of("all", &format!("{first}{second}"), &format, &scale);
    assert!(rows(&joined) == rows(&whole), "rows differ");
    assert!(joined.ends_with("# BLAST processed 5 queries\n"));
    assert_eq!(joined.matches("# Query: ").count(), 5);
    assert_eq!(others.read().await, FoundHits::Here);
    let (totals, notes) = others.totals().await;
    assert_eq!(totals.hsps, rows(&whole).len() as u64);
    assert_eq!((totals.queries, notes), (5, vec![said]));

    // Without that option each part has E-values of its own, and one that is lost is no part without hits.
    let others = Others::with("-outfmt 7", &files[..3]).await;
    let found = others.found().await;
    assert!(found.approximate.unwrap().starts_with("Approximate"));
    let why = found.not_joined.unwrap();
    assert!(why.contains("batch 001 of shard_01 is not"), "{why}");
    assert_eq!(others.read().await, FoundHits::Failed(why.clone()));
    let refused = others.joined().await.unwrap_err().to_string();
    assert_eq!(refused, why);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shown_says_why_and_offers_its_files() {
    let [first, _] = queries();
    for (format, why) in [
        ("6", "qlen slen score qseq sseq"),
        ("7", "qlen slen score qseq sseq"),
        ("5", "another format (XML"),
        ("15", "another format (JSON"),
        ("0", "another format (pairwise text"),
    ] {
        let text = in_few_genes(&first, format);
        let name = "batch_000-blastn-few_genes.out.gz";
        let others = Others::with(&format!("-outfmt {format}"), &[(name, packed(&text))]).await;
        let FoundHits::Not(told) = others.read().await else {
            panic!("-outfmt {format} cannot be shown");
        };
        assert!(told.contains(why), "{told}");
        let me = Caller::local();
        let refused = others.engine.service.hits(&me, RUN, |index| index.totals());
        let refused = refused.await.unwrap_err().to_string();
        assert!(
            refused.contains(why) && refused.contains("can be downloaded"),
            "{refused}"
        );
        assert_eq!(others.file(name, true).await.unwrap(), text.as_bytes());
        let can_be_joined = matches!(format, "6" | "7");
        assert_eq!(others.joined().await.is_ok(), can_be_joined);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_away_and_a_file_that_is_cut_off_are_errors_in_words() {
    let [first, _] = queries();
    let table = in_few_genes(&first, &format!("7 {COLUMNS}"));
    let whole = packed(&table);
    let name = "batch_000-blastn-few_genes.out.gz";
    let others = Others::with("-outfmt 7", &[(name, whole[..whole.len() / 2].to_vec())]).await;
    let FoundHits::Failed(why) = others.read().await else {
        panic!("half a file has no hits to show");
    };
    assert!(!why.is_empty());
    let service = &others.engine.service;
    let mut download = service
        .found_file(&Caller::local(), RUN, name, true)
        .await
        .unwrap();
    let mut broken = false;
    while let Some(piece) = download.pieces.next().await {
        broken |= piece.is_err();
    }
    assert!(broken);

    // A table that ends too early, in a file that is whole.
    let early: String = table
        .lines()
        .take(8)
        .map(|line| format!("{line}\n"))
        .collect();
    let others = Others::with("-outfmt 7", &[(name, packed(&early))]).await;
    assert!(matches!(others.read().await, FoundHits::Failed(why) if why.contains("cut off")));

    let others = Others::with("-outfmt 7", &[(name, whole)]).await;
    let key = Key::from(format!("{RUN}/{name}"));
    assert_eq!(others.found().await.listing.files.len(), 1);
    others.store.delete(&key).await.unwrap();
    let lost = others.file(name, false).await.unwrap_err().to_string();
    assert!(lost.contains("is not there any more"), "{lost}");
    // Opened once and kept: what is asked from now on is told by another engine.
    *others.away.lock().unwrap() = Some("the store is away".to_owned());
    let Others {
        engine,
        folder,
        _seen: seen,
        away,
        ..
    } = others;
    engine.service.shut_down().await;
    let settings = Settings {
        clusters: Some(Arc::clone(&seen.snapshot) as Arc<dyn Clusters>),
        results_places: Some(ResultsPlaces::new(Box::new(move |_| {
            Err(away.lock().unwrap().clone().unwrap())
        }))),
        ..Settings::default()
    };
    let again = Engine::start_with(folder.path(), settings).await;
    let detail = again.job(RUN);
    let now = again.service.found_results_now(&detail).await;
    assert_eq!(now, Some(FoundNow::Away("the store is away".to_owned())));
    let refused = again.service.found_joined(&Caller::local(), RUN).await;
    assert!(matches!(refused, Err(ServiceError::NoResults(why)) if why == "the store is away"));
}
