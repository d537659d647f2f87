//! Which questions are kept, and what an encoding is chosen by.

#![allow(clippy::unwrap_used, reason = "tests")]

use axum::http::{HeaderMap, header};

use super::*;

fn asked(lists: &Lists, caller: &str, text: &str) -> Arc<Question> {
    let caller = Caller {
        id: caller.to_owned(),
        ..Caller::local()
    };
    let read = || Ok(ListQuery::default());
    lists.question(&caller, text, read).unwrap()
}

#[test]
fn the_question_that_was_asked_least_recently_is_forgotten_first() {
    let lists = Lists::default();
    let first = asked(&lists, "me", "limit=1");
    let second = asked(&lists, "me", "limit=2");
    for number in 3..=KEPT {
        asked(&lists, "me", &format!("limit={number}"));
    }
    assert!(Arc::ptr_eq(&first, &asked(&lists, "me", "limit=1")));
    asked(&lists, "me", "one=more");
    assert!(Arc::ptr_eq(&first, &asked(&lists, "me", "limit=1")));
    assert!(!Arc::ptr_eq(&second, &asked(&lists, "me", "limit=2")));
    assert_eq!(lists.lock().len(), KEPT);
}

#[test]
fn the_question_of_another_caller_is_another_one() {
    let lists = Lists::default();
    let mine = asked(&lists, "me", "");
    let other = asked(&lists, "other", "");
    assert!(!Arc::ptr_eq(&mine, &other));
    assert_ne!(mine.mark, other.mark);
    assert!(Arc::ptr_eq(&mine, &asked(&lists, "me", "")));
}

#[test]
fn a_question_of_any_length_is_answered_and_a_long_one_is_not_kept() {
    let lists = Lists::default();
    asked(&lists, "me", &"x".repeat(LONGEST + 1));
    assert_eq!(lists.lock().len(), 0);
}

#[test]
fn the_best_encoding_that_a_request_accepts_is_chosen() {
    for (accepted, chosen) in [
        ("", Encoding::Plain),
        ("identity", Encoding::Plain),
        ("gzip", Encoding::Gzip),
        ("gzip, deflate, br, zstd", Encoding::Brotli),
        ("GZIP;q=0.5", Encoding::Gzip),
        ("br;q=0, gzip", Encoding::Gzip),
        ("gzip;q=0.0, br; q=0", Encoding::Plain),
        ("broken", Encoding::Plain),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
        assert_eq!(Encoding::accepted(&headers), chosen, "{accepted}");
    }
}
