//! Submitting a search: everything is checked, then stored, then acknowledged.
//!
//! Owns the order: query object, row (with the idempotency key), hand-over. What fails before the row
//! leaves nothing behind; a row that the engine cannot take becomes `broker_unavailable`, never a
//! perpetual "queued".

use elb_core::{
    audit_log::AuditAction,
    error_code::ErrorCode,
    fasta::Report,
    job::{DatabaseFacts, Found, Job, MAX_TITLE, QueryFacts},
    phase::Phase,
    search::{OptionProblem, SearchSpec},
    step::Step,
    text,
    time::Timestamp,
    transition::Event,
    view::LogLevel,
};
use sha2::{Digest, Sha256};

use super::{Action, Caller, JobService, ServiceError, to_its_end};
use crate::{
    crash::{self, Point},
    intake::Intake,
    jobs::ENGINE,
    objects::Kind,
    repository::{Created, IdempotencyKey, Stored},
};

/// The longest idempotency key, in characters.
const MAX_KEY: usize = 200;
/// How much of a name that nobody knows is repeated, in characters.
const REPEATED: usize = 100;
/// What leaves the choice of the cluster to this program, as does an empty text.
pub const ANY_PLACE: &str = "any";

/// A search as somebody wants it.
#[derive(Debug)]
pub struct Submission {
    /// What, where and how.
    pub spec: SearchSpec,
    /// Title for people; made from the query if empty.
    pub title: String,
    /// The cluster that it shall run on, as the settings spell it (`lab#blast`); empty or [`ANY_PLACE`] for the
    /// first that is seen when its turn comes.
    pub runs_on: String,
    /// The query, received and checked.
    pub query: Intake,
    /// The client's key.
    pub key: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// The job, new or the one of the same key.
    pub stored: Stored,
    /// Whether the key was known and nothing new was made.
    pub replayed: bool,
}

/// What the audit log says of a submission.
struct Made {
    /// The job, once there is a row.
    id: Option<String>,
    title: String,
}

impl Made {
    fn wanted(submission: &Submission) -> Self {
        let Submission { spec, title, .. } = submission;
        let search = || format!("{} against {}", spec.program.as_str(), spec.database);
        let title = Some(title.trim()).filter(|title| !title.is_empty());
        Self {
            id: None,
            title: title.map_or_else(search, str::to_owned),
        }
    }

    fn of(job: &Job) -> Self {
        Self {
            id: Some(job.id.clone()),
            title: job.title.clone(),
        }
    }
}

impl JobService {
    /// Every reason why the search could not be accepted, and what to warn of.
    #[must_use]
    pub fn check(&self, spec: &SearchSpec) -> (Vec<OptionProblem>, Vec<String>) {
        let database = self.inner.catalogue.get(&spec.database);
        let Some(database) = database else {
            let message = if spec.database.is_empty() {
                "Choose a database.".to_owned()
            } else {
                format!(
                    "There is no database {}. Choose one from the list.",
                    spec.database
                )
            };
            return (vec![OptionProblem::new("database", message)], Vec::new());
        };
        if let Some(problem) = &database.problem {
            let message = format!("The database {} cannot be read: {problem}", spec.database);
            return (vec![OptionProblem::new("database", message)], Vec::new());
        }
        match spec.check(Some(&database.traits())) {
            Ok(checked) => (Vec::new(), checked.warnings),
            Err(problems) => (problems, Vec::new()),
        }
    }

    /// The clusters that one may choose from, in the order in which they are tried; none where searches run on
    /// this server.
    #[must_use]
    pub fn places_to_run(&self) -> Vec<Found> {
        self.inner.lifecycle.executor().places()
    }

    /// The cluster that is meant; `None` if any will do.
    ///
    /// # Errors
    /// The problem if there is none of that name: which there are.
    pub fn place_to_run(&self, runs_on: &str) -> Result<Option<Found>, OptionProblem> {
        let wanted = runs_on.trim();
        if wanted.is_empty() || wanted == ANY_PLACE {
            return Ok(None);
        }
        let places = self.places_to_run();
        if let Some(found) = places.iter().find(|place| place.spelled() == wanted) {
            return Ok(Some(found.clone()));
        }
        let known: Vec<String> = places.iter().map(Found::spelled).collect();
        let message = if known.is_empty() {
            format!(
                "There is no cluster {} to choose: searches run on this server. Leave the field out.",
                text::cap(wanted, REPEATED)
            )
        } else {
            format!(
                "There is no cluster {}. Choose one of {}, or {ANY_PLACE}.",
                text::cap(wanted, REPEATED),
                known.join(", ")
            )
        };
        Err(OptionProblem::new("runs_on", message))
    }

