//! The error output of a process, kept within bounds.

use std::collections::VecDeque;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads to the end and keeps at most `cap` bytes: warnings come first and the reason comes last, so that of
/// more than that the middle is left out, which one line says. A full pipe would stop the process.
pub async fn both_ends(mut pipe: impl AsyncRead + Unpin, cap: usize) -> String {
    let half = cap / 2;
    let (mut first, mut last) = (Vec::new(), VecDeque::new());
    let mut left_out = 0_u64;
    let mut buffer = vec![0; 8_192];
    // A pipe that breaks says no more than its end; the exit status tells the rest.
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        let piece = buffer.get(..count).unwrap_or_default();
        let (head, tail) = piece.split_at(piece.len().min(half - first.len()));
        first.extend_from_slice(head);
        last.extend(tail);
        let over = last.len().saturating_sub(half);
        last.drain(..over);
        left_out += over as u64;
    }
    let last = last.into_iter().collect::<Vec<u8>>();
    if left_out > 0 {
        let (first, last) = (text(&first), text(&last));
        return format!("{first}\n[{left_out} bytes left out]\n{last}");
    }
    first.extend(last);
    text(&first)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn short_output_is_kept_and_of_long_output_both_ends() {
        assert_eq!(
            both_ends(&b"Warning: x\nError: y\n"[..], 100).await,
            "Warning: x\nError: y\n"
        );
        assert_eq!(both_ends(&b"0123456789"[..], 10).await, "0123456789");
        assert_eq!(
            both_ends(&b"0123456789a"[..], 10).await,
            "01234\n[1 bytes left out]\n6789a"
        );
        let long = [b"first ".to_vec(), vec![b'.'; 100_000], b" last".to_vec()].concat();
        let kept = both_ends(&long[..], 20).await;
        assert!(
            kept.starts_with("first ") && kept.ends_with(" last"),
            "{kept}"
        );
        assert!(kept.len() < 60, "{kept}");
    }
}
