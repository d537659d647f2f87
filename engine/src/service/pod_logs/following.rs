//! A log that is followed: over connections that break, to the end of its container, and on in what is kept of
//! it once its pod is gone.
//!
//! Owns the reader's place. A line is given once; one that was cut short is read again.

use std::{collections::VecDeque, time::Duration};

use elb_core::{
    cluster::{ContainerLine, LogLines, LogOf, LogPlace},
    poll,
    view::LogLine,
};
use futures::StreamExt;
use tokio::time::sleep;

use super::{Caller, JobService, ServiceError, gone, shown};
use crate::clusters::{LogPart, LogPieces, PodLogError, RunState};

/// How long to rest before a log that broke off is asked for again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a log is asked for in vain, one time after the other, before that is told.
const TRIES: u32 = 5;

/// A reader of a log, and what it waits for.
pub struct PodLogFollower {
    service: JobService,
    caller: Caller,
    id: String,
    log: LogOf,
    init: bool,
    lines: LogLines,
    waiting: VecDeque<ContainerLine>,
    /// What comes, and whether its end is that of the log.
    open: Option<(LogPieces, bool)>,
    tries: u32,
    over: bool,
}

impl PodLogFollower {
    pub(super) fn new(
        service: JobService,
        caller: Caller,
        id: &str,
        log: &LogOf,
        init: bool,
        after: Option<LogPlace>,
    ) -> Self {
        Self {
            service,
            caller,
            id: id.to_owned(),
            log: log.clone(),
            init,
            lines: LogLines::after(after),
            waiting: VecDeque::new(),
            open: None,
            tries: 0,
            over: false,
        }
    }

    /// The next line, and the place after it; `None` once there will be no more. Not to be asked again after it
    /// was broken off.
    ///
    /// # Errors
    /// If the rest cannot be had now. Whoever comes again with the place of the last line misses nothing.
    pub async fn next(&mut self) -> Result<Option<(LogPlace, LogLine)>, ServiceError> {
        loop {
            if let Some(line) = self.waiting.pop_front() {
                return Ok(Some((line.place, shown(line, self.init))));
            }
            if self.over {
                return Ok(None);
            }
            let Some((pieces, whole)) = &mut self.open else {
                self.begin().await?;
                continue;
            };
            match pieces.next().await {
                Some(Ok(piece)) => {
                    self.tries = 0;
                    self.waiting.extend(self.lines.push(&piece));
                }
                None if *whole => self.end(),
                None => {
                    self.break_off();
                    sleep(PAUSE).await;
                }
                Some(Err(error)) => {
                    self.break_off();
                    self.failed(error).await?;
                }
            }
        }
    }

    fn end(&mut self) {
        self.waiting.extend(self.lines.finish());
        self.over = true;
    }

    /// What was cut short is forgotten, and comes again.
    fn break_off(&mut self) {
        self.open = None;
        self.lines = LogLines::after(Some(self.lines.place()));
    }

    async fn failed(&mut self, error: PodLogError) -> Result<(), ServiceError> {
        self.tries += 1;
        if self.tries > TRIES || matches!(error, PodLogError::Forbidden(_)) {
            return Err(error.into());
        }
        sleep(PAUSE).await;
        Ok(())
    }

    /// Asks for the log, or for what is kept of it.
    async fn begin(&mut self) -> Result<(), ServiceError> {
        let detail = match self.service.detail(&self.caller, &self.id) {
            Ok(detail) => detail,
            // A search that was deleted has ended too.
            Err(ServiceError::NoSuchJob(_)) => {
                self.over = true;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let kept = self.service.kept_pod_logs(&detail).await?;
        if let Some(kept) = kept.into_iter().find(|kept| kept.log == self.log) {
            let text = self.service.inner.objects.pod_log(&self.id, &kept).await?;
            self.waiting.extend(self.lines.push(&text));
            self.end();
            return Ok(());
        }
        let Some(clusters) = self.service.clusters().cloned() else {
            return self.failed(gone(&self.log)).await;
        };
        let mut changes = clusters.revision();
        changes.mark_unchanged();
        let seen = self.service.seen_run(&detail, &self.log);
        let (Some(logs), Some(((place, search), run))) = (clusters.pod_logs(), seen) else {
            // It is perhaps being kept at this moment.
            return self.failed(gone(&self.log)).await;
        };
        if run.state == RunState::Waiting {
            // Something always changes on a busy cluster.
            sleep(PAUSE).await;
            tokio::select! {
                _ = changes.changed() => {}
                () = sleep(poll::JOB_STEADY) => {}
            }
            return Ok(());
        }
        let after = self.lines.place();
        let part = LogPart {
            follow: true,
            last: None,
            since: (after != LogPlace::default()).then(|| after.second()),
        };
        match logs.read(&place, &search, &self.log, part).await {
            Ok(pieces) => self.open = Some((pieces, run.has_ended())),
            Err(error) => self.failed(error).await?,
        }
        Ok(())
    }
}
