//! The client of one cluster.
//!
//! Owns how it is made: from a context of a kubeconfig or from the account of the pod that this program
//! runs in, never from whatever context happens to be the current one. Every request is counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::trouble::Trouble;
use crate::{clusters::ClusterAddress, request::upstream};
use elb_core::cluster::Health;

/// How long a connection may take (ELASTICBLAST §4.15).
const CONNECT: Duration = Duration::from_secs(5);

/// A client, and the namespace that it is for.
pub(super) struct Connection {
    pub client: Client,
    pub namespace: String,
}

/// A client for an address. Reads files; asks no cluster, but may start the credential program that the
/// kubeconfig names.
pub(super) async fn connect(
    address: &ClusterAddress,
    requests: &Arc<AtomicU64>,
) -> Result<Connection, Trouble> {
    let mut config = match &address.context {
        Some(context) => of_context(address, context).await?,
        None => Config::incluster().map_err(|error| {
            Trouble::new(
                Health::Missing,
                format!("this program does not run in a pod with a service account: {error}"),
            )
        })?,
    };
    config.connect_timeout = Some(CONNECT);
    // Its own would go on for minutes before anybody is told.
    config.default_retry = false;
    let namespace = address
        .namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    let count = Count(Arc::clone(requests));
    let builder = ClientBuilder::try_from(config).map_err(|error| Trouble::of(&error))?;
    let client = builder.with_layer(&count).build();
    Ok(Connection { client, namespace })
}

async fn of_context(address: &ClusterAddress, context: &str) -> Result<Config, Trouble> {
    let path = address.kubeconfig.clone();
    // Files, and on the thread that others wait on.
    let read = tokio::task::spawn_blocking(move || match path {
        Some(path) => Kubeconfig::read_from(path),
        None => match Kubeconfig::from_env()? {
            Some(kubeconfig) => Ok(kubeconfig),
            None => Kubeconfig::read(),
        },
    });
    let kubeconfig = read
        .await
        .map_err(|error| Trouble::new(Health::Missing, error.to_string()))?;
    let trouble = |error: KubeconfigError| Trouble::of_kubeconfig(&error);
    let options = KubeConfigOptions {
        context: Some(context.to_owned()),
        ..KubeConfigOptions::default()
    };
    Config::from_custom_kubeconfig(kubeconfig.map_err(trouble)?, &options)
        .await
        .map_err(trouble)
}

/// Counts requests on their way.
#[derive(Clone)]
struct Count(Arc<AtomicU64>);

impl<S> tower::Layer<S> for Count {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Counted {
            inner,
            requests: Arc::clone(&self.0),
        }
    }
}

struct Counted<S> {
    inner: S,
    requests: Arc<AtomicU64>,
}

impl<S, R> tower::Service<R> for Counted<S>
where
    S: tower::Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Box::pin(upstream(self.inner.call(request)))
    }
}
