//! How requests reach Azure Table Storage: one HTTP client, and answers that say what they mean.
//!
//! Owns the connection pool. Turns every answer that is not a success into a typed [`Refusal`], also the
//! one that a refused batch hides inside a success, and everything else into [`Unheard`], which says
//! whether the request may have been carried out. Never repeats a request.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use azure_core_021::{
    Body, BytesStream, HttpClient, Request, Response, StatusCode,
    error::{Error, ErrorKind},
    headers::{AUTHORIZATION, HeaderName, HeaderValue, Headers},
};
use bytes::Bytes;
use thiserror::Error;

use crate::request::upstream;

/// How long a connection may take to be made (ours: a healthy one takes three round trips).
const CONNECT: Duration = Duration::from_secs(3);
/// How long an idle connection is kept: less than the four minutes of Azure's load balancers.
const IDLE: Duration = Duration::from_secs(90);
/// The longest wait that an answer may ask for and be believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// The service has answered, and it did not do what was asked.
#[derive(Debug, Clone, Error)]
#[error("{status} {code}: {message}")]
pub(crate) struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The service's own word for it; may be empty.
    pub code: String,
    /// Its text, capped.
    pub message: String,
    /// When to ask again, if it says so.
    pub retry_after: Option<Duration>,
    /// Which operation of a batch was refused, counted from zero.
    pub operation: Option<usize>,
}

/// No answer came.
#[derive(Debug, Clone, Error)]
#[error("{reason}")]
pub(crate) struct Unheard {
    /// Why.
    pub reason: String,
    /// Whether the request may have reached the service all the same.
    pub delivered: bool,
}

/// The HTTP client.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    client: reqwest::Client,
}

impl Transport {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client })
    }

    async fn send(&self, request: &Request) -> Result<Response, Error> {
        let method = reqwest::Method::from_bytes(request.method().as_ref().as_bytes())
            .map_err(|error| Error::new(ErrorKind::DataConversion, error))?;
        let mut outgoing = self.client.request(method, request.url().as_str());
        for (name, value) in request.headers().iter() {
            let mut value = reqwest::header::HeaderValue::from_str(value.as_str())
                .map_err(|error| Error::new(ErrorKind::DataConversion, error))?;
            value.set_sensitive(*name == AUTHORIZATION);
            outgoing = outgoing.header(name.as_str(), value);
        }
        let Body::Bytes(body) = request.body().clone() else {
            return Err(Error::message(
                ErrorKind::Other,
                "a table request is never streamed",
            ));
        };
        let answer = outgoing.body(body).send().await.map_err(unheard)?;
        let status = answer.status().as_u16();
        let headers = headers_of(answer.headers());
        let body = answer.bytes().await.map_err(unheard)?;
        if let Some(refusal) = refusal(status, &headers, &body) {
            return Err(Error::new(ErrorKind::Other, refusal));
        }
        let status = StatusCode::try_from(status)
            .map_err(|_| Error::message(ErrorKind::DataConversion, format!("status {status}")))?;
        Ok(Response::new(
            status,
            headers,
            Box::pin(BytesStream::new(body)),
        ))
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core_021::Result<Response> {
        upstream(self.send(request)).await
    }
}

fn unheard(error: reqwest::Error) -> Error {
    let delivered = !(error.is_connect() || error.is_builder());
    let cause = cause(&error);
    let reason = match untrusted(&cause) {
        Some(reason) => format!("its certificate is not trusted: {reason}"),
        None if error.is_connect() => format!("no connection: {cause}"),
        None => format!("the connection broke: {cause}"),
    };
    Error::new(ErrorKind::Io, Unheard { reason, delivered })
}

/// What happened: the innermost error. The outer ones repeat the address and say little.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// What to do, if a certificate is the trouble. rustls has no error of its own type to be found here once
/// it has come through the layers of the client, but its words begin alike.
pub(crate) fn untrusted(cause: &str) -> Option<String> {
    cause.starts_with("invalid peer certificate").then(|| {
        format!("{cause}; if its authority is your organisation's own, name a file of all trusted ones in SSL_CERT_FILE")
    })
}

fn headers_of(map: &reqwest::header::HeaderMap) -> Headers {
    let known: HashMap<HeaderName, HeaderValue> = map
        .iter()
        .filter_map(|(name, value)| {
            let value = value.to_str().ok()?.to_owned();
            Some((
                HeaderName::from(name.as_str().to_owned()),
                HeaderValue::from(value),
            ))
        })
        .collect();
    Headers::from(known)
}

fn header<'a>(headers: &'a Headers, name: &'static str) -> Option<&'a str> {
    headers.get_optional_str(&HeaderName::from_static(name))
}

/// What an answer refuses, if it does.
fn refusal(status: u16, headers: &Headers, body: &Bytes) -> Option<Refusal> {
    let retry_after = header(headers, "retry-after")
        .and_then(|seconds| seconds.trim().parse().ok())
        .map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    if !(200..300).contains(&status) {
        let (mut code, message) = told(body);
        if let Some(named) = header(headers, "x-ms-error-code") {
            named.clone_into(&mut code);
        }
        return Some(Refusal {
            status,
            code,
            message,
            retry_after,
            operation: None,
        });
    }
    let batch =
        header(headers, "content-type").is_some_and(|kind| kind.starts_with("multipart/mixed"));
    if !batch {
        return None;
    }
    // A batch is answered with 202 in any case; a refused one holds the one operation that was refused.
    let text = std::str::from_utf8(body).ok()?;
    let (status, rest) = text.match_indices("HTTP/1.1 ").find_map(|(at, found)| {
        let rest = text.get(at + found.len()..)?;
        let status: u16 = rest.get(..3)?.parse().ok()?;
        (status >= 400).then_some((status, rest))
    })?;
    let json = rest.find('{').and_then(|begin| {
        let end = rest.rfind('}')?;
        rest.get(begin..=end)
    });
    let (code, message) = told(json.unwrap_or_default().as_bytes());
    // "2:The update condition was not satisfied.": the operation's number comes first.
    let operation = message
        .split_once(':')
        .and_then(|(number, _)| number.trim().parse().ok());
    Some(Refusal {
        status,
        code,
        message,
        retry_after,
        operation,
    })
}

/// Code and text of an error body, as far as it has them.
fn told(body: &[u8]) -> (String, String) {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
        let text = String::from_utf8_lossy(body);
        return (String::new(), elb_core::text::cap(text.trim(), 300));
    };
    let error = value
        .get("odata.error")
        .or_else(|| value.get("error"))
        .unwrap_or(&value);
    let code = error
        .get("code")
        .and_then(|code| code.as_str())
        .unwrap_or_default();
    let message = error.get("message");
    let message = message
        .and_then(|message| message.get("value").or(Some(message)))
        .and_then(|message| message.as_str())
        .unwrap_or_default();
    // The service adds request id and time on lines of their own.
    let first = message.lines().next().unwrap_or_default();
    (code.to_owned(), elb_core::text::cap(first, 300))
}
