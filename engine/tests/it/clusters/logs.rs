//! Logs of containers as their cluster gives them, and what stands against that.

use std::time::Duration;

use elb_core::{cluster::LogOf, time::Timestamp};
use elb_engine::{
    clusters::{Clusters, ContainerRun, LogPart, LogPieces, PodLogError, PodLogs},
    kubernetes::Pace,
};
use elb_testkit::kube_api::{Fault, Kind, KubeApi, Route, objects::NAMESPACE};
use futures::StreamExt;
use serde_json::{Value, json};

use super::seen::{PACE, RUN, Seen, found, job, pod};

const WHOLE: LogPart = LogPart {
    follow: false,
    last: None,
    since: None,
};
const FOLLOW: LogPart = LogPart {
    follow: true,
    ..WHOLE
};

pub fn name_of(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap()
}

pub fn at_work() -> Value {
    json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}})
}

pub fn ended(code: i32) -> Value {
    json!({"terminated": {"exitCode": code, "reason": "Error", "finishedAt": "2026-01-01T00:00:09Z"}})
}

/// The pod with the container `blast` in this state, after so many others.
pub fn with_blast(mut pod: Value, phase: &str, state: Value, restarts: u32) -> Value {
    let last = if restarts > 0 { ended(1) } else { json!({}) };
    pod["status"] = json!({"phase": phase, "containerStatuses": [{
        "name": "blast", "image": "elb", "imageID": "", "ready": false,
        "restartCount": restarts, "state": state, "lastState": last,
    }]});
    pod
}

fn blast(restart: u32) -> LogOf {
    LogOf::new(name_of(&pod(RUN)), "blast", restart).unwrap()
}

impl Seen {
    fn logs(&self) -> &dyn PodLogs {
        self.snapshot.pod_logs().unwrap()
    }

    /// Waits until the only pod's containers are seen so.
    async fn until_seen(&self, so: impl Fn(&[ContainerRun]) -> bool) {
        self.until(|_| so(&self.logs().runs(&found(), RUN))).await;
    }

    async fn read(&self, restart: u32, part: LogPart) -> Result<LogPieces, PodLogError> {
        self.logs().read(&found(), RUN, &blast(restart), part).await
    }

    async fn text(&self, restart: u32, part: LogPart) -> Result<String, PodLogError> {
        let mut pieces = self.read(restart, part).await?;
        let mut text = Vec::new();
        while let Some(piece) = pieces.next().await {
            text.extend_from_slice(&piece?);
        }
        Ok(String::from_utf8(text).unwrap())
    }
}

/// With one pod whose container `blast` is in this state.
async fn with_pod(pace: Pace, state: Value, restarts: u32) -> Seen {
    let api = KubeApi::start().await;
    api.put(Kind::Job, job(RUN));
    api.put(Kind::Pod, with_blast(pod(RUN), "Running", state, restarts));
    let seen = Seen::of(api, pace);
    seen.until_seen(|runs| !runs.is_empty()).await;
    seen
}

