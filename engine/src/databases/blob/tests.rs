use std::{sync::atomic::Ordering, time::Duration};

use elb_core::{
    database::{Readiness, RemoteDatabase},
    molecule::Molecule,
};
use object_store::{ObjectStoreExt, PutPayload};

use super::{
    listing::{DOCUMENTS_TIME, LIST_TIME, MAX_DOCUMENT},
    *,
};
use crate::{breaker::Breaker, cache::WAIT, clock::ManualClock};

mod shelf;

use shelf::{Fault, Shelf};

const URL: &str = "az://account/container/blast-db";

struct Scene {
    shelf: Arc<Shelf>,
    clock: ManualClock,
    databases: BlobDatabases,
}

impl Scene {
    fn new() -> Self {
        let (shelf, clock) = (Arc::new(Shelf::default()), ManualClock::at(1_000));
        let store: Arc<dyn ObjectStore> = shelf.clone();
        let databases = BlobDatabases::new(
            store,
            Breaker::new("shelf", Arc::new(clock.clone())),
            Key::from("blast-db"),
            URL.to_owned(),
            Arc::new(clock.clone()),
        );
        Self {
            shelf,
            clock,
            databases,
        }
    }

    async fn put(&self, path: &str, text: impl Into<PutPayload>) {
        let key = Key::from(format!("blast-db/{path}"));
        self.shelf.inner.put(&key, text.into()).await.unwrap();
    }

    async fn remove(&self, path: &str) {
        let key = Key::from(format!("blast-db/{path}"));
        self.shelf.inner.delete(&key).await.unwrap();
    }

    /// The files of a database with one volume, and its metadata object.
    async fn put_database(&self, name: &str) {
        for file in files(name) {
            self.put(&format!("{name}/{file}"), "x").await;
        }
        let path = format!("{name}/{name}-nucl-metadata.json");
        self.put(&path, metadata(name, &files(name))).await;
    }

    /// Volumes and alias of a protein database, without a metadata object.
    async fn put_volumes(&self, name: &str, labels: &[&str]) {
        for label in labels {
            for ending in ["pin", "phr", "psq"] {
                self.put(&format!("{name}/{name}.{label}.{ending}"), "xx")
                    .await;
            }
        }
        self.put(&format!("{name}/{name}.pal"), "DBLIST").await;
    }

    async fn list(&self) -> RemoteList {
        self.databases.list(WAIT).await
    }

    async fn one(&self) -> RemoteDatabase {
        let mut list = self.list().await;
        assert_eq!(list.problem, None);
        assert_eq!(list.databases.len(), 1, "{list:?}");
        list.databases.remove(0)
    }

    /// A list that was fetched after everything that was done before.
    async fn anew(&self) -> RemoteList {
        self.clock.pass(Duration::from_secs(30));
        self.list().await;
        for _ in 0..10_000 {
            let (lists, _) = self.databases.statistics();
            let list = self.list().await;
            if self.databases.statistics().0.hits > lists.hits {
                return list;
            }
            tokio::task::yield_now().await;
        }
        panic!("the list is not read anew");
    }
}

fn files(name: &str) -> Vec<String> {
    ["ndb", "nhr", "nin", "not", "nsq", "ntf", "nto"]
        .iter()
        .map(|ending| format!("{name}.{ending}"))
        .collect()
}

fn metadata(name: &str, files: &[String]) -> String {
    serde_json::json!({
        "version": "1.2", "dbname": name, "dbtype": "Nucleotide", "db-version": 5,
        "description": format!("All of {name}"), "number-of-letters": 5222,
        "number-of-sequences": 4, "last-updated": "2026-01-04T17:57:00",
        "number-of-volumes": 1, "bytes-total": 51124, "bytes-to-cache": 1478, "files": files,
    })
    .to_string()
}

