//! A database brought to a node.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::MetadataExt,
};

use rustix::process::Signal;

use crate::support::{Pod, World, files, wait_until};

/// The copy has the source's files and a marker, and nothing is left of the attempt.
fn assert_whole(world: &World) {
    let mut copied = files(&world.copy());
    let marker = copied.remove(0);
    assert_eq!(marker.0, ".complete.json");
    assert!(copied == files(&world.source()), "the copy is another");
    assert_eq!(world.leftovers(), Vec::<String>::new());
}

#[test]
fn a_fresh_node_gets_the_database_and_it_can_be_searched() {
    let world = World::new();
    fs::write(world.source().join(".hidden"), "x").unwrap();
    fs::create_dir(world.source().join("deeper")).unwrap();
    fs::write(world.source().join("deeper/tiny.nin"), "x").unwrap();
    let ended = world.stage().expect(0);
    fs::remove_file(world.source().join(".hidden")).unwrap();
    fs::remove_dir_all(world.source().join("deeper")).unwrap();
    assert_whole(&world);
    let bytes: usize = files(&world.source())
        .iter()
        .map(|(_, content)| content.len())
        .sum();
    let report = ended.report();
    assert_eq!(report.bytes, bytes as u64);
    assert!(!report.already && report.max_rss_kb > 0 && report.sha256.is_none());
    let told = std::process::Command::new("blastdbcmd")
        .args(["-info", "-db"])
        .arg(world.copy().join("tiny"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("20 sequences; 12,000 total bases"), "{told}");
}

#[test]
fn a_node_that_has_it_does_nothing_and_says_so() {
    let world = World::new();
    world.stage().expect(0);
    let inode = fs::metadata(world.copy()).unwrap().ino();
    let ended = world.stage().expect(0);
    assert!(
        ended.stdout.contains("already on the node"),
        "{}",
        ended.stdout
    );
    assert!(ended.report().already);
    assert_eq!(fs::metadata(world.copy()).unwrap().ino(), inode);
    assert_whole(&world);
}

#[test]
fn of_pods_that_come_together_one_brings_it() {
    let world = World::new();
    let pods: Vec<Pod> = (0..4).map(|_| Pod::start(world.stager())).collect();
    let ended: Vec<_> = pods.into_iter().map(|pod| pod.end().expect(0)).collect();
    let already = ended.iter().filter(|ended| ended.report().already).count();
    assert_eq!(already, 3, "{ended:?}");
    assert_whole(&world);
}

/// The lock, held by this test as another pod would.
fn held_lock(world: &World) -> File {
    fs::create_dir_all(world.home()).unwrap();
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    let path = world.home().join(".v1.lock");
    let lock = options.open(&path).unwrap();
    fs::write(&path, "pod other-7 (process 12)\n").unwrap();
    lock.lock().unwrap();
    lock
}

#[test]
fn who_waits_says_for_whom_and_goes_on_when_that_has_ended() {
    let world = World::new();
    let lock = held_lock(&world);
    let mut pod = Pod::start(world.stager());
    pod.until_it_says("waiting for pod other-7 (process 12), which brings tiny v1");
    assert!(!world.copy().exists());
    drop(lock);
    pod.end().expect(0);
    assert_whole(&world);
}

#[test]
fn who_is_told_to_end_while_waiting_ends() {
    let world = World::new();
    let _lock = held_lock(&world);
    let mut pod = Pod::start(world.stager());
    pod.until_it_says("waiting for");
    pod.signal(Signal::TERM);
    let ended = pod.end().expect(143);
    assert!(ended.error().contains("signal 15"), "{}", ended.error());
}

#[test]
fn a_damaged_copy_is_noticed_and_the_next_attempt_repairs_it() {
    let world = World::new();
    world.stage().expect(0);
    let damaged = world.copy().join("tiny.nsq");
    let size = fs::metadata(&damaged).unwrap().len();
    OpenOptions::new()
        .write(true)
        .open(&damaged)
        .unwrap()
        .set_len(size / 2)
        .unwrap();
    let ended = world.stage().expect(76);
    assert!(ended.error().contains("tiny.nsq has"), "{}", ended.error());
    assert!(!world.copy().join(".complete.json").exists());
    let ended = world.stage().expect(0);
    assert!(!ended.report().already);
    assert_whole(&world);
}

#[test]
fn a_lost_file_is_noticed_too() {
    let world = World::new();
    world.stage().expect(0);
    fs::remove_file(world.copy().join("tiny.nhr")).unwrap();
    assert!(world.stage().expect(76).error().contains("tiny.nhr"));
    world.stage().expect(0);
    assert_whole(&world);
}

#[test]
fn another_content_under_the_same_version_is_brought_anew() {
    let world = World::new();
    world.stage().expect(0);
    world.make_database(30);
    let ended = world.stage().expect(0);
    assert!(!ended.report().already);
    assert!(
        ended.stdout.contains("not any more what"),
        "{}",
        ended.stdout
    );
    assert_whole(&world);
}

#[test]
fn what_dead_attempts_left_is_removed_and_what_others_are_at_is_not() {
    let world = World::new();
    let left = world.home().join(".v1.partial-dead");
    let others = world.home().join(".v2.partial-alive");
    for folder in [&left, &others] {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("tiny.nsq"), "half").unwrap();
    }
    // A folder without a marker is one that nobody finished.
    fs::create_dir_all(world.copy()).unwrap();
    fs::write(world.copy().join("tiny.nsq"), "half").unwrap();
    world.stage().expect(0);
    assert!(!left.exists() && others.exists());
    fs::remove_dir_all(others).unwrap();
    assert_whole(&world);
}

#[test]
fn a_source_without_the_database_is_a_wrong_setting() {
    let world = World::new();
    let mut command = world.stager();
    command.env("ELB_DB_SOURCE", "file:///no/such/folder");
    let ended = Pod::start(command).end().expect(78);
    assert!(
        ended
            .error()
            .contains("no files below file:///no/such/folder"),
        "{}",
        ended.error()
    );
    let mut command = world.stager();
    command.env("ELB_DB", "other");
    let ended = Pod::start(command).end().expect(78);
    assert!(
        ended.error().contains("no file other."),
        "{}",
        ended.error()
    );
}

#[test]
fn a_file_larger_than_a_part_is_whole() {
    let world = World::new();
    let large: Vec<u8> = (0_u64..3_000_001).flat_map(u64::to_le_bytes).collect();
    fs::write(world.source().join("tiny.extra"), large).unwrap();
    fs::write(world.source().join("tiny.none"), "").unwrap();
    world.stage().expect(0);
    assert_whole(&world);
}

#[test]
fn the_report_is_there_before_the_pod_is_gone() {
    let world = World::new();
    let command = world.stager();
    let report = command.get_envs().find(|(name, _)| *name == "ELB_REPORT");
    let report = report
        .and_then(|(_, path)| path.map(std::path::PathBuf::from))
        .unwrap();
    let pod = Pod::start(command);
    wait_until("the report", || {
        fs::read_to_string(&report).is_ok_and(|text| !text.is_empty())
    });
    pod.end().expect(0);
}
