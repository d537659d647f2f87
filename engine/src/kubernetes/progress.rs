//! How far the pods of a place are that bring databases to their nodes: the last line of each one's log.
//!
//! Asks nothing while none does. A log that cannot be had tells nothing, and stands against nothing.

use std::pin::pin;

use elb_core::cluster::{STAGE_CONTAINER, StageProgress};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::LogParams};
use tokio::time::{sleep, timeout};

use super::place::Place;

/// Logs that are read at once (ours).
const AT_ONCE: usize = 4;
/// Logs that are read in one round (ours): of more pods than these, the others are shown without a number.
const MOST: usize = 32;

/// Reads again and again. Never ends.
pub(super) async fn follow(place: &Place, client: &Client, namespace: &str) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    loop {
        let staging = place.staging().into_iter().take(MOST);
        let mut read = pin!(
            futures::stream::iter(staging)
                .map(|name| {
                    let pods = &pods;
                    async move { (last(place, pods, &name).await, name) }
                })
                .buffer_unordered(AT_ONCE)
        );
        while let Some((progress, name)) = read.next().await {
            if let Some(progress) = progress {
                place.progressed(&name, progress);
            }
        }
        sleep(place.pace.progress).await;
    }
}

async fn last(place: &Place, pods: &Api<Pod>, name: &str) -> Option<StageProgress> {
    let params = LogParams {
        container: Some(STAGE_CONTAINER.to_owned()),
        tail_lines: Some(1),
        ..LogParams::default()
    };
    match timeout(place.pace.answer, pods.logs(name, &params)).await {
        Ok(Ok(text)) => StageProgress::parse(text.lines().last()?),
        Ok(Err(error)) => {
            tracing::debug!(pod = name, %error, "how far it is cannot be read");
            None
        }
        Err(_) => None,
    }
}
