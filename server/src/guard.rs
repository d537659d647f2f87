//! What every request must pass and every answer carries.
//!
//! Owns the names under which this server may be asked for (against DNS rebinding), the refusal of
//! requests that another site's page makes, the identifier of each request, the security headers, the
//! form of errors that come from below the handlers, and when to try again what could not be served.

use std::{
    net::IpAddr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Json,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use elb_app::error_page;
use elb_engine::request::{self, in_request};
use tracing::Instrument;

use crate::{
    error::{ApiError, ErrorBody},
    forms::wants_json,
    limits::RETRY_AFTER,
};

/// The header that names a request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest identifier that is taken over from a client, in bytes.
const MAX_REQUEST_ID: usize = 64;

const FIXED: usize = 6;
const HEADERS: [(HeaderName, &str); FIXED] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

/// How many headers are added to an answer: those, when to try again, how long it may be kept, and its identifier.
pub(crate) const ADDED: usize = FIXED + 3;

/// The outermost layer.
pub async fn guard(request: Request<Body>, next: Next) -> Response {
    let id = request_id(request.headers());
    let path = request.uri().path();
    let json = path == "/api" || path.starts_with("/api/") || wants_json(request.headers());
    let span = span(&id, request.method(), path);
    let told = request::Request::named(&id);
    let began = Instant::now();
    let answer = match refuse(request.method(), request.uri(), request.headers()) {
        Some(error) => error.into_response(),
        None => {
            let answer = next.run(request).instrument(span.clone());
            in_request(Some(told.clone()), answer).await
        }
    };
    let upstream = told.upstream();
    span.in_scope(|| log(answer.status(), began.elapsed(), upstream));
    let answer = finish(answer, &id, json);
    #[cfg(feature = "otel")]
    let answer = {
        let mut answer = answer;
        answer.extensions_mut().insert(upstream);
        answer
    };
    answer
}

/// Whether a request is none of those that are refused.
pub(crate) fn admits<B>(request: &Request<B>) -> bool {
    refuse(request.method(), request.uri(), request.headers()).is_none()
}

/// Gives an answer that was made elsewhere what every answer has, and tells the log of it.
pub(crate) fn finished<B>(request: &Request<B>, answer: Response, took: Duration) -> Response {
    let id = request_id(request.headers());
    if tracing::enabled!(tracing::Level::DEBUG) {
        let span = span(&id, request.method(), request.uri().path());
        span.in_scope(|| log(answer.status(), took, request::Upstream::default()));
    }
    finish(answer, &id, true)
}

/// Whatever is logged while a request is answered carries its identifier.
fn span(id: &str, method: &Method, path: &str) -> tracing::Span {
    tracing::info_span!("request", %id, %method, path)
}

/// The line of a request, when its answer begins. What was asked of others, and what failed, is told to
/// everyone; what came from memory only to who wants to know it (`ELB_LOG=info,elb_server::guard=debug`).
fn log(status: StatusCode, took: Duration, upstream: request::Upstream) {
    macro_rules! answered {
        ($level:ident) => {
            tracing::$level!(
                status = status.as_u16(),
                ms = milliseconds(took),
                upstream_calls = upstream.calls,
                upstream_ms = milliseconds(upstream.time),
                "answered"
            )
        };
    }
    if upstream.calls > 0 || status.is_server_error() {
        answered!(info);
    } else {
        answered!(debug);
    }
}

fn milliseconds(time: Duration) -> f64 {
    // To the microsecond: more would be noise.
    time.as_micros() as f64 / 1_000.0
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let plain = |text: &&str| {
        !text.is_empty()
            && text.len() <= MAX_REQUEST_ID
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match given.filter(plain) {
        Some(id) => id.to_owned(),
        None => new_id(),
    }
}

/// One that no other request has, of this process or another. The kernel is asked for chance once, not each time.
fn new_id() -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| uuid::Uuid::new_v4().as_u64_pair().0);
    static REQUESTS: AtomicU64 = AtomicU64::new(1);
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}{number:016x}", *PROCESS)
}

