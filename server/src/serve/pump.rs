//! A body that is sent on a socket by itself, in the chunks of HTTP/1.1 (RFC 9112, 7.1).
//!
//! It ends with its last chunk, or without one where it fails, so that nobody takes a part for the whole. It
//! ends as well as soon as the reader closes the connection; what it sends meanwhile is not looked at, for
//! its connection is one that ends with this answer.

use std::io;

use axum::body::{Body, Bytes};
use bytes::Buf;
use futures::StreamExt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

/// Sends a body to its end, unless the reader goes away.
pub(super) async fn pump(mut stream: TcpStream, body: Body) {
    let (reader, writer) = stream.split();
    tokio::select! {
        () = gone(reader) => {}
        sent = send(body, writer) => if let Err(error) = sent {
            tracing::debug!(%error, "a stream breaks off");
        }
    }
}

async fn send(body: Body, mut writer: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(io::Error::other)?;
        // An empty chunk would be the last one.
        if !piece.is_empty() {
            writer.write_all_buf(&mut chunk(piece)).await?;
        }
    }
    writer.write_all(b"0\r\n\r\n").await?;
    writer.shutdown().await
}

fn chunk(piece: Bytes) -> impl Buf {
    let size = Bytes::from(format!("{:x}\r\n", piece.len()));
    size.chain(piece).chain(&b"\r\n"[..])
}

/// Returns when nothing can come any more.
async fn gone(mut reader: impl AsyncRead + Unpin) {
    let mut unasked = [0; 64];
    while matches!(reader.read(&mut unasked).await, Ok(length) if length > 0) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    async fn sent(pieces: Vec<io::Result<&'static str>>) -> (io::Result<()>, String) {
        let mut bytes = Vec::new();
        let body = Body::from_stream(futures::stream::iter(pieces));
        let outcome = send(body, &mut bytes).await;
        (outcome, String::from_utf8(bytes).unwrap())
    }

    #[tokio::test]
    async fn each_piece_is_a_chunk_and_the_end_is_told() {
        let (outcome, text) = sent(vec![Ok("one"), Ok(""), Ok("twelve bytes")]).await;
        outcome.unwrap();
        assert_eq!(text, "3\r\none\r\nc\r\ntwelve bytes\r\n0\r\n\r\n");
    }

    #[tokio::test]
    async fn a_body_that_fails_has_no_last_chunk() {
        let (outcome, text) = sent(vec![Ok("one"), Err(io::Error::other("lost"))]).await;
        assert!(outcome.unwrap_err().to_string().contains("lost"));
        assert_eq!(text, "3\r\none\r\n");
    }
}
