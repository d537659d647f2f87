//! The event stream: every change of a row the caller may see, numbered, without a gap.
//!
//! A reader that names the last revision it has seen gets what it missed; one that was away for too
//! long gets one `snapshot`, which tells it to ask for the list. While nothing changes a `beat` says so, which
//! scripts of a page can hear: a connection over which nothing comes any more is told from a quiet one.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{Response, sse::Event},
};
use elb_core::poll;
use elb_engine::read_model::{Change, Changes, Delta};
use futures::Stream;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    api::params::Params,
    error::{ApiError, ErrorBody},
    state::AppState,
};

mod news;

pub use news::News;

/// How long a browser waits at least before it connects again, and up to as long again.
const RETRY: Duration = Duration::from_secs(2);
/// The same of one that was told of the server's end: about as long as a restart takes.
const RESTART: Duration = Duration::from_secs(3);
/// What the last event of a server that stops says.
const BYE: &str = "{\"reason\":\"the server is stopping; connect again\"}";
/// When a beat is sent: early enough to be there in time.
const STILL: Duration = poll::HEARTBEAT.saturating_sub(Duration::from_secs(1));
/// A revision that no list ever has: whoever names what this server did not give gets a snapshot.
const UNKNOWN: u64 = u64::MAX - 1;

/// Where to begin, and of what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    after: Option<u64>,
    job: Option<String>,
}

/// Changes as they happen
///
/// Server-sent events: `row` with `{"revision", "id", "row"}` (`row` is null once a job is no longer
/// listed), id = revision; `snapshot` when changes were missed: ask for the list then; `beat` with
/// `{"revision"}` after 14 s without anything else: nothing has changed for this reader since that revision, 0 if
/// it was told none; `clusters` with `{"mark"}` at first and whenever `/clusters` has something else to show, not
/// with `job`; `bye` with `{"reason"}` and a `retry` hint as the last one of a server that stops: connect again with the id of
/// the last change, and nothing is missed. A server with as many readers as it serves answers 503.
#[utoipa::path(
    get, path = "/api/blast/events", tag = "searches",
    params(
        ("after" = Option<u64>, Query, description = "the revision that the reader has; Last-Event-ID wins"),
        ("job" = Option<String>, Query, description = "only changes of this job")
    ),
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody))
)]
pub async fn events(
    State(state): State<AppState>,
    Params(from): Params<From>,
    headers: HeaderMap,
) -> Response {
    let named = last_event_id(&headers)
        .unwrap_or(Some(UNKNOWN))
        .or(from.after);
    let seen = named.map(|revision| revision.min(UNKNOWN));
    let clusters = from.job.is_none().then(|| state.news.clusters());
    let changes = state.service.changes(&state.caller(), seen, from.job);
    let events = stream(Reader {
        changes,
        // One whose revision is not known is told a snapshot before anything else.
        told: seen.unwrap_or(0),
        clusters,
        news: Arc::clone(&state.news),
        stopping: state.stopping.clone(),
        stage: Stage::New,
    });
    let mut answer = Response::new(Body::from_stream(events));
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    unbuffered(answer)
}

/// The identifier of the last event that the client has, as a number.
///
/// # Errors
/// If it is none that this server gave.
pub fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(given) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let number = given.to_str().ok().and_then(|text| text.parse().ok());
    let wrong = || ApiError::bad_request("Last-Event-ID is not one that this server gave");
    number.map(Some).ok_or_else(wrong)
}

/// The last event of a server that stops.
pub fn bye() -> Event {
    let retry = apart(RESTART, next_turn());
    Event::default().event("bye").retry(retry).data(BYE)
}

/// Counts those who are told a pause.
fn next_turn() -> u64 {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    TURNS.fetch_add(1, Ordering::Relaxed)
}

/// A pause, longer by up to as much again: readers that were cut off at one moment come back one by one. Multiples of
/// the golden ratio, without their whole part, are spread evenly however many there are.
fn apart(pause: Duration, turn: u64) -> Duration {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let share = turn.wrapping_mul(GOLDEN) >> 32;
    let whole = u64::try_from(pause.as_millis()).unwrap_or(0);
    pause + Duration::from_millis((whole * share) >> 32)
}

/// Tells proxies to hand on what comes, as it comes.
pub fn unbuffered(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-transform"),
    );
    answer
}

/// What one reader holds while it waits.
struct Reader {
    changes: Changes,
    /// The revision that it was told last, or came with.
    told: u64,
    /// What there is to say of the clusters; `None` for one that does not want to hear it.
    clusters: Option<watch::Receiver<Bytes>>,
    news: Arc<News>,
    stopping: CancellationToken,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    New,
    Open,
    Over,
}

/// The events, each as the bytes that are sent.
fn stream(reader: Reader) -> impl Stream<Item = Result<Bytes, Infallible>> {
    futures::stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    })
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        match self.stage {
            Stage::New => {
                self.stage = Stage::Open;
                // Something is sent at once, so that the browser knows that it is connected.
                let retry = apart(RETRY, next_turn()).as_millis();
                Some(format!(": connected\nretry: {retry}\n\n").into())
            }
            Stage::Open => self.wait().await,
            Stage::Over => None,
        }
    }

    async fn wait(&mut self) -> Option<Bytes> {
        tokio::select! {
            // What has happened is told before the end.
            biased;
            change = self.changes.next() => match change? {
                Change::Row(delta) => {
                    self.told = delta.revision;
                    row(&delta)
                }
                Change::Snapshot(revision) => {
                    self.told = revision;
                    Some(snapshot(revision))
                }
            },
            () = self.stopping.cancelled() => {
                self.stage = Stage::Over;
                let retry = apart(RESTART, next_turn()).as_millis();
                Some(format!("event: bye\nretry: {retry}\ndata: {BYE}\n\n").into())
            }
            clusters = moved(&mut self.clusters) => Some(clusters),
            () = tokio::time::sleep(STILL) => Some(self.news.beat(self.told)),
        }
    }
}

/// What is said of the clusters, once it is another thing.
async fn moved(clusters: &mut Option<watch::Receiver<Bytes>>) -> Bytes {
    if let Some(clusters) = clusters
        && clusters.changed().await.is_ok()
    {
        return clusters.borrow_and_update().clone();
    }
    // Nothing more will be said.
    std::future::pending().await
}

fn snapshot(revision: u64) -> Bytes {
    format!("event: snapshot\nid: {revision}\ndata: {{\"revision\":{revision}}}\n\n").into()
}

/// A change, written once for all readers.
fn row(delta: &Delta) -> Option<Bytes> {
    delta.encoded(|delta| {
        let mut event = format!("event: row\nid: {}\ndata: ", delta.revision).into_bytes();
        // The stream ends if it cannot be written, and the reader comes back for what he missed.
        serde_json::to_writer(&mut event, delta)
            .inspect_err(
                |error| tracing::error!(job = delta.id, %error, "a change cannot be written"),
            )
            .ok()?;
        event.extend_from_slice(b"\n\n");
        Some(event.into())
    })
}

#[cfg(test)]
mod tests;
