//! Clusters that are away, or not there.

use std::time::{Duration, Instant};

use elb_core::{
    cluster::{Health, ResultsSeen},
    time::Timestamp,
};
use elb_engine::{clusters::Clusters, kubernetes::Pace};
use elb_testkit::kube_api::{Kind, KubeApi, Route};

use super::{
    super::support::eventually,
    seen::{CLUSTER, PACE, RUN, Seen, found, job, names, until, watched},
};

/// How long an answer may take here.
const ANSWER: Duration = Duration::from_secs(1);

fn impatient() -> Pace {
    Pace {
        answer: ANSWER,
        long_answer: ANSWER,
        beat: Duration::from_millis(200),
        ..PACE
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_is_unreachable_and_live_only_when_all_is_known_again() {
    let seen = Seen::live(impatient()).await;
    seen.put("before");
    seen.until_runs(&["before"]).await;
    let verdict = || {
        let since = Timestamp(0);
        let results = ResultsSeen::default();
        let sight = seen.snapshot.see(&found(), "before", since, &results);
        sight.map(|sight| sight.verdict)
    };
    assert!(verdict().is_some());
    for round in 0..3 {
        let began = Instant::now();
        seen.api.silence();
        let place = seen.until_health(Health::Unreachable).await;
        println!("silent server: told after {:?}", began.elapsed());
        let reason = place.reason.clone().unwrap();
        assert!(reason.contains("has not answered within"), "{reason}");
        // What was seen stays, and does not pass for what is.
        assert!(names(&place).contains(&"before"));
        assert_eq!(verdict(), None);
        assert_eq!(seen.place().as_of, seen.place().as_of);
        let run = format!("meanwhile-{round}");
        seen.put(&run);
        if round != 1 {
            // Those that are not cut are told of it; these are not.
            seen.api.cut_watches();
        }
        seen.api.speak();
        let place = seen.until_live().await;
        assert!(names(&place).contains(&run.as_str()), "{:?}", names(&place));
        assert_eq!(place.reason, None);
        assert!(verdict().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_connections_is_unreachable_and_listed_anew_when_it_is_back() {
    let seen = Seen::live(PACE).await;
    seen.put("before");
    seen.until_runs(&["before"]).await;
    seen.watched().await;
    for round in 0..3 {
        seen.api.refuse().await;
        let place = seen.until_health(Health::Unreachable).await;
        let reason = place.reason.clone().unwrap();
        assert!(
            reason.to_lowercase().contains("connect"),
            "no words of a connection: {reason}"
        );
        assert!(names(&place).contains(&"before"));
        // For longer than a watch may be broken off without a word.
        eventually("it is tried again and again", || {
            seen.place().requests > place.requests + 30
        })
        .await;
        let run = format!("meanwhile-{round}");
        seen.put(&run);
        let lists = [Kind::Job, Kind::Pod].map(|kind| seen.api.count(Route::List, kind));
        seen.api.accept_again().await;
        let place = seen.until_live().await;
        assert!(names(&place).contains(&run.as_str()), "{:?}", names(&place));
        for (kind, before) in [Kind::Job, Kind::Pod].into_iter().zip(lists) {
            assert!(seen.api.count(Route::List, kind) > before);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_at_first_is_seen_once_it_is_there() {
    let api = KubeApi::start().await;
    api.put(Kind::Job, job(RUN));
    api.refuse().await;
    let seen = Seen::of(api, PACE);
    let place = seen.until_health(Health::Unreachable).await;
    assert_eq!(place.as_of, None);
    seen.api.accept_again().await;
    let place = seen.until_live().await;
    assert_eq!(names(&place), [RUN]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_does_not_exist_is_missing_until_it_does() {
    let api = KubeApi::start().await;
    api.set_namespace("default", false);
    let seen = Seen::of(api, PACE);
    let place = seen.until_health(Health::Missing).await;
    assert!(place.reason.unwrap().contains("has no namespace default"));
    // Lists and watches of one that is not there go well, which says nothing.
    seen.watched().await;
    let since = seen.place().since;
    seen.api.expire_watches();
    seen.asked(Route::Watch, Kind::Job, 1).await;
    seen.watched().await;
    seen.asked(Route::Other, None, 3).await;
    let place = seen.place();
    assert_eq!((place.health, place.since), (Health::Missing, since));
    seen.api.set_namespace("default", true);
    seen.until_live().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_is_not_in_the_kubeconfig_is_missing_until_it_is() {
    let api = KubeApi::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    let snapshot = watched(path.clone(), PACE);
    let place = until(&snapshot, |place| place.health == Health::Missing).await;
    assert!(place.reason.unwrap().contains("kubeconfig cannot be used"));
    api.write_kubeconfig(&path, "another", "default");
    let named = |place: &elb_core::cluster::PlaceView| {
        place
            .reason
            .as_ref()
            .is_some_and(|reason| reason.contains("no context elb"))
    };
    let place = until(&snapshot, named).await;
    assert_eq!(place.health, Health::Missing);
    assert_eq!(api.requests(), []);
    api.write_kubeconfig(&path, CLUSTER, "default");
    until(&snapshot, |place| place.health == Health::Live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_whose_name_leads_nowhere_is_stopped() {
    let seen = Seen::start(PACE).await;
    seen.until_live().await;
    let path = tempfile::NamedTempFile::new().unwrap();
    seen.api.write_kubeconfig(path.path(), CLUSTER, "default");
    let text = std::fs::read_to_string(path.path()).unwrap();
    let text = text.replace(&seen.api.url(), "http://no-such-host.invalid:1");
    std::fs::write(path.path(), text).unwrap();
    let snapshot = watched(path.path().to_owned(), PACE);
    let place = until(&snapshot, |place| place.health != Health::Connecting).await;
    let reason = place.reason.unwrap();
    assert_eq!(place.health, Health::Stopped, "{reason}");
    assert!(reason.contains("start it"), "{reason}");
}