    /// Every reason why a search with this query could not be accepted: those of the search first, then
    /// those of the query with their lines.
    #[must_use]
    pub fn problems_of(&self, spec: &SearchSpec, query: &Report) -> Vec<OptionProblem> {
        let (mut problems, _) = self.check(spec);
        problems.extend(query.problems.iter().map(|problem| {
            let message = format!("line {}: {} {}", problem.line, problem.message, problem.fix);
            OptionProblem::new("query", message)
        }));
        let unlisted = query
            .problems_total
            .saturating_sub(query.problems.len() as u64);
        if unlisted > 0 {
            let more = text::counted(unlisted, "more problem", "more problems");
            problems.push(OptionProblem::new("query", format!("… and {more}")));
        }
        problems
    }

    /// Stores and starts a search.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with every problem, [`ServiceError::KeyReused`],
    /// [`ServiceError::BrokerUnavailable`] if the engine takes no jobs, or the store's.
    pub async fn submit(
        &self,
        caller: &Caller,
        submission: Submission,
    ) -> Result<Submitted, ServiceError> {
        let (this, caller) = (self.clone(), caller.clone());
        to_its_end(async move {
            let mut made = Made::wanted(&submission);
            let outcome = this.check_and_store(&caller, submission, &mut made).await;
            // The same key once more has made nothing.
            let replayed = outcome.as_ref().is_ok_and(|submitted| submitted.replayed);
            if !replayed {
                let (action, came_of_it) = (AuditAction::Submit, outcome.as_ref().map(|_| ()));
                this.note(&caller, action, made.id, made.title, came_of_it);
            }
            this.settle_audit().await;
            outcome
        })
        .await
    }

    async fn check_and_store(
        &self,
        caller: &Caller,
        submission: Submission,
        made: &mut Made,
    ) -> Result<Submitted, ServiceError> {
        let Submission {
            spec,
            title,
            runs_on,
            query,
            key,
        } = submission;
        let (_, mut warnings) = self.check(&spec);
        let mut problems = self.problems_of(&spec, &query.report);
        if title.chars().count() > MAX_TITLE {
            let message = format!("The title is longer than {MAX_TITLE} characters.");
            problems.push(OptionProblem::new("title", message));
        }
        let wanted = self.place_to_run(&runs_on).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let key = self.key_of(caller, key, &mut problems);
        if !problems.is_empty() {
            return Err(ServiceError::Invalid(problems));
        }
        warnings.extend(
            query
                .report
                .warnings
                .iter()
                .map(|warning| format!("query line {}: {}", warning.line, warning.message)),
        );
        warnings.truncate(elb_core::job::MAX_WARNINGS);
        if self.is_full(0) {
            return Err(ServiceError::BrokerUnavailable(self.full()));
        }
        let id = uuid::Uuid::now_v7().to_string();
        let file = tokio::fs::File::from_std(query.file.reopen().map_err(|error| {
            ServiceError::Internal(format!("the query cannot be read back: {error}"))
        })?);
        crash::point(Point::BeforeQuery);
        self.inner.objects.put(&id, Kind::Query, 1, file).await?;
        crash::point(Point::AfterQuery);
        let mut job = self.new_job(id, caller, spec, &title, &query);
        job.digest = digest_of(&job.spec, &title, &query.digest, wanted.as_ref());
        job.wanted_place = wanted;
        job.warnings = warnings;
        let created = self.inner.jobs.create(&job, key.as_ref(), &caller.id).await;
        match created {
            Ok(Created::New(stored)) => {
                crash::point(Point::AfterRow);
                *made = Made::of(&stored.job);
                self.hand_over(stored).await
            }
            Ok(Created::Existing(stored)) => {
                self.inner.lifecycle.step_out(&job.id);
                self.drop_query(&job.id).await;
                if stored.job.digest != job.digest {
                    return Err(ServiceError::KeyReused);
                }
                if stored.job.phase == Phase::BrokerUnavailable {
                    return self.hand_over_again(caller, &stored.job.id).await;
                }
                Ok(Submitted {
                    stored,
                    replayed: true,
                })
            }
            Err(error) => {
                self.inner.lifecycle.step_out(&job.id);
                self.drop_query(&job.id).await;
                Err(error.into())
            }
        }
    }

    /// Whether there are as many active jobs as allowed, `beside` so many of them.
    fn is_full(&self, beside: usize) -> bool {
        let active = self.inner.jobs.model().active_count();
        active >= self.inner.limits.active_jobs.saturating_add(beside)
    }

    fn full(&self) -> String {
        format!(
            "{} searches are waiting or running already; try again when some have ended",
            self.inner.limits.active_jobs
        )
    }

