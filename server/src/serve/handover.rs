//! How an endless answer leaves the connection that it came over.
//!
//! A connection of HTTP/1 has two buffers of 8 KB, an answer's headers and the state of the protocol. An
//! event stream needs none of it once its headers are sent, and there are as many as there are open pages.
//! So the connection is given a body that never says anything; as soon as the headers are on their way the
//! socket is taken out of it, and the real body is sent on it by [`super::pump`].
//!
//! Keeps this invariant: the socket is taken only when the connection has nothing left to send. It writes
//! until all is written or the socket takes no more, so that this is when its last write was not held up.

use std::{
    convert::Infallible,
    future::{Ready, poll_fn},
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, Method, StatusCode, Version, header},
    response::Response,
};
use futures::future::{BoxFuture, Either};
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::front::Front;

/// What a connection, its socket and its answers tell each other.
#[derive(Debug, Default)]
pub(super) struct Handover {
    /// The body that is to be sent outside of the connection.
    body: Mutex<Option<Body>>,
    /// Whether the connection has asked for its first piece: the headers are written before.
    begun: AtomicBool,
    /// Whether the last write was held up.
    stuck: AtomicBool,
}

impl Handover {
    fn due(&self) -> Option<Body> {
        let due = self.begun.load(Ordering::Relaxed) && !self.stuck.load(Ordering::Relaxed);
        due.then(|| self.lock().take()).flatten()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Body>> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Served = http1::Connection<TokioIo<Watched>, Answering>;

/// Serves a connection until it has ended, or until the socket is to be taken out of it for a body.
pub(super) async fn drive(
    connection: Served,
    handover: &Handover,
    stopping: &CancellationToken,
) -> hyper::Result<Option<(TcpStream, Body)>> {
    let mut connection = connection;
    let mut stops = pin!(stopping.cancelled());
    let mut asked = false;
    let body = poll_fn(|context| {
        if !asked && stops.as_mut().poll(context).is_ready() {
            asked = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        match Pin::new(&mut connection).poll(context) {
            Poll::Ready(ended) => Poll::Ready(ended.map(|()| None)),
            Poll::Pending => handover
                .due()
                .map_or(Poll::Pending, |body| Poll::Ready(Ok(Some(body)))),
        }
    });
    let body = body.await?;
    Ok(body.map(|body| (connection.into_parts().io.into_inner().stream, body)))
}

/// The routes, as one connection asks them.
pub(super) struct Answering {
    front: Front,
    handover: Arc<Handover>,
}

impl Answering {
    pub(super) const fn new(front: Front, handover: Arc<Handover>) -> Self {
        Self { front, handover }
    }
}

impl hyper::service::Service<Request<Incoming>> for Answering {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<
        Ready<Result<Response, Infallible>>,
        BoxFuture<'static, Result<Response, Infallible>>,
    >;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        // What is older has no chunks, and what has no body is not endless.
        let may = request.version() == Version::HTTP_11 && *request.method() == Method::GET;
        let answer = match self.front.clone().call(request) {
            Either::Left(answer) => return Either::Left(answer),
            Either::Right(answer) => answer,
        };
        let handover = may.then(|| Arc::clone(&self.handover));
        Either::Right(Box::pin(async move {
            let mut answer = answer.await?;
            if let Some(handover) = handover.filter(|_| is_endless(&answer)) {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
                let silent = Body::new(Silent(Arc::clone(&handover)));
                let body = std::mem::replace(answer.body_mut(), silent);
                *handover.lock() = Some(body);
            }
            Ok(answer)
        }))
    }
}

fn is_endless(answer: &Response) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    answer.status() == StatusCode::OK
        && kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// Stands for a body that is sent elsewhere.
struct Silent(Arc<Handover>);

impl HttpBody for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        // Nobody has to be woken: the connection is left right after this, or when it can write again.
        self.0.begun.store(true, Ordering::Relaxed);
        Poll::Pending
    }
}

/// A socket that notes whether the last write was held up.
pub(super) struct Watched {
    stream: TcpStream,
    handover: Arc<Handover>,
}

impl Watched {
    pub(super) const fn new(stream: TcpStream, handover: Arc<Handover>) -> Self {
        Self { stream, handover }
    }

    fn noted<T>(&self, written: Poll<T>) -> Poll<T> {
        let stuck = written.is_pending();
        self.handover.stuck.store(stuck, Ordering::Relaxed);
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
