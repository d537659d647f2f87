//! Every way to fail, and what is noted of requests.

use std::io::ErrorKind;

use super::*;

#[tokio::test]
async fn a_cut_comes_in_the_middle_of_a_line_after_what_was_said() {
    let api = KubeApi::start().await;
    let mut lines = [Line::to(&api).await, Line::to(&api).await];
    for line in &mut lines {
        line.watch(&format!(
            "{JOBS}?watch=true&resourceVersion={}",
            api.version()
        ))
        .await;
    }
    assert_eq!(api.watchers(Kind::Job), 2);
    let version = api.put(Kind::Job, job("a"));
    api.cut_watches();
    assert_eq!(api.watchers(Kind::Job), 0);
    for line in &mut lines {
        assert_eq!(line.news().await, format!("ADDED a {version}"));
        let rest = line.until(b"\n\r\n").await;
        let (size, half) = rest.split_once("\r\n").unwrap();
        assert!(half.len() < usize::from_str_radix(size, 16).unwrap());
        assert!(half.starts_with("{\"type\":") && !half.ends_with('\n'));
    }
    let mut line = Line::to(&api).await;
    line.watch(&format!("{JOBS}?watch=true&resourceVersion={version}"))
        .await;
    assert_eq!(api.watchers(Kind::Job), 1);
}

#[tokio::test]
async fn silence_is_for_open_watches_too_and_loses_nothing() {
    let api = KubeApi::start().await;
    let mut open = Line::to(&api).await;
    open.watch(&format!("{JOBS}?watch=true")).await;
    let mut cut = Line::to(&api).await;
    api.silence();
    let version = api.put(Kind::Job, job("a"));
    let mut new = Line::to(&api).await;
    new.send("GET", JOBS, "", "").await;
    cut.send("GET", JOBS, "", "").await;
    api.wait_for("both requests", |api| {
        api.count(Route::List, Kind::Job) == 2
    })
    .await;
    for line in [&mut open, &mut new] {
        timeout(NOTHING, line.0.read_u8()).await.unwrap_err();
    }
    drop(cut);
    api.speak();
    assert_eq!(open.news().await, format!("ADDED a {version}"));
    assert_eq!(new.head().await.0, 200);
    // A watch can be cut in silence, without what it was not told.
    api.silence();
    api.put(Kind::Job, job("b"));
    api.cut_watches();
    let rest = open.until(b"\n\r\n").await;
    assert!(rest.ends_with("bro"), "{rest}");
}

#[tokio::test]
async fn who_is_refused_can_come_again_to_the_same_port() {
    let api = KubeApi::start().await;
    let mut idle = Line::to(&api).await;
    idle.ask(JOBS).await;
    let mut watching = Line::to(&api).await;
    watching.watch(&format!("{JOBS}?watch=true")).await;
    for _ in 0..2 {
        api.refuse().await;
        assert_eq!(api.watchers(Kind::Job), 0);
        let error = TcpStream::connect(api.address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    assert_eq!(idle.until(b"x").await + &watching.until(b"x").await, "");
    api.put(Kind::Job, job("a"));
    for _ in 0..2 {
        api.accept_again().await;
        assert_eq!(Line::to(&api).await.ask(JOBS).await.names(), "a");
    }
    api.refuse().await;
    api.accept_again().await;
    assert_eq!(Line::to(&api).await.ask(JOBS).await.names(), "a");
    let address = api.address;
    let mut last = Line::to(&api).await;
    last.ask(JOBS).await;
    drop(api);
    assert_eq!(last.until(b"x").await, "");
    let error = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn faults_are_for_a_route_and_a_kind_so_often_as_was_said() {
    let api = KubeApi::start().await;
    let mut line = Line::to(&api).await;
    let table = [
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (410, "Expired"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (504, "Timeout"),
    ];
    let watch = format!("{JOBS}?watch=true");
    for (status, reason) in table {
        api.fail(Fault::new(Route::Both, Kind::Job, status).times(2));
        for target in [JOBS, &watch] {
            let answer = line.ask(target).await;
            assert_eq!(
                (answer.status, answer.reason()),
                (status, reason),
                "{target}"
            );
            assert!(!answer.head.contains("retry-after"));
        }
        assert_eq!(line.ask(JOBS).await.status, 200);
    }
    api.fail(
        Fault::new(Route::List, Kind::Job, 429)
            .times(1)
            .retry_after(7),
    );
    api.fail(Fault::new(Route::List, None, 500).reason("Odd"));
    api.fail(Fault::new(Route::Other, None, 503));
    let answer = line.ask(JOBS).await;
    assert!(answer.head.contains("retry-after: 7\r\n"));
    assert_eq!(answer.body["details"]["retryAfterSeconds"], 7);
    for _ in 0..3 {
        assert_eq!(line.ask(JOBS).await.reason(), "Odd");
        assert_eq!(line.ask(PODS).await.reason(), "Odd");
        assert_eq!(line.ask("/version").await.status, 503);
    }
    let mut watching = Line::to(&api).await;
    watching.watch(&watch).await;
    api.clear_faults();
    assert_eq!(line.ask(JOBS).await.status, 200);
}

#[tokio::test]
async fn a_token_can_be_demanded_and_watching_be_forbidden() {
    let api = KubeApi::start().await;
    let mut line = Line::to(&api).await;
    api.require_token(Some("new"));
    let old = format!("authorization: Bearer {TOKEN}\r\n");
    for heads in ["", &old] {
        let answer = line.ask_with("GET", JOBS, heads, "").await;
        assert_eq!(answer.reason(), "Unauthorized");
    }
    let new = "authorization: Bearer new\r\n";
    assert_eq!(line.ask_with("GET", JOBS, new, "").await.status, 200);
    let tokens: Vec<_> = api.requests().into_iter().map(|call| call.token).collect();
    assert_eq!(
        tokens,
        [None, Some(TOKEN.to_owned()), Some("new".to_owned())]
    );
    api.require_token(None);
    api.forbid_watch(true);
    let watch = format!("{PODS}?watch=true");
    assert_eq!(line.ask(&watch).await.reason(), "Forbidden");
    assert_eq!(line.ask(PODS).await.status, 200);
    api.forbid_watch(false);
    line.watch(&watch).await;
}

#[tokio::test]
async fn requests_are_counted_by_what_they_do() {
    let api = KubeApi::start().await;
    let mut line = Line::to(&api).await;
    line.ask(&format!("{JOBS}?labelSelector=app%3Dblast&limit=5"))
        .await;
    line.ask(PODS).await;
    line.ask(PODS).await;
    line.ask("/version").await;
    line.ask(&format!("{PODS}/none")).await;
    line.watch(&format!("{PODS}?watch=true")).await;
    let counts = [Route::List, Route::Watch, Route::Both, Route::Other].map(|route| {
        let of = |kind| api.count(route, kind);
        (of(None), of(Some(Kind::Job)), of(Some(Kind::Pod)))
    });
    assert_eq!(counts, [(3, 1, 2), (1, 0, 1), (4, 1, 3), (2, 0, 1)]);
    let calls = api.take_requests();
    let first = &calls[0];
    assert_eq!((first.method.as_str(), first.path.as_str()), ("GET", JOBS));
    assert_eq!(first.field("labelSelector"), Some("app=blast"));
    assert_eq!(first.field("continue"), None);
    assert!(api.requests().is_empty());
}
