//! Requests to the external plane, and what became of them.
//!
//! Owns the connections, the token's header, the limits of time, and which calls are repeated: only those
//! that can be (all that are made here), and only if the connection broke. Follows no redirect: the token
//! would go along. After a refused token it is read again once.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use reqwest::{
    Method, Response, StatusCode,
    header::{HeaderValue, RETRY_AFTER},
};

use super::{Opened, Pace, PlaneError, Token, token::Keyring, wire};
use crate::{
    breaker::{Breaker, BreakerReport},
    clock::Clock,
    request::upstream,
};

/// The token's header (elb-openapi).
const TOKEN: &str = "x-elb-api-token";
/// The largest answer that is read whole, in bytes (ours): a page of 500 rows has some 300 kB.
const MAX_BODY: usize = 8 * 1_024 * 1_024;
/// The longest rest that is believed (ours).
const MAX_REST: Duration = Duration::from_secs(3_600);
/// The rest after an answer that asks for one and does not say how long (elb-openapi: 60 s).
const USUAL_REST: Duration = Duration::from_secs(60);
/// How long an idle connection is kept: less than the four minutes of Azure's load balancers.
const IDLE: Duration = Duration::from_secs(90);

pub(super) struct Client {
    /// For answers that are read whole.
    calls: reqwest::Client,
    /// For files.
    streams: reqwest::Client,
    base: String,
    keys: Keyring,
    pace: Pace,
    breaker: Breaker,
    clock: Arc<dyn Clock>,
    requests: AtomicU64,
    /// Until when it wants to be left alone, and what it said.
    resting: Mutex<Option<(Duration, PlaneError)>>,
}

