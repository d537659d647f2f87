//! What depends on the connection: endless answers leave it, all others share it.

use elb_server::limits::{Limits, Places, Settings};

use super::support::{Raw, Server, eventually, small_search};

const EVENTS: &str = "/api/blast/events";

fn request(version: &str, path: &str) -> Vec<u8> {
    format!("GET {path} {version}\r\nhost: localhost\r\n\r\n").into_bytes()
}

fn readers(server: &Server) -> usize {
    let kinds = server.state.limits.in_use();
    kinds
        .iter()
        .find(|kind| kind.name == "streams")
        .unwrap()
        .taken
}

/// The text of a body in chunks, as far as it has arrived; and whether its end has.
fn unchunked(mut body: &str) -> (String, bool) {
    let mut text = String::new();
    loop {
        let Some((size, rest)) = body.split_once("\r\n") else {
            return (text, false);
        };
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            assert_eq!(rest, "\r\n", "the end is the end");
            return (text, true);
        }
        let Some(piece) = rest.get(..size) else {
            return (text, false);
        };
        text.push_str(piece);
        body = rest[size..].strip_prefix("\r\n").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_a_connection_is_whole_from_its_head_to_the_end_of_the_server() {
    let server = Server::start().await;
    let mut reader = Raw::connect(server.listen().await).await;
    // Not the first answer of its connection.
    reader.send(&request("HTTP/1.1", "/api/health")).await;
    reader.read_until("}").await;
    let begin = server.state.service.revision();
    reader.send(&request("HTTP/1.1", EVENTS)).await;
    let head = reader.read_until("\r\n\r\n").await.to_ascii_lowercase();
    for wanted in [
        "http/1.1 200",
        "content-type: text/event-stream",
        "transfer-encoding: chunked",
        "connection: close",
        "x-request-id: ",
    ] {
        assert!(head.contains(wanted), "{wanted}: {head}");
    }
    eventually("the reader has its place", || readers(&server) == 1).await;
    server.complete(&small_search()).await;
    let end = server.state.service.revision();
    server.state.stopping.cancel();
    let rest = reader.read_all().await;
    let from = head.find("\r\n\r\n").unwrap() + 4;
    let (text, over) = unchunked(&format!("{}{rest}", &head[from..]));
    assert!(over, "the last chunk is missing");
    let ids = text.lines().filter_map(|line| line.strip_prefix("id: "));
    let ids: Vec<u64> = ids.map(|id| id.parse().unwrap()).collect();
    assert_eq!(ids, (begin + 1..=end).collect::<Vec<u64>>());
    assert!(text.starts_with(": connected\n") && text.contains("event: bye\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_gives_its_place_back_at_once() {
    let server = Server::start_prepared(
        |_, _| {},
        |state| {
            let one = Places {
                at_once: 1,
                patience: std::time::Duration::ZERO,
            };
            state.limits = std::sync::Arc::new(Limits::new(Settings {
                streams: one,
                ..Settings::default()
            }));
        },
    )
    .await;
    let address = server.listen().await;
    for _ in 0..3 {
        let mut reader = Raw::connect(address).await;
        reader.send(&request("HTTP/1.1", EVENTS)).await;
        reader.read_until("connected").await;
        assert_eq!(readers(&server), 1);
        drop(reader);
        eventually("the place is free", || readers(&server) == 0).await;
    }
    eventually("nobody follows", || {
        server.state.service.load().readers == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_client_has_the_stream_without_chunks() {
    let server = Server::start().await;
    let mut reader = Raw::connect(server.listen().await).await;
    reader.send(&request("HTTP/1.0", EVENTS)).await;
    let head = reader.read_until("connected").await;
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"));
    server.state.stopping.cancel();
    let rest = reader.read_all().await;
    assert!(
        rest.ends_with("\n\n") && rest.contains("event: bye\n"),
        "{rest}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_request_does_not_hold_up_the_end() {
    let server = Server::start().await;
    let address = server.listen().await;
    let mut silent = Raw::connect(address).await;
    let mut asked = Raw::connect(address).await;
    asked.send(&request("HTTP/1.1", "/api/health")).await;
    asked.read_until("}").await;
    server.state.stopping.cancel();
    assert_eq!(silent.read_all().await, "");
    assert_eq!(asked.read_all().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_begin_with_http2() {
    let server = Server::start().await;
    let mut client = Raw::connect(server.listen().await).await;
    // The preface, and settings of no length (RFC 9113, 3.4 and 6.5).
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.send(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    let frame = client.read_exactly(9).await;
    assert_eq!(frame[3..], [4, 0, 0, 0, 0, 0], "the server's settings");
}
