//! The log of a search: read in pages, or followed to its end.

use std::convert::Infallible;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use elb_core::{poll, view::LogLine};
use futures::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

use super::super::events::{last_event_id, unbuffered};
use crate::{
    api::schema::LogBody,
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// Lines of a page that names no number.
const USUAL: usize = 500;
/// Lines that are read at once while following.
const PIECE: usize = 500;

/// Which page.
#[derive(Debug, Deserialize)]
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
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}/logs", tag = "searches",
    params(
        ("id" = String, Path),
        ("after" = Option<u64>, Query, description = "only lines after this number"),
        ("limit" = Option<u32>, Query, description = "lines, 1 to 2,000 (default 500)")
    ),
    responses((status = 200, body = Log), (status = 404, body = ErrorBody))
)]
pub async fn logs(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if accept.contains("text/event-stream") {
        let after = last_event_id(&headers).or(page.after).unwrap_or(0);
        let grown = state.service.follow_log(&state.caller(), &id)?;
        let stream = Sse::new(follow(state, id, after, grown))
            .keep_alive(KeepAlive::new().interval(poll::HEARTBEAT));
        return Ok(unbuffered(stream.into_response()));
    }
    let limit = page.limit.unwrap_or(USUAL);
    let lines = state
        .service
        .logs(&state.caller(), &id, page.after.unwrap_or(0), limit)
        .await?;
    let next_after = lines
        .last()
        .map(|line| line.number)
        .filter(|_| lines.len() >= limit);
    Ok(Json(Log { lines, next_after }).into_response())
}

struct Following {
    state: AppState,
    id: String,
    after: u64,
    grown: watch::Receiver<u64>,
    waiting: std::vec::IntoIter<LogLine>,
    over: bool,
}

fn follow(
    state: AppState,
    id: String,
    after: u64,
    grown: watch::Receiver<u64>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let start = Following {
        state,
        id,
        after,
        grown,
        waiting: Vec::new().into_iter(),
        over: false,
    };
    futures::stream::unfold(start, |mut following| async move {
        let event = following.next().await?;
        Some((Ok(event), following))
    })
}

impl Following {
    /// The next event: a line, the end, or nothing more because the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(line) = self.waiting.next() {
                self.after = line.number;
                let event = Event::default().event("line").id(line.number.to_string());
                return event.json_data(&line).ok();
            }
            if self.over {
                return None;
            }
            // Looked at before the lines are read: whatever was written until the end is then read too.
            let caller = self.state.caller();
            let ended = self
                .state
                .service
                .detail(&caller, &self.id)
                .map_or(true, |job| !job.row.phase.is_active());
            self.grown.mark_unchanged();
            let lines = self
                .state
                .service
                .logs(&caller, &self.id, self.after, PIECE)
                .await
                .unwrap_or_default();
            if !lines.is_empty() {
                self.waiting = lines.into_iter();
                continue;
            }
            if ended {
                self.over = true;
                return Some(Event::default().event("end").data("the search has ended"));
            }
            let pause = poll::JOB_STEADY;
            tokio::select! {
                changed = self.grown.changed() => changed.ok()?,
                // The end of a job need not write a line.
                () = tokio::time::sleep(pause) => {}
                () = self.state.stopping.cancelled() => return None,
            }
        }
    }
}
