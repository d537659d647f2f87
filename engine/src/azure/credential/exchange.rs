//! How requests for tokens reach the identity services: one client, and failures that say what they mean.
//!
//! Owns where such a request may go: over TLS, or to this machine and its network's own metadata service,
//! past any proxy. Turns everything but a success into a typed [`Trouble`]. Never repeats a request, and
//! keeps nothing of an answer but what is named there: tokens and secrets are in the others.

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;
use azure_core::{
    Bytes,
    error::ErrorKind,
    http::{
        AsyncRawResponse, Body, HttpClient, Request, Url,
        headers::{HeaderName, HeaderValue, Headers},
    },
};
use thiserror::Error;

use crate::request::upstream;

/// How long a connection may take to be made, as to the tables.
const CONNECT: Duration = Duration::from_secs(3);
/// The longest answer that is read, in bytes. Tokens with many claims have some kilobytes.
const MAX_ANSWER: usize = 256 * 1_024;
/// The longest wait that an answer may ask for and be believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// How much of a service's own words is shown, in characters.
const MAX_WORDS: usize = 300;

/// Why a request brought no token.
#[derive(Debug, Clone, Error)]
pub(super) enum Trouble {
    /// The service answered, and not with a token.
    #[error("the identity service answers {status}{words}")]
    Answered {
        status: u16,
        /// Its own word for it and its text, with what goes before them; may be empty.
        words: String,
        /// How long it asks to be left alone.
        rest: Option<Duration>,
    },
    /// There was no answer.
    #[error("the identity service at {host} cannot be reached: {reason}")]
    Unreached { host: String, reason: String },
    /// Its certificate was not accepted, or it has none.
    #[error("the identity service at {host} is not trusted: {reason}")]
    Untrusted { host: String, reason: String },
    /// It must not be asked there.
    #[error(
        "{host} would be asked over plain http, over which neither secrets nor tokens are sent except within this machine"
    )]
    Plain { host: String },
}

impl Trouble {
    /// Whether another try a moment later may succeed.
    pub(super) const fn passes(&self) -> bool {
        match self {
            Self::Answered { status, .. } => matches!(status, 408 | 410 | 429 | 500..=599),
            Self::Unreached { .. } => true,
            Self::Untrusted { .. } | Self::Plain { .. } => false,
        }
    }

    /// How long the service asks to be left alone.
    pub(super) const fn rest(&self) -> Option<Duration> {
        match self {
            Self::Answered { rest, .. } => *rest,
            _ => None,
        }
    }

    /// What lies behind an error of the credentials.
    pub(super) fn behind(error: &azure_core::Error) -> Option<&Self> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(current) = cause {
            if let Some(trouble) = current.downcast_ref::<Self>() {
                return Some(trouble);
            }
            cause = current.source();
        }
        None
    }
}

impl From<Trouble> for azure_core::Error {
    fn from(trouble: Trouble) -> Self {
        // Of a kind that the credentials do not repeat by themselves.
        Self::new(ErrorKind::Credential, trouble)
    }
}

/// The client.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    /// For services elsewhere, by way of the proxy that the environment names, if it does.
    outside: reqwest::Client,
    /// For those of this machine and its link, which no proxy can reach for us.
    near: reqwest::Client,
}

impl Exchange {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(CONNECT)
                .redirect(reqwest::redirect::Policy::none())
        };
        Ok(Self {
            outside: builder().build()?,
            near: builder().no_proxy().build()?,
        })
    }

    async fn send(&self, request: &Request) -> Result<AsyncRawResponse, azure_core::Error> {
        let url = request.url();
        let host = url.host_str().unwrap_or_default().to_owned();
        let near = is_near(url);
        if url.scheme() != "https" && !near {
            return Err(Trouble::Plain { host }.into());
        }
        let client = if near { &self.near } else { &self.outside };
        let method = reqwest::Method::from_bytes(request.method().as_ref().as_bytes())
            .map_err(|error| azure_core::Error::new(ErrorKind::DataConversion, error))?;
        let mut outgoing = client.request(method, url.as_str());
        for (name, value) in request.headers().iter() {
            outgoing = outgoing.header(name.as_str(), value.as_str());
        }
        if let Body::Bytes(body) = request.body().clone() {
            outgoing = outgoing.body(body);
        }
        let away = |error: reqwest::Error| unreached(&host, &error);
        let mut answer = outgoing.send().await.map_err(away)?;
        let status = answer.status().as_u16();
        let headers = headers_of(answer.headers());
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(away)? {
            if body.len() + piece.len() > MAX_ANSWER {
                let reason = format!("its answer is longer than {MAX_ANSWER} bytes");
                return Err(Trouble::Unreached { host, reason }.into());
            }
            body.extend_from_slice(&piece);
        }
        if (200..300).contains(&status) {
            return Ok(AsyncRawResponse::from_bytes(
                status.into(),
                headers,
                Bytes::from(body),
            ));
        }
        let rest = headers
            .get_optional_str(&HeaderName::from_static("retry-after"))
            .and_then(|seconds| seconds.trim().parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
        let words = words(&body);
        Err(Trouble::Answered {
            status,
            words,
            rest,
        }
        .into())
    }
}

