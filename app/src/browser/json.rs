//! JSON of the server, read by name with the browser's own parser.
//!
//! Owns the way from JSON to the shared types that islands need. A value that is missing or of another
//! kind makes the whole unreadable, which its reader treats like an answer that did not come.

use elb_core::{
    error_code::ErrorCode,
    job::{Progress, Unseen},
    list::{ListPage, Totals},
    phase::{Phase, Status},
    search::{OptionProblem, Program},
    step::Step,
    time::Timestamp,
    view::{JobRow, LogLevel, LogLine, RowError},
};
use js_sys::{Array, Reflect};
use wasm_bindgen::{JsCast, JsValue};

/// A value of JSON.
#[derive(Clone)]
pub struct Json(pub JsValue);

impl Json {
    /// Parses a text.
    pub fn parse(text: &str) -> Option<Self> {
        js_sys::JSON::parse(text).ok().map(Self)
    }

    /// The member of that name, unless it is missing or null.
    pub fn get(&self, name: &str) -> Option<Self> {
        let value = Reflect::get(&self.0, &JsValue::from_str(name)).ok()?;
        (!value.is_undefined() && !value.is_null()).then_some(Self(value))
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.0.as_string()
    }

    /// A whole number.
    pub fn whole(&self, name: &str) -> Option<u64> {
        let number = self.get(name)?.0.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts below 2^53"
        )]
        let whole = number as u64;
        Some(whole)
    }

    fn small(&self, name: &str) -> Option<u32> {
        u32::try_from(self.whole(name)?).ok()
    }

    /// Whether it is true.
    pub fn yes(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.0.is_truthy())
    }

    fn time(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse(&self.text(name)?)
    }

    /// The elements of a list; none if there is no list.
    pub fn list(&self, name: &str) -> Vec<Self> {
        self.get(name).map_or_else(Vec::new, |list| list.elements())
    }

    /// The elements of this list.
    pub fn elements(&self) -> Vec<Self> {
        self.0
            .dyn_ref::<Array>()
            .map_or_else(Vec::new, |array| array.iter().map(Json).collect())
    }

    /// One of a closed set of words.
    fn word<T: Copy>(&self, name: &str, all: &[T], key: impl Fn(T) -> &'static str) -> Option<T> {
        let text = self.text(name)?;
        all.iter().copied().find(|each| key(*each) == text)
    }

    /// Where a job is.
    pub fn phase(&self) -> Option<Phase> {
        self.word("phase", &Phase::ALL, Phase::as_str)
    }
}

/// A row of the jobs list.
pub fn row(json: &Json) -> Option<JobRow> {
    let error = json.get("error").and_then(|error| {
        Some(RowError {
            code: error.word("code", &ErrorCode::ALL, ErrorCode::as_str)?,
            message: error.text("message")?,
        })
    });
    let unseen = json.get("unseen").and_then(|unseen| {
        Some(Unseen {
            since: unseen.time("since")?,
            reason: unseen.text("reason")?,
        })
    });
    let progress = json.get("progress")?;
    let phase = json.phase()?;
    Some(JobRow {
        id: json.text("id")?,
        title: json.text("title")?,
        program: Program::parse(&json.text("program")?)?,
        database: json.text("database")?,
        status: phase.status(),
        phase,
        step: json.word("step", &Step::ALL, Step::as_str)?,
        reason: json.text("reason"),
        unseen,
        not_before: json.time("not_before"),
        runs_on: json.text("runs_on"),
        progress: Progress {
            batches_done: progress.small("batches_done")?,
            batches_total: progress.small("batches_total")?,
            letters_done: progress.whole("letters_done")?,
            letters_total: progress.whole("letters_total")?,
        },
        query_records: json.whole("query_records")?,
        query_letters: json.whole("query_letters")?,
        attempt: json.small("attempt")?,
        created_at: json.time("created_at")?,
        started_at: json.time("started_at"),
        completed_at: json.time("completed_at"),
        hits: json.whole("hits"),
        error,
        version: json.whole("version")?,
    })
}

/// The rows and totals of a page of the list.
pub fn page(json: &Json) -> Option<ListPage> {
    let jobs: Option<Vec<JobRow>> = json.list("jobs").iter().map(row).collect();
    let totals = json.get("totals")?;
    let of = |status: Status| totals.whole(status.as_str());
    Some(ListPage {
        jobs: jobs?,
        totals: Totals {
            all: totals.whole("all")?,
            queued: of(Status::Queued)?,
            running: of(Status::Running)?,
            completed: of(Status::Completed)?,
            failed: of(Status::Failed)?,
            cancelled: of(Status::Cancelled)?,
        },
        next_cursor: json.text("next_cursor"),
        continued: json.yes("continued"),
        revision: json.whole("revision")?,
        as_of: json.time("as_of")?,
        stale: json.text("stale"),
    })
}

/// A line of a log.
pub fn log_line(json: &Json) -> Option<LogLine> {
    const LEVELS: [LogLevel; 4] = [
        LogLevel::Info,
        LogLevel::Command,
        LogLevel::Warning,
        LogLevel::Error,
    ];
    Some(LogLine {
        number: json.whole("number")?,
        at: json.time("at")?,
        step: json.word("step", &Step::ALL, Step::as_str)?,
        level: json.word("level", &LEVELS, LogLevel::as_str)?,
        text: json.text("text")?,
    })
}

/// The problems of a refused form.
pub fn problems(json: &Json) -> Vec<OptionProblem> {
    let read = |each: &Json| {
        Some(OptionProblem::new(
            each.text("field")?,
            each.text("message")?,
        ))
    };
    json.list("problems").iter().filter_map(read).collect()
}
