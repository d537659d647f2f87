//! A span for each request, from its first byte to the beginning of its answer.
//!
//! Owns its name and attributes, which are those of OpenTelemetry's conventions where these have one. Routes are
//! templates, never addresses, so that spans of one kind have one name.

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use elb_engine::request::Upstream;
use opentelemetry::{propagation::TextMapPropagator, trace::Status};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Instrument, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::export;
use crate::{guard::REQUEST_ID, metrics::known};

/// The layer. Whoever sends `traceparent` has the request in his own trace.
pub async fn trace(request: Request, next: Next) -> Response {
    if export::tracer().is_none() {
        return next.run(request).await;
    }
    let span = begin(&request);
    let answer = next.run(request).instrument(span.clone()).await;
    end(&span, &answer);
    answer
}

fn begin(request: &Request) -> Span {
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map(MatchedPath::as_str);
    let name = match route {
        Some(route) => format!("{method} {route}"),
        None => method.to_owned(),
    };
    // At `trace`, so that no line of the log carries it beside its own span of the request.
    let span = tracing::trace_span!(
        "http",
        otel.name = name,
        otel.kind = "server",
        http.request.method = method,
        http.route = Empty,
        url.path = request.uri().path(),
    );
    if let Some(route) = route {
        span.set_attribute("http.route", route.to_owned());
    }
    let from = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
    // An error says that nobody traces this span.
    let _ = span.set_parent(from);
    span
}

fn end(span: &Span, answer: &Response) {
    let status = answer.status();
    span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.set_status(Status::error(""));
    }
    if let Some(upstream) = answer.extensions().get::<Upstream>() {
        let calls = i64::try_from(upstream.calls).unwrap_or(i64::MAX);
        span.set_attribute("elb.upstream.calls", calls);
        span.set_attribute("elb.upstream.ms", upstream.time.as_secs_f64() * 1_000.0);
    }
    let id = answer.headers().get(&REQUEST_ID);
    if let Some(id) = id.and_then(|id| id.to_str().ok()) {
        span.set_attribute("elb.request.id", id.to_owned());
    }
}