fn refuse(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<ApiError> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // HTTP/2 names the host in the address.
    let host = text(header::HOST)
        .or_else(|| uri.authority().map(|name| name.as_str()))
        .unwrap_or_default();
    if !is_loopback_name(host) {
        let message = "This server answers only under 127.0.0.1, localhost or [::1]. Open it under one of these.";
        return Some(ApiError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "unknown_host",
            message,
        ));
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let foreign_site = text(HeaderName::from_static("sec-fetch-site"))
        .is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let foreign_origin = text(header::ORIGIN).is_some_and(|origin| {
        let own = origin.split_once("://").map(|(_, rest)| rest);
        own != Some(host)
    });
    (foreign_site || foreign_origin).then(|| {
        let message = "This request comes from another site's page, so it is not carried out. Use the pages of this server.";
        ApiError::new(StatusCode::FORBIDDEN, "foreign_site", message)
    })
}

/// Whether a host, with or without a port, is this machine under one of its own names. Numbers cannot
/// be made to point elsewhere, so that every loopback address is one.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn finish(answer: Response, id: &str, json: bool) -> Response {
    let mut answer = with_error_body(answer, id, json);
    let status = answer.status();
    let headers = answer.headers_mut();
    headers.reserve(ADDED);
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers
            .entry(header::RETRY_AFTER)
            .or_insert(HeaderValue::from(RETRY_AFTER));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
    answer
}

/// Gives an error its identifier and the form that its reader wants: JSON for programs, a page for
/// people. A page that was rendered for the error stays.
fn with_error_body(answer: Response, id: &str, json: bool) -> Response {
    let status = answer.status();
    let own = answer
        .extensions()
        .get::<crate::health::OwnBody>()
        .is_some();
    if own || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    let known = answer.extensions().get::<ErrorBody>().cloned();
    if !json && known.is_none() && is_page(&answer) {
        return answer;
    }
    let mut body = known.unwrap_or_else(|| plain_body(status));
    id.clone_into(&mut body.request_id);
    let fresh = if json {
        Json(body).into_response()
    } else {
        Html(error_page(
            status.as_u16(),
            title_of(status),
            &body.message,
            id,
        ))
        .into_response()
    };
    let (mut parts, _) = answer.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_ENCODING);
    let (fresh_parts, fresh_body) = fresh.into_parts();
    for (name, value) in &fresh_parts.headers {
        parts.headers.insert(name, value.clone());
    }
    Response::from_parts(parts, fresh_body)
}

fn is_page(answer: &Response) -> bool {
    let kind = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}

fn title_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "This is not there",
        StatusCode::CONFLICT => "This is not possible now",
        StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => "This is refused",
        status if status.is_server_error() => "The server failed",
        _ => "This could not be done",
    }
}

fn plain_body(status: StatusCode) -> ErrorBody {
    let (code, message) = match status {
        StatusCode::NOT_FOUND => (
            "no_such_route",
            "There is no such address; /api/openapi.json lists what there is.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => (
            "method_not_allowed",
            "This address does not take this method; /api/openapi.json lists what it takes.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            "too_large",
            "The request is larger than this server takes; split it into several.",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            "unsupported_media_type",
            "Send JSON with Content-Type: application/json.",
        ),
        status if status.is_server_error() => (
            "internal",
            "The server failed on this request. Try again; tell the operator its request_id if it happens again.",
        ),
        _ => (
            "bad_request",
            "This request is not understood; /api/openapi.json says what this address takes.",
        ),
    };
    ErrorBody {
        code: code.to_owned(),
        message: message.to_owned(),
        request_id: String::new(),
        problems: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for own in [
            "127.0.0.1:3000",
            "localhost",
            "LocalHost:80",
            "[::1]:3000",
            "[::1]",
            "127.0.0.2:3000",
        ] {
            assert!(is_loopback_name(own), "{own}");
        }
        for foreign in [
            "",
            "example.org",
            "127.0.0.1.example.org",
            "localhost.example.org:3000",
            "[::2]:3000",
            "[::1",
        ] {
            assert!(!is_loopback_name(foreign), "{foreign}");
        }
    }

    #[test]
    fn the_host_is_read_from_the_address_where_there_is_no_header_for_it() {
        let refused = |address: &'static str| {
            refuse(&Method::GET, &Uri::from_static(address), &HeaderMap::new()).is_some()
        };
        assert!(!refused("http://localhost:3000/jobs"));
        assert!(refused("http://example.org/jobs"));
        assert!(refused("/jobs"));
    }
}
