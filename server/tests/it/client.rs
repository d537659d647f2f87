//! What browsers send and receive: forms with files, event streams, connections that break.

use axum::body::BodyDataStream;
use futures::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::PATIENCE;

const BOUNDARY: &str = "a-line-that-no-part-holds";

/// A form with files, as browsers write it.
#[derive(Clone, Default)]
pub struct Form {
    body: Vec<u8>,
}

impl Form {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn field(mut self, name: &str, value: &str) -> Self {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        self.body.extend_from_slice(part.as_bytes());
        self
    }

    pub fn file(self, name: &str, file_name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let mut form = self.begin_file(name, file_name);
        form.body.extend_from_slice(bytes.as_ref());
        form.body.extend_from_slice(b"\r\n");
        form
    }

    fn begin_file(mut self, name: &str, file_name: &str) -> Self {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        self.body.extend_from_slice(head.as_bytes());
        self
    }

    /// The form up to the middle of a file.
    pub fn broken_off(self, name: &str, file_name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
        let mut form = self.begin_file(name, file_name);
        form.body.extend_from_slice(bytes);
        (kind(), form.body)
    }

    /// Content type and body.
    pub fn finish(mut self) -> (String, Vec<u8>) {
        self.body
            .extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        (kind(), self.body)
    }
}

fn kind() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// A server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: String,
    pub comment: String,
    pub retry: String,
}

impl Event {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap()
    }

    pub fn number(&self) -> u64 {
        self.id.parse().unwrap()
    }
}

/// A stream of server-sent events, read as it comes.
pub struct Stream {
    body: BodyDataStream,
    text: String,
}

impl Stream {
    pub fn of(answer: axum::response::Response) -> Self {
        let kind = answer.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        Self {
            body: answer.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// The text of the stream from here on, once it is as wanted.
    pub async fn read_until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        while !wanted(&self.text) {
            let piece = tokio::time::timeout(PATIENCE, self.body.next())
                .await
                .expect("no event comes");
            let piece = piece.expect("the stream has ended").unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
        std::mem::take(&mut self.text)
    }

    /// The next event, or `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = event(block);
                self.text = rest.to_owned();
                return Some(event);
            }
            let piece = tokio::time::timeout(PATIENCE, self.body.next())
                .await
                .expect("no event comes");
            self.text
                .push_str(std::str::from_utf8(&piece?.unwrap()).unwrap());
        }
    }

    /// The next event that tells of searches or of the stream, and is not a mere sign of life.
    pub async fn next_named(&mut self) -> Option<Event> {
        loop {
            let event = self.next().await?;
            if !matches!(event.name.as_str(), "" | "beat" | "clusters") {
                return Some(event);
            }
        }
    }

    /// Whether the stream breaks off with an error instead of ending.
    pub async fn breaks_off(&mut self) -> bool {
        loop {
            match tokio::time::timeout(PATIENCE, self.body.next())
                .await
                .expect("the stream goes on")
            {
                None => return false,
                Some(Err(_)) => return true,
                Some(Ok(_)) => {}
            }
        }
    }
}

fn event(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match name {
            "event" => event.name = value,
            "id" => event.id = value,
            "data" => event.data.push_str(&value),
            "retry" => event.retry = value,
            "" => event.comment = value,
            other => panic!("an event has no line {other}"),
        }
    }
    event
}

/// A connection on which every byte is the test's own.
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    pub async fn connect(address: std::net::SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Asks for an address, to be the last on this connection.
    pub async fn get(&mut self, path: &str) {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        self.send(head.as_bytes()).await;
    }

    /// Everything until the other side closes.
    pub async fn read_all(&mut self) -> String {
        let mut bytes = Vec::new();
        let reading = self.stream.read_to_end(&mut bytes);
        let outcome = tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("the connection stays open");
        outcome.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// So many bytes.
    pub async fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let reading = self.stream.read_exact(&mut bytes);
        let outcome = tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("it does not come");
        outcome.unwrap();
        bytes
    }

    /// What has arrived up to and including a text.
    pub async fn read_until(&mut self, wanted: &str) -> String {
        let mut bytes = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&bytes).contains(wanted) {
                let read = self.stream.read_buf(&mut bytes).await.unwrap();
                assert!(
                    read > 0,
                    "the connection ends before \"{wanted}\": {}",
                    String::from_utf8_lossy(&bytes)
                );
            }
        };
        tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("it does not come");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
