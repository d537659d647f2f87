//! Bounds and single flight of the local copies.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::StreamExt;

use super::*;

async fn ten_bytes() -> Result<Option<Pieces>, ObjectError> {
    let pieces = futures::stream::iter([Ok(Bytes::from_static(b"0123456789"))]);
    Ok(Some((10, pieces.boxed())))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn those_used_longest_ago_go_and_those_in_use_stay() {
    let folder = tempfile::tempdir().unwrap();
    let copies = Copies::new(folder.path().to_owned(), 30);
    let pinned = copies.of("a", ten_bytes).await.unwrap().unwrap();
    for name in ["b", "c", "b", "d"] {
        copies.of(name, ten_bytes).await.unwrap().unwrap();
    }
    // "c" was used longest ago of those that nobody holds.
    assert_eq!(names(folder.path()), ["a", "b", "d"]);
    assert_eq!(std::fs::read(pinned.path()).unwrap(), b"0123456789");
    copies.forget("d");
    assert_eq!(names(folder.path()), ["a", "b"]);
}

#[tokio::test]
async fn many_who_ask_at_once_fetch_once() {
    let folder = tempfile::tempdir().unwrap();
    let copies = Copies::new(folder.path().to_owned(), 100);
    let fetched = AtomicUsize::new(0);
    let asking = (0..20).map(|_| {
        copies.of("a", || {
            fetched.fetch_add(1, Ordering::SeqCst);
            ten_bytes()
        })
    });
    for outcome in futures::future::join_all(asking).await {
        assert!(outcome.unwrap().is_some());
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
    assert!(copies.kept().fetching.is_empty());
}

#[tokio::test]
async fn a_download_that_breaks_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let copies = Copies::new(folder.path().to_owned(), 100);
    let broken = || async {
        let end = Err(std::io::Error::other("broken off"));
        let pieces = futures::stream::iter([Ok(Bytes::from_static(b"01234")), end]);
        Ok(Some((10, pieces.boxed())))
    };
    let error = copies.of("a", broken).await.unwrap_err();
    assert!(error.to_string().contains("broken off"));
    assert!(names(folder.path()).is_empty());
    assert!(copies.of("a", ten_bytes).await.unwrap().is_some());
}
