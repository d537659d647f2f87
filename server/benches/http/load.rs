//! Connections that ask for the same again and again, as fast as it is answered.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Stands in a path for a number that is another one each time.
pub const ANOTHER: &str = "{n}";

/// What is asked for.
#[derive(Clone)]
pub struct Target {
    path: String,
    more: String,
}

impl Target {
    pub fn of(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            more: String::new(),
        }
    }

    pub fn knowing(mut self, etag: &str) -> Self {
        self.more.push_str(&format!("if-none-match: {etag}\r\n"));
        self
    }

    pub fn compressed(mut self) -> Self {
        self.more.push_str("accept-encoding: br\r\n");
        self
    }

    fn request(&self, number: usize) -> Vec<u8> {
        let Self { path, more } = self;
        let path = path.replace(ANOTHER, &number.to_string());
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n").into_bytes()
    }
}

/// What came of it.
#[derive(Default)]
pub struct Load {
    /// Milliseconds.
    times: Vec<f64>,
    lasted: f64,
    /// Of the last answer.
    pub bytes: usize,
}

impl Load {
    pub fn add(&mut self, mut other: Self) {
        self.times.append(&mut other.times);
        self.lasted += other.lasted;
        self.bytes = other.bytes;
    }

    pub fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.lasted
    }

    pub fn percentile(&self, percent: usize) -> f64 {
        percentile(&self.times, percent)
    }
}

pub fn percentile(times: &[f64], percent: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable_by(f64::total_cmp);
    let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(place).copied().unwrap_or(f64::NAN)
}

/// A connection that is kept.
struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Line {
    async fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::with_capacity(256 * 1_024),
        }
    }

    /// Asks, and reads the whole answer: its head, as the server writes it, and how long its body is. It takes no more
    /// time than it must: it shares the processors with the server.
    async fn ask(&mut self, request: &[u8]) -> (&[u8], usize) {
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        let end = loop {
            self.more().await;
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = &self.buffer[..end];
        if let Some(length) = value(head, "content-length: ") {
            let length: usize = length.parse().unwrap();
            while self.buffer.len() < end + length {
                self.more().await;
            }
        } else if value(head, "transfer-encoding: ").is_some() {
            while !self.buffer.ends_with(b"\r\n0\r\n\r\n") {
                self.more().await;
            }
        }
        (&self.buffer[..end], self.buffer.len() - end)
    }

    async fn more(&mut self) {
        let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
        assert!(read > 0, "the server has closed the connection");
    }
}

pub fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}

fn shown(head: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(head)
}

fn value<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let (_, rest) = head.split_at(find(head, name.as_bytes())? + name.len());
    let (value, _) = rest.split_at(find(rest, b"\r\n")?);
    std::str::from_utf8(value).ok()
}

/// The mark of an answer.
pub async fn etag(address: SocketAddr, path: &str) -> String {
    let mut line = Line::to(address).await;
    let (head, _) = line.ask(&Target::of(path).request(0)).await;
    let etag = value(head, "etag: ").unwrap_or_else(|| panic!("no etag: {}", shown(head)));
    etag.to_owned()
}

/// So many connections for so long.
pub async fn run(
    address: SocketAddr,
    target: &Target,
    connections: usize,
    lasts: Duration,
) -> Load {
    let began = Instant::now();
    let asking: Vec<_> = (0..connections)
        .map(|connection| {
            let target = target.clone();
            tokio::spawn(async move {
                let again = !target.path.contains(ANOTHER);
                let mut request = target.request(connection);
                let mut line = Line::to(address).await;
                let mut load = Load::default();
                while began.elapsed() < lasts {
                    if !again {
                        let number = load.times.len() * connections + connection;
                        request = target.request(number);
                    }
                    let asked = Instant::now();
                    let (head, bytes) = line.ask(&request).await;
                    load.times.push(asked.elapsed().as_secs_f64() * 1e3);
                    let good = [&b"HTTP/1.1 200"[..], b"HTTP/1.1 304"];
                    let good = good.iter().any(|good| head.starts_with(good));
                    assert!(good, "{}", shown(head));
                    load.bytes = bytes;
                }
                load
            })
        })
        .collect();
    let mut all = Load::default();
    for one in asking {
        all.add(one.await.unwrap());
    }
    all.lasted = began.elapsed().as_secs_f64();
    all
}
