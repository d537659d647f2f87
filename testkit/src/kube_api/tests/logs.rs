//! Logs of containers, read and followed.

use super::*;

const LOG: &str = "/api/v1/namespaces/default/pods/a-x/log";

async fn with_pod() -> KubeApi {
    let api = KubeApi::start().await;
    api.put(Kind::Pod, pod_of(&job("a"), "a-x"));
    api
}

impl Line {
    /// Begins to read a log.
    async fn read(&mut self, target: &str) {
        self.watch(target).await;
    }

    /// The next line; `None` at the proper end.
    async fn text(&mut self) -> Option<String> {
        let size = self.until(b"\r\n").await;
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.0.read_exact(&mut chunk).await.unwrap();
        let line = String::from_utf8(chunk).unwrap();
        line.strip_suffix("\n\r\n").map(str::to_owned)
    }
}

#[tokio::test]
async fn what_is_not_there_or_has_not_begun_is_refused_in_the_words_of_a_server() {
    let api = with_pod().await;
    let mut line = Line::to(&api).await;
    for (target, status, words) in [
        (
            "/api/v1/namespaces/default/pods/b-x/log?container=blast",
            404,
            "not found",
        ),
        (
            &format!("{LOG}?container=other"),
            400,
            "is not valid for pod",
        ),
        (
            &format!("{LOG}?container=blast"),
            400,
            "is waiting to start",
        ),
        (
            &format!("{LOG}?container=blast&previous=true"),
            400,
            "previous terminated",
        ),
        (&format!("{LOG}?container=blast&tailLines=x"), 400, ""),
        (
            &format!("{LOG}?container=blast&limitBytes=1"),
            400,
            "limitBytes",
        ),
    ] {
        if target.contains("tailLines") {
            api.say("a-x", "blast", &[]);
        }
        let answer = line.ask(target).await;
        assert_eq!(answer.status, status, "{target}");
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
    api.fail(Fault::new(Route::Log, Kind::Pod, 403));
    let answer = line.ask(&format!("{LOG}?container=blast")).await;
    assert_eq!((answer.status, answer.reason()), (403, "Forbidden"));
    assert_eq!(api.count(Route::Log, Kind::Pod), 7);
}

#[tokio::test]
async fn a_log_is_read_whole_from_a_second_on_or_from_its_end() {
    let api = with_pod().await;
    api.say(
        "a-x",
        "blast",
        &["2026-01-01T00:00:01.9Z one", "2026-01-01T00:00:02Z two"],
    );
    let mut line = Line::to(&api).await;
    for (more, wanted) in [
        ("", vec!["one", "two"]),
        ("&tailLines=1", vec!["two"]),
        (
            "&sinceTime=2026-01-01T00:00:02Z&timestamps=true",
            vec!["2026-01-01T00:00:02Z two"],
        ),
    ] {
        line.read(&format!("{LOG}?container=blast{more}")).await;
        for text in wanted {
            assert_eq!(line.text().await.as_deref(), Some(text), "{more}");
        }
        assert_eq!(line.text().await, None);
    }
    api.restart_log("a-x", "blast");
    api.say("a-x", "blast", &["2026-01-01T00:00:09Z anew"]);
    line.read(&format!("{LOG}?container=blast&previous=true&tailLines=1"))
        .await;
    assert_eq!(line.text().await.as_deref(), Some("two"));
}

#[tokio::test]
async fn a_follower_is_told_until_the_end_or_a_cut() {
    let api = with_pod().await;
    api.say("a-x", "blast", &["2026-01-01T00:00:01Z one"]);
    let target = format!("{LOG}?container=blast&follow=true");
    let mut line = Line::to(&api).await;
    line.read(&target).await;
    assert_eq!(line.text().await.as_deref(), Some("one"));
    assert_eq!(api.followers(), 1);
    api.say("a-x", "blast", &["2026-01-01T00:00:02Z two"]);
    assert_eq!(line.text().await.as_deref(), Some("two"));
    let mut other = Line::to(&api).await;
    other.read(&target).await;
    assert_eq!(other.text().await.as_deref(), Some("one"));
    api.cut_logs();
    api.wait_for("no follower", |api| api.followers() == 0)
        .await;
    assert!(line.until(b"never").await.starts_with("400\r\n"));
    line = Line::to(&api).await;
    line.read(&target).await;
    api.end_log("a-x", "blast");
    assert_eq!(line.text().await.as_deref(), Some("one"));
    assert_eq!(line.text().await.as_deref(), Some("two"));
    assert_eq!(line.text().await, None);
}
