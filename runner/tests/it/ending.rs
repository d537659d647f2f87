//! What is told of settings that make no sense.

use std::process::Command;

use elb_core::cluster::Work;

use crate::support::{Pod, World};

#[test]
fn all_settings_that_are_missing_are_told_at_once() {
    let world = World::new();
    for (work, names) in [
        (
            "stage",
            &["ELB_DB_SOURCE", "ELB_DB_ROOT", "ELB_DB", "ELB_DB_VERSION"][..],
        ),
        (
            "run",
            &[
                "JOB_COMPLETION_INDEX",
                "ELB_QUERY",
                "ELB_BATCH_RESULTS",
                "ELB_WORK_DIR",
            ],
        ),
    ] {
        let mut command = world.bare();
        command.arg(work);
        let ended = Pod::start(command).end().expect(78);
        for name in names {
            let missing = format!("{name} is not set");
            assert!(ended.error().contains(&missing), "{}", ended.error());
            assert!(ended.stderr.contains(&missing), "{}", ended.stderr);
        }
    }
}

#[test]
fn arguments_that_do_not_exist_are_reported_too() {
    let world = World::new();
    let mut command = world.bare();
    command.args(["run", "--no-such-thing"]);
    let ended = Pod::start(command).end().expect(78);
    assert_eq!(ended.report().stage, Work::Run);
    assert!(
        ended.error().contains("--no-such-thing"),
        "{}",
        ended.error()
    );
}

#[test]
fn help_is_no_error_and_no_key_is_shown() {
    let world = World::new();
    let mut command = world.bare();
    let shown = command
        .args(["stage", "--help"])
        .env("ELB_AZURE_KEY", "c2VjcmV0");
    let shown = shown.output().unwrap();
    assert!(shown.status.success());
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(
        text.contains("ELB_DB_SOURCE") && !text.contains("c2VjcmV0"),
        "{text}"
    );
}

#[test]
fn a_report_that_cannot_be_written_changes_nothing_of_the_end() {
    let world = World::new();
    let mut command: Command = world.stager();
    command.env("ELB_REPORT", "/no/such/folder/report");
    let ended = Pod::start(command).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("the report cannot be written"),
        "{}",
        ended.stderr
    );
}
