//! What is there and what changes, through everything that a watch comes to an end by.

use std::time::Duration;

use elb_core::{cluster::Health, phase::Phase};
use elb_engine::{clusters::Clusters, kubernetes::Pace};
use elb_testkit::kube_api::{
    Fault, Kind, KubeApi, Route,
    objects::{in_namespace, in_phase, with_counts},
};

use super::seen::{PACE, RUN, Seen, job, pod};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_listed_in_pages_and_what_changes_then_is_seen_without_asking() {
    let api = KubeApi::start().await;
    let runs: Vec<String> = (0..1_200)
        .map(|number| format!("run-{number:04}"))
        .collect();
    api.put_many(Kind::Job, runs.iter().map(|run| job(run)));
    let seen = Seen::of(api, PACE);
    let place = seen.until_live().await;
    assert_eq!(place.runs.len(), 1_200);
    assert_eq!(place.version.as_deref(), Some("v1.33.0"));
    seen.watched().await;
    let calls = seen.api.take_requests();
    let lists: Vec<_> = calls
        .iter()
        .filter(|call| call.route == Route::List && call.kind == Some(Kind::Job))
        .collect();
    assert_eq!(lists.len(), 3);
    assert!(lists.iter().all(|call| call.field("limit") == Some("500")));
    let rest = lists.iter().filter(|call| call.field("continue").is_some());
    assert_eq!(rest.count(), 2);

    seen.put(RUN);
    let run = |so: Phase| {
        move |place: &elb_core::cluster::PlaceView| {
            place
                .runs
                .iter()
                .any(|run| run.id == RUN && run.phase == so)
        }
    };
    seen.until(run(Phase::Submitted)).await;
    seen.api.put(Kind::Job, with_counts(job(RUN), 1, 0, 0));
    seen.api.put(Kind::Pod, in_phase(pod(RUN), "Running"));
    let with_pod = |place: &elb_core::cluster::PlaceView| {
        place
            .runs
            .iter()
            .any(|run| run.id == RUN && run.pods.len() == 1)
    };
    seen.until(with_pod).await;
    seen.remove(RUN);
    seen.api.remove(
        Kind::Pod,
        "default",
        pod(RUN)["metadata"]["name"].as_str().unwrap(),
    );
    seen.until(|place| place.runs.len() == 1_200).await;
    assert_eq!(seen.api.count(Route::List, Kind::Job), 0);
    assert_eq!(seen.api.count(Route::List, Kind::Pod), 0);
    assert_eq!(seen.place().since, place.since);
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_are_cut_again_and_again_lose_no_change_and_are_not_told() {
    let seen = Seen::live(PACE).await;
    let since = seen.place().since;
    let mut wanted = Vec::new();
    for number in 0..40 {
        let run = format!("run-{number:02}");
        seen.api.put(Kind::Pod, pod(&run));
        seen.put(&run);
        if number % 4 == 1 {
            // Between two watches, not in one.
            seen.api.cut_watches();
            seen.remove(&run);
        } else {
            wanted.push(run);
        }
        if number % 8 == 3 {
            seen.api.end_watches();
        } else {
            seen.api.cut_watches();
        }
        if number % 3 == 0 {
            seen.watched().await;
        }
        if number % 4 == 1 {
            let name = pod(&format!("run-{number:02}"));
            let name = name["metadata"]["name"].as_str().unwrap();
            assert!(seen.api.remove(Kind::Pod, "default", name));
        }
    }
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let all = |place: &elb_core::cluster::PlaceView| {
        super::seen::names(place) == wanted && place.runs.iter().all(|run| run.pods.len() == 1)
    };
    let place = seen.until(all).await;
    assert_eq!((place.health, place.since), (Health::Live, since));
    // From where each had ended.
    assert_eq!(seen.api.count(Route::List, Kind::Job), 1);
    assert_eq!(seen.api.count(Route::List, Kind::Pod), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_never_holds_is_given_up_for_asking_and_tried_again_later() {
    let seen = Seen::live(Pace {
        without_watch: Duration::from_millis(300),
        ..PACE
    })
    .await;
    let since = seen.place().since;
    for _ in 0..4 {
        seen.watched().await;
        seen.api.cut_watches();
    }
    seen.watched().await;
    assert_eq!(seen.place().since, since);
    seen.api.cut_watches();
    let place = seen.until_health(Health::Listed).await;
    assert!(place.reason.unwrap().contains("each watch ends at once"));
    seen.put(RUN);
    seen.until_runs(&[RUN]).await;
    let place = seen.until_live().await;
    assert_eq!(place.reason, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_nobody_listened_and_is_forgotten_is_listed_anew() {
    // Each watch has held for long.
    let steady = Duration::ZERO;
    let seen = Seen::live(Pace { steady, ..PACE }).await;
    seen.put("gone");
    seen.put("stays");
    seen.until_runs(&["gone", "stays"]).await;
    seen.watched().await;
    let since = seen.place().since;
    for round in 1..=3 {
        // Nobody is told of this, and nobody can be any more.
        seen.api.silence();
        if round == 1 {
            seen.remove("gone");
        }
        let run = format!("new-{round}");
        seen.put(&run);
        seen.api.cut_watches();
        seen.api.forget_history();
        seen.api.speak();
        let there = |place: &elb_core::cluster::PlaceView| {
            let names = super::seen::names(place);
            names.contains(&run.as_str()) && !names.contains(&"gone")
        };
        seen.until(there).await;
        seen.watched().await;
        // It is followed from there.
        seen.put("probe");
        seen.until(|place| super::seen::names(place).contains(&"probe"))
            .await;
        seen.remove("probe");
        seen.until(|place| !super::seen::names(place).contains(&"probe"))
            .await;
    }
    let place = seen.place();
    assert_eq!((place.health, place.since), (Health::Live, since));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_watch_that_is_told_to_be_too_old_begins_anew() {
    let seen = Seen::live(PACE).await;
    let since = seen.place().since;
    seen.watched().await;
    let lists = seen.api.count(Route::List, Kind::Job);
    seen.api.expire_watches();
    seen.put(RUN);
    seen.until_runs(&[RUN]).await;
    seen.watched().await;
    assert_eq!(seen.api.count(Route::List, Kind::Job), lists + 1);
    assert_eq!(seen.place().since, since);
    seen.remove(RUN);
    seen.until_runs(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_refused_as_too_old_when_a_watch_begins_is_not_insisted_on() {
    let seen = Seen::live(PACE).await;
    let since = seen.place().since;
    seen.watched().await;
    let lists = seen.api.count(Route::List, Kind::Job);
    seen.api
        .fail(Fault::new(Route::Watch, Kind::Job, 410).times(2));
    seen.api.cut_watches();
    seen.api
        .wait_for("two more lists", |api| {
            api.count(Route::List, Kind::Job) == lists + 2
        })
        .await;
    seen.put(RUN);
    seen.until_runs(&[RUN]).await;
    assert_eq!(seen.place().since, since);

    // One that is always too old would have everything listed without end.
    let seen = Seen::start(PACE).await;
    seen.api.fail(Fault::new(Route::Watch, Kind::Job, 410));
    seen.until_health(Health::Listed).await;
    assert_eq!(seen.api.count(Route::Watch, Kind::Job), 5);
    seen.put(RUN);
    seen.until_runs(&[RUN]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_next_page_is_forgotten_is_begun_anew() {
    let api = KubeApi::start().await;
    let runs: Vec<String> = (0..600).map(|number| format!("run-{number:04}")).collect();
    api.put_many(Kind::Job, runs.iter().map(|run| job(run)));
    api.fail(Fault::new(Route::List, Kind::Job, 410).after(1).times(1));
    let seen = Seen::of(api, PACE);
    let place = seen.until(|place| place.health != Health::Connecting).await;
    assert_eq!(place.health, Health::Live, "{:?}", place.reason);
    assert_eq!(place.runs.len(), 600);
    assert_eq!(seen.api.count(Route::List, Kind::Job), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn bookmarks_change_nothing_but_from_where_it_goes_on() {
    let seen = Seen::live(PACE).await;
    seen.put(RUN);
    seen.until_runs(&[RUN]).await;
    seen.watched().await;
    // By then all that was seen before was told, its version too.
    seen.asked(Route::Other, None, 2).await;
    let changes = seen.snapshot.revision();
    // Others' objects are what versions rise by.
    let other = in_namespace(job("theirs"), "elsewhere");
    let version = seen.api.put(Kind::Job, other).to_string();
    seen.api.take_requests();
    seen.api.bookmark();
    seen.api.end_watches();
    seen.asked(Route::Watch, Kind::Job, 1).await;
    seen.watched().await;
    let calls = seen.api.requests();
    let watches = calls.iter().filter(|call| call.route == Route::Watch);
    let from: Vec<_> = watches.map(|call| call.field("resourceVersion")).collect();
    assert_eq!(from, [Some(version.as_str()); 2]);
    let objects = [Kind::Job, Kind::Pod];
    let lists = objects.map(|kind| seen.api.count(Route::List, kind));
    assert_eq!(lists, [0, 0]);
    assert!(!changes.has_changed().unwrap());
}
