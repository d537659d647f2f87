//! Connections: from the listener to the last byte of the last answer.
//!
//! Owns who speaks which protocol, and that a server that stops lets each connection end what it has begun.
//! HTTP/1 has connections of its own rather than those that can become HTTP/2: there are thousands of them,
//! and each is half as large. Endless answers leave their connection's buffers behind, see [`handover`].

use std::{io, sync::Arc, time::Duration};

use hyper::server::conn::{http1, http2};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

mod handover;
mod pump;

use crate::front::Front;
use handover::{Answering, Handover, Watched};

/// How a connection begins that speaks HTTP/2 without being asked to (RFC 9113, 3.4): no method of HTTP/1
/// begins so.
const HTTP2: &[u8] = b"PRI";
/// The rest after a connection that could not be accepted, as where there are too many open files.
const REST: Duration = Duration::from_secs(1);

/// Serves until it is told to stop, and returns once every connection has ended.
pub async fn serve(listener: TcpListener, front: Front, stopping: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = Connection {
                    front: front.clone(),
                    stopping: stopping.clone(),
                    others: connections.clone(),
                };
                connections.spawn(connection.serve(stream));
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(REST).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Whether it was the client that went away before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

struct Connection {
    front: Front,
    stopping: CancellationToken,
    others: TaskTracker,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // Events are small and are to be there at once.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection is gone before its first request");
            return;
        }
        let mut begin = [0; HTTP2.len()];
        let begun = tokio::select! {
            () = self.stopping.cancelled() => return,
            begun = stream.peek(&mut begin) => begun,
        };
        match begun {
            Ok(length) if begin.get(..length) == Some(HTTP2) => Box::pin(self.http2(stream)).await,
            Ok(_) => self.http1(stream).await,
            Err(error) => tracing::debug!(%error, "a connection is gone before its first request"),
        }
    }

    async fn http1(self, stream: TcpStream) {
        let handover = Arc::new(Handover::default());
        let io = TokioIo::new(Watched::new(stream, Arc::clone(&handover)));
        let answering = Answering::new(self.front, Arc::clone(&handover));
        let connection = http1::Builder::new().serve_connection(io, answering);
        match handover::drive(connection, &handover, &self.stopping).await {
            Ok(Some((stream, body))) => {
                // In a task of its own, so that the memory of this one is free.
                self.others.spawn(pump::pump(stream, body));
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "a connection has ended"),
        }
    }

    async fn http2(self, stream: TcpStream) {
        let service = TowerToHyperService::new(self.front);
        let connection = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection has ended");
        }
    }
}
