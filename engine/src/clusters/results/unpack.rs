//! Compressed files, unpacked while they come.
//!
//! Owns that memory is bounded whatever the file holds, and that one which is cut off ends in an error.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures::{StreamExt, stream::BoxStream};

/// How much is unpacked at once, in bytes: deflate lengthens it by 1,032 at most.
const AT_ONCE: usize = 8 << 10;

/// The beginning of what a file holds, as text; as much as its own beginning tells.
pub(super) fn head(bytes: &[u8]) -> String {
    let mut decoder = MultiGzDecoder::new(Vec::new());
    for piece in bytes.chunks(AT_ONCE) {
        // What is no gzip, or is damaged, is told of when the file is read.
        if decoder.write_all(piece).is_err() || decoder.get_ref().len() > AT_ONCE {
            break;
        }
    }
    // Buffered until then; that it ends too early is known.
    drop(decoder.flush());
    let text = String::from_utf8_lossy(decoder.get_ref());
    elb_core::text::cap(&text, AT_ONCE)
}

/// Unpacks pieces of a file.
struct Unpacking {
    pieces: BoxStream<'static, io::Result<Bytes>>,
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    waiting: Bytes,
}

impl Unpacking {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(decoder) = &mut self.decoder {
            if self.waiting.is_empty() {
                match self.pieces.next().await {
                    Some(piece) => self.waiting = piece?,
                    None => return self.last(),
                }
                continue;
            }
            let part = self.waiting.split_to(self.waiting.len().min(AT_ONCE));
            decoder.write_all(&part).map_err(damaged)?;
            let out = std::mem::take(decoder.get_mut());
            if !out.is_empty() {
                return Ok(Some(out.into()));
            }
        }
        Ok(None)
    }

    fn last(&mut self) -> io::Result<Option<Bytes>> {
        let Some(decoder) = self.decoder.take() else {
            return Ok(None);
        };
        let rest = decoder.finish().map_err(damaged)?;
        Ok(Some(rest.into()).filter(|rest: &Bytes| !rest.is_empty()))
    }
}

fn damaged(error: io::Error) -> io::Error {
    let why = format!("the compressed file is damaged or cut off: {error}");
    io::Error::new(error.kind(), why)
}

/// What a compressed file holds, piece by piece.
pub(crate) fn unpacked(
    pieces: BoxStream<'static, io::Result<Bytes>>,
) -> BoxStream<'static, io::Result<Bytes>> {
    let unpacking = Unpacking {
        pieces,
        decoder: Some(MultiGzDecoder::new(Vec::new())),
        waiting: Bytes::new(),
    };
    futures::stream::unfold(Some(unpacking), |state| async move {
        let mut unpacking = state?;
        match unpacking.next().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(unpacking))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::Read;

    use flate2::{Compression, read::GzEncoder};
    use futures::TryStreamExt;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = GzEncoder::new(text, Compression::default());
        encoder.read_to_end(&mut out).unwrap();
        out
    }

    async fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let pieces: Vec<_> = bytes
            .chunks(7)
            .map(Bytes::copy_from_slice)
            .map(Ok)
            .collect();
        let pieces: Vec<Bytes> = unpacked(futures::stream::iter(pieces).boxed())
            .try_collect()
            .await?;
        Ok(pieces.concat())
    }

    #[tokio::test]
    async fn what_was_packed_comes_out_also_of_several_in_one_file() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut bytes = packed(&text);
        bytes.extend(packed(b"more"));
        let mut expected = text;
        expected.extend(b"more");
        assert!(read(&bytes).await.unwrap() == expected);
        assert!(head(&packed(b"# BLASTN 2.12.0+\n")).starts_with("# BLASTN"));
    }

    #[tokio::test]
    async fn what_is_cut_off_or_no_gzip_is_an_error() {
        let bytes = packed(b"a table of some length, so that it has a middle");
        for cut in 1..bytes.len() {
            assert!(read(&bytes[..cut]).await.is_err(), "cut at {cut}");
        }
        assert!(read(b"plain text").await.is_err());
        assert_eq!(head(b"plain text"), "");
    }
}
