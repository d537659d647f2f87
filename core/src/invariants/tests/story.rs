//! Stories of jobs: events applied one after the other, with the history that the engine writes.

use crate::{
    error_code::ErrorCode,
    invariants::{Circumstances, Evidence, JobEvidence, ObjectKind, ObjectSeen},
    job::{Job, Outcome},
    phase::Phase,
    search::{Program, SearchOptions, SearchSpec},
    step::Step,
    time::Timestamp,
    transition::{Event, IllegalTransition},
    view::HistoryEntry,
};

/// The actor of what a person asks for.
pub const PERSON: &str = "local";
/// The actor of what the engine does.
pub const ENGINE: &str = "";
/// How long a deleted job of a story is kept.
pub const KEPT_MS: i64 = 60_000;

/// A job and what has happened to it.
#[derive(Clone)]
pub struct Story {
    pub job: JobEvidence,
    pub now: i64,
}

pub fn evidence<const N: usize>(stories: [Story; N]) -> Evidence {
    Evidence {
        jobs: stories.into_iter().map(|story| story.job).collect(),
        circumstances: Circumstances::default(),
        ..Evidence::default()
    }
}

fn submitted_job(id: &str, at: i64) -> Job {
    Job::new(
        id.to_owned(),
        "local".to_owned(),
        "a search".to_owned(),
        SearchSpec {
            program: Program::Blastn,
            task: None,
            database: "16S".to_owned(),
            options: SearchOptions::default(),
        },
        Timestamp(at),
    )
}

impl Story {
    /// Submitted, and in the queue.
    pub fn submitted(id: &str, at: i64) -> Self {
        let job = submitted_job(id, at);
        let first = HistoryEntry {
            version: 1,
            at: job.created_at,
            attempt: 1,
            phase: job.phase,
            note: "submitted".to_owned(),
            actor: PERSON.to_owned(),
            epoch: 0,
        };
        let mut story = Self {
            job: JobEvidence {
                job,
                version: 1,
                epoch: 1,
                lease: None,
                history: vec![first],
                objects: Some(Vec::new()),
            },
            now: at,
        };
        story.store(ObjectKind::Query);
        story
    }

    /// An object appears.
    pub fn store(&mut self, kind: ObjectKind) {
        let object = ObjectSeen {
            kind,
            modified_at: Timestamp(self.now),
        };
        self.job.objects.get_or_insert_default().push(object);
    }

    /// Applies an event as the engine does: progress alone has no entry.
    pub fn try_event(&mut self, event: &Event, actor: &str) -> Result<(), IllegalTransition> {
        let job = self.job.job.apply(event, Timestamp(self.now))?;
        self.job.version += 1;
        if !matches!(event, Event::Progressed { .. }) {
            self.job.history.push(HistoryEntry {
                version: self.job.version,
                at: job.updated_at,
                attempt: job.attempt,
                phase: job.phase,
                note: String::new(),
                actor: actor.to_owned(),
                epoch: self.job.epoch,
            });
        }
        if matches!(event, Event::ObjectsRemoved) {
            self.job.objects = Some(Vec::new());
        }
        if matches!(event, Event::Completed { .. }) {
            self.store(ObjectKind::Archive);
            self.store(ObjectKind::Hits);
        }
        self.job.job = job;
        Ok(())
    }

    /// The same for an event that must be allowed, ten milliseconds later.
    fn then(mut self, event: &Event, actor: &str) -> Self {
        self.now += 10;
        self.try_event(event, actor).unwrap();
        self
    }

    fn enter(self, phase: Phase) -> Self {
        self.then(&Event::Enter { phase }, ENGINE)
    }

    pub fn prepared(id: &str, at: i64) -> Self {
        Self::submitted(id, at).enter(Phase::Preparing)
    }

    /// BLAST+ is searching; a step was skipped on the way.
    pub fn searching(id: &str, at: i64) -> Self {
        let planned = Self::prepared(id, at)
            .enter(Phase::WarmingUp)
            .enter(Phase::Configuring);
        let skip = Event::Skip {
            step: Step::StagingDb,
            reason: "already there".to_owned(),
        };
        let mut skipped = planned;
        // In the same millisecond.
        skipped.try_event(&skip, ENGINE).unwrap();
        skipped.enter(Phase::Submitting).enter(Phase::Running)
    }

    pub fn completed(id: &str, at: i64) -> Self {
        let outcome = Outcome::default();
        Self::searching(id, at)
            .enter(Phase::ExportingResults)
            .then(&Event::Completed { outcome }, ENGINE)
    }

    pub fn failed(id: &str, at: i64) -> Self {
        let event = Event::Failed {
            code: ErrorCode::BlastFailed,
            message: "exit 3".to_owned(),
        };
        Self::searching(id, at).then(&event, ENGINE)
    }

    pub fn cancelling(id: &str, at: i64) -> Self {
        Self::searching(id, at).then(&Event::CancelAsked { delete: false }, PERSON)
    }

    pub fn cancelled(id: &str, at: i64) -> Self {
        Self::cancelling(id, at).then(&Event::CancelObserved, ENGINE)
    }

    /// Deleted while it was searching: the engine writes the tombstone.
    pub fn cancelled_and_deleted(id: &str, at: i64) -> Self {
        let stopping = Self::searching(id, at).then(&Event::CancelAsked { delete: true }, PERSON);
        let keep_until = Timestamp(stopping.now + KEPT_MS);
        stopping.then(&Event::CancelledAndDeleted { keep_until }, ENGINE)
    }

    pub fn retried_by_itself(id: &str, at: i64) -> Self {
        let event = Event::RetryPlanned {
            code: ErrorCode::TemporarilyUnavailable,
            message: "no answer".to_owned(),
            not_before: Timestamp(at + 5_000),
        };
        Self::searching(id, at).then(&event, ENGINE)
    }

    pub fn retried(self) -> Self {
        self.then(&Event::RetryAsked, PERSON)
    }

    fn deletion(&self) -> Event {
        Event::Deleted {
            keep_until: Timestamp(self.now + KEPT_MS),
        }
    }

    pub fn deleted(self) -> Self {
        let event = self.deletion();
        self.then(&event, PERSON)
    }

    pub fn restored(self) -> Self {
        self.then(&Event::RestoreAsked, PERSON)
    }

    /// The janitor came when the time was over.
    pub fn removed(mut self) -> Self {
        self.now += KEPT_MS + 10;
        self.then(&Event::ObjectsRemoved, ENGINE)
    }

    /// An entry as a faulty engine would write it.
    pub fn forged(mut self, phase: Phase, attempt: u32, actor: &str) -> Self {
        self.now += 10;
        self.job.version += 1;
        self.job.history.push(HistoryEntry {
            version: self.job.version,
            at: Timestamp(self.now),
            attempt,
            phase,
            note: String::new(),
            actor: actor.to_owned(),
            epoch: self.job.epoch,
        });
        self.job.job.updated_at = Timestamp(self.now);
        self.job.job.phase = phase;
        self.job.job.attempt = attempt;
        self
    }
}
