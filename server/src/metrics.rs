//! What a Prometheus server asks for: how long requests take, and what the engine has in hand.
//!
//! Owns the names and labels of the measurements. Labels come from lists that are fixed (routes, phases,
//! dependencies), never from what a request says, so that nobody can make their number grow. What the
//! engine has in hand is counted when it is asked for, and nothing is kept for it.

use std::{borrow::Cow, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, prometheus_text, text},
    metrics::{
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use elb_engine::JobService;

use crate::{error::ApiError, state::AppState};

mod in_hand;

/// What all names begin with.
const PREFIX: &str = "elb";
/// Where a request is counted whose address is none of this server's.
const NO_ROUTE: &str = "none";
/// The smallest answer that is told apart, in seconds: a list from memory takes about as long.
const SHORTEST: f64 = 0.000_5;
/// Each bucket is so many times as wide as the one before: 14 of them reach from 0.5 ms to 4 s.
const FACTOR: f64 = 2.0;
const BUCKETS: u16 = 14;
/// Steps last from some ms to hours: 14 buckets from 10 ms to 18 hours.
const SHORTEST_STEP: f64 = 0.01;
const STEP_FACTOR: f64 = 3.0;

const OPEN_METRICS: &str = "application/openmetrics-text";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: Cow<'static, str>,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stepped {
    step: &'static str,
    outcome: &'static str,
}

/// Measurements that are kept from request to request.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<Answered, Histogram>,
    steps: Family<Stepped, Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        let buckets = || Histogram::new(exponential_buckets(SHORTEST, FACTOR, BUCKETS));
        let steps = || Histogram::new(exponential_buckets(SHORTEST_STEP, STEP_FACTOR, BUCKETS));
        Self {
            requests: Family::new_with_constructor(buckets),
            steps: Family::new_with_constructor(steps),
        }
    }
}

impl Metrics {
    /// Measures an answer that begins now.
    pub(crate) fn observe(
        &self,
        method: &Method,
        route: Cow<'static, str>,
        status: StatusCode,
        begin: Instant,
    ) {
        let labels = Answered {
            method: known(method),
            route,
            status: status.as_u16(),
        };
        let requests = self.requests.get_or_create(&labels);
        requests.observe(begin.elapsed().as_secs_f64());
    }

    /// Measures how long steps of searches take that end in this process.
    pub fn observe_steps(&self, service: &JobService) {
        let steps = self.steps.clone();
        service.watch_steps(Box::new(move |step, state, ms| {
            let labels = Stepped {
                step: step.as_str(),
                outcome: state.as_str(),
            };
            #[expect(
                clippy::cast_precision_loss,
                reason = "a search takes less than 2^53 ms"
            )]
            let seconds = ms as f64 / 1_000.0;
            steps.get_or_create(&labels).observe(seconds);
        }));
    }
}

/// The layer: measures how long each answer took to begin. Streams and files go on after that.
pub async fn measure(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>();
    let route = match route {
        Some(route) => Cow::Owned(route.as_str().to_owned()),
        None => Cow::Borrowed(NO_ROUTE),
    };
    let begin = Instant::now();
    let answer = next.run(request).await;
    metrics.observe(&method, route, answer.status(), begin);
    answer
}

/// Methods can be made up by whoever asks.
pub(crate) fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Measurements for Prometheus
///
/// In the text format of Prometheus, or as OpenMetrics where the request prefers it: request times per
/// route, times of the steps of searches, searches per status and phase, revision and age of the list, readers of the event stream, and
/// for each dependency its breaker and its calls, and for each cache what became of its lookups.
#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses((status = 200, body = String, content_type = "text/plain"))
)]
pub async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_with_unit(
        "http_request_duration",
        "Time until an answer began, by route",
        Unit::Seconds,
        state.metrics.requests.clone(),
    );
    registry.register_with_unit(
        "step_duration",
        "Time that a step of a search took, its waits included, by step and how it ended",
        Unit::Seconds,
        state.metrics.steps.clone(),
    );
    in_hand::register(&mut registry, &state);
    let open = wants_open_metrics(&headers);
    let mut body = String::new();
    let written = if open {
        text::encode(&mut body, &registry)
    } else {
        prometheus_text::encode(&mut body, &registry)
    };
    if let Err(error) = written {
        tracing::error!(%error, "the measurements cannot be written");
        let message = "The measurements cannot be written; the server's log says why.";
        return ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
            .into_response();
    }
    let kind = if open {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static(kind))],
        body,
    )
        .into_response()
}

fn wants_open_metrics(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    accepted.any(|value| value.to_str().is_ok_and(|text| text.contains(OPEN_METRICS)))
}
