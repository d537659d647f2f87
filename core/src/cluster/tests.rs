//! Searches as they were and as they could be seen, and the state that each must have.

use super::*;
use crate::{error_code::ErrorCode, phase::Phase, time::Timestamp};

const BEGIN: Timestamp = Timestamp(1_000_000);

fn condition(kind: &str, reason: &str, message: &str) -> ConditionSeen {
    ConditionSeen {
        kind: kind.to_owned(),
        holds: true,
        reason: reason.to_owned(),
        message: message.to_owned(),
        since: Some(BEGIN),
    }
}

fn job(name: &str, role: Role) -> JobSeen {
    JobSeen {
        name: name.to_owned(),
        role,
        created_at: BEGIN,
        suspended: false,
        completions: None,
        completed: Indexes::default(),
        failed: Indexes::default(),
        active: 0,
        conditions: Vec::new(),
        held_up: None,
    }
}

fn indexed(total: u32, completed: &str, failed: &str) -> JobSeen {
    JobSeen {
        completions: Some(total),
        completed: Indexes::parse(completed).unwrap(),
        failed: Indexes::parse(failed).unwrap(),
        ..job("blastn-batch-nt-job-1", Role::Blast)
    }
}

/// As a server since 1.31 writes it: what is to come stands before what is.
fn done(job: JobSeen) -> JobSeen {
    JobSeen {
        conditions: vec![
            condition("SuccessCriteriaMet", "CompletionsReached", ""),
            condition("Complete", "CompletionsReached", ""),
        ],
        ..job
    }
}

fn given_up(job: JobSeen, reason: &str, message: &str) -> JobSeen {
    JobSeen {
        conditions: vec![
            condition("FailureTarget", reason, message),
            condition("Failed", reason, message),
        ],
        ..job
    }
}

fn container(name: &str, init: bool, state: ContainerState) -> ContainerSeen {
    ContainerSeen {
        name: name.to_owned(),
        init,
        state,
        restarts: 0,
        last_end: None,
    }
}

