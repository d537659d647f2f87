//! What every request must pass and every answer carries.
//!
//! Owns the names under which this server may be asked for (against DNS rebinding), the refusal of
//! requests that another site's page makes, the identifier of each request, the security headers, and
//! the form of errors that come from below the handlers.

use axum::{
    Json,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::error::{ApiError, ErrorBody};

/// The header that names a request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest identifier that is taken over from a client, in bytes.
const MAX_REQUEST_ID: usize = 64;

/// The identifier of the request that is being answered.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

const HEADERS: [(HeaderName, &str); 6] = [
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

/// The outermost layer.
pub async fn guard(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let api = request.uri().path().starts_with("/api");
    let method = request.method().clone();
    let refused = refuse(&method, request.headers());
    let answer = match refused {
        Some(error) => error.into_response(),
        None => next.run(request).await,
    };
    finish(answer, &id, api)
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
        None => uuid::Uuid::new_v4().simple().to_string(),
    }
}

fn refuse(method: &Method, headers: &HeaderMap) -> Option<ApiError> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
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

/// Whether a host, with or without a port, is this machine under one of its own names.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    matches!(name, "localhost" | "127.0.0.1" | "::1")
}

fn finish(answer: Response, id: &str, api: bool) -> Response {
    let mut answer = if api {
        with_error_body(answer, id)
    } else {
        answer
    };
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
    answer
}

/// Gives an error its identifier, and a body to one that comes without.
fn with_error_body(answer: Response, id: &str) -> Response {
    let status = answer.status();
    let own = answer
        .extensions()
        .get::<crate::health::OwnBody>()
        .is_some();
    if own || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    let known = answer.extensions().get::<ErrorBody>().cloned();
    let (mut parts, _) = answer.into_parts();
    let mut body = known.unwrap_or_else(|| plain_body(status));
    id.clone_into(&mut body.request_id);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_ENCODING);
    let fresh = Json(body).into_response();
    let (fresh_parts, fresh_body) = fresh.into_parts();
    parts.headers.extend(fresh_parts.headers);
    Response::from_parts(parts, Body::new(fresh_body))
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
            "localhost:80",
            "[::1]:3000",
            "[::1]",
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
}
