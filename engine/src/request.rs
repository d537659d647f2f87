//! The request in which something is done, told beside the calls rather than through each of them.
//!
//! Owns what is counted for it: its calls to what this server depends on, and the time that they took. Work
//! that no request waits for, as that of a job's driver, belongs to none.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tracing::{Instrument, Span};

tokio::task_local! {
    static REQUEST: Request;
}

/// A request. Clones are the same request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    id: Option<Arc<str>>,
    upstream: Arc<Counters>,
    /// What was under way when it was handed on.
    span: Option<Span>,
}

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    micros: AtomicU64,
}

/// Calls to what this server depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Upstream {
    /// How many were made.
    pub calls: u64,
    /// The time until each was answered, all together: of calls that were made side by side, the time of each.
    pub time: Duration,
}

impl Request {
    /// A request under this identifier.
    #[must_use]
    pub fn named(id: &str) -> Self {
        Self {
            id: Some(Arc::from(id)),
            upstream: Arc::default(),
            span: None,
        }
    }

    /// The calls that have been answered, or have failed, so far.
    #[must_use]
    pub fn upstream(&self) -> Upstream {
        Upstream {
            calls: self.upstream.calls.load(Ordering::Relaxed),
            time: Duration::from_micros(self.upstream.micros.load(Ordering::Relaxed)),
        }
    }
}

/// Does `work` as part of a request, or of none. Tasks that it spawns are no part of it: whoever spawns one
/// hands [`request`] on.
pub async fn in_request<F: Future>(request: Option<Request>, work: F) -> F::Output {
    match request {
        Some(request) => {
            let span = request.span.clone().unwrap_or_else(Span::none);
            REQUEST.scope(request, work).instrument(span).await
        }
        None => work.await,
    }
}

/// The request that is being carried out, to be handed on with what is under way for it; `None` outside of any.
#[must_use]
pub fn request() -> Option<Request> {
    let request = REQUEST.try_with(Clone::clone).ok()?;
    let span = Some(Span::current());
    Some(Request { span, ..request })
}

/// Its identifier.
#[must_use]
pub fn request_id() -> Option<String> {
    let id = REQUEST.try_with(|request| request.id.as_deref().map(str::to_owned));
    id.ok().flatten()
}

/// Makes a call to what this server depends on: it is counted for the request that it is a part of.
#[cfg_attr(
    not(any(feature = "azure", feature = "kubernetes")),
    allow(dead_code, reason = "this build depends on nothing that is called")
)]
pub(crate) async fn upstream<F: Future>(call: F) -> F::Output {
    let began = Instant::now();
    let outcome = call.instrument(span()).await;
    // An error says that no request waits for it.
    let _ = REQUEST.try_with(|request| {
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        request.upstream.calls.fetch_add(1, Ordering::Relaxed);
        request.upstream.micros.fetch_add(micros, Ordering::Relaxed);
    });
    outcome
}

/// The span of a call, within the span that is under way. Calls that no traced request waits for have none: they
/// would be as many traces as there are calls.
#[cfg_attr(
    not(any(feature = "azure", feature = "kubernetes")),
    allow(dead_code, reason = "this build depends on nothing that is called")
)]
fn span() -> Span {
    let within = REQUEST.try_with(|_| ()).is_ok() && !Span::current().is_none();
    if within {
        tracing::trace_span!("upstream", otel.kind = "client")
    } else {
        Span::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_counted_for_their_own_request_alone() {
        let (one, other) = (Request::named("one"), Request::named("other"));
        let work = async {
            upstream(async {}).await;
            let spawned = tokio::spawn(in_request(request(), upstream(async {})));
            assert!(spawned.await.is_ok());
            // A task of nobody's.
            assert!(tokio::spawn(upstream(async {})).await.is_ok());
            request_id()
        };
        let id = in_request(Some(one.clone()), work).await;
        assert_eq!(id.as_deref(), Some("one"));
        in_request(Some(other.clone()), async {}).await;
        upstream(async {}).await;
        assert_eq!(one.upstream().calls, 2);
        assert_eq!(other.upstream(), Upstream::default());
    }
}
