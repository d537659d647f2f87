//! What one reader is sent, on a clock that moves only when it is told to.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::sync::{Arc, Mutex};

use elb_core::{
    job::Job,
    search::{Program, SearchOptions, SearchSpec},
    time::Timestamp,
};
use elb_engine::{
    read_model::ReadModel,
    repository::{Lease, Stored},
};
use futures::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::*;

/// A change of somebody's job.
fn change(model: &ReadModel, owner: &str, version: u64) {
    let spec = SearchSpec {
        program: Program::Blastn,
        task: None,
        database: "genes".to_owned(),
        options: SearchOptions::default(),
    };
    let title = "one\ntwo".to_owned();
    let job = Job::new(
        "a-job".to_owned(),
        owner.to_owned(),
        title,
        spec,
        Timestamp(0),
    );
    model.apply(&Stored {
        job,
        version,
        lease: Lease::default(),
    });
}

fn events_of(
    model: &Arc<ReadModel>,
    news: &Arc<News>,
    stopping: &CancellationToken,
) -> impl Stream<Item = Bytes> {
    let changes = Changes::after(Arc::clone(model), "me".to_owned(), None, None);
    let reader = Reader {
        changes,
        told: 0,
        clusters: Some(news.clusters()),
        news: Arc::clone(news),
        stopping: stopping.clone(),
        stage: Stage::New,
    };
    stream(reader).map(|Ok(event)| event).boxed()
}

#[tokio::test(start_paused = true)]
async fn a_reader_has_a_sign_of_life_in_time_while_others_have_much_to_hear() {
    let (model, news, stopping) = (Arc::default(), Arc::default(), CancellationToken::new());
    let mut events = events_of(&model, &news, &stopping);
    let greeting = events.next().await.unwrap();
    let pause = retry_of(&greeting, ": connected\n");
    assert!((2_000..4_000).contains(&pause), "{pause}");
    let mut version = 0;
    for _ in 0..3 {
        let began = Instant::now();
        let sign = loop {
            version += 1;
            change(&model, "another", version);
            if let Some(event) = events.next().now_or_never() {
                break event.unwrap();
            }
            assert!(began.elapsed() < poll::HEARTBEAT, "nothing comes in time");
            tokio::time::advance(Duration::from_secs(1)).await;
        };
        assert_eq!(sign, "event: beat\ndata: {\"revision\":0}\n\n");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_one_line_of_data_and_the_bytes_are_those_of_every_reader() {
    let (model, news, stopping) = (Arc::default(), Arc::default(), CancellationToken::new());
    let mut readers = [
        events_of(&model, &news, &stopping),
        events_of(&model, &news, &stopping),
    ];
    for reader in &mut readers {
        reader.next().await.unwrap();
    }
    change(&model, "me", 1);
    let [one, other] = &mut readers;
    let (one, other) = (one.next().await.unwrap(), other.next().await.unwrap());
    let text = std::str::from_utf8(&one).unwrap();
    let data = text.strip_prefix("event: row\nid: 1\ndata: ").unwrap();
    let data = data.strip_suffix("\n\n").unwrap();
    assert!(!data.contains('\n'), "{data}");
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["row"]["title"], "one\ntwo");
    assert_eq!(one.as_ptr(), other.as_ptr(), "written twice");
}

#[tokio::test(start_paused = true)]
async fn what_has_happened_is_told_before_the_end() {
    let (model, news, stopping) = (Arc::default(), Arc::default(), CancellationToken::new());
    let mut events = events_of(&model, &news, &stopping);
    events.next().await.unwrap();
    change(&model, "", 1);
    stopping.cancel();
    let all: Vec<Bytes> = events.collect().await;
    assert_eq!(all.len(), 2);
    assert!(all[0].starts_with(b"event: row\n"));
    let pause = retry_of(&all[1], "event: bye\n");
    assert!((3_000..6_000).contains(&pause), "{pause}");
}

/// The pause that an event names after its first line, in milliseconds.
fn retry_of(event: &Bytes, first: &str) -> u64 {
    let text = std::str::from_utf8(event).unwrap();
    let pause = text.strip_prefix(first).unwrap();
    let pause = pause.strip_prefix("retry: ").unwrap();
    pause.lines().next().unwrap().parse().unwrap()
}

#[test]
fn readers_that_are_cut_off_at_one_moment_are_told_to_come_back_apart() {
    for (from, count) in [(0, 200_u64), (u64::MAX - 50, 100), (12_345, 10)] {
        let pauses = (0..count).map(|turn| apart(RESTART, from.wrapping_add(turn)));
        let mut tenths = [0_u64; 10];
        for pause in pauses {
            assert!((RESTART..2 * RESTART).contains(&pause), "{pause:?}");
            let tenth = (pause - RESTART).as_millis() * 10 / RESTART.as_millis();
            tenths[usize::try_from(tenth).unwrap()] += 1;
        }
        // Evenly: each tenth of the time has about its tenth of the readers.
        assert!(
            tenths.iter().all(|many| many.abs_diff(count / 10) <= 2),
            "{tenths:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_beat_says_what_was_told_last_changes_no_id_and_is_that_of_every_reader() {
    let (model, news, stopping) = (Arc::default(), Arc::default(), CancellationToken::new());
    let mut readers = [
        events_of(&model, &news, &stopping),
        events_of(&model, &news, &stopping),
    ];
    for reader in &mut readers {
        reader.next().await.unwrap();
    }
    change(&model, "me", 1);
    // Nobody is told of what he may not see, nor that there was something.
    change(&model, "another", 2);
    let mut beats = Vec::new();
    for reader in &mut readers {
        assert!(reader.next().await.unwrap().starts_with(b"event: row\n"));
        beats.push(reader.next().await.unwrap());
    }
    assert_eq!(beats[0], "event: beat\ndata: {\"revision\":1}\n\n");
    assert_eq!(beats[0].as_ptr(), beats[1].as_ptr(), "written twice");
}

#[tokio::test(start_paused = true)]
async fn what_there_is_to_say_of_clusters_is_told_at_first_and_when_it_is_another_thing() {
    let mark: Arc<Mutex<&str>> = Arc::new(Mutex::new("1-5"));
    let seen = Arc::clone(&mark);
    let news = Arc::new(News::with_mark(move || {
        Some((*seen.lock().unwrap()).to_owned())
    }));
    let (moves, changes) = tokio::sync::watch::channel(0_u64);
    news.follow(vec![changes]);
    let (model, stopping) = (Arc::default(), CancellationToken::new());
    let mut events = events_of(&model, &news, &stopping);
    events.next().await.unwrap();
    let first = events.next().await.unwrap();
    assert_eq!(first, "event: clusters\ndata: {\"mark\":\"1-5\"}\n\n");
    // Many changes at once are told at most twice: the first at once, the rest a moment later.
    let mut told = 0;
    for number in 2..40_u64 {
        *mark.lock().unwrap() = if number == 39 { "39-5" } else { "2-5" };
        moves.send_replace(number);
        tokio::task::yield_now().await;
    }
    let last = loop {
        let event = events.next().await.unwrap();
        if !event.starts_with(b"event: clusters\n") {
            panic!("{event:?}");
        }
        told += 1;
        if event == "event: clusters\ndata: {\"mark\":\"39-5\"}\n\n" {
            break Instant::now();
        }
    };
    assert!(told <= 2, "{told}");
    // A change that shows nowhere is told to nobody.
    moves.send_replace(40);
    let beat = events.next().await.unwrap();
    assert!(beat.starts_with(b"event: beat\n"), "{beat:?}");
    assert_eq!(last.elapsed(), STILL);
}
