//! Tokens as Azure Storage takes them: who issued them, for what, and from when to when.
//!
//! Owns their form, which is that of a JWT.

use super::{RESOURCE, TENANT};

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 with the letters of URLs and no padding, as JWTs have it (RFC 7515, appendix C).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut bits = 0;
        for at in 0..3 {
            bits = bits << 8 | three.get(at).map_or(0, |byte| u32::from(*byte));
        }
        for at in 0..=three.len() {
            let index = bits >> (18 - 6 * at) & 63;
            text.push(char::from(LETTERS[index as usize]));
        }
    }
    text
}

/// A token that is valid from now on for so many seconds. The number makes it different from all others.
pub(super) fn token(number: usize, now: u64, life: u64) -> String {
    let head = r#"{"alg":"none","typ":"JWT"}"#;
    let expires = now + life;
    let claims = format!(
        r#"{{"aud":"{RESOURCE}","iss":"https://sts.windows.net/{TENANT}/","iat":{now},"nbf":{now},"exp":{expires},"uti":"{number}"}}"#
    );
    let signature = base64(format!("nobody signs number {number}").as_bytes());
    format!(
        "{}.{}.{signature}",
        base64(head.as_bytes()),
        base64(claims.as_bytes())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        // RFC 4648, section 10, without padding.
        for (plain, encoded) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[251, 255]), "-_8");
    }
}
