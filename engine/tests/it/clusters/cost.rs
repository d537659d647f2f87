//! What seeing a cluster costs: requests, memory, time.

use std::time::{Duration, Instant};

use elb_core::cluster::Health;
use elb_engine::{clusters::Clusters, kubernetes::Pace};
use elb_testkit::kube_api::{
    Kind, KubeApi, Route,
    objects::{NAMESPACE, blast_job, pod_of},
};

use super::seen::{CLUSTER, PACE, Seen, until, watched};

const JOBS: usize = 5_000;
const PODS: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_on_which_nothing_happens_is_asked_only_whether_it_is_there() {
    let seen = Seen::live(PACE).await;
    seen.watched().await;
    seen.asked(Route::Other, None, 1).await;
    let before = seen.place().requests;
    seen.api.take_requests();
    seen.asked(Route::Other, None, 20).await;
    let calls = seen.api.take_requests();
    let path = format!("/api/v1/namespaces/{NAMESPACE}");
    assert!(calls.iter().all(|call| call.path == path), "{calls:#?}");
    // Each is counted; one may be on its way.
    let counted = seen.place().requests - before;
    let came = u64::try_from(calls.len()).unwrap();
    assert!(
        counted >= came && counted <= came + 2,
        "{counted} of {came}"
    );
    let beats = 60.0 / Pace::default().beat.as_secs_f64();
    let watches = 2.0 * 60.0 / 290.0;
    println!(
        "idle: one request a beat: {beats:.1} a minute, and {watches:.2} watches that begin anew"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_cost_no_request() {
    let seen = Seen::live(Pace {
        beat: Duration::from_secs(3_600),
        ..PACE
    })
    .await;
    seen.watched().await;
    // Beside the watches it was asked once whether the cluster is there.
    let asked = |api: &KubeApi, path: &str| api.requests().iter().any(|call| call.path == path);
    let namespace = format!("/api/v1/namespaces/{NAMESPACE}");
    seen.api
        .wait_for("the first beat", |api| {
            asked(api, "/version") && asked(api, &namespace)
        })
        .await;
    let before = seen.api.requests().len();
    assert_eq!(seen.place().requests, u64::try_from(before).unwrap());
    for _ in 0..1_000 {
        seen.place();
    }
    assert_eq!(seen.api.requests().len(), before);
    assert_eq!(seen.place().requests, u64::try_from(before).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_jobs_and_pods_are_listed_in_pages_and_little_of_each_is_kept() {
    let api = KubeApi::start().await;
    let jobs = (0..JOBS).map(|number| {
        let run = format!("job-{:032x}", number / 50);
        blast_job(&run, &format!("blastn-batch-nt-job-{number:05}"))
    });
    let jobs: Vec<_> = jobs.collect();
    let pods = (0..PODS).map(|number| {
        let job = &jobs[number % JOBS];
        pod_of(job, &format!("blastn-batch-nt-job-{number:05}-abcde"))
    });
    api.put_many(Kind::Pod, pods);
    api.put_many(Kind::Job, jobs);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    api.write_kubeconfig(&path, CLUSTER, NAMESPACE);
    let mut snapshots = Vec::new();
    // What lists take for a moment is taken by the first; what the others add is what they keep.
    for number in 0..4 {
        let (before, began) = (resident(), Instant::now());
        api.take_requests();
        let snapshot = watched(path.clone(), PACE);
        let place = until(&snapshot, |place| place.health == Health::Live).await;
        let took = began.elapsed();
        assert_eq!(place.runs.len(), JOBS / 50);
        let seen: usize = place.runs.iter().map(|run| run.pods.len()).sum();
        assert_eq!(seen, PODS);
        assert_eq!(api.count(Route::List, Kind::Job), JOBS / 500);
        assert_eq!(api.count(Route::List, Kind::Pod), PODS / 500);
        let began = Instant::now();
        drop(snapshot.places());
        println!(
            "snapshot {number} of {JOBS} Jobs and {PODS} pods: live after {took:?}, resident {before} KiB \
             before and {} KiB after, places() takes {:?}",
            resident(),
            began.elapsed()
        );
        snapshots.push(snapshot);
    }
}

/// What this process has in memory, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}
