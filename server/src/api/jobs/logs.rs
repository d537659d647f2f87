//! The log of a search: read in pages, or followed to its end.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use elb_core::{poll, view::LogLine};
use elb_engine::{
    read_model::Delta,
    service::{MAX_LOG, ServiceError},
};
use futures::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};
use utoipa::ToSchema;

use crate::{
    api::{
        events::{bye, last_event_id, unbuffered},
        params::{Params, limit},
        schema::LogBody,
    },
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// Lines of a page that names no number.
const USUAL: usize = 500;
/// Lines that are read at once while following.
const PIECE: usize = 500;

/// Which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    after: Option<u64>,
    limit: Option<usize>,
}

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Log {
    /// In order.
    #[schema(value_type = Vec<LogBody>)]
    pub lines: Vec<LogLine>,
    /// Where the next page begins: its `after`.
    pub next_after: Option<u64>,
}

/// The log
///
/// With `Accept: text/event-stream` it is followed: each line is an event `line` whose id is its
/// number, `Last-Event-ID` continues without a gap, and an event `end` comes when the search has ended.
/// A server that stops sends `bye` with a `retry` hint as its last event: connect again then.
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}/logs", tag = "searches",
    params(
        ("id" = String, Path),
        ("after" = Option<u64>, Query, description = "only lines after this number"),
        ("limit" = Option<u32>, Query, description = "lines, 1 to 2,000 (default 500)")
    ),
    responses((status = 200, body = Log), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub async fn logs(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Params(page): Params<Page>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if accept.contains("text/event-stream") {
        let after = last_event_id(&headers)?.or(page.after).unwrap_or(0);
        let following = Following::begin(state, id, after)?;
        let stream =
            Sse::new(stream(following)).keep_alive(KeepAlive::new().interval(poll::HEARTBEAT));
        return Ok(unbuffered(stream.into_response()));
    }
    let limit = limit(page.limit, USUAL, MAX_LOG)?;
    let lines = state
        .service
        .logs(&state.caller(), &id, page.after.unwrap_or(0), limit)
        .await?;
    let next_after = lines
        .last()
        .map(|line| line.number)
        .filter(|_| lines.len() == limit);
    Ok(Json(Log { lines, next_after }).into_response())
}

/// A reader of a log, and what it waits for.
struct Following {
    state: AppState,
    id: String,
    after: u64,
    /// Tells of new lines; `None` once the log has been removed.
    grown: Option<watch::Receiver<u64>>,
    /// The end of a job need not write a line.
    changes: broadcast::Receiver<Arc<Delta>>,
    waiting: std::vec::IntoIter<LogLine>,
    over: bool,
}

/// An error breaks the transfer off, so that the reader comes back and nobody takes a part for the whole.
fn stream(following: Following) -> impl Stream<Item = Result<Event, axum::Error>> {
    futures::stream::unfold(following, |mut following| async move {
        let event = following.next().await.transpose()?;
        if event.is_err() {
            following.over = true;
        }
        Some((event, following))
    })
}

impl Following {
    fn begin(state: AppState, id: String, after: u64) -> Result<Self, ServiceError> {
        let grown = Some(state.service.follow_log(&state.caller(), &id)?);
        let changes = state.service.subscribe();
        let waiting = Vec::new().into_iter();
        Ok(Self {
            state,
            id,
            after,
            grown,
            changes,
            waiting,
            over: false,
        })
    }

    /// The next event: a line, the end, or nothing more because all is said or the server stops.
    async fn next(&mut self) -> Result<Option<Event>, axum::Error> {
        loop {
            if let Some(line) = self.waiting.next() {
                self.after = line.number;
                return Event::default()
                    .event("line")
                    .id(line.number.to_string())
                    .json_data(&line)
                    .map(Some);
            }
            if self.over {
                return Ok(None);
            }
            // Looked at before the lines are read: whatever was written until the end is then read too.
            let ended = self.has_ended();
            if let Some(grown) = &mut self.grown {
                grown.mark_unchanged();
            }
            let lines = self.read().await?;
            if !lines.is_empty() {
                self.waiting = lines.into_iter();
                continue;
            }
            if ended {
                self.over = true;
                return Ok(Some(
                    Event::default().event("end").data("the search has ended"),
                ));
            }
            if !self.wait().await {
                self.over = true;
                return Ok(Some(bye()));
            }
        }
    }

    /// A search that was deleted has ended too.
    fn has_ended(&self) -> bool {
        let job = self.state.service.detail(&self.state.caller(), &self.id);
        job.map_or(true, |job| !job.row.phase.is_active())
    }

    async fn read(&self) -> Result<Vec<LogLine>, axum::Error> {
        match self
            .state
            .service
            .logs(&self.state.caller(), &self.id, self.after, PIECE)
            .await
        {
            Err(ServiceError::NoSuchJob(_)) => Ok(Vec::new()),
            outcome => outcome.map_err(|error| {
                tracing::error!(job = self.id, %error, "a log cannot be followed");
                axum::Error::new(error)
            }),
        }
    }

    /// Waits until there may be something new; false when the server stops.
    async fn wait(&mut self) -> bool {
        loop {
            let grown = async {
                match &mut self.grown {
                    Some(grown) => grown.changed().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                more = grown => {
                    if !more {
                        self.grown = None;
                    }
                    return true;
                }
                change = self.changes.recv() => match change {
                    Ok(delta) if delta.id != self.id => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                },
                () = self.state.stopping.cancelled() => return false,
            }
        }
    }
}
