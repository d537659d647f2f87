//! Every behaviour, against a service that answers each request with as many bytes as its path says.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

use super::{frame::Requests, *};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough to say that nothing comes.
const NOTHING: Duration = Duration::from_millis(200);

/// A service and a proxy before it; the service tells what reached it.
async fn service() -> (FaultProxy, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (reached, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let reached = reached.clone();
            tokio::spawn(async move {
                let (reader, mut writer) = stream.into_split();
                let mut requests = Requests::new(reader);
                while let Ok(Some(head)) = requests.head().await {
                    let mut body = 0;
                    while let Ok(Some(piece)) = requests.piece().await {
                        body += piece.len();
                    }
                    reached.send(format!("{} {body}", head.target)).ok();
                    let size: usize = head.target[1..].parse().unwrap();
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n");
                    writer.write_all(answer.as_bytes()).await.ok();
                    writer.write_all(&vec![b'x'; size]).await.ok();
                }
            });
        }
    });
    (FaultProxy::before(&url).await, receiver)
}

/// Sends a request and reads one answer with a known length of body; `None` if it ends too early.
async fn ask(stream: &mut TcpStream, request: &str) -> Option<(String, usize)> {
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body.len()))
}

fn get(size: usize) -> String {
    format!("GET /{size} HTTP/1.1\r\nhost: x\r\n\r\n")
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

#[tokio::test]
async fn requests_pass_on_one_connection_and_are_noted() {
    let (proxy, mut reached) = service().await;
    let mut stream = connect(&proxy).await;
    for size in [0, 3_000_000, 7] {
        let (_, got) = ask(&mut stream, &get(size)).await.unwrap();
        assert_eq!(got, size);
    }
    let put = "PUT /2?a=b HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc".replace("?a=b", "");
    ask(&mut stream, &put).await.unwrap();
    let wanted = ["/0 0", "/3000000 0", "/7 0", "/2 3"];
    for wanted in wanted {
        assert_eq!(reached.recv().await.unwrap(), wanted);
    }
    assert_eq!((proxy.count("GET", "/7"), proxy.count("PUT", "/2")), (1, 1));
    assert!(proxy.take_requests().iter().all(|seen| seen.passed));
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn a_round_trip_delays_each_request_once_however_much_is_answered() {
    let (proxy, _reached) = service().await;
    let time = Duration::from_millis(60);
    proxy.set(Behaviour::RoundTrip(time));
    let mut stream = connect(&proxy).await;
    ask(&mut stream, &get(1)).await.unwrap();
    let began = Instant::now();
    ask(&mut stream, &get(5_000_000)).await.unwrap();
    // 5 MB are some eighty pieces, each of which would be late by itself.
    assert!(began.elapsed() >= time && began.elapsed() < time * 20);
}

#[tokio::test]
async fn a_slow_service_is_slow() {
    let (proxy, _reached) = service().await;
    proxy.set_next(1, Behaviour::Slow(Duration::from_millis(300)));
    let mut stream = connect(&proxy).await;
    let began = Instant::now();
    ask(&mut stream, &get(1)).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_cut_ends_open_connections_and_new_ones_until_it_is_mended() {
    let (proxy, _reached) = service().await;
    let mut open = connect(&proxy).await;
    ask(&mut open, &get(1)).await.unwrap();
    proxy.set(Behaviour::Cut);
    let end = timeout(PATIENCE, open.read_u8()).await.unwrap();
    assert!(end.is_err());
    let mut new = connect(&proxy).await;
    assert_eq!(
        timeout(PATIENCE, ask(&mut new, &get(1))).await.unwrap(),
        None
    );
    proxy.set(Behaviour::Pass);
    let mut new = connect(&proxy).await;
    ask(&mut new, &get(1)).await.unwrap();
}

#[tokio::test]
async fn a_half_open_line_takes_everything_and_gives_nothing() {
    let (proxy, mut reached) = service().await;
    let mut open = connect(&proxy).await;
    ask(&mut open, &get(1)).await.unwrap();
    assert_eq!(reached.recv().await.unwrap(), "/1 0");
    proxy.set(Behaviour::HalfOpen);
    let mut new = connect(&proxy).await;
    for stream in [&mut open, &mut new] {
        timeout(NOTHING, ask(stream, &get(2))).await.unwrap_err();
    }
    assert!(reached.try_recv().is_err());
}

#[tokio::test]
async fn a_reset_comes_in_the_middle_of_an_answer() {
    let (proxy, _reached) = service().await;
    proxy.set_next(1, Behaviour::Reset { after: 100_000 });
    let mut stream = connect(&proxy).await;
    stream.write_all(get(1_000_000).as_bytes()).await.unwrap();
    let (mut all, mut buffer) = (0, vec![0; 65_536]);
    let error = loop {
        match timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap() {
            Ok(0) => panic!("it ended as if that were all"),
            Ok(read) => all += read,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(all <= 100_000);
}

#[tokio::test]
async fn an_answer_of_the_proxy_does_not_reach_the_service_and_keeps_the_connection() {
    let (proxy, mut reached) = service().await;
    let mut stream = connect(&proxy).await;
    proxy.set_next(
        2,
        Behaviour::Answer {
            status: 503,
            retry_after: Some(2),
        },
    );
    let put = "PUT /1 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let (head, _) = ask(&mut stream, put).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    assert!(
        head.contains("x-ms-error-code: ServerBusy\r\n") && head.contains("retry-after: 2\r\n")
    );
    let post = "POST /$batch HTTP/1.1\r\naccept: application/json\r\ncontent-length: 3\r\n\r\nabc";
    let (head, _) = ask(&mut stream, post).await.unwrap();
    assert!(head.contains("content-type: application/json\r\n"));
    ask(&mut stream, &get(4)).await.unwrap();
    assert_eq!(reached.recv().await.unwrap(), "/4 0");
    let passed: Vec<bool> = proxy.requests().iter().map(|seen| seen.passed).collect();
    assert_eq!(passed, [false, false, true]);
}

#[tokio::test]
async fn a_lost_answer_is_that_of_a_request_that_was_carried_out() {
    let (proxy, mut reached) = service().await;
    proxy.set_next_where(1, |seen| seen.method == "PUT", Behaviour::LoseAnswer);
    let mut stream = connect(&proxy).await;
    ask(&mut stream, &get(1)).await.unwrap();
    assert_eq!(reached.recv().await.unwrap(), "/1 0");
    let put = "PUT /9 HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc";
    assert_eq!(
        timeout(PATIENCE, ask(&mut stream, put)).await.unwrap(),
        None
    );
    assert_eq!(reached.recv().await.unwrap(), "/9 3");
    let mut again = connect(&proxy).await;
    ask(&mut again, put).await.unwrap();
}
