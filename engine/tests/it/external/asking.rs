//! How the plane is asked: how often, with which token, and what is told when it fails.

use std::{sync::Arc, time::Duration};

use elb_core::external::{PlaneHealth, PlaneView};
use elb_engine::{
    clock::ManualClock,
    external::{ExternalPlane as _, OpenApiPlane, Pace, PlaneError},
};
use elb_testkit::{ExternalPlane, external_plane::Fault};
use futures::future::join_all;
use serde_json::json;

use super::{client, client_with, quick, token_file};

/// Waits until the plane is as wanted.
async fn told(client: &OpenApiPlane, wanted: impl Fn(&PlaneView) -> bool) -> PlaneView {
    let mut changes = client.revision();
    let waiting = async {
        loop {
            let view = client.view();
            if wanted(&view) {
                return view;
            }
            changes.changed().await.unwrap();
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    waited.unwrap_or_else(|_| panic!("it stays {:?}", client.view()))
}

async fn is(client: &OpenApiPlane, health: PlaneHealth) -> PlaneView {
    told(client, |view| view.health == health).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_at_the_same_time_is_one_request_and_nobody_within_its_life() {
    let plane = ExternalPlane::start().await;
    plane.put("a", json!({}));
    let clock = ManualClock::at(1_764_158_400_000);
    let client = client_with(&plane, Pace::default(), Arc::new(clock.clone()));
    let all = || join_all((0..100).map(|_| client.refresh()));
    let lists = || plane.count("GET", "/v1/jobs");
    for read in all().await {
        assert_eq!(read.unwrap().jobs.len(), 1);
    }
    clock.pass(Duration::from_millis(14_999));
    all().await;
    assert_eq!(lists(), 1);
    clock.pass(Duration::from_millis(1));
    all().await;
    assert_eq!(lists(), 2);
    // About one search as well.
    let details = join_all((0..100).map(|_| client.detail("a"))).await;
    assert!(details.iter().all(Result::is_ok));
    assert_eq!(plane.count("GET", "/v1/jobs/a/status"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_counts_as_long_as_an_answer() {
    let plane = ExternalPlane::start().await;
    plane.fail("/v1/jobs", Fault::Status(500, None));
    let clock = ManualClock::at(1_764_158_400_000);
    let client = client_with(&plane, Pace::default(), Arc::new(clock.clone()));
    for _ in 0..3 {
        for read in join_all((0..50).map(|_| client.refresh())).await {
            assert!(matches!(read, Err(PlaneError::Status { status: 500, .. })));
        }
    }
    assert_eq!(plane.count("GET", "/v1/jobs"), 1);
    plane.clear_faults();
    clock.pass(Duration::from_secs(15));
    client.refresh().await.unwrap();
    assert_eq!(plane.count("GET", "/v1/jobs"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_is_at_work_a_look_is_one_request_however_many_searches_there_are() {
    let plane = ExternalPlane::start().await;
    for number in 0..1_200 {
        let time = format!("2025-11-26T12:{:02}:{:02}Z", number / 60, number % 60);
        plane.put(
            &format!("job-{number}"),
            json!({"status": "completed", "created_at": time}),
        );
    }
    let client = client(&plane, quick());
    // Three pages, and then one a look: four a minute at the usual pace.
    let view = told(&client, |view| view.jobs == 1_200).await;
    assert_eq!((view.requests, view.more), (3, false));
    plane
        .wait_for("ten looks", |plane| plane.asked().len() >= 12)
        .await;
    let asked = plane.asked();
    assert!(
        asked
            .iter()
            .skip(3)
            .take(9)
            .all(|asked| asked.query.iter().all(|(name, _)| name != "cursor"))
    );
    // Something new in front costs nothing more, and something that changes far behind is found.
    let new = json!({"status": "running", "created_at": "2025-11-26T11:00:00Z"});
    plane.put("job-old", new);
    let new = json!({"status": "completed", "created_at": "2025-11-27T11:00:00Z"});
    plane.put("job-new", new);
    told(&client, |view| view.jobs == 1_202).await;
    plane.put("job-old", json!({"status": "completed"}));
    told(&client, |_| {
        client
            .listed()
            .find("job-old")
            .is_some_and(|job| job.has_ended())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_are_read_in_pages_and_the_list_says_if_there_are_more() {
    let plane = ExternalPlane::start().await;
    for number in 0..5_000 {
        plane.put(&format!("job-{number}"), json!({"status": "completed"}));
    }
    let client = client(&plane, Pace::default());
    let view = told(&client, |view| view.jobs == 5_000).await;
    assert_eq!((view.requests, view.more), (10, false));
    plane.put("one-more", json!({}));
    let client = super::client(&plane, Pace::default());
    let view = told(&client, |view| view.jobs == 5_000).await;
    assert!(view.more);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_read_again_once_and_then_with_each_look() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    let token = token_file(folder.path(), "the-first");
    plane.require_token("the-first");
    plane.put("a", json!({}));
    let clock = ManualClock::at(1_764_158_400_000);
    let (url, pace) = (plane.url(), Pace::default());
    let client = OpenApiPlane::start(&url, token, pace, Arc::new(clock.clone())).unwrap();
    client.refresh().await.unwrap();
    // Another one on both sides: one request with the old one, one with the new one.
    plane.require_token("the-second");
    token_file(folder.path(), "the-second");
    clock.pass(Duration::from_secs(15));
    client.refresh().await.unwrap();
    clock.pass(Duration::from_secs(15));
    client.refresh().await.unwrap();
    let tokens: Vec<String> = plane
        .asked()
        .into_iter()
        .filter_map(|asked| asked.token)
        .collect();
    assert_eq!(
        tokens,
        ["the-first", "the-first", "the-second", "the-second"]
    );
    // Only there: nothing is asked twice with what was refused.
    plane.require_token("the-third");
    clock.pass(Duration::from_secs(15));
    let error = client.refresh().await.unwrap_err();
    assert_eq!(error, PlaneError::Unauthorised);
    assert_eq!(plane.asked().len(), 5);
    let view = client.view();
    assert_eq!((view.health, view.jobs), (PlaneHealth::Unauthorised, 1));
    let reason = view.reason.unwrap();
    assert!(reason.contains("ELB_EXTERNAL_PLANE_TOKEN_FILE"), "{reason}");
    assert!(!reason.contains("the-second"));
    token_file(folder.path(), "the-third");
    clock.pass(Duration::from_secs(15));
    client.refresh().await.unwrap();
    assert_eq!(client.view().health, PlaneHealth::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_read_is_told_and_nothing_is_sent() {
    let (plane, folder) = (ExternalPlane::start().await, tempfile::tempdir().unwrap());
    let token = token_file(folder.path(), "two\nlines");
    let pace = Pace::default();
    let client = OpenApiPlane::start(&plane.url(), token, pace, Arc::new(ManualClock::at(0)));
    let view = is(&client.unwrap(), PlaneHealth::Unauthorised).await;
    assert!(view.reason.unwrap().contains("it must be one line"));
    assert!(plane.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_that_it_asks_for_is_kept_by_everything() {
    let plane = ExternalPlane::start().await;
    plane.put("a", json!({}));
    let clock = ManualClock::at(1_764_158_400_000);
    let client = client_with(&plane, Pace::default(), Arc::new(clock.clone()));
    client.refresh().await.unwrap();
    plane.fail("/v1/jobs", Fault::Status(429, Some(60)));
    clock.pass(Duration::from_secs(15));
    client.refresh().await.unwrap_err();
    assert_eq!(plane.asked().len(), 2);
    let view = client.view();
    assert_eq!((view.health, view.jobs), (PlaneHealth::Degraded, 1));
    assert!(view.reason.unwrap().contains("a rest of 60 s"));
    plane.clear_faults();
    for _ in 0..3 {
        clock.pass(Duration::from_secs(15));
        client.refresh().await.unwrap_err();
        client.detail("a").await.unwrap_err();
    }
    assert_eq!(plane.asked().len(), 2);
    clock.pass(Duration::from_secs(15));
    client.refresh().await.unwrap();
    assert_eq!(client.view().health, PlaneHealth::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_is_told_and_what_was_known_stays() {
    let (plane, other) = (ExternalPlane::start().await, ExternalPlane::start().await);
    plane.put("a", json!({}));
    let pace = Pace {
        call: Duration::from_millis(200),
        ..quick()
    };
    let client = client(&plane, pace);
    let before = is(&client, PlaneHealth::Connected).await;
    let cases = [
        (Fault::Status(500, None), "status 500: as the test says"),
        (Fault::Status(503, None), "status 503"),
        (Fault::Garbage, "cannot be read"),
        (Fault::Cut, "no answer"),
        (Fault::Silence, "no answer within 0 s"),
        (Fault::Redirect(other.url()), "is not followed"),
    ];
    for (fault, words) in cases {
        plane.fail("/v1/jobs", fault.clone());
        let view = told(&client, |view| {
            view.reason
                .as_ref()
                .is_some_and(|reason| reason.contains(words))
        });
        let view = view.await;
        assert_eq!(view.health, PlaneHealth::Degraded, "{fault:?}");
        assert!(view.jobs == 1 && view.as_of >= before.as_of && view.since >= before.since);
        plane.clear_faults();
        is(&client, PlaneHealth::Connected).await;
    }
    // The token went nowhere else.
    assert!(other.asked().is_empty());
    plane.fail("/v1/jobs", Fault::Status(403, None));
    is(&client, PlaneHealth::Unauthorised).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_repeated_twice_if_its_connection_broke_and_never_otherwise() {
    let plane = ExternalPlane::start().await;
    plane.put("a", json!({}));
    let clock = ManualClock::at(1_764_158_400_000);
    let client = client_with(&plane, quick(), Arc::new(clock.clone()));
    client.refresh().await.unwrap();
    let cases = [
        (Fault::Cut, 3),
        (Fault::Status(500, None), 1),
        (Fault::Garbage, 1),
    ];
    for (fault, requests) in cases {
        clock.pass(Duration::from_secs(60));
        let before = plane.count("GET", "/v1/jobs/a/status");
        plane.fail("/status", fault.clone());
        client.detail("a").await.unwrap_err();
        let after = plane.count("GET", "/v1/jobs/a/status");
        assert_eq!(after - before, requests, "{fault:?}");
        plane.clear_faults();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_there_is_told_as_such_and_comes_by_itself() {
    let plane = ExternalPlane::start().await;
    let (url, address) = (plane.url(), plane.host());
    drop(plane);
    let token = super::Token::Given("x".to_owned());
    let clock = Arc::new(ManualClock::at(0));
    let client = OpenApiPlane::start(&url, token, quick(), clock).unwrap();
    let view = is(&client, PlaneHealth::Degraded).await;
    assert_eq!(view.name, address);
    assert!(view.reason.unwrap().contains("no answer"));
    assert_eq!(view.as_of, None);
}
