//! One log, read from its cluster and stored.
//!
//! Owns the limits of that: how long it may take, and how much of it is held. What is stored is the log of a
//! container that has ended, to its end; if that cannot be had any more, the reason is stored instead.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use elb_core::job::Found;
use futures::StreamExt;

use super::{Context, timeout};
use crate::{
    clusters::{Clusters, ContainerRun, LogPart, PodLogError, PodLogs, RunState},
    objects::pod_logs::{KeptEnd, KeptLog},
};

/// The most that is kept of one log, in bytes: some 20,000 lines, as of a search's own log. It is the end,
/// which says why a container failed, that is kept.
pub const MOST: usize = 2 << 20;
/// How long one may take to be read: a pod that was told to end takes 30 s unless it says otherwise.
const LIMIT: Duration = Duration::from_secs(120);
/// How long after the end of a log its container may be seen at work.
const SEEN: Duration = Duration::from_secs(5);
/// What is said of a pod that was gone before its log was asked for.
const TOO_LATE: &str = "its pod was removed before its log was read";

/// What is to be read and kept.
pub(super) struct Task {
    /// Its id on the cluster.
    pub search: String,
    /// Whose row it has.
    pub job: String,
    pub place: Found,
    /// As it was seen last.
    pub run: ContainerRun,
    /// Whether it is not seen any more.
    pub gone: bool,
    /// Why it could not be read before.
    pub reason: Option<String>,
    /// Whether another server may have kept it.
    pub elsewhere: bool,
}

/// Why it has to be tried again.
pub(super) struct Failure(pub String);

/// Reads and keeps a log.
pub(super) async fn keep(
    context: &Context,
    clusters: &dyn Clusters,
    task: &Task,
) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure(error.to_string());
    let job = &task.job;
    if task.elsewhere {
        let kept = context.objects.pod_logs(job).await;
        let kept = kept.map_err(|error| failed(&error))?;
        if kept.iter().any(|kept| kept.log == task.run.log) {
            return Ok(());
        }
    }
    let read = match clusters.pod_logs() {
        Some(logs) if !task.gone => {
            let reading = timeout(LIMIT, read(clusters, logs, task)).await;
            reading.map_err(|_| Failure(format!("it was not read within {} s", LIMIT.as_secs())))?
        }
        _ => {
            let reason = task.reason.clone();
            Err(PodLogError::Gone(
                reason.unwrap_or_else(|| TOO_LATE.to_owned()),
            ))
        }
    };
    let (end, text, left_out) = match read {
        Ok((
            end,
            Tail {
                left_out, pieces, ..
            },
        )) => {
            let text: Vec<u8> = pieces.into_iter().flatten().collect();
            (end, text, left_out)
        }
        Err(PodLogError::Gone(reason)) => {
            let now = context.jobs.clock().now().rfc3339();
            let text = format!("{now} This log could not be kept: {reason}\n");
            (KeptEnd::Lost, text.into_bytes(), 0)
        }
        Err(error) => return Err(failed(&error)),
    };
    // It may have been deleted meanwhile, and its objects with it.
    if context.jobs.model().phase(job).is_none() {
        return Ok(());
    }
    let kept = KeptLog {
        log: task.run.log.clone(),
        init: task.run.init,
        batch: task.run.batch,
        end,
        left_out,
        bytes: text.len() as u64,
    };
    let put = context.objects.keep_pod_log(job, &kept, &text).await;
    put.map_err(|error| failed(&error))
}

