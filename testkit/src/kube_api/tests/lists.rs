//! Lists, single objects, and what else is no watch.

use super::*;

#[tokio::test]
async fn a_list_in_pages_is_of_one_moment() {
    let api = KubeApi::start().await;
    let version = api.put_many(Kind::Job, ["a", "b", "c", "d", "e"].map(job));
    let mut line = Line::to(&api).await;
    let first = line.ask(&format!("{JOBS}?limit=2")).await;
    assert_eq!(first.names(), "a b");
    assert_eq!(first.body["kind"], "JobList");
    assert_eq!(first.body["apiVersion"], "batch/v1");
    assert!(first.body["items"][0]["kind"].is_null());
    let metadata = &first.body["metadata"];
    assert_eq!(metadata["remainingItemCount"], 3);
    assert_eq!(metadata["resourceVersion"], version.to_string());
    api.put(Kind::Job, job("bb"));
    assert!(api.remove(Kind::Job, "default", "c"));
    let next = |answer: &Answer| {
        let token = answer.body["metadata"]["continue"].as_str().unwrap();
        format!("{JOBS}?limit=2&continue={token}")
    };
    let second = line.ask(&next(&first)).await;
    assert_eq!(second.names(), "c d");
    let metadata = &second.body["metadata"];
    assert_eq!(metadata["resourceVersion"], version.to_string());
    let third = line.ask(&next(&second)).await;
    assert_eq!(third.names(), "e");
    let metadata = &third.body["metadata"];
    assert!(metadata["continue"].is_null() && metadata["remainingItemCount"].is_null());
    // The same page can be had again, until it is forgotten.
    assert_eq!(line.ask(&next(&first)).await.names(), "c d");
    api.forget_history();
    let late = line.ask(&next(&first)).await;
    assert_eq!((late.status, late.reason()), (410, "Expired"));
    assert_eq!(line.ask(JOBS).await.names(), "a b bb d e");
    // Of what is selected nobody knows how much remains; a cache has no pages.
    let selected = line.ask(&format!("{JOBS}?limit=2&labelSelector=app")).await;
    assert!(selected.body["metadata"]["continue"].is_string());
    assert!(selected.body["metadata"]["remainingItemCount"].is_null());
    let cached = line.ask(&format!("{JOBS}?limit=2&resourceVersion=0")).await;
    assert_eq!(cached.names(), "a b bb d e");
    let nonsense = line.ask(&format!("{JOBS}?limit=2&continue=99-1")).await;
    assert_eq!(nonsense.status, 400);
}

#[tokio::test]
async fn lists_are_of_a_kind_and_a_namespace_and_of_what_is_selected() {
    let api = KubeApi::start().await;
    api.put_many(
        Kind::Job,
        [
            job("a"),
            blast_job("job-2", "b"),
            labelled(job("c"), "app", "setup"),
            in_namespace(job("elsewhere"), "other"),
        ],
    );
    let one = api.get(Kind::Job, "default", "a").unwrap();
    let pod = pod_of(&one, "a-x");
    api.put(Kind::Pod, pod.clone());
    api.put(Kind::Event, event_about(&pod, "e1", "FailedMount", "no"));
    api.put(Kind::Event, event_about(&pod, "e2", "BackOff", "no"));
    let mut line = Line::to(&api).await;
    let table = [
        (JOBS.to_owned(), "a b c"),
        ("/apis/batch/v1/jobs".to_owned(), "a b c elsewhere"),
        (format!("{JOBS}?labelSelector=elb-job-id%3Djob-1"), "a c"),
        (format!("{JOBS}?labelSelector=app+in+%28setup%2Cx%29"), "c"),
        (format!("{JOBS}?labelSelector=elb-job-id"), "a b c"),
        (format!("{JOBS}?fieldSelector=metadata.name%3Db"), "b"),
        (format!("{PODS}?labelSelector=job-name%3Da"), "a-x"),
        (
            format!("{EVENTS}?fieldSelector=involvedObject.name%3Da-x%2Creason%3DBackOff"),
            "e2",
        ),
    ];
    for (target, wanted) in table {
        assert_eq!(line.ask(&target).await.names(), wanted, "{target}");
    }
    for target in [
        "?fieldSelector=status.phase%3DX",
        "?sendInitialEvents=true",
        "?limit=x",
    ] {
        let answer = line.ask(&format!("{JOBS}{target}")).await;
        assert_eq!(
            (answer.status, answer.reason()),
            (400, "BadRequest"),
            "{target}"
        );
    }
}

#[tokio::test]
async fn other_things_than_lists_can_be_had_too() {
    let api = KubeApi::start().await;
    api.put(Kind::Job, job("a"));
    let mut line = Line::to(&api).await;
    assert_eq!(line.ask("/version").await.body["minor"], "33");
    let one = line.ask(&format!("{JOBS}/a")).await.body;
    assert_eq!(
        (&one["kind"], &one["apiVersion"]),
        (&json!("Job"), &json!("batch/v1"))
    );
    let namespace = "/api/v1/namespaces/default";
    assert_eq!(line.ask(namespace).await.body["status"]["phase"], "Active");
    api.set_namespace("default", false);
    assert_eq!(line.ask(namespace).await.reason(), "NotFound");
    api.set_namespace("default", true);
    assert_eq!(line.ask(namespace).await.status, 200);
    for target in [
        "/api/v1/namespaces/default/jobs",
        "/apis/batch/v1/pods",
        "/",
        "/x",
    ] {
        assert_eq!(line.ask(target).await.status, 404, "{target}");
    }
    let nameless = line.ask_with("POST", JOBS, "", "{}").await;
    assert_eq!((nameless.status, nameless.reason()), (422, "Invalid"));
    let target = format!("{JOBS}/a");
    let post = line.ask_with("POST", &target, "", "{}").await;
    assert_eq!(post.reason(), "MethodNotAllowed");
}

