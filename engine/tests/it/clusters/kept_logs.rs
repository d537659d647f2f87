//! Logs of containers that are kept when these have ended, and followed beyond the end of their pods.

use std::{path::Path, sync::Arc, time::Duration};

use elb_core::{
    cluster::{LogOf, PodLogState, PodLogView, run_of},
    search::Program,
};
use elb_engine::{
    clusters::Clusters,
    lease::LeaseTerms,
    lifecycle::pod_logs::MOST,
    retention::Retention,
    service::{Caller, PodLogPage, ServiceError},
};
use elb_testkit::kube_api::{
    Fault, Kind, KubeApi, Route,
    objects::{NAMESPACE, with_condition},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    super::support::{Engine, PATIENCE, Settings, ShiftedClock, genes, search, text_of},
    logs::{at_work, ended, name_of, with_blast},
    seen::{PACE, RUN, Seen, job, pod},
};

/// A stand-in with a search whose pod is at work.
async fn at_work_on() -> Seen {
    let api = KubeApi::start().await;
    api.put(Kind::Job, job(RUN));
    api.put(Kind::Pod, with_blast(pod(RUN), "Running", at_work(), 0));
    let seen = Seen::of(api, PACE);
    seen.until_live().await;
    seen
}

fn settings(seen: &Seen) -> Settings {
    Settings {
        clusters: Some(Arc::clone(&seen.snapshot) as Arc<dyn Clusters>),
        ..Settings::default()
    }
}

/// An engine that sees the stand-in, once the search has a row.
async fn engine(folder: &Path, seen: &Seen) -> Engine {
    engine_with(folder, settings(seen)).await
}

async fn engine_with(folder: &Path, settings: Settings) -> Engine {
    let engine = Engine::start_with(folder, settings).await;
    let mut changes = engine.service.subscribe();
    while engine.service.detail(&Caller::local(), RUN).is_err() {
        changes.recv().await.ok();
    }
    engine
}

fn pod_name() -> String {
    name_of(&pod(RUN)).to_owned()
}

fn blast(restart: u32) -> LogOf {
    LogOf::new(&pod_name(), "blast", restart).unwrap()
}

async fn listed(engine: &Engine) -> Vec<PodLogView> {
    let me = Caller::local();
    engine.service.pod_logs(&me, RUN).await.unwrap()
}

/// Waits until the list of logs is so.
async fn until(engine: &Engine, so: impl Fn(&[PodLogView]) -> bool) -> Vec<PodLogView> {
    let waiting = async {
        loop {
            let logs = listed(engine).await;
            if so(&logs) {
                return logs;
            }
            tokio::task::yield_now().await;
        }
    };
    match timeout(PATIENCE, waiting).await {
        Ok(logs) => logs,
        Err(_) => panic!("the logs stay so: {:#?}", listed(engine).await),
    }
}

async fn until_kept(engine: &Engine, count: usize) -> Vec<PodLogView> {
    until(engine, |logs| {
        logs.iter().filter(|log| log.kept).count() == count
    })
    .await
}

async fn page(engine: &Engine, log: &LogOf, last: usize) -> Result<PodLogPage, ServiceError> {
    let me = Caller::local();
    engine.service.pod_log(&me, RUN, log, last).await
}

fn texts(page: &PodLogPage) -> Vec<&str> {
    page.lines.iter().map(|line| line.text.as_str()).collect()
}

fn put_blast(seen: &Seen, phase: &str, state: Value, restarts: u32) {
    let pod = with_blast(pod(RUN), phase, state, restarts);
    seen.api.put(Kind::Pod, pod);
}

/// Another pod of the search, which has ended.
fn put_other(seen: &Seen) {
    let mut other = with_blast(pod(RUN), "Succeeded", ended(0), 0);
    other["metadata"]["name"] = json!("other-pod");
    let lines = ["2026-01-01T00:00:03Z of the other one"];
    seen.api.say("other-pod", "blast", &lines);
    seen.api.put(Kind::Pod, other);
}