/// Reads the log of a container that has ended, or that is to end now, to its end.
async fn read(
    clusters: &dyn Clusters,
    logs: &dyn PodLogs,
    task: &Task,
) -> Result<(KeptEnd, Tail), PodLogError> {
    let (place, job, log) = (&task.place, &task.search, &task.run.log);
    let runs = |restart: u32| {
        let runs = logs.runs(place, job);
        let same =
            |run: &ContainerRun| (&run.log.pod, &run.log.container) == (&log.pod, &log.container);
        let newest = runs
            .iter()
            .filter(|run| same(run))
            .map(|run| run.log.restart);
        let newest = newest.max();
        let this = runs
            .iter()
            .find(|run| same(run) && run.log.restart == restart);
        (newest, this.map(|run| run.state.clone()))
    };
    let (before, _) = runs(log.restart);
    let part = LogPart {
        follow: !task.run.has_ended(),
        ..LogPart::default()
    };
    let mut changes = clusters.revision();
    let mut pieces = logs.read(place, job, log, part).await?;
    let mut tail = Tail::default();
    while let Some(piece) = pieces.next().await {
        tail.push(piece?);
    }
    // Its last line may be heard before it is seen that it has ended.
    let seen = async {
        while let (_, Some(RunState::Running { .. })) = runs(log.restart) {
            if changes.changed().await.is_err() {
                break;
            }
        }
    };
    // What is not seen by then has not ended: it was broken off.
    timeout(SEEN, seen).await.ok();
    let (after, state) = runs(log.restart);
    // Started again just before it was asked: this may be the log of the next run.
    if after.is_some() && after != before {
        return Err(PodLogError::Away(
            "its container was started again".to_owned(),
        ));
    }
    // Of a pod that is gone by now, as it was seen last.
    let end = match state.as_ref().unwrap_or(&task.run.state) {
        RunState::Ended(end) => KeptEnd::Exit(end.exit_code),
        _ if state.is_none() => KeptEnd::Unknown,
        _ => return Err(PodLogError::Away("it was broken off".to_owned())),
    };
    tail.cut();
    Ok((end, tail))
}

/// The end of what comes.
#[derive(Default)]
struct Tail {
    pieces: VecDeque<Bytes>,
    held: usize,
    left_out: u64,
}

impl Tail {
    fn push(&mut self, piece: Bytes) {
        self.held += piece.len();
        self.pieces.push_back(piece);
        while let Some(first) = self.pieces.front()
            && self.held - first.len() >= MOST
        {
            self.left_out += first.len() as u64;
            self.held -= first.len();
            self.pieces.pop_front();
        }
    }

    /// Cuts it to its length, where a line begins.
    fn cut(&mut self) {
        if self.left_out == 0 && self.held <= MOST {
            return;
        }
        let mut over = self.held.saturating_sub(MOST);
        while let Some(first) = self.pieces.pop_front() {
            let from = first.get(over..).unwrap_or_default();
            let line = from.iter().position(|byte| *byte == b'\n');
            let cut = line.map_or(first.len(), |at| over + at + 1);
            self.left_out += cut as u64;
            self.held -= cut;
            over = over.saturating_sub(first.len());
            if line.is_some() {
                self.pieces.push_front(first.slice(cut..));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of so many lines of ten letters that come in pieces.
    fn tail(lines: usize, size: usize) -> (Vec<u8>, u64) {
        let all: Vec<u8> = (0..lines)
            .flat_map(|at| format!("{at:09}\n").into_bytes())
            .collect();
        let mut tail = Tail::default();
        for piece in all.chunks(size) {
            tail.push(Bytes::copy_from_slice(piece));
            assert!(tail.held < MOST + size);
        }
        tail.cut();
        assert_eq!(tail.held, tail.pieces.iter().map(Bytes::len).sum::<usize>());
        (tail.pieces.into_iter().flatten().collect(), tail.left_out)
    }

    #[test]
    fn of_a_long_log_the_last_whole_lines_are_held_and_the_others_counted() {
        let short = tail(100, 7);
        assert_eq!((short.0.len(), short.1), (1_000, 0));
        for piece in [65_536, 1_000, 10] {
            let lines = MOST / 10 + 1_000;
            let (text, left_out) = tail(lines, piece);
            assert_eq!(text.len() as u64 + left_out, lines as u64 * 10, "{piece}");
            assert!(
                text.len() <= MOST && text.len() > MOST - 20,
                "{}",
                text.len()
            );
            assert_eq!(left_out % 10, 0);
            assert!(text.ends_with(format!("{:09}\n", lines - 1).as_bytes()));
        }
    }
}