#[tokio::test]
async fn a_version_that_is_yet_to_come_is_refused_to_a_list_and_awaited_by_a_watch() {
    let api = KubeApi::start().await;
    let future = api.version() + 2;
    let mut line = Line::to(&api).await;
    let answer = line.ask(&format!("{JOBS}?resourceVersion={future}")).await;
    assert_eq!((answer.status, answer.reason()), (504, "Timeout"));
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.starts_with("Too large resource version"));
    assert!(answer.head.contains("retry-after: 1\r\n"));
    let target = format!("{JOBS}?watch=true&allowWatchBookmarks=true&resourceVersion={future}");
    line.watch(&target).await;
    api.bookmark();
    api.put_many(Kind::Job, ["a", "b", "c"].map(job));
    assert_eq!(line.news().await, format!("ADDED c {}", future + 1));
}

#[tokio::test]
async fn a_deleted_job_is_gone_and_it_is_noted_how() {
    let api = KubeApi::start().await;
    api.put_many(Kind::Job, ["a", "b"].map(job));
    let mut line = Line::to(&api).await;
    let (a, b) = (format!("{JOBS}/a"), format!("{JOBS}/b"));
    let other = r#"{"preconditions":{"uid":"another"}}"#;
    let answer = line.ask_with("DELETE", &a, "", other).await;
    assert_eq!(answer.reason(), "Conflict");
    let mut watching = Line::to(&api).await;
    watching
        .watch(&format!(
            "{JOBS}?watch=true&resourceVersion={}",
            api.version()
        ))
        .await;
    let background = r#"{"kind":"DeleteOptions","propagationPolicy":"Background"}"#;
    let answer = line.ask_with("DELETE", &a, "", background).await;
    assert_eq!(answer.body["status"], "Success");
    assert!(watching.news().await.starts_with("DELETED a "));
    let target = format!("{b}?propagationPolicy=Foreground");
    assert_eq!(line.ask_with("DELETE", &target, "", "").await.status, 200);
    assert_eq!(line.ask_with("DELETE", &b, "", "").await.status, 404);
    let deletions = api.deletions();
    let noted = deletions
        .iter()
        .map(|one| (one.name.as_str(), one.propagation.as_deref()));
    let wanted = [("a", Some("Background")), ("b", Some("Foreground"))];
    assert_eq!(noted.collect::<Vec<_>>(), wanted);
    assert_eq!(line.ask(JOBS).await.names(), "");
}

#[tokio::test]
async fn what_is_selected_is_deleted_at_once_and_nothing_else() {
    let api = KubeApi::start().await;
    for (name, run) in [("a", "one"), ("b", "one"), ("c", "two")] {
        api.put(Kind::Job, objects::blast_job(run, name));
    }
    let mut line = Line::to(&api).await;
    let target = format!("{JOBS}?labelSelector=elb-job-id%3Done");
    let foreground = r#"{"propagationPolicy":"Foreground"}"#;
    let answer = line.ask_with("DELETE", &target, "", foreground).await;
    assert_eq!((answer.status, answer.names().as_str()), (200, "a b"));
    let deletions = api.deletions();
    assert_eq!(deletions.len(), 2);
    let foreground = |one: &Deletion| one.propagation.as_deref() == Some("Foreground");
    assert!(deletions.iter().all(foreground));
    assert_eq!(line.ask(JOBS).await.names(), "c");
}

#[tokio::test]
async fn the_kubeconfig_leads_here() {
    let api = KubeApi::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    api.write_kubeconfig(&path, "a \"context\"", "blast");
    let config: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(config["current-context"], config["contexts"][0]["name"]);
    assert_eq!(config["contexts"][0]["context"]["namespace"], "blast");
    assert_eq!(config["clusters"][0]["cluster"]["server"], api.url());
    assert_eq!(config["users"][0]["user"]["token"], TOKEN);
}

#[test]
fn objects_are_in_the_shape_of_elastic_blast() {
    let job = with_counts(job("blastn-batch-core-nt-job-000-1"), 0, 1, 0);
    let job = with_condition(job, "SuccessCriteriaMet", "CompletionsReached");
    let job = with_condition(job, "Complete", "CompletionsReached");
    assert_eq!(job["metadata"]["labels"]["elb-job-id"], "job-1");
    let status = &job["status"];
    assert_eq!(
        (&status["succeeded"], &status["active"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(status["conditions"][1]["type"], "Complete");
    let pod = in_phase(pod_of(&job, "x"), "Running");
    assert_eq!(
        pod["metadata"]["ownerReferences"][0]["name"],
        job["metadata"]["name"]
    );
    assert_eq!(pod["metadata"]["labels"]["app"], "blast");
    assert_eq!(pod["status"]["phase"], "Running");
    let blast = &pod["spec"]["containers"][0];
    assert_eq!(
        blast["env"][0],
        json!({"name": "BLAST_ELB_JOB_ID", "value": "job-1"})
    );
}
