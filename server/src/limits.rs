//! How many requests of each kind are answered at once: none may starve the others.
//!
//! Owns the kinds and their places, and the memory for bodies that are read whole. A request waits for a
//! place for a short while, then it is answered with 503 (the guard adds `Retry-After`); it never hangs. Places are given in the order in which they were asked
//! for. Files, health and this document of the API itself need none.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// After how many seconds a client may try again that found no place, or a server that stops.
pub const RETRY_AFTER: u64 = 5;

/// Requests that are answered side by side under one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Pages, and the small forms on them.
    Pages,
    /// Reads of the API and small actions.
    Reads,
    /// What brings a query or a database: received, checked, stored.
    Submissions,
    /// Files that are sent while they are made; each may keep a program at work.
    Downloads,
    /// Event streams, which last as long as a page is open.
    Streams,
}

impl Class {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Pages,
        Self::Reads,
        Self::Submissions,
        Self::Downloads,
        Self::Streams,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::Reads => "reads",
            Self::Submissions => "submissions",
            Self::Downloads => "downloads",
            Self::Streams => "streams",
        }
    }
}

/// The places of one kind that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InUse {
    /// The kind.
    pub name: &'static str,
    /// Requests that have a place.
    pub taken: usize,
    /// All places.
    pub places: usize,
}

/// The places of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Requests at once.
    pub at_once: usize,
    /// How long another one waits for a place.
    pub patience: Duration,
}

/// The limits of all kinds. All of them are ours: two cores render a page in milliseconds, so that
/// places are bounded by memory and by the patience of who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Of [`Class::Pages`].
    pub pages: Places,
    /// Of [`Class::Reads`].
    pub reads: Places,
    /// Of [`Class::Submissions`]. Few at once: each checks, compresses and syncs, which would otherwise
    /// take the processors from the pages.
    pub submissions: Places,
    /// Of [`Class::Downloads`].
    pub downloads: Places,
    /// Bytes of bodies that are held in memory at once, whatever the number of requests: a query in JSON
    /// is read whole, unlike one in a form.
    pub body_bytes: u64,
    /// Of [`Class::Streams`]. They are never waited for: a browser asks again by itself.
    pub streams: Places,
}

impl Default for Settings {
    fn default() -> Self {
        let places = |at_once, seconds| Places {
            at_once,
            patience: Duration::from_secs(seconds),
        };
        Self {
            pages: places(64, 10),
            reads: places(64, 10),
            submissions: places(16, 30),
            downloads: places(32, 10),
            body_bytes: 512 * 1_024 * 1_024,
            streams: places(512, 0),
        }
    }
}

/// Bytes that are counted together where memory is reserved: small enough for a small request.
const UNIT: u64 = 64 * 1_024;

/// Places and memory that are taken and given back.
#[derive(Debug)]
pub struct Limits {
    settings: Settings,
    memory: Arc<Semaphore>,
    pages: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    submissions: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Limits {
    /// All places free.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let places = |places: Places| Arc::new(Semaphore::new(places.at_once));
        Self {
            settings,
            memory: Arc::new(Semaphore::new(units(settings.body_bytes) as usize)),
            pages: places(settings.pages),
            reads: places(settings.reads),
            submissions: places(settings.submissions),
            downloads: places(settings.downloads),
            streams: places(settings.streams),
        }
    }

    const fn of(&self, class: Class) -> (&Arc<Semaphore>, Places) {
        match class {
            Class::Pages => (&self.pages, self.settings.pages),
            Class::Reads => (&self.reads, self.settings.reads),
            Class::Submissions => (&self.submissions, self.settings.submissions),
            Class::Downloads => (&self.downloads, self.settings.downloads),
            Class::Streams => (&self.streams, self.settings.streams),
        }
    }

    /// How many places of each kind are taken.
    #[must_use]
    pub fn in_use(&self) -> [InUse; 5] {
        Class::ALL.map(|class| {
            let (semaphore, places) = self.of(class);
            InUse {
                name: class.as_str(),
                taken: places.at_once.saturating_sub(semaphore.available_permits()),
                places: places.at_once,
            }
        })
    }

    async fn enter(&self, class: Class) -> Option<OwnedSemaphorePermit> {
        let (semaphore, places) = self.of(class);
        take(semaphore, 1, places.patience).await
    }