fn reason(database: &RemoteDatabase) -> &str {
    match &database.readiness {
        Readiness::NotReady { reason } => reason,
        Readiness::Ready => panic!("{} is ready", database.name),
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_is_told_by_its_metadata_object() {
    let scene = Scene::new();
    scene.put_database("genes").await;
    let list = scene.list().await;
    let expected = RemoteDatabase {
        // Its own test has what it depends on.
        version: list.databases[0].version.clone(),
        name: "genes".to_owned(),
        title: "All of genes".to_owned(),
        molecule: Molecule::Nucleotide,
        sequences: Some(4),
        letters: Some(5222),
        bytes: 7,
        bytes_to_cache: Some(1478),
        updated: Some("2026-01-04T17:57:00".to_owned()),
        files: 7,
        volumes: 1,
        volume_bytes: Vec::new(),
        shards: Vec::new(),
        readiness: Readiness::Ready,
        notes: Vec::new(),
    };
    assert_eq!(list.databases, [expected]);
    assert_eq!(list.as_of.unwrap().0, 1_000);
    assert_eq!((list.url.as_str(), list.problem), (URL, None));
}

#[tokio::test(start_paused = true)]
async fn its_version_is_that_of_its_files_and_of_nothing_else() {
    let scene = Scene::new();
    scene.put_database("genes").await;
    let first = scene.one().await.version;
    assert!(first.starts_with("blob-"), "{first}");
    scene.put("genes/notes.txt", "beside it".to_owned()).await;
    assert_eq!(scene.anew().await.databases[0].version, first);
    scene.put("genes/genes.nsq", "others".to_owned()).await;
    assert_ne!(scene.anew().await.databases[0].version, first);
}

#[tokio::test(start_paused = true)]
async fn what_is_published_counts_before_what_lies_beside_the_files() {
    let scene = Scene::new();
    scene.put_database("genes").await;
    let own = metadata("genes", &files("genes")).replace("All of", "Own of");
    scene.put("genes/genes.njs", own).await;
    assert_eq!(scene.one().await.title, "All of genes");
    scene.remove("genes/genes-nucl-metadata.json").await;
    assert_eq!(scene.anew().await.databases[0].title, "Own of genes");
}

#[tokio::test(start_paused = true)]
async fn numbers_may_be_strings_and_files_may_be_addresses() {
    let scene = Scene::new();
    scene.put_database("genes").await;
    let addresses: Vec<String> = files("genes")
        .iter()
        .map(|file| format!("s3://ncbi-blast-databases/2026-01-04-01-05-02/{file}"))
        .collect();
    let text = metadata("genes", &addresses).replace("5222", "\"5222\"");
    scene.put("genes/genes-nucl-metadata.json", text).await;
    let database = scene.one().await;
    assert_eq!(database.letters, Some(5222));
    assert_eq!(database.readiness, Readiness::Ready);
    scene.remove("genes/genes.nto").await;
    let list = scene.anew().await;
    assert_eq!(
        reason(&list.databases[0]),
        "1 of 7 files is missing: genes.nto"
    );
}

#[tokio::test(start_paused = true)]
async fn archives_that_a_metadata_object_names_are_not_missed() {
    let scene = Scene::new();
    scene.put_database("genes").await;
    let archive = ["ftp://ftp.ncbi.nlm.nih.gov/blast/db/genes.tar.gz".to_owned()];
    let text = metadata("genes", &archive);
    scene.put("genes/genes-nucl-metadata.json", text).await;
    assert_eq!(scene.one().await.readiness, Readiness::Ready);
}

#[tokio::test(start_paused = true)]
async fn missing_and_empty_files_are_named() {
    let scene = Scene::new();
    scene.put_database("genes").await;
    scene.remove("genes/genes.nsq").await;
    scene.remove("genes/genes.nto").await;
    scene.put("genes/genes.nin", "").await;
    assert_eq!(
        reason(&scene.one().await),
        "2 of 7 files are missing: genes.nsq, genes.nto; 1 of 7 files is empty: genes.nin"
    );
    for file in ["ndb", "nhr", "not"] {
        scene.remove(&format!("genes/genes.{file}")).await;
    }
    let list = scene.anew().await;
    assert_eq!(
        reason(&list.databases[0]),
        "5 of 7 files are missing: genes.ndb, genes.nhr, genes.not and 2 more; 1 of 7 files is empty: genes.nin"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_metadata_object_the_files_tell_and_it_is_said() {
    let scene = Scene::new();
    scene.put_volumes("nr", &["00", "01", "02"]).await;
    let database = scene.one().await;
    assert_eq!((database.title.as_str(), database.sequences), ("nr", None));
    assert_eq!(database.molecule, Molecule::Protein);
    assert_eq!(
        (database.volumes, database.files, database.bytes),
        (3, 10, 24)
    );
    assert_eq!(database.readiness, Readiness::Ready);
    assert!(database.notes[0].starts_with("It has no metadata object"));
}

#[tokio::test(start_paused = true)]
async fn each_volume_needs_its_files_none_may_be_left_out_and_an_alias_binds_them() {
    let scene = Scene::new();
    scene.put_volumes("nr", &["00", "02"]).await;
    assert_eq!(
        reason(&scene.one().await),
        "3 of 10 files are missing: nr.01.phr, nr.01.pin, nr.01.psq"
    );
    scene.put_volumes("nr", &["01"]).await;
    scene.remove("nr/nr.02.psq").await;
    scene.remove("nr/nr.pal").await;
    let list = scene.anew().await;
    assert_eq!(
        reason(&list.databases[0]),
        "2 of 10 files are missing: nr.02.psq, nr.pal"
    );
}

#[tokio::test(start_paused = true)]
async fn format_5_needs_its_list_of_identifiers_and_format_4_has_none() {
    let scene = Scene::new();
    scene.put_database("genes").await;
    scene.remove("genes/genes-nucl-metadata.json").await;
    scene.remove("genes/genes.ndb").await;
    assert_eq!(
        reason(&scene.one().await),
        "1 of 4 files is missing: genes.ndb"
    );
    for only_in_5 in ["not", "ntf", "nto"] {
        scene.remove(&format!("genes/genes.{only_in_5}")).await;
    }
    let list = scene.anew().await;
    assert_eq!(list.databases[0].readiness, Readiness::Ready);
}

#[tokio::test(start_paused = true)]
async fn volumes_that_are_not_there_yet_are_missed_if_their_number_is_told() {
    let scene = Scene::new();
    scene.put_volumes("nr", &["00", "01"]).await;
    let text =
        r#"{"dbname":"nr","dbtype":"Protein","number-of-volumes":5,"files":["nr.00.tar.gz"]}"#;
    scene.put("nr/nr-prot-metadata.json", text).await;
    assert_eq!(reason(&scene.one().await), "3 of 5 volumes are missing");
}

#[tokio::test(start_paused = true)]
async fn a_folder_of_which_only_the_metadata_object_is_there_is_not_ready() {
    let scene = Scene::new();
    let text = metadata("genes", &files("genes"));
    scene.put("genes/genes-nucl-metadata.json", text).await;
    assert_eq!(
        reason(&scene.one().await),
        "none of its sequence files is there"
    );
}

#[tokio::test(start_paused = true)]
async fn one_broken_metadata_object_hides_no_other_database_and_is_said() {
    let scene = Scene::new();
    for name in ["a", "b", "c", "d", "e"] {
        scene.put_database(name).await;
    }
    scene.put("b/b-nucl-metadata.json", "{\"dbname\": ").await;
    let other = metadata("genes", &files("c"));
    scene.put("c/c-nucl-metadata.json", other).await;
    let protein = metadata("d", &files("d")).replace("Nucleotide", "Protein");
    scene.put("d/d-nucl-metadata.json", protein).await;
    let large = vec![b' '; usize::try_from(MAX_DOCUMENT).unwrap() + 1];
    scene.put("e/e-nucl-metadata.json", large).await;
    let list = scene.list().await;
    assert_eq!(list.problem, None);
    let notes: Vec<_> = list.databases.iter().map(|each| &each.notes).collect();
    assert!(notes[0].is_empty());
    for (notes, why) in notes[1..].iter().zip([
        "it is damaged: EOF",
        "it is that of another database, genes",
        "it is that of a database of another type, Protein",
        "it has 2.0 MB, and 2.0 MB is the most",
    ]) {
        assert!(notes[0].contains(why), "{notes:?}");
    }
    assert!(
        list.databases
            .iter()
            .all(|each| each.readiness == Readiness::Ready)
    );
}

#[tokio::test(start_paused = true)]
async fn a_metadata_object_that_cannot_be_read_speaks_only_against_its_own_database() {
    for (fault, why) in [
        (
            Fault::Hangs,
            "b/b-nucl-metadata.json gave no answer within 5 s",
        ),
        (Fault::Denies, "this server may not read"),
    ] {
        let scene = Scene::new();
        for name in ["a", "b", "c"] {
            scene.put_database(name).await;
        }
        *scene.shelf.get_fault.lock().unwrap() = Some(("/b-nucl", fault));
        let list = scene.list().await;
        assert_eq!(list.databases.len(), 3);
        assert_eq!(list.databases[0].sequences, Some(4));
        assert_eq!(list.databases[1].sequences, None);
        assert!(list.databases[1].notes[0].contains(why), "{list:?}");
        // It is tried again, and the others are not read anew.
        *scene.shelf.get_fault.lock().unwrap() = None;
        let gets = scene.shelf.gets.load(Ordering::SeqCst);
        assert_eq!(scene.anew().await.databases[1].sequences, Some(4));
        assert_eq!(scene.shelf.gets.load(Ordering::SeqCst), gets + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_costs_one_listing_and_one_read_of_each_new_metadata_object_four_at_once() {
    let scene = Scene::new();
    for number in 0..40 {
        scene.put_database(&format!("db{number:02}")).await;
    }
    let many = (0..50).map(|_| scene.list());
    let many = futures::future::join_all(many).await;
    assert!(many.iter().all(|list| list.databases.len() == 40));
    let cost = || {
        let shelf = &scene.shelf;
        let lists = shelf.lists.load(Ordering::SeqCst);
        (lists, shelf.gets.load(Ordering::SeqCst))
    };
    assert_eq!(cost(), (1, 40));
    assert_eq!(scene.shelf.most_reading.load(Ordering::SeqCst), 4);
    scene.anew().await;
    assert_eq!(cost(), (2, 40));
    scene.put_database("new").await;
    let changed = metadata("db07", &files("db07")).replace("All of", "Half of");
    scene.put("db07/db07-nucl-metadata.json", changed).await;
    let list = scene.anew().await;
    assert_eq!((list.databases.len(), cost()), (41, (3, 42)));
    assert_eq!(list.databases[7].title, "Half of db07");
}

#[tokio::test(start_paused = true)]
async fn shards_count_where_every_one_is_there() {
    let scene = Scene::new();
    scene.put_volumes("nr", &["00", "01"]).await;
    for (all, there) in [(2, 0..2), (4, 0..3)] {
        for shard in there {
            let name = format!("nr_shard_{shard:02}");
            let path = format!("{all}shards/{name}/{name}");
            scene.put(&format!("{path}.manifest"), "nr.00\n").await;
            scene.put(&format!("{path}.pal"), "DBLIST").await;
        }
    }
    let list = scene.list().await;
    assert_eq!(list.databases.len(), 1);
    assert_eq!(list.databases[0].shards, [2]);
    assert!(list.ignored.is_empty());
}

#[tokio::test(start_paused = true)]
async fn folders_without_a_database_are_named_and_misnamed_files_too() {
    let scene = Scene::new();
    scene.put("metadata/list.json", "{}").await;
    scene.put("deep/er/genes.nsq", "x").await;
    scene.put("readme.txt", "x").await;
    scene.put("latest/nt.00.nsq", "x").await;
    let list = scene.list().await;
    assert_eq!(list.ignored, ["deep", "metadata"]);
    assert_eq!(list.databases.len(), 1);
    assert_eq!(
        reason(&list.databases[0]),
        "its files must be named after its folder, latest.…, unlike nt.00.nsq"
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_place_is_an_empty_list_without_a_problem() {
    let list = Scene::new().list().await;
    assert!(list.databases.is_empty() && list.as_of.is_some() && list.problem.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_listed_is_a_named_error_and_never_an_empty_list() {
    for (fault, why) in [
        (Fault::Denies, "the role \"Storage Blob Data Reader\""),
        (Fault::Answers(403), "the role \"Storage Blob Data Reader\""),
        (
            Fault::Answers(401),
            "does not accept who this server says it is",
        ),
        (Fault::Misses, "there is no az://account/container/blast-db"),
        (
            Fault::Answers(404),
            "there is no az://account/container/blast-db",
        ),
        (
            Fault::Answers(500),
            "cannot be read: Generic MicrosoftAzure error",
        ),
        (
            Fault::Hangs,
            "az://account/container/blast-db gave no answer within 10 s",
        ),
    ] {
        let scene = Scene::new();
        scene.put_database("genes").await;
        scene.shelf.list_faults.lock().unwrap().push_back(fault);
        let list = scene.list().await;
        let problem = list.problem.unwrap();
        assert!(problem.contains(why), "{problem}");
        assert_eq!((list.as_of, list.databases.len()), (None, 0));
        // For 5 s nobody asks again; then it is there.
        assert_eq!(scene.list().await.problem, Some(problem));
        assert_eq!(scene.shelf.lists.load(Ordering::SeqCst), 1);
        scene.clock.pass(Duration::from_secs(5));
        assert_eq!(scene.list().await.databases.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_listed_stays_with_its_time_while_the_store_is_away() {
    let scene = Scene::new();
    scene.put_database("genes").await;
    let first = scene.list().await;
    scene.clock.pass(Duration::from_secs(31));
    scene
        .shelf
        .list_faults
        .lock()
        .unwrap()
        .push_back(Fault::Answers(503));
    // At once, while it is asked.
    assert_eq!(scene.list().await, first);
    let mut problem = None;
    for _ in 0..10_000 {
        let list = scene.list().await;
        assert_eq!(
            (list.as_of, &list.databases),
            (first.as_of, &first.databases)
        );
        problem = problem.or(list.problem);
        tokio::task::yield_now().await;
    }
    let problem = problem.unwrap();
    assert!(problem.contains("cannot be read"), "{problem}");
    scene.clock.pass(Duration::from_secs(5));
    let list = scene.anew().await;
    assert_eq!((list.problem, list.as_of.unwrap().0), (None, 67_000));
}

#[tokio::test(start_paused = true)]
async fn a_reader_without_patience_is_told_and_the_next_one_gets_the_list() {
    let scene = Scene::new();
    scene.put_database("genes").await;
    *scene.shelf.get_fault.lock().unwrap() = Some(("genes", Fault::Hangs));
    let list = scene.databases.list(Duration::from_secs(2)).await;
    let problem = list.problem.unwrap();
    assert!(problem.contains("is being read"), "{problem}");
    assert_eq!(list.as_of, None);
    assert_eq!(scene.list().await.databases.len(), 1);
    assert_eq!(scene.shelf.lists.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_with_everything_still_gives_a_list_within_a_leaders_life() {
    let scene = Scene::new();
    for number in 0..100 {
        scene.put_database(&format!("db{number:02}")).await;
    }
    *scene.shelf.get_fault.lock().unwrap() = Some(("metadata", Fault::Hangs));
    let begun = tokio::time::Instant::now();
    // Each call waits on the stopped timer, which moves on.
    let mut calls = 0;
    while scene.list().await.as_of.is_none() {
        calls += 1;
        assert!(calls < 100);
    }
    assert!(begun.elapsed() <= LIST_TIME + DOCUMENTS_TIME + WAIT);
    let list = scene.list().await;
    assert_eq!(list.databases.len(), 100);
    assert!(list.databases[99].notes[0].contains("it was not its turn yet"));
}
