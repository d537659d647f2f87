//! Whether connections are accepted.
//!
//! Owns the port, from the start to the end of the stand-in, and the tasks of all connections.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use super::{Shared, speech};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Whether connections are accepted.
pub(super) enum Door {
    Open {
        accepting: JoinHandle<()>,
        close: oneshot::Sender<()>,
    },
    /// The socket holds the port and listens to nobody.
    Closed(TcpSocket),
}

/// A socket with an address, even with one at which connections have just been closed.
pub(super) fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

pub(super) fn opened(socket: TcpSocket, shared: &Arc<Shared>) -> Door {
    let listener = socket.listen(BACKLOG).unwrap();
    let (close, closing) = oneshot::channel();
    Door::Open {
        accepting: tokio::spawn(accept(listener, closing, Arc::clone(shared))),
        close,
    }
}

async fn accept(listener: TcpListener, mut closing: oneshot::Receiver<()>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut closing => break,
            Ok((client, _)) = listener.accept() => {
                connections.spawn(speech::serve(client, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}
