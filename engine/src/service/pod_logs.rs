//! The logs of a search's containers: which there are, their last lines, and their text.
//!
//! Owns where each is read: what is kept with the search, else what its cluster has. Whoever may see a search
//! may see these.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use elb_core::{
    cluster::{ContainerLine, LogLines, LogOf, LogPlace, PodLogState, PodLogView, job_of},
    job::Found,
    step::Step,
    view::{JobDetail, LogLine},
};
use futures::{StreamExt, TryStreamExt};
use tokio::time::timeout;

use super::{Caller, Download, JobService, ServiceError};
use crate::{
    clusters::{Clusters, ContainerRun, LogPart, PodLogError, PodLogs, RunState},
    objects::{
        ObjectError,
        pod_logs::{KeptEnd, KeptLog},
    },
};

mod following;

pub use following::PodLogFollower;

/// How long the last lines of a log may take to come from a cluster; a page waits for them.
const LINES_LIMIT: Duration = Duration::from_secs(10);

/// The last lines of a log.
#[derive(Debug, Clone)]
pub struct PodLogPage {
    /// The lines; their numbers count from the first of these.
    pub lines: Vec<LogLine>,
    /// Where they end, from where it is followed.
    pub place: LogPlace,
    /// Whether there are lines before these.
    pub earlier: bool,
    /// Whether more lines may come.
    pub goes_on: bool,
    /// How many bytes of its beginning were left out when it was kept.
    pub left_out: u64,
}

/// Where a log is read.
enum Source {
    Kept(KeptLog),
    /// On its cluster, by place and id there.
    Cluster((Found, String), ContainerRun),
}