#[async_trait]
impl HttpClient for Exchange {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        upstream(self.send(request)).await
    }
}

/// Whether an address is of this machine or of its link, as those are at which hosts of Azure give tokens
/// to what runs on them (169.254.169.254, 127.0.0.1).
fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback(),
        Err(_) => host == "localhost",
    }
}

fn unreached(host: &str, error: &reqwest::Error) -> azure_core::Error {
    let host = host.to_owned();
    let reason = super::super::transport::cause(error);
    match super::super::transport::untrusted(&reason) {
        Some(reason) => Trouble::Untrusted { host, reason },
        None => Trouble::Unreached { host, reason },
    }
    .into()
}

fn headers_of(map: &reqwest::header::HeaderMap) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in map {
        if let Ok(value) = value.to_str() {
            headers.insert(
                HeaderName::from(name.as_str().to_owned()),
                HeaderValue::from(value.to_owned()),
            );
        }
    }
    headers
}

/// What an error body says, as the identity services word theirs: `error` and `error_description`, or
/// `statusCode` and `message` in App Service. Nothing else of it is shown.
fn words(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
        return String::new();
    };
    let text = |name: &str| value.get(name).and_then(|text| text.as_str());
    let code = text("error").unwrap_or_default();
    let told = text("error_description")
        .or_else(|| text("message"))
        .unwrap_or_default();
    // Trace ids and the time follow on lines of their own.
    let told = told.lines().next().unwrap_or_default().trim();
    let told = match (code, told) {
        ("", "") => return String::new(),
        ("", told) => format!(": {told}"),
        (code, "") => format!(" {code}"),
        (code, told) => format!(" {code}: {told}"),
    };
    elb_core::text::cap(&told, MAX_WORDS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use azure_core::http::Method;

    use super::*;

    #[test]
    fn what_is_near_is_of_this_machine_or_its_link() {
        let near = |url: &str| is_near(&Url::parse(url).unwrap());
        for url in [
            "http://169.254.169.254/metadata/identity/oauth2/token",
            "http://127.0.0.1:41741/msi/token",
            "http://localhost:42356/msi/token",
            "http://[::1]:80/",
        ] {
            assert!(near(url), "{url}");
        }
        for url in [
            "http://10.0.0.4/",
            "http://localhost.example.org/",
            "http://169.254.169.254.example.org/",
            "http://127.0.0.1@example.org/",
            "http://[2001:db8::1]/",
        ] {
            assert!(!near(url), "{url}");
        }
    }

    #[tokio::test]
    async fn nothing_is_asked_over_plain_http_elsewhere() {
        let url = Url::parse("http://identity.example.org/token").unwrap();
        let request = Request::new(url, Method::Get);
        let exchange = Exchange::new().unwrap();
        let error = exchange.execute_request(&request).await.unwrap_err();
        let trouble = Trouble::behind(&error).unwrap();
        assert!(matches!(trouble, Trouble::Plain { .. }), "{trouble}");
        assert!(!trouble.passes());
    }

    #[test]
    fn an_error_body_is_shown_as_far_as_it_is_known() {
        let entra = br#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1","access_token":"x"}"#;
        assert_eq!(
            words(entra),
            " invalid_client: AADSTS7000215: Invalid client secret provided."
        );
        let app_service = br#"{"statusCode":400,"message":"No managed identity"}"#;
        assert_eq!(words(app_service), ": No managed identity");
        assert_eq!(words(b"<html>"), "");
    }
}
