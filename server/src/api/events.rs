//! The event stream: every change of a row the caller may see, numbered, without a gap.
//!
//! A reader that names the last revision it has seen gets what it missed; one that was away for too
//! long gets one `snapshot`, which tells it to ask for the list.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use elb_core::poll;
use elb_engine::{JobService, read_model::Delta};
use futures::Stream;
use serde::Deserialize;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{
    api::params::Params,
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// How long a browser waits before it connects again.
const RETRY: Duration = Duration::from_secs(2);
/// How long a reader waits that was told of the server's end: about as long as a restart takes.
const RESTART: Duration = Duration::from_secs(3);
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
/// listed), id = revision; `snapshot` when changes were missed: ask for the list then; `bye` with
/// `{"reason"}` and a `retry` hint as the last one of a server that stops: connect again with the id of
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
    // Without a revision the reader has nothing yet, so that nothing can have been missed.
    let seen = named.unwrap_or_else(|| state.service.revision());
    let (missed, changes) = state.service.replay(seen.min(UNKNOWN));
    let gap = missed.is_none();
    let reader = Reader {
        job: from.job,
        waiting: missed.unwrap_or_default().into(),
        changes,
        gap,
        told: 0,
        greeted: false,
        said_bye: false,
        state,
    };
    let events = Sse::new(stream(reader)).keep_alive(KeepAlive::new().interval(poll::HEARTBEAT));
    unbuffered(events.into_response())
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
    Event::default()
        .event("bye")
        .retry(RESTART)
        .data("{\"reason\":\"the server is stopping; connect again\"}")
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

struct Reader {
    state: AppState,
    job: Option<String>,
    waiting: VecDeque<Arc<Delta>>,
    changes: broadcast::Receiver<Arc<Delta>>,
    gap: bool,
    /// The revision that a snapshot told last: changes up to it are in the list that the reader asks for.
    told: u64,
    greeted: bool,
    said_bye: bool,
}

fn stream(reader: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    })
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.greeted, true) {
            // Something is sent at once, so that the browser knows that it is connected.
            return Some(Event::default().retry(RETRY).comment("connected"));
        }
        if self.said_bye {
            return None;
        }
        loop {
            if std::mem::take(&mut self.gap) {
                return Some(self.snapshot());
            }
            if let Some(delta) = self.waiting.pop_front() {
                if delta.revision > self.told && self.concerns(&delta) {
                    return row(&delta);
                }
                continue;
            }
            tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(delta) => self.waiting.push_back(delta),
                    Err(RecvError::Lagged(_)) => {
                        // What is left of them is of no use: the list that the reader asks for is newer.
                        self.changes = self.state.service.subscribe();
                        self.gap = true;
                    }
                    Err(RecvError::Closed) => return None,
                },
                () = self.state.stopping.cancelled() => {
                    self.said_bye = true;
                    return Some(bye());
                }
            }
        }
    }

    fn concerns(&self, delta: &Delta) -> bool {
        JobService::may_see(&self.state.caller(), delta)
            && self.job.as_ref().is_none_or(|job| *job == delta.id)
    }

    fn snapshot(&mut self) -> Event {
        let revision = self.state.service.revision();
        self.told = revision;
        Event::default()
            .event("snapshot")
            .id(revision.to_string())
            .data(format!("{{\"revision\":{revision}}}"))
    }
}

fn row(delta: &Delta) -> Option<Event> {
    let event = Event::default().event("row").id(delta.revision.to_string());
    let event = event.json_data(delta);
    // The stream ends then, and the reader comes back for what he missed.
    event
        .inspect_err(|error| tracing::error!(job = delta.id, %error, "a change cannot be written"))
        .ok()
}
