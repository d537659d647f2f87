//! Servers that answer, and refuse.

use std::time::{Duration, Instant};

use elb_core::cluster::Health;
use elb_engine::kubernetes::Pace;
use elb_testkit::kube_api::{Fault, Kind, KubeApi, Route, TOKEN};

use super::seen::{PACE, RUN, Seen, job, names};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_list_is_unreachable_in_its_own_words_and_live_when_it_can() {
    for (status, words) in [
        (429, "Too many requests"),
        (500, "Internal error occurred"),
        (503, "currently unable to handle"),
        (504, "unable to return a response in time"),
    ] {
        let api = KubeApi::start().await;
        api.put(Kind::Job, job(RUN));
        api.fail(Fault::new(Route::List, Kind::Pod, status));
        let seen = Seen::of(api, PACE);
        let place = seen.until_health(Health::Unreachable).await;
        let reason = place.reason.unwrap();
        assert!(reason.contains(words), "{reason}");
        // It stays so: that the rest of the server answers is no sign that this can be had.
        let since = seen.place().since;
        seen.asked(Route::List, Kind::Pod, 3).await;
        assert_eq!(seen.place().since, since);
        seen.api.clear_faults();
        let place = seen.until_live().await;
        assert_eq!(names(&place), [RUN]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_asked_for_is_kept() {
    let wait = Duration::from_secs(1);
    for route in [Route::List, Route::Watch] {
        let began = Instant::now();
        let api = KubeApi::start().await;
        api.fail(Fault::new(route, Kind::Pod, 429).times(1).retry_after(1));
        let seen = Seen::of(api, PACE);
        let twice = |api: &KubeApi| api.count(route, Kind::Pod) == 2;
        seen.api.wait_for("another try", twice).await;
        assert!(began.elapsed() >= wait, "{:?}", began.elapsed());
        seen.until_live().await;
    }
    // One that wants less to be asked whether it is there is there.
    let seen = Seen::live(PACE).await;
    let since = seen.place().since;
    let began = Instant::now();
    seen.api
        .fail(Fault::new(Route::Other, None, 429).times(1).retry_after(1));
    seen.asked(Route::Other, None, 3).await;
    assert!(began.elapsed() >= wait, "{:?}", began.elapsed());
    let place = seen.place();
    assert_eq!((place.health, place.since), (Health::Live, since));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_fails_once_is_not_told_and_one_that_goes_on_failing_is_given_up() {
    let seen = Seen::live(PACE).await;
    let since = seen.place().since;
    seen.watched().await;
    seen.api
        .fail(Fault::new(Route::Watch, Kind::Job, 500).times(1));
    // Heard of, so that this break is the first in a row.
    seen.put("one");
    seen.until_runs(&["one"]).await;
    seen.api.end_watches();
    seen.put("two");
    seen.until_runs(&["one", "two"]).await;
    assert_eq!(seen.api.count(Route::Watch, Kind::Job), 3);
    let place = seen.place();
    assert_eq!((place.health, place.since), (Health::Live, since));

    let seen = Seen::start(PACE).await;
    seen.api.fail(Fault::new(Route::Watch, Kind::Job, 500));
    let place = seen.until_health(Health::Listed).await;
    let reason = place.reason.unwrap();
    assert!(reason.contains("Internal error occurred"), "{reason}");
    assert_eq!(seen.api.count(Route::Watch, Kind::Job), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forbids_watching_is_asked_again_and_again() {
    let api = KubeApi::start().await;
    api.forbid_watch(true);
    api.put(Kind::Job, job("one"));
    let seen = Seen::of(
        api,
        Pace {
            without_watch: Duration::from_millis(100),
            ..PACE
        },
    );
    let place = seen.until_health(Health::Listed).await;
    assert!(place.reason.unwrap().contains("cannot watch resource"));
    seen.put("two");
    seen.until_runs(&["one", "two"]).await;
    seen.remove("one");
    seen.until_runs(&["two"]).await;
    // It is tried again now and then, and nobody is told that it was in vain.
    seen.asked(Route::Watch, Kind::Job, 2).await;
    assert_eq!(seen.place().since, place.since);
    seen.api.forbid_watch(false);
    let place = seen.until_live().await;
    assert_eq!(names(&place), ["two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_told_and_a_renewed_one_is_picked_up() {
    let seen = Seen::live(PACE).await;
    seen.put("before");
    seen.until_runs(&["before"]).await;
    seen.api.require_token(Some("renewed"));
    seen.api.cut_watches();
    let place = seen.until_health(Health::Unauthorised).await;
    let reason = place.reason.clone().unwrap();
    assert!(reason.contains("renew them"), "{reason}");
    assert_eq!(names(&place), ["before"]);
    seen.put("meanwhile");
    let since = seen.place().since;
    seen.asked(Route::Other, None, 2).await;
    assert_eq!(seen.place().since, since);
    seen.edit_kubeconfig(TOKEN, "renewed");
    let place = seen.until_live().await;
    assert_eq!(names(&place), ["before", "meanwhile"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_refused_are_tried_again_with_a_pause_before_each_time() {
    let api = KubeApi::start().await;
    api.require_token(Some("another"));
    let connect_again = Duration::from_millis(400);
    let began = Instant::now();
    let seen = Seen::of(
        api,
        Pace {
            connect_again,
            ..PACE
        },
    );
    let fourth = |api: &KubeApi| api.count(Route::List, Kind::Job) >= 4;
    seen.api.wait_for("the fourth try", fourth).await;
    assert!(
        began.elapsed() >= 3 * connect_again,
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_missing_are_named_and_what_else_can_be_had_is_seen() {
    let api = KubeApi::start().await;
    api.put(Kind::Job, job(RUN));
    api.fail(Fault::new(Route::Both, Kind::Pod, 403));
    // Nor is anything allowed that there is no need for.
    api.fail(Fault::new(Route::Other, None, 403));
    let seen = Seen::of(api, PACE);
    let place = seen.until_health(Health::Unauthorised).await;
    let reason = place.reason.unwrap();
    assert!(
        reason.contains("get, list and watch on jobs and pods"),
        "{reason}"
    );
    let place = seen.until_runs(&[RUN]).await;
    assert_eq!(place.version, None);
    let since = seen.place().since;
    seen.asked(Route::List, Kind::Pod, 2).await;
    assert_eq!(seen.place().since, since);
    seen.api.clear_faults();
    seen.api.fail(Fault::new(Route::Other, None, 403));
    let place = seen.until_live().await;
    seen.watched().await;
    // Not to be told the version or the namespace is no reason to begin anew.
    let since = place.since;
    let lists = seen.api.count(Route::List, Kind::Job);
    seen.asked(Route::Other, None, 5).await;
    assert_eq!(seen.place().since, since);
    assert_eq!(seen.api.count(Route::List, Kind::Job), lists);
}