impl JobService {
    /// The logs of a search's containers, by batch and pod: those that are kept, and those that its cluster
    /// has. No cluster is asked.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`], or the object store's.
    pub async fn pod_logs(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Vec<PodLogView>, ServiceError> {
        let detail = self.detail(caller, id)?;
        let mut views: BTreeMap<LogOf, PodLogView> = BTreeMap::new();
        for (place, run) in self.on_clusters(&detail) {
            let logs = self.clusters().and_then(|clusters| clusters.pod_logs());
            let runs = logs.map_or_else(Vec::new, |logs| logs.runs(&place, &run));
            views.extend(runs.into_iter().map(|run| (run.log.clone(), of_run(run))));
        }
        for kept in self.kept_pod_logs(&detail).await? {
            let view = views.entry(kept.log.clone());
            let view = view.or_insert_with(|| of_kept(&kept));
            (view.kept, view.bytes, view.left_out) = (true, Some(kept.bytes), kept.left_out);
            if kept.end == KeptEnd::Lost {
                view.state = PodLogState::Lost;
            }
        }
        let mut views: Vec<PodLogView> = views.into_values().collect();
        // What ran first comes first.
        views.sort_by_key(|view| (view.batch.unwrap_or(u32::MAX), view.pod.clone(), !view.init));
        Ok(views)
    }

    /// The last lines of a log, from its cluster while it is not kept.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`], [`ServiceError::PodLog`], or the object store's.
    pub async fn pod_log(
        &self,
        caller: &Caller,
        id: &str,
        log: &LogOf,
        last: usize,
    ) -> Result<PodLogPage, ServiceError> {
        let detail = self.detail(caller, id)?;
        let mut lines = Last::new(last);
        let (init, goes_on, left_out) = match self.source(&detail, log).await? {
            Source::Kept(kept) => {
                lines.push(&self.inner.objects.pod_log(id, &kept).await?);
                (kept.init, false, kept.left_out)
            }
            Source::Cluster(_, run) if run.state == RunState::Waiting => (run.init, true, 0),
            Source::Cluster((place, search), run) => {
                let part = LogPart {
                    // One more, to know whether there is one.
                    last: u32::try_from(last.saturating_add(1)).ok(),
                    ..LogPart::default()
                };
                let reading = async {
                    let logs = self.clusters().and_then(|clusters| clusters.pod_logs());
                    let logs = logs.ok_or_else(|| gone(log))?;
                    let mut pieces = logs.read(&place, &search, log, part).await?;
                    while let Some(piece) = pieces.next().await {
                        lines.push(&piece?);
                    }
                    Ok::<_, PodLogError>(())
                };
                match timeout(LINES_LIMIT, reading).await {
                    Ok(read) => read?,
                    Err(_) => {
                        let limit = LINES_LIMIT.as_secs();
                        let reason = format!("its lines did not come within {limit} s");
                        return Err(PodLogError::Away(reason).into());
                    }
                }
                (run.init, !run.has_ended(), 0)
            }
        };
        let (lines, place, earlier) = lines.finish();
        Ok(PodLogPage {
            lines: lines.into_iter().map(|line| shown(line, init)).collect(),
            place,
            earlier,
            goes_on,
            left_out,
        })
    }

    /// The text of a log, each line with its time: all that there is of it now, or its last lines.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`], [`ServiceError::PodLog`], or the object store's.
    pub async fn pod_log_text(
        &self,
        caller: &Caller,
        id: &str,
        log: &LogOf,
        last: Option<u32>,
    ) -> Result<Download, ServiceError> {
        let detail = self.detail(caller, id)?;
        let (size, pieces) = match self.source(&detail, log).await? {
            Source::Kept(kept) => {
                let text = self.inner.objects.pod_log(id, &kept).await?;
                let text = last.map_or(text.clone(), |last| last_lines(&text, last));
                let size = text.len() as u64;
                (Some(size), futures::stream::iter([Ok(text)]).boxed())
            }
            Source::Cluster((place, search), _) => {
                let part = LogPart {
                    last,
                    ..LogPart::default()
                };
                let logs = self.clusters().and_then(|clusters| clusters.pod_logs());
                let logs = logs.ok_or_else(|| gone(log))?;
                let pieces = logs.read(&place, &search, log, part).await?;
                (None, pieces.map_err(std::io::Error::other).boxed())
            }
        };
        Ok(Download {
            file_name: format!("{}-{}-{}.log", log.pod, log.container, log.restart),
            media_type: "text/plain; charset=utf-8",
            size,
            pieces,
        })
    }

    /// Follows a log from a place in it, or from its beginning, to the end of its container.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`], [`ServiceError::PodLog`], or the object store's.
    pub async fn follow_pod_log(
        &self,
        caller: &Caller,
        id: &str,
        log: &LogOf,
        after: Option<LogPlace>,
    ) -> Result<PodLogFollower, ServiceError> {
        let detail = self.detail(caller, id)?;
        let init = match self.source(&detail, log).await? {
            Source::Kept(kept) => kept.init,
            Source::Cluster(_, run) => run.init,
        };
        let (service, caller) = (self.clone(), caller.clone());
        Ok(PodLogFollower::new(service, caller, id, log, init, after))
    }

    async fn source(&self, detail: &JobDetail, log: &LogOf) -> Result<Source, ServiceError> {
        let kept = self.kept_pod_logs(detail).await?;
        if let Some(kept) = kept.into_iter().find(|kept| kept.log == *log) {
            return Ok(Source::Kept(kept));
        }
        let found = self.seen_run(detail, log);
        let found = found.map(|(at, run)| Source::Cluster(at, run));
        Ok(found.ok_or_else(|| gone(log))?)
    }

    /// The logs that are kept of a search. One that cannot have been on a cluster has none.
    async fn kept_pod_logs(&self, detail: &JobDetail) -> Result<Vec<KeptLog>, ServiceError> {
        let imported = detail.imported.as_ref();
        let followed = imported.is_some_and(|imported| imported.found.is_some());
        let ours = imported.is_none() && self.has_clusters();
        if !followed && !ours {
            return Ok(Vec::new());
        }
        match self.inner.objects.pod_logs(&detail.row.id).await {
            // Nothing can be kept under such a name.
            Err(ObjectError::BadId(_)) => Ok(Vec::new()),
            outcome => Ok(outcome?),
        }
    }

    fn clusters(&self) -> Option<&Arc<dyn Clusters>> {
        self.inner.lifecycle.clusters()
    }

    /// A run of a container of a search, where it is seen.
    fn seen_run(&self, detail: &JobDetail, log: &LogOf) -> Option<((Found, String), ContainerRun)> {
        let logs = self.clusters()?.pod_logs()?;
        self.on_clusters(detail).into_iter().find_map(|at| {
            let runs = logs.runs(&at.0, &at.1);
            let run = runs.into_iter().find(|run| run.log == *log)?;
            Some((at, run))
        })
    }

    /// Where a search is on clusters that are watched, and its ids there: each attempt has one.
    fn on_clusters(&self, detail: &JobDetail) -> Vec<(Found, String)> {
        let id = &detail.row.id;
        if let Some(imported) = &detail.imported {
            let found = imported.found.clone().map(|found| (found, id.clone()));
            return found.into_iter().collect();
        }
        let logs = self.clusters().and_then(|clusters| clusters.pod_logs());
        let mut searches = logs.map_or_else(Vec::new, PodLogs::searches);
        searches.retain(|(_, run)| run == id || job_of(run).is_some_and(|(job, _)| job == id));
        searches
    }
}

fn gone(log: &LogOf) -> PodLogError {
    PodLogError::Gone(format!("there is no log {log}"))
}

fn of_run(run: ContainerRun) -> PodLogView {
    let (state, end, since) = match run.state {
        RunState::Waiting => (PodLogState::Waiting, None, None),
        RunState::Running { since } => (PodLogState::Running, None, since),
        RunState::Ended(end) => {
            let since = end.started_at;
            (PodLogState::Ended, Some(end), since)
        }
    };
    let reason = end.as_ref().map(|end| end.reason.clone());
    PodLogView {
        log: run.log.to_string(),
        pod: run.log.pod,
        container: run.log.container,
        restart: run.log.restart,
        init: run.init,
        batch: run.batch,
        state,
        exit_code: end.as_ref().map(|end| end.exit_code),
        reason: reason.filter(|reason| !reason.is_empty()),
        started_at: since,
        finished_at: end.and_then(|end| end.finished_at),
        kept: false,
        bytes: None,
        left_out: 0,
    }
}

fn of_kept(kept: &KeptLog) -> PodLogView {
    PodLogView {
        log: kept.log.to_string(),
        pod: kept.log.pod.clone(),
        container: kept.log.container.clone(),
        restart: kept.log.restart,
        init: kept.init,
        batch: kept.batch,
        state: PodLogState::Ended,
        exit_code: match kept.end {
            KeptEnd::Exit(code) => Some(code),
            KeptEnd::Unknown | KeptEnd::Lost => None,
        },
        reason: None,
        started_at: None,
        finished_at: None,
        kept: true,
        bytes: Some(kept.bytes),
        left_out: kept.left_out,
    }
}

/// A line in the form of those of a search's own log.
fn shown(line: ContainerLine, init: bool) -> LogLine {
    LogLine {
        number: line.place.number,
        at: line.at,
        step: if init { Step::StagingDb } else { Step::Running },
        level: line.level,
        text: line.text,
    }
}

/// The last lines of what comes.
struct Last {
    most: usize,
    lines: LogLines,
    last: VecDeque<ContainerLine>,
    left_out: u64,
}

impl Last {
    fn new(most: usize) -> Self {
        Self {
            most,
            lines: LogLines::default(),
            last: VecDeque::new(),
            left_out: 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let lines = self.lines.push(bytes);
        self.keep(lines);
    }

    fn keep(&mut self, lines: impl IntoIterator<Item = ContainerLine>) {
        for line in lines {
            self.last.push_back(line);
            if self.last.len() > self.most {
                self.last.pop_front();
                self.left_out += 1;
            }
        }
    }

    /// The lines, where they end, and whether there are earlier ones.
    fn finish(mut self) -> (Vec<ContainerLine>, LogPlace, bool) {
        let rest = self.lines.finish();
        self.keep(rest);
        let mut place = self.lines.place();
        place.number -= self.left_out;
        let lines = self.last.into_iter().map(|mut line| {
            line.place.number -= self.left_out;
            line
        });
        (lines.collect(), place, self.left_out > 0)
    }
}

/// The last so many lines of a text.
fn last_lines(text: &Bytes, last: u32) -> Bytes {
    let last = usize::try_from(last).unwrap_or(usize::MAX);
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let mut ends = body
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n');
    let from = last.checked_sub(1).map(|skip| ends.nth(skip));
    match from {
        Some(Some((at, _))) => text.slice(at + 1..),
        Some(None) => text.clone(),
        None => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_text_are_whole() {
        for text in ["a\nbb\nccc\n", "a\nbb\nccc"] {
            let text = Bytes::from_static(text.as_bytes());
            let end = if text.ends_with(b"\n") { "\n" } else { "" };
            let last = |count| String::from_utf8_lossy(&last_lines(&text, count)).into_owned();
            assert_eq!(last(0), "");
            assert_eq!(last(1), format!("ccc{end}"));
            assert_eq!(last(2), format!("bb\nccc{end}"));
            assert_eq!(last(3), format!("a\nbb\nccc{end}"));
            assert_eq!(last(9), format!("a\nbb\nccc{end}"));
        }
    }

    #[test]
    fn the_last_lines_are_numbered_from_the_first_of_them() {
        let mut last = Last::new(2);
        last.push(b"2026-01-01T00:00:01Z a\n2026-01-01T00:00:02Z b\n2026-01-01T00:00:03Z c");
        let (lines, place, earlier) = last.finish();
        let numbers: Vec<(u64, &str)> = lines
            .iter()
            .map(|line| (line.place.number, line.text.as_str()))
            .collect();
        assert_eq!(numbers, [(1, "b"), (2, "c")]);
        assert_eq!(place, lines[1].place);
        assert!(earlier);
    }
}
