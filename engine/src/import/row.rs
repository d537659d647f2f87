//! A row of the original with its history as a job of ours that has ended.
//!
//! A pure function: the same rows give the same job, so that a second import can tell whether anything has
//! changed. Never makes a job that could be driven, and never a result that is not here.

use elb_core::{
    error_code::{ErrorCode, JobError},
    job::{DatabaseFacts, Deletion, Imported, Intent, Job, MAX_NOTE, MAX_TITLE, QueryFacts},
    phase::{Phase, Status},
    search::{Program, SearchOptions, SearchSpec},
    step::Step,
    text,
    time::Timestamp,
    view::HistoryEntry,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Rules, Why,
    columns::{self, Broken, at, first_text, object, parse_time},
    ending::{self, Ending},
    history::{self, Entry, Written},
    spec, timeline,
};
use crate::{
    azure::tables::foreign::Foreign,
    repository::{Kept, Lease, Stored},
};

/// The row key of every job.
const CURRENT: &str = "current";
/// The kind of job that is a search.
const SEARCH: &str = "blast";
/// The longest id that is kept as it is: what `objects` takes.
const MAX_ID: usize = 64;
/// Ids that are pages of their own.
const TAKEN: [&str; 2] = ["deleted", "bulk"];

/// Our id for an id of the original: the same, if it is fit for an address and a file name.
pub(super) fn id_of(theirs: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fit = !theirs.is_empty() && theirs.len() <= MAX_ID && theirs.bytes().all(plain);
    if fit && !TAKEN.contains(&theirs) {
        return theirs.to_owned();
    }
    let digest = Sha256::digest(theirs.as_bytes());
    let hex: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("original-{hex}")
}

/// The job, or why there is none. `entries` are the rows of its history.
pub(super) fn job_of(row: &Foreign, entries: &[Foreign], rules: &Rules) -> Result<Kept, Why> {
    let read = |name| columns::text(row, name).map_err(Why::Broken);
    let key = read("RowKey")?;
    if key != CURRENT {
        return Err(Why::NotAJob(key));
    }
    let kind = read("type")?;
    if !kind.is_empty() && kind != SEARCH {
        return Err(Why::NotASearch(kind));
    }
    let (status, phase) = (read("status")?, read("phase")?);
    let ending = Ending::of(&status, &phase);
    let payload = match (object(row, "payload_json"), ending) {
        (Ok(payload), _) => payload,
        // Nobody will read it again.
        (Err(_), Ending::Deleted) => Foreign::new(),
        (Err(why), _) => return Err(Why::Broken(why)),
    };
    let placeholder = at(&payload, &["placeholder"]) == Some(&Value::Bool(true));
    if placeholder && matches!(ending, Ending::Not | Ending::Deleted) {
        return Err(Why::Placeholder);
    }
    if ending == Ending::Unknown {
        let why = format!("its status is \"{status}\", which the original never writes");
        return Err(Why::Broken(why));
    }
    if ending == Ending::Not && !rules.unfinished_as_lost {
        return Err(Why::Unfinished { status, phase });
    }
    let theirs = Theirs {
        row,
        payload,
        entries: history::entries_of(entries),
        status,
        phase,
    };
    theirs.job(ending, rules).map_err(Why::Broken)
}

/// Everything that the original has of a job.
struct Theirs<'a> {
    row: &'a Foreign,
    payload: Foreign,
    entries: Vec<Entry>,
    status: String,
    phase: String,
}

