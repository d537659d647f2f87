//! The logs of containers, asked of their cluster.
//!
//! Owns the limits of a reading: how long an answer and a silence may take, and how many are read at once. What
//! is known of a place changes by none of it: a log that cannot be had says nothing of its search.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use elb_core::{cluster::LogOf, job::Found};
use futures::{AsyncReadExt, StreamExt};
use k8s_openapi::{api::core::v1::Pod, jiff};
use kube::{Api, api::LogParams};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{ClusterSnapshot, place::Place, trouble::Trouble};
use crate::clusters::{ContainerRun, LogPart, LogPieces, PodLogError, PodLogs, RunState};

/// Bytes that are read at once: the memory of one reading.
const PIECE: usize = 64 * 1_024;
/// Logs that are read at once: each holds a connection to an API server, which answers many others too.
const AT_ONCE: usize = 64;
/// How long a log that is followed may be silent before it is broken off, to be asked for anew: below the four
/// minutes after which load balancers forget a connection without a word.
const SILENCE: Duration = Duration::from_secs(60);

/// The places of all readings of this process.
static READINGS: Semaphore = Semaphore::const_new(AT_ONCE);

#[async_trait]
impl PodLogs for ClusterSnapshot {
    fn searches(&self) -> Vec<(Found, String)> {
        let of_place = |place: &Arc<Place>| place.with_pods();
        self.all().iter().flat_map(of_place).collect()
    }

    fn runs(&self, found: &Found, run: &str) -> Vec<ContainerRun> {
        let place = self.find(found);
        place.map_or_else(Vec::new, |place| runs(place, run))
    }

    async fn read(
        &self,
        found: &Found,
        run: &str,
        log: &LogOf,
        part: LogPart,
    ) -> Result<LogPieces, PodLogError> {
        let Some(place) = self.find(found) else {
            return Err(PodLogError::Away(format!(
                "cluster {}, namespace {} is not in the settings (ELB_CLUSTERS)",
                found.cluster, found.namespace
            )));
        };
        let seen = runs(place, run).into_iter().find(|run| run.log == *log);
        let Some(seen) = seen else {
            return Err(PodLogError::Gone(format!("no {log} is seen there")));
        };
        if seen.state == RunState::Waiting {
            return Err(PodLogError::NotStarted("it waits to be started".to_owned()));
        }
        let permit = READINGS.try_acquire().map_err(|_| {
            PodLogError::Away(format!("{AT_ONCE} logs are being read already; try again"))
        })?;
        read(place, run, log, part, permit).await
    }
}

fn runs(place: &Place, run: &str) -> Vec<ContainerRun> {
    let pods = place.pods_of(run);
    pods.iter().flat_map(ContainerRun::of).collect()
}

async fn read(
    place: &Place,
    run: &str,
    log: &LogOf,
    part: LogPart,
    permit: SemaphorePermit<'static>,
) -> Result<LogPieces, PodLogError> {
    let Some((client, namespace)) = place.client() else {
        let reason = place.view().reason;
        let reason = reason.unwrap_or_else(|| "it was not reached yet".to_owned());
        return Err(PodLogError::Away(reason));
    };
    // Whether there is a later run of the container by now, whose log would be taken for this one.
    let runs = runs(place, run);
    let previous = runs.iter().any(|other| {
        let same = (&other.log.pod, &other.log.container) == (&log.pod, &log.container);
        same && other.log.restart > log.restart
    });
    let params = LogParams {
        container: Some(log.container.clone()),
        follow: part.follow,
        previous,
        since_time: part
            .since
            .and_then(|since| jiff::Timestamp::from_second(since.0.div_euclid(1_000)).ok()),
        tail_lines: part.last.map(i64::from),
        timestamps: true,
        ..LogParams::default()
    };
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let patience = place.pace.long_answer;
    let opened = match timeout(patience, pods.log_stream(&log.pod, &params)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => return Err(explained(&error)),
        Err(_) => return Err(PodLogError::Away(Trouble::silent(patience).reason)),
    };
    let silence = if part.follow { SILENCE } else { patience };
    let state = (Box::pin(opened), vec![0_u8; PIECE], permit);
    let pieces = futures::stream::unfold(Some(state), move |state| async move {
        let (mut opened, mut buffer, permit) = state?;
        match timeout(silence, opened.read(&mut buffer)).await {
            Ok(Ok(0)) => None,
            Ok(Ok(read)) => {
                let piece = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
                Some((Ok(piece), Some((opened, buffer, permit))))
            }
            Ok(Err(error)) => Some((Err(PodLogError::Away(error.to_string())), None)),
            // Nothing was said, or nobody is there any more: who follows asks anew.
            Err(_) if part.follow => None,
            Err(_) => {
                let reason = Trouble::silent(silence).reason;
                Some((Err(PodLogError::Away(reason)), None))
            }
        }
    });
    Ok(pieces.boxed())
}

/// What an error of the client means for a log.
fn explained(error: &kube::Error) -> PodLogError {
    let kube::Error::Api(status) = error else {
        return PodLogError::Away(Trouble::of(error).reason);
    };
    let said = status.message.clone();
    match status.code {
        403 => PodLogError::Forbidden(said),
        404 => PodLogError::Gone(said),
        // The node's words (pkg/kubelet, validateContainerLogStatus); all else that it refuses is not there.
        400 if said.contains("waiting to start") || said.contains("not available") => {
            PodLogError::NotStarted(said)
        }
        400 => PodLogError::Gone(said),
        _ => PodLogError::Away(Trouble::of(error).reason),
    }
}
