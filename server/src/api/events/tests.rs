//! What one reader is sent, on a clock that moves only when it is told to.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

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

fn events_of(model: &Arc<ReadModel>, stopping: &CancellationToken) -> impl Stream<Item = Bytes> {
    let changes = Changes::after(Arc::clone(model), "me".to_owned(), None, None);
    stream(changes, stopping.clone())
        .map(|Ok(event)| event)
        .boxed()
}

#[tokio::test(start_paused = true)]
async fn a_reader_has_a_sign_of_life_in_time_while_others_have_much_to_hear() {
    let (model, stopping) = (Arc::default(), CancellationToken::new());
    let mut events = events_of(&model, &stopping);
    let greeting = events.next().await.unwrap();
    assert_eq!(greeting, ": connected\nretry: 2000\n\n");
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
        assert_eq!(sign, ":\n\n");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_one_line_of_data_and_the_bytes_are_those_of_every_reader() {
    let (model, stopping) = (Arc::default(), CancellationToken::new());
    let mut readers = [events_of(&model, &stopping), events_of(&model, &stopping)];
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
    let (model, stopping) = (Arc::default(), CancellationToken::new());
    let mut events = events_of(&model, &stopping);
    events.next().await.unwrap();
    change(&model, "", 1);
    stopping.cancel();
    let all: Vec<Bytes> = events.collect().await;
    assert_eq!(all.len(), 2);
    assert!(all[0].starts_with(b"event: row\n"));
    assert!(all[1].starts_with(b"event: bye\nretry: 3000\n"));
}