fn reads(seen: &Seen) -> usize {
    seen.api.count(Route::Log, Kind::Pod)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_kept_once_when_its_container_has_ended_and_is_read_when_its_pod_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let seen = at_work_on().await;
    let first = engine(folder.path(), &seen).await;
    let lines = [
        "2026-01-01T00:00:01Z searching",
        "2026-01-01T00:00:02Z Error: no memory",
    ];
    seen.api.say(&pod_name(), "blast", &lines);
    let logs = until(&first, |logs| logs.len() == 1).await;
    assert_eq!((logs[0].state, logs[0].kept), (PodLogState::Running, false));
    // While it runs, its cluster is asked.
    let live = page(&first, &blast(0), 1).await.unwrap();
    assert_eq!(texts(&live), ["Error: no memory"]);
    assert!(live.earlier && live.goes_on);
    let before = reads(&seen);
    put_blast(&seen, "Failed", ended(137), 0);
    let logs = until_kept(&first, 1).await;
    let log = &logs[0];
    assert_eq!((log.state, log.exit_code), (PodLogState::Ended, Some(137)));
    assert_eq!(log.reason.as_deref(), Some("Error"));
    assert!(seen.api.remove(Kind::Pod, NAMESPACE, &pod_name()));
    let logs = until(&first, |logs| logs.iter().all(|log| log.reason.is_none())).await;
    assert_eq!((logs[0].exit_code, logs[0].kept), (Some(137), true));
    let kept = page(&first, &blast(0), 9).await.unwrap();
    assert_eq!(texts(&kept), ["searching", "Error: no memory"]);
    assert!(!kept.earlier && !kept.goes_on);
    let me = Caller::local();
    let text = first.service.pod_log_text(&me, RUN, &blast(0), None).await;
    assert_eq!(text_of(text.unwrap()).await, lines.join("\n") + "\n");
    let text = first
        .service
        .pod_log_text(&me, RUN, &blast(0), Some(1))
        .await;
    assert_eq!(text_of(text.unwrap()).await, format!("{}\n", lines[1]));
    assert_eq!(reads(&seen), before + 1);
    let stranger = Caller {
        id: "stranger".to_owned(),
        name: String::new(),
    };
    // Everybody sees what belongs to nobody.
    assert_eq!(
        first.service.pod_logs(&stranger, RUN).await.unwrap().len(),
        1
    );
    first.service.shut_down().await;

    // Its pod is back as it was: nothing is read anew.
    put_blast(&seen, "Failed", ended(137), 0);
    let again = engine(folder.path(), &seen).await;
    put_other(&seen);
    until_kept(&again, 2).await;
    assert_eq!(reads(&seen), before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_told_to_end_is_read_while_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let seen = at_work_on().await;
    let engine = engine(folder.path(), &seen).await;
    seen.api
        .say(&pod_name(), "blast", &["2026-01-01T00:00:01Z searching"]);
    let mut ending = with_blast(pod(RUN), "Running", at_work(), 0);
    ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:30Z");
    seen.api.put(Kind::Pod, ending);
    seen.api
        .wait_for("somebody who follows", |api| api.followers() == 1)
        .await;
    seen.api
        .say(&pod_name(), "blast", &["2026-01-01T00:00:02Z told to end"]);
    // It is gone without a word of how it ended.
    assert!(seen.api.remove(Kind::Pod, NAMESPACE, &pod_name()));
    let logs = until_kept(&engine, 1).await;
    assert_eq!(
        (logs[0].state, logs[0].exit_code),
        (PodLogState::Ended, None)
    );
    let kept = page(&engine, &blast(0), 9).await.unwrap();
    assert_eq!(texts(&kept), ["searching", "told to end"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_gone_before_it_was_read_is_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let seen = at_work_on().await;
    let engine = engine(folder.path(), &seen).await;
    // A look has seen it at work.
    until(&engine, |logs| logs.len() == 1).await;
    put_other(&seen);
    until_kept(&engine, 1).await;
    assert!(seen.api.remove(Kind::Pod, NAMESPACE, &pod_name()));
    let logs = until_kept(&engine, 2).await;
    let lost = logs.iter().find(|log| log.pod == pod_name()).unwrap();
    assert_eq!((lost.state, lost.exit_code), (PodLogState::Lost, None));
    let page = page(&engine, &blast(0), 9).await.unwrap();
    assert!(
        texts(&page)[0].contains("its pod was removed before its log was read"),
        "{page:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_holds_up_no_search_and_is_the_reason_of_what_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let seen = at_work_on().await;
    seen.api.fail(Fault::new(Route::Log, Kind::Pod, 403));
    let engine = engine(folder.path(), &seen).await;
    put_blast(&seen, "Failed", ended(1), 0);
    seen.api
        .wait_for("a refused reading", |api| {
            api.count(Route::Log, Kind::Pod) > 0
        })
        .await;
    let failed = with_condition(job(RUN), "Failed", "BackoffLimitExceeded");
    seen.api.put(Kind::Job, failed);
    engine.finish(RUN).await;
    let refused = page(&engine, &blast(0), 9).await.unwrap_err();
    assert_eq!(refused.code(), "cluster_unavailable");
    assert!(refused.to_string().contains("get on pods/log"), "{refused}");
    assert!(seen.api.remove(Kind::Pod, NAMESPACE, &pod_name()));
    let logs = until_kept(&engine, 1).await;
    assert_eq!(logs[0].state, PodLogState::Lost);
    let page = page(&engine, &blast(0), 9).await.unwrap();
    assert!(texts(&page)[0].contains("get on pods/log"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_once_is_read_again_also_after_the_end_of_the_search() {
    let folder = tempfile::tempdir().unwrap();
    let seen = at_work_on().await;
    seen.api
        .say(&pod_name(), "blast", &["2026-01-01T00:00:01Z last words"]);
    seen.api
        .fail(Fault::new(Route::Log, Kind::Pod, 500).times(1));
    let engine = engine(folder.path(), &seen).await;
    put_blast(&seen, "Failed", ended(1), 0);
    let failed = with_condition(job(RUN), "Failed", "BackoffLimitExceeded");
    seen.api.put(Kind::Job, failed);
    engine.finish(RUN).await;
    until_kept(&engine, 1).await;
    assert_eq!(reads(&seen), 2);
    let kept = page(&engine, &blast(0), 9).await.unwrap();
    assert_eq!(texts(&kept), ["last words"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_of_a_container_has_its_log_and_so_has_one_that_runs_before() {
    let folder = tempfile::tempdir().unwrap();
    let api = KubeApi::start().await;
    api.put(Kind::Job, job(RUN));
    let mut pod = with_blast(pod(RUN), "Running", at_work(), 1);
    pod["spec"]["initContainers"] = json!([{"name": "stage-db", "image": "elb"}]);
    pod["status"]["initContainerStatuses"] = json!([{
        "name": "stage-db", "image": "elb", "imageID": "", "ready": true, "restartCount": 0,
        "state": ended(0),
    }]);
    api.put(Kind::Pod, pod);
    api.say(&pod_name(), "stage-db", &["2026-01-01T00:00:01Z staged"]);
    api.say(&pod_name(), "blast", &["2026-01-01T00:00:02Z first"]);
    api.restart_log(&pod_name(), "blast");
    api.say(&pod_name(), "blast", &["2026-01-01T00:00:03Z second"]);
    let seen = Seen::of(api, PACE);
    seen.until_live().await;
    let engine = engine(folder.path(), &seen).await;
    let logs = until_kept(&engine, 2).await;
    let told: Vec<_> = logs
        .iter()
        .map(|log| (log.container.as_str(), log.restart, log.init, log.kept))
        .collect();
    assert_eq!(
        told,
        [
            ("stage-db", 0, true, true),
            ("blast", 0, false, true),
            ("blast", 1, false, false)
        ]
    );
    for (log, text) in [(blast(0), "first"), (blast(1), "second")] {
        assert_eq!(texts(&page(&engine, &log, 9).await.unwrap()), [text]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_long_log_the_end_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let seen = at_work_on().await;
    let long = "x".repeat(100_000);
    let lines: Vec<String> = (0..30)
        .map(|at| format!("2026-01-01T00:00:{at:02}Z {at} {long}"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    seen.api.say(&pod_name(), "blast", &lines);
    put_blast(&seen, "Failed", ended(1), 0);
    let engine = engine(folder.path(), &seen).await;
    let logs = until_kept(&engine, 1).await;
    let bytes = usize::try_from(logs[0].bytes.unwrap()).unwrap();
    assert!(bytes <= MOST && bytes > MOST - 200_000, "{bytes}");
    let all: usize = lines.iter().map(|line| line.len() + 1).sum();
    assert_eq!(bytes as u64 + logs[0].left_out, all as u64);
    let page = page(&engine, &blast(0), 9).await.unwrap();
    assert_eq!(page.left_out, logs[0].left_out);
    assert!(page.lines.last().unwrap().text.starts_with("29 x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_search_takes_its_logs_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let seen = at_work_on().await;
    seen.api
        .say(&pod_name(), "blast", &["2026-01-01T00:00:01Z last words"]);
    let settings = Settings {
        retention: Retention {
            deleted: Duration::ZERO,
            ..Retention::default()
        },
        ..settings(&seen)
    };
    let engine = engine_with(folder.path(), settings).await;
    put_blast(&seen, "Failed", ended(1), 0);
    until_kept(&engine, 1).await;
    let kept = folder.path().join("objects/jobs").join(RUN).join("pods");
    assert!(kept.is_dir());
    let failed = with_condition(job(RUN), "Failed", "BackoffLimitExceeded");
    seen.api.put(Kind::Job, failed);
    engine.finish(RUN).await;
    engine.service.delete(&Caller::local(), RUN).await.unwrap();
    super::super::support::eventually("the logs are removed", || !kept.exists()).await;
    assert!(matches!(
        page(&engine, &blast(0), 9).await,
        Err(ServiceError::NoSuchJob(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_the_one_that_drives_a_search_keeps_its_logs() {
    let folder = tempfile::tempdir().unwrap();
    let seen = at_work_on().await;
    seen.api
        .say(&pod_name(), "blast", &["2026-01-01T00:00:01Z last words"]);
    let clock = ShiftedClock::default();
    let shared = || Settings {
        terms: LeaseTerms::Shared {
            life: Duration::from_secs(60),
        },
        clock: Arc::new(clock.clone()),
        ..settings(&seen)
    };
    let one = engine_with(folder.path(), shared()).await;
    let two = engine_with(folder.path(), shared()).await;
    put_blast(&seen, "Failed", ended(1), 0);
    until_kept(&one, 1).await;
    assert_eq!(reads(&seen), 1);
    // The other one looks when its turn has come, and finds it kept.
    clock.pass(Duration::from_secs(11));
    put_other(&seen);
    until_kept(&two, 2).await;
    assert_eq!(reads(&seen), 2);
    assert_eq!(one.job(RUN).row.phase, two.job(RUN).row.phase);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_a_log_misses_nothing_over_a_cut_and_the_end_of_the_pod() {
    let folder = tempfile::tempdir().unwrap();
    let seen = at_work_on().await;
    let engine = engine(folder.path(), &seen).await;
    let me = Caller::local();
    seen.api.say(
        &pod_name(),
        "blast",
        &["2026-01-01T00:00:01Z one", "2026-01-01T00:00:01Z two"],
    );
    let begun = page(&engine, &blast(0), 1).await.unwrap();
    let mut follower = engine
        .service
        .follow_pod_log(&me, RUN, &blast(0), Some(begun.place))
        .await
        .unwrap();
    seen.api
        .say(&pod_name(), "blast", &["2026-01-01T00:00:01Z three"]);
    let (place, line) = follower.next().await.unwrap().unwrap();
    // Numbers go on from what was shown.
    assert_eq!((line.text.as_str(), line.number), ("three", 2));
    assert_eq!(place.number, 2);
    seen.api.cut_logs();
    seen.api
        .say(&pod_name(), "blast", &["2026-01-01T00:00:02Z four"]);
    let (_, line) = follower.next().await.unwrap().unwrap();
    assert_eq!((line.text.as_str(), line.number), ("four", 3));
    seen.api
        .say(&pod_name(), "blast", &["2026-01-01T00:00:03Z five"]);
    put_blast(&seen, "Succeeded", ended(0), 0);
    until_kept(&engine, 1).await;
    seen.api.cut_logs();
    assert!(seen.api.remove(Kind::Pod, NAMESPACE, &pod_name()));
    let (_, line) = follower.next().await.unwrap().unwrap();
    assert_eq!(line.text, "five");
    assert_eq!(follower.next().await.unwrap(), None);
    // The end of a pod is not that of its search.
    assert!(engine.job(RUN).row.phase.is_active());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_of_a_search_of_this_program_is_known_by_its_id_there() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::live(PACE).await;
    let engine = Engine::start_with(folder.path(), settings(&seen)).await;
    let id = engine
        .submit_id(search(Program::Blastn), &genes(0, 1))
        .await;
    let run = run_of(&id, 1);
    let object = with_blast(pod(&run), "Succeeded", ended(0), 0);
    seen.api.say(
        name_of(&object),
        "blast",
        &["2026-01-01T00:00:01Z in a pod"],
    );
    seen.api.put(Kind::Pod, object.clone());
    let me = Caller::local();
    let kept = async {
        loop {
            let logs = engine.service.pod_logs(&me, &id).await.unwrap();
            if logs.iter().any(|log| log.kept) {
                return logs;
            }
            tokio::task::yield_now().await;
        }
    };
    let logs = timeout(PATIENCE, kept).await.unwrap();
    assert!(seen.api.remove(Kind::Pod, NAMESPACE, name_of(&object)));
    let log = LogOf::parse(&logs[0].log).unwrap();
    let page = engine.service.pod_log(&me, &id, &log, 9).await.unwrap();
    assert_eq!(texts(&page), ["in a pod"]);
}
