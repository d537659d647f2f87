//! Where an HTTP/1.1 request begins and ends.
//!
//! Owns just that: the first line, and how the body is delimited. Gives the bytes on as they are and
//! holds no more of them than a head.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest head that is read, in bytes.
const MAX_HEAD: usize = 64 * 1_024;

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub method: String,
    pub target: String,
    /// Whether the client would rather have JSON than XML.
    pub wants_json: bool,
    /// What goes after `Bearer` in `authorization`.
    pub token: Option<String>,
    body: Body,
    /// As it was sent.
    pub bytes: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks, each after a line with its length.
    Chunked,
}

/// Where in a chunked body the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a line with a length.
    Size,
    /// In a chunk, its ending line break included.
    Data(u64),
    /// Among the heads after the last chunk.
    Trailer,
    /// After everything.
    End,
}

/// The requests of one connection.
#[derive(Debug)]
pub(crate) struct Requests<R> {
    reader: R,
    buffer: BytesMut,
    at: Option<At>,
    left: u64,
}

fn nonsense(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl<R: AsyncRead + Unpin> Requests<R> {
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
            at: None,
            left: 0,
        }
    }

    /// The next head; `None` if the client has finished. The body before it must have been read.
    pub async fn head(&mut self) -> io::Result<Option<Head>> {
        let end = loop {
            if let Some(end) = position(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(nonsense("a head without an end"));
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        };
        let head = parse(self.buffer.split_to(end).freeze())?;
        (self.at, self.left) = match head.body {
            Body::Length(length) => (None, length),
            Body::Chunked => (Some(At::Size), 0),
        };
        Ok(Some(head))
    }

    /// The next piece of the body, with whatever delimits it; `None` at its end.
    pub async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.at {
                None if self.left == 0 => return Ok(None),
                Some(At::End) => return Ok(None),
                _ => {}
            }
            if let Some(piece) = self.buffered()? {
                return Ok(Some(piece));
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// What of the body is in the buffer already.
    fn buffered(&mut self) -> io::Result<Option<Bytes>> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let Some(at) = self.at else {
            let piece = self.up_to(self.left);
            self.left -= piece.len() as u64;
            return Ok(Some(piece));
        };
        if let At::Data(left) = at {
            let piece = self.up_to(left);
            let left = left - piece.len() as u64;
            self.at = Some(if left == 0 { At::Size } else { At::Data(left) });
            return Ok(Some(piece));
        }
        let Some(end) = position(&self.buffer, b"\r\n") else {
            return Ok(None);
        };
        let line = self.buffer.split_to(end + 2).freeze();
        self.at = Some(match at {
            At::Size => match chunk_length(&line)? {
                0 => At::Trailer,
                length => At::Data(length + 2),
            },
            At::Trailer if line.len() == 2 => At::End,
            other => other,
        });
        Ok(Some(line))
    }

    fn up_to(&mut self, most: u64) -> Bytes {
        let have = self.buffer.remaining() as u64;
        let take = usize::try_from(have.min(most)).unwrap();
        self.buffer.split_to(take).freeze()
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn chunk_length(line: &[u8]) -> io::Result<u64> {
    let text = std::str::from_utf8(line).map_err(|_| nonsense("a chunk without a length"))?;
    let digits = text.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|_| nonsense("a chunk without a length"))
}

fn parse(bytes: Bytes) -> io::Result<Head> {
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1")) = (words.next(), words.next(), words.next())
    else {
        return Err(nonsense("no request line of HTTP/1.1"));
    };
    let (mut body, mut wants_json, mut token) = (Body::Length(0), false, None);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let length = value.parse().map_err(|_| nonsense("a body of no length"))?;
                body = Body::Length(length);
            }
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => body = Body::Chunked,
            "authorization" => token = value.strip_prefix("Bearer ").map(str::to_owned),
            "accept" => wants_json = value.contains("json"),
            _ => {}
        }
    }
    Ok(Head {
        method: method.to_owned(),
        target: target.to_owned(),
        wants_json,
        token,
        body,
        bytes: bytes.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(text: &str) -> Vec<(String, String)> {
        let mut requests = Requests::new(text.as_bytes());
        let mut all = Vec::new();
        while let Some(head) = requests.head().await.unwrap() {
            let mut body = Vec::new();
            while let Some(piece) = requests.piece().await.unwrap() {
                body.extend_from_slice(&piece);
            }
            let body = String::from_utf8(body).unwrap();
            all.push((format!("{} {}", head.method, head.target), body));
        }
        all
    }

    #[tokio::test]
    async fn requests_of_every_kind_of_body_follow_one_another() {
        let text = "GET /a?b=c HTTP/1.1\r\nhost: x\r\n\r\n\
            PUT /d HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\
            POST /$batch HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
            DELETE /e HTTP/1.1\r\n\r\n";
        let found = read_all(text).await;
        let expected = [
            ("GET /a?b=c", ""),
            ("PUT /d", "hello"),
            ("POST /$batch", "3\r\nabc\r\n0\r\n\r\n"),
            ("DELETE /e", ""),
        ];
        let expected = expected.map(|(head, body)| (head.to_owned(), body.to_owned()));
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_request_that_breaks_off_is_an_error() {
        let mut requests =
            Requests::new("PUT /d HTTP/1.1\r\ncontent-length: 5\r\n\r\nhel".as_bytes());
        requests.head().await.unwrap().unwrap();
        assert_eq!(requests.piece().await.unwrap().unwrap(), "hel");
        requests.piece().await.unwrap_err();
        let mut requests = Requests::new("PUT /d HT".as_bytes());
        requests.head().await.unwrap_err();
    }
}
