//! A collector: takes what is sent to it by OTLP over HTTP, and shows it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, header},
    routing::post,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::{
    proto::{Span, spans},
    support::PATIENCE,
};

#[derive(Clone)]
struct Taken {
    spans: Arc<Mutex<Vec<Span>>>,
    /// Moves with each batch.
    batches: watch::Sender<usize>,
}

/// A collector that is there until it is dropped.
pub struct Collector {
    address: SocketAddr,
    taken: Taken,
    serving: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Collector {
    /// On any free port.
    pub async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap()).await
    }

    pub async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Taken {
            spans: Arc::default(),
            batches: watch::Sender::new(0),
        };
        let routes = Router::new()
            .route("/v1/traces", post(take))
            .with_state(taken.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, routes).await.unwrap();
        });
        Self {
            address,
            taken,
            serving,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that have arrived.
    pub fn all(&self) -> Vec<Span> {
        self.taken.spans.lock().unwrap().clone()
    }

    /// The first span that is as wanted, once it is there.
    pub async fn span(&self, wanted: impl Fn(&Span) -> bool) -> Span {
        let mut batches = self.taken.batches.subscribe();
        let waiting = async {
            loop {
                if let Some(span) = self.all().into_iter().find(&wanted) {
                    return span;
                }
                batches.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(span) => span,
            Err(_) => panic!("no such span arrives: {:#?}", self.all()),
        }
    }
}

async fn take(State(taken): State<Taken>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
    taken.spans.lock().unwrap().extend(spans(&body));
    taken.batches.send_modify(|count| *count += 1);
}