    /// Reserves memory for a body of so many bytes, for as long as the answer lives; one that is larger
    /// than all there is has it alone.
    ///
    /// # Errors
    /// 503 if the bodies of others hold it for too long.
    pub async fn reserve(&self, bytes: u64) -> Result<OwnedSemaphorePermit, ApiError> {
        let wanted = units(bytes.min(self.settings.body_bytes));
        let patience = self.settings.submissions.patience;
        let taken = take(&self.memory, wanted, patience).await;
        taken.ok_or_else(|| busy(Class::Submissions))
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

async fn take(
    semaphore: &Arc<Semaphore>,
    count: u32,
    patience: Duration,
) -> Option<OwnedSemaphorePermit> {
    let semaphore = Arc::clone(semaphore);
    if patience.is_zero() {
        return semaphore.try_acquire_many_owned(count).ok();
    }
    let waiting = semaphore.acquire_many_owned(count);
    let waited = tokio::time::timeout(patience, waiting).await;
    waited.ok().and_then(Result::ok)
}

/// The kind of a request; `None` for one that is never limited.
#[must_use]
pub fn class(method: &Method, path: &str, accept: &str) -> Option<Class> {
    let posted = *method == Method::POST;
    let Some(api) = path.strip_prefix("/api/") else {
        return match path {
            "/search" | "/databases" if posted => Some(Class::Submissions),
            _ if path.starts_with("/pkg/") || path == "/favicon.svg" => None,
            // Whoever watches over a busy server has to see that it is busy.
            "/metrics" | "/health" => None,
            _ => Some(Class::Pages),
        };
    };
    if api == "openapi.json" || api == "health" || api.starts_with("health/") {
        return None;
    }
    let follows = api.ends_with("/logs") && accept.contains("text/event-stream");
    Some(match api {
        "blast/events" => Class::Streams,
        _ if follows => Class::Streams,
        "blast/jobs" if posted => Class::Submissions,
        _ if api.ends_with("/results") || api.ends_with("/query") => Class::Downloads,
        _ if api.ends_with("/results/file") || api.ends_with("/results/joined") => Class::Downloads,
        _ if api.starts_with("blast/jobs/") && api.contains("/files/") => Class::Downloads,
        // The search's own log comes in pages, that of a container whole.
        _ if api.contains("/pods/") => Class::Downloads,
        _ => Class::Reads,
    })
}

/// The layer: a request without a place is answered with 503.
pub async fn limit(State(limits): State<Arc<Limits>>, request: Request, next: Next) -> Response {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let Some(class) = class(request.method(), request.uri().path(), accept) else {
        return next.run(request).await;
    };
    let Some(place) = limits.enter(class).await else {
        return busy(class).into_response();
    };
    let answer = next.run(request).await;
    match class {
        Class::Streams | Class::Downloads => holding(answer, place),
        Class::Pages | Class::Reads | Class::Submissions => answer,
    }
}

/// An answer that keeps its place until its last byte is sent.
fn holding(answer: Response, place: OwnedSemaphorePermit) -> Response {
    answer.map(|body| {
        let pieces = body.into_data_stream();
        Body::from_stream(pieces.inspect(move |_| {
            let _held = &place;
        }))
    })
}

fn busy(class: Class) -> ApiError {
    let message = match class {
        Class::Submissions => {
            "The server is taking in as many searches as it can. Nothing of this one was stored; send it again."
        }
        Class::Streams => {
            "As many pages as this server serves follow it already. Ask for what you need now and then instead."
        }
        Class::Downloads => {
            "The server is making as many files as it can. Ask for this one again in a while."
        }
        Class::Pages | Class::Reads => {
            "The server is answering as many requests as it can. Try again in a while."
        }
    };
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_the_kind_that_its_cost_is_of() {
        let get = |path| class(&Method::GET, path, "*/*");
        let post = |path| class(&Method::POST, path, "*/*");
        for free in [
            "/api/health",
            "/api/health/ready",
            "/api/openapi.json",
            "/pkg/x/a.css",
            "/favicon.svg",
            "/metrics",
            "/health",
        ] {
            assert_eq!(get(free), None, "{free}");
        }
        for page in ["/", "/jobs", "/jobs/1", "/search", "/databases", "/nowhere"] {
            assert_eq!(get(page), Some(Class::Pages), "{page}");
        }
        assert_eq!(post("/jobs/1/cancel"), Some(Class::Pages));
        assert_eq!(post("/search"), Some(Class::Submissions));
        assert_eq!(post("/databases"), Some(Class::Submissions));
        assert_eq!(post("/api/blast/jobs"), Some(Class::Submissions));
        assert_eq!(get("/api/blast/jobs"), Some(Class::Reads));
        assert_eq!(get("/api/ui/jobs"), Some(Class::Reads));
        assert_eq!(post("/api/blast/jobs/bulk"), Some(Class::Reads));
        assert_eq!(get("/api/blast/jobs/1/results"), Some(Class::Downloads));
        for (path, kind) in [
            ("/api/blast/jobs/1/results/file", Class::Downloads),
            ("/api/blast/jobs/1/results/joined", Class::Downloads),
            ("/api/blast/jobs/1/results/files", Class::Reads),
        ] {
            assert_eq!(get(path), Some(kind), "{path}");
        }
        assert_eq!(get("/api/blast/jobs/1/files"), Some(Class::Reads));
        assert_eq!(get("/api/blast/jobs/1/files/2"), Some(Class::Downloads));
        assert_eq!(get("/api/blast/events"), Some(Class::Streams));
        let logs = "/api/blast/jobs/1/logs";
        assert_eq!(get(logs), Some(Class::Reads));
        let followed = class(&Method::GET, logs, "text/event-stream");
        assert_eq!(followed, Some(Class::Streams));
        let pods = "/api/blast/jobs/1/pods";
        assert_eq!(get(pods), Some(Class::Reads));
        let log = format!("{pods}/p/blast/0/logs");
        assert_eq!(get(&log), Some(Class::Downloads));
        let followed = class(&Method::GET, &log, "text/event-stream");
        assert_eq!(followed, Some(Class::Streams));
    }
}
