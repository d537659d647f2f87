//! Databases: found in folders whatever else lies there, and made from uploads or not at all.

use std::{path::Path, sync::Arc, time::Duration};

use elb_core::{
    database::{BuildState, Database, Origin},
    molecule::Molecule,
    search::{Program, SearchSpec},
};
use elb_engine::{
    clock::SystemClock,
    databases::{Catalogue, CatalogueConfig, DatabaseError, UploadRequest},
    results::DescriptionsRequest,
    service::{Caller, Format, ServiceError},
    toolkit::Toolkit,
};
use tokio::io::AsyncWriteExt;

use super::support::{
    Engine, PATIENCE, PROTEINS, Settings, eventually, genes, make_database, records, search,
};

async fn catalogue(own: &Path, folders: &[&Path], examples: bool) -> Arc<Catalogue> {
    let config = CatalogueConfig {
        own: own.to_owned(),
        folders: folders.iter().map(|folder| (*folder).to_owned()).collect(),
        max_upload_bytes: 1_000_000,
        examples,
    };
    let toolkit = Toolkit::locate(None).await.unwrap();
    Catalogue::open(config, toolkit, Arc::new(SystemClock))
        .await
        .unwrap()
}

fn request(name: &str, title: &str) -> UploadRequest {
    UploadRequest {
        name: name.to_owned(),
        title: title.to_owned(),
        molecule: Molecule::Nucleotide,
    }
}