fn waiting(reason: &str, message: &str) -> ContainerState {
    ContainerState::Waiting {
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

const RUNNING: ContainerState = ContainerState::Running { since: Some(BEGIN) };

fn ended(exit_code: i32, reason: &str, message: &str) -> ContainerState {
    ContainerState::Ended(EndSeen {
        exit_code,
        reason: reason.to_owned(),
        message: message.to_owned(),
        ..EndSeen::default()
    })
}

fn pod(phase: PodPhase, containers: Vec<ContainerSeen>) -> PodSeen {
    PodSeen {
        name: "blastn-batch-nt-job-1-0-abcde".to_owned(),
        job: "blastn-batch-nt-job-1".to_owned(),
        index: Some(0),
        created_at: BEGIN,
        node: Some("node-1".to_owned()),
        phase,
        deleting: false,
        reason: String::new(),
        message: String::new(),
        unschedulable: None,
        disrupted: None,
        containers,
    }
}

fn searching() -> PodSeen {
    let staged = container("stage-db", true, ended(0, "Completed", ""));
    let blast = container(BLAST_CONTAINER, false, RUNNING);
    pod(PodPhase::Running, vec![staged, blast])
}

struct Scene {
    jobs: Vec<JobSeen>,
    pods: Vec<PodSeen>,
    results: ResultsSeen,
    blast_jobs: Option<usize>,
    after_ms: i64,
    scaling: bool,
    ours: bool,
}

impl Scene {
    fn of(jobs: Vec<JobSeen>, pods: Vec<PodSeen>) -> Self {
        Self {
            jobs,
            pods,
            results: ResultsSeen::default(),
            blast_jobs: None,
            after_ms: 1_000,
            scaling: false,
            ours: true,
        }
    }

    fn with_results(mut self, batches: u32) -> Self {
        self.results.batches = Some(batches);
        self
    }

    fn after_s(mut self, seconds: i64) -> Self {
        self.after_ms = seconds * 1_000;
        self
    }

    fn verdict(&self) -> Verdict {
        verdict(&RunSeen {
            jobs: &self.jobs,
            pods: &self.pods,
            results: &self.results,
            blast_jobs: self.blast_jobs,
            since: BEGIN,
            now: BEGIN.plus_ms(self.after_ms),
            scaling: self.scaling,
            ours: self.ours,
        })
    }

    #[track_caller]
    fn failure(&self) -> Failure {
        match self.verdict() {
            Verdict::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn lists_of_batches_are_read_as_the_controller_writes_them() {
    let read = Indexes::parse("1,3-5,7").unwrap();
    assert_eq!(read.count(), 5);
    assert!(read.contains(4) && !read.contains(6) && !read.contains(0));
    assert_eq!(Indexes::parse("").unwrap().count(), 0);
    for wrong in ["5-3", "1,1", "3,2", "a", "1-", "-1", "1-3,3"] {
        assert_eq!(Indexes::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_search_goes_from_unseen_to_completed() {
    let batches = |done| Batches {
        done,
        failed: 0,
        total: 3,
    };
    let held = JobSeen {
        suspended: true,
        ..indexed(3, "", "")
    };
    let staging = pod(
        PodPhase::Pending,
        vec![
            container("stage-db", true, RUNNING),
            container(BLAST_CONTAINER, false, waiting("PodInitializing", "")),
        ],
    );
    let pending = pod(PodPhase::Pending, Vec::new());
    let steps = [
        (Scene::of(vec![], vec![]), Verdict::Unseen),
        (Scene::of(vec![held], vec![]), Verdict::Suspended),
        (
            Scene::of(vec![indexed(3, "", "")], vec![]),
            Verdict::Accepted,
        ),
        (
            Scene::of(vec![indexed(3, "", "")], vec![pending]),
            Verdict::Accepted,
        ),
        (
            Scene::of(vec![indexed(3, "", "")], vec![staging]),
            Verdict::Staging,
        ),
        (
            Scene::of(vec![indexed(3, "1", "")], vec![searching()]),
            Verdict::Searching(batches(1)),
        ),
        // Between two waves of batches nothing is active.
        (
            Scene::of(vec![indexed(3, "0-1", "")], vec![]),
            Verdict::Searching(batches(2)),
        ),
        (
            Scene::of(vec![done(indexed(3, "0-2", ""))], vec![]),
            Verdict::ResultsPending(batches(3)),
        ),
        (
            Scene::of(vec![done(indexed(3, "0-2", ""))], vec![]).with_results(2),
            Verdict::ResultsPending(batches(3)),
        ),
        (
            Scene::of(vec![done(indexed(3, "0-2", ""))], vec![]).with_results(3),
            Verdict::Completed(batches(3)),
        ),
    ];
    for (scene, expected) in steps {
        assert_eq!(scene.verdict(), expected);
    }
}

#[test]
fn every_state_has_the_phase_that_it_is_shown_as() {
    let phases = [
        (Verdict::Unseen, Phase::Submitting),
        (Verdict::Suspended, Phase::Queued),
        (Verdict::Accepted, Phase::Submitted),
        (Verdict::Staging, Phase::StagingDb),
        (Verdict::Searching(Batches::default()), Phase::Running),
        (
            Verdict::ResultsPending(Batches::default()),
            Phase::ResultsPending,
        ),
        (Verdict::Completed(Batches::default()), Phase::Completed),
        (Verdict::Lost, Phase::WorkerLost),
    ];
    for (verdict, phase) in phases {
        assert_eq!(verdict.phase(), phase);
    }
}

#[test]
fn what_is_about_to_end_has_not_ended_and_the_order_of_conditions_says_nothing() {
    let about_to = JobSeen {
        conditions: vec![condition("SuccessCriteriaMet", "CompletionsReached", "")],
        ..indexed(1, "0", "")
    };
    let scene = Scene::of(vec![about_to], vec![searching()]).with_results(1);
    assert!(matches!(scene.verdict(), Verdict::Searching(_)));
    let about_to_fail = JobSeen {
        conditions: vec![condition("FailureTarget", "BackoffLimitExceeded", "")],
        ..indexed(1, "", "")
    };
    let scene = Scene::of(vec![about_to_fail], vec![searching()]);
    assert!(matches!(scene.verdict(), Verdict::Searching(_)));
    // An older server writes one condition, and one may have ceased to hold.
    let mut old = done(indexed(1, "0", ""));
    old.conditions.remove(0);
    assert!(matches!(
        Scene::of(vec![old.clone()], vec![])
            .with_results(1)
            .verdict(),
        Verdict::Completed(_)
    ));
    old.conditions[0].holds = false;
    assert!(matches!(
        Scene::of(vec![old], vec![]).with_results(1).verdict(),
        Verdict::Searching(_)
    ));
}

#[test]
fn a_pod_that_failed_is_no_failure_while_its_job_goes_on() {
    let evicted = PodSeen {
        reason: "Evicted".to_owned(),
        message: "The node was low on resource: memory.".to_owned(),
        ..pod(PodPhase::Failed, vec![])
    };
    let again = Scene::of(vec![indexed(2, "", "")], vec![evicted, searching()]);
    assert!(matches!(again.verdict(), Verdict::Searching(_)));
    let crashed = pod(
        PodPhase::Failed,
        vec![container(BLAST_CONTAINER, false, ended(139, "Error", ""))],
    );
    let between = Scene::of(vec![indexed(2, "", "")], vec![crashed]);
    assert_eq!(between.verdict(), Verdict::Accepted);
}

#[test]
fn a_job_that_was_given_up_says_why() {
    let failed_with = |state: ContainerState| {
        let failed = pod(
            PodPhase::Failed,
            vec![container(BLAST_CONTAINER, false, state)],
        );
        let job = given_up(
            indexed(4, "0-1", "2"),
            "FailedIndexes",
            "Job has failed indexes",
        );
        Scene::of(vec![job], vec![failed]).failure()
    };
    let cases = [
        (
            ended(137, "OOMKilled", ""),
            ErrorCode::OutOfMemory,
            "more memory than",
        ),
        (
            ended(1, "Error", "Error: bad value"),
            ErrorCode::OptionRejected,
            "Error: bad value",
        ),
        (
            ended(2, "Error", ""),
            ErrorCode::DatabaseUnreadable,
            "exit code 2",
        ),
        (
            ended(75, "Error", ""),
            ErrorCode::TemporarilyUnavailable,
            "transfer",
        ),
        (
            ended(76, "Error", ""),
            ErrorCode::DatabaseUnreadable,
            "copy of the database",
        ),
        (
            ended(78, "Error", ""),
            ErrorCode::Internal,
            "not given what it needs",
        ),
        (
            ended(139, "Error", ""),
            ErrorCode::DatabaseUnreadable,
            "signal 11",
        ),
        (ended(255, "Error", ""), ErrorCode::BlastFailed, "255"),
    ];
    for (state, code, words) in cases {
        let failure = failed_with(state);
        assert_eq!(failure.code, code, "{failure:?}");
        assert!(failure.message.contains(words), "{failure:?}");
        assert!(failure.message.contains("node-1"), "{failure:?}");
        assert!(
            failure.message.contains("2 of 4 batches are done"),
            "{failure:?}"
        );
        assert!(failure.partial);
    }
}

#[test]
fn a_job_given_up_without_any_pod_left_still_says_what_it_knows() {
    let late = given_up(
        indexed(2, "", ""),
        "DeadlineExceeded",
        "Job was active longer than specified deadline",
    );
    let failure = Scene::of(vec![late], vec![searching()]).failure();
    assert_eq!(failure.code, ErrorCode::TimeLimit);
    assert!(
        failure.message.contains("longer than specified"),
        "{failure:?}"
    );
    assert!(!failure.partial);
    let bare = given_up(indexed(1, "", ""), "BackoffLimitExceeded", "");
    let failure = Scene::of(vec![bare], vec![]).failure();
    assert_eq!(failure.code, ErrorCode::BlastFailed);
    assert!(
        failure.message.contains("(BackoffLimitExceeded)"),
        "{failure:?}"
    );
}

#[test]
fn the_search_s_own_error_counts_before_a_node_that_was_taken_away() {
    let taken = PodSeen {
        disrupted: Some("DeletionByTaintManager".to_owned()),
        ..pod(
            PodPhase::Failed,
            vec![container(BLAST_CONTAINER, false, ended(143, "Error", ""))],
        )
    };
    let own = pod(
        PodPhase::Failed,
        vec![container(BLAST_CONTAINER, false, ended(4, "Error", ""))],
    );
    let job = given_up(indexed(2, "", "0"), "FailedIndexes", "");
    let both = Scene::of(vec![job.clone()], vec![taken.clone(), own]).failure();
    assert_eq!(both.code, ErrorCode::OutOfMemory);
    let chance = Scene::of(vec![job], vec![taken]).failure();
    assert_eq!(chance.code, ErrorCode::TemporarilyUnavailable);
    assert!(
        chance.message.contains("DeletionByTaintManager"),
        "{chance:?}"
    );
}

#[test]
fn a_pod_that_is_not_started_waits_with_its_reason_and_not_for_ever() {
    let told = |reason: &str, message: &str| {
        let blast = container(BLAST_CONTAINER, false, waiting(reason, message));
        Scene::of(
            vec![indexed(1, "", "")],
            vec![pod(PodPhase::Pending, vec![blast])],
        )
    };
    let pull = |reason: &str| told(reason, "Back-off pulling image \"x\"");
    for reason in [
        "ErrImagePull",
        "ImagePullBackOff",
        "CreateContainerConfigError",
        "CrashLoopBackOff",
    ] {
        let Verdict::HeldUp { reason: told, .. } = pull(reason).verdict() else {
            panic!("{reason}");
        };
        assert!(
            told.contains(reason) && told.contains("pulling image"),
            "{told}"
        );
        let failure = pull(reason).after_s(900).failure();
        assert_eq!(failure.code, ErrorCode::BlastMissing);
    }
    // What every pod says on its way is nothing to tell, but what an event adds to it is.
    let on_its_way = told("ContainerCreating", "");
    assert_eq!(on_its_way.verdict().phase(), Phase::Submitted);
    let no_volume = told(
        "ContainerCreating",
        "the volume blast-dbs cannot be mounted",
    );
    assert_eq!(no_volume.verdict().phase(), Phase::WaitingForCapacity);
    let starting = container(BLAST_CONTAINER, false, waiting("PodInitializing", ""));
    let scene = Scene::of(
        vec![indexed(1, "", "")],
        vec![pod(PodPhase::Pending, vec![starting])],
    );
    assert_eq!(scene.after_s(100_000).verdict(), Verdict::Accepted);
}

#[test]
fn a_pod_that_no_node_takes_waits_longer_and_without_end_while_machines_are_added() {
    let unschedulable = PodSeen {
        node: None,
        unschedulable: Some("0/3 nodes are available: 3 Insufficient memory.".to_owned()),
        ..pod(PodPhase::Pending, vec![])
    };
    let mut scene = Scene::of(vec![indexed(1, "", "")], vec![unschedulable]).after_s(1_799);
    let Verdict::HeldUp { reason, since } = scene.verdict() else {
        panic!("{:?}", scene.verdict());
    };
    assert!(reason.contains("3 Insufficient memory"), "{reason}");
    assert_eq!(since, BEGIN);
    scene = scene.after_s(1_800);
    assert_eq!(scene.failure().code, ErrorCode::WaitedTooLong);
    scene.scaling = true;
    assert!(matches!(scene.verdict(), Verdict::HeldUp { .. }));
    // One of others is theirs to end.
    (scene.scaling, scene.ours) = (false, false);
    assert!(matches!(scene.verdict(), Verdict::HeldUp { .. }));
}

#[test]
fn a_quota_that_lets_no_pod_be_created_is_told() {
    let refused = JobSeen {
        held_up: Some("pods \"x\" is forbidden: exceeded quota: small".to_owned()),
        ..indexed(1, "", "")
    };
    let scene = Scene::of(vec![refused], vec![]);
    let Verdict::HeldUp { reason, .. } = scene.verdict() else {
        panic!("{:?}", scene.verdict());
    };
    assert!(reason.contains("exceeded quota"), "{reason}");
    assert_eq!(
        scene.after_s(1_800).failure().code,
        ErrorCode::WaitedTooLong
    );
}

#[test]
fn a_pod_at_work_counts_more_than_one_that_is_held_up() {
    let unschedulable = PodSeen {
        unschedulable: Some("0/1 nodes are available".to_owned()),
        ..pod(PodPhase::Pending, vec![])
    };
    let scene = Scene::of(vec![indexed(9, "", "")], vec![unschedulable, searching()]);
    assert!(matches!(
        scene.after_s(100_000).verdict(),
        Verdict::Searching(_)
    ));
}

#[test]
fn jobs_of_the_command_line_are_all_done_only_when_no_more_are_created() {
    let blast = |name: &str| done(job(name, Role::Blast));
    let submitting = job("submit-jobs-1", Role::Submit);
    let jobs = vec![blast("a"), blast("b"), submitting.clone()];
    let scene = Scene::of(jobs, vec![]).with_results(2);
    assert!(
        matches!(scene.verdict(), Verdict::Searching(_)),
        "{:?}",
        scene.verdict()
    );
    let jobs = vec![blast("a"), blast("b"), done(submitting)];
    let scene = Scene::of(jobs, vec![]).with_results(2);
    assert!(matches!(scene.verdict(), Verdict::Completed(_)));
    let mut expecting = Scene::of(vec![blast("a"), blast("b")], vec![]).with_results(2);
    expecting.blast_jobs = Some(3);
    assert!(matches!(expecting.verdict(), Verdict::Searching(_)));
}

#[test]
fn a_staging_or_submitting_job_that_was_given_up_ends_the_search() {
    let staging = given_up(
        job("init-ssd-1-0", Role::Setup),
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    );
    let mut denied = pod(
        PodPhase::Failed,
        vec![container(
            "get-blastdb",
            false,
            ended(1, "Error", "403 This request is not authorized"),
        )],
    );
    denied.job = "init-ssd-1-0".to_owned();
    let failure = Scene::of(vec![staging], vec![denied]).failure();
    assert!(failure.message.contains("403"), "{failure:?}");
    assert!(failure.message.contains("init-ssd-1-0"), "{failure:?}");
}

#[test]
fn marks_tell_the_end_of_what_is_gone_from_the_cluster() {
    let mut gone = Scene::of(vec![], vec![]).after_s(7_200);
    assert_eq!(gone.verdict(), Verdict::Lost);
    gone.results.failure = Some("  Error: no space left on device\n".to_owned());
    assert_eq!(gone.failure().message, "Error: no space left on device");
    gone.results.success = true;
    assert!(matches!(gone.verdict(), Verdict::Completed(_)));
    // A mark of failure while something is at work is of an earlier try.
    let mut at_work = Scene::of(vec![indexed(2, "", "")], vec![searching()]);
    at_work.results.failure = Some("old".to_owned());
    assert!(matches!(at_work.verdict(), Verdict::Searching(_)));
}
