//! A database removed from a node.

use std::fs::{self, File};

use elb_core::cluster::Work;

use crate::support::{BLASTN, Pod, World};

/// The lock that a search shares, held by this test as one would.
fn searched(world: &World, version: &str) -> File {
    let file = File::open(world.home().join(format!(".{version}.use"))).unwrap();
    file.try_lock_shared().unwrap();
    file
}

#[test]
fn all_versions_of_a_database_go_and_others_stay() {
    let world = World::new();
    let bytes = world.stage().expect(0).report().bytes;
    let other = world.path("node/other/v1");
    fs::create_dir_all(&other).unwrap();
    fs::create_dir(world.home().join(".v1.partial-left")).unwrap();
    let ended = Pod::start(world.remover()).end().expect(0);
    let report = ended.report();
    assert_eq!((report.stage, report.bytes), (Work::Release, bytes));
    assert!(!report.already);
    assert!(!world.copy().exists() && other.exists());
    assert_eq!(world.leftovers(), Vec::<String>::new());
    let again = Pod::start(world.remover()).end().expect(0);
    assert!(again.report().already);
    // What is brought again is whole, and can be searched.
    assert!(!world.stage().expect(0).report().already);
    world.put_query(0);
    world.search(0, &BLASTN).expect(0);
}

#[test]
fn a_database_that_was_never_there_is_no_error() {
    let world = World::new();
    let ended = Pod::start(world.remover()).end().expect(0);
    assert!(ended.report().already, "{ended:?}");
}

#[test]
fn what_is_searched_stays_and_that_is_told() {
    let world = World::new();
    world.stage().expect(0);
    let search = searched(&world, "v1");
    let refused = Pod::start(world.remover()).end().expect(75);
    assert!(refused.error().contains("is being searched"), "{refused:?}");
    let mut patient = world.remover();
    patient.env("ELB_RETRY_FOR", "600");
    let mut patient = Pod::start(patient);
    patient.until_it_says("waiting for the searches");
    assert!(world.copy().join(".complete.json").exists());
    drop(search);
    patient.end().expect(0);
    assert!(!world.copy().exists());
}

#[test]
fn a_search_whose_copy_was_removed_is_tried_again() {
    let world = World::new();
    world.stage().expect(0);
    Pod::start(world.remover()).end().expect(0);
    world.put_query(0);
    let ended = world.search(0, &BLASTN).expect(76);
    assert!(ended.error().contains("no complete copy"), "{ended:?}");
}

#[test]
fn a_newer_version_takes_the_place_of_older_ones_that_nobody_searches() {
    let world = World::new();
    world.stage().expect(0);
    let newer = |version: &str| {
        let mut pod = world.stager();
        pod.env("ELB_DB_VERSION", version);
        Pod::start(pod).end().expect(0)
    };
    let search = searched(&world, "v1");
    let ended = newer("v2");
    assert!(
        ended.stdout.contains("tiny v1 stays: it is in use"),
        "{ended:?}"
    );
    assert!(world.copy().join(".complete.json").exists());
    drop(search);
    let ended = newer("v3");
    for gone in ["v1", "v2"] {
        assert!(!world.home().join(gone).exists(), "{ended:?}");
    }
    assert!(world.home().join("v3/.complete.json").exists());
}