/// Waits until no build is under way any more, and gives the failures.
async fn all_built(catalogue: &Catalogue) -> Vec<String> {
    let mut changes = catalogue.watch();
    let waiting = async {
        loop {
            let builds = catalogue.builds();
            let failures: Vec<String> = builds
                .iter()
                .filter_map(|build| match &build.state {
                    BuildState::Failed { message } => Some(message.clone()),
                    _ => None,
                })
                .collect();
            if failures.len() == builds.len() {
                return failures;
            }
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap()
}

fn found(catalogue: &Catalogue, name: &str) -> Database {
    let names: Vec<String> = catalogue.list().into_iter().map(|each| each.name).collect();
    catalogue
        .get(name)
        .unwrap_or_else(|| panic!("{name} is not among {names:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_alias_is_listed_with_its_problem_and_hides_no_other_database() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("with a blank");
    std::fs::create_dir_all(theirs.join("deeper")).unwrap();
    make_database(
        &theirs,
        "old",
        "nucl",
        &genes(0, 5),
        &["-blastdb_version", "4"],
    );
    make_database(&theirs.join("deeper"), "new", "nucl", &genes(0, 6), &[]);
    make_database(&theirs, "other", "nucl", &genes(6, 4), &[]);
    make_database(&theirs, "proteins", "prot", &records(PROTEINS, 0, 7), &[]);
    std::fs::write(
        theirs.join("both.nal"),
        "TITLE Two in one\nDBLIST other deeper/new\n",
    )
    .unwrap();
    std::fs::write(theirs.join("broken.nal"), "TITLE Broken\nDBLIST nothere\n").unwrap();
    let own = folder.path().join("own");
    let catalogue = catalogue(&own, &[&theirs, &theirs.join("deeper")], false).await;
    assert_eq!(
        catalogue.list().len(),
        6,
        "one is listed twice or not at all"
    );
    for (name, sequences, molecule) in [
        ("old", 5, Molecule::Nucleotide),
        ("deeper/new", 6, Molecule::Nucleotide),
        ("proteins", 7, Molecule::Protein),
        ("both", 10, Molecule::Nucleotide),
    ] {
        let database = found(&catalogue, name);
        assert_eq!(
            (database.sequences, database.molecule),
            (sequences, molecule),
            "{name}"
        );
        assert_eq!(database.problem, None, "{name}");
        assert!(
            database.letters > 0 && !database.updated.is_empty(),
            "{name}"
        );
    }
    assert_eq!(found(&catalogue, "both").title, "Two in one");
    let problem = found(&catalogue, "broken").problem.unwrap();
    assert!(problem.contains("nothere"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_has_another_version_when_what_it_stands_for_changes() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("theirs");
    std::fs::create_dir_all(&theirs).unwrap();
    make_database(&theirs, "part", "nucl", &genes(0, 5), &[]);
    std::fs::write(theirs.join("all.nal"), "TITLE All\nDBLIST \"part\"\n").unwrap();
    let catalogue = catalogue(&folder.path().join("own"), &[&theirs], false).await;
    let before = catalogue.version_now("all").unwrap();
    assert_eq!(before, found(&catalogue, "all").version);
    make_database(&theirs, "part", "nucl", &genes(0, 6), &[]);
    assert_ne!(catalogue.version_now("all").unwrap(), before);
    catalogue.refresh().await;
    assert_eq!(
        found(&catalogue, "all").version,
        catalogue.version_now("all").unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_sender_goes_away_is_a_failed_build_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = catalogue(folder.path(), &[], false).await;
    let (mut sender, receiver) = tokio::io::duplex(64);
    let upload = {
        let catalogue = Arc::clone(&catalogue);
        tokio::spawn(async move { catalogue.upload(request("mine", "Mine"), receiver).await })
    };
    sender.write_all(&[b'A'; 200]).await.unwrap();
    assert!(matches!(
        catalogue.builds()[0].state,
        BuildState::Receiving { .. }
    ));
    // As a web server does with the handler of a connection that is closed.
    upload.abort();
    let failures = all_built(&catalogue).await;
    assert!(failures[0].contains("did not arrive whole"), "{failures:?}");
    let drafts = || {
        let entries = std::fs::read_dir(folder.path()).unwrap().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with('.'))
            .count()
    };
    eventually("the draft is removed", || drafts() == 0).await;
    catalogue
        .upload(request("mine", "Mine"), genes(0, 3).as_bytes())
        .await
        .unwrap();
    assert_eq!(all_built(&catalogue).await, Vec::<String>::new());
    assert_eq!(found(&catalogue, "mine").sequences, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_uploads_of_one_name_at_once_the_second_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = catalogue(folder.path(), &[], false).await;
    let (sender, receiver) = tokio::io::duplex(64);
    let first = catalogue.upload(request("mine", "First"), receiver);
    let second = async {
        // The first is under way: it waits for what its sender has not sent yet.
        let text = genes(0, 2);
        let refused = catalogue
            .upload(request("mine", "Second"), text.as_bytes())
            .await;
        let mut sender = sender;
        sender.write_all(genes(0, 4).as_bytes()).await.unwrap();
        drop(sender);
        refused
    };
    let (first, second) = tokio::join!(first, second);
    first.unwrap();
    assert!(
        matches!(second, Err(DatabaseError::Refused(_))),
        "{second:?}"
    );
    assert_eq!(all_built(&catalogue).await, Vec::<String>::new());
    assert_eq!(found(&catalogue, "mine").title, "First");
}

#[tokio::test(flavor = "multi_thread")]
async fn titles_of_any_form_are_kept_and_the_folder_may_have_blanks() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("data of mine");
    let catalogue = catalogue(&own, &[], false).await;
    let titles = [
        "-in /etc/passwd",
        "--help",
        "\"quoted\" it's $HOME",
        "Größe 漢字",
    ];
    for (number, title) in titles.iter().enumerate() {
        let name = format!("Db-{number}.x");
        catalogue
            .upload(request(&name, title), genes(0, 2).as_bytes())
            .await
            .unwrap();
    }
    assert_eq!(all_built(&catalogue).await, Vec::<String>::new());
    for (number, title) in titles.iter().enumerate() {
        let database = found(&catalogue, &format!("Db-{number}.x"));
        assert_eq!((database.title.as_str(), database.sequences), (*title, 2));
        assert!(matches!(database.origin, Origin::Uploaded { .. }));
    }
    let source = own.join("uploaded/Db-0.x/source.fasta");
    assert!(!source.exists(), "the FASTA stays beside its database");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_no_database_even_if_others_folder_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    let draft = own.join(".draft-1");
    let catalogue = catalogue(&own, &[folder.path()], false).await;
    std::fs::create_dir_all(&draft).unwrap();
    make_database(&draft, "half", "nucl", &genes(0, 2), &[]);
    catalogue.refresh().await;
    assert!(catalogue.list().is_empty(), "{:?}", catalogue.list());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_are_made_of_the_packages_and_their_hits_have_readable_names() {
    let folder = tempfile::tempdir().unwrap();
    let made = catalogue(&folder.path().join("databases"), &[], true).await;
    made.keep_up();
    let mut changes = made.watch();
    let both = async {
        while made.list().len() < 2 {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert_eq!(all_built(&made).await, Vec::<String>::new());
    let (rrna, proteins) = (found(&made, "16S_rRNA"), found(&made, "uniprot_sample"));
    assert_eq!((rrna.sequences, proteins.sequences), (5_181, 20_000));
    assert_eq!(rrna.title, "16S ribosomal RNA genes, gold reference set");
    for (database, package) in [
        (&rrna, "microbiomeutil-data"),
        (&proteins, "mmseqs2-examples"),
    ] {
        assert!(
            matches!(&database.origin, Origin::Example { package: from, .. } if from == package)
        );
    }
    let engine = Engine::start(folder.path()).await;
    let spec = SearchSpec {
        database: "uniprot_sample".to_owned(),
        ..search(Program::Blastp)
    };
    let id = engine
        .submit(spec, &records(PROTEINS, 0, 1))
        .await
        .unwrap()
        .stored
        .job
        .id;
    engine.complete(&id).await;
    let request = DescriptionsRequest {
        limit: 1,
        ..DescriptionsRequest::default()
    };
    let page = engine
        .service
        .hits(&Caller::local(), &id, move |index| {
            index.descriptions(0, &request)
        })
        .await
        .unwrap();
    let best = &page.subjects[0];
    assert!(best.accession.starts_with("W0FSK4"), "{best:?}");
    assert!(best.title.contains("Genome polyprotein"), "{best:?}");
}

/// A search of a database that is not shared with other tests.
async fn searched(folder: &Path) -> (Engine, std::path::PathBuf, String) {
    let theirs = folder.join("theirs");
    std::fs::create_dir_all(&theirs).unwrap();
    make_database(&theirs, "mine", "nucl", &genes(0, 20), &[]);
    let engine = Engine::start_with(
        folder,
        Settings {
            folders: vec![theirs.clone()],
            ..Settings::default()
        },
    )
    .await;
    let spec = SearchSpec {
        database: "mine".to_owned(),
        ..search(Program::Blastn)
    };
    let id = engine
        .submit(spec, &genes(0, 2))
        .await
        .unwrap()
        .stored
        .job
        .id;
    engine.complete(&id).await;
    (engine, theirs, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_says_that_its_database_has_changed_or_gone_and_keeps_its_hits() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, theirs, id) = searched(folder.path()).await;
    let me = Caller::local();
    assert_eq!(engine.service.database_note(&engine.job(&id)), None);
    make_database(&theirs, "mine", "nucl", &genes(0, 21), &[]);
    let note = engine.service.database_note(&engine.job(&id)).unwrap();
    assert!(note.contains("has changed"), "{note}");
    for entry in std::fs::read_dir(&theirs).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let note = engine.service.database_note(&engine.job(&id)).unwrap();
    assert!(note.contains("no longer there"), "{note}");
    engine.service.catalogue().refresh().await;
    let note = engine.service.database_note(&engine.job(&id)).unwrap();
    assert!(note.contains("no longer there"), "{note}");
    let refused = engine.service.download(&me, &id, Format::Tabular).await;
    assert!(matches!(refused, Err(ServiceError::NoResults(_))));
    assert!(engine.download(&id, Format::Archive).await.len() > 1_000);
    let hits = engine
        .service
        .hits(&me, &id, |index| index.totals())
        .await
        .unwrap();
    assert!(hits.hits > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folders_are_looked_at_again_while_the_catalogue_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("theirs");
    std::fs::create_dir_all(&theirs).unwrap();
    let catalogue = catalogue(&folder.path().join("own"), &[&theirs], false).await;
    catalogue.keep_up();
    let mut changes = catalogue.watch();
    make_database(&theirs, "late", "nucl", &genes(0, 2), &[]);
    let seen = async {
        while catalogue
            .get("late")
            .is_none_or(|each| each.problem.is_some())
        {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE.max(Duration::from_secs(30)), seen)
        .await
        .unwrap();
}
