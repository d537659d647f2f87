//! The logs of a search's containers: listed, read as text, or followed to their end.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use elb_core::{
    cluster::{LogOf, LogPlace, PodLogView},
    poll,
};
use elb_engine::service::PodLogFollower;
use futures::Stream;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        events::{bye, unbuffered},
        params::{Params, limit},
        schema::PodLogBody,
        stream::attachment,
    },
    error::{ApiError, ErrorBody},
    state::AppState,
};

/// The most last lines that can be asked for; without a number all of them come.
const MOST_LINES: usize = 1_000_000;

/// Logs of containers.
#[derive(Debug, Serialize, ToSchema)]
pub struct PodLogs {
    /// By batch and pod, those of containers that run first before the others.
    #[schema(value_type = Vec<PodLogBody>)]
    pub logs: Vec<PodLogView>,
}

/// Logs of the pods
///
/// Of a search on a cluster that is watched: one for each run of a container. Those of containers that have
/// ended are kept with the search; the others are on the cluster, which is not asked for this. A search that runs
/// on no cluster has none.
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}/pods", tag = "searches",
    params(("id" = String, Path)),
    responses((status = 200, body = PodLogs), (status = 404, body = ErrorBody))
)]
pub async fn list(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<PodLogs>, ApiError> {
    let logs = state.service.pod_logs(&state.caller(), &id).await?;
    Ok(Json(PodLogs { logs }))
}

/// Which part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    last: Option<usize>,
    after: Option<String>,
}

/// The log of a container
///
/// The text, each line with its time before it. With `Accept: text/event-stream` it is followed: each line is an
/// event `line` whose id is its place, `Last-Event-ID` (or `after`) continues without a gap, and an event `end`
/// comes when the container has ended. A server that stops sends `bye` with a `retry` hint as its last event:
/// connect again then.
#[utoipa::path(
    get, path = "/api/blast/jobs/{id}/pods/{pod}/{container}/{restart}/logs", tag = "searches",
    params(
        ("id" = String, Path), ("pod" = String, Path), ("container" = String, Path),
        ("restart" = u32, Path, description = "how often the container had been started in its pod before"),
        ("last" = Option<u32>, Query, description = "only so many lines from the end, 1 to 1,000,000; not where it is followed"),
        ("after" = Option<String>, Query, description = "only where it is followed: the id of the last line that the reader has")
    ),
    responses(
        (status = 200, description = "The text; followed, events whose data is a line as those of the search's own log are.", body = String, content_type = "text/plain"),
        (status = 400, body = ErrorBody),
        (status = 404, description = "There is no such search or no such log (any more).", body = ErrorBody),
        (status = 409, description = "The container has not been started.", body = ErrorBody),
        (status = 503, description = "The cluster cannot be asked; the message says why.", body = ErrorBody)
    )
)]
pub async fn logs(
    State(state): State<AppState>,
    Path((id, pod, container, restart)): Path<(String, String, String, u32)>,
    Params(part): Params<Part>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (service, caller) = (&state.service, state.caller());
    let log = LogOf::new(&pod, &container, restart);
    let log = log.ok_or_else(|| ApiError::bad_request("no pod or container has such a name"))?;
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/event-stream")) {
        let named = headers.get("last-event-id");
        let named = named.map(|value| value.to_str().unwrap_or_default());
        let after = named.or(part.after.as_deref()).map(|text| {
            let wrong = || ApiError::bad_request("the place is not one that this server gave");
            LogPlace::parse(text).ok_or_else(wrong)
        });
        let after = after.transpose()?;
        let follower = service.follow_pod_log(&caller, &id, &log, after).await?;
        let events = Sse::new(stream(state, follower));
        let events = events.keep_alive(KeepAlive::new().interval(poll::HEARTBEAT));
        return Ok(unbuffered(events.into_response()));
    }
    let last = match part.last {
        Some(last) => u32::try_from(limit(Some(last), last, MOST_LINES)?).ok(),
        None => None,
    };
    let text = service.pod_log_text(&caller, &id, &log, last).await?;
    Ok(attachment(text))
}

/// An error breaks the transfer off, so that the reader comes back and nobody takes a part for the whole.
fn stream(
    state: AppState,
    follower: PodLogFollower,
) -> impl Stream<Item = Result<Event, axum::Error>> {
    let begun = Some((state, follower));
    futures::stream::unfold(begun, |reader| async move {
        let (state, mut follower) = reader?;
        let next = tokio::select! {
            next = follower.next() => next,
            () = state.stopping.cancelled() => return Some((Ok(bye()), None)),
        };
        match next {
            Ok(Some((place, line))) => {
                let event = Event::default().event("line").id(place.to_string());
                Some((event.json_data(&line), Some((state, follower))))
            }
            Ok(None) => {
                let end = Event::default().event("end");
                Some((Ok(end.data("the container has ended")), None))
            }
            Err(error) => {
                tracing::warn!(%error, "the log of a container cannot be followed");
                Some((Err(axum::Error::new(error)), None))
            }
        }
    })
}