impl Client {
    /// A client of the plane at `base`, an address without a slash at its end.
    pub fn new(
        base: &str,
        token: Token,
        pace: Pace,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let builder = || {
            reqwest::Client::builder()
                .pool_idle_timeout(IDLE)
                .redirect(reqwest::redirect::Policy::none())
        };
        let made = |builder: reqwest::ClientBuilder| {
            builder
                .build()
                .map_err(|error| format!("no HTTP client can be made: {error}"))
        };
        Ok(Self {
            calls: made(builder().connect_timeout(pace.call).timeout(pace.call))?,
            streams: made(
                builder()
                    .connect_timeout(pace.connect)
                    .read_timeout(pace.read),
            )?,
            base: base.to_owned(),
            keys: Keyring::new(token),
            pace,
            breaker: Breaker::new("external-plane", Arc::clone(&clock)),
            clock,
            requests: AtomicU64::new(0),
            resting: Mutex::default(),
        })
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub fn report(&self) -> BreakerReport {
        self.breaker.report()
    }

    /// The whole answer of a call.
    pub async fn call(&self, method: Method, path: &str) -> Result<Bytes, PlaneError> {
        let mut rests = self.pace.again.iter();
        loop {
            match self.once(&method, path).await {
                Err(PlaneError::Unreachable(reason)) => {
                    let Some(rest) = rests.next() else {
                        return Err(PlaneError::Unreachable(reason));
                    };
                    tokio::time::sleep(*rest).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn once(&self, method: &Method, path: &str) -> Result<Bytes, PlaneError> {
        let answer = self.send(&self.calls, method, path, self.pace.call).await?;
        let body = whole(answer, self.pace.call).await;
        self.heard(&body);
        body
    }

    /// Begins to read a file. The first answer comes within the limit of a connection, or not at all.
    pub async fn open(&self, path: &str) -> Result<Opened, PlaneError> {
        let limit = self.pace.read;
        let answer = self.send(&self.streams, &Method::GET, path, limit).await?;
        self.breaker.answered();
        let size = answer.content_length();
        let pieces = stream::try_unfold(answer, |mut answer| async move {
            let piece = answer.chunk().await.map_err(|error| {
                let reason = cause(&error);
                io::Error::other(format!("the external plane broke off: {reason}"))
            })?;
            Ok(piece.map(|piece| (piece, answer)))
        });
        Ok(Opened {
            size,
            pieces: pieces.boxed(),
        })
    }

    /// An answer that grants what was asked; what it takes to have it refused is done here.
    async fn send(
        &self,
        client: &reqwest::Client,
        method: &Method,
        path: &str,
        limit: Duration,
    ) -> Result<Response, PlaneError> {
        self.may_ask()?;
        let key = self.keys.current().await?;
        let mut answer = self
            .ask(client, method, path, key.as_deref(), limit)
            .await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.breaker.answered();
            let Some(other) = self.keys.after(key.as_ref()).await? else {
                return Err(PlaneError::Unauthorised);
            };
            answer = self.ask(client, method, path, Some(&other), limit).await?;
        }
        self.judged(answer).await
    }

    async fn ask(
        &self,
        client: &reqwest::Client,
        method: &Method,
        path: &str,
        key: Option<&HeaderValue>,
        limit: Duration,
    ) -> Result<Response, PlaneError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut request = client.request(method.clone(), format!("{}{path}", self.base));
        if let Some(key) = key {
            request = request.header(TOKEN, key.clone());
        }
        let sent = upstream(request.send())
            .await
            .map_err(|error| unheard(&error, limit));
        if let Err(error) = &sent {
            self.breaker.failed(&error.to_string(), None);
        }
        sent
    }

    /// Passes an answer on that grants, and says of any other what it means.
    async fn judged(&self, answer: Response) -> Result<Response, PlaneError> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let wait = answer.headers().get(RETRY_AFTER);
        let wait = wait.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let wait = wait.map(|seconds| Duration::from_secs(seconds).min(MAX_REST));
        let rest = match status {
            StatusCode::TOO_MANY_REQUESTS => Some(wait.unwrap_or(USUAL_REST)),
            StatusCode::SERVICE_UNAVAILABLE => wait,
            _ => None,
        };
        if let Some(rest) = rest {
            let error = PlaneError::Resting {
                status: status.as_u16(),
                rest,
            };
            self.breaker.failed(&error.to_string(), Some(rest));
            let until = self.clock.elapsed() + rest;
            *self.resting.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((until, error.clone()));
            return Err(error);
        }
        // What it says is only told; that it cannot be read changes nothing.
        let body = whole(answer, self.pace.call).await.unwrap_or_default();
        let message = wire::refusal(&body);
        let error = match status {
            StatusCode::UNAUTHORIZED => PlaneError::Unauthorised,
            StatusCode::FORBIDDEN => PlaneError::Forbidden(message),
            StatusCode::NOT_FOUND | StatusCode::GONE => PlaneError::NotFound,
            status if status.is_redirection() => PlaneError::Status {
                status: status.as_u16(),
                message: "it leads elsewhere, which is not followed since the token would go along; name the address in ELB_EXTERNAL_PLANE that it leads to".to_owned(),
            },
            status => PlaneError::Status {
                status: status.as_u16(),
                message,
            },
        };
        if status.is_server_error() {
            self.breaker.failed(&error.to_string(), None);
        } else {
            self.breaker.answered();
        }
        Err(error)
    }

    fn may_ask(&self) -> Result<(), PlaneError> {
        let now = self.clock.elapsed();
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        match &*resting {
            Some((until, error)) if now < *until => return Err(error.clone()),
            Some(_) => *resting = None,
            None => {}
        }
        drop(resting);
        self.breaker.admit().map_err(PlaneError::HeldBack)
    }

    fn heard(&self, body: &Result<Bytes, PlaneError>) {
        match body {
            Ok(_) => self.breaker.answered(),
            Err(error) => self.breaker.failed(&error.to_string(), None),
        }
    }
}

/// The body, up to the largest that is read.
async fn whole(mut answer: Response, limit: Duration) -> Result<Bytes, PlaneError> {
    let mut body = BytesMut::new();
    while let Some(piece) = answer
        .chunk()
        .await
        .map_err(|error| unheard(&error, limit))?
    {
        if body.len() + piece.len() > MAX_BODY {
            return Err(PlaneError::Garbled(format!(
                "it is larger than {} MB",
                MAX_BODY / 1_000_000
            )));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

fn unheard(error: &reqwest::Error, limit: Duration) -> PlaneError {
    if error.is_timeout() {
        return PlaneError::Late(limit);
    }
    let cause = cause(error);
    PlaneError::Unreachable(if cause.starts_with("invalid peer certificate") {
        format!(
            "its certificate is not trusted: {cause}; if its authority is your organisation's own, name a file of all trusted ones in SSL_CERT_FILE"
        )
    } else {
        cause
    })
}

/// What happened: the innermost error. The outer ones repeat the address and say little.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