/// The next piece of a log that is followed.
async fn next(pieces: &mut LogPieces) -> Option<Result<String, PodLogError>> {
    let piece = pieces.next().await?;
    Some(piece.map(|piece| String::from_utf8(piece.to_vec()).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_whole_or_in_part_each_line_with_its_time() {
    let seen = with_pod(PACE, at_work(), 0).await;
    let name = name_of(&pod(RUN)).to_owned();
    let lines = ["2026-01-01T00:00:01.5Z one", "2026-01-01T00:00:02Z two"];
    seen.api.say(&name, "blast", &lines);
    let both = format!("{}\n{}\n", lines[0], lines[1]);
    assert_eq!(seen.text(0, WHOLE).await, Ok(both));
    let second = Ok(format!("{}\n", lines[1]));
    let last = LogPart {
        last: Some(1),
        ..WHOLE
    };
    assert_eq!(seen.text(0, last).await, second);
    let since = LogPart {
        since: Some(Timestamp::parse("2026-01-01T00:00:02.999Z").unwrap()),
        ..WHOLE
    };
    assert_eq!(seen.text(0, since).await, second);
    let calls = seen.api.take_requests();
    let calls: Vec<_> = calls
        .iter()
        .filter(|call| call.route == Route::Log)
        .collect();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[2].field("sinceTime"), Some("2026-01-01T00:00:02Z"));
    for call in calls {
        assert_eq!(call.field("container"), Some("blast"));
        assert_eq!(call.field("timestamps"), Some("true"));
        assert_eq!(call.field("follow"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_hears_each_line_until_the_end_and_a_cut_is_no_end() {
    let seen = with_pod(PACE, at_work(), 0).await;
    let name = name_of(&pod(RUN)).to_owned();
    seen.api.say(&name, "blast", &["2026-01-01T00:00:01Z one"]);
    let mut cut = seen.read(0, FOLLOW).await.unwrap();
    let one = Some(Ok("2026-01-01T00:00:01Z one\n".to_owned()));
    assert_eq!(next(&mut cut).await, one);
    seen.api.cut_logs();
    let mut broken = false;
    while let Some(piece) = next(&mut cut).await {
        broken |= matches!(piece, Err(PodLogError::Away(_)));
    }
    assert!(broken, "a part was taken for the whole");

    let mut whole = seen.read(0, FOLLOW).await.unwrap();
    assert_eq!(next(&mut whole).await, one);
    seen.api.say(&name, "blast", &["2026-01-01T00:00:02Z two"]);
    let two = Some(Ok("2026-01-01T00:00:02Z two\n".to_owned()));
    assert_eq!(next(&mut whole).await, two);
    seen.api.end_log(&name, "blast");
    assert_eq!(next(&mut whole).await, None);
    drop(whole);
    seen.api
        .wait_for("no follower", |api| api.followers() == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_the_run_before_is_asked_for_as_such() {
    let seen = with_pod(PACE, at_work(), 1).await;
    let name = name_of(&pod(RUN)).to_owned();
    seen.api
        .say(&name, "blast", &["2026-01-01T00:00:01Z out of memory"]);
    seen.api.restart_log(&name, "blast");
    seen.api
        .say(&name, "blast", &["2026-01-01T00:00:02Z again"]);
    assert!(seen.text(0, WHOLE).await.unwrap().contains("out of memory"));
    assert!(seen.text(1, WHOLE).await.unwrap().contains("again"));
    assert!(matches!(
        seen.text(2, WHOLE).await,
        Err(PodLogError::Gone(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_against_it_is_told_apart() {
    let seen = with_pod(PACE, at_work(), 0).await;
    // The node is still at it, whatever the status says.
    let refused = seen.text(0, WHOLE).await.unwrap_err();
    assert!(
        matches!(&refused, PodLogError::NotStarted(why) if why.contains("waiting to start")),
        "{refused:?}"
    );
    type Wanted = fn(&PodLogError) -> bool;
    let table: [(u16, Wanted); 4] = [
        (404, |error| matches!(error, PodLogError::Gone(_))),
        (403, |error| matches!(error, PodLogError::Forbidden(_))),
        (500, |error| matches!(error, PodLogError::Away(_))),
        (429, |error| matches!(error, PodLogError::Away(_))),
    ];
    for (status, wanted) in table {
        seen.api.fail(Fault::new(Route::Log, Kind::Pod, status));
        let refused = seen.text(0, WHOLE).await.unwrap_err();
        assert!(wanted(&refused), "{status}: {refused:?}");
        assert_eq!(
            refused.to_string().contains("get on pods/log"),
            status == 403
        );
        seen.api.clear_faults();
    }
    // None of it says anything of the cluster, or is asked where it is known.
    seen.until_live().await;
    let asked = seen.api.count(Route::Log, Kind::Pod);
    let theirs = LogOf::parse("another-pod/blast/0").unwrap();
    let other = seen.logs().read(&found(), RUN, &theirs, WHOLE).await;
    assert!(matches!(other.err(), Some(PodLogError::Gone(_))));
    let other = seen.logs().read(&found(), "job-x", &blast(0), WHOLE).await;
    assert!(matches!(other.err(), Some(PodLogError::Gone(_))));
    assert_eq!(seen.api.count(Route::Log, Kind::Pod), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_waits_is_not_asked_and_silence_is_not_waited_for_without_end() {
    let pace = Pace {
        long_answer: Duration::from_millis(200),
        ..PACE
    };
    let seen = with_pod(pace, json!({"waiting": {"reason": "PodInitializing"}}), 0).await;
    let refused = seen.text(0, WHOLE).await.unwrap_err();
    assert!(matches!(refused, PodLogError::NotStarted(_)), "{refused:?}");
    assert_eq!(seen.api.count(Route::Log, Kind::Pod), 0);
    let running = with_blast(pod(RUN), "Running", at_work(), 0);
    seen.api.put(Kind::Pod, running);
    seen.until_seen(|runs| {
        runs.iter()
            .any(|run| run.state != elb_engine::clusters::RunState::Waiting)
    })
    .await;
    seen.api.silence();
    let refused = seen.text(0, WHOLE).await.unwrap_err();
    assert!(
        matches!(&refused, PodLogError::Away(why) if why.contains("not answered within")),
        "{refused:?}"
    );
    seen.api.speak();
    assert!(seen.api.remove(Kind::Pod, NAMESPACE, name_of(&pod(RUN))));
    seen.until_seen(<[ContainerRun]>::is_empty).await;
    let refused = seen.text(0, WHOLE).await.unwrap_err();
    assert!(matches!(refused, PodLogError::Gone(_)), "{refused:?}");
}
