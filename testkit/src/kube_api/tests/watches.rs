//! Watches, and the history that they are told.

use super::*;

#[tokio::test]
async fn a_watch_is_told_every_change_after_its_version() {
    let api = KubeApi::start().await;
    let first = api.put(Kind::Job, job("a"));
    api.put(Kind::Job, job("b"));
    api.put(Kind::Pod, pod_of(&job("a"), "a-x"));
    let mut line = Line::to(&api).await;
    line.watch(&format!("{JOBS}?watch=true&resourceVersion={first}"))
        .await;
    assert_eq!(line.news().await, format!("ADDED b {}", first + 1));
    let uid = api.get(Kind::Job, "default", "a").unwrap()["metadata"]["uid"].clone();
    api.put(Kind::Job, with_counts(job("a"), 1, 0, 0));
    let event = line.event().await.unwrap();
    assert_eq!(event["type"], "MODIFIED");
    let object = &event["object"];
    assert_eq!(
        (&object["kind"], &object["status"]["active"]),
        (&json!("Job"), &json!(1))
    );
    assert_eq!(object["metadata"]["uid"], uid);
    assert!(api.remove(Kind::Job, "default", "a"));
    assert!(!api.remove(Kind::Job, "default", "a"));
    assert_eq!(line.news().await, format!("DELETED a {}", first + 4));
    api.put(Kind::Job, in_namespace(job("c"), "other"));
    api.put(Kind::Job, job("d"));
    assert_eq!(line.news().await, format!("ADDED d {}", first + 6));
    // Without a version, first everything that is there.
    let mut line = Line::to(&api).await;
    line.watch(&format!("{JOBS}?watch=1")).await;
    assert_eq!(line.news().await, format!("ADDED b {}", first + 1));
    assert_eq!(line.news().await, format!("ADDED d {}", first + 6));
    api.put(Kind::Job, job("e"));
    assert_eq!(line.news().await, format!("ADDED e {}", first + 7));
}

#[tokio::test]
async fn who_selects_sees_objects_come_and_go_with_their_labels() {
    let api = KubeApi::start().await;
    let version = api.put(Kind::Job, labelled(job("a"), "app", "setup"));
    let mut line = Line::to(&api).await;
    let target = format!("{JOBS}?watch=true&labelSelector=app%3Dblast&resourceVersion={version}");
    line.watch(&target).await;
    api.put(Kind::Job, job("a"));
    assert_eq!(line.news().await, format!("ADDED a {}", version + 1));
    api.put(Kind::Job, labelled(job("a"), "app", "setup"));
    let event = line.event().await.unwrap();
    let metadata = &event["object"]["metadata"];
    assert_eq!(event["type"], "DELETED");
    assert_eq!(metadata["labels"]["app"], "blast");
    assert_eq!(metadata["resourceVersion"], (version + 2).to_string());
}

#[tokio::test]
async fn what_is_too_old_is_an_error_in_the_watch_which_ends() {
    let api = KubeApi::start().await;
    let version = api.put(Kind::Job, job("a"));
    let mut open = Line::to(&api).await;
    let target = format!("{JOBS}?watch=true&resourceVersion={version}");
    open.watch(&target).await;
    api.forget_history();
    let mut line = Line::to(&api).await;
    line.watch(&target).await;
    let event = line.event().await.unwrap();
    assert_eq!(event["type"], "ERROR");
    let status = &event["object"];
    assert_eq!(status["kind"], "Status");
    assert_eq!(
        (&status["code"], &status["reason"]),
        (&json!(410), &json!("Expired"))
    );
    assert_eq!(line.event().await, None);
    assert_eq!(api.watchers(Kind::Job), 1);
    // The connection goes on, and so does the watch that was open.
    let list = line.ask(JOBS).await;
    let now = list.body["metadata"]["resourceVersion"].as_str().unwrap();
    line.watch(&format!("{JOBS}?watch=true&resourceVersion={now}"))
        .await;
    api.put(Kind::Job, job("b"));
    assert_eq!(line.news().await, open.news().await);
    api.expire_watches();
    assert_eq!(api.watchers(Kind::Job), 0);
    assert_eq!(open.event().await.unwrap()["object"]["code"], 410);
    assert_eq!(open.event().await, None);
}

