//! What is answered before the routes: that a list is still the one that its reader has.
//!
//! Pages and scripts that do not hold the event stream ask that again and again, and the answer takes one look into
//! memory; the way through the routes and their layers would take several times as long. What is answered here is
//! answered exactly as there: the same guard, headers, line in the log and measurement. Every other request goes
//! on to the routes untouched, and so do those that are traced.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    http::{Method, Request, header},
    response::Response,
    routing::future::RouteFuture,
};
use futures::future::Either;
use tower::{BoxError, Service};

use crate::{api::jobs::list, guard, state::AppState, telemetry};

/// The whole server, as a connection asks it.
#[derive(Clone)]
pub struct Front {
    routes: Router,
    state: AppState,
}

impl Front {
    /// In front of these routes.
    #[must_use]
    pub const fn new(routes: Router, state: AppState) -> Self {
        Self { routes, state }
    }

    /// The answer, if it is one of this module.
    fn at_once<B>(&self, request: &Request<B>) -> Option<Response> {
        let address = request.uri();
        if address.path() != list::PATH
            || *request.method() != Method::GET
            || !request.headers().contains_key(header::IF_NONE_MATCH)
            || telemetry::traces()
        {
            return None;
        }
        let begin = Instant::now();
        if !guard::admits(request) {
            return None;
        }
        let text = address.query().unwrap_or_default();
        let answer = list::unchanged(&self.state, text, request.headers())?;
        let answer = guard::finished(request, answer, begin.elapsed());
        let metrics = &self.state.metrics;
        metrics.observe(request.method(), list::PATH.into(), answer.status(), begin);
        Some(answer)
    }
}

impl<B> Service<Request<B>> for Front
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Routes are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.at_once(&request) {
            Some(answer) => Either::Left(ready(Ok(answer))),
            None => Either::Right(self.routes.call(request.map(Body::new))),
        }
    }
}
