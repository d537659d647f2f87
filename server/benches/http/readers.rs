//! Readers of the event stream, and when each of them is told a change.

use std::{net::SocketAddr, time::Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use super::{
    load::{find, percentile},
    serve,
};

/// What the title of a changed job begins with; its number follows, and a stop.
pub const MARK: &str = "change-";

/// Lets this process have a connection for each reader.
pub fn allow_files() {
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit {
        current: limits.maximum,
        ..limits
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, all).unwrap();
}

/// Open streams.
pub struct Readers {
    count: usize,
    told: mpsc::UnboundedReceiver<(usize, Instant)>,
}

/// How long it took, in milliseconds.
pub struct Told {
    each: Vec<f64>,
    last: Vec<f64>,
}

impl Told {
    pub fn percentile(&self, percent: usize) -> f64 {
        percentile(&self.each, percent)
    }

    pub fn last(&self, percent: usize) -> f64 {
        percentile(&self.last, percent)
    }
}

impl Readers {
    /// Opens them; each has had the head of its answer when this returns.
    pub async fn open(address: SocketAddr, count: usize) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let (opened, mut open) = mpsc::channel(count);
        for _ in 0..count {
            let (tell, opened) = (tell.clone(), opened.clone());
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let request = "GET /api/blast/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";
                stream.write_all(request.as_bytes()).await.unwrap();
                let (mut buffer, mut begun) = (Vec::new(), false);
                loop {
                    if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                        return;
                    }
                    let now = Instant::now();
                    if !begun && find(&buffer, b"\r\n\r\n").is_some() {
                        begun = true;
                        opened.send(()).await.ok();
                    }
                    while let Some(number) = next(&mut buffer) {
                        tell.send((number, now)).ok();
                    }
                }
            });
        }
        for _ in 0..count {
            open.recv().await.unwrap();
        }
        Self { count, told }
    }

    /// Has so many jobs changed, one after the other.
    pub async fn told(mut self, address: SocketAddr, changes: usize) -> Told {
        let (mut each, mut last) = (Vec::new(), Vec::new());
        for change in 0..changes {
            let asked = Instant::now();
            serve::change(address, change).await;
            let mut latest: f64 = 0.0;
            for _ in 0..self.count {
                let (number, at) = self.told.recv().await.unwrap();
                assert_eq!(number, change);
                let took = at.duration_since(asked).as_secs_f64() * 1e3;
                latest = latest.max(took);
                each.push(took);
            }
            last.push(latest);
        }
        Told { each, last }
    }
}

/// The number of the next change in what was read, which is taken away with all before it.
fn next(buffer: &mut Vec<u8>) -> Option<usize> {
    let begin = find(buffer, MARK.as_bytes())? + MARK.len();
    let length = buffer[begin..].iter().position(|byte| *byte == b'.')?;
    let number = std::str::from_utf8(&buffer[begin..begin + length]).unwrap();
    let number = number.parse().unwrap();
    buffer.drain(..begin + length);
    Some(number)
}
