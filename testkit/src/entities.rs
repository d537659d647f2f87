//! Entities of any types in tables of the emulator, as a program other than ours writes them.
//!
//! Signs with the account's key (Shared Key Lite, docs: authorize-with-shared-key), because the emulator takes
//! nothing unsigned. One request a connection: it is for filling tables, not for measuring them.

use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::azurite::{ACCOUNT, KEY};

/// Any date will do: the emulator signs it and does not look at it.
const DATE: &str = "Thu, 26 Nov 2026 02:00:00 GMT";

/// Makes a table under the account's address.
///
/// # Panics
/// If the emulator refuses.
pub async fn make_table(url: &str, table: &str) {
    let body = format!("{{\"TableName\":\"{table}\"}}");
    send(url, "POST", "Tables", &body, 201).await;
}

/// Inserts an entity, or replaces the one with its keys; `body` is its JSON with `PartitionKey` and `RowKey`.
///
/// # Panics
/// If the emulator refuses.
pub async fn put(url: &str, table: &str, partition: &str, row: &str, body: &str) {
    let key = |text: &str| {
        let quoted = text.replace('\'', "''");
        let bytes = quoted.bytes().map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        });
        bytes.collect::<String>()
    };
    let path = format!(
        "{table}(PartitionKey='{}',RowKey='{}')",
        key(partition),
        key(row)
    );
    send(url, "PUT", &path, body, 204).await;
}

async fn send(url: &str, method: &str, path: &str, body: &str, wanted: u16) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, account) = rest.split_once('/').unwrap();
    let target = format!("/{account}/{path}");
    let signed = signature(&format!("{DATE}\n/{ACCOUNT}{target}"));
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nx-ms-date: {DATE}\r\n\
         x-ms-version: 2019-02-02\r\naccept: application/json;odata=nometadata\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\
         authorization: SharedKeyLite {ACCOUNT}:{signed}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(status, wanted, "{method} {target}: {answer}");
}

/// HMAC-SHA256 (RFC 2104) with the account's key, in base 64.
fn signature(text: &str) -> String {
    /// Bytes of a block of SHA-256.
    const BLOCK: usize = 64;
    let mut key = decode(KEY);
    assert!(key.len() <= BLOCK);
    key.resize(BLOCK, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(text)
        .finalize();
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize();
    encode(&outer)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn decode(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let digit = DIGITS.iter().position(|digit| *digit == letter).unwrap();
        bits = (bits << 6) | u32::try_from(digit).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    out
}

fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let part = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = (part(0) << 16) | (part(1) << 8) | part(2);
        for place in 0..4_usize {
            if place <= three.len() {
                let digit = (bits >> (18 - 6 * place)) & 63;
                out.push(char::from(DIGITS[usize::try_from(digit).unwrap()]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_goes_both_ways() {
        assert_eq!(encode(b"light w"), "bGlnaHQgdw==");
        assert_eq!(decode("bGlnaHQgdw=="), b"light w");
        assert_eq!(encode(&decode(KEY)), KEY);
    }
}
