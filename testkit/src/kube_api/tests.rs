//! The stand-in as a client sees it that knows HTTP/1.1 and nothing else.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{
    objects::{
        blast_job, event_about, in_namespace, in_phase, pod_of, with_condition, with_counts,
    },
    *,
};

mod faults;
mod lists;
mod logs;
mod watches;

/// Long enough to say that nothing comes.
const NOTHING: Duration = Duration::from_millis(200);
const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const PODS: &str = "/api/v1/namespaces/default/pods";
const EVENTS: &str = "/api/v1/namespaces/default/events";

/// A connection of a client.
struct Line(BufReader<TcpStream>);

impl Line {
    async fn to(api: &KubeApi) -> Self {
        Self(BufReader::new(
            TcpStream::connect(api.address).await.unwrap(),
        ))
    }

    async fn send(&mut self, method: &str, target: &str, heads: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\n{heads}content-length: {length}\r\n\r\n{body}"
        );
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Up to and with `end`, or to the end of the connection.
    async fn until(&mut self, end: &[u8]) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end) {
            match timeout(PATIENCE, self.0.read_u8()).await.unwrap() {
                Ok(byte) => read.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(read).unwrap()
    }

    async fn head(&mut self) -> (u16, String) {
        let head = self.until(b"\r\n\r\n").await;
        let status = head.split(' ').nth(1).expect("an answer");
        (status.parse().unwrap(), head)
    }

    async fn ask_with(&mut self, method: &str, target: &str, heads: &str, body: &str) -> Answer {
        self.send(method, target, heads, body).await;
        let (status, head) = self.head().await;
        let mut lines = head.lines();
        let length = lines.find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        if status != 200 {
            assert_eq!(body["code"], status);
        }
        Answer { status, head, body }
    }

    async fn ask(&mut self, target: &str) -> Answer {
        self.ask_with("GET", target, "", "").await
    }

    /// Begins a watch.
    async fn watch(&mut self, target: &str) {
        self.send("GET", target, "", "").await;
        let (status, head) = self.head().await;
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    }

    /// The next event; `None` at the proper end.
    async fn event(&mut self) -> Option<Value> {
        let size = self.until(b"\r\n").await;
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.0.read_exact(&mut chunk).await.unwrap();
        let line = chunk.strip_suffix(b"\r\n").unwrap();
        if line.is_empty() {
            return None;
        }
        assert!(line.starts_with(b"{\"type\":\"") && line.ends_with(b"\n"));
        Some(serde_json::from_slice(line).unwrap())
    }

    /// The next event as `TYPE name version`, as far as it has these.
    async fn news(&mut self) -> String {
        let event = self.event().await.expect("the watch has ended");
        let metadata = &event["object"]["metadata"];
        let name = metadata["name"].as_str().unwrap_or("-");
        let version = metadata["resourceVersion"].as_str().unwrap_or("-");
        format!("{} {name} {version}", event["type"].as_str().unwrap())
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Answer {
    /// The names of a list's items, joined.
    fn names(&self) -> String {
        let items = self.body["items"].as_array().expect("no list");
        let names = items.iter().map(|item| item["metadata"]["name"].as_str());
        names.map(Option::unwrap).collect::<Vec<_>>().join(" ")
    }

    fn reason(&self) -> &str {
        self.body["reason"].as_str().unwrap()
    }
}

fn job(name: &str) -> Value {
    blast_job("job-1", name)
}

fn labelled(mut object: Value, label: &str, value: &str) -> Value {
    object["metadata"]["labels"][label] = json!(value);
    object
}
