//! What pages are rendered from: the request's context, its address, and forms that came back.
//!
//! Owns the way from a page to the engine's door. Never calls anything below `JobService`.

use std::sync::Arc;

use elb_core::{
    database::{Build, BuildState},
    list::{ListQuery, ListQueryError},
    search::{OptionProblem, RunPaths, SearchSpec, argv, display_command},
    text,
    time::Timestamp,
    view::JobState,
};
use elb_engine::{
    JobService,
    clusters::PodLogError,
    results::ResultsError,
    service::{Caller, ServiceError},
    warmup::WarmupError,
};
use leptos::prelude::*;
use leptos_axum::ResponseOptions;

use crate::{
    components::job_status::JobStatus,
    notices::Notices,
    server_fns::{BuildLine, JobPart},
};

/// What every page works with, put into the context by the host.
#[derive(Clone)]
pub struct PageContext {
    /// The door to the engine.
    pub service: JobService,
    /// Who reads.
    pub caller: Caller,
    /// Settings that show on pages.
    pub settings: Arc<PageSettings>,
    /// The form that this page answers, if it could not be carried out.
    pub returned: Option<Arc<Returned>>,
    /// What became of actions on many searches.
    pub notices: Arc<Notices>,
}

/// Settings that show on pages.
#[derive(Debug, Clone, Default)]
pub struct PageSettings {
    /// Version of this program.
    pub version: String,
    /// The folder with the server's own files.
    pub data_dir: std::path::PathBuf,
    /// Where own databases are looked for.
    pub database_folders: Vec<String>,
    /// The largest upload of a database, in bytes.
    pub max_database_bytes: u64,
    /// The largest query, in bytes.
    pub max_query_bytes: u64,
}

/// A form that was sent and not carried out: it goes back to its page with everything in it.
#[derive(Debug, Clone, Default)]
pub struct Returned {
    /// The fields as they were sent; `query` holds the text, or that of a small file.
    pub fields: Vec<(String, String)>,
    /// What speaks against it, each at its field.
    pub problems: Vec<OptionProblem>,
    /// Not wrong, but maybe not what was meant.
    pub warnings: Vec<String>,
    /// What else the person must know, for example that a file has to be chosen again.
    pub notes: Vec<String>,
    /// Whether the form was only to be checked, and passed.
    pub checked: bool,
}

/// The context of the request.
#[must_use]
pub fn page_context() -> PageContext {
    expect_context::<PageContext>()
}

/// Sets the status of the answer.
pub fn set_status(code: u16) {
    let options = use_context::<ResponseOptions>();
    let status = axum::http::StatusCode::from_u16(code);
    if let (Some(options), Ok(status)) = (options, status) {
        options.set_status(status);
    }
}

/// The question that a query string asks of the jobs list.
///
/// # Errors
/// The first parameter whose value makes no sense.
pub fn list_query(query: &str) -> Result<ListQuery, ListQueryError> {
    let pairs = form_pairs(query);
    ListQuery::from_pairs(
        pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
}

/// The pairs of a query string, decoded.
#[must_use]
pub fn form_pairs(query: &str) -> Vec<(String, String)> {
    let query = query.strip_prefix('?').unwrap_or(query);
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// The query string of the current address, without its question mark.
#[must_use]
pub fn address_query() -> String {
    let parts = use_context::<axum::http::request::Parts>();
    let query = parts.as_ref().and_then(|parts| parts.uri.query());
    query.unwrap_or_default().to_owned()
}

/// The value of a parameter of the current address.
#[must_use]
pub fn address_value(name: &str) -> Option<String> {
    let pairs = form_pairs(&address_query());
    let found = pairs.into_iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value)
}

/// The command that a batch of a search would be run with; `None` if the search cannot be run.
#[must_use]
pub fn planned_command(context: &PageContext, spec: &SearchSpec) -> Option<String> {
    let (problems, _) = context.service.check(spec);
    let path = context.service.catalogue().path_of(&spec.database);
    let path = path.filter(|_| problems.is_empty())?;
    let paths = RunPaths {
        database: &path.to_string_lossy(),
        query: "batch_NNN.fa",
        out: "batch_NNN.asn",
    };
    Some(display_command(&argv(spec, &paths)))
}

/// What tells two sights of the clusters and the external plane apart; `None` if there is none of them. Revisions begin anew with the
/// server, but whatever its places say since then is later than what they said before.
#[must_use]
pub fn clusters_mark(service: &JobService) -> Option<String> {
    let plane = service.external_revision().map(|plane| *plane.borrow());
    let Some(clusters) = service.places_revision() else {
        let since = service.external()?.since.0;
        return Some(format!("{}-{since}", plane?));
    };
    let revision = *clusters.borrow();
    let places = service.places();
    let since = places.iter().map(|place| place.since.0).max();
    let plane = plane.map_or_else(String::new, |plane| format!("-{plane}"));
    Some(format!("{revision}-{}{plane}", since.unwrap_or_default()))
}

/// The part of a job's page that changes, drawn at that time.
#[must_use]
pub fn job_part(state: JobState, now: Timestamp) -> JobPart {
    let command = (!state.command.is_empty()).then(|| display_command(&state.command));
    JobPart {
        version: state.row.version,
        phase: state.row.phase,
        command,
        html: view! { <JobStatus state=state now=now/> }.to_html(),
    }
}

/// How far the making of a database is, in words.
#[must_use]
pub fn build_line(build: &Build) -> BuildLine {
    let (state, active) = match &build.state {
        BuildState::Receiving { bytes } => {
            (format!("arriving: {} so far", text::bytes(*bytes)), true)
        }
        BuildState::Building { sequences: 0 } => ("makeblastdb is at work".to_owned(), true),
        BuildState::Building { sequences } => {
            let sequences = text::counted(*sequences, "sequence", "sequences");
            (format!("makeblastdb is at work on {sequences}"), true)
        }
        BuildState::Done => ("done".to_owned(), false),
        BuildState::Failed { message } => (format!("failed: {message}"), false),
    };
    BuildLine {
        id: build.id.clone(),
        state,
        active,
    }
}

/// The status that fits an error of the engine.
#[must_use]
pub const fn status_of(error: &ServiceError) -> u16 {
    match error {
        ServiceError::NoSuchJob(_)
        | ServiceError::PodLog(PodLogError::Gone(_))
        | ServiceError::Warmup(WarmupError::Missing(_))
        | ServiceError::Results(ResultsError::NoQuery(_) | ResultsError::NoSubject { .. }) => 404,
        ServiceError::Invalid(_) | ServiceError::KeyReused => 422,
        ServiceError::NotNow(_)
        | ServiceError::NoResults(_)
        | ServiceError::Warmup(WarmupError::Refused(_))
        | ServiceError::PodLog(PodLogError::NotStarted(_)) => 409,
        ServiceError::BadRequest(_) => 400,
        ServiceError::Forbidden(_) => 403,
        ServiceError::BrokerUnavailable(_)
        | ServiceError::Store(_)
        | ServiceError::Objects(_)
        | ServiceError::Warmup(WarmupError::Away(_))
        | ServiceError::PodLog(_) => 503,
        ServiceError::Results(_) | ServiceError::Internal(_) => 500,
    }
}
