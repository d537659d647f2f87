//! Logs of real containers: followed while they print, read when they have ended, and gone with their pod.

use elb_core::{
    cluster::{Health, LogLines, LogOf},
    job::Found,
};
use elb_engine::clusters::{Clusters, ContainerRun, LogPart, PodLogError, RunState};
use futures::StreamExt;
use serde_json::{Value, json};

use super::support::{Space, Watching, blast_job};

const RUN: &str = "job-0123456789abcdef0123456789abcdef";

/// A Job whose containers really run: one before, which prints a line, and `blast`, which prints until somebody
/// has it end, and fails the first time.
fn printing(space: &Space) -> Value {
    let mut job = blast_job(RUN, 0);
    let pod = &mut job["spec"]["template"]["spec"];
    pod["nodeSelector"] = json!({});
    pod["restartPolicy"] = json!("OnFailure");
    pod["automountServiceAccountToken"] = json!(false);
    pod["terminationGracePeriodSeconds"] = json!(1);
    pod["volumes"] = json!([{"name": "shared", "emptyDir": {}}]);
    let mounts = json!([{"name": "shared", "mountPath": "/shared"}]);
    let image = space.cluster.image();
    pod["initContainers"] = json!([{
        "name": "stage-db", "image": image, "imagePullPolicy": "Never",
        "command": ["sh", "-c", "echo staged; echo twice >&2"],
    }]);
    let script = "if ! [ -e /shared/failed ]; then echo first; touch /shared/failed; exit 3; fi; \
        echo second; while ! [ -e /shared/end ]; do sleep 0.2; done; echo last";
    pod["containers"][0]["image"] = json!(image);
    pod["containers"][0]["imagePullPolicy"] = json!("Never");
    pod["containers"][0]["command"] = json!(["sh", "-c", script]);
    pod["containers"][0]["volumeMounts"] = mounts;
    let containers = pod["containers"].as_array_mut().unwrap();
    containers.truncate(1);
    job
}

/// Waits until the search's containers are seen so.
async fn until(
    watching: &Watching,
    place: &Found,
    so: impl Fn(&[ContainerRun]) -> bool,
) -> Vec<ContainerRun> {
    let runs = || watching.0.pod_logs().unwrap().runs(place, RUN);
    watching.until(|_| so(&runs())).await;
    runs()
}

async fn texts(
    watching: &Watching,
    place: &Found,
    log: &LogOf,
    part: LogPart,
) -> Result<Vec<String>, PodLogError> {
    let logs = watching.0.pod_logs().unwrap();
    let mut pieces = logs.read(place, RUN, log, part).await?;
    let mut lines = LogLines::after(None);
    let mut read = Vec::new();
    while let Some(piece) = pieces.next().await {
        read.extend(lines.push(&piece?));
    }
    read.extend(lines.finish());
    assert!(read.iter().all(|line| line.at.0 > 0), "{read:?}");
    Ok(read.into_iter().map(|line| line.text).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_containers_of_pods_print_is_followed_and_read_again() {
    let space = Space::new();
    let watching = space.watch();
    watching.until(|place| place.health == Health::Live).await;
    let place = Found {
        cluster: space.context(),
        namespace: space.name.clone(),
    };
    space.create(&printing(&space));
    let runs = until(&watching, &place, |runs| {
        runs.iter()
            .any(|run| run.log.restart == 1 && matches!(run.state, RunState::Running { .. }))
    })
    .await;
    let log =
        |container: &str, restart: u32| LogOf::new(&runs[0].log.pod, container, restart).unwrap();
    let whole = LogPart::default();
    let staged = texts(&watching, &place, &log("stage-db", 0), whole).await;
    let mut staged = staged.unwrap();
    // Two outputs have no order between them.
    staged.sort();
    assert_eq!(staged, ["staged", "twice"]);
    let first = texts(&watching, &place, &log("blast", 0), whole).await;
    assert_eq!(first.unwrap(), ["first"]);
    // Followed by somebody who is there before its end.
    let follow = LogPart {
        follow: true,
        ..whole
    };
    let blast = log("blast", 1);
    let followed = texts(&watching, &place, &blast, follow);
    let ended = async {
        let end = [
            "exec",
            &runs[0].log.pod,
            "-c",
            "blast",
            "--",
            "touch",
            "/shared/end",
        ];
        space.kubectl(&end, &Value::Null);
    };
    let (followed, ()) = tokio::join!(followed, ended);
    assert_eq!(followed.unwrap(), ["second", "last"]);
    until(&watching, &place, |runs| {
        runs.iter().any(|run| run.log == blast && run.has_ended())
    })
    .await;
    let last = LogPart {
        last: Some(1),
        ..whole
    };
    let read = texts(&watching, &place, &blast, last).await;
    assert_eq!(read.unwrap(), ["last"]);
    let name = printing(&space)["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    space.kubectl(&["delete", "job", &name], &Value::Null);
    until(&watching, &place, <[ContainerRun]>::is_empty).await;
    let gone = texts(&watching, &place, &blast, whole).await;
    assert!(matches!(gone, Err(PodLogError::Gone(_))), "{gone:?}");
    watching.0.shut_down().await;
}