#[test]
fn the_history_is_bounded() {
    let mut store = Store::default();
    let first = store.put(Kind::Job, job("a"));
    let error = |store: &mut Store, after| {
        let mut said = store.watch(Kind::Job, select::Selector::default(), false, Some(after));
        let said = said.try_recv().unwrap();
        matches!(said, store::Said::Event(event) if event["type"] == "ERROR")
    };
    // One more than are remembered, with the first.
    for _ in 0..10_000 {
        store.put(Kind::Job, job("a"));
    }
    assert!(!error(&mut store, first));
    assert!(error(&mut store, first - 1));
}

#[tokio::test]
async fn bookmarks_come_when_told_to_who_allows_them() {
    let api = KubeApi::start().await;
    let version = api.put(Kind::Pod, pod_of(&job("a"), "a-x"));
    let target = format!("{PODS}?watch=true&resourceVersion={version}");
    let (mut with, mut without) = (Line::to(&api).await, Line::to(&api).await);
    with.watch(&format!("{target}&allowWatchBookmarks=true"))
        .await;
    without.watch(&target).await;
    let now = api.put(Kind::Job, job("a"));
    api.bookmark();
    let event = with.event().await.unwrap();
    assert_eq!(event["type"], "BOOKMARK");
    assert_eq!(event["object"]["kind"], "Pod");
    assert_eq!(
        event["object"]["metadata"]["resourceVersion"],
        now.to_string()
    );
    let next = api.put(Kind::Pod, in_phase(pod_of(&job("a"), "a-x"), "Running"));
    assert_eq!(without.news().await, format!("MODIFIED a-x {next}"));
}

#[tokio::test]
async fn watches_end_when_told_when_their_time_is_over_and_when_the_client_leaves() {
    let api = KubeApi::start().await;
    let mut line = Line::to(&api).await;
    line.watch(&format!("{JOBS}?watch=true")).await;
    let version = api.put(Kind::Job, job("a"));
    api.end_watches();
    assert_eq!(line.news().await, format!("ADDED a {version}"));
    assert_eq!(line.event().await, None);
    line.watch(&format!("{PODS}?watch=true&timeoutSeconds=1"))
        .await;
    assert_eq!(line.event().await, None);
    api.wait_for("the end of its time", |api| api.watchers(Kind::Pod) == 0)
        .await;
    line.watch(&format!("{PODS}?watch=true")).await;
    assert_eq!((api.watchers(Kind::Pod), api.watchers(Kind::Job)), (1, 0));
    drop(line);
    api.wait_for("the client to leave", |api| api.watchers(Kind::Pod) == 0)
        .await;
}

/// However often a watch is cut while objects change: who begins again where it was sees each change once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_missed_or_told_twice() {
    const CHANGES: u64 = 400;
    let api = Arc::new(KubeApi::start().await);
    let first = api.version();
    let changing = tokio::spawn({
        let api = Arc::clone(&api);
        async move {
            for at in 0..CHANGES {
                api.put(Kind::Job, job(&format!("j{}", at % 7)));
                if at % 50 == 25 {
                    api.wait_for("somebody to cut off", |api| api.watchers(Kind::Job) > 0)
                        .await;
                    api.cut_watches();
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let (mut seen, mut watches) = (first, 0);
    while seen < first + CHANGES {
        let mut line = Line::to(&api).await;
        line.watch(&format!("{JOBS}?watch=true&resourceVersion={seen}"))
            .await;
        watches += 1;
        while seen < first + CHANGES {
            let chunk = line.until(b"\n\r\n").await;
            let Some(event) = chunk.strip_suffix("\n\r\n") else {
                break;
            };
            let (_, event) = event.split_once("\r\n").unwrap();
            let event: Value = serde_json::from_str(event).unwrap();
            let version = &event["object"]["metadata"]["resourceVersion"];
            assert_eq!(version, &json!((seen + 1).to_string()));
            seen += 1;
        }
    }
    changing.await.unwrap();
    assert!(watches > 1);
}