    /// The same key after a 503: the job is there already, and what was refused then is tried again.
    async fn hand_over_again(&self, caller: &Caller, id: &str) -> Result<Submitted, ServiceError> {
        let again = self.try_again(caller, id).await;
        let stored = match again {
            // Somebody else was quicker with the same key, or has deleted it.
            Err(ServiceError::NotNow(_)) => self.inner.jobs.get(id).await?,
            outcome => {
                self.note_action(caller, Action::Retry, id, &outcome);
                outcome?
            }
        };
        Ok(Submitted {
            stored,
            replayed: true,
        })
    }

    async fn hand_over(&self, stored: Stored) -> Result<Submitted, ServiceError> {
        let job = &stored.job;
        let line = format!(
            "submitted: {} against {}",
            job.spec.program.as_str(),
            job.spec.database
        );
        self.inner
            .logs
            .append(&job.id, Step::Preparing, LogLevel::Info, &[line]);
        for warning in &job.warnings {
            let line = std::slice::from_ref(warning);
            self.inner
                .logs
                .append(&job.id, Step::Preparing, LogLevel::Warning, line);
        }
        let message = if !self.inner.lifecycle.accepts() {
            "the server is shutting down".to_owned()
        } else if self.is_full(1) {
            // Others were stored between the first look and this one.
            self.full()
        } else {
            self.inner.lifecycle.wake(&job.id);
            crash::point(Point::BeforeAnswer);
            return Ok(Submitted {
                stored,
                replayed: false,
            });
        };
        self.inner.lifecycle.step_out(&job.id);
        let event = Event::Failed {
            code: ErrorCode::BrokerUnavailable,
            message: message.clone(),
        };
        self.inner.jobs.change(&job.id, &event, ENGINE).await?;
        Err(ServiceError::BrokerUnavailable(message))
    }

    /// Removes the query of a row that was not made. A failure leaves a file that nothing refers to.
    async fn drop_query(&self, id: &str) {
        if let Err(error) = self.inner.objects.remove_all(id).await {
            tracing::warn!(job = id, %error, "the query of a job that was not made stays behind");
        }
    }

    fn key_of(
        &self,
        caller: &Caller,
        key: Option<String>,
        problems: &mut Vec<OptionProblem>,
    ) -> Option<IdempotencyKey> {
        let key = key.filter(|key| !key.is_empty())?;
        let plain = key.chars().all(|letter| letter.is_ascii_graphic());
        if key.len() > MAX_KEY || !plain {
            let message =
                format!("An idempotency key is at most {MAX_KEY} visible ASCII characters.");
            problems.push(OptionProblem::new("idempotency_key", message));
            return None;
        }
        let life = i64::try_from(self.inner.limits.key_life.as_millis()).unwrap_or(i64::MAX);
        Some(IdempotencyKey {
            owner: caller.id.clone(),
            key,
            expires_at: self.now().plus_ms(life),
        })
    }

    /// A job that has its place in the line from now on.
    fn new_job(
        &self,
        id: String,
        caller: &Caller,
        spec: SearchSpec,
        title: &str,
        query: &Intake,
    ) -> Job {
        let now: Timestamp = self.inner.lifecycle.line_up(&id);
        let database = self.inner.catalogue.get(&spec.database);
        let database = database.map_or_else(DatabaseFacts::default, |database| DatabaseFacts {
            title: database.title,
            version: database.version,
            sequences: database.sequences,
            letters: database.letters,
        });
        let first_id = query.report.records.first().map(|record| record.id.clone());
        let facts = QueryFacts {
            records: query.report.records_total,
            letters: query.report.letters,
            bytes: query.bytes,
            first_id: text::cap(&first_id.unwrap_or_default(), 80),
        };
        let title_shown = title_for(title, &facts);
        Job {
            query: facts,
            database,
            ..Job::new(id, caller.id.clone(), title_shown, spec, now)
        }
    }
}

/// The title, or one made from the query.
fn title_for(title: &str, query: &QueryFacts) -> String {
    let title = title.trim();
    if !title.is_empty() {
        return title.to_owned();
    }
    match query.records {
        0 | 1 => query.first_id.clone(),
        more => format!("{} and {} more", query.first_id, text::count(more - 1)),
    }
}

/// What tells two submissions with the same key apart.
fn digest_of(spec: &SearchSpec, title: &str, query: &str, wanted: Option<&Found>) -> String {
    let mut hash = Sha256::new();
    // A spec always serialises; an empty text would only make two keys look alike.
    hash.update(serde_json::to_vec(spec).unwrap_or_default());
    hash.update(title.trim().as_bytes());
    hash.update([0]);
    hash.update(query.as_bytes());
    // Without a choice it is what it was before there were any.
    if let Some(place) = wanted {
        hash.update([0]);
        hash.update(place.spelled().as_bytes());
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