impl Theirs<'_> {
    fn job(&self, ending: Ending, rules: &Rules) -> Result<Kept, Broken> {
        let theirs = columns::text(self.row, "PartitionKey")?;
        let created = self.created()?;
        let gone = ending == Ending::Deleted;
        let spec = match spec::spec_of(self.row, &self.payload) {
            Ok(spec) => spec,
            // Nobody sees the program of a tombstone.
            Err(_) if gone => SearchSpec {
                program: Program::Blastn,
                task: None,
                database: spec::database_of(self.row, &self.payload)?,
                options: SearchOptions::default(),
            },
            Err(why) => return Err(why),
        };
        let title = self.title(&spec)?;
        let mut job = Job::new(id_of(&theirs), self.owner(rules)?, title, spec, created);
        let (ended_as, step) = self.end(ending);
        let ended = self.ended(ended_as, created)?;
        job.imported = Some(Imported {
            found: None,
            id: theirs,
            results: self.results()?,
        });
        job.phase = ended_as;
        job.deadlines.clear();
        job.started_at = self.started().map(|at| at.clamp(created, ended));
        job.completed_at = Some(ended);
        job.updated_at = ended;
        job.steps = timeline::of(created, ended, ended_as, step, self.steps());
        if ended_as.status() == Status::Failed {
            let error = self.error(ending, step)?;
            for record in job.steps.iter_mut().filter(|record| record.key == step) {
                record.reason = Some(text::cap(&error.message, MAX_NOTE));
            }
            job.error = Some(error);
        }
        if gone {
            job.intent = Intent::Delete;
            job.deletion = Some(Deletion {
                at: ended,
                was: self.was(),
                keep_until: ended,
                removed_at: Some(ended),
            });
        } else {
            self.facts(&mut job);
            job.warnings.push(self.notice(&job)?);
        }
        let history = self.history(&job)?;
        Ok(Kept {
            stored: Stored {
                job,
                version: history.len() as u64,
                lease: Lease::default(),
            },
            history,
            keys: Vec::new(),
        })
    }

    /// When it was submitted: the column, else the first entry of the history that has a time.
    fn created(&self) -> Result<Timestamp, Broken> {
        let first = || self.entries.iter().find_map(|entry| entry.at);
        let created = columns::time(self.row, "created_at")?.or_else(first);
        created.ok_or_else(|| "neither its row nor its history says when it was created".to_owned())
    }

    fn owner(&self, rules: &Rules) -> Result<String, Broken> {
        match &rules.owner {
            Some(owner) => Ok(owner.clone()),
            None => columns::text(self.row, "owner_oid"),
        }
    }

    fn title(&self, spec: &SearchSpec) -> Result<String, Broken> {
        let column = columns::text(self.row, "job_title")?;
        let given = || {
            let places: [&[&str]; 3] = [&["job_title"], &["title"], &["external", "job_title"]];
            first_text(&self.payload, &places)
        };
        let made = || format!("{} against {}", spec.program, spec.database);
        let title = Some(column).filter(|title| !title.is_empty());
        Ok(text::cap(
            &title.or_else(given).unwrap_or_else(made),
            MAX_TITLE,
        ))
    }

    /// The phase here, and the step in which the job ended.
    fn end(&self, ending: Ending) -> (Phase, Step) {
        let told = ending::step_of(&self.phase).or_else(|| self.failed_step());
        let step = told.unwrap_or(Step::Running);
        match ending {
            Ending::Completed => (Phase::Completed, Step::Completed),
            Ending::Cancelled => (Phase::Cancelled, step.min(Step::ExportingResults)),
            Ending::Deleted => (Phase::Deleted, Step::Preparing),
            Ending::Not | Ending::Unknown => (Phase::WorkerLost, step.min(Step::ExportingResults)),
            Ending::Failed => {
                let step = step.min(Step::ExportingResults);
                let code = ending::error_code(&self.code(), &self.phase, step);
                let phase = match code {
                    ErrorCode::WorkerLost => Phase::WorkerLost,
                    ErrorCode::BrokerUnavailable => Phase::BrokerUnavailable,
                    _ => Phase::Failed,
                };
                (phase, step)
            }
        }
    }

    /// The step that the original's own timeline marks as failed.
    fn failed_step(&self) -> Option<Step> {
        let steps = self.steps()?;
        let failed = |step: &Step| {
            let status = at(steps, &[step.as_str(), "status"]);
            status.and_then(Value::as_str) == Some("failed")
        };
        Step::ALL.into_iter().find(failed)
    }

    /// The original's own timeline. It has none of searches that came by another way, whatever is left there.
    fn steps(&self) -> Option<&Foreign> {
        if at(&self.payload, &["external"]).is_some_and(Value::is_object) {
            return None;
        }
        at(&self.payload, &["_progress", "steps"])?.as_object()
    }

    fn started(&self) -> Option<Timestamp> {
        let places: [&[&str]; 1] = [&["external", "started_at"]];
        let told = first_text(&self.payload, &places);
        let told = told.or_else(|| {
            let steps = self.steps()?;
            let places: [&[&str]; 3] = [
                &["submitted", "started_at"],
                &["running", "started_at"],
                &["submitting", "started_at"],
            ];
            first_text(steps, &places)
        });
        told.and_then(|text| parse_time(&text))
    }

    /// When it ended: as its history says, else its request, else when the row was last written.
    fn ended(&self, ended: Phase, created: Timestamp) -> Result<Timestamp, Broken> {
        let told = || {
            let places: [&[&str]; 3] = [
                &["external", "completed_at"],
                &["external", "failed_at"],
                &["_progress", "steps", "completed", "completed_at"],
            ];
            first_text(&self.payload, &places).and_then(|text| parse_time(&text))
        };
        let by_history = history::ended_at(&self.entries, ended);
        let written = columns::time(self.row, "updated_at")?;
        let last = || self.entries.iter().rev().find_map(|entry| entry.at);
        let told = by_history.or_else(told).or(written).or_else(last);
        Ok(told.unwrap_or(created).max(created))
    }

    /// How a deleted job stood before.
    fn was(&self) -> Phase {
        let phases = self.entries.iter().rev().filter_map(|entry| entry.phase);
        let mut ends = phases.filter(|phase| !phase.is_active() && *phase != Phase::Deleted);
        ends.next().unwrap_or(Phase::Cancelled)
    }

    /// The original's code of the failure, which may be a whole text.
    fn code(&self) -> String {
        let column = columns::text(self.row, "error_code").unwrap_or_default();
        if !column.is_empty() {
            return column;
        }
        first_text(&self.payload, &[&["external", "error", "code"]]).unwrap_or_default()
    }

    fn error(&self, ending: Ending, step: Step) -> Result<JobError, Broken> {
        columns::text(self.row, "error_code")?;
        let code = self.code();
        if ending == Ending::Not {
            let message = format!(
                "Imported while the original called it {} ({}); how it ended was not seen here.",
                self.status, self.phase
            );
            let ours = ErrorCode::WorkerLost;
            return Ok(JobError::new(ours, &message, step));
        }
        let places: [&[&str]; 4] = [
            &["error"],
            &["_progress", "steps", step.as_str(), "error"],
            &["external", "error"],
            &["external", "error", "message"],
        ];
        let told = first_text(&self.payload, &places).filter(|told| *told != code);
        let message = match (code.as_str(), told) {
            ("", None) => format!(
                "The original recorded no reason; it was {} ({}).",
                self.status, self.phase
            ),
            ("", Some(told)) => told,
            (code, None) => code.to_owned(),
            (code, Some(told)) => format!("{code}: {told}"),
        };
        Ok(JobError::new(
            ending::error_code(&code, &self.phase, step),
            &message,
            step,
        ))
    }

    /// Where the original keeps the results.
    fn results(&self) -> Result<String, Broken> {
        let theirs = columns::text(self.row, "PartitionKey")?;
        let mut prefix = columns::text(self.row, "results_prefix")?;
        if prefix.is_empty() {
            // The layout of rows that are older than the column.
            prefix = format!("{theirs}/");
        }
        let mut account = columns::text(self.row, "storage_account")?;
        if account.is_empty() {
            account = first_text(&self.payload, &[&["storage_account"]]).unwrap_or_default();
        }
        Ok(match account.as_str() {
            "" => format!("results/{prefix}"),
            account => format!("{account}/results/{prefix}"),
        })
    }

    /// What is known of query and database.
    fn facts(&self, job: &mut Job) {
        let number = |path: &[&str]| at(&self.payload, path).and_then(Value::as_u64);
        let label = columns::text(self.row, "query_label").unwrap_or_default();
        job.query = QueryFacts {
            records: number(&["options", "query_count"]).unwrap_or(0),
            letters: number(&["external", "query_meta", "length"]).unwrap_or(0),
            bytes: 0,
            first_id: text::cap(&label, 80),
        };
        job.database = DatabaseFacts {
            title: job.spec.database.clone(),
            version: first_text(&self.payload, &[&["external", "db_version"]]).unwrap_or_default(),
            sequences: number(&["options", "db_total_sequences"]).unwrap_or(0),
            letters: number(&["options", "db_total_letters"]).unwrap_or(0),
        };
        job.blast_version = first_text(&self.payload, &[&["external", "blast_version"]]);
    }

    /// What the page says above all else.
    fn notice(&self, job: &Job) -> Result<String, Broken> {
        let by = [
            columns::text(self.row, "owner_upn")?,
            columns::text(self.row, "owner_oid")?,
        ];
        let by = by.into_iter().find(|name| !name.is_empty());
        let by = by.map_or_else(String::new, |name| format!(", submitted by {name}"));
        let place = job
            .imported
            .as_ref()
            .map_or("", |imported| &imported.results);
        Ok(text::cap(
            &format!(
                "Imported from the original dashboard{by}. Its query and its results are not here; results were kept in {place}."
            ),
            MAX_NOTE,
        ))
    }

    fn history(&self, job: &Job) -> Result<Vec<HistoryEntry>, Broken> {
        let mut written = Written::default();
        written.add(
            job.created_at,
            Phase::Queued,
            "Submitted in the original dashboard.",
        );
        let ended = job.completed_at.unwrap_or(job.updated_at);
        if job.phase == Phase::Deleted {
            let note = format!(
                "Deleted in the original dashboard; its request and {} of its history were not imported.",
                text::counted(self.entries.len() as u64, "entry", "entries")
            );
            written.add(ended, Phase::Deleted, &note);
            return Ok(written.newest_first());
        }
        let (mut at, mut phase) = (job.created_at, Phase::Queued);
        for entry in &self.entries {
            at = entry.at.unwrap_or(at);
            phase = entry.phase.unwrap_or(phase);
            written.add(at, phase, &entry.note);
        }
        let request = columns::text(self.row, "payload_json")?;
        if !request.is_empty() {
            written.add(
                ended,
                job.phase,
                &format!("Imported; the request was: {request}"),
            );
        }
        let mut row = self.row.clone();
        row.retain(|name, value| {
            !matches!(name.as_str(), "PartitionKey" | "RowKey" | "payload_json")
                && !value.is_null()
                && value != ""
        });
        let row = Value::Object(row);
        written.add(ended, job.phase, &format!("Imported; the row was: {row}"));
        Ok(written.newest_first())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
